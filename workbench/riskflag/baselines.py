"""
What the flag is worth beside the simplest list there is: children ranked by one item.

The item is chosen and its levels are ordered on the training part, as a person with last year's table
would. The poverty-only list answers how much a flag adds to knowing who is poor.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from workbench.riskflag import metrics
from workbench.riskflag.binning import Binned, bin_item, counts_of
from workbench.riskflag.groups import Counts
from workbench.riskflag.metrics import Integers
from workbench.riskflag.population import Considered
from workbench.scoring import engine
from workbench.scoring.model import Capacity, Feature


def single_best(
    items: Sequence[str], *, train: Considered, test: Considered, capacity: Capacity, min_cell: int
) -> dict[str, Any] | None:
    """The best single item's list on the test part; None without items."""
    ranked = {item: ranking(item, train=train, min_cell=min_cell) for item in items}
    if not ranked:
        return None
    best = max(ranked, key=lambda item: (fit_of(ranked[item], train), item))
    return {
        "item": best,
        **measured(points_of(ranked[best], test), test, capacity=capacity, min_cell=min_cell),
    }


def ranking(item: str, *, train: Considered, min_cell: int) -> Feature:
    """A feature whose points are the log-odds of the target at each level, in training."""
    binned = bin_item(train.part, item, min_cell=min_cell)
    rows = counts_of(binned.shape, binned.places)
    positives = counts_of(binned.shape, binned.places[train.labels])
    points = [log_odds(binned, place, rows, positives) for place in range(len(rows))]
    return replace(binned.shape, points=tuple(points[:-2]), missing=points[-1], unseen=0)


def log_odds(binned: Binned, place: int, rows: Integers, positives: Integers) -> int:
    """Of all places that share this one's coefficient, in milli-logits; half a child is added to either side."""
    together = [other for other, group in enumerate(binned.group) if group == binned.group[place]]
    found, count = int(positives[together].sum()), int(rows[together].sum())
    return round(1000 * float(np.log((found + 0.5) / (count - found + 0.5))))


def points_of(feature: Feature, among: Considered) -> Integers:
    column = among.part.table([feature.name]).column(feature.name)
    return engine.points(feature, engine.where(feature, column))


def fit_of(feature: Feature, train: Considered) -> float:
    return metrics.auc(points_of(feature, train), train.labels).value


def measured(scores: Integers, test: Considered, *, capacity: Capacity, min_cell: int) -> dict[str, Any]:
    """AUC, and the list at capacity; levels are coarse, so the last level comes in whole."""
    flagged = scores >= engine.lowest(scores, capacity, tie_rule="take_in")
    counts = Counts.of(test.labels, flagged)
    fits = counts.flags_shown(min_cell)
    return {
        "auc": metrics.auc(scores, test.labels).to_json(),
        "flagged": int(flagged.sum()) if fits else None,
        "precision": metrics.wilson(counts.found, int(flagged.sum())).to_json() if fits else None,
        "recall": metrics.wilson(counts.found, counts.positives).to_json() if fits else None,
    }
