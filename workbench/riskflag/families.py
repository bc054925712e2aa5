"""
Visits in families: brothers and sisters share a door.

Only a room that knows the households can count this; a released part names none. Families are told out of a
hundred and to the whole family, so that no count of children can be taken from a count of families.
"""

from typing import Any

import numpy as np
import pandas as pd

from workbench.riskflag.define import Definition
from workbench.riskflag.part import Part
from workbench.riskflag.tested import Tested, tested
from workbench.scoring.model import Model

# A column that no release has.
HOUSEHOLD = "\0household"


def counted(
    model: Model, definition: Definition, *, train: Part, test: Part, homes: "pd.Series[Any]", min_cell: int
) -> dict[str, Any]:
    """
    Of a hundred families visited those with the target in a flagged child; of a hundred with the target those missed.

    `homes` is the household of each row of `test`. None for each where few families are behind it.
    """
    marked = Part(**{**vars(test), "frame": test.frame.assign(**{HOUSEHOLD: homes.to_numpy()})})
    return of_100(tested(model, definition, train=train, test=marked, min_cell=min_cell))


def of_100(on: Tested) -> dict[str, Any]:
    rows = pd.DataFrame(
        {
            "home": on.held.part.frame[HOUSEHOLD],
            "flagged": on.flagged,
            "hit": on.flagged & on.labels,
            "target": on.labels,
        }
    )
    homes = rows.groupby("home").any()
    visited, found = int(homes["flagged"].sum()), int(homes["hit"].sum())
    missed = int((homes["target"] & ~homes["flagged"]).sum())
    enough = min(found, visited - found, missed) >= on.min_cell
    return {
        "found_of_100": round(100 * found / visited) if enough else None,
        "missed_of_100": round(100 * missed / int(homes["target"].sum())) if enough else None,
        "visits_for_100_children": round(100 * visited / int(np.sum(on.flagged))) if enough else None,
    }
