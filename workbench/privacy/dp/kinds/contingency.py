"""
A contingency table whose margins add up.

Only the cells are counted; margins and total are their sums, so that they always agree and cost nothing.
Counting the margins as well, with a share of epsilon, and reconciling both by least squares was tried: for a
table of up to 5,000 cells it makes the cells less exact by more than it makes the margins more exact, but for
three items with more than sixteen categories each.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from workbench.errors import Unusable
from workbench.privacy.dp.kinds.interface import (
    FACTOR,
    Cell,
    Estimate,
    Line,
    Part,
    Precision,
    Question,
    Rows,
    added,
    deviation,
    expect_different,
    plain,
    visible,
)
from workbench.privacy.dp.noise import counting, margin
from workbench.privacy.dp.source import Source

Table = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Contingency(Question):
    """
    Counts for every combination of two or three items, with their margins and total, which add up.

    `whole` makes every count zero or more; that makes small cells a little too large, and is off by default.

    Sensitivity: a row adds 1 to one cell, a household has at most `rows_per_household` rows, so all cells
    together move by at most that many in L1.
    """

    kind: ClassVar[str] = "contingency"
    measures: ClassVar[tuple[str, ...]] = ("count",)

    items: tuple[str, ...]
    whole: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        expect_different(*self.items)
        if len(self.items) not in (2, 3):
            raise Unusable(
                ja="クロス集計の項目は2つか3つ指定してください。",
                en="A contingency table has two or three items.",
            )

    @property
    def keys(self) -> tuple[str, ...]:
        return self.items

    def parts(self, source: Source) -> tuple[Part, ...]:
        mechanism = counting(sensitivity=source.rows_per_household, epsilon=self.loss.at_most)
        return (Part("cells", mechanism, size=len(self.cells(source))),)

    def exact(self, rows: Rows, source: Source) -> list[list[Any]]:
        return [[plain(added(rows.cell, 1, size=len(self.cells(source))))]]

    def finish(self, released: Sequence[Sequence[Any]], source: Source) -> list[Line]:
        shape = tuple(len(source.labels(item)) for item in self.items)
        table = np.array(released[0][0], dtype=np.float64).reshape(shape)
        return list(self.lines(not_below_zero(table) if self.whole else table, source))

    def lines(self, table: Table, source: Source) -> Iterator[Line]:
        """The cells, then the margin of each item, then the total; None stands for all of an item."""
        scale = self.parts(source)[0].mechanism.scale
        for cell, found in zip(self.cells(source), table.ravel(), strict=True):
            yield self.line(cell, found, margin(scale))
        for axis, item in enumerate(self.items):
            other = tuple(at for at in range(table.ndim) if at != axis)
            width = margin_of_sum(scale, table.size // table.shape[axis])
            for label, found in zip(source.labels(item), table.sum(axis=other), strict=True):
                yield self.line(
                    tuple(label if at == axis else None for at in range(table.ndim)), found, width
                )
        yield self.line((None,) * table.ndim, table.sum(), margin_of_sum(scale, table.size))

    def line(self, cell: Cell, found: float, width: float) -> Line:
        count = int(found)
        low = max(0.0, count - width) if self.whole else count - width
        return Line(cell, {"count": Estimate(count, low, count + width)})

    def precision(self, source: Source) -> Precision:
        scale = self.parts(source)[0].mechanism.scale
        return Precision("children", visible(scale), margin(scale))


def margin_of_sum(scale: float, many: int) -> float:
    """The 95 % margin of a sum of so many noisy counts, from above."""
    return margin(scale) if many == 1 else FACTOR * deviation(scale) * math.sqrt(many)


def not_below_zero(table: Table) -> Table:
    """
    Whole cells, none below zero, nearest to the table and with its total; all zero where that is below zero.

    The nearest point of a simplex (Duchi et al., ICML 2008), then the largest remainders upwards.
    """
    total = max(0.0, table.sum())
    falling = np.sort(table.ravel())[::-1]
    excess = (np.cumsum(falling) - total) / np.arange(1, falling.size + 1)
    above = np.flatnonzero(falling > excess)
    near = np.maximum(table.ravel() - excess[above[-1] if above.size else 0], 0.0)
    down = np.floor(near)
    up = np.argsort(down - near, kind="stable")[: round(total - down.sum())]
    down[up] += 1
    return np.asarray(down.reshape(table.shape))
