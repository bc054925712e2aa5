"""
Sums, means and variances of a number with a public range.

Means and variances are not a noisy sum over a noisy count, which would split epsilon among them. With t the
value as a share of its range, a row adds 1 - t to one total and t to another: together exactly 1, so both are
told for what one costs, and they give the count and the sum. A variance takes the three terms of the next
degree, (1 - t)², 2t(1 - t) and t², which also add up to 1 (Bernstein's polynomials). All in whole steps.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from workbench.errors import Unusable
from workbench.privacy.dp.kinds.interface import (
    FACTOR,
    GROUPS,
    Estimate,
    Grouped,
    Line,
    Numbers,
    Part,
    Precision,
    Rows,
    added,
    deviation,
    expect_different,
    plain,
    visible,
)
from workbench.privacy.dp.noise import counting, margin
from workbench.privacy.dp.source import Number, Source

# A margin of this share of an item's range still tells a high group from a low one.
LEGIBLE = 0.1


@dataclass(frozen=True)
class Moment(Grouped):
    """
    A question about one number.

    `between` narrows its public range: fewer steps to hide, so a smaller margin, and values outside count as
    the nearer end. Whoever asks chooses it, knowing no more than was told before.
    """

    item: str
    between: tuple[float, float] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        expect_different(self.item, self.by)

    @property
    def measured(self) -> tuple[str, ...]:
        return (self.item,)

    def number(self, item: str, source: Source) -> Number:
        public = source.number(item)
        if self.between is None:
            return public
        low, high = self.between
        if not public.minimum <= low < high <= public.maximum:
            raise Unusable(
                ja=f"between は、公開範囲 {public.minimum:g} から {public.maximum:g} までの中で指定してください。",
                en=f"between lies within the public range, {public.minimum:g} to {public.maximum:g}.",
            )
        return Number(low, high, whole=public.whole)


@dataclass(frozen=True)
class Sum(Moment):
    """
    The sum of a number over children, each value clipped to its public range.

    Sensitivity: a row adds at most the size of the range's further end, in steps, to one sum; a household
    has at most `rows_per_household` rows.
    """

    kind: ClassVar[str] = "sum"
    measures: ClassVar[tuple[str, ...]] = ("sum",)

    def parts(self, source: Source) -> tuple[Part, ...]:
        sensitivity = source.rows_per_household * self.number(self.item, source).furthest
        mechanism = counting(sensitivity=sensitivity, epsilon=self.loss.at_most)
        return (Part("sums", mechanism, size=len(self.cells(source))),)

    def exact(self, rows: Rows, source: Source) -> list[list[Any]]:
        return [[plain(added(rows.cell, rows.numbers[self.item], size=len(self.cells(source))))]]

    def finish(self, released: Sequence[Sequence[Any]], source: Source) -> list[Line]:
        step, width = self.number(self.item, source).step, self.precision(source).margin or 0.0
        return [
            Line(cell, {"sum": Estimate.around(total * step, width)})
            for cell, total in zip(self.cells(source), released[0][0], strict=True)
        ]

    def precision(self, source: Source) -> Precision:
        number, scale = self.number(self.item, source), self.parts(source)[0].mechanism.scale
        # Children with the value furthest from zero, which are the first to be seen in a sum.
        return Precision("item", math.ceil(visible(scale) / number.furthest), margin(scale) * number.step)


@dataclass(frozen=True)
class Mean(Moment):
    """
    The mean of a number, each value clipped to its public range, with how many children it is over.

    Sensitivity: with w the range in steps, a row adds w - q and q, 0 <= q <= w, to the two totals of one
    cell: w in L1. A household has at most `rows_per_household` rows.
    """

    kind: ClassVar[str] = "mean"
    measures: ClassVar[tuple[str, ...]] = ("mean", "count")
    degree: ClassVar[int] = 1

    def parts(self, source: Source) -> tuple[Part, ...]:
        sensitivity = source.rows_per_household * self.number(self.item, source).width ** self.degree
        mechanism = counting(sensitivity=sensitivity, epsilon=self.loss.at_most)
        return (Part("totals", mechanism, size=(self.degree + 1) * len(self.cells(source))),)

    def exact(self, rows: Rows, source: Source) -> list[list[Any]]:
        number, size = self.number(self.item, source), len(self.cells(source))
        above = rows.numbers[self.item] - number.low
        totals = [added(rows.cell, term, size=size) for term in self.terms(above, number.width - above)]
        return [[plain(value for total in totals for value in total)]]

    @staticmethod
    def terms(above: Numbers, below: Numbers) -> list[Numbers]:
        """What a row adds to each total, from its steps above the lower and below the upper bound."""
        return [below, above]

    def finish(self, released: Sequence[Sequence[Any]], source: Source) -> list[Line]:
        number, found = self.number(self.item, source), self.cells(source)
        # In rows: the noise of each total is Laplace with this scale.
        unit = float(number.width**self.degree)
        scale = self.parts(source)[0].mechanism.scale / unit
        totals = [value / unit for value in released[0][0]]
        by_cell = [totals[place :: len(found)] for place in range(len(found))]
        return [
            Line(cell, self.estimates(some, scale=scale, number=number))
            for cell, some in zip(found, by_cell, strict=True)
        ]

    def estimates(self, totals: Sequence[float], *, scale: float, number: Number) -> Mapping[str, Estimate]:
        return {"mean": mean(totals, scale=scale, number=number), "count": children(totals, scale=scale)}

    def precision(self, source: Source) -> Precision:
        number = self.number(self.item, source)
        scale = self.parts(source)[0].mechanism.scale / number.width
        spread = number.width * number.step
        return Precision(
            "item",
            math.ceil(margin_of_rows(scale) / LEGIBLE),
            by_group={size: spread * min(1.0, margin_of_rows(scale) / size) for size in GROUPS},
        )


@dataclass(frozen=True)
class Variance(Mean):
    """
    The variance and standard deviation of a number, with its mean and how many children it is over.

    Sensitivity: with w the range in steps, a row adds (w - q)², 2q(w - q) and q² to the three totals of one
    cell: (w - q + q)² = w² in L1. A household has at most `rows_per_household` rows.
    """

    kind: ClassVar[str] = "variance"
    measures: ClassVar[tuple[str, ...]] = ("variance", "standard_deviation", "mean", "count")
    degree: ClassVar[int] = 2

    @staticmethod
    def terms(above: Numbers, below: Numbers) -> list[Numbers]:
        return [below * below, 2 * above * below, above * above]

    def estimates(self, totals: Sequence[float], *, scale: float, number: Number) -> Mapping[str, Estimate]:
        low, middle, high = totals
        found = variance(totals, scale=scale, number=number)
        lower, upper = (math.sqrt(bound) for bound in (found.low or 0.0, found.high or 0.0))
        return {
            "variance": found,
            "standard_deviation": Estimate(math.sqrt(found.value), lower, upper),
            "mean": mean([low + middle / 2, high + middle / 2], scale=scale, number=number),
            "count": children(totals, scale=scale),
        }

    def precision(self, source: Source) -> Precision:
        number = self.number(self.item, source)
        scale = self.parts(source)[0].mechanism.scale / number.width**2
        spread = (number.width * number.step) ** 2
        row = FACTOR * deviation(scale)

        def width(size: int) -> float:
            return min(0.25, row / size + (row / size) ** 2)

        # A quarter is the largest variance there is, in squares of the range.
        seen = math.ceil(row / (0.25 * LEGIBLE)) + 1
        return Precision("item", seen, by_group={size: spread * width(size) for size in GROUPS})


def margin_of_rows(scale: float) -> float:
    """The 95 % margin of Laplace noise of a scale that need not be whole."""
    return FACTOR * deviation(scale)


def children(totals: Sequence[float], *, scale: float) -> Estimate:
    """The number of rows: the terms of each row add up to 1."""
    return Estimate.around(sum(totals), FACTOR * deviation(scale) * math.sqrt(len(totals)))


def mean(totals: Sequence[float], *, scale: float, number: Number) -> Estimate:
    """
    The mean from the two totals, with Fieller's interval.

    For the true share m, high - m (low + high) is a mixture (1 - m) and m of two Laplace draws, within the
    margin of one of them; so whatever the noisy count is, m is within margin / count of high / count.
    """
    low, high = totals
    if (count := low + high) <= 0:
        return within(number, 0.5, 1.0)
    return within(number, high / count, margin_of_rows(scale) / count)


def within(number: Number, share: float, width: float) -> Estimate:
    """A share of the range as a value, its interval cut to the range."""
    cut = [min(1.0, max(0.0, end)) for end in (share, share - width, share + width)]
    return Estimate(*((number.low + number.width * end) * number.step for end in cut))


def variance(totals: Sequence[float], *, scale: float, number: Number) -> Estimate:
    """
    The variance from the three totals, by the first term of its error in the noise and the square of the mean's.

    Around a point a, (t - a)² is a², a² - a and (1 - a)² of the three terms.
    """
    spread = (number.width * number.step) ** 2
    low, middle, high = totals
    if (count := low + middle + high) <= 0:
        return Estimate(0.125 * spread, 0.0, 0.25 * spread)
    a = min(1.0, max(0.0, (middle / 2 + high) / count))
    found = min(0.25, max(0.0, high / count - a * a))
    first = math.hypot(a * a - found, a * a - a - found, (1 - a) ** 2 - found)
    second = math.hypot(a, 0.5 - a, 1 - a) * margin_of_rows(scale) / count
    width = first * margin_of_rows(scale) / count + second**2
    return Estimate(found * spread, max(0.0, found - width) * spread, min(0.25, found + width) * spread)
