"""
Would another draw of children have flagged the same ones? The model is fitted again on resampled rows.

Each refit draws as many training rows with replacement, from a generator with a fixed seed, and goes the
whole way: intervals, fit, compile, threshold. Rows are drawn and not families, for a released part names no
family: the true spread is somewhat wider. A model trained under differential privacy is not fitted again,
for each refit would spend the budget anew.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from workbench.errors import WorkbenchError
from workbench.riskflag.cells import share
from workbench.riskflag.define import Definition
from workbench.riskflag.estimators import rebuilt
from workbench.riskflag.part import Part
from workbench.riskflag.tested import Tested
from workbench.riskflag.train import train
from workbench.scoring import engine
from workbench.scoring.model import Model

REFITS = 20
# A flag that stands in four refits of five is called stable.
OFTEN = 0.8

# What a record of training may turn out to be when it is tried: another's words, after all.
UNFIT = (WorkbenchError, TypeError, ValueError, KeyError)

Refit = Callable[[Part], Model]


def refit_as(definition: Definition, training: Mapping[str, Any]) -> Refit | None:
    """How to fit again what `training` records; None for a model that cannot be."""
    if training.get("guarantee") is not None:
        return None

    def refit(part: Part) -> Model:
        model, _ = train(
            definition,
            part,
            rebuilt(training["estimator"], training["parameters"]),
            features=training["features"],
            edges=training["edges"],
            min_cell=training["min_cell"],
            seed=training["seed"],
        )
        return model

    return refit


def stability(tested: Tested, *, refit: Refit | None, refits: int) -> dict[str, Any] | None:
    """How many of the flagged children most refits flag too; None where nothing was fitted again."""
    if refit is None or refits < 1:
        return None
    train = lean(tested)
    times, done = np.zeros(len(tested.scores), dtype=np.int64), 0
    for seed in range(refits):
        again = drawn(train, seed=seed, refit=refit)
        if again is not None:
            times += flags(again, tested)
            done += 1
    if not done:
        return {"refits": 0, "asked": refits, "often": None, "seldom": None, "strip": []}
    flagged = int(tested.flagged.sum())
    often = int((times[tested.flagged] >= OFTEN * done).sum())
    # Children who are not flagged now and would be in half of the refits or more.
    others = int((times[~tested.flagged] >= 0.5 * done).sum())
    return {
        "refits": done,
        "asked": refits,
        "often": share(often, flagged, min_cell=tested.min_cell),
        "others": share(others, len(times) - flagged, min_cell=tested.min_cell),
        "strip": strip(np.sort(times[tested.flagged])[::-1] / done, min_cell=tested.min_cell),
    }


def lean(tested: Tested) -> Part:
    """The training rows that count, in the columns a fit reads; words are coded once and not for each draw."""
    part, definition = tested.learnt.part, tested.definition
    wanted = dict.fromkeys([*tested.model.items, *definition.conditions, definition.target])
    frame = part.frame[list(wanted)]
    words = {name: "category" for name in frame if frame[name].dtype == object}
    return replace(part, frame=frame.astype(words))


def drawn(train: Part, *, seed: int, refit: Refit) -> Model | None:
    """The model of one draw; None where the draw could not be fitted."""
    rows = np.random.default_rng(seed).integers(0, len(train), len(train))
    part = replace(train, frame=train.frame.take(rows).reset_index(drop=True))
    try:
        return refit(part)
    except UNFIT:
        return None


def flags(model: Model, tested: Tested) -> Any:
    scored = engine.score(model, tested.held.part.table(model.items))
    return engine.candidates(scored.scores, model.threshold) & ~scored.rejected


def strip(shares: Any, *, min_cell: int) -> list[float]:
    """The flagged children from the steadiest down, in up to twenty equal groups: the mean share of refits of each."""
    groups = min(20, len(shares) // min_cell)
    return [round(float(group.mean()), 2) for group in np.array_split(shares, groups)] if groups else []
