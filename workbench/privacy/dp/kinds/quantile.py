"""A quantile of a number: the exponential mechanism over public candidates."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from workbench.errors import Unusable
from workbench.privacy.dp.kinds.interface import Estimate, Line, Numbers, Part, Precision, Rows, plain
from workbench.privacy.dp.kinds.moments import Moment
from workbench.privacy.dp.noise import Draw, Mechanism, scale_for
from workbench.privacy.dp.source import Source

MOST_CANDIDATES = 1_001
MOST_SCORES = 200_000
# A quantile whose rank is off by less than this share of a group still says where its children stand.
LEGIBLE = 0.05


@dataclass(frozen=True)
class Quantile(Moment):
    """
    The value below which a share `at` of children are, in whole hundredths; 0.5 is the median.

    Candidates are evenly spaced over the public range. A candidate's score is how far its rank is from the
    one wanted: with at = a/b in lowest terms, |(b - a) · below - a · above|.

    Sensitivity: one row moves one group's score by at most max(a, b - a), in L-infinity. The mechanism's
    cost is linear in how many rows a household has in a group, and groups share no rows, so over all groups
    a household costs what `rows_per_household` rows in one group cost (parallel composition).
    """

    kind: ClassVar[str] = "quantile"
    measures: ClassVar[tuple[str, ...]] = ("quantile",)

    at: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        valid = isinstance(self.at, int | float) and 0.01 <= self.at <= 0.99
        if not (valid and math.isclose(self.at * 100, round(self.at * 100), abs_tol=1e-6)):
            raise Unusable(
                ja="at は 0.01 から 0.99 まで、0.01 刻みで指定してください。",
                en="at is a share from 0.01 to 0.99 in hundredths.",
            )

    @property
    def share(self) -> tuple[int, int]:
        """`at` in lowest terms."""
        hundredths = round(self.at * 100)
        common = math.gcd(hundredths, 100)
        return hundredths // common, 100 // common

    def candidates(self, source: Source) -> Numbers:
        """Public values, in steps, in rising order."""
        number = self.number(self.item, source)
        most = min(MOST_CANDIDATES, max(2, MOST_SCORES // len(self.cells(source))), number.width + 1)
        places = np.arange(most, dtype=np.int64)
        return number.low + (places * number.width) // (most - 1)

    def parts(self, source: Source) -> tuple[Part, ...]:
        a, b = self.share
        sensitivity = source.rows_per_household * max(a, b - a)
        # Scores may rise and fall, so the mechanism costs twice its sensitivity over its scale.
        scale = scale_for(sensitivity=2 * sensitivity, epsilon=self.loss.at_most)
        mechanism = Mechanism(Draw.NOISY_MIN, scale, sensitivity)
        return (Part("choice", mechanism, draws=len(self.cells(source)), size=len(self.candidates(source))),)

    def exact(self, rows: Rows, source: Source) -> list[list[Any]]:
        values, candidates = rows.numbers[self.item], self.candidates(source)
        groups = (np.sort(values[rows.cell == place]) for place in range(len(self.cells(source))))
        return [[self.scores(group, candidates) for group in groups]]

    def scores(self, group: Numbers, candidates: Numbers) -> list[int]:
        """How far each candidate is from the rank wanted; 0 is nearest. `group` is sorted."""
        a, b = self.share
        below = np.searchsorted(group, candidates, side="left")
        above = len(group) - np.searchsorted(group, candidates, side="right")
        return plain(np.abs((b - a) * below - a * above))

    def finish(self, released: Sequence[Sequence[Any]], source: Source) -> list[Line]:
        step, candidates = self.number(self.item, source).step, self.candidates(source)
        # How far the value may be off depends on the data about it; the rank's margin is in the price.
        return [
            Line(cell, {"quantile": Estimate(float(candidates[place] * step), None, None)})
            for cell, place in zip(self.cells(source), released[0], strict=True)
        ]

    def precision(self, source: Source) -> Precision:
        part, (_, b) = self.parts(source)[0], self.share
        # A score of so much above the best is chosen with a chance of at most 5 % (McSherry and Talwar 2007).
        rank = part.mechanism.scale * (math.log(part.size or 1) + math.log(20)) / b
        return Precision("rank", math.ceil(rank / LEGIBLE), rank)
