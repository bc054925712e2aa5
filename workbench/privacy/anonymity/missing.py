"""
A missing quasi-identifier, read in both ways.

As a category of its own (`Classes`): whoever looks for a child knows that the value is missing. As a
wildcard (sdcMicro's alternative): a missing value could be any, so a row is hidden among all rows that
agree with it wherever neither is missing. The rows that fit are whole classes joined. Joining takes nothing from k, and of what a class tells about a
sensitive item it makes nothing worse either, delta-disclosure excepted, which passes over the values that a
class lacks. So the first reading is the worse one for all that a release is judged by, and a table whose k
rests on the second is as safe as nobody's knowing what is missing; both are told, and the worse of each number.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

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
from workbench.privacy.anonymity.spread import Spread
from workbench.scoring.recode import MISSING

# Pairs of a class and a person that are held at a time.
ROOM = 5_000_000


@dataclass(frozen=True)
class Candidates:
    """
    Whom the rows of each class could be when missing values are wildcards; classes as in `Classes.of`.

    Each count is exact: a child or a household counts once for a class, however many of its rows fit.
    """

    rows: Codes
    children: Codes
    households: Codes | None
    table: "Table"
    member: Codes

    def classes(self, own: Classes) -> Classes:
        """The classes with as many children and households as each row is hidden among."""
        return replace(own, children=self.children, households=self.households)

    def spread(self, values: Any, *, harmful: Iterable[str] | None = None) -> Spread:
        """
        How the values of a sensitive item fall over the rows that each class could be.

        Classes overlap here; what they are compared with (t, delta, beta) is the table, each row once.
        """
        own = Spread.over(self.member, len(self.rows), values, harmful=harmful)
        in_class, value, count = self.table.values_that_fit(own)
        return replace(own, in_class=in_class, value=value, count=count, reference=own.whole)


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
    known, homes = who(frame, persons), who(frame, households)
    table = Table(
        codes=tuple(c.codes[first] for c in coded),
        sizes=tuple(c.size for c in coded),
        missing=np.array([is_missing(c)[first] for c in coded]),
        rows=np.bincount(member, minlength=count),
    )
    return Candidates(
        rows=table.rows_that_fit(),
        children=table.people_that_fit(member, known),
        households=None if homes is None else table.people_that_fit(member, homes),
        table=table,
        member=member,
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
        """For each class, the distinct people of the classes that fit."""
        if people is None or bool((np.bincount(people.codes) <= 1).all()):
            return self.rows_that_fit()
        met = np.unique(member * people.size + people.codes)
        seen = Met(met // people.size, met % people.size)
        patterns = np.unique(seen.person * len(self.rows) + self.pattern[seen.where])
        # Whoever is met in one pattern only is counted there; the others may be met again in the next.
        again = np.bincount(patterns // len(self.rows), minlength=people.size)[seen.person] > 1
        once, several = seen.only(~again), seen.only(again)
        fit = np.zeros(len(self.rows), dtype=np.int64)
        for asked, others in self.pairs_of_patterns():
            here, there, space = self.told_alike(asked, others)
            group = self.spread_out(there, others)
            known = group[once.where] >= 0
            fit[asked] += distinct_by(group[once.where[known]], once.person[known], classes=space)[here]
        return fit + self.met_again(several, people=people.size)

    def met_again(self, several: "Met", *, people: int) -> Codes:
        """For each class, the distinct people that fit among those who are met in several patterns."""
        fit = np.zeros(len(self.rows), dtype=np.int64)
        if not len(several.where):
            return fit
        for asked, all_others in self.by_asked():
            joins = []
            for others in all_others:
                here, there, _ = self.told_alike(asked, others)
                group = self.spread_out(there, others)[several.where]
                joins.append(Join.of(here, group[group >= 0], several.person[group >= 0]))
            load = np.sum([join.load for join in joins], axis=0)
            # As many classes at a time as their people leave room for.
            stretch = np.cumsum(load) // ROOM
            for number_of in np.unique(stretch):
                part = np.flatnonzero(stretch == number_of)
                met = np.unique(np.concatenate([join.pairs(part, people=people) for join in joins]))
                fit[asked[part]] = np.bincount(met // people, minlength=len(part))
        return fit

    def values_that_fit(self, own: Spread) -> tuple[Codes, Codes, Codes]:
        """Class, value and count, in rising order: `own`, each class with those of all classes that fit."""
        size = max(len(own.words), 1)
        keys, counts = [], []
        for asked, others in self.pairs_of_patterns():
            here, there, _ = self.told_alike(asked, others)
            group = self.spread_out(there, others)[own.in_class]
            met = group >= 0
            key, inverse = np.unique(group[met] * size + own.value[met], return_inverse=True)
            count = np.bincount(inverse, weights=own.count[met], minlength=len(key)).astype(np.int64)
            place, of = Join.of(here, key // size, np.arange(len(key))).expanded(np.arange(len(asked)))
            keys.append(asked[place] * size + key[of] % size)
            counts.append(count[of])
        key, inverse = np.unique(np.concatenate(keys), return_inverse=True)
        count = np.bincount(inverse, weights=np.concatenate(counts)).astype(np.int64)
        return key // size, key % size, count

    def spread_out(self, there: Codes, others: Codes) -> Codes:
        """The numbers of some classes in an array over all of them, -1 for the rest."""
        every = np.full(len(self.rows), -1, dtype=np.int64)
        every[others] = there
        return every

    @cached_property
    def pattern(self) -> Codes:
        """The pattern of missing values of each class, as a number."""
        missing = [column.astype(np.int64) for column in self.missing]
        return number(pack(missing, sizes=[2] * len(missing))[0])[0]

    @cached_property
    def by_pattern(self) -> list[Codes]:
        return [np.flatnonzero(self.pattern == p) for p in range(int(self.pattern.max(initial=-1)) + 1)]

    def by_asked(self) -> list[tuple[Codes, list[Codes]]]:
        """The classes of each pattern, beside those of every pattern."""
        return [(asked, self.by_pattern) for asked in self.by_pattern]

    def pairs_of_patterns(self) -> list[tuple[Codes, Codes]]:
        """The classes of one pattern of missing values, beside those of each pattern."""
        return [(asked, others) for asked, every in self.by_asked() for others in every]

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


@dataclass(frozen=True)
class Met:
    """In which class which person is met, each pair once."""

    where: Codes
    person: Codes

    def only(self, kept: NDArray[np.bool_]) -> "Met":
        return Met(self.where[kept], self.person[kept])


@dataclass(frozen=True)
class Join:
    """What each of some classes meets in its group: `load` of them, from `start` on in `what`."""

    start: Codes
    load: Codes
    what: Codes

    @classmethod
    def of(cls, here: Codes, group: Codes, what: Codes) -> "Join":
        """`here` is the group of each class asked, `group` that of each of `what`."""
        order = np.argsort(group, kind="stable")
        ordered = group[order]
        start = np.searchsorted(ordered, here)
        return cls(start, np.searchsorted(ordered, here, side="right") - start, what[order])

    def expanded(self, part: Codes) -> tuple[Codes, Codes]:
        """Each pair of a class of `part`, by its place there, and what it meets."""
        load = self.load[part]
        place = np.repeat(np.arange(len(part)), load)
        before = np.cumsum(load) - load
        return place, self.what[np.arange(len(place)) - before[place] + self.start[part][place]]

    def pairs(self, part: Codes, *, people: int) -> Codes:
        """The same as one number each."""
        place, person = self.expanded(part)
        return place * people + person
