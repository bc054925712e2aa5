"""
A missing quasi-identifier, read in both ways.

As a category of its own (`Classes`): whoever looks for a child knows that the value is missing. As a
wildcard (sdcMicro's alternative): a missing value could be any, so a row is hidden among all rows that
agree with it wherever neither is missing. The second never says less than the first: a table whose k
rests on it is as safe as nobody's knowing what is missing, so a report shows the worse of the two.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.privacy.anonymity.classes import (
    Classes,
    Coded,
    Codes,
    Who,
    categories,
    distinct_by,
    number,
    pack,
    require_columns,
    who,
)
from workbench.scoring.recode import MISSING


@dataclass(frozen=True)
class Candidates:
    """
    Whom the rows of each class could be when missing values are wildcards; classes as in `Classes.of`.

    `rows` is exact. `children` and `households` are exact where each has one row, and otherwise never more
    than there are: a person met in two places is counted in one of them only.
    """

    rows: Codes
    children: Codes
    households: Codes | None


@dataclass(frozen=True)
class BothReadings:
    """k when a missing value is a category of its own, when it is a wildcard, and the worse of the two."""

    own_category: int
    wildcard: int

    @property
    def worse(self) -> int:
        return min(self.own_category, self.wildcard)


def k_in_both_readings(
    frame: pd.DataFrame, quasi_identifiers: Sequence[str], *, persons: Who | None = None
) -> BothReadings:
    """The fewest children a row is hidden among, in either reading of missing values; 0 for an empty table."""
    own = Classes.of(frame, quasi_identifiers, persons=persons).children
    wild = candidates(frame, quasi_identifiers, persons=persons).children
    return BothReadings(own_category=int(min(own, default=0)), wildcard=int(min(wild, default=0)))


def candidates(
    frame: pd.DataFrame,
    quasi_identifiers: Sequence[str],
    *,
    persons: Who | None = None,
    households: Who | None = None,
) -> Candidates:
    """
    Whom the rows of each class could be, a missing value matching anything.

    The work grows with the square of the number of patterns in which values are missing, not of rows.
    """
    items = require_columns(frame, quasi_identifiers)
    coded = [categories(frame[item]) for item in items]
    member, count = number(pack([c.codes for c in coded], sizes=[c.size for c in coded])[0])
    first = np.zeros(count, dtype=np.int64)
    first[member] = np.arange(len(member))
    table = Table(
        codes=tuple(c.codes[first] for c in coded),
        sizes=tuple(c.size for c in coded),
        missing=np.array([is_missing(c)[first] for c in coded]),
        rows=np.bincount(member, minlength=count),
    )
    return Candidates(
        rows=table.rows_that_fit(),
        children=table.people_that_fit(member, who(frame, persons)),
        households=None if households is None else table.people_that_fit(member, who(frame, households)),
    )


def is_missing(column: Coded) -> NDArray[np.bool_]:
    return np.array([word == MISSING for word in column.words], dtype=bool)[column.codes]


@dataclass(frozen=True)
class Table:
    """The classes of a table: a code for each item, whether it is missing (item by class), and the rows."""

    codes: tuple[Codes, ...]
    sizes: tuple[int, ...]
    missing: NDArray[np.bool_]
    rows: Codes

    def rows_that_fit(self) -> Codes:
        """For each class, the rows of all classes that agree with it wherever neither is missing."""
        fit = np.zeros(len(self.rows), dtype=np.int64)
        for asked, others in self.pairs_of_patterns():
            here, there, space = self.told_alike(asked, others)
            fit[asked] += np.bincount(there, weights=self.rows[others], minlength=space)[here].astype(
                np.int64
            )
        return fit

    def people_that_fit(self, member: Codes, people: Coded | None) -> Codes:
        """For each class, the distinct people of the classes that fit, each at least in one place."""
        if people is None or bool((np.bincount(people.codes) <= 1).all()):
            return self.rows_that_fit()
        met = np.unique(member * people.size + people.codes)
        class_met, person_met = met // people.size, met % people.size
        fit = np.zeros(len(self.rows), dtype=np.int64)
        for asked, others in self.pairs_of_patterns():
            here, there, space = self.told_alike(asked, others)
            key = np.full(len(self.rows), -1, dtype=np.int64)
            key[others] = there
            known = key[class_met] >= 0
            distinct = distinct_by(key[class_met[known]], person_met[known], classes=space)
            fit[asked] = np.maximum(fit[asked], distinct[here])
        return fit

    def pairs_of_patterns(self) -> list[tuple[Codes, Codes]]:
        """The classes of one pattern of missing values, beside those of each pattern."""
        pattern = number(
            pack([column.astype(np.int64) for column in self.missing], sizes=[2] * len(self.sizes))[0]
        )[0]
        by_pattern = [np.flatnonzero(pattern == place) for place in range(int(pattern.max(initial=-1)) + 1)]
        return [(asked, others) for asked in by_pattern for others in by_pattern]

    def told_alike(self, asked: Codes, others: Codes) -> tuple[Codes, Codes, int]:
        """Both sets of classes, numbered by the items that neither pattern misses, and how many numbers."""
        told = ~(self.missing[:, asked[0]] | self.missing[:, others[0]])
        both = np.concatenate([asked, others])
        kept = [
            (codes[both], size)
            for codes, size, keep in zip(self.codes, self.sizes, told, strict=True)
            if keep
        ]
        if not kept:
            return np.zeros_like(asked), np.zeros_like(others), 1
        key, space = number(pack([codes for codes, _ in kept], sizes=[size for _, size in kept])[0])
        return key[: len(asked)], key[len(asked) :], space
