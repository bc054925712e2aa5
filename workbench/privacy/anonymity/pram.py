"""
PRAM, the post randomisation method: each category becomes another one by chance, with known chances.

Gouweleeuw, Kooiman, Willenborg and de Wolf, "Post randomisation for statistical disclosure control: theory
and implementation" (Journal of Official Statistics 1998). The matrix is published, so that users can
correct their counts; an invariant one leaves the expected counts as they are and needs no correction.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.errors import Unusable, Usage
from workbench.privacy.anonymity.classes import Codes, categories, pack, require_columns
from workbench.privacy.anonymity.step import Draws, Step, new_key
from workbench.scoring.recode import MISSING

Matrix = NDArray[np.float64]
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Pram(Step):
    """
    Each value of `item` is drawn from its row of `matrix`, in the order of `categories`. A missing one stays.

    `invariant` replaces the matrix by one made of it under which the expected counts are the counts
    (section 4 of the paper: two steps, the second of which undoes the first in expectation). With
    `households`, members of a household who share a value share the draw: siblings who suddenly differ
    would show that one of them was drawn. `key` is secret and, unless given, from the operating system.

    Raises Usage for a matrix whose rows are no chances, Unusable for a value outside the categories.
    """

    item: str
    categories: tuple[str, ...]
    matrix: tuple[tuple[float, ...], ...]
    invariant: bool = False
    households: str | None = None
    key: bytes = field(default_factory=new_key, repr=False)

    name: ClassVar[str] = "pram"
    SECRET: ClassVar[tuple[str, ...]] = ("key",)

    def __post_init__(self) -> None:
        count = len(self.categories)
        square = len(self.matrix) == count and all(len(row) == count for row in self.matrix)
        if not square or count < 2 or len(set(self.categories)) < count or not chances(self.matrix):
            raise Usage(
                ja=f"項目「{self.item}」の推移行列は、区分と同じ数の行と列を持ち、各行が合計 1 の確率になるようにしてください。",
                en=f"The matrix of '{self.item}' needs a row and a column for each category, each row chances that "
                "add up to 1.",
            )

    def change(self, frame: pd.DataFrame) -> pd.DataFrame:
        column = categories(frame[require_columns(frame, [self.item])[0]])
        missing = np.array([word == MISSING for word in column.words], dtype=bool)[column.codes]
        known = {word: place for place, word in enumerate(self.categories)}
        places = np.array([known.get(word, -1) for word in column.words], dtype=np.int64)[column.codes]
        expect_known(self.item, places[~missing])
        drawn = places.copy()
        cumulated = np.cumsum(self.effective(places[~missing]), axis=1)
        chance = self.draws(frame, column.codes)
        for place, row in enumerate(cumulated):
            here = ~missing & (places == place)
            drawn[here] = np.minimum(np.searchsorted(row, chance[here], side="right"), len(row) - 1)
        words = np.array([*self.categories, None], dtype=object)
        return frame.assign(**{self.item: words[np.where(missing, len(self.categories), drawn)]})

    def effective(self, places: Codes) -> Matrix:
        """The matrix that is drawn from, for a table of these categories."""
        given = np.array(self.matrix)
        counts = np.bincount(places, minlength=len(self.categories)).astype(np.float64)
        return invariant(given, counts) if self.invariant else given

    def draws(self, frame: pd.DataFrame, codes: Codes) -> NDArray[np.float64]:
        """A number for each row, the same for those of one household and value."""
        drawing = Draws(self.key, purpose=f"{self.name} {self.item}")
        if self.households is None:
            return drawing.shares(len(frame))
        homes = categories(frame[require_columns(frame, [self.households])[0]])
        key, _ = pack([homes.codes, codes], sizes=[homes.size, int(codes.max(initial=0)) + 1])
        distinct, place = np.unique(key, return_inverse=True)
        return drawing.shares(len(distinct))[place]

    @classmethod
    def staying(cls, item: str, categories: Sequence[str], *, stay: float, **wanted: Any) -> Self:
        """Each value stays with chance `stay` and otherwise becomes any other one, each as likely."""
        count = len(categories)
        other = (1 - stay) / max(count - 1, 1)
        rows = [tuple(stay if a == b else other for b in range(count)) for a in range(count)]
        return cls(item, tuple(categories), tuple(rows), **wanted)


def chances(matrix: Sequence[Sequence[float]]) -> bool:
    held = np.array(matrix, dtype=np.float64)
    within = np.isfinite(held).all() and (held >= 0).all()
    return bool(within and (np.abs(held.sum(axis=1) - 1) <= TOLERANCE).all())


def invariant(matrix: Matrix, counts: NDArray[np.float64]) -> Matrix:
    """
    `matrix` followed by its reverse: the matrix R with counts · R = counts.

    The reverse gives, for what the first step drew, the chances of what it was (Bayes). A category that
    nothing becomes is drawn from by nobody and stays.
    """
    joint = matrix * counts[:, None]
    reached = joint.sum(axis=0)
    reverse = np.where(reached[:, None] > 0, joint.T / np.where(reached > 0, reached, 1.0)[:, None], 0.0)
    reverse[reached == 0] = np.eye(len(counts))[reached == 0]
    return np.asarray(matrix @ reverse)


def expect_known(item: str, places: Codes) -> None:
    strange = int((places < 0).sum())
    if strange:
        raise Unusable(
            ja=f"項目「{item}」に、行列の区分にない値が {strange} 個あります。区分を加えるか、先に一般化してください。",
            en=f"'{item}' holds {strange} values outside the categories of its matrix; add them or generalise first.",
        )
