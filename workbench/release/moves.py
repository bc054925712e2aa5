"""
A request's life as a table: who may move it from which state to which.

The pages, the log and the diagram are read from `MOVES`; nothing else says what may follow what.
"""

from enum import StrEnum

from workbench.errors import Refused


class State(StrEnum):
    DRAFT = "draft"
    CHECKING = "checking"
    IN_REVIEW = "in_review"
    RETURNED = "returned"
    ADMITTING = "admitting"
    ADMITTED = "admitted"
    REVOKED = "revoked"
    REFUSED = "refused"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class Action(StrEnum):
    SUBMIT = "submit"
    REPORT = "report"
    REFUSE = "refuse"
    ADMIT = "admit"
    REJECT = "reject"
    RETURN = "return"
    PUBLISH = "publish"
    WITHDRAW = "withdraw"
    REVOKE = "revoke"


class Actor(StrEnum):
    """Whose move it is."""

    AUTHOR = "author"
    WORKBENCH = "workbench"
    REVIEWERS = "reviewers"
    COORDINATOR = "coordinator"


MOVES: dict[tuple[State, Action], tuple[State, Actor]] = {
    (State.DRAFT, Action.SUBMIT): (State.CHECKING, Actor.AUTHOR),
    (State.CHECKING, Action.REPORT): (State.IN_REVIEW, Actor.WORKBENCH),
    (State.CHECKING, Action.REFUSE): (State.REFUSED, Actor.WORKBENCH),
    (State.CHECKING, Action.WITHDRAW): (State.WITHDRAWN, Actor.AUTHOR),
    # A report may be made again, after a change of policy for example; the votes on the old one are void.
    (State.IN_REVIEW, Action.REPORT): (State.IN_REVIEW, Actor.WORKBENCH),
    (State.IN_REVIEW, Action.REFUSE): (State.REFUSED, Actor.WORKBENCH),
    (State.IN_REVIEW, Action.ADMIT): (State.ADMITTING, Actor.REVIEWERS),
    (State.IN_REVIEW, Action.REJECT): (State.REJECTED, Actor.REVIEWERS),
    (State.IN_REVIEW, Action.RETURN): (State.RETURNED, Actor.REVIEWERS),
    (State.IN_REVIEW, Action.WITHDRAW): (State.WITHDRAWN, Actor.AUTHOR),
    (State.RETURNED, Action.SUBMIT): (State.CHECKING, Actor.AUTHOR),
    (State.RETURNED, Action.WITHDRAW): (State.WITHDRAWN, Actor.AUTHOR),
    # Decided and logged, not yet signed and shelved: where a kill during an admission is found again.
    (State.ADMITTING, Action.PUBLISH): (State.ADMITTED, Actor.WORKBENCH),
    # The bundle was changed after the decision: what was decided on is no longer there.
    (State.ADMITTING, Action.REFUSE): (State.REFUSED, Actor.WORKBENCH),
    (State.ADMITTED, Action.REVOKE): (State.REVOKED, Actor.COORDINATOR),
}

# What has left the room, and is known for good: revoking it does not make it unknown. Decided counts as gone.
LEFT = (State.ADMITTING, State.ADMITTED, State.REVOKED)
FINAL = frozenset({State.REFUSED, State.REJECTED, State.WITHDRAWN, State.REVOKED})

LABELS: dict[State, tuple[str, str]] = {
    State.DRAFT: ("下書き", "draft"),
    State.CHECKING: ("確認中", "being checked"),
    State.IN_REVIEW: ("審査中", "in review"),
    State.RETURNED: ("差戻し", "returned"),
    State.ADMITTING: ("受入処理中", "being admitted"),
    State.ADMITTED: ("受入済", "admitted"),
    State.REVOKED: ("失効", "revoked"),
    State.REFUSED: ("不受理", "refused"),
    State.REJECTED: ("否認", "rejected"),
    State.WITHDRAWN: ("取下げ", "withdrawn"),
}


def after(state: State, *, action: Action, request: str) -> State:
    """The state that follows, or Refused when this move is not in the table."""
    if (state, action) not in MOVES:
        ja, en = LABELS[state]
        raise Refused(
            ja=f"申請 {request} は「{ja}」のため、この操作（{action}）はできません。workbench release show {request} で状態を確認してください。",
            en=f"Request {request} is {en}, so '{action}' is not possible; see 'workbench release show {request}'.",
        )
    return MOVES[state, action][0]


def diagram() -> str:
    """The table as a Mermaid state diagram, for the documentation."""
    lines = [f"    {before} --> {then}: {action} ({who})" for (before, action), (then, who) in MOVES.items()]
    return "\n".join(["stateDiagram-v2", *lines])
