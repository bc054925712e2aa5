"""
Releases of the same people, joined: among how many a child still hides when all of them are known together.

Whoever knows a child's quasi-identifiers knows the child's class in every release, and, from a class that
is missing, that the child was left out of one. So what the releases tell of a record is its class in each,
or that it is not there; the records of which all tell the same are a joined class. One joined class is an
intersection (in this class here and in that one there) or a difference (here, and not there).

It is measured for the strongest reader: one who can tell which row of one release is which row of another.
Nothing is judged here.

Ganta, Kasiviswanathan and Smith, "Composition attacks and auxiliary information in data privacy" (2008),
section 2, the intersection attack; Denning, "Cryptography and data security" (1982), section 6.3.2,
tracker attacks, for the difference.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.errors import Unusable
from workbench.privacy.anonymity.classes import Classes, Codes, categories, distinct_by, number, pack
from workbench.privacy.anonymity.diversity import classes_with_harm, confidence_by_class, values_in_class
from workbench.privacy.anonymity.spread import Spread

Flags = NDArray[np.bool_]
Count = Callable[[Classes], Codes]
# What a release tells of a record that it does not hold.
ABSENT = -1
# Told of nobody: no crowd is named, so none is made smaller.
UNTOLD = np.iinfo(np.int64).max


@dataclass(frozen=True)
class View:
    """
    One release as its reader meets it: one entry for each released row.

    `persons` and `periods` say which record the row is (the child, the year); `periods` is None where the
    release speaks of people once. Both are known to the room alone, and so are `households`. Persons,
    periods and households are spelled alike in all views that are joined. `member` is the row's class.
    """

    persons: Sequence[Any]
    member: Codes
    households: Sequence[Any] | None = None
    periods: Sequence[Any] | None = None

    def __post_init__(self) -> None:
        columns = [self.persons, self.member, self.households, self.periods]
        if len({len(column) for column in columns if column is not None}) > 1:
            raise Unusable(
                ja="公開の行と、個人・世帯・年度の符号の数が合いません。",
                en="The codes of persons, households and periods do not fit the rows of the release.",
            )

    def without_periods(self) -> "View":
        """The same, of a reader who puts the rows of one child together over all years."""
        return View(self.persons, self.member, self.households)


@dataclass(frozen=True)
class Joined:
    """
    A new release joined with the earlier ones: one entry for each record that any of them holds.

    `told` has a column for each release, the new one first: the record's class there, or ABSENT. `at` gives,
    for each release, the record of each of its rows.
    """

    persons: Codes
    households: Codes | None
    told: NDArray[np.int64]
    at: tuple[Codes, ...]

    @classmethod
    def of(cls, new: View, earlier: Sequence[View]) -> "Joined":
        """
        The join of `new` with `earlier`, in their order.

        Where one of them knows no period, records are persons in all of them.
        """
        views = [new, *earlier]
        if any(view.periods is None for view in views):
            views = [view.without_periods() for view in views]
        persons = stacked([view.persons for view in views])
        periods = np.zeros_like(persons)
        if views[0].periods is not None:
            periods = stacked([view.periods for view in views])
        record, count = number(pack([persons, periods], sizes=[top(persons), top(periods)])[0])
        at = tuple(np.split(record, np.cumsum([len(view.member) for view in views])[:-1]))
        return cls(
            persons=first_of(record, persons, count),
            households=homes(views, at, count),
            told=np.stack(
                [told(rows, view.member, count) for rows, view in zip(at, views, strict=True)], axis=1
            ),
            at=at,
        )

    @cached_property
    def classes(self) -> Classes:
        """The joined classes, over the records of all releases."""
        return self.alike(range(self.told.shape[1]))

    def alike(self, releases: Iterable[int]) -> Classes:
        """The classes of the records of which these releases tell the same."""
        columns = [self.told[:, place] - ABSENT for place in releases]
        member, count = number(pack(columns, sizes=[top(column) for column in columns])[0])
        return Classes(
            items=(),
            member=member,
            rows=np.bincount(member, minlength=count),
            children=distinct_by(member, self.persons, classes=count),
            households=None
            if self.households is None
            else distinct_by(member, self.households, classes=count),
        )

    @property
    def k_children(self) -> int:
        """The fewest children in a joined class; 0 when no release holds a record."""
        return int(self.classes.children.min()) if len(self.classes) else 0

    @property
    def k_households(self) -> int | None:
        """The same in households; None where no release names them."""
        counts = self.classes.households
        return None if counts is None else int(counts.min()) if len(counts) else 0

    @cached_property
    def children_before(self) -> Codes:
        """For each joined class, the fewest children that the new release alone, or the earlier ones, leave."""
        return self._before(children_of)

    @cached_property
    def households_before(self) -> Codes | None:
        """The same in households."""
        return None if self.households is None else self._before(homes_of)

    def _before(self, counted: Count) -> Codes:
        return np.minimum(self._alone(counted, [0]), self._alone(counted, self._earlier))

    @property
    def _earlier(self) -> list[int]:
        return list(range(1, self.told.shape[1]))

    def _alone(self, counted: Count, releases: list[int]) -> Codes:
        """For each joined class, what these releases alone leave; UNTOLD where none of them holds it."""
        left = np.full(len(self.classes), UNTOLD)
        if releases:
            alone = self.alike(releases)
            held = (self.told[:, releases] != ABSENT).any(axis=1)
            left[self.classes.member[held]] = counted(alone)[alone.member[held]]
        return left

    def lowered_children(self, k: int) -> Flags:
        """The joined classes that only the join brings below `k` children."""
        children = self.classes.children
        return np.asarray((children < k) & (children < self.children_before))

    def lowered_households(self, k: int) -> Flags:
        """The joined classes that only the join brings below `k` households."""
        if self.households_before is None:
            return np.zeros(len(self.classes), dtype=bool)
        households = homes_of(self.classes)
        return np.asarray((households < k) & (households < self.households_before))

    def people_in(self, classes: Flags) -> int:
        """How many children have a record in these joined classes."""
        return len(np.unique(self.persons[classes[self.classes.member]]))

    def shared(self, release: int) -> int:
        """How many children both the new release and this one hold."""
        held = self.told != ABSENT
        return len(np.intersect1d(self.persons[held[:, 0]], self.persons[held[:, release]]))

    def is_difference(self, classes: Flags) -> bool:
        """Whether one of these joined classes is of children that one release holds and another does not."""
        return bool((self.told[classes[self.classes.member]] == ABSENT).any())

    def narrowed(self, *, new_tells: bool, earlier_tell: bool) -> Flags:
        """The joined classes smaller than the class of each side that tells an item: who knew it knows more now."""
        left = np.full(len(self.classes), UNTOLD)
        if new_tells:
            left = np.minimum(left, self._alone(rows_of, [0]))
        if earlier_tell:
            left = np.minimum(left, self._alone(rows_of, self._earlier))
        return np.asarray(self.classes.rows < left)

    def diversity(
        self, release: int, values: Any, *, harmful: Iterable[str] | None, among: Flags
    ) -> tuple[int | None, float]:
        """
        Of a sensitive item over the joined classes in `among`: the fewest distinct values where a harmful one
        occurs (None: nowhere), and the surest guess of a harmful value.

        `values` are the item's in this release, one for each of its rows; see `metrics.distinct_l` and
        `metrics.max_confidence`.
        """
        member = self.classes.member[self.at[release]]
        spread = Spread.over(member, len(self.classes), values, harmful=harmful)
        harmed = classes_with_harm(spread) & among
        counts = values_in_class(spread)[harmed]
        surest = confidence_by_class(spread)[harmed]
        return (int(counts.min()), float(surest.max())) if len(counts) else (None, 0.0)


def stacked(columns: Sequence[Sequence[Any] | None]) -> Codes:
    """One code for each value of all columns, one after the other."""
    return categories(
        pd.Series([value for column in columns for value in (() if column is None else column)], dtype=object)
    ).codes


def top(codes: Codes) -> int:
    return int(codes.max(initial=0)) + 1


def first_of(record: Codes, codes: Codes, count: int) -> Codes:
    """A code for each record: the one all its rows have."""
    found = np.zeros(count, dtype=np.int64)
    found[record] = codes
    return found


def homes(views: Sequence[View], at: Sequence[Codes], count: int) -> Codes | None:
    """
    The household of each record, by the first view that names one; None where none does.

    A record without one shares a single household with all others of its kind: too small a count is safe.
    """
    if all(view.households is None for view in views):
        return None
    columns = [
        [None] * len(view.member) if view.households is None else list(view.households) for view in views
    ]
    named = stacked(columns)
    found = np.full(count, ABSENT, dtype=np.int64)
    places = np.cumsum([0, *(len(view.member) for view in views)])
    for view, rows, start, end in reversed(list(zip(views, at, places[:-1], places[1:], strict=True))):
        if view.households is not None:
            found[rows] = named[start:end]
    return found - ABSENT


def told(rows: Codes, member: Codes, count: int) -> Codes:
    """
    What a release tells of each record: its class, ABSENT, or, of a record with several rows, their classes.
    """
    size = top(member)
    pairs = np.unique(rows * size + member)
    record, classes = pairs // size, pairs % size
    rank = np.arange(len(pairs)) - np.searchsorted(record, record)
    columns = np.zeros((top(rank), count), dtype=np.int64)
    columns[rank, record] = classes + 1
    numbered, _ = number(pack(list(columns), sizes=[size + 1] * len(columns))[0])
    return np.where(columns[0] == 0, ABSENT, numbered)


def rows_of(classes: Classes) -> Codes:
    return classes.rows


def children_of(classes: Classes) -> Codes:
    return classes.children


def homes_of(classes: Classes) -> Codes:
    if classes.households is None:
        raise RuntimeError("asked of a join without households")
    return classes.households
