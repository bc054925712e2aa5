"""
From a question to its answer: bound, count, charge, add noise.

The unit of privacy is a household: all its rows together. The charge is reserved before anything is
counted, settled when the answer is out, and kept when anything fails in between, because a failure that
costs nothing is a question for free.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from workbench.privacy.dp import questions
from workbench.privacy.dp.ledger import Ledger
from workbench.privacy.dp.loss import Loss
from workbench.privacy.dp.noise import noisy
from workbench.privacy.dp.questions import Histogram, Price, Source
from workbench.privacy.dp.terms import Use
from workbench.scoring import recode


@dataclass(frozen=True)
class Answer:
    """Noisy counts, a row for each public cell, with their price; a count may be below zero."""

    items: tuple[str, ...]
    rows: list[tuple[tuple[str, ...], int]]
    price: Price

    def to_json(self) -> dict[str, Any]:
        return {
            "items": list(self.items),
            "rows": [{"cell": list(cell), "count": count} for cell, count in self.rows],
            "epsilon": self.price.epsilon,
            "margin_95": self.price.margin,
            "unit": "household",
        }


def answer(
    question: Histogram,
    *,
    source: Source,
    table: pd.DataFrame,
    ledger: Ledger,
    analyst: str,
    purpose: str,
    order: np.random.Generator,
    demonstration: bytes | None = None,
    use: Use = Use.QUESTION,
) -> Answer:
    """
    Charge the ledger, then answer from `table`. Raises Refused when the budget does not hold it.

    `order` decides which rows of a household beyond the bound are left out.
    """
    cost = questions.price(question, source)
    with ledger.charge(
        source.name,
        loss=Loss.pure(question.epsilon),
        analyst=analyst,
        purpose=purpose,
        use=use,
        question=describe(question),
    ):
        counts = count(question, source=source, table=table, order=order)
        noise = noisy(
            counts,
            sensitivity=source.rows_per_household,
            epsilon=question.epsilon,
            demonstration=demonstration,
        )
    return Answer(question.items, list(zip(questions.cells(question, source), noise, strict=True)), cost)


def rehearse(
    question: Histogram, *, source: Source, table: pd.DataFrame, order: np.random.Generator
) -> Answer:
    """The same question on synthetic rows, with the same noise, for nothing. `table` must be admitted."""
    counts = recoded_counts(question, source=source, table=table)
    noise = noisy(
        counts,
        sensitivity=source.rows_per_household,
        epsilon=question.epsilon,
        demonstration=order.bytes(32),
    )
    cells = questions.cells(question, source)
    return Answer(question.items, list(zip(cells, noise, strict=True)), questions.price(question, source))


def describe(question: Histogram) -> dict[str, Any]:
    """The question as the ledger and the log keep it."""
    return {"kind": question.kind, "item": question.item, "by": question.by, "epsilon": str(question.epsilon)}


def count(
    question: Histogram, *, source: Source, table: pd.DataFrame, order: np.random.Generator
) -> "np.ndarray[Any, Any]":
    """True counts for each cell after bounding what one household contributes."""
    asked = table if source.year_item is None else table[table[source.year_item] == source.year]
    return recoded_counts(question, source=source, table=bounded(asked, source=source, order=order))


def bounded(table: pd.DataFrame, *, source: Source, order: np.random.Generator) -> pd.DataFrame:
    """
    At most `rows_per_household` rows of each household, chosen at random.

    A row without a household is one of its own: it can be added or removed alone.
    """
    shuffled = table.iloc[order.permutation(len(table))]
    place = shuffled.groupby(source.household, sort=False, dropna=False).cumcount()
    alone = shuffled[source.household].isna()
    return shuffled[(place < source.rows_per_household) | alone]


def recoded_counts(question: Histogram, *, source: Source, table: pd.DataFrame) -> "np.ndarray[Any, Any]":
    """Counts for each public cell. What the recoding does not know counts as missing, so no cell appears."""
    labels = [known(item, source=source, values=table[item]) for item in question.items]
    tally: dict[tuple[str, ...], int] = {}
    for cell, number in pd.Series(list(zip(*labels, strict=True))).value_counts().items():
        tally[cell] = int(number)
    return np.array([tally.get(cell, 0) for cell in questions.cells(question, source)], dtype=np.int64)


def known(item: str, *, source: Source, values: Any) -> Iterable[str]:
    spec = source.items[item]
    missing = recode.missing_label(spec)
    return [missing if label == recode.UNSEEN else label for label in recode.apply(spec, values).to_pylist()]
