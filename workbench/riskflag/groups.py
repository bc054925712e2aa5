"""
How the flag does in each group: missed and false alarms beside each other, with their uncertainty.

A group stands alone when each of its four counts is large enough. Smaller ones are pooled until they are:
totals are known, and whatever was left out could be found by subtraction.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import pandas as pd

from workbench.riskflag import metrics
from workbench.riskflag.metrics import Integers, Labels
from workbench.scoring.recode import MISSING, spelled


@dataclass(frozen=True)
class Counts:
    """A group's children by outcome and flag."""

    found: int
    missed: int
    false_alarms: int
    passed: int

    @classmethod
    def of(cls, labels: Labels, flagged: Labels) -> "Counts":
        return cls(
            found=int((labels & flagged).sum()),
            missed=int((labels & ~flagged).sum()),
            false_alarms=int((~labels & flagged).sum()),
            passed=int((~labels & ~flagged).sum()),
        )

    @property
    def children(self) -> int:
        return self.found + self.missed + self.false_alarms + self.passed

    @property
    def positives(self) -> int:
        return self.found + self.missed

    def outcomes_shown(self, min_cell: int) -> bool:
        return min(self.positives, self.children - self.positives) >= min_cell

    def flags_shown(self, min_cell: int) -> bool:
        return min(self.found, self.missed, self.false_alarms, self.passed) >= min_cell


def table(
    values: "pd.Series[Any]", *, scores: Integers, labels: Labels, flagged: Labels, min_cell: int
) -> list[dict[str, Any]]:
    """One row for each group of levels that is large enough; `rates` are None where flags are too few."""
    levels = values.map(spelled, na_action="ignore").fillna(MISSING).to_numpy(dtype=object)
    counts = {
        level: Counts.of(labels[levels == level], flagged[levels == level]) for level in sorted(set(levels))
    }
    with_rates = pooled(counts, fits=lambda group: group.flags_shown(min_cell))
    with_outcomes = pooled(counts, fits=lambda group: group.outcomes_shown(min_cell))
    # One row for everybody compares nobody: then rather the outcomes of several groups, without rates.
    compares = len(with_rates) > 1
    return [
        row(group, mask=np.isin(levels, group), scores=scores, labels=labels, flagged=flagged, rated=compares)
        for group in (with_rates if compares else with_outcomes)
    ]


def pooled(counts: Mapping[str, Counts], *, fits: Callable[[Counts], bool]) -> list[list[str]]:
    """
    The levels, those that do not fit put together, with the smallest that do where they do not fit yet.

    Nothing is left out, so nothing can be found by subtracting what is shown from the total.
    """
    alone = [level for level, group in counts.items() if fits(group)]
    together = [level for level in counts if level not in alone]
    while together and alone and not fits(total(counts, together)):
        smallest = min(alone, key=lambda level: (counts[level].children, level))
        alone.remove(smallest)
        together.append(smallest)
    if together and not fits(total(counts, together)):
        return []
    return [[level] for level in alone] + ([sorted(together)] if together else [])


def total(counts: Mapping[str, Counts], levels: Sequence[str]) -> Counts:
    return Counts(
        *(sum(column) for column in zip(*(astuple(counts[level]) for level in levels), strict=True))
    )


def row(
    group: Sequence[str], *, mask: Labels, scores: Integers, labels: Labels, flagged: Labels, rated: bool
) -> dict[str, Any]:
    counts = Counts.of(labels[mask], flagged[mask])
    return {
        "levels": list(group),
        **outcomes(counts, scores[mask], labels[mask]),
        **(rates(counts) if rated else NO_RATES),
    }


def outcomes(counts: Counts, scores: Integers, labels: Labels) -> dict[str, Any]:
    return {
        "children": counts.children,
        "positives": counts.positives,
        "auc": metrics.auc(scores, labels).to_json(),
    }


def rates(counts: Counts) -> dict[str, Any]:
    flagged = counts.found + counts.false_alarms
    negatives = counts.children - counts.positives
    return {
        "flagged": metrics.wilson(flagged, counts.children).to_json(),
        "precision": metrics.wilson(counts.found, flagged).to_json(),
        "recall": metrics.wilson(counts.found, counts.positives).to_json(),
        "false_positive_rate": metrics.wilson(counts.false_alarms, negatives).to_json(),
    }


NO_RATES: Mapping[str, None] = dict.fromkeys(("flagged", "precision", "recall", "false_positive_rate"))


def known_and_new(
    known: Labels, *, labels: Labels, flagged: Labels, scores: Integers, min_cell: int
) -> dict[str, Any] | None:
    """
    What the flag adds to what offices know already; None where a count is too small to show.

    A flag that finds only children somebody already looks after is no help, and one that misses them is
    not to be trusted.
    """
    new, old = Counts.of(labels[~known], flagged[~known]), Counts.of(labels[known], flagged[known])
    if not (new.flags_shown(min_cell) and old.flags_shown(min_cell)):
        return None
    return {
        "auc_not_known": metrics.auc(scores[~known], labels[~known]).to_json(),
        "precision_not_known": metrics.wilson(new.found, new.found + new.false_alarms).to_json(),
        "recall_not_known": metrics.wilson(new.found, new.positives).to_json(),
        "found_not_known": metrics.wilson(new.found, new.found + old.found).to_json(),
        "known_missed": metrics.wilson(old.missed, old.positives).to_json(),
    }


def known_mask(values: "pd.Series[Any]", *, positive: Sequence[str] = ("yes",)) -> Labels:
    """The rows some office already knows."""
    return np.asarray(values.map(spelled, na_action="ignore").isin(list(positive)), dtype=bool)
