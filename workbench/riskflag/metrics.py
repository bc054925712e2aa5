"""
The measures of a ranking, in closed form: nothing is drawn, so the room that checks gets the same digits.

Scores are integers and ties are met as ties: half a win in the AUC, never parted in a list.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Z95 = 1.959963984540054

Integers = npt.NDArray[np.int64]
Labels = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        return {"value": round(self.value, 4), "low": round(self.low, 4), "high": round(self.high, 4)}


def auc(scores: Integers, labels: Labels) -> Interval:
    """
    The chance that a random positive scores above a random negative, with DeLong's interval.

    DeLong, DeLong and Clarke-Pearson, "Comparing the areas under two or more correlated receiver
    operating characteristic curves" (1988), with the ranks of Sun and Xu (2014). Needs two of each kind.
    """
    above, below = placements(scores, labels)
    value, margin = float(above.mean()), Z95 * deviation(above, below)
    return Interval(value, max(0.0, value - margin), min(1.0, value + margin))


def auc_gain(scores: Integers, other: Integers, labels: Labels) -> Interval:
    """How much higher the AUC of `scores` is than that of `other` on the same children; DeLong's paired interval."""
    pairs = [
        mine - theirs
        for mine, theirs in zip(placements(scores, labels), placements(other, labels), strict=True)
    ]
    value, margin = float(pairs[0].mean()), Z95 * deviation(*pairs)
    return Interval(value, value - margin, value + margin)


def placements(scores: Integers, labels: Labels) -> tuple[Numbers, Numbers]:
    """Each positive's share of negatives below it, and each negative's share of positives above it."""
    positives, negatives = scores[labels], scores[~labels]
    among_all = midranks(np.concatenate([positives, negatives]))
    m, n = len(positives), len(negatives)
    return (among_all[:m] - midranks(positives)) / n, 1 - (among_all[m:] - midranks(negatives)) / m


def deviation(above: Numbers, below: Numbers) -> float:
    return math.sqrt(float(above.var(ddof=1)) / len(above) + float(below.var(ddof=1)) / len(below))


def midranks(values: Integers) -> Numbers:
    """Ranks from 1; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], dtype=np.float64)


def average_precision(scores: Integers, labels: Labels) -> float:
    """Precision summed over the steps in recall as the threshold falls; tied scores fall together."""
    distinct, inverse = np.unique(-scores, return_inverse=True)
    flagged = np.cumsum(np.bincount(inverse, minlength=len(distinct)))
    found = np.cumsum(np.bincount(inverse, weights=labels, minlength=len(distinct)))
    steps = np.diff(found, prepend=0.0) / labels.sum()
    return float((steps * found / flagged).sum())


def wilson(count: int, total: int) -> Interval:
    """A proportion with Wilson's score interval (1927); holds for small counts, unlike the normal one."""
    share, z2 = count / total, Z95**2
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    margin = Z95 / (1 + z2 / total) * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    return Interval(share, max(0.0, centre - margin), min(1.0, centre + margin))


def probability(scores: Integers) -> Numbers:
    """What the model would call a probability if its milli-logits were calibrated; only to see if they are."""
    return np.asarray(1 / (1 + np.exp(-scores / 1000)), dtype=np.float64)


def difference(one: Interval, other: Interval) -> Interval:
    """
    `one` minus `other`, two proportions of different children with Wilson's intervals.

    Newcombe, "Interval estimation for the difference between independent proportions" (1998), method 10.
    """
    value = one.value - other.value
    down = math.hypot(one.value - one.low, other.high - other.value)
    up = math.hypot(one.high - one.value, other.value - other.low)
    return Interval(value, value - down, value + up)


def observed_to_expected(labels: Labels, expected: Numbers) -> Interval:
    """Outcomes recorded for each one expected; Wilson's interval of the rate over the expected rate, taken as known."""
    rate, mean = wilson(int(labels.sum()), len(labels)), float(expected.mean())
    return Interval(rate.value / mean, rate.low / mean, rate.high / mean)


@dataclass(frozen=True)
class Brier:
    """
    What the expected rates of groups of children are wrong by, and what they tell.

    Murphy, "A new vector partition of the probability score" (1973): the score is reliability minus
    resolution plus uncertainty. Over the groups' means, so nothing below a group is described.
    """

    reliability: float
    resolution: float
    uncertainty: float

    @classmethod
    def of(cls, children: Numbers, rates: Numbers, expected: Numbers) -> "Brier":
        weights = children / children.sum()
        overall = float((weights * rates).sum())
        return cls(
            reliability=float((weights * (expected - rates) ** 2).sum()),
            resolution=float((weights * (rates - overall) ** 2).sum()),
            uncertainty=overall * (1 - overall),
        )

    def to_json(self) -> dict[str, float]:
        parts = {name: round(value, 5) for name, value in vars(self).items()}
        return {**parts, "score": round(self.reliability - self.resolution + self.uncertainty, 5)}
