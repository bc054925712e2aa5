"""
Votes: who says what about which report, signed with the person's own key.

A vote binds a person to the digest of the report they read. When the report changes, the vote falls: it
is about something else. Two people who are not the author must agree; whatever a policy says, never fewer.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from workbench.artifact.canonical import sha256
from workbench.artifact.envelope import verify_statement
from workbench.artifact.signing import sign
from workbench.errors import Refused, Untrusted
from workbench.governance.permissions import ROLE_NAMES, Role

SCHEMA = "workbench-vote/1"
FIELDS = frozenset({"schema", "home", "request", "report", "person", "vote", "comment", "cast_at"})
FEWEST = 2


class Vote(StrEnum):
    ADMIT = "admit"
    RETURN = "return"
    REJECT = "reject"


@dataclass(frozen=True)
class Ballot:
    """A verified vote; `digest` is that of the signed envelope."""

    person: str
    role: Role
    vote: Vote
    report: str
    comment: str
    cast_at: str
    digest: str


# Who must agree. The policy may ask for more people, of the role named last.
SEATS: dict[str, tuple[Role, ...]] = {
    "dataset": (Role.REVIEWER, Role.REVIEWER),
    "model": (Role.COORDINATOR, Role.REVIEWER),
}


def seats(kind: str, *, people: int) -> Counter[Role]:
    """How many people of each role must vote to admit; at least the table's, whatever `people` says."""
    needed = SEATS[kind]
    extra = max(people - len(needed), 0)
    return Counter([*needed, *[needed[-1]] * extra])


def why_not_admit(
    author: str, *, votes: Mapping[str, tuple[Role, Vote]], needed: Mapping[Role, int]
) -> Refused | None:
    """The reason these votes do not admit, or None when they do. Pure: no clock, no store, no name lookup."""
    others = {person: cast for person, cast in votes.items() if person != author}
    against = sum(vote is not Vote.ADMIT for _, vote in others.values())
    if against:
        return Refused(
            ja=f"投票 {len(others)} 件のうち {against} 件が受入に賛成していません。意見を確認し、作り直して再提出してください。",
            en=f"{against} of {len(others)} votes are not to admit; read their comments, mend and submit again.",
        )
    in_favour = Counter(role for role, _ in others.values())
    filled = sum(min(in_favour[role], count) for role, count in needed.items())
    asked = max(sum(needed.values()), FEWEST)
    if filled < asked:
        return Refused(
            ja=f"受入には申請者以外の {asked} 人（{_wanted(needed, language=0)}）の賛成が必要で、今は {filled} 人です。",
            en=f"Admitting takes {asked} people who are not the author ({_wanted(needed, language=1)}); {filled} so far.",
        )
    return None


def _wanted(needed: Mapping[Role, int], *, language: int) -> str:
    return ", ".join(f"{ROLE_NAMES[role][language]} {count}" for role, count in needed.items())


def outcome(
    author: str, *, votes: Mapping[str, tuple[Role, Vote]], needed: Mapping[Role, int]
) -> Vote | None:
    """
    What the votes decide, or None while people are missing.

    Nothing is decided by the first voter alone, not even a refusal: the second reviewer reads without
    knowing that the matter has ended.
    """
    others = {person: cast for person, cast in votes.items() if person != author}
    if why_not_admit(author, votes=others, needed=needed) is None:
        return Vote.ADMIT
    cast = {vote for _, vote in others.values()}
    if len(others) < max(sum(needed.values()), FEWEST):
        return None
    return next((vote for vote in (Vote.REJECT, Vote.RETURN) if vote in cast), None)


def cast(
    vote: Vote,
    *,
    home: str,
    request: str,
    report: str,
    person: str,
    signer: Any,
    cast_at: str,
    comment: str = "",
) -> bytes:
    """The signed envelope of a vote, made with the person's own key."""
    statement = {
        "schema": SCHEMA,
        "home": home,
        "request": request,
        "report": report,
        "person": person,
        "vote": str(vote),
        "comment": comment,
        "cast_at": cast_at,
    }
    return sign(statement, [signer])


def read(envelope: bytes, *, home: str, request: str, person: str, role: Role, public_key: str) -> Ballot:
    """The vote in `envelope`, or Untrusted unless this person signed it for this request of this home."""
    statement = verify_statement(envelope, {f"person:{person}": public_key}, threshold=1)
    about = (
        statement.get("schema"),
        statement.get("home"),
        statement.get("request"),
        statement.get("person"),
    )
    if set(statement) != FIELDS or about != (SCHEMA, home, request, person):
        raise Untrusted(
            ja=f"この署名は申請 {request} への {person} さんの投票ではありません。workbench release vote で投票し直してください。",
            en=f"This signature is not {person}'s vote on request {request}; vote again with 'workbench release vote'.",
        )
    return Ballot(
        person=person,
        role=role,
        vote=Vote(statement["vote"]),
        report=str(statement["report"]),
        comment=str(statement["comment"]),
        cast_at=str(statement["cast_at"]),
        digest=sha256(envelope),
    )
