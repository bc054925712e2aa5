"""What an evaluation and its model give away: on which data they stand, and the fewest children behind a number."""

from typing import Any

import numpy as np

from workbench.riskflag.part import Source
from workbench.riskflag.population import Considered
from workbench.riskflag.tested import Tested
from workbench.scoring import engine
from workbench.scoring.model import Model


def stands_on(source: Source) -> dict[str, Any]:
    """
    The release that both were made from. Figures on protected data are not those on real children.

    What is computed from an admitted release discloses no more of its children than the release did.
    """
    return {"release": source.name, "version": source.version, "protection": source.protection}


def disclosure(tested: Tested) -> dict[str, Any]:
    """The smallest cell of the tables, and of the model: rows that share one contribution; None below the least."""
    rows = smallest(tested.model, tested.learnt)
    return {
        "min_cell": tested.min_cell,
        "fewest_rows_behind_points": rows if rows >= tested.min_cell else None,
        "test_cells": min(
            (min(cell.positives, cell.children - cell.positives) for cell in tested.cells), default=None
        ),
    }


def smallest(model: Model, learnt: Considered) -> int:
    """The fewest training rows behind any points; levels with equal points are one."""
    contributions = engine.score(model, learnt.part.table(model.items)).contributions
    counts = [
        int(np.unique(column, return_counts=True)[1].min()) for column in contributions.T if len(column)
    ]
    return min(counts, default=len(learnt.labels))
