"""The people of a home: one role each, one key each, added by someone who may."""

import re
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from workbench.audit import Event
from workbench.errors import NotFound, Refused, Unusable
from workbench.governance.permissions import PERMISSIONS, ROLE_NAMES, Role, why_not_role
from workbench.governance.wording import is_plain
from workbench.state import State, metadata

__all__ = ["PERMISSIONS", "ROLE_NAMES", "People", "Person", "Role", "why_not"]

ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
PUBLIC_KEY = re.compile(r"[0-9a-f]{64}")
# Who acts before there is anybody: whoever holds the home's files.
FOUNDER = "workbench"
# What is done with a signature, and so takes a key.
SIGNED = frozenset({"confirm_package", "send_package", "sign_setting", "vote"})

people = sa.Table(
    "people",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("section", sa.Text, nullable=False),
    # Two people with one key would be one person who votes twice.
    sa.Column("public_key", sa.Text, nullable=True, unique=True),
)


@dataclass(frozen=True)
class Person:
    """Somebody with a role. `public_key` is what their votes are verified with; None until they have one."""

    id: str
    name: str
    role: Role
    section: str
    public_key: str | None = None

    def __post_init__(self) -> None:
        if not ID.fullmatch(self.id) or not is_plain(self.name) or not is_plain(self.section):
            raise Unusable(
                ja="人の id は英小文字・数字・ハイフン・下線（64文字まで）とし、氏名と担当課室を制御文字のない一行で入れてください。",
                en="A person's id is lower-case letters, digits, hyphens and underscores (at most 64); name and section are one line each without control characters.",
            )
        if self.public_key is not None and not PUBLIC_KEY.fullmatch(self.public_key):
            raise Unusable(
                ja=f"{self.id} さんの公開鍵の形が正しくありません（16進64桁）。",
                en=f"The public key of {self.id} is not 64 hexadecimal digits.",
            )

    @property
    def owner(self) -> str:
        """The name of this person's key."""
        return f"person:{self.id}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def why_not(person: Person, action: str) -> Refused | None:
    """The reason this person may not do `action`, or None when they may."""
    refused = why_not_role(person.role, action)
    if refused is None and action in SIGNED and person.public_key is None:
        return Refused(
            ja=f"{person.id} さんには署名鍵がないため、この操作（{action}）はできません。workbench key create {person.owner} で作成してください。",
            en=f"{person.id} has no key to sign with ({action}); create it with 'workbench key create {person.owner}'.",
        )
    return refused


class People:
    """The people of one home."""

    def __init__(self, state: State) -> None:
        self.state = state

    def add(self, person: Person, *, actor: str = FOUNDER) -> None:
        """
        Add a person.

        `actor` must be somebody who may; the founder acts only until there is such a person.
        """
        self.expect_may(actor, "add_person")
        with self.state.transaction() as transaction:
            ids = transaction.connection.execute(sa.select(people.c.id, people.c.public_key)).all()
            if person.id in {row.id for row in ids}:
                raise Refused(
                    ja=f"{person.id} さんは既に登録されています。workbench people list で確かめてください。",
                    en=f"{person.id} is there already; see 'workbench people list'.",
                )
            expect_own_key(person, others=[row.public_key for row in ids])
            transaction.connection.execute(people.insert().values(**person.to_json()))
            transaction.event(
                Event.PERSON_ADDED,
                actor=actor,
                person=person.id,
                role=person.role,
                section=person.section,
                public=person.public_key,
            )

    def set_key(self, person: str, public_key: str, *, actor: str = FOUNDER) -> None:
        """Record the key of a person who has none yet."""
        self.expect_may(actor, "create_key")
        with self.state.transaction() as transaction:
            rows = transaction.connection.execute(sa.select(people)).mappings().all()
            found = next((as_person(row) for row in rows if row["id"] == person), None)
            if found is None:
                raise nobody(person)
            if found.public_key is not None:
                raise Refused(
                    ja=f"{person} さんの鍵は既に登録されています。",
                    en=f"The key of {person} is recorded already.",
                )
            keyed = Person(**{**found.to_json(), "public_key": public_key})
            expect_own_key(keyed, others=[row["public_key"] for row in rows])
            transaction.connection.execute(
                people.update().where(people.c.id == person).values(public_key=public_key)
            )
            transaction.event(Event.KEY_CREATED, actor=actor, owner=keyed.owner, public=public_key)

    def get(self, person: str) -> Person:
        """The person with this id. Raises NotFound."""
        with self.state.reading() as connection:
            row = connection.execute(sa.select(people).where(people.c.id == person)).mappings().one_or_none()
        if row is None:
            raise nobody(person)
        return as_person(row)

    def all(self) -> list[Person]:
        """Everybody, by id."""
        with self.state.reading() as connection:
            rows = connection.execute(sa.select(people).order_by(people.c.id)).mappings().all()
        return [as_person(row) for row in rows]

    def expect_may(self, actor: str, action: str) -> None:
        """Raise Refused unless `actor` may do `action`; the founder may while nobody else could."""
        if actor == FOUNDER:
            if any(why_not(person, action) is None for person in self.all()):
                raise Refused(
                    ja=f"この操作（{action}）には、権限を持つ人を --by で指定してください。",
                    en=f"Name, with --by, a person who may do this ({action}).",
                )
            return
        refused = why_not(self.get(actor), action)
        if refused is not None:
            raise refused


def as_person(row: Any) -> Person:
    return Person(**{**row, "role": Role(row["role"])})


def expect_own_key(person: Person, *, others: list[str | None]) -> None:
    if person.public_key is not None and person.public_key in others:
        raise Refused(
            ja=f"{person.id} さんの公開鍵は別の人のものです。一人に一つの鍵を作成してください。",
            en=f"The public key of {person.id} is another person's; each person has a key of their own.",
        )


def nobody(person: str) -> NotFound:
    return NotFound(
        ja=f"{person[:64]} さんは登録されていません。workbench people list で確かめてください。",
        en=f"There is no person {person[:64]}; see 'workbench people list'.",
    )
