"""
A table made small for the search: its distinct combinations, with everything a node of the lattice asks.

The rows are read once. A node is then a handful of table look-ups on the combinations that differ.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from workbench.errors import NotFound, Usage
from workbench.privacy.anonymity.classes import (
    Coded,
    Codes,
    Who,
    categories,
    pack,
    require_columns,
    who,
)
from workbench.privacy.anonymity.hierarchies import Hierarchy
from workbench.privacy.anonymity.spread import Spread


@dataclass(frozen=True)
class Axis:
    """
    One item of the lattice. Step s stands for level `levels[s]` of its hierarchy, which has `height` of them.

    `place[s]` and `cover[s]` give, for each value of step 0, its label (as a number below `sizes[s]`) and how
    many of the item's `leaves` that label stands for. `scatter[s]` is what the raw values of all rows say
    beyond the labels of step s, in bits, and `content` all they say.
    """

    item: str
    levels: tuple[int, ...]
    height: int
    leaves: int
    place: tuple[Codes, ...]
    cover: tuple[Codes, ...]
    sizes: tuple[int, ...]
    scatter: tuple[float, ...]
    content: float


@dataclass(frozen=True)
class Pairs:
    """Which combinations each person or household is met in; nobody is met in more than `most` rows."""

    combination: Codes
    who: Codes
    most: int


@dataclass(frozen=True)
class Compact:
    """
    `row` gives each row's combination, `codes` each axis's value of a combination, `rows` how many it has.

    `population` counts the persons of each combination in a population table; a combination that only the
    population has counts no rows, and its place is after those of the table.
    """

    axes: tuple[Axis, ...]
    row: Codes
    codes: tuple[Codes, ...]
    rows: Codes
    persons: Pairs | None
    households: Pairs | None
    spreads: Mapping[str, Spread]
    groups: Mapping[str, Codes]
    population: Codes | None = None

    @classmethod
    def of(
        cls,
        frame: pd.DataFrame,
        *,
        hierarchies: Mapping[str, Hierarchy],
        quasi_identifiers: Sequence[str],
        steps: Mapping[str, tuple[int, int]],
        persons: Who | None,
        households: Who | None,
        sensitive: Iterable[str],
        groups: Mapping[str, Any],
        population: pd.DataFrame | None = None,
    ) -> "Compact":
        """
        The table reduced to the finest levels that `steps` allows: (lowest, highest) for an item.

        `population` has the same quasi-identifiers and a row a person. Combinations are numbered as they
        first appear.
        """
        items = require_columns(frame, quasi_identifiers)
        own = frame[list(items)] if population is None else stacked(frame, population, items)
        prepared = [
            axis(own[i], hierarchy_of(i, hierarchies), allowed=steps.get(i), counted=len(frame))
            for i in items
        ]
        key = pack([codes for _, codes in prepared], sizes=[a.sizes[0] for a, _ in prepared])[0]
        combination, first = as_they_appear(key)
        row = combination[: len(frame)]
        rows = np.bincount(row, minlength=len(first))
        return cls(
            axes=tuple(a for a, _ in prepared),
            row=row,
            codes=tuple(codes[first] for _, codes in prepared),
            rows=rows,
            persons=pairs(row, who(frame, persons)),
            households=pairs(row, who(frame, households)),
            spreads={
                item: Spread.over(row, len(rows), frame[item], harmful=None)
                for item in dict.fromkeys(sensitive)
            },
            groups={name: members(mask, row, rows) for name, mask in groups.items()},
            population=None
            if population is None
            else np.bincount(combination[len(frame) :], minlength=len(rows)),
        )

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """How many steps each axis has."""
        return tuple(len(axis.levels) for axis in self.axes)

    @cached_property
    def total(self) -> int:
        return len(self.row)

    @cached_property
    def met(self) -> tuple[Codes, ...]:
        """How many rows have each value of an axis."""
        return tuple(
            np.bincount(codes, weights=self.rows, minlength=axis.sizes[0]).astype(np.int64)
            for axis, codes in zip(self.axes, self.codes, strict=True)
        )


def axis(
    values: pd.Series, hierarchy: Hierarchy, *, allowed: tuple[int, int] | None, counted: int
) -> tuple[Axis, Codes]:
    """The axis of an item, and its value at the lowest allowed level for each row; only `counted` rows weigh."""
    column = categories(values)
    hierarchy.require_cover(column)
    lowest, highest = allowed or (0, hierarchy.height)
    if not 0 <= lowest <= highest <= hierarchy.height:
        raise Usage(
            ja=f"項目「{hierarchy.item}」の段は 0 から {hierarchy.height} の範囲で指定してください。",
            en=f"Levels of '{hierarchy.item}' go from 0 to {hierarchy.height}.",
        )
    levels = tuple(range(lowest, highest + 1))
    leaves = hierarchy.leaves(column.words)
    seen = {level: labelled(hierarchy, column.words, leaves, level=level) for level in levels}
    base = seen[lowest].codes
    # One raw value stands for all that share its lowest label: they stay alike above it.
    first = np.unique(base, return_index=True)[1]
    raw = np.bincount(column.codes[:counted], minlength=column.size)
    prepared = Axis(
        item=hierarchy.item,
        levels=levels,
        height=hierarchy.height,
        leaves=len(leaves),
        place=tuple(seen[level].codes[first] for level in levels),
        cover=tuple(seen[level].cover[first] for level in levels),
        sizes=tuple(seen[level].size for level in levels),
        scatter=tuple(information(raw, seen[level].codes) for level in levels),
        content=information(raw, np.zeros(column.size, dtype=np.int64)),
    )
    return prepared, base[column.codes]


@dataclass(frozen=True)
class Labelled:
    """The labels of an item's words on one level as numbers, and how many leaves each word's label covers."""

    codes: Codes
    cover: Codes
    size: int


def labelled(hierarchy: Hierarchy, words: Sequence[str], leaves: Sequence[str], *, level: int) -> Labelled:
    labels = hierarchy.labels([*words, *leaves], level=level)
    covered = Counter(labels[len(words) :])
    distinct = sorted(set(labels[: len(words)]))
    place = {label: number for number, label in enumerate(distinct)}
    return Labelled(
        codes=np.array([place[label] for label in labels[: len(words)]], dtype=np.int64),
        cover=np.array([covered[label] for label in labels[: len(words)]], dtype=np.int64),
        size=len(distinct),
    )


def information(counts: Codes, label: Codes) -> float:
    """The bits that say, for every row whose label is known, which of the values it has. Counts by value."""
    met = counts > 0
    of_label = np.bincount(label, weights=counts)[label] if len(counts) else counts
    return float((counts[met] * np.log2(of_label[met] / counts[met])).sum())


def stacked(frame: pd.DataFrame, population: pd.DataFrame, items: Sequence[str]) -> pd.DataFrame:
    """The quasi-identifiers of the table, and those of the population under them."""
    require_columns(population, items)
    return pd.concat([frame[list(items)], population[list(items)]], ignore_index=True)


def as_they_appear(key: Codes) -> tuple[Codes, Codes]:
    """The keys numbered from 0 in the order of their first rows, and these rows."""
    number, distinct = pd.factorize(key)
    first = np.full(len(distinct), -1, dtype=np.int64)
    # Written backwards, the first row of each number is what stays.
    first[number[::-1]] = np.arange(len(key))[::-1]
    return number.astype(np.int64), first


def hierarchy_of(item: str, hierarchies: Mapping[str, Hierarchy]) -> Hierarchy:
    if item not in hierarchies:
        raise NotFound(
            ja=f"準識別子「{item}」の階層がありません。階層ファイルを加えるか、準識別子から外してください。",
            en=f"There is no hierarchy for the quasi-identifier '{item}'; add its file or leave the item out.",
        )
    return hierarchies[item]


def pairs(row: Codes, people: Coded | None) -> Pairs | None:
    if people is None:
        return None
    met = np.unique(row * max(people.size, 1) + people.codes)
    most = int(np.bincount(people.codes).max(initial=1))
    return Pairs(combination=met // max(people.size, 1), who=met % max(people.size, 1), most=most)


def members(mask: Any, row: Codes, rows: Codes) -> Codes:
    """How many rows of a subgroup each combination has."""
    inside = np.asarray(mask)
    if inside.dtype != bool or inside.shape != row.shape:
        raise Usage(
            ja=f"部分集団は {len(row)} 行それぞれの真偽で指定してください。",
            en=f"A subgroup is one true or false for each of the {len(row)} rows.",
        )
    return np.bincount(row[inside], minlength=len(rows))
