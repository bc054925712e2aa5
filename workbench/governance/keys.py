"""Making keys and pinning them, with the record of it. A person's new key is also noted with the person."""

from pathlib import Path

import sqlalchemy as sa

from workbench.artifact.canonical import sha256
from workbench.artifact.keys import KeyRing
from workbench.artifact.trust import ADMITTERS, Trusted
from workbench.audit import Event
from workbench.errors import Refused, Unusable
from workbench.governance.people import FOUNDER, People
from workbench.home import Home, write_atomically
from workbench.state import State, metadata

role_keys = sa.Table(
    "role_keys",
    metadata,
    sa.Column("owner", sa.Text, primary_key=True),
    sa.Column("public_key", sa.Text, nullable=False, unique=True),
)


def create_key(home: Home, state: State, owner: str, *, actor: str = FOUNDER) -> str:
    """
    Make the owner's key, record it and return its public half. Refused where the owner has one.

    A `person:` must be somebody, a role one of the two that admit. A key file that a kill left without its record is recorded now.
    """
    people = People(state)
    people.expect_may(actor, "create_key")
    kind, _, person = owner.partition(":")
    if kind == "person":
        people.get(person)
    elif owner not in ADMITTERS:
        raise no_owner()
    public = KeyRing.of(home).ensure(owner)
    if kind == "person":
        people.set_key(person, public, actor=actor)
    else:
        record_role_key(state, owner, public, actor=actor)
    return public


def ensure_role_key(home: Home, state: State, owner: str, *, actor: str = FOUNDER) -> str:
    """The public half of a role's key, made and recorded where there is none."""
    public = KeyRing.of(home).ensure(owner)
    with state.reading() as connection:
        known = connection.execute(
            sa.select(role_keys.c.owner).where(role_keys.c.owner == owner)
        ).one_or_none()
    if known is None:
        record_role_key(state, owner, public, actor=actor)
    return public


def record_role_key(state: State, owner: str, public: str, *, actor: str) -> None:
    with state.transaction() as transaction:
        recorded = sa.select(role_keys.c.owner).where(role_keys.c.owner == owner)
        if transaction.connection.execute(recorded).one_or_none():
            raise Refused(
                ja=f"{owner} の鍵は既にあります。workbench key list で確かめてください。",
                en=f"{owner} has a key already; see 'workbench key list'.",
            )
        transaction.connection.execute(role_keys.insert().values(owner=owner, public_key=public))
        transaction.event(Event.KEY_CREATED, actor=actor, owner=owner, public=public)


def export_trust(home: Home, state: State, target: Path, *, actor: str = FOUNDER) -> Trusted:
    """Write the public keys of the two admitting roles to `target`. Raises Refused for who may not."""
    People(state).expect_may(actor, "export_trust")
    trusted = Trusted.of(KeyRing.of(home))
    content = trusted.to_json()
    state.record(Event.TRUST_EXPORTED, actor=actor, owners=sorted(trusted.keys), sha256=sha256(content))
    write_atomically(target, content, mode=0o644)
    return trusted


def no_owner() -> Unusable:
    return Unusable(
        ja=f"鍵の持ち主は person:<id> か {'、'.join(ADMITTERS)} です。",
        en=f"A key's owner is person:<id> or {' or '.join(ADMITTERS)}.",
    )
