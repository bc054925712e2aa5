"""
DP-EBM: an additive model boosted one item at a time from noisy sums of residuals.

After Nori, Caruana, Bu, Shen and Kulkarni, "Accuracy, interpretability, and differential privacy via
explainable boosting" (ICML 2021), algorithm 2, over public bins: the rows of each bin are counted once with
noise; then, round after round, each item's bins are cut at random into leaves, each leaf's sum of residuals
is told with noise, and the leaf's points move towards it.

Everything that touches a row is an integer: points are whole numbers, a point's probability comes from a
public table, residuals and shares are whole units. So sums are exact, the same in any order of rows. A household
moves a count by the shares of its rows, ROWS in all, and a sum of residuals by one child's at most: where its
residuals are more than that together they are all made smaller (`bounded`). Most households have no child with
the target and small residuals, so that many rows count in full while the bound stays that of one child; on the
synthetic city this is worth more than any other choice made here. All that is real-valued comes after the noise.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.privacy.dp.models.bins import Bins
from workbench.privacy.dp.models.rows import UNIT, Rows
from workbench.privacy.dp.noise import Draw, Mechanism
from workbench.scoring.engine import Integers

# What tells an exact vector with noise.
Tell = Callable[[Mechanism, list[int]], list[int]]
Reals = npt.NDArray[np.float64]

# Of the budget: for the rows of each bin, for how many have the target, for the rounds.
COUNTS, BASE, ROUNDS = 0.07, 0.03, 0.90
# A household is counted with this many of its rows (children by years) at most.
ROWS = 12
# In each sum of residuals it counts as one child at most.
CHILDREN = 1
# Points of a score in a milli-logit while it is boosted; the model itself is in milli-logits.
STEPS = 16
LARGEST = 12_000  # milli-logits: no item decides more, no score is read beyond
LEAVES = 3
# How far from the average an item's levels are expected to stand, in logits: what lies within the noise of
# a small level is drawn towards nothing by it.
SPREAD = 0.4
RAREST, COMMONEST = 0.001, 0.999

# The residual's other half: UNIT times the probability of each whole milli-logit, made once, the same for all.
PROBABILITY = np.rint(UNIT / (1 + np.exp(-np.arange(-LARGEST, LARGEST + 1) / 1000))).astype(np.int64)


@dataclass(frozen=True)
class Plan:
    """A training's noise and pace: public, and fixed before a row is read."""

    rounds: int
    rate: float
    counts: Mechanism
    base: Mechanism
    leaf: Mechanism

    @classmethod
    def of(cls, *, rho: float, features: int, rounds: int, rate: float) -> "Plan":
        """The plan that spends `rho` of zCDP at most."""

        def gaussian(most: int, share: float, times: int) -> Mechanism:
            # A Gaussian of scale s costs sensitivity² / (2 s²) (Bun and Steinke 2016, proposition 1.6). What
            # a household moves in L1 it moves in L2 at most.
            sensitivity = most * UNIT
            scale = sensitivity * (times / (2 * rho * share)) ** 0.5
            return Mechanism(Draw.GAUSSIAN, scale=scale * (1 + 1e-9), sensitivity=sensitivity)

        plan = cls(
            rounds=rounds,
            rate=rate,
            counts=gaussian(ROWS, COUNTS, features),
            base=gaussian(ROWS, BASE, 1),
            leaf=gaussian(CHILDREN, ROUNDS, features * rounds),
        )
        # Held against what OpenDP's maps say, not against the formula above.
        if plan.cost(features) > rho:
            raise AssertionError("the privacy maps of a training exceed its budget")
        return plan

    def cost(self, features: int) -> float:
        """What the draws of a training cost together, in rho."""
        each = self.counts.cost.rho + self.rounds * self.leaf.cost.rho
        return features * each + self.base.cost.rho

    @property
    def noise(self) -> float:
        """The noise of a leaf's residuals over all rounds together, in children."""
        return self.leaf.scale / UNIT / self.rounds**0.5

    @property
    def visible(self) -> float:
        """So many children with the target more or fewer than expected are told from noise, 95 times in 100."""
        return 1.96 * self.noise


@dataclass(frozen=True)
class Boosted:
    """
    Points of each bin in milli-logits, around the base.

    `rows` and `positives` are what was told of them with noise; None by a method that tells neither.
    """

    base: int
    points: list[list[int]]
    rows: int | None = None
    positives: int | None = None


def boost(rows: Rows, bins: Sequence[Bins], *, plan: Plan, tell: Tell, order: np.random.Generator) -> Boosted:
    """
    Train on the rows. `order` cuts leaves and knows no row; `tell` is the only way out for a number.

    It draws the same noise, in the same order, for every table; an empty one, too.
    """
    shares = rows.shares(ROWS)
    weights = [
        positive(tell(plan.counts, sums(rows.places[:, k], shares, size=each.size)))
        for k, each in enumerate(bins)
    ]
    total = max(float(np.mean([weight.sum() for weight in weights])), 1.0)
    found = max(tell(plan.base, [int(shares[rows.labels].sum())])[0] / UNIT, 0.0)
    rate = min(max(found / total, RAREST), COMMONEST)
    base = round(1000 * np.log(rate / (1 - rate))) * STEPS
    points = points_of(
        rows, bins, weights=weights, base=base, shares=shares, plan=plan, tell=tell, order=order
    )
    return centred(points, weights=weights, base=base, rows=round(total), positives=round(found))


def points_of(
    rows: Rows,
    bins: Sequence[Bins],
    *,
    weights: Sequence[Reals],
    base: int,
    shares: Integers,
    plan: Plan,
    tell: Tell,
    order: np.random.Generator,
) -> list[Integers]:
    """The rounds: every item in turn, its leaves cut anew each time."""
    points = [np.zeros(each.size, dtype=np.int64) for each in bins]
    scores = np.full(len(rows), base, dtype=np.int64)
    outcomes = rows.labels.astype(np.int64) * UNIT
    columns = [np.ascontiguousarray(rows.places[:, k]) for k in range(len(bins))]
    for _ in range(plan.rounds):
        for k, each in enumerate(bins):
            leaves = cut(each, order=order)
            left = bounded(residuals(scores, outcomes, shares), rows.homes)
            exact = sums(leaves[columns[k]], left, size=int(leaves.max()) + 1)
            told = np.array(tell(plan.leaf, exact), dtype=np.float64) / UNIT
            before = points[k]
            points[k] = moved(before, leaves, told=told, weight=weights[k], base=base, plan=plan)
            scores += (points[k] - before)[columns[k]]
    return points


def residuals(scores: Integers, outcomes: Integers, shares: Integers) -> Integers:
    """Each row's share of what the scores do not explain; no further from zero than the share itself."""
    place = np.clip(scores // STEPS, -LARGEST, LARGEST) + LARGEST
    return towards_zero(outcomes - PROBABILITY[place], shares)


def bounded(residuals: Integers, homes: Integers) -> Integers:
    """The residuals, those of a household made smaller alike where they are more than CHILDREN units together."""
    together = np.bincount(homes, weights=np.abs(residuals)).astype(np.int64)
    shrunk = np.minimum(UNIT, CHILDREN * UNIT * UNIT // np.maximum(together, 1))
    return towards_zero(residuals, shrunk[homes])


def towards_zero(values: Integers, units: Integers) -> Integers:
    """values × units / UNIT in whole numbers, rounded so that nothing grows."""
    return np.sign(values) * ((np.abs(values) * units) // UNIT)


def sums(places: Integers, units: Integers, *, size: int) -> list[int]:
    """Exact sums by place. Whole numbers in float64 are exact up to 2⁵³: eight thousand million rows."""
    return [int(value) for value in np.bincount(places, weights=units, minlength=size)]


def positive(told: list[int]) -> Reals:
    """Noisy rows of each bin; a count below zero says that there are few."""
    return np.maximum(np.array(told, dtype=np.float64) / UNIT, 0.0)


def cut(bins: Bins, *, order: np.random.Generator) -> Integers:
    """
    The leaf of each bin: neighbours together where bins have an order, each its own where they have none.

    What is missing is no neighbour of anything.
    """
    known = bins.size - 1
    if not bins.ordered or known <= LEAVES:
        return np.arange(bins.size, dtype=np.int64)
    edges = order.choice(known - 1, size=LEAVES - 1, replace=False) + 1
    leaves = np.searchsorted(np.sort(edges), np.arange(known), side="right")
    return np.append(leaves, LEAVES).astype(np.int64)


def moved(
    points: Integers, leaves: Integers, *, told: Reals, weight: Reals, base: int, plan: Plan
) -> Integers:
    """
    The points after a step towards the told residuals: Newton's, damped where a leaf is small beside the noise.

    With curvature h (rows times p(1-p)) the step is told·h / (h² + noise²/SPREAD²), which is told/h for a large
    leaf and nothing for an empty one: the best linear guess of a leaf's logit from its noisy sum.
    """
    rows = np.bincount(leaves, weights=weight, minlength=len(told))
    mean = np.bincount(leaves, weights=weight * points, minlength=len(told)) / np.maximum(rows, 1e-9)
    # The steepest of the average child and the leaf's own: a step is never longer than either allows.
    curvature = rows * np.maximum(steepness(base), steepness(base + mean))
    step = plan.rate * told * curvature / (curvature**2 + (plan.noise / SPREAD) ** 2)
    whole = np.rint(1000 * STEPS * step).astype(np.int64)
    return np.clip(points + whole[leaves], -LARGEST * STEPS, LARGEST * STEPS)


def steepness(scores: Any) -> Any:
    """p(1-p) at scores."""
    chance = 1 / (1 + np.exp(-np.clip(np.asarray(scores) / STEPS, -LARGEST, LARGEST) / 1000))
    return chance * (1 - chance)


def centred(
    points: Sequence[Integers], *, weights: Sequence[Reals], base: int, rows: int, positives: int
) -> Boosted:
    """Whole milli-logits around each item's mean over the noisy counts; the means go to the base."""
    milli, shift = [], 0
    for each, weight in zip(points, weights, strict=True):
        whole = np.rint(each / STEPS).astype(np.int64)
        mean = round(float((whole * weight).sum() / weight.sum())) if weight.sum() > 0 else 0
        milli.append([int(value) for value in np.clip(whole - mean, -LARGEST, LARGEST)])
        shift += mean
    return Boosted(base=base // STEPS + shift, points=milli, rows=rows, positives=positives)
