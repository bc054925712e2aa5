"""
Cell suppression: the fewest, least important cells emptied so that nobody is alone with what is left.

An empty cell could be anything, so a row hides among all rows that agree with it wherever neither is empty
(the wildcard reading, as sdcMicro's localSuppression counts). In the other reading, where empty is a
category of its own, k may be lower: a release shows the worse of the two (`missing`).

The least number of cells is NP-hard to find (Meyerson and Williams, "On the complexity of optimal
k-anonymity", PODS 2004). What is promised is k, that a row loses the fewest cells that suffice when its turn
comes, and that no emptied cell could be filled in again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.errors import Unusable, Usage
from workbench.privacy.anonymity.classes import categories, pack, require_columns
from workbench.privacy.anonymity.step import Step
from workbench.scoring.recode import MISSING

# Every subset of the items is weighed for a row.
MOST_ITEMS = 16
EMPTY = -1

Bits = NDArray[np.int64]


@dataclass(frozen=True)
class CellSuppression(Step):
    """
    Empties cells of `items` until every row agrees with at least `k` rows, itself among them.

    `importance` weighs an item's cells, 1 unless given: of the ways that save a row, the one of least weight
    is taken, and of these the one that spares the items named first. Rows that read alike lose alike. k is
    counted in rows. The work grows with the square of the distinct combinations (Adult's 13,000: 9 seconds).

    Raises Usage for more than 16 items or a weight that is not positive, Unusable for fewer than `k` rows.
    """

    items: tuple[str, ...]
    k: int
    importance: Mapping[str, float] = field(default_factory=dict)

    name: ClassVar[str] = "cell_suppression"

    def __post_init__(self) -> None:
        fits = 0 < len(self.items) <= MOST_ITEMS and set(self.importance) <= set(self.items)
        if not fits or self.k < 1 or not all(0 < weight < np.inf for weight in self.importance.values()):
            raise Usage(
                ja=f"セルの抑制には {MOST_ITEMS} 項目まで、1 以上の k、正の重みを指定してください。",
                en=f"Cell suppression takes up to {MOST_ITEMS} items, a k of 1 or more, and positive weights.",
            )

    def change(self, frame: pd.DataFrame) -> pd.DataFrame:
        if len(frame) < self.k:
            raise Unusable(
                ja=f"表は {len(frame)} 行で、k={self.k} に足りません。k を小さくしてください。",
                en=f"The table has {len(frame)} rows, too few for k = {self.k}; ask for a smaller k.",
            )
        columns = [categories(frame[item]) for item in require_columns(frame, self.items)]
        key = pack([c.codes for c in columns], sizes=[c.size for c in columns])[0]
        _, first, member = np.unique(key, return_index=True, return_inverse=True)
        codes = np.array([emptied(c.codes, c.words)[first] for c in columns])
        weights = [self.importance.get(item, 1.0) for item in self.items]
        left = Emptying(codes, rows=np.bincount(member), k=self.k, weights=weights).run()
        return frame.assign(
            **{
                item: frame[item].astype(object).mask(left[place][member] == EMPTY, None)
                for place, item in enumerate(self.items)
            }
        )


def emptied(codes: NDArray[np.int64], words: Sequence[str]) -> NDArray[np.int64]:
    """The codes, EMPTY where the value is missing."""
    missing = np.array([word == MISSING for word in words], dtype=bool)
    return np.where(missing[codes], EMPTY, codes)


class Emptying:
    """The combinations of a table (`codes` is item by combination) while their cells are emptied."""

    def __init__(
        self, codes: NDArray[np.int64], *, rows: NDArray[np.int64], k: int, weights: Sequence[float]
    ) -> None:
        self.codes = codes
        self.rows = rows
        self.k = k
        items = len(weights)
        self.subsets = np.arange(2**items)
        inside = (self.subsets[:, None] >> np.arange(items)) & 1
        weight = inside @ np.array(weights)
        # Least weight first; among equals the one whose items are named last, so that the first are spared.
        from_last = inside[:, ::-1] @ (1 << np.arange(items))
        self.preferred = np.lexsort([from_last, weight])
        self.alike = self.counted()

    def run(self) -> NDArray[np.int64]:
        """The codes with EMPTY where a cell had to go."""
        before = self.codes.copy()
        # The loneliest first: they lose in any case, and what they lose saves others. On Adult at k = 5 the
        # other way round costs a tenth more cells.
        for combination in np.argsort(self.alike, kind="stable"):
            if self.alike[combination] < self.k:
                self.empty(combination)
        self.fill_again(before)
        return self.codes

    def counted(self) -> NDArray[np.int64]:
        """The rows that each combination agrees with."""
        if (self.codes == EMPTY).any():
            return np.array([self.rows[self.differs(c) == 0].sum() for c in range(len(self.rows))])
        return self.rows.copy()

    def differs(self, combination: int) -> Bits:
        """For each combination, the items in which it contradicts this one, as bits."""
        bits = np.zeros(len(self.rows), dtype=np.int64)
        for place, column in enumerate(self.codes):
            mine = column[combination]
            if mine != EMPTY:
                bits |= ((column != mine) & (column != EMPTY)).astype(np.int64) << place
        return bits

    def empty(self, combination: int) -> None:
        """Empty the least of a combination's cells with which it agrees with k rows."""
        bits = self.differs(combination)
        reached = self.within(bits)
        known = sum(1 << place for place, column in enumerate(self.codes) if column[combination] != EMPTY)
        enough = (reached >= self.k) & (self.subsets & ~known == 0)
        chosen = int(self.preferred[enough[self.preferred]][0])
        gained = (bits != 0) & (bits & ~chosen == 0)
        self.alike[gained] += self.rows[combination]
        self.alike[combination] = reached[chosen]
        for place in range(len(self.codes)):
            if chosen >> place & 1:
                self.codes[place, combination] = EMPTY

    def within(self, bits: Bits) -> NDArray[np.int64]:
        """For each subset of items, the rows that contradict in nothing outside it."""
        total = np.bincount(bits, weights=self.rows, minlength=len(self.subsets)).astype(np.int64)
        for place in range(len(self.codes)):
            has = self.subsets >> place & 1 == 1
            total[has] += total[self.subsets[has] ^ (1 << place)]
        return total

    def fill_again(self, before: NDArray[np.int64]) -> None:
        """Fill in each cell that the cells emptied after it made needless, the most important item first."""
        order = sorted(range(len(self.codes)), key=lambda place: -self.preferred_weight(place))
        for place in order:
            for combination in np.flatnonzero((self.codes[place] == EMPTY) & (before[place] != EMPTY)):
                self.try_filling(place, combination, value=before[place, combination])

    def preferred_weight(self, place: int) -> int:
        """Where the subset of this item alone stands among the preferred: later is dearer."""
        return int(np.flatnonzero(self.preferred == 1 << place)[0])

    def try_filling(self, place: int, combination: int, *, value: int) -> None:
        with_it = self.differs(combination) == 0
        column = self.codes[place]
        lost = with_it & (column != EMPTY) & (column != value)
        left = self.alike[combination] - self.rows[lost].sum()
        if left >= self.k and (self.alike[lost] - self.rows[combination] >= self.k).all():
            self.alike[combination] = left
            self.alike[lost] -= self.rows[combination]
            column[combination] = value
