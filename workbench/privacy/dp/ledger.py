"""
The ledger of privacy budgets: one for each dataset, whoever asks.

Two analysts who compare notes must not spend a budget twice, so it belongs to the dataset. Amounts are
whole millionths of epsilon. A charge is reserved before the computation, settled after it, and kept when
anything fails in between; a reservation that a kill left behind stays spent.
"""

import hashlib
import json
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from workbench.audit import Event
from workbench.errors import NotFound, Refused
from workbench.governance.people import People
from workbench.privacy.dp.questions import MICRO
from workbench.state import State, metadata

GRANTS = sa.Table(
    "budget_grant",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("dataset", sa.String, nullable=False, index=True),
    sa.Column("micro", sa.BigInteger, nullable=False),
    sa.Column("granted_by", sa.String, nullable=False),
)
CHARGES = sa.Table(
    "budget_charge",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("dataset", sa.String, nullable=False, index=True),
    sa.Column("analyst", sa.String, nullable=False),
    sa.Column("question", sa.String, nullable=False),
    sa.Column("micro", sa.BigInteger, nullable=False),
    sa.Column("status", sa.String, nullable=False),
)

# Grants above zero, charges below, each by how often: what a dataset's budget is made of.
Entries = dict[str, Counter[int]]
SIGNS = {Event.BUDGET_GRANTED: 1, Event.QUESTION_RESERVED: -1}


@dataclass(frozen=True)
class Balance:
    """What was granted, what is spent, what is left, in millionths of epsilon."""

    granted: int
    spent: int

    @property
    def remaining(self) -> int:
        return self.granted - self.spent

    def to_json(self) -> dict[str, float]:
        parts = {"granted": self.granted, "spent": self.spent, "remaining": self.remaining}
        return {name: micro / MICRO for name, micro in parts.items()}


class Ledger:
    """The one ledger of a home."""

    def __init__(self, state: State) -> None:
        self._state = state

    def grant(self, dataset: str, *, micro: int, granted_by: str) -> None:
        """Add to a dataset's budget. Refused for who may not."""
        People(self._state).expect_may(granted_by, "grant_budget")
        with self._state.transaction() as t:
            t.connection.execute(
                GRANTS.insert().values(
                    id=secrets.token_hex(8), dataset=dataset, micro=micro, granted_by=granted_by
                )
            )
            t.event(Event.BUDGET_GRANTED, actor=granted_by, dataset=dataset, micro=micro)

    def balance(self, dataset: str) -> Balance:
        """Raises NotFound for a dataset that was never granted a budget."""
        with self._state.reading() as connection:
            return self._balance(connection, dataset)

    def otherwise(self, records: Iterable[Mapping[str, Any]]) -> list[str]:
        """The datasets whose grants or charges are not what the log's records tell of them."""
        told, found = told_by(records), self._entries()
        return sorted(name for name in told.keys() | found.keys() if told.get(name) != found.get(name))

    def _entries(self) -> Entries:
        entries: Entries = {}
        with self._state.reading() as connection:
            for sign, table in ((1, GRANTS), (-1, CHARGES)):
                for row in connection.execute(sa.select(table.c.dataset, table.c.micro)):
                    entries.setdefault(row.dataset, Counter())[sign * row.micro] += 1
        return entries

    @contextmanager
    def charge(self, dataset: str, *, micro: int, analyst: str, question: Mapping[str, Any]) -> Iterator[str]:
        """
        Take `micro` from the dataset's budget around a computation. Yields the charge's id.

        Raises Refused, with nothing taken, when less is left. When the computation fails the charge stays.
        """
        charge = self._reserve(dataset, micro=micro, analyst=analyst, question=question)
        try:
            yield charge
        except BaseException:
            self._close(charge, status="kept", event=Event.QUESTION_KEPT, analyst=analyst, micro=micro)
            raise
        self._close(charge, status="settled", event=Event.QUESTION_SETTLED, analyst=analyst, micro=micro)

    def _reserve(self, dataset: str, *, micro: int, analyst: str, question: Mapping[str, Any]) -> str:
        charge = secrets.token_hex(8)
        text = json.dumps(question, sort_keys=True)
        # The transaction takes the write lock first: no other charge reads the balance until this is written.
        with self._state.transaction() as t:
            left = self._balance(t.connection, dataset).remaining
            if micro <= 0 or micro > left:
                raise exhausted(dataset, micro=micro, left=left)
            t.connection.execute(
                CHARGES.insert().values(
                    id=charge, dataset=dataset, analyst=analyst, question=text, micro=micro, status="reserved"
                )
            )
            t.event(
                Event.QUESTION_RESERVED,
                actor=analyst,
                question=charge,
                dataset=dataset,
                micro=micro,
                sha256=hashlib.sha256(text.encode()).hexdigest(),
            )
        return charge

    def _close(self, charge: str, *, status: str, event: Event, analyst: str, micro: int) -> None:
        with self._state.transaction() as t:
            t.connection.execute(CHARGES.update().where(CHARGES.c.id == charge).values(status=status))
            t.event(event, actor=analyst, question=charge, micro=micro)

    def _balance(self, connection: sa.Connection, dataset: str) -> Balance:
        granted = total(connection, GRANTS, dataset)
        if granted is None:
            raise NotFound(
                ja=f"「{dataset}」にはプライバシー予算がありません。総括管理主体に割り当てを依頼してください。",
                en=f"'{dataset}' has no privacy budget; ask the coordinating body for a grant.",
            )
        return Balance(granted=granted, spent=total(connection, CHARGES, dataset) or 0)


def told_by(records: Iterable[Mapping[str, Any]]) -> Entries:
    """Grants and charges of each dataset, from the log alone."""
    entries: Entries = {}
    for record in records:
        if sign := SIGNS.get(record["event"]):
            details = record["details"]
            entries.setdefault(details["dataset"], Counter())[sign * int(details["micro"])] += 1
    return entries


def total(connection: sa.Connection, table: sa.Table, dataset: str) -> int | None:
    """The sum of a table's millionths for a dataset; None without a row."""
    query = sa.select(sa.func.sum(table.c.micro)).where(table.c.dataset == dataset)
    found = connection.execute(query).scalar()
    return None if found is None else int(found)


def exhausted(dataset: str, *, micro: int, left: int) -> Refused:
    return Refused(
        ja=f"この質問の費用は ε={micro / MICRO:g}、「{dataset}」の残りは ε={left / MICRO:g} です。"
        "epsilon を下げるか、総括管理主体に追加の割り当てを依頼してください。",
        en=f"This question costs ε={micro / MICRO:g}, and ε={left / MICRO:g} is left for '{dataset}'. "
        "Ask for less, or ask the coordinating body for a new grant.",
    )
