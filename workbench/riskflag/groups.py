"""
How the flag does in each group: missed and false alarms beside each other, with their uncertainty.

A group stands alone when each of its four counts is large enough. Smaller ones are pooled until they are:
totals are known, and whatever was left out could be found by subtraction.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.riskflag import metrics
from workbench.riskflag.cells import share, tell_apart
from workbench.riskflag.metrics import Interval, Labels
from workbench.riskflag.seen import seen, services, surveillance
from workbench.riskflag.tested import Tested
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


def tables(tested: Tested, by: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """
    The groups of each item, one table after the other.

    A table that could be subtracted from an earlier one is not shown: were "single parent" shown beside the
    types of household, the one type that is pooled away would be the difference.
    """
    shown: dict[str, list[dict[str, Any]]] = {}
    # Where children known already stand beside the others, theirs is a table too.
    known = seen(tested) if surveillance(tested) else None
    standing: list[Labels] = [] if known is None else [known]
    for item in by:
        levels = spelled_levels(tested.held.part.frame[item])
        groups = grouped(levels, tested)
        masks = [np.isin(levels, group) for group in groups.levels]
        clash = any(
            tell_apart(mask, side, tested.labels, min_cell=tested.min_cell)
            for mask in masks
            for other in standing
            for side in (other, ~other)
        )
        standing += [] if clash else masks
        shown[item] = (
            []
            if clash
            else [
                row(group, mask, tested, rated=groups.rated)
                for group, mask in zip(groups.levels, masks, strict=True)
            ]
        )
    return shown


def spelled_levels(values: "pd.Series[Any]") -> npt.NDArray[Any]:
    return values.map(spelled, na_action="ignore").fillna(MISSING).to_numpy(dtype=object)


@dataclass(frozen=True)
class Grouped:
    """The levels put together, and whether each group has enough flagged children for rates."""

    levels: list[list[str]]
    rated: bool


def grouped(levels: npt.NDArray[Any], tested: Tested) -> Grouped:
    counts = {
        level: Counts.of(tested.labels[levels == level], tested.flagged[levels == level])
        for level in sorted(set(levels))
    }
    with_rates = pooled(counts, fits=lambda group: group.flags_shown(tested.min_cell))
    # One row for everybody compares nobody: then rather the outcomes of several groups, without rates.
    if len(with_rates) > 1:
        return Grouped(with_rates, rated=True)
    return Grouped(pooled(counts, fits=lambda group: group.outcomes_shown(tested.min_cell)), rated=False)


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


def row(group: Sequence[str], mask: Labels, tested: Tested, *, rated: bool) -> dict[str, Any]:
    counts = Counts.of(tested.labels[mask], tested.flagged[mask])
    return {
        "levels": list(group),
        "children": counts.children,
        "positives": counts.positives,
        "base_rate": metrics.wilson(counts.positives, counts.children).to_json(),
        "auc": metrics.auc(tested.scores[mask], tested.labels[mask]).to_json(),
        "observed_to_expected": metrics.observed_to_expected(
            tested.labels[mask], tested.expected[mask]
        ).to_json(),
        **(rates(counts) if rated else NO_RATES),
    }


def rates(counts: Counts) -> dict[str, Any]:
    flagged = counts.found + counts.false_alarms
    negatives = counts.children - counts.positives
    return {
        "flagged": metrics.wilson(flagged, counts.children).to_json(),
        "precision": metrics.wilson(counts.found, flagged).to_json(),
        "recall": metrics.wilson(counts.found, counts.positives).to_json(),
        "missed": metrics.wilson(counts.missed, counts.positives).to_json(),
        "false_positive_rate": metrics.wilson(counts.false_alarms, negatives).to_json(),
    }


NO_RATES: Mapping[str, None] = dict.fromkeys(
    ("flagged", "precision", "recall", "missed", "false_positive_rate")
)
GAPS = ("missed", "false_positive_rate", "precision", "flagged")


def gaps(shown: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Of each item the largest difference between two of its groups in each rate, with its interval."""
    return {
        item: {name: widest(name, rows) for name in GAPS}
        for item, rows in shown.items()
        if len(rows) > 1 and rows[0]["flagged"] is not None
    }


def widest(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    ordered = sorted(rows, key=lambda row: (row[name]["value"], row["levels"]))
    low, high = ordered[0], ordered[-1]
    gap = metrics.difference(Interval(**high[name]), Interval(**low[name]))
    return {"most": high["levels"], "least": low["levels"], "gap": gap.to_json()}


def not_already_known(tested: Tested) -> dict[str, Any] | None:
    """The flag among children no office knows yet; None where the dataset cannot tell, or with too few."""
    mask = seen(tested)
    if mask is None:
        return None
    found = known_and_new(mask, tested)
    return None if found is None else {"items": services(tested), **found}


def known_and_new(known: Labels, tested: Tested) -> dict[str, Any] | None:
    """
    What the flag adds to what offices know already; None where a count is too small to show.

    A flag that finds only children somebody already looks after is no help, and one that misses them is
    not to be trusted.
    """
    labels, flagged, scores = tested.labels, tested.flagged, tested.scores
    new, old = (Counts.of(labels[side], flagged[side]) for side in (~known, known))
    found, least = new.found + old.found, tested.min_cell
    if found < least or not (new.outcomes_shown(least) and old.outcomes_shown(least)):
        return None
    shown = new.flags_shown(least) and old.flags_shown(least)
    rated = {
        "precision_not_known": (new.found, new.found + new.false_alarms),
        "recall_not_known": (new.found, new.positives),
        "found_not_known": (new.found, found),
        "known_missed": (old.missed, old.positives),
    }
    return {
        # Which side is few may be told where the counts may not: that is what a reader must know.
        "new_of_found": share(new.found, found, min_cell=least),
        "auc_not_known": metrics.auc(scores[~known], labels[~known]).to_json(),
        **{name: metrics.wilson(*of).to_json() if shown else None for name, of in rated.items()},
    }
