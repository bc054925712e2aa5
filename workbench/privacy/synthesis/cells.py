"""
The public cells of an item: its labels, or the intervals between public cut points, and one for missing.

A synthesiser that counts needs cells, and which cells there are must not depend on the data: they follow
from the register alone, and a value the register does not know falls in the cell of the missing. On the
way back a number is drawn within its interval, so no value of the data comes through.
"""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from workbench.errors import Unusable
from workbench.privacy.synthesis.columns import Column, Columns

Codes = np.ndarray[Any, np.dtype[np.int64]]

# A range with no more whole numbers than this has a cell for each of them.
EACH = 20
# Fewer intervals blur what a risk flag needs; more of them spend the noise on empty cells.
INTERVALS = 16
# Amounts and counts that begin at zero crowd near it; each step is about half as much again.
STEPS = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
WIDE_STEPS = (1.0, 2.0, 5.0)


@dataclass(frozen=True)
class Cells:
    """
    `labels` of a category, or `edges` of a number: interval i goes from edges[i] up to edges[i + 1].

    Codes are 0, 1, ...; the last is that of the missing.
    """

    labels: tuple[str, ...] = ()
    edges: tuple[float, ...] = ()
    whole: bool = True

    def __len__(self) -> int:
        return (len(self.labels) or len(self.edges) - 1) + 1

    @property
    def missing(self) -> int:
        return len(self) - 1

    def encode(self, values: "pd.Series[Any]") -> Codes:
        """The cell of each value, whatever the values are; numbers beyond the range fall in its ends."""
        if self.labels:
            codes = pd.Categorical(values.astype("object"), categories=list(self.labels)).codes
            return np.where(codes < 0, self.missing, codes).astype(np.int64)
        numbers = pd.to_numeric(values, errors="coerce").astype("Float64").to_numpy(float, na_value=np.nan)
        codes = np.searchsorted(self.edges[1:-1], numbers, side="right")
        return np.where(np.isnan(numbers), self.missing, codes).astype(np.int64)

    def decode(self, codes: Codes, *, order: np.random.Generator) -> "pd.Series[Any]":
        """A value of each cell: the label, or a number drawn within the interval."""
        absent = codes == self.missing
        if self.labels:
            return pd.Series(np.array([*self.labels, None], dtype=object)[codes])
        low, high = (np.array([*side, 0.0])[codes] for side in (self.edges[:-1], self.edges[1:]))
        chance = order.random(len(codes))
        if self.whole:
            # Up to the next interval's first number; the last interval holds its end, too.
            last = codes == self.missing - 1
            numbers = low + np.floor(chance * np.maximum(high - low + last, 1))
            return pd.Series(numbers).where(~absent).astype("Int64")
        return pd.Series(np.round(low + chance * (high - low), 1)).where(~absent).astype("Float64")


def cells_of(columns: Columns) -> dict[str, Cells]:
    """The cells of each column. Raises Unusable for a number without a public range."""
    return {name: of_column(name, column) for name, column in columns.items()}


def of_column(name: str, column: Column) -> Cells:
    if column.is_category:
        return Cells(labels=column.labels)
    if column.minimum is None or column.maximum is None or not column.minimum < column.maximum:
        raise Unusable(
            ja=f"項目「{name}」の範囲（minimum と maximum）が台帳にないため、区切れません。台帳に書いてください。",
            en=f"Item '{name}' has no range to cut; write its minimum and maximum in the register.",
        )
    return Cells(edges=edges(column, column.minimum, column.maximum), whole=column.whole)


def edges(column: Column, low: float, high: float) -> tuple[float, ...]:
    """Where the intervals begin, and the end of the last: of the range and the register's cut points alone."""
    if column.whole and high - low < EACH:
        return (*map(float, range(int(low), int(high) + 1)), high)
    inner = {float(cut) for cut in column.cuts if low < cut < high}
    # The highest of the register's bands is open: up to the range's end it needs cuts of its own.
    above = max(inner, default=low)
    inner |= {cut for cut in default_cuts(low, high, whole=column.whole) if cut > above}
    return (low, *sorted(inner), high)


def default_cuts(low: float, high: float, *, whole: bool) -> list[float]:
    """Growing steps for what begins at zero, else equal ones."""
    if low == 0:
        found = growing(high, STEPS, whole=whole)
        return found if len(found) <= EACH else growing(high, WIDE_STEPS, whole=whole)
    equal = np.linspace(low, high, INTERVALS + 1)[1:-1]
    return sorted({float(np.round(cut, 0 if whole else 1)) for cut in equal})


def growing(high: float, steps: tuple[float, ...], *, whole: bool) -> list[float]:
    found = set()
    for power in itertools.takewhile(lambda power: 10**power < high, itertools.count()):
        found |= {step * 10**power for step in steps if not whole or (step * 10**power).is_integer()}
    return sorted(cut for cut in found if cut < high)
