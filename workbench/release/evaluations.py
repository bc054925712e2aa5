"""
How often synthetic data was measured against a source table: counted, limited, logged.

Every such number says something of the children in the source. Whoever may ask for numbers about tables of
their own making can rebuild the rarest children from the answers alone (Ganev and De Cristofaro, "The
Inadequacy of Similarity-based Privacy Metrics", arXiv 2312.05114), so the number of questions is a limit of
the policy, like the budget of noise. The same table measured again says nothing new and is not counted again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from workbench.artifact.times import to_text
from workbench.audit import Event
from workbench.errors import Refused
from workbench.governance.people import People
from workbench.state import State, metadata

EVALUATIONS = sa.Table(
    "evaluations",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("table", sa.String(64), nullable=False),
    # The fiscal year, which is the project's.
    sa.Column("year", sa.Integer, nullable=False),
    sa.Column("subject", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("person", sa.String(64), nullable=False),
    sa.Column("at", sa.String(40), nullable=False),
    sa.UniqueConstraint("table", "year", "subject"),
)

APRIL = 4


@dataclass(frozen=True)
class Counted:
    """The evaluations of a table in a fiscal year, this one among them, and how many are allowed."""

    used: int
    allowed: int

    def to_json(self) -> dict[str, int]:
        return {"used": self.used, "allowed": self.allowed}


def fiscal_year(now: datetime) -> int:
    return now.year if now.month >= APRIL else now.year - 1


def count(
    state: State, *, table: str, subject: str, kind: str, person: str, allowed: int, now: datetime
) -> Counted:
    """
    Count one evaluation of `table` before it is made; `subject` is the digest of what is measured.

    Raises Refused, with nothing counted, when this fiscal year's are used up. An evaluation that fails
    afterwards stays counted: what it told before it failed is not known.
    """
    year = fiscal_year(now)
    # The transaction takes the write lock first: no other count reads the number until this is written.
    with state.transaction() as t:
        known = t.connection.execute(
            sa.select(EVALUATIONS.c.subject).where(EVALUATIONS.c.table == table, EVALUATIONS.c.year == year)
        )
        subjects = set(known.scalars())
        repeated = subject in subjects
        used = len(subjects | {subject})
        if used > allowed and not repeated:
            raise used_up(table, allowed=allowed)
        if not repeated:
            t.connection.execute(
                EVALUATIONS.insert().values(
                    table=table, year=year, subject=subject, kind=kind, person=person, at=to_text(now)
                )
            )
        t.event(
            Event.EVALUATION_COUNTED,
            actor=person,
            table=table,
            year=year,
            subject=subject,
            kind=kind,
            used=used,
            allowed=allowed,
            repeated=repeated,
        )
    return Counted(used, allowed)


def counted(state: State, *, table: str, allowed: int, now: datetime) -> Counted:
    """How many there were so far."""
    with state.reading() as connection:
        query = sa.select(sa.func.count()).where(
            EVALUATIONS.c.table == table, EVALUATIONS.c.year == fiscal_year(now)
        )
        return Counted(int(connection.execute(query).scalar_one()), allowed)


def expect_reader(state: State, person: str) -> None:
    """Raise Refused unless the person may see the numbers themselves: reviewers and the coordinating body."""
    People(state).expect_may(person, "read_metrics")


def used_up(table: str, *, allowed: int) -> Refused:
    return Refused(
        ja=f"表「{table}」の評価はこの年度の上限 {allowed} 回に達しました。評価の数値も実在のこどもを明かすためです。"
        "新しい年度を待つか、上限（evaluations_per_table）の変更を総括管理主体に相談してください。",
        en=f"The {allowed} evaluations of table '{table}' in this fiscal year are used up, for their numbers disclose "
        "children too. Wait for the new year, or ask the coordinating body about the limit (evaluations_per_table).",
    )


def otherwise(state: State, records: Iterable[Mapping[str, Any]]) -> list[str]:
    """The tables whose counted evaluations are not, one by one, what the log's records tell of them."""
    told = {
        (said["table"], said["year"], said["subject"], said["kind"], record["actor"])
        for record in records
        if record["event"] == Event.EVALUATION_COUNTED and not (said := record["details"])["repeated"]
    }
    kept = {
        tuple(row[name] for name in ("table", "year", "subject", "kind", "person")) for row in rows(state)
    }
    return sorted({one[0] for one in told ^ kept})


def rows(state: State) -> list[dict[str, Any]]:
    """Every evaluation, oldest first."""
    with state.reading() as connection:
        found = connection.execute(sa.select(EVALUATIONS).order_by(EVALUATIONS.c.id)).mappings()
        return [dict(row) for row in found]
