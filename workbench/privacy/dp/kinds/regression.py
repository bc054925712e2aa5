"""
Linear regression from noisy sufficient statistics, in whole numbers.

Every number is moved to the middle of its public range and scaled to [-1, 1] in steps of 1/4096, so that one
row changes each product of two numbers by at most 1. The products are summed exactly and told with noise;
the coefficients follow from the noisy sums alone. Rows outside the range are clipped, so a row far away cannot
pull the line; nothing is read off the data, neither bounds nor centres.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from workbench.errors import Unusable
from workbench.privacy.dp.kinds.interface import (
    FACTOR,
    Estimate,
    Line,
    Numbers,
    Part,
    Precision,
    Question,
    Rows,
    deviation,
    expect_different,
    plain,
)
from workbench.privacy.dp.noise import counting
from workbench.privacy.dp.source import Number, Source

Matrix = np.ndarray[Any, np.dtype[np.float64]]
UNIT = 2**12
MOST_ITEMS = 8
INTERCEPT = "(intercept)"
# A direction in which the numbers vary by less than so many standard deviations of the noise tells nothing.
TOLD = 3.0
# In a scaled number that is spread evenly, a row adds a third to its square; 0.1 is a legible coefficient.
EVENLY, LEGIBLE = 1 / 3, 0.1


@dataclass(frozen=True)
class Regression(Question):
    """
    The straight line that fits `item` best from the numbers `on`, by least squares.

    Sensitivity: with p numbers in `on`, a row adds (p + 2)(p + 3)/2 - 1 products, each at most 1 (4096² in
    steps) in size; a household has at most `rows_per_household` rows.
    """

    kind: ClassVar[str] = "regression"
    measures: ClassVar[tuple[str, ...]] = ("coefficient",)

    item: str
    on: tuple[str, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        expect_different(self.item, *self.on)
        if not 1 <= len(self.on) <= MOST_ITEMS:
            raise Unusable(
                ja=f"on には1から{MOST_ITEMS}個の数値項目を指定してください。",
                en=f"on names one to {MOST_ITEMS} numbers.",
            )

    @property
    def measured(self) -> tuple[str, ...]:
        return (*self.on, self.item)

    @property
    def columns(self) -> tuple[str, ...]:
        return ("term",)

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """The products that are summed: 0 is the constant, the last is `item`, whose square is not needed."""
        last = len(self.on) + 1
        return [
            pair for pair in itertools.combinations_with_replacement(range(last + 1), 2) if pair[0] < last
        ]

    def parts(self, source: Source) -> tuple[Part, ...]:
        for name in self.measured:
            source.number(name)
        sensitivity = source.rows_per_household * len(self.pairs) * UNIT**2
        mechanism = counting(sensitivity=sensitivity, epsilon=self.loss.at_most)
        return (Part("products", mechanism, size=len(self.pairs)),)

    def exact(self, rows: Rows, source: Source) -> list[list[Any]]:
        scaled = [scaled_to_unit(rows.numbers[name], source.number(name)) for name in self.measured]
        columns = [np.full(len(rows.cell), UNIT, dtype=np.int64), *scaled]
        return [[plain((columns[one] * columns[other]).sum() for one, other in self.pairs)]]

    def finish(self, released: Sequence[Sequence[Any]], source: Source) -> list[Line]:
        products, target = self.moments(released[0][0])
        noise = deviation(self.parts(source)[0].mechanism.scale / UNIT**2)
        fitted, covariance, told = solved(products, target, noise=noise)
        back = self.to_items(source)
        middle = np.zeros(len(fitted))
        middle[0] = centre(source.number(self.item))
        widths = FACTOR * np.sqrt(np.diag(back @ covariance @ back.T))
        values = back @ fitted + middle
        return list(self.lines(values, widths, told=told))

    def lines(self, values: Matrix, widths: Matrix, *, told: bool) -> Iterator[Line]:
        for name, value, width in zip((INTERCEPT, *self.on), values, widths, strict=True):
            found = Estimate.around(float(value), float(width))
            # Where the noise drowns the data an interval from its first order would be a pretence.
            yield Line((name,), {"coefficient": found if told else Estimate(found.value, None, None)})

    def moments(self, noisy: Sequence[int]) -> tuple[Matrix, Matrix]:
        """The matrix of products and the vector with `item`, in rows."""
        size = len(self.on) + 2
        table = np.zeros((size, size))
        for (one, other), value in zip(self.pairs, noisy, strict=True):
            table[one, other] = table[other, one] = value / UNIT**2
        return table[:-1, :-1], table[:-1, -1]

    def to_items(self, source: Source) -> Matrix:
        """From coefficients of the scaled numbers to those of the items, but for the middle of `item`."""
        height = half(source.number(self.item))
        back = np.zeros((len(self.on) + 1, len(self.on) + 1))
        back[0, 0] = height
        for place, number in enumerate(map(source.number, self.on), start=1):
            back[place, place] = height / half(number)
            back[0, place] = -height * centre(number) / half(number)
        return back

    def precision(self, source: Source) -> Precision:
        noise = deviation(self.parts(source)[0].mechanism.scale / UNIT**2)
        # Of a coefficient of scaled numbers, for numbers that are spread evenly and are not related.
        row = FACTOR * noise * math.sqrt(2) / EVENLY
        return Precision("range", math.ceil(row / LEGIBLE))


def scaled_to_unit(steps: Numbers, number: Number) -> Numbers:
    """[-UNIT, UNIT] over the public range, rounded down in whole numbers."""
    return ((2 * steps - number.low - number.high) * UNIT) // number.width


def half(number: Number) -> float:
    return number.width * number.step / 2


def centre(number: Number) -> float:
    return (number.low + number.high) * number.step / 2


def solved(products: Matrix, target: Matrix, *, noise: float) -> tuple[Matrix, Matrix, bool]:
    """
    Coefficients, their covariance from the noise, and whether the noise left enough to tell them.

    A noisy matrix of products may have lost its positive directions; those near or below the noise are
    raised to it, so that no coefficient is thrown far by noise alone.
    """
    floor = TOLD * noise * math.sqrt(len(target))
    values, directions = np.linalg.eigh(products)
    told = bool(values.min() > floor)
    inverse = (directions / np.maximum(values, floor)) @ directions.T
    fitted = inverse @ target
    # Of the noise in target - products @ fitted, whose entries share the noise of the matrix's two halves.
    inner = np.eye(len(fitted)) * (1 + fitted @ fitted) + np.outer(fitted, fitted) - np.diag(fitted**2)
    return fitted, noise**2 * inverse @ inner @ inverse, told
