"""The catalogue: admitted datasets, and which of them a kernel may see."""

from datetime import datetime

from workbench.governance.people import People, why_not
from workbench.home import Home
from workbench.release.receiving import HostShelf
from workbench.release.shelf import Opened, Shelf
from workbench.release.staging import expect
from workbench.state import State


def catalogue(home: Home, state: State) -> Shelf:
    """The datasets of a home; on an analysts' host those it was sent."""
    return (HostShelf if home.is_host else Shelf)(home, state, "dataset")


def mounts(home: Home, state: State, *, analyst: str, purpose: str, now: datetime) -> dict[str, Opened]:
    """
    What this analyst's kernel sees under /datasets, by folder name: NAME-VERSION.

    Every bundle was verified just now; those of another purpose, expired or revoked are not there. Refused
    for who may not open a session.
    """
    expect(why_not(People(state).get(analyst), "open_session"))
    found = catalogue(home, state).usable(purpose, now=now)
    return {f"{opened.entry.name}-{opened.entry.version}": opened for opened in found}
