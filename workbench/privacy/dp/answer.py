"""
From a question to its answer: charge, bound, count, draw noise, and say what it means.

The unit of privacy is a household: all its rows together. The charge is reserved before anything is read of
the data, settled when the answer is out, and kept when anything fails in between, because a failure that
costs nothing is a question for free.
"""

import dataclasses
import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from workbench.privacy.dp.kinds.interface import Cell, Estimate, Line, Part, Question, Rows
from workbench.privacy.dp.ledger import Ledger
from workbench.privacy.dp.noise import draw
from workbench.privacy.dp.questions import Price, describe, price
from workbench.privacy.dp.rows import read
from workbench.privacy.dp.source import Source
from workbench.privacy.dp.terms import Use

# Digits of a number in an answer: more would only write the noise down.
DIGITS = 9


@dataclass(frozen=True)
class Answer:
    """What was asked, its price, and a line for each cell; a count may be below zero."""

    question: Question
    lines: Sequence[Line]
    price: Price

    @property
    def items(self) -> tuple[str, ...]:
        return self.question.columns

    @property
    def counts(self) -> list[tuple[Cell, int]]:
        """Each cell with its noisy count, for a question that counts."""
        return [(line.cell, int(line.estimates["count"].value)) for line in self.lines]

    def to_json(self) -> dict[str, Any]:
        said = self.price.to_json()
        bought = {
            name: said[name] for name in ("epsilon", "delta", "margin_95", "margin_unit") if name in said
        }
        return {
            "kind": self.question.kind,
            "items": list(self.items),
            "measures": list(self.question.measures),
            "rows": [
                {"cell": list(line.cell)} | {name: told(one) for name, one in line.estimates.items()}
                for line in self.lines
            ],
            **bought,
            "unit": "household",
        }


def told(estimate: Estimate) -> dict[str, float | None]:
    return {name: short(value) for name, value in vars(estimate).items()}


def short(value: float | None) -> float | None:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def answer(
    question: Question,
    *,
    source: Source,
    table: Callable[[], pd.DataFrame],
    ledger: Ledger,
    analyst: str,
    purpose: str,
    key: bytes,
    use: Use = Use.QUESTION,
    demonstration: bytes | None = None,
) -> Answer:
    """
    Charge the ledger, then read `table` and answer. Raises Refused when the budget does not hold it.

    `key` decides which rows of a household beyond the bound are left out; at most 64 random bytes.
    """
    cost = price(question, source)
    asked = {"analyst": analyst, "purpose": purpose, "question": describe(question), "use": use}
    with ledger.charge(source.name, loss=cost.loss, **asked):
        rows = read(question, source=source, table=table(), key=key)
        lines = noisy_lines(question, rows, source=source, parts=cost.parts, demonstration=demonstration)
    return Answer(question, lines, cost)


def rehearse(question: Question, *, source: Source, table: pd.DataFrame) -> Answer:
    """The same question on synthetic rows, with the same noise, for nothing. `table` must be admitted."""
    cost = price(question, source)
    # Synthetic rows are of one year, and of no household.
    rows = read(question, source=dataclasses.replace(source, year_item=None), table=table, key=None)
    return Answer(question, noisy_lines(question, rows, source=source, parts=cost.parts), cost)


def noisy_lines(
    question: Question,
    rows: Rows,
    *,
    source: Source,
    parts: Sequence[Part],
    demonstration: bytes | None = None,
) -> list[Line]:
    """Every draw of a question, part by part in their order, and what they say together."""
    sources = bytes_for_draws(demonstration)
    released = [
        [draw(part.mechanism, exact, demonstration=next(sources)) for exact in draws]
        for part, draws in zip(parts, question.exact(rows, source), strict=True)
    ]
    return question.finish(released, source)


def bytes_for_draws(demonstration: bytes | None) -> Iterator[bytes | None]:
    """A demonstration's bytes for the first draw, and others made of them for each further one."""
    for place in itertools.count():
        if demonstration is None or place == 0:
            yield demonstration
        else:
            yield hashlib.sha256(demonstration + place.to_bytes(8, "big")).digest()


def exact_counts(question: Question, *, source: Source, table: pd.DataFrame, key: bytes) -> list[int]:
    """The true counts of a question that counts, for whoever checks in the coordinating body's room."""
    rows = read(question, source=source, table=table, key=key)
    return list(question.exact(rows, source)[0][0])
