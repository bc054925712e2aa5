"""
Special uniques: rows that few items make unique, and which items do.

A row that is alone in all its items may be so by chance; one that is alone by its area and grade is found
by whoever knows these. A minimal sample unique is a set of items on which a row is alone and on no subset
of which it is. Elliot, Manning and Ford, "A computational algorithm for handling the special uniques
problem" (2002); Manning, Haglin and Keane, "A recursive search algorithm for statistical disclosure
assessment" (SUDA2, 2008). Ours counts each set of items once over the distinct rows instead of recursing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import prod

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.errors import Usage
from workbench.privacy.anonymity.classes import Codes, categories, number, pack, require_columns
from workbench.privacy.anonymity.spread import DENSE, Floats

Places = tuple[int, ...]


@dataclass(frozen=True)
class SpecialUniques:
    """
    The minimal sample uniques of up to `up_to` items.

    `found` says how many rows each set of items makes unique. `score` is each row's, 0 where no such set
    does. `contribution` is the share of each item in a row's score: of the sets that make it unique, those
    in which the item is, by their weight; it sums to more than 1, as sets have several items.
    """

    items: tuple[str, ...]
    up_to: int
    found: Mapping[tuple[str, ...], int]
    score: Floats
    contribution: Mapping[str, Floats]
    alone: int
    pairs: int

    @property
    def rows(self) -> int:
        """How many rows some set of at most `up_to` items makes unique."""
        return int(np.count_nonzero(self.score))

    def contributions(self) -> dict[str, float]:
        """The share of each item in the score of the whole table; 0 where no row has a score."""
        total = float(self.score.sum())
        return {
            item: float(share @ self.score / total) if total else 0.0
            for item, share in self.contribution.items()
        }

    def dis_score(self, *, fraction: float) -> Floats:
        """
        Each row's chance that a match with it is right, when the table is a sample of this fraction.

        The chance over all unique rows is that of data intrusion simulation, fraction * alone / (fraction *
        alone + 2 * (1 - fraction) * pairs): Skinner and Elliot, JRSS B 64(4), 2002, theta. It is
        given out to the rows by their score and never above 1.
        """
        if not 0 < fraction <= 1:
            raise Usage(
                ja="標本の割合は 0 より大きく 1 以下で指定してください。",
                en="Give a sampling fraction above 0 and at most 1.",
            )
        total = float(self.score.sum())
        if not total or not self.alone:
            return np.zeros(len(self.score))
        hits = fraction * self.alone
        chance = hits / (hits + 2 * (1 - fraction) * self.pairs)
        return np.minimum(self.score * (chance * self.alone / total), 1.0)


def special_uniques(frame: pd.DataFrame, items: Sequence[str], *, up_to: int = 3) -> SpecialUniques:
    """
    The minimal sample uniques of `frame` of at most `up_to` of `items`. Usage for an `up_to` below 1.

    A missing value is a category of its own. The work is one count of the distinct rows for each set of
    items: 129 sets for three of nine, 255 for four.
    """
    names = require_columns(frame, items)
    if up_to < 1:
        raise Usage(
            ja="特異な一意の項目数の上限には 1 以上を指定してください。",
            en="Give an upper limit of at least 1 item for special uniques.",
        )
    up_to = min(up_to, len(names))
    table = Distinct.of(frame, names)
    score = np.zeros(len(table.alone))
    shares = np.zeros((len(names), len(table.alone)))
    found = {}
    for places, rows in minimal(table, up_to=up_to):
        found[tuple(names[place] for place in places)] = int(np.count_nonzero(rows))
        weight = weight_of(len(places), items=len(names), up_to=up_to)
        score[rows] += weight
        shares[np.array(places)[:, None], np.flatnonzero(rows)] += weight
    np.divide(shares, score, out=shares, where=score > 0)
    whole = np.zeros((len(names) + 1, len(frame)))
    whole[:, table.row_of_alone] = np.vstack([score, shares])
    return SpecialUniques(
        items=names,
        up_to=up_to,
        found={chosen: count for chosen, count in found.items() if count},
        score=whole[0],
        contribution=dict(zip(names, whole[1:], strict=True)),
        alone=len(table.alone),
        pairs=int(np.count_nonzero(table.rows == 2)),
    )


def weight_of(size: int, *, items: int, up_to: int) -> int:
    """
    The weight of a minimal unique of `size` items: how many larger sets it makes unique, as Elliot counts.

    The product of (items - i) for i from its size to `up_to`; a factor of zero, where all items are
    searched, is left out, which would else make every score nothing.
    """
    return prod(items - i for i in range(size, min(up_to, items - 1) + 1))


@dataclass(frozen=True)
class Distinct:
    """
    The distinct rows of a table, with how many there are of each.

    `alone` numbers those of one row, and `row_of_alone` is where each of these stands in the table: only
    they can be unique on fewer items.
    """

    codes: tuple[Codes, ...]
    sizes: tuple[int, ...]
    rows: Codes
    alone: Codes
    row_of_alone: Codes

    @classmethod
    def of(cls, frame: pd.DataFrame, items: Sequence[str]) -> "Distinct":
        coded = [categories(frame[item]) for item in items]
        key = pack([c.codes for c in coded], sizes=[c.size for c in coded])[0]
        _, first, rows = np.unique(key, return_index=True, return_counts=True)
        alone = np.flatnonzero(rows == 1)
        return cls(
            codes=tuple(c.codes[first] for c in coded),
            sizes=tuple(c.size for c in coded),
            rows=rows,
            alone=alone,
            row_of_alone=first[alone],
        )

    def unique_on(self, places: Places) -> NDArray[np.bool_]:
        """Which of the rows that are alone in all items are alone in these."""
        key, space = pack([self.codes[p] for p in places], sizes=[self.sizes[p] for p in places])
        if space > DENSE * len(key) + 1024:
            key, space = number(key)
        return np.asarray(np.bincount(key, weights=self.rows, minlength=space)[key[self.alone]] == 1)


def minimal(table: Distinct, *, up_to: int) -> Iterator[tuple[Places, NDArray[np.bool_]]]:
    """Each set of items, and which of the rows that are alone it makes unique when no subset does."""
    below: dict[Places, NDArray[np.bool_]] = {}
    for size in range(1, up_to + 1):
        here = {places: table.unique_on(places) for places in combinations(range(len(table.codes)), size)}
        for places, unique in here.items():
            # Alone on some subset is alone on one that lacks a single item.
            already = [below[places[:drop] + places[drop + 1 :]] for drop in range(size) if size > 1]
            yield places, unique & ~np.logical_or.reduce(already) if already else unique
        below = here
