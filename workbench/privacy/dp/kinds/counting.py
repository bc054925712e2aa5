"""How many: a count, a histogram, and counts by keys that nobody listed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from workbench.privacy.dp.kinds.interface import (
    Estimate,
    Grouped,
    Line,
    Part,
    Precision,
    Question,
    Rows,
    added,
    expect_different,
    plain,
    visible,
)
from workbench.privacy.dp.loss import Loss
from workbench.privacy.dp.noise import Draw, Mechanism, counting, margin, scale_for
from workbench.privacy.dp.source import Source

# One chance in a hundred million that a key which one household alone brings is told.
DELTA = 1e-8


@dataclass(frozen=True)
class Count(Grouped):
    """
    How many children there are, within each category of `by` if given.

    Sensitivity: a household has at most `rows_per_household` rows, each adds 1 to one count, so all counts
    together move by at most that many in L1.
    """

    kind: ClassVar[str] = "count"
    measures: ClassVar[tuple[str, ...]] = ("count",)

    def parts(self, source: Source) -> tuple[Part, ...]:
        size = len(self.cells(source))
        mechanism = counting(sensitivity=source.rows_per_household, epsilon=self.loss.at_most)
        return (Part("counts", mechanism, size=size),)

    def exact(self, rows: Rows, source: Source) -> list[list[Any]]:
        return [[plain(added(rows.cell, 1, size=len(self.cells(source))))]]

    def finish(self, released: Sequence[Sequence[Any]], source: Source) -> list[Line]:
        width = margin(self.parts(source)[0].mechanism.scale)
        return [
            Line(cell, {"count": Estimate.around(count, width)})
            for cell, count in zip(self.cells(source), released[0][0], strict=True)
        ]

    def precision(self, source: Source) -> Precision:
        scale = self.parts(source)[0].mechanism.scale
        return Precision("children", visible(scale), margin(scale))


@dataclass(frozen=True)
class Histogram(Count):
    """
    How many children fall in each category of `item`, within each category of `by` if given.

    Sensitivity: that of Count; the categories are public and a row falls in one of them.
    """

    kind: ClassVar[str] = "histogram"

    item: str

    def __post_init__(self) -> None:
        super().__post_init__()
        expect_different(self.item, self.by)

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.item,) if self.by is None else (self.by, self.item)


@dataclass(frozen=True)
class Groups(Question):
    """
    How many children each value of a code has, where no list of the values is public.

    Only keys whose noisy count reaches a threshold are told, and that is what delta is for: which keys
    there are depends on the data. Sensitivity: a household's rows stand under at most `rows_per_household`
    keys and move their counts by at most that many in all and under one.
    """

    kind: ClassVar[str] = "groups"
    measures: ClassVar[tuple[str, ...]] = ("count",)

    item: str

    @property
    def loss(self) -> Loss:
        return Loss.approximate(self.epsilon, DELTA)

    @property
    def open(self) -> str:
        return self.item

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.item,)

    def parts(self, source: Source) -> tuple[Part, ...]:
        source.expect_open(self.item)
        rows = source.rows_per_household
        return (Part("counts", thresholded(rows=rows, epsilon=self.loss.at_most, delta=DELTA)),)

    def exact(self, rows: Rows, source: Source) -> list[list[Any]]:
        return [[dict(Counter(rows.keys))]]

    def finish(self, released: Sequence[Sequence[Any]], source: Source) -> list[Line]:
        width = margin(self.parts(source)[0].mechanism.scale)
        return [Line((key,), {"count": Estimate.around(n, width)}) for key, n in released[0][0].items()]

    def precision(self, source: Source) -> Precision:
        mechanism = self.parts(source)[0].mechanism
        surely = margin(mechanism.scale, confidence=0.90)
        return Precision("children", int((mechanism.threshold or 0) + surely), margin(mechanism.scale))


@cache
def thresholded(*, rows: int, epsilon: float, delta: float) -> Mechanism:
    """The lowest threshold at which OpenDP's privacy map stays within `delta`."""
    scale = scale_for(sensitivity=rows, epsilon=epsilon)

    def at(threshold: int) -> Mechanism:
        return Mechanism(Draw.LAPLACE_THRESHOLD, scale, rows, threshold)

    low, high = rows, rows + 1
    while at(high).cost.delta > delta:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if at(middle).cost.delta <= delta else (middle, high)
    return at(high)
