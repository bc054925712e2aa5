"""
Microaggregation: numbers replaced by the mean of a group of at least k alike.

MDAV, "maximum distance to average vector": Domingo-Ferrer and Mateo-Sanz, "Practical data-oriented
microaggregation for statistical disclosure control" (IEEE TKDE 2002); the form for any k is algorithm 1 of
Domingo-Ferrer and Torra, "Ordinal, continuous and heterogeneous k-anonymity through microaggregation"
(DMKD 2005). Groups have k to 2k - 1 members; the mean of every item stays what it was.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.errors import Unusable, Usage
from workbench.privacy.anonymity.classes import Codes, categories, require_columns
from workbench.privacy.anonymity.coding import numbers
from workbench.privacy.anonymity.step import Step

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Microaggregation(Step):
    """
    The numbers of `items`, taken together, become the means of groups of at least `k` rows.

    With `households`, the column that names them, groups are of at least `k` households, each whole: a
    household is where its members' mean lies. A missing household counts as one. Items are brought to one
    scale first. Raises Unusable for fewer than `k`, and for a missing number, which has no mean.
    """

    items: tuple[str, ...]
    k: int
    households: str | None = None

    name: ClassVar[str] = "microaggregation"

    def __post_init__(self) -> None:
        if self.k < 1 or not self.items:
            raise Usage(
                ja="ミクロアグリゲーションには一つ以上の項目と 1 以上の k を指定してください。",
                en="Microaggregation needs at least one item and a k of 1 or more.",
            )

    def change(self, frame: pd.DataFrame) -> pd.DataFrame:
        raw = np.column_stack([complete(frame, item) for item in self.items])
        unit = np.arange(len(frame)) if self.households is None else units(frame, self.households)
        points = averaged(scaled(raw), unit)
        if len(points) < self.k:
            raise Unusable(
                ja=f"{len(points)} 件しかないため、{self.k} 件ずつの群を作れません。k を小さくしてください。",
                en=f"There are {len(points)} of them, too few for groups of {self.k}; ask for a smaller k.",
            )
        group = mdav(points, k=self.k)[unit]
        means = averaged(raw, group)[group]
        return frame.assign(**dict(zip(self.items, means.T, strict=True)))


def complete(frame: pd.DataFrame, item: str) -> NDArray[np.float64]:
    """The numbers of an item, none of them missing."""
    found = numbers(frame, item)
    missing = int(np.isnan(found).sum())
    if missing:
        raise Unusable(
            ja=f"項目「{item}」に欠測が {missing} 個あります。平均を取る前に、行を除くか値を補ってください。",
            en=f"'{item}' misses {missing} numbers; leave their rows out or fill them in before taking means.",
        )
    return found


def units(frame: pd.DataFrame, households: str) -> Codes:
    return categories(frame[require_columns(frame, [households])[0]]).codes


def scaled(raw: Points) -> Points:
    """Each column with mean 0 and deviation 1; a constant one is 0."""
    spread = raw.std(axis=0)
    return np.asarray((raw - raw.mean(axis=0)) / np.where(spread > 0, spread, 1.0))


def averaged(values: Points, group: Codes) -> Points:
    """The mean of each column in each group."""
    sizes = np.bincount(group)
    sums = [np.bincount(group, weights=column) for column in values.T]
    return np.column_stack(sums) / sizes[:, None]


def mdav(points: Points, *, k: int) -> Codes:
    """
    The group of each of n points: n // k groups at most, each of k to 2k - 1 points.

    Of points that are equally far the first is taken, so equal points in equal order give equal groups.
    """
    group = np.zeros(len(points), dtype=np.int64)
    left, made = np.arange(len(points)), 0
    while len(left) >= 2 * k:
        first = points[left[farthest(points[left], points[left].mean(axis=0))]]
        left, made = gathered(group, points, left, around=first, k=k, number=made)
        # With fewer than 2k left, a second group would leave too few for a third.
        if len(left) >= 2 * k:
            second = points[left[farthest(points[left], first)]]
            left, made = gathered(group, points, left, around=second, k=k, number=made)
    group[left] = made
    return group


def farthest(points: Points, centre: Points) -> int:
    return int(distances(points, centre).argmax())


def distances(points: Points, centre: Points) -> Points:
    return np.asarray(((points - centre) ** 2).sum(axis=1))


def gathered(
    group: Codes, points: Points, left: Codes, *, around: Points, k: int, number: int
) -> tuple[Codes, int]:
    """Give the k nearest points to `around` the group's number; who is left, and the next number."""
    far = distances(points[left], around)
    # The k nearest without sorting all of them; of those as far as the last, the first ones.
    reach = np.partition(far, k - 1)[k - 1]
    inside = np.flatnonzero(far < reach)
    nearest = np.concatenate([inside, np.flatnonzero(far == reach)[: k - len(inside)]])
    group[left[nearest]] = number
    return np.delete(left, nearest), number + 1
