"""
What becomes of the flag when an office's data do not arrive: each office's items missing for everybody.

It happens every year (a system is replaced, a consent is not given), and a model that meets it in silence
flags other families than the ones it was tested on.
"""

from typing import Any

from workbench.riskflag import metrics
from workbench.riskflag.cells import share
from workbench.riskflag.tested import Tested
from workbench.scoring import engine


def absent(tested: Tested) -> list[dict[str, Any]]:
    """A row for each office whose items the model reads, in the order of its first item."""
    return [
        {"source": source, "items": items, **stressed(items, tested)} for source, items in offices(tested)
    ]


def offices(tested: Tested) -> list[tuple[str, list[str]]]:
    """The model's items by the office they come from; an item without one stands for itself."""
    found: dict[str, list[str]] = {}
    for item in tested.model.items:
        entry = tested.dictionary[item]
        found.setdefault(entry.holder or entry.label["ja"], []).append(item)
    return list(found.items())


def stressed(items: list[str], tested: Tested) -> dict[str, Any]:
    """AUC, share flagged and who stays flagged without these items; who is considered may hang on them too."""
    scored = tested.rescored(**dict.fromkeys(items))
    decides = [item for item in items if item in tested.definition.eligible]
    unseen = [
        feature.name
        for feature in tested.model.features
        if feature.name in items and feature.levels is not None and feature.unseen is None
    ]
    if decides:
        return {"nobody_considered": decides, "rejects_unseen": unseen, **NOTHING}
    flagged = engine.candidates(scored.scores, tested.model.threshold)
    # Above the threshold, whether or not there are places: an office without data fills the list with others.
    above = int((scored.scores >= tested.model.threshold.score).sum())
    total, before = len(flagged), int(tested.flagged.sum())
    return {
        "nobody_considered": [],
        "rejects_unseen": unseen,
        "auc": metrics.auc(scored.scores, tested.labels).to_json(),
        "above_threshold": share(above, total, min_cell=tested.min_cell),
        "staying": share(int((flagged & tested.flagged).sum()), before, min_cell=tested.min_cell),
    }


NOTHING = {"auc": None, "above_threshold": None, "staying": None}
