"""
The ledger's rows: grants, shares and charges, as the state keeps them and as the log tells of them.

Every row is written in the transaction that leaves its event, so that a row altered, removed or added by
whoever reaches the database is found against the log.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from workbench.audit import Event
from workbench.privacy.dp.account import Share, Spending
from workbench.privacy.dp.accounting import Budget
from workbench.privacy.dp.loss import Kind, Loss
from workbench.privacy.dp.terms import Terms, Use
from workbench.state import metadata

GRANTS = sa.Table(
    "budget_grant",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("dataset", sa.String, nullable=False, index=True),
    sa.Column("year", sa.Integer, nullable=False),
    sa.Column("micro", sa.BigInteger, nullable=False),
    sa.Column("femto", sa.BigInteger, nullable=False),
    sa.Column("terms", sa.String, nullable=False),
    sa.Column("granted_by", sa.String, nullable=False),
)
SHARES = sa.Table(
    "budget_share",
    metadata,
    sa.Column("dataset", sa.String, primary_key=True),
    sa.Column("year", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("analyst", sa.String, primary_key=True),
    sa.Column("purpose", sa.String, primary_key=True),
    sa.Column("micro", sa.BigInteger, nullable=False),
    sa.Column("femto", sa.BigInteger, nullable=False),
    sa.Column("granted_by", sa.String, nullable=False),
)
CHARGES = sa.Table(
    "budget_charge",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("dataset", sa.String, nullable=False, index=True),
    sa.Column("year", sa.Integer, nullable=False),
    sa.Column("analyst", sa.String, nullable=False),
    sa.Column("purpose", sa.String, nullable=False),
    sa.Column("use", sa.String, nullable=False),
    sa.Column("question", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("micro", sa.BigInteger, nullable=False),
    sa.Column("femto", sa.BigInteger, nullable=False),
    sa.Column("status", sa.String, nullable=False),
)

Row = tuple[Any, ...]
# Each row by what it is and its key; the first field is its dataset.
Rows = dict[Row, Row]
CLOSED = {Event.QUESTION_SETTLED: "settled", Event.QUESTION_KEPT: "kept"}


def granted(connection: sa.Connection, dataset: str) -> list[tuple[Terms, Budget]]:
    """What was granted to a dataset in each period, the earliest first."""
    found: dict[tuple[str, str], tuple[Terms, Budget]] = {}
    for row in connection.execute(sa.select(GRANTS).where(GRANTS.c.dataset == dataset)):
        terms = Terms(**json.loads(row.terms))
        earlier, known = found.get(terms.period, (terms, Budget(0)))
        found[terms.period] = (
            terms.strictest(earlier),
            Budget(known.micro + row.micro, known.femto + row.femto),
        )
    return [found[period] for period in sorted(found)]


def datasets(connection: sa.Connection) -> list[str]:
    """Every dataset that was ever granted a budget."""
    return list(
        connection.execute(sa.select(GRANTS.c.dataset).distinct().order_by(GRANTS.c.dataset)).scalars()
    )


def shares(connection: sa.Connection, dataset: str, *, year: int) -> tuple[Share, ...]:
    query = sa.select(SHARES).where(SHARES.c.dataset == dataset, SHARES.c.year == year)
    rows = connection.execute(query.order_by(SHARES.c.analyst, SHARES.c.purpose))
    return tuple(Share(row.analyst, row.purpose, Budget(row.micro, row.femto)) for row in rows)


def spendings_by_year(connection: sa.Connection, dataset: str) -> dict[int, tuple[Spending, ...]]:
    """What a dataset was charged in each fiscal year, equal charges together."""
    columns = [CHARGES.c[name] for name in ("year", "analyst", "purpose", "use", "kind", "micro", "femto")]
    query = sa.select(*columns, sa.func.count().label("times")).where(CHARGES.c.dataset == dataset)
    found: dict[int, list[Spending]] = {}
    for row in connection.execute(query.group_by(*columns).order_by(*columns)):
        one = Spending(row.analyst, row.purpose, Use(row.use), loss_in(row), int(row.times))
        found.setdefault(row.year, []).append(one)
    return {year: tuple(listed) for year, listed in found.items()}


def loss_in(row: Any) -> Loss:
    return Loss(Kind(row.kind), row.micro, row.femto)


# ------------------------------------------------------------------ the rows against the log


def otherwise(connection: sa.Connection, records: Iterable[Mapping[str, Any]]) -> list[str]:
    """The datasets whose rows are not, one by one, what the log's records tell of them."""
    told, found = told_by(records), dict(kept(connection))
    differing = {key for key in told.keys() | found.keys() if told.get(key) != found.get(key)}
    return sorted({str((told.get(key) or found[key])[0]) for key in differing})


def spent_as_told(connection: sa.Connection, records: Iterable[Mapping[str, Any]], *, dataset: str) -> bool:
    """Whether every charge of a dataset that the log tells of is here, and is what it was."""
    found = dict(kept(connection))
    # How it ended is left out: a charge may be settled between the two readings.
    return all(
        found.get(key, ())[:-1] == row[:-1] for key, row in told_by(records).items() if row[0] == dataset
    )


def granted_as_told(grants: Rows, records: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the log tells of every one of these grants."""
    told = told_by(records)
    return all(told.get(key) == row for key, row in grants.items())


def kept(connection: sa.Connection) -> Iterator[tuple[Row, Row]]:
    """The rows of the state."""
    for row in connection.execute(sa.select(GRANTS)):
        amount = (row.micro, row.femto, json.loads(row.terms))
        yield ("grant", row.id), (row.dataset, row.year, *amount, row.granted_by)
    for row in connection.execute(sa.select(SHARES)):
        key = ("share", row.dataset, row.year, row.analyst, row.purpose)
        yield key, (row.dataset, row.micro, row.femto, row.granted_by)
    for row in connection.execute(sa.select(CHARGES)):
        loss = (row.kind, row.micro, row.femto)
        about = (row.dataset, row.year, row.analyst, row.purpose, row.use)
        yield ("charge", row.id), (*about, *loss, sha256(row.question), row.status)


def told_by(records: Iterable[Mapping[str, Any]]) -> Rows:
    """The same rows, from the log alone."""
    told: Rows = {}
    for record in records:
        event, by, said = record["event"], record["actor"], record["details"]
        if event == Event.BUDGET_GRANTED:
            amount = (said["micro"], said["femto"], said["terms"])
            told["grant", said["grant"]] = (said["dataset"], said["year"], *amount, by)
        elif event == Event.BUDGET_SHARED:
            named = (said["dataset"], said["year"], said["analyst"], said["purpose"])
            told["share", *named] = (said["dataset"], said["micro"], said["femto"], by)
        elif event == Event.QUESTION_RESERVED:
            loss = tuple(said["loss"][name] for name in ("kind", "micro", "femto"))
            about = (said["dataset"], said["year"], by, said["purpose"], said["use"])
            told["charge", said["question"]] = (*about, *loss, said["sha256"], "reserved")
        elif event in CLOSED:
            reserved = told.get(("charge", said["question"]), ("", ""))
            told["charge", said["question"]] = (*reserved[:-1], CLOSED[event])
    return told


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
