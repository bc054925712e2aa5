"""Asking for data that is not there yet: the same for a notebook and for the panel."""

from typing import TYPE_CHECKING, Any

from workbench.release.data_requests import KINDS, LABELS, MOVES, DataRequest, DataRequests, Standing

if TYPE_CHECKING:
    from workbench.lab.session import Session


def want(session: "Session", request: dict[str, Any]) -> dict[str, Any]:
    """Ask for a dataset, an item or a refresh, as the session's analyst and for its purpose."""
    return told(DataRequests(session.state).ask(request, author=session.analyst, purpose=session.project))


def wanted(session: "Session", _: dict[str, Any]) -> list[dict[str, Any]]:
    """What the analyst asked for and where it stands, newest first."""
    return [told(one) for one in DataRequests(session.state).of(session.analyst)]


def not_withdrawn(session: "Session") -> list[dict[str, Any]]:
    """The same without what was taken back, which is of no more interest to a person."""
    mine = DataRequests(session.state).of(session.analyst)
    return [told(one) for one in mine if one.standing is not Standing.WITHDRAWN]


def unwant(session: "Session", request: dict[str, Any]) -> dict[str, Any]:
    """Take a request of one's own back."""
    return told(DataRequests(session.state).withdraw(str(request.get("request")), by=session.analyst))


def told(request: DataRequest) -> dict[str, Any]:
    """A request as its author sees it."""
    kind, standing = KINDS[request.kind], LABELS[request.standing]
    return {
        "request": request.id,
        "kind": {"ja": kind[0], "en": kind[1]},
        "dataset": request.dataset,
        "about": request.about,
        "standing": {"ja": standing[0], "en": standing[1]},
        "answer": request.answer,
        "asked_at": request.asked_at[:10],
        "can_withdraw": Standing.WITHDRAWN in MOVES[request.standing],
    }
