"""
Preparing a release: from a table of the room to a bundle that may be asked for, and its evidence.

A preparer writes files and judges nothing; the checks read the files and do not believe it.
"""

from collections.abc import Callable
from pathlib import Path

from workbench.errors import Usage
from workbench.governance.people import People, why_not
from workbench.release.prepare.draft import Draft
from workbench.release.prepare.rows import anonymised, pseudonymised
from workbench.release.prepare.synthetic import synthetic
from workbench.release.prepare.tables import dp_tables
from workbench.release.room import Room
from workbench.release.staging import expect

__all__ = ["PREPARERS", "Draft", "prepare"]

Preparer = Callable[[Draft], None]

# protection: who makes it.
PREPARERS: dict[str, Preparer] = {
    "anonymised": anonymised,
    "pseudonymised": pseudonymised,
    "synthetic": synthetic,
    "dp_tables": dp_tables,
}


def prepare(
    room: Room, *, protection: str, into: Path, author: str, name: str, version: str, **wanted: object
) -> Draft:
    """
    Make `into/bundle` and `into/evidence` for a release of the project's source table.

    `wanted` are a preparer's own choices (see `Draft`). Refused when the author may not prepare.
    """
    if protection not in PREPARERS:
        raise Usage(
            ja=f"保護方法は {'、'.join(PREPARERS)} のいずれかです。",
            en=f"The protections are {', '.join(PREPARERS)}.",
        )
    expect(why_not(People(room.state).get(author), "prepare"))
    draft = Draft.begin(room, into=into, release=f"{name}@{version}", **wanted)
    PREPARERS[protection](draft)
    return draft
