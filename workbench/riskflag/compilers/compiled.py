"""What every compiler returns: whole numbers for the places of each item, and the forms beside them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.errors import Refused
from workbench.scoring.engine import Integers
from workbench.scoring.forms import LIMITS, Calibration, Pair, Rule, Tree

MILLI = 1000
# Odds of 160,000 to one: no item that was known beforehand decides that much.
LARGEST = 12_000
# The steps of a calibration table, in milli-logits: no ranking depends on it, and no rate that is shown.
STEP = 10

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Compiled:
    """
    An estimator in whole numbers. `points` has those of each item's places, unseen and missing last.

    `seen` gives what the estimator itself calls a score: log-odds, or a share of votes.
    """

    base: int
    points: tuple[Integers, ...]
    pairs: tuple[Pair, ...] = ()
    trees: tuple[Tree, ...] = ()
    rules: tuple[Rule, ...] = ()
    first_rule_only: bool = False
    calibration: Calibration | None = None
    seen: Callable[[Integers], Floats] = field(default=lambda scores: scores / MILLI)

    def bounds(self) -> tuple[int, int]:
        """Two scores that none is below or above."""
        ranges = [
            *((int(own.min()), int(own.max())) for own in self.points),
            *((min(map(min, pair.points)), max(map(max, pair.points))) for pair in self.pairs),
            *((min(leaf_points(tree)), max(leaf_points(tree))) for tree in self.trees),
            *((min(rule.points, 0), max(rule.points, 0)) for rule in self.rules),
        ]
        return self.base + sum(low for low, _ in ranges), self.base + sum(high for _, high in ranges)


def leaf_points(tree: Tree) -> list[int]:
    return [points for points, item in zip(tree.points, tree.items, strict=True) if item < 0]


def nothing_from(places: Sequence[int]) -> tuple[Integers, ...]:
    """No points for any place of any item."""
    return tuple(np.zeros(count + 2, dtype=np.int64) for count in places)


def whole(logit: float) -> int:
    """A coefficient in milli-logits."""
    points = round(logit * MILLI)
    if abs(points) > LARGEST:
        raise Refused(
            ja="係数が大きくなりすぎました。一つの項目がほぼ答えを決めています。その項目が基準日より後の情報でないか確かめるか、正則化（C や var_smoothing）を強めてください。",
            en="A coefficient grew out of bounds: one item all but decides the target. Check that it is not dated after the index date, or regularise more (smaller C, larger var_smoothing).",
        )
    return points


def log_odds(share: Any) -> Floats:
    """Milli-logits of a probability, within the largest odds a model may tell."""
    bounded = np.clip(np.asarray(share, dtype=np.float64), 1e-12, 1 - 1e-12)
    return np.clip(MILLI * np.log(bounded / (1 - bounded)), -LARGEST, LARGEST)


def calibration(said: Callable[[Integers], Floats], *, low: int, high: int) -> Calibration | None:
    """
    The step table of `said`, which never falls, between two scores; None where it says one thing only.

    Each step begins at the lowest score that says so, found by halving, so that no score is on a wrong step
    by more than half of one.
    """
    ends = np.array([low, high], dtype=np.int64)
    first, last = (round(float(value)) for value in said(ends))
    values = np.arange(first, last + STEP, STEP, dtype=np.int64)
    starts = lowest_saying(said, values - STEP / 2, low=low, high=high)
    # Where the table jumps several values begin together; the highest of them is what is said there.
    scores, back = np.unique(starts[::-1], return_index=True)
    said_there = values[::-1][back]
    if len(scores) < 2:
        return None
    if len(scores) > LIMITS["steps"]:
        raise ValueError("more steps than the format holds")
    return Calibration(tuple(scores[1:].tolist()), tuple(said_there.tolist()))


def lowest_saying(said: Callable[[Integers], Floats], values: Floats, *, low: int, high: int) -> Integers:
    """For each value the lowest score between `low` and `high` that says at least so much."""
    lowest, highest = np.full(len(values), low), np.full(len(values), high)
    while (lowest < highest).any():
        middle = (lowest + highest) // 2
        enough = said(middle) >= values
        highest = np.where(enough, middle, highest)
        lowest = np.where(enough, lowest, np.minimum(middle + 1, highest))
    return np.asarray(lowest, dtype=np.int64)
