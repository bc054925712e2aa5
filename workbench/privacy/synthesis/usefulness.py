"""
What a protected table is worth to who learns from it: trained on it, tested on real children held out.

The same two learners, the same children to test on, the same measures, whatever protected the table: only
so do the numbers of two protections stand beside each other. Train on synthetic, test on real is the
comparison of Esteban et al. (2017); trained on the real rows themselves it gives what can be had at most.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from workbench.privacy.synthesis.columns import Columns
from workbench.privacy.synthesis.points import Points, encoded
from workbench.riskflag import metrics
from workbench.riskflag.metrics import Interval

Shares = np.ndarray[Any, np.dtype[np.float64]]
Labels = np.ndarray[Any, np.dtype[np.bool_]]
Scores = np.ndarray[Any, np.dtype[np.int64]]

# Fewer of either outcome teach nothing, and measure nothing.
LEAST = 20
# A group with fewer children of the outcome has a recall that chance alone moves by a fifth.
LEAST_IN_GROUP = 20
BINS = 10


@dataclass(frozen=True)
class Task:
    """
    What is to be learnt: which of the items tell `positive` of `target`.

    `groups` are items whose levels are compared; `capacity` is the share of children who can be visited.
    """

    target: str
    positive: str
    items: tuple[str, ...]
    groups: tuple[str, ...] = ()
    capacity: float = 0.05

    def labels(self, frame: pd.DataFrame) -> Labels:
        return np.asarray((frame[self.target].astype("object").astype(str) == self.positive), dtype=bool)

    def known(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows whose outcome is known."""
        return frame[frame[self.target].notna()].reset_index(drop=True)


@dataclass(frozen=True)
class GroupError:
    """A group of the held-out children: how many have the outcome, and the shares found and falsely named."""

    item: str
    level: str
    children: int
    positives: int
    recall: Interval
    false_alarms: Interval

    def to_json(self) -> dict[str, Any]:
        return {
            **vars(self),
            "recall": self.recall.to_json(),
            "false_alarms": self.false_alarms.to_json(),
        }


@dataclass(frozen=True)
class Usefulness:
    """
    One learner's figures on the held-out children; None where the table had too few of an outcome to learn.

    `auc` with DeLong's interval; `average_precision` (by chance it is `prevalence`); `calibration_error`:
    the mean gap between promised and observed rates over ten equal bins; `group_error`: the widest
    difference in recall at capacity between two levels of one item.
    """

    learner: str
    rows: int
    positives: int
    prevalence: float
    auc: Interval | None = None
    average_precision: float | None = None
    calibration_error: float | None = None
    observed_to_expected: float | None = None
    group_error: float | None = None
    groups: tuple[GroupError, ...] = ()

    @property
    def learnt(self) -> bool:
        return self.auc is not None

    def to_json(self) -> dict[str, Any]:
        return {
            **{name: plain(value) for name, value in vars(self).items() if name != "groups"},
            "groups": [group.to_json() for group in self.groups],
        }


def plain(value: Any) -> Any:
    if isinstance(value, Interval):
        return value.to_json()
    return round(value, 4) if isinstance(value, float) else value


def logistic(seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000, random_state=seed)


def boosting(seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=60, max_leaf_nodes=15, learning_rate=0.1, early_stopping=False, random_state=seed
    )


# learner: how to make one. One that adds up, one that finds how items act together.
LEARNERS: dict[str, Callable[[int], Any]] = {"logistic": logistic, "boosting": boosting}


def usefulness(
    learnt: pd.DataFrame,
    held: pd.DataFrame,
    *,
    columns: Columns,
    task: Task,
    groups: pd.DataFrame | None = None,
    learners: Mapping[str, Callable[[int], Any]] = LEARNERS,
    seed: int = 0,
) -> list[Usefulness]:
    """
    Each learner trained on `learnt` and tested on the real rows `held`.

    Both frames have the items and the target of `task`; `columns` says what values the items can take, as
    both frames spell them. `groups` has the groups' items for the rows of `held`, where `held` spells them
    more coarsely. Rows whose outcome is missing are left out.
    """
    apart = held if groups is None else groups
    apart = apart[held[task.target].notna().to_numpy()].reset_index(drop=True)
    learnt, held = task.known(learnt), task.known(held)
    shapes = {item: columns[item] for item in task.items}
    outcomes, actual = task.labels(learnt), task.labels(held)
    size = {"rows": len(learnt), "positives": int(outcomes.sum()), "prevalence": share(actual)}
    if not (enough(outcomes) and enough(actual)):
        return [Usefulness(name, **size) for name in learners]
    given, asked = encoded(learnt, columns=shapes), encoded(held, columns=shapes)
    return [
        Usefulness(
            name, **size, **figures(scored(make(seed), given, outcomes, asked), actual, apart, task=task)
        )
        for name, make in learners.items()
    ]


def share(labels: Labels) -> float:
    return float(labels.mean()) if len(labels) else 0.0


def enough(labels: Labels) -> bool:
    return min(int(labels.sum()), int((~labels).sum())) >= LEAST


def scored(learner: Any, given: Points, outcomes: Labels, asked: Points) -> Scores:
    """Milli-logits of the rows asked about."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        learner.fit(given, outcomes)
        logits = learner.decision_function(asked)
    return np.asarray(np.round(1000 * logits), dtype=np.int64)


def figures(scores: Scores, actual: Labels, apart: pd.DataFrame, *, task: Task) -> dict[str, Any]:
    promised = metrics.probability(scores)
    flagged = scores >= lowest_flagged(scores, capacity=task.capacity)
    groups = [group for item in task.groups for group in by_group(item, apart[item], actual, flagged)]
    return {
        "auc": metrics.auc(scores, actual),
        "average_precision": metrics.average_precision(scores, actual),
        "calibration_error": calibration_error(promised, actual),
        "observed_to_expected": float(actual.sum() / max(float(promised.sum()), 1e-9)),
        "group_error": widest(groups),
        "groups": tuple(groups),
    }


def lowest_flagged(scores: Scores, *, capacity: float) -> int:
    """The score of the last child who can be visited."""
    places = max(1, round(capacity * len(scores)))
    return int(np.partition(scores, -places)[-places])


def calibration_error(promised: Shares, actual: Labels) -> float:
    """Expected calibration error over bins of equal size (Naeini et al. 2015, Nguyen and O'Connor 2015)."""
    order = np.argsort(promised, kind="stable")
    gaps = [
        len(part) * abs(float(promised[part].mean()) - float(actual[part].mean()))
        for part in np.array_split(order, BINS)
        if len(part)
    ]
    return float(sum(gaps) / len(actual))


def by_group(item: str, values: "pd.Series[Any]", actual: Labels, flagged: Labels) -> list[GroupError]:
    """The levels with enough children of either outcome."""
    levels = values.astype("object").where(values.notna(), "").astype(str).to_numpy()
    found = []
    for level in sorted(set(levels)):
        inside = levels == level
        positives, negatives = inside & actual, inside & ~actual
        if min(int(positives.sum()), int(negatives.sum())) < LEAST_IN_GROUP:
            continue
        found.append(
            GroupError(
                item,
                str(level),
                children=int(inside.sum()),
                positives=int(positives.sum()),
                recall=metrics.wilson(int((positives & flagged).sum()), int(positives.sum())),
                false_alarms=metrics.wilson(int((negatives & flagged).sum()), int(negatives.sum())),
            )
        )
    return found


def widest(groups: list[GroupError]) -> float | None:
    """The widest difference in recall between two levels of one item; None with nothing to compare."""
    recalls: dict[str, list[float]] = {}
    for group in groups:
        recalls.setdefault(group.item, []).append(group.recall.value)
    gaps = [max(values) - min(values) for values in recalls.values() if len(values) > 1]
    return max(gaps) if gaps else None
