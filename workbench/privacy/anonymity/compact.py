"""
A table made small for the search: its distinct combinations, with everything a node of the lattice asks.

The rows are read once. A node is then a handful of table look-ups on the combinations that differ.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from workbench.errors import NotFound, Usage
from workbench.privacy.anonymity.classes import (
    Coded,
    Codes,
    Who,
    categories,
    number,
    pack,
    require_columns,
    who,
)
from workbench.privacy.anonymity.hierarchies import Hierarchy
from workbench.privacy.anonymity.loss import Floats, losses
from workbench.privacy.anonymity.spread import DENSE, Spread


@dataclass(frozen=True)
class Axis:
    """
    One item of the lattice. Step s stands for level `levels[s]` of its hierarchy.

    `place[s]` and `loss[s]` give the label (as a number below `sizes[s]`) and the loss of each value of step 0.
    """

    item: str
    levels: tuple[int, ...]
    place: tuple[Codes, ...]
    loss: tuple[Floats, ...]
    sizes: tuple[int, ...]


@dataclass(frozen=True)
class Pairs:
    """Which combinations each person or household is met in; nobody is met in more than `most` rows."""

    combination: Codes
    who: Codes
    most: int


@dataclass(frozen=True)
class Compact:
    """`row` gives each row's combination, `codes` each axis's value of a combination, `rows` how many it has."""

    axes: tuple[Axis, ...]
    row: Codes
    codes: tuple[Codes, ...]
    rows: Codes
    persons: Pairs | None
    households: Pairs | None
    spreads: Mapping[str, Spread]
    groups: Mapping[str, Codes]

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
        harmful: Mapping[str, Sequence[str] | None],
        groups: Mapping[str, Any],
    ) -> "Compact":
        """The table reduced to the finest levels that `steps` allows: (lowest, highest) for an item."""
        items = require_columns(frame, quasi_identifiers)
        prepared = [axis(frame[i], hierarchy_of(i, hierarchies), allowed=steps.get(i)) for i in items]
        key = pack([codes for _, codes in prepared], sizes=[a.sizes[0] for a, _ in prepared])[0]
        _, first, row, rows = np.unique(key, return_index=True, return_inverse=True, return_counts=True)
        return cls(
            axes=tuple(a for a, _ in prepared),
            row=row,
            codes=tuple(codes[first] for _, codes in prepared),
            rows=rows,
            persons=pairs(row, who(frame, persons)),
            households=pairs(row, who(frame, households)),
            spreads={
                item: Spread.over(row, len(rows), frame[item], harmful=named)
                for item, named in harmful.items()
            },
            groups={name: members(mask, row, rows) for name, mask in groups.items()},
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """How many steps each axis has."""
        return tuple(len(axis.levels) for axis in self.axes)

    @property
    def total(self) -> int:
        return len(self.row)

    def classes(self, node: Sequence[int]) -> tuple[Codes, int]:
        """The class of each combination at a node, and a number none of them reaches."""
        columns = [a.place[s][codes] for a, s, codes in zip(self.axes, node, self.codes, strict=True)]
        key, space = pack(columns, sizes=[a.sizes[s] for a, s in zip(self.axes, node, strict=True)])
        return (key, space) if space <= DENSE * len(key) else number(key)


def axis(values: pd.Series, hierarchy: Hierarchy, *, allowed: tuple[int, int] | None) -> tuple[Axis, Codes]:
    """The axis of an item, and its value at the lowest allowed level for each row."""
    column = categories(values)
    hierarchy.require_cover(column)
    lowest, highest = allowed or (0, hierarchy.height)
    if not 0 <= lowest <= highest <= hierarchy.height:
        raise Usage(
            ja=f"項目「{hierarchy.item}」の段は 0 から {hierarchy.height} の範囲で指定してください。",
            en=f"Levels of '{hierarchy.item}' go from 0 to {hierarchy.height}.",
        )
    levels = tuple(range(lowest, highest + 1))
    base = categories(hierarchy.labels(column.words, level=lowest))
    # One raw value stands for all that share its lowest label: they stay alike above it.
    _, first = np.unique(base.codes, return_index=True)
    named = [categories(hierarchy.labels(column.words, level=level)) for level in levels]
    lost = [losses(hierarchy, column.words, level=level) for level in levels]
    prepared = Axis(
        item=hierarchy.item,
        levels=levels,
        place=tuple(label.codes[first] for label in named),
        loss=tuple(loss[first] for loss in lost),
        sizes=tuple(label.size for label in named),
    )
    return prepared, base.codes[column.codes]


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
