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
from workbench.riskflag.cells import tell_apart
from workbench.riskflag.groups import Counts
from workbench.riskflag.metrics import Integers, Labels
from workbench.riskflag.population import Considered
from workbench.riskflag.tested import Tested
from workbench.scoring import engine
from workbench.scoring.model import Feature

# Items that say how old a child is.
AGE_ITEMS = ("age", "age_band", "grade")


def beside(tested: Tested) -> dict[str, dict[str, Any] | None]:
    """
    Simple lists beside the flag: chance, age alone, how visits are ordered today, the best single item, poverty.

    None for a list that this dataset has no item for.
    """
    definition = tested.definition
    lists = {
        "age_only": AGE_ITEMS,
        "practice": definition.practice,
        "single_best_item": [feature.name for feature in tested.model.features],
        "poverty_only": definition.poverty_items,
    }
    standing = [tested.flagged]
    return {
        "random": chance(tested),
        **{
            name: single_best([item for item in items if tested.has(item)], tested, standing=standing)
            for name, items in lists.items()
        },
    }


def chance(tested: Tested) -> dict[str, Any]:
    """What visiting as many children drawn by lot finds on average; nothing is drawn."""
    return {"auc": 0.5, "precision": round(float(tested.labels.mean()), 4)}


def single_best(items: Sequence[str], tested: Tested, *, standing: list[Labels]) -> dict[str, Any] | None:
    """The best single item's list on the test part; None without items. `standing` are the lists shown so far."""
    ranked = {item: ranking(item, train=tested.learnt, min_cell=tested.min_cell) for item in items}
    if not ranked:
        return None
    best = max(ranked, key=lambda item: (fit_of(ranked[item], tested.learnt), item))
    return {"item": best, **measured(points_of(ranked[best], tested.held), tested, standing=standing)}


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


def measured(scores: Integers, tested: Tested, *, standing: list[Labels]) -> dict[str, Any]:
    """AUC, and the list at capacity; levels are coarse, so the last level comes in whole."""
    capacity = tested.model.threshold.capacity
    flagged = np.asarray(scores >= engine.lowest(scores, capacity, tie_rule="take_in"), dtype=bool)
    counts = Counts.of(tested.labels, flagged)
    fits = counts.flags_shown(tested.min_cell) and not any(
        tell_apart(flagged, other, tested.labels, min_cell=tested.min_cell) for other in standing
    )
    standing += [flagged] if fits else []
    return {
        "auc": metrics.auc(scores, tested.labels).to_json(),
        "gain": metrics.auc_gain(tested.scores, scores, tested.labels).to_json(),
        "flagged": int(flagged.sum()) if fits else None,
        "precision": metrics.wilson(counts.found, int(flagged.sum())).to_json() if fits else None,
        "recall": metrics.wilson(counts.found, counts.positives).to_json() if fits else None,
    }
