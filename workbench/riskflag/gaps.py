"""
Whether protecting the data made the flag miss one group more than another.

Training under strong protection can erase a small group while the overall figures look well. So the
candidate is compared with a twin: the same recipe on the same children, unprotected. Both flag as many, on
the same held-back children; what counts is how far apart the groups' shares of missed children are, and
how much further apart they are than the twin's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.riskflag.metrics import Integers, Interval, Labels
from workbench.scoring import engine
from workbench.scoring.model import Threshold

Floats = npt.NDArray[np.float64]
RESAMPLES = 400


@dataclass(frozen=True)
class Gap:
    """
    How an item's groups fare: the spread of their missed shares under the candidate and under the twin.

    `growth` is how much wider the spread has become, or how much more the worst group is missed than the
    twin missed it, beyond what all children together are: whichever is the surer. A group can be erased
    without the spread growing, where the twin missed another one.
    """

    item: str
    candidate: float
    twin: float
    growth: Interval
    groups: int

    def to_json(self) -> dict[str, Any]:
        return {
            "item": self.item,
            "candidate": round(self.candidate, 4),
            "twin": round(self.twin, 4),
            "growth": self.growth.to_json(),
            "groups": self.groups,
        }


def flags(scores: Integers, threshold: Threshold) -> Labels:
    """Who is flagged when the places are filled from the top, by the flag's own rule for ties."""
    lowest = engine.lowest(scores, threshold.capacity, tie_rule=threshold.tie_rule)
    return np.asarray(scores >= lowest)


def growth(
    flagged: Labels,
    twin: Labels,
    *,
    labels: Labels,
    groups: Mapping[str, npt.NDArray[Any]],
    homes: npt.NDArray[np.int64],
    min_cell: int,
    seed: int = 0,
) -> list[Gap]:
    """
    The gap of each item among the children with the outcome; groups with fewer than `min_cell` are left out.

    `homes` numbers the household of each row; the interval comes from drawing households again, both
    models on the same draw.
    """
    found = []
    for item, values in groups.items():
        kept = [level for level in sorted(set(values)) if int((labels & (values == level)).sum()) >= min_cell]
        if len(kept) > 1:
            members = np.stack([labels & (values == level) for level in kept])
            found.append(gap(item, members, ~flagged, ~twin, homes=homes, seed=seed))
    return found


def gap(
    item: str,
    members: Labels,
    missed: Labels,
    by_twin: Labels,
    *,
    homes: npt.NDArray[np.int64],
    seed: int,
) -> Gap:
    draw = np.random.default_rng(seed)
    households = int(homes.max()) + 1
    # Only counts by household are drawn again, so the rows are passed over once.
    counted = [by_household(members & which, homes, households) for which in (True, missed, by_twin)]
    drawn = draw.multinomial(households, np.full(households, 1 / households), size=RESAMPLES)
    once, again = (
        [shares(weights, counted[0], one) for one in counted[1:]]
        for weights in (np.ones((1, households)), drawn.astype(float))
    )
    grown = [
        Interval(float(measure(*once)[0]), *map(float, np.quantile(measure(*again), [0.025, 0.975])))
        for measure in (wider, *(partial(worse, group=group) for group in range(len(members))))
    ]
    return Gap(
        item,
        float(np.ptp(once[0][0, 1:])),
        float(np.ptp(once[1][0, 1:])),
        max(grown, key=lambda one: (one.low, one.value)),
        len(members),
    )


def wider(ours: Floats, theirs: Floats) -> Floats:
    """How much wider the spread over the groups is."""
    return np.asarray(np.ptp(ours[:, 1:], axis=1) - np.ptp(theirs[:, 1:], axis=1))


def worse(ours: Floats, theirs: Floats, *, group: int) -> Floats:
    """How much more of a group is missed, beyond what is missed more of everybody."""
    grown = ours - theirs
    return np.asarray(grown[:, group + 1] - grown[:, 0])


def by_household(rows: Labels, homes: npt.NDArray[np.int64], households: int) -> Floats:
    """The rows of each group in each household."""
    return np.stack([np.bincount(homes, weights=row, minlength=households) for row in rows])


def shares(weights: Floats, positives: Floats, missed: Floats) -> Floats:
    """The share missed of everybody, then of each group, for each set of weights."""
    found, all_of = weights @ missed.T, weights @ positives.T
    everybody = found.sum(axis=1, keepdims=True) / np.maximum(all_of.sum(axis=1, keepdims=True), 1.0)
    return np.asarray(np.hstack([everybody, found / np.maximum(all_of, 1.0)]))
