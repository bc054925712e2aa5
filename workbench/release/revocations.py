"""
The home's signed list of revoked bundles, kept in step with the state.

The state says what is revoked; the list says it to places that have no state: the scoring stage, the
analyst's host. A kill between the two is mended on the next start, because the list is made from the state.
"""

from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from workbench.artifact.keys import KeyRing
from workbench.artifact.revocations import Revocations, verify_revocations
from workbench.artifact.signing import sign
from workbench.artifact.times import from_text
from workbench.artifact.trust import ADMITTERS, Trusted
from workbench.errors import NotFound
from workbench.home import Home, write_atomically
from workbench.release import tables
from workbench.state import State

NAME = "revocations.dsse.json"
# A list is renewed this long before its end, so that nobody is left with one that has run out.
RENEW_BEFORE = timedelta(days=30)


def path(home: Home) -> Path:
    """Where the list lies: beside the models, whose scoring stage reads it."""
    return home.registry / NAME


def current(home: Home, *, now: datetime) -> Revocations:
    """The list as it stands, verified with the home's own keys; an empty first one where there is none."""
    if not path(home).exists():
        return Revocations.none_yet(home=home.identity, now=now)
    # Its end is no matter here, where the state knows better: it is renewed below.
    return verify_revocations(
        path(home).read_bytes(),
        trusted=Trusted.of(KeyRing.of(home)),
        now=datetime.min.replace(tzinfo=now.tzinfo),
    )


def known(home: Home, state: State, *, now: datetime) -> Revocations:
    """The list with all that the state knows: a kill before it was written, or an old copy, hides nothing."""
    listed = current(home, now=now)
    for manifest, why, when in _revoked(state):
        if manifest not in listed.revoked:
            listed = listed.revoking(manifest, reason=why, now=from_text(when))
    return listed


def publish(home: Home, state: State, *, now: datetime) -> None:
    """Sign and write the next list when the state knows more than the last, or when it nears its end."""
    if not has_keys(home):
        return
    listed, newer = current(home, now=now), known(home, state, now=now)
    if path(home).exists() and newer == listed and now < from_text(listed.valid_until) - RENEW_BEFORE:
        return
    newer = newer.renewed(now=now) if path(home).exists() and newer == listed else newer
    write_atomically(path(home), sign(newer.statement(), [KeyRing.of(home).signer(ADMITTERS[0])]))


def has_keys(home: Home) -> bool:
    """Whether the home has the keys of the admitting roles yet; before that nothing was ever admitted."""
    try:
        Trusted.of(KeyRing.of(home))
    except NotFound:
        return False
    return True


def _revoked(state: State) -> list[tuple[str, str, str]]:
    query = sa.select(tables.shelves).where(tables.shelves.c.revoked_at.is_not(None))
    with state.reading() as connection:
        rows = connection.execute(query.order_by(tables.shelves.c.revoked_at))
        return [(row.manifest, row.revoked_why, row.revoked_at) for row in rows]
