"""
What every kind of question is: a value that names items, never data.

A question says three things. `parts`: which mechanisms it draws from, a function of the question and public
metadata alone. `exact`: the integers those mechanisms are given, one list of draws for each part. `finish`:
what the noisy values mean, computed from nothing else, and so without cost.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from workbench.errors import Unusable
from workbench.privacy.dp.loss import Loss
from workbench.privacy.dp.noise import Mechanism, margin
from workbench.privacy.dp.source import Number, Source, cells

SMALLEST_EPSILON = 0.001
# The 95 % point of a Laplace distribution in standard deviations. A sum of several such draws has less in
# its tail, so this is an upper bound for every combination below.
FACTOR = math.log(20) / math.sqrt(2)
# The groups for which a margin is told beforehand when it depends on how many children there are.
GROUPS = (100, 1_000, 10_000)

Numbers = np.ndarray[Any, np.dtype[np.int64]]
Cell = tuple[str | None, ...]
Where = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Rows:
    """
    The rows that count, after filtering and bounding: a place among the public cells for each, its numbers
    in steps, and its key where the question has an open item.
    """

    cell: Numbers
    numbers: Mapping[str, Numbers]
    keys: Sequence[str] = ()


@dataclass(frozen=True)
class Part:
    """
    One step of a question: its mechanism, and how often it is drawn from.

    Several draws of one part look at rows that no two of them share, and together cost what one does.
    """

    name: str
    mechanism: Mechanism
    draws: int = 1
    size: int | None = None


@dataclass(frozen=True)
class Estimate:
    """A noisy value and its 95 % interval; None where the noise leaves nothing to tell."""

    value: float
    low: float | None
    high: float | None

    @classmethod
    def around(cls, value: float, margin: float) -> "Estimate":
        return cls(value, value - margin, value + margin)


@dataclass(frozen=True)
class Line:
    """One row of an answer: its cell, and an estimate for each measure. None in a cell: all of that item."""

    cell: Cell
    estimates: Mapping[str, Estimate]


@dataclass(frozen=True)
class Precision:
    """
    How exact an answer will be, known beforehand.

    `margin` is the 95 % margin of error, in `unit`; None where it depends on how many children there are,
    and then `by_group` gives it for groups of several sizes. `smallest_group` is how many children a group
    needs to be seen: to stand out from none, or to have a margin of a tenth of the item's range.
    """

    unit: str
    smallest_group: int
    margin: float | None = None
    by_group: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Question(ABC):
    """
    A question about children, asked with one `epsilon` in all.

    `where` keeps the children who have one of the labels of each item named. Raises Unusable for an epsilon
    that is none.
    """

    kind: ClassVar[str]
    measures: ClassVar[tuple[str, ...]]

    epsilon: float
    where: Where = ()

    def __post_init__(self) -> None:
        valid = isinstance(self.epsilon, int | float) and not isinstance(self.epsilon, bool)
        if not (valid and math.isfinite(self.epsilon) and self.epsilon >= SMALLEST_EPSILON):
            raise Unusable(
                ja=f"epsilon は {SMALLEST_EPSILON} 以上の数で指定してください。",
                en=f"epsilon must be a number of at least {SMALLEST_EPSILON}.",
            )

    @property
    def loss(self) -> Loss:
        """What the whole question costs."""
        return Loss.pure(self.epsilon)

    @property
    def keys(self) -> tuple[str, ...]:
        """The items whose public labels make the cells."""
        return ()

    @property
    def measured(self) -> tuple[str, ...]:
        """The numbers that are read; a child without one of them is left out."""
        return ()

    @property
    def open(self) -> str | None:
        """The item whose keys no list names."""
        return None

    @property
    def reads(self) -> set[str]:
        """Every item whose values decide the answer."""
        open_ = {self.open} if self.open else set()
        return {*self.keys, *self.measured, *(item for item, _ in self.where), *open_}

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of what stands in a line's cell."""
        return self.keys

    def cells(self, source: Source) -> list[tuple[str, ...]]:
        return cells(self.keys, source)

    def number(self, item: str, source: Source) -> Number:
        """The range in which a number of the question is read."""
        return source.number(item)

    @abstractmethod
    def parts(self, source: Source) -> tuple[Part, ...]:
        """The mechanisms. Pure: the question and public metadata decide."""

    @abstractmethod
    def exact(self, rows: Rows, source: Source) -> list[list[Any]]:
        """For each part, the exact integers of each of its draws."""

    @abstractmethod
    def finish(self, released: Sequence[Sequence[Any]], source: Source) -> list[Line]:
        """The lines of the answer, from the noisy values alone."""

    @abstractmethod
    def precision(self, source: Source) -> Precision:
        """How exact the answer will be."""


@dataclass(frozen=True, kw_only=True)
class Grouped(Question):
    """A question answered for each category of `by`, if given. Groups cost nothing: see `Part`."""

    by: str | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        return () if self.by is None else (self.by,)


def expect_different(*items: str | None) -> None:
    """Raise Unusable where an item is named twice."""
    named = [item for item in items if item is not None]
    if len(set(named)) < len(named):
        raise Unusable(
            ja="item と by などには、それぞれ別の項目を指定してください。",
            en="item, by and the like must be different items.",
        )


def added(places: Numbers, values: Any, *, size: int) -> Numbers:
    """Integer sums of `values` by place; exact, where a weighted bincount would go through floats."""
    totals = np.zeros(size, dtype=np.int64)
    np.add.at(totals, places, values)
    return totals


def plain(values: Any) -> list[int]:
    return [int(value) for value in values]


def visible(scale: float) -> int:
    """How many children a group needs for its noisy count to stand out from none, 95 times in 100."""
    return math.ceil(margin(scale) + margin(scale, confidence=0.90))


def deviation(scale: float) -> float:
    """The standard deviation of Laplace noise of this scale, from above."""
    return math.sqrt(2) * scale
