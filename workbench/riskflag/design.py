"""
What an estimator is given: a table of numbers in which each column follows one item's places.

An estimator never sees a value, only the interval or level it falls into, already joined so that none
describes a few rows. So whatever it learns can be told in places, and no threshold needs to survive a
change of arithmetic.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from workbench.riskflag.binning import Binned
from workbench.scoring.engine import Integers
from workbench.scoring.model import Feature

Floats = npt.NDArray[np.float64]
MISSING_IS_LOW = -1.0


@dataclass(frozen=True)
class Column:
    """One column: `values` of each place of an item, those of unseen and missing last. `coded`: names, no amounts."""

    item: int
    values: Floats
    coded: bool = False


@dataclass(frozen=True)
class Design:
    """The items' shapes, where each training row stands, and the columns an estimator is given."""

    shapes: tuple[Feature, ...]
    places: Integers
    columns: tuple[Column, ...]

    @property
    def matrix(self) -> Floats:
        """The training rows, dense."""
        return np.stack([column.values[self.places[:, column.item]] for column in self.columns], axis=1)

    @property
    def sparse(self) -> sparse.csr_matrix:
        """The training rows, for columns that are mostly 0."""
        return sparse.csr_matrix(self.matrix)

    def counts(self, item: int) -> Integers:
        """Rows at each place of an item; unseen and missing last."""
        size = len(self.shapes[item].points) + 2
        return np.bincount(self.places[:, item] % size, minlength=size).astype(np.int64)


def design_of(binned: Sequence[Binned], *, how: str) -> Design:
    """The design of these items for estimators that read `indicators`, `amounts` or `codes`."""
    columns = [column for item, each in enumerate(binned) for column in HOW[how](item, each)]
    places = np.stack([each.places for each in binned], axis=1)
    return Design(tuple(each.shape for each in binned), places, tuple(columns))


def indicators(item: int, binned: Binned) -> list[Column]:
    """A column of zeros and ones for each coefficient."""
    group = np.array(binned.group)
    return [Column(item, (group == one).astype(np.float64)) for one in range(binned.width)]


def amounts(item: int, binned: Binned) -> list[Column]:
    """A number in its order, missing as NaN; for a category zeros and ones."""
    return [Column(item, ranks(binned))] if is_number(binned) else indicators(item, binned)


def amounts_and_missing(item: int, binned: Binned) -> list[Column]:
    """As `amounts`, for estimators that take no NaN: missing lies below all, and has a column of its own."""
    if not is_number(binned):
        return indicators(item, binned)
    values = ranks(binned)
    missing = np.isnan(values)
    return [
        Column(item, np.where(missing, MISSING_IS_LOW, values)),
        *([Column(item, missing.astype(np.float64))] if missing.any() else []),
    ]


def codes(item: int, binned: Binned) -> list[Column]:
    """One column for each item: a number in its order, a category by number; missing in a number is NaN."""
    if is_number(binned):
        return [Column(item, ranks(binned))]
    return [Column(item, np.array(binned.group, dtype=np.float64), coded=True)]


def no_columns(_item: int, _binned: Binned) -> list[Column]:
    """What an expert wrote reads places."""
    return []


HOW = {
    "indicators": indicators,
    "amounts": amounts,
    "amounts_and_missing": amounts_and_missing,
    "codes": codes,
    "items": no_columns,
}


def is_number(binned: Binned) -> bool:
    return binned.shape.edges is not None


def ranks(binned: Binned) -> Floats:
    """The first interval that shares each place's coefficient; NaN where missing values have their own."""
    group = list(binned.group)
    *known, _unseen, missing = group
    first = [float(known.index(one)) for one in known]
    told = first[known.index(missing)] if missing in known else np.nan
    # No number is unseen: what is none is missing.
    return np.array([*first, told, told], dtype=np.float64)
