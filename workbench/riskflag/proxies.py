"""
What the score leans on besides the outcome: poverty, place, being in touch with offices, who a child is.

Each set of items is made alike for all children and everybody is scored again. How far the ranking moves is
how much of it those items are; the artifact is asked and not its coefficients, so that any form of model
answers alike.
"""

from typing import Any

import numpy as np
import pandas as pd

from workbench.riskflag import metrics
from workbench.riskflag.cells import share
from workbench.riskflag.dictionary import NUMERIC
from workbench.riskflag.seen import SERVICES, says_yes
from workbench.riskflag.tested import Tested
from workbench.scoring import engine

PLACE = ("block", "es_district", "district", "school")
TRAITS = ("sex", "foreign", "disability", "hh_type")
CONTACTS = (*SERVICES, "ca_report_missing", "checks_missed", "vac_missing")


def audit(tested: Tested) -> dict[str, Any]:
    """For each set what the model uses of it and what that does; and which yes-or-no items the score tells."""
    sets = {
        "poverty": tested.definition.poverty_items,
        "place": PLACE,
        "contacts": CONTACTS,
        "traits": TRAITS,
    }
    used = {feature.name for feature in tested.model.features}
    return {
        "sets": {
            name: without([item for item in items if item in used], tested) for name, items in sets.items()
        },
        "tells": tells(tested),
    }


def without(items: list[str], tested: Tested) -> dict[str, Any] | None:
    """The ranking with these items made alike for everybody; None where the model uses none of them."""
    if not items:
        return None
    frame = tested.held.part.frame
    scores = tested.rescored(**{item: ordinary(item, frame[item], tested) for item in items}).scores
    threshold = tested.model.threshold
    places = engine.lowest(scores, threshold.capacity, tie_rule=threshold.tie_rule)
    staying = int((tested.flagged & (scores >= places)).sum())
    flagged = int(tested.flagged.sum())
    return {
        "items": items,
        "spread": spread(tested.scores, scores),
        "auc_without": round(metrics.auc(scores, tested.labels).value, 3),
        "exchanged": share(flagged - staying, flagged, min_cell=tested.min_cell),
    }


def ordinary(item: str, values: "pd.Series[Any]", tested: Tested) -> Any:
    """The value of the child in the middle, or the most common one."""
    feature = next(feature for feature in tested.model.features if feature.name == item)
    if feature.edges is not None and tested.dictionary[item].kind in NUMERIC:
        numbers = np.sort(pd.to_numeric(values, errors="coerce").dropna())
        return float(numbers[len(numbers) // 2]) if len(numbers) else None
    counts = values.dropna().value_counts()
    return min(counts[counts == counts.max()].index, key=str) if len(counts) else None


def spread(scores: metrics.Integers, alike: metrics.Integers) -> float:
    """The part of the scores' variance that goes when the items are alike for all."""
    variance = float(np.var(scores))
    return round(min(1.0, float(np.var(scores - alike)) / variance), 2) if variance else 0.0


def tells(tested: Tested) -> list[dict[str, Any]]:
    """
    How well the score alone tells who has a trait: 0.5 not at all, 1 always; whether the model uses it or not.

    An item that is left out of a model comes back through those that go with it.
    """
    wanted = dict.fromkeys((*tested.definition.poverty_items, *TRAITS))
    items = [item for item in wanted if tested.has(item) and tested.dictionary[item].kind == "flag"]
    rows = []
    for item in items:
        mask = says_yes(tested.held.part.frame[item])
        if min(int(mask.sum()), int((~mask).sum())) >= tested.min_cell:
            rows.append(
                {
                    "item": item,
                    "used": item in {feature.name for feature in tested.model.features},
                    "auc": metrics.auc(tested.scores, mask).to_json(),
                }
            )
    return rows
