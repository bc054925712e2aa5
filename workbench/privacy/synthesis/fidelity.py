"""
Fidelity: how much of the table a synthetic one keeps.

Single items, pairs of items, and what an average hides: rare categories, and how often each outcome is met in
each small group, because those are the children the programme exists to find. Children held out show how
near two samples of the same city come to each other; no table can be asked for more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from workbench.data.constraints import Constraint
from workbench.privacy.synthesis.columns import Column, Columns
from workbench.privacy.synthesis.points import numeric
from workbench.riskflag.metrics import wilson

Places = np.ndarray[Any, np.dtype[np.int64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]

# A category that so few children have is rare.
RARE = 0.1
# A number is compared in pairs by so many bands of equally many real children.
BANDS = 8
# Below this share of the real one, a rare category or a group's rate has been lost.
KEPT = 0.5
# A rate of fewer children than this is not compared: chance alone halves it.
LEAST = 30


@dataclass(frozen=True)
class Group:
    """Children whose `item` has one of `values`, by the name under which they are reported."""

    name: str
    item: str
    values: tuple[str, ...]

    def mask(self, frame: pd.DataFrame) -> Mask:
        return np.asarray(frame[self.item].astype("object").astype(str).isin(self.values), dtype=bool)


@dataclass(frozen=True)
class Fidelity:
    """
    `shapes` and `pairs` from 0 to 1, 1 being the same distribution; `items` the shape of each item.

    `ceiling` has the same two of the held-out children. `rare` and `rates` are shares, real and synthetic;
    `lost` names those of which less than half is left. `implausible` has, for each constraint of the
    register, the share of rows that break it; None where the rows lack an item it speaks of.
    """

    shapes: float
    pairs: float
    items: dict[str, float]
    rare: list[dict[str, Any]]
    rates: list[dict[str, Any]]
    implausible: list[dict[str, Any]]
    ceiling: dict[str, float] | None = None

    @property
    def lost(self) -> list[str]:
        """Items of rare categories, and groups whose rate of an outcome halved, beyond what chance would do."""
        categories = {one["item"] for one in self.rare if one["lost"]}
        groups = {f"{one['group']}: {one['target']}" for one in self.rates if one["lost"]}
        return sorted(categories) + sorted(groups)

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "lost": self.lost}


def fidelity(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    *,
    columns: Columns,
    held: pd.DataFrame | None = None,
    groups: Sequence[Group] = (),
    outcomes: Mapping[str, str] | None = None,
    constraints: Sequence[Constraint] = (),
) -> Fidelity:
    """
    Compare a synthetic table with the real one it was made from; `held` are real children apart from both.

    `outcomes` names the value of each target whose rate is compared in each of `groups`.
    """
    shapes, pairs = compared(real, synthetic, columns=columns)
    ceiling = None
    if held is not None and len(held):
        best = compared(real, held, columns=columns)
        ceiling = {"shapes": mean(best[0].values()), "pairs": mean(best[1])}
    return Fidelity(
        shapes=mean(shapes.values()),
        pairs=mean(pairs),
        items={name: rounded(score) for name, score in shapes.items()},
        rare=rare_shares(real, synthetic, columns=columns),
        rates=group_rates(real, synthetic, groups=groups, outcomes=outcomes or {}),
        implausible=[broken_shares(one, real, synthetic) for one in constraints],
        ceiling=ceiling,
    )


def compared(
    real: pd.DataFrame, other: pd.DataFrame, *, columns: Columns
) -> tuple[dict[str, float], list[float]]:
    """
    How alike two tables are in each item and in each pair of items.

    1 minus half the sum of the differences in share over the cells (total variation); for a single number,
    1 minus the largest difference between the two cumulative shares (Kolmogorov and Smirnov).
    """
    banded = {name: bands(real[name], other[name], column=column) for name, column in columns.items()}
    shapes = {
        name: alike(*banded[name][:2])
        if column.is_category
        else cumulative(numeric(real[name]), numeric(other[name]))
        for name, column in columns.items()
    }
    pairs = []
    for one, two in combinations(banded.values(), 2):
        width = two[2]
        pairs.append(alike(one[0] * width + two[0], one[1] * width + two[1]))
    return shapes, pairs


def bands(real: "pd.Series[Any]", other: "pd.Series[Any]", *, column: Column) -> tuple[Places, Places, int]:
    """Both as places among the labels, or among bands of the real values; the last place is missing."""
    if column.is_category:
        labels = list(column.labels)
        places = [pd.Categorical(v.astype("object"), categories=labels).codes for v in (real, other)]
        count = len(labels)
    else:
        values = numeric(real), numeric(other)
        known = values[0][~np.isnan(values[0])]
        cuts = (
            np.unique(np.quantile(known, np.linspace(0, 1, BANDS + 1)[1:-1])) if len(known) else np.empty(0)
        )
        places = [np.where(np.isnan(v), -1, np.searchsorted(cuts, v, side="right")) for v in values]
        count = len(cuts) + 1
    first, second = (np.where(place < 0, count, place).astype(np.int64) for place in places)
    return first, second, count + 1


def alike(one: Places, other: Places) -> float:
    if not (len(one) and len(other)):
        return 0.0
    size = int(max(one.max(), other.max())) + 1
    shares = [np.bincount(places, minlength=size) / len(places) for places in (one, other)]
    return float(1 - np.abs(shares[0] - shares[1]).sum() / 2)


def cumulative(real: "np.ndarray[Any, Any]", other: "np.ndarray[Any, Any]") -> float:
    """Where nothing is known counts as lower than every number."""
    one, two = (np.sort(np.nan_to_num(values, nan=-np.inf)) for values in (real, other))
    if not (len(one) and len(two)):
        return 0.0
    at = np.concatenate([one, two])
    gaps = np.searchsorted(one, at, side="right") / len(one) - np.searchsorted(two, at, side="right") / len(
        two
    )
    return float(1 - np.abs(gaps).max())


def rare_shares(real: pd.DataFrame, synthetic: pd.DataFrame, *, columns: Columns) -> list[dict[str, Any]]:
    """For every category held by few: its share in the real table and in the synthetic one."""
    found = []
    for name, column in columns.items():
        for label in column.labels:
            share = float((real[name] == label).mean())
            if 0 < share <= RARE:
                one = {"item": name, "label": label}
                made = synthetic[name] == label
                found.append({**one, **shares(share, int(made.sum()), of=len(made))})
    return found


def group_rates(
    real: pd.DataFrame, synthetic: pd.DataFrame, *, groups: Sequence[Group], outcomes: Mapping[str, str]
) -> list[dict[str, Any]]:
    """How often each outcome is met in each group; those with too few real children are left out."""
    found = []
    for group in groups:
        for target, positive in outcomes.items():
            if target == group.item:
                continue
            rates = [rate(frame, group, target=target, positive=positive) for frame in (real, synthetic)]
            if rates[0][0] >= LEAST:
                one = {"group": group.name, "target": target}
                found.append({**one, **shares(rates[0][0] / rates[0][1], rates[1][0], of=rates[1][1])})
    return found


def rate(frame: pd.DataFrame, group: Group, *, target: str, positive: str) -> tuple[int, int]:
    """The children of the group with the outcome, and all whose outcome is known."""
    values = frame[target][group.mask(frame)].dropna()
    return int((values.astype(str) == positive).sum()), len(values)


def shares(real: float, made: int, *, of: int) -> dict[str, Any]:
    """A share, real and synthetic; lost where even the upper limit of the synthetic one is below half."""
    upper = wilson(made, of).high if of else 0.0
    return {
        "real": rounded(real),
        "synthetic": rounded(made / of if of else 0.0),
        "lost": bool(upper < KEPT * real),
    }


def broken_shares(constraint: Constraint, real: pd.DataFrame, synthetic: pd.DataFrame) -> dict[str, Any]:
    """How many rows break a constraint: none should, and a real one that does points to an error in the source."""
    judged = set(constraint.items) <= set(real.columns) & set(synthetic.columns)
    broken = {
        name: rounded(float(constraint.broken(frame).mean())) if judged and len(frame) else None
        for name, frame in (("real", real), ("synthetic", synthetic))
    }
    return {"kind": type(constraint).__name__.lower(), "items": list(constraint.items), **broken}


def mean(scores: Any) -> float:
    values = list(scores)
    return rounded(sum(values) / len(values)) if values else 0.0


def rounded(score: float) -> float:
    return float(np.round(float(score), 4))
