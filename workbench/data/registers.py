"""The registers of a home: every one that was ever registered, the newest of them in force."""

import json

import sqlalchemy as sa

from workbench.audit import Event
from workbench.data.register import Register
from workbench.errors import NotFound
from workbench.governance.people import FOUNDER, People
from workbench.state import State, metadata

registers = sa.Table(
    "registers",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),
    # As text, not as the canonical form its digest is of: the order of items is for people.
    sa.Column("document", sa.Text, nullable=False),
)


class Registers:
    """The registers in a home's state."""

    def __init__(self, state: State) -> None:
        self.state = state

    def add(self, register: Register, *, actor: str = FOUNDER) -> None:
        """Put `register` in force, if `actor` may. Nothing happens when it is in force already."""
        People(self.state).expect_may(actor, "register")
        if self.digests()[-1:] == [register.digest]:
            return
        row = {"digest": register.digest, "document": json.dumps(register.to_json(), ensure_ascii=False)}
        with self.state.transaction() as transaction:
            transaction.connection.execute(registers.insert().values(row))
            transaction.event(
                Event.REGISTER_STORED,
                actor=actor,
                digest=register.digest,
                tables=len(register.tables),
                items=register.size,
            )

    def current(self) -> Register:
        """The register in force. Raises NotFound when there is none."""
        newest = sa.select(registers.c.document).order_by(registers.c.number.desc()).limit(1)
        with self.state.reading() as connection:
            document = connection.execute(newest).scalar_one_or_none()
        if document is None:
            raise NotFound(
                ja="データ項目台帳がまだ登録されていません。workbench data register FILE で登録してください。",
                en="No item register has been registered; register one with 'workbench data register FILE'.",
            )
        return Register.from_json(json.loads(document))

    def digests(self) -> list[str]:
        """The digests of all registers, oldest first."""
        with self.state.reading() as connection:
            rows = connection.execute(sa.select(registers.c.digest).order_by(registers.c.number))
            return list(rows.scalars())
