"""
Swapping: values exchanged between rows, so that every count of the item stays and no row is surely true.

Rank swapping for numbers (Moore, "Controlled data-swapping techniques for masking public use microdata
sets", U.S. Bureau of the Census 1996); record swapping for places, whole households at a time (Dalenius and
Reiss, "Data-swapping: a technique for disclosure control", 1982). How much was swapped is secret: whoever
knows the share knows how far to trust a finding about one child.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.errors import Unusable, Usage
from workbench.privacy.anonymity.classes import Codes, categories, number, pack, require_columns
from workbench.privacy.anonymity.coding import numbers
from workbench.privacy.anonymity.step import Draws, Step, new_key


def expect_share(share: float) -> None:
    if not 0 < share <= 1:
        raise Usage(
            ja="入れ替えの割合は 0 より大きく 1 以下で指定してください。",
            en="The share to be swapped is above 0 and at most 1.",
        )


@dataclass(frozen=True)
class RankSwapping(Step):
    """
    Each number of `item` is exchanged with one whose rank is at most `within`, a share of all, away.

    Ranks are cut into stretches of that width, from a random place on, and pairs are drawn within a stretch;
    of an odd number one stays. A missing number stays missing. `within` and `key` are secret.
    """

    item: str
    within: float = field(repr=False)
    key: bytes = field(default_factory=new_key, repr=False)

    name: ClassVar[str] = "rank_swapping"
    SECRET: ClassVar[tuple[str, ...]] = ("within", "key")

    def __post_init__(self) -> None:
        expect_share(self.within)

    def change(self, frame: pd.DataFrame) -> pd.DataFrame:
        values = numbers(frame, self.item)
        known = np.flatnonzero(~np.isnan(values))
        ranked = known[np.argsort(values[known], kind="stable")]
        swapped = values.copy()
        one, other = self.pairs(ranked)
        swapped[one], swapped[other] = values[other], values[one]
        return frame.assign(**{self.item: swapped})

    def pairs(self, ranked: Codes) -> tuple[Codes, Codes]:
        width = int(self.within * len(ranked)) + 1
        if width < 2:
            return ranked[:0], ranked[:0]
        draws = Draws(self.key, purpose=f"{self.name} {self.item}").whole(len(ranked) + 1)
        stretch = (np.arange(len(ranked)) + int(draws[-1] % np.uint64(width))) // width
        shuffled = np.lexsort([draws[:-1], stretch])
        place = np.arange(len(ranked)) - np.searchsorted(stretch, stretch)
        # Within a stretch the first goes with the second, the third with the fourth.
        first = np.flatnonzero((place[:-1] % 2 == 0) & (stretch[:-1] == stretch[1:]))
        return ranked[shuffled[first]], ranked[shuffled[first + 1]]


@dataclass(frozen=True)
class RecordSwapping(Step):
    """
    Whole households exchange their `items`, such as their places, with households alike in size and `match`.

    About a `share` of the households is swapped, each with one of other `items`; those without a partner
    stay. Without `households` every row is one. Every count of the items by the size of the household and by
    `match` stays what it was. `share` and `key` are secret.

    Raises Unusable where members of one household differ in `items`.
    """

    items: tuple[str, ...]
    share: float = field(repr=False)
    match: tuple[str, ...] = ()
    households: str | None = None
    key: bytes = field(default_factory=new_key, repr=False)

    name: ClassVar[str] = "record_swapping"
    SECRET: ClassVar[tuple[str, ...]] = ("share", "key")

    def __post_init__(self) -> None:
        expect_share(self.share)

    def change(self, frame: pd.DataFrame) -> pd.DataFrame:
        require_columns(frame, self.items)
        unit = units(frame, self.households)
        count = int(unit.max(initial=-1)) + 1
        value, first = self.values(frame, unit, count)
        partner = np.arange(count)
        order = Draws(self.key, purpose=f"{self.name} {' '.join(self.items)}").order(count)
        for one, other in pairs(order, value, profiles(frame, self.match, unit, count), share=self.share):
            partner[one], partner[other] = other, one
        # Of each row, the row whose items it takes.
        taken = first[partner[unit]]
        return frame.assign(**{item: frame[item].array[taken] for item in self.items})

    def values(self, frame: pd.DataFrame, unit: Codes, count: int) -> tuple[Codes, Codes]:
        """What each household reads in the items, as a number, and one of its rows."""
        row_value = combined(frame, self.items)
        first = np.zeros(count, dtype=np.int64)
        first[unit[::-1]] = np.arange(len(unit))[::-1]
        differing = int((row_value != row_value[first[unit]]).sum())
        if differing:
            raise Unusable(
                ja=f"{differing} 行で、入れ替える項目が同じ世帯のほかの行と違います。世帯で同じ値になる項目を選んでください。",
                en=f"{differing} rows differ from their household in the items to be swapped; choose items that "
                "a household shares.",
            )
        return row_value[first], first


def units(frame: pd.DataFrame, households: str | None) -> Codes:
    """The household of each row as a number; without one, the row itself."""
    if households is None:
        return np.arange(len(frame))
    return categories(frame[require_columns(frame, [households])[0]]).codes


def combined(frame: pd.DataFrame, items: tuple[str, ...]) -> NDArray[np.int64]:
    """What each row reads in `items`, as one number."""
    if not items:
        return np.zeros(len(frame), dtype=np.int64)
    columns = [categories(frame[item]) for item in require_columns(frame, items)]
    return number(pack([c.codes for c in columns], sizes=[c.size for c in columns])[0])[0]


def profiles(frame: pd.DataFrame, match: tuple[str, ...], unit: Codes, count: int) -> list[tuple[int, ...]]:
    """Of each household, what its members read in `match`, in order: equal for those that may be swapped."""
    reads = combined(frame, match)
    order = np.lexsort([reads, unit])
    ends = np.searchsorted(unit[order], np.arange(count + 1)).tolist()
    sorted_reads = reads[order].tolist()
    return [tuple(sorted_reads[ends[home] : ends[home + 1]]) for home in range(count)]


def pairs(
    order: Codes, value: Codes, profile: list[tuple[int, ...]], *, share: float
) -> list[tuple[int, int]]:
    """Pairs of households of one profile and different values, each household once, up to the share of each."""
    room = {held: share * count / 2 for held, count in Counter(profile).items()}
    waiting: dict[tuple[int, ...], list[int]] = {}
    found = []
    for home in order.tolist():
        held = profile[home]
        line = waiting.setdefault(held, [])
        # Those who wait are all of one value: two that differ would have been paired.
        if not line or value[line[-1]] == value[home]:
            line.append(home)
        elif room[held] >= 1:
            room[held] -= 1
            found.append((line.pop(), home))
    return found
