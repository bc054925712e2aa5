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
    positives, negatives = scores[labels], scores[~labels]
    among_all = midranks(np.concatenate([positives, negatives]))
    m, n = len(positives), len(negatives)
    # Each positive's share of negatives below it, and each negative's share of positives above it.
    above = (among_all[:m] - midranks(positives)) / n
    below = 1 - (among_all[m:] - midranks(negatives)) / m
    value = float(above.mean())
    margin = Z95 * math.sqrt(float(above.var(ddof=1)) / m + float(below.var(ddof=1)) / n)
    return Interval(value, max(0.0, value - margin), min(1.0, value + margin))


def midranks(values: Integers) -> npt.NDArray[np.float64]:
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


def probability(scores: Integers) -> npt.NDArray[np.float64]:
    """What the model would call a probability if its milli-logits were calibrated; only to see if they are."""
    return np.asarray(1 / (1 + np.exp(-scores / 1000)), dtype=np.float64)
