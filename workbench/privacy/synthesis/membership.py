"""
Was this child among those the table was made from? On average, and for the most isolated children.

The attacker's score is how much nearer a child is to the synthetic rows than to other people of the same
population: a distance alone only says that a child is common. Calibrating by a reference is the idea of
DOMIAS (van Breugel et al., "Membership inference attacks against synthetic data", AISTATS 2023); here with
nearest neighbours for densities. An average hides the few whose rows no other row resembles, and they are
the children the programme exists to find, so they are attacked by themselves: those furthest from everybody
else, and those whose values are the rarest, item by item. The two are seldom the same children.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from workbench.privacy.synthesis.attacks import blocks, squared_distances
from workbench.privacy.synthesis.chances import excess
from workbench.privacy.synthesis.columns import Column, Columns
from workbench.privacy.synthesis.points import Points, encoded, numeric
from workbench.riskflag.metrics import Interval, auc

Scores = np.ndarray[Any, np.dtype[np.float64]]

ISOLATED = 0.005
# Half a per cent of a small table is nobody: then rather the share that has so many in either table.
LEAST_ISOLATED = 30
FALSE_ALARMS = 0.01
# Of the distance that one wholly different item makes: two rows nearer than this are the same.
SAME = 0.01
LEAST_CHILDREN = 100
# One false alarm in a hundred is not to be counted on fewer strangers than this.
LEAST_FOR_FALSE_ALARMS = 300
UNKNOWN = Interval(0.5, 0.0, 1.0)
UNKNOWN_RATE = Interval(0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Membership:
    """
    How well members are told from strangers: `auc` (0.5 by guessing) and `found`.

    `found` is the share of members named by an attacker who wrongly names one stranger in a hundred, beyond
    the share of strangers alike who are named, too (0 by guessing): an isolated child looks like a member to
    anybody. Not `evaluable` with too few children of either kind; this is never a pass.
    """

    name: str
    auc: Interval
    found: Interval
    members: int
    strangers: int
    evaluable: bool

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "auc": self.auc.to_json(), "found": self.found.to_json()}


def membership(
    source: pd.DataFrame,
    control: pd.DataFrame,
    synthetic: pd.DataFrame,
    *,
    columns: Columns,
    homes: "pd.Series[Any] | None" = None,
    seed: int,
) -> list[Membership]:
    """
    The attack on all children, on the half per cent furthest from everybody else, and on the rarest half per cent.

    One half of the control's households is the reference by which the other half and the members are
    judged, then the halves change places. `homes` names the household of each row of the control: were
    sisters in both halves, strangers would seem better known than members.
    """
    order = np.random.default_rng(seed)
    made, members, strangers = (encoded(frame, columns=columns) for frame in (synthetic, source, control))
    half = halves(len(control), homes, order=order)
    turn = order.permutation(len(members)) % 2 == 0
    if min(len(source), len(control)) < LEAST_CHILDREN or not len(made) or half.all() or not half.any():
        return [unknown(name, members=len(members), strangers=len(strangers)) for name in NAMES]
    inside = calibrated(members, made, (strangers[half], strangers[~half]), first=turn)
    outside = calibrated(strangers, made, (strangers[half], strangers[~half]), first=~half)
    rarity = [surprise(frame, among=control, columns=columns) for frame in (source, control)]
    threshold = false_alarm_threshold(outside.scores)
    # The same share of both: the more extreme of two groups is further from everything.
    share = max(ISOLATED, LEAST_ISOLATED / min(len(source), len(control)))
    ranked = ((inside.isolation, outside.isolation), rarity)
    few = [tuple(foremost(values, share=share) for values in pair) for pair in ranked]
    chosen = dict(zip(NAMES, [(slice(None), slice(None)), *few], strict=True))
    return [
        told_apart(name, inside.scores[here], outside.scores[there], threshold=threshold)
        for name, (here, there) in chosen.items()
    ]


NAMES = ("membership", "membership:isolated", "membership:rarest")


@dataclass(frozen=True)
class Calibrated:
    """Each child's score, and how far it is from the reference."""

    scores: Scores
    isolation: Scores


def foremost(values: Scores, *, share: float) -> Any:
    """The places of the highest."""
    return np.argsort(-values, kind="stable")[: math.ceil(share * len(values))]


# Where the bands of a number end, as shares of the children: the tails are what is rare.
TAILS = (0.005, 0.02, 0.1, 0.5, 0.9, 0.98, 0.995)


def surprise(frame: pd.DataFrame, *, among: pd.DataFrame, columns: Columns) -> Scores:
    """How rare the values of each row are among those of `among`: minus the sum of the logarithms of their shares."""
    told = np.zeros(len(frame))
    for name, column in columns.items():
        places = [in_bands(one[name], among[name], column=column) for one in (frame, among)]
        size = int(max(part.max(initial=0) for part in places)) + 1
        shares = (np.bincount(places[1], minlength=size) + 1) / (len(among) + size)
        told -= np.log(shares)[places[0]]
    return told


def in_bands(values: "pd.Series[Any]", among: "pd.Series[Any]", *, column: Column) -> Any:
    """A category's place among its labels, a number's among bands with fine tails; the first is missing."""
    if column.is_category:
        return pd.Categorical(values.astype("object"), categories=list(column.labels)).codes.astype(int) + 1
    known = numeric(among)
    known = known[~np.isnan(known)]
    if not len(known):
        return np.zeros(len(values), dtype=int)
    numbers = numeric(values)
    # Between two cuts, and on a cut by itself: many children have none of what is counted.
    cuts = np.unique(np.quantile(known, TAILS))
    places = np.searchsorted(cuts, numbers, side="left") + np.searchsorted(cuts, numbers, side="right") + 1
    return np.where(np.isnan(numbers), 0, places)


def halves(rows: int, homes: "pd.Series[Any] | None", *, order: np.random.Generator) -> Any:
    """Which rows are in the first half; households stay whole."""
    groups = np.arange(rows) if homes is None else pd.factorize(homes, use_na_sentinel=False)[0]
    drawn = order.permutation(int(groups.max(initial=-1)) + 1) % 2 == 0
    return drawn[groups]


def calibrated(points: Points, made: Points, references: tuple[Points, Points], *, first: Any) -> Calibrated:
    """The score of each point by the reference it is given: the first where `first`, else the second."""
    to_made = nearest_distance(points, made)
    to_reference = np.empty(len(points))
    for reference, chosen in zip(references, (first, ~first), strict=True):
        to_reference[chosen] = nearest_distance(points[chosen], reference)
    return Calibrated(np.log(to_reference + SAME) - np.log(to_made + SAME), to_reference)


def nearest_distance(points: Points, others: Points) -> Scores:
    found = [np.empty(0)]
    for rows in blocks(len(points)):
        least = squared_distances(points[rows], others).min(axis=1)
        found.append(np.sqrt(np.maximum(least, 0.0)).astype(float))
    return np.concatenate(found)


def false_alarm_threshold(scores: Scores) -> float | None:
    """The score above which one stranger in a hundred lies; None with too few strangers."""
    if len(scores) < LEAST_FOR_FALSE_ALARMS:
        return None
    return float(np.sort(scores)[::-1][math.floor(FALSE_ALARMS * len(scores))])


def told_apart(name: str, members: Scores, strangers: Scores, *, threshold: float | None) -> Membership:
    if threshold is None:
        return unknown(name, members=len(members), strangers=len(strangers))
    ranked = auc(
        np.concatenate([members, strangers]), np.arange(len(members) + len(strangers)) < len(members)
    )
    found = excess(members > threshold, strangers > threshold)
    return Membership(name, ranked, found, len(members), len(strangers), evaluable=True)


def unknown(name: str, *, members: int, strangers: int) -> Membership:
    return Membership(name, UNKNOWN, UNKNOWN_RATE, members, strangers, evaluable=False)


def distances(
    source: pd.DataFrame, control: pd.DataFrame, synthetic: pd.DataFrame, *, columns: Columns, seed: int
) -> dict[str, float]:
    """
    Distances to the closest record, for information only: tables that these call safe have been broken.

    They did not move when near-copies of the rarest children were planted; nothing is judged by them (Yao
    et al., "The DCR Delusion", ESORICS 2025).
    """
    order = np.random.default_rng(seed)
    size = min(len(source), len(control), len(synthetic), MOST)
    if size < 2:
        return {}
    made, real, other = (
        encoded(frame.iloc[order.permutation(len(frame))[:size]], columns=columns)
        for frame in (synthetic, source, control)
    )
    near, ratio = closest_two(made, real)
    far = nearest_distance(made, other)
    share = np.where(near == far, 0.5, near < far).mean()
    return {
        "closest_median": float(np.median(near)),
        "closest_5_percent": float(np.quantile(near, 0.05)),
        "ratio_median": float(np.median(ratio)),
        "nearer_to_source": float(share),
    }


# Rows of each table that are compared for information.
MOST = 3_000


def closest_two(points: Points, others: Points) -> tuple[Scores, Scores]:
    """The distance to the closest, and its ratio to that of the second."""
    near = []
    for rows in blocks(len(points)):
        two = np.partition(squared_distances(points[rows], others), 1, axis=1)[:, :2]
        near.append(np.sqrt(np.maximum(two, 0.0)))
    both = np.concatenate(near).astype(float)
    return both[:, 0], (both[:, 0] + SAME) / (both[:, 1] + SAME)
