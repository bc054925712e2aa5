"""
The recipe of a release, in two parts.

The public part says how values were generalised: whoever uses the release, or scores with a model trained
on it, needs it. The secret part says which rows were suppressed: with it a reader could tell who is rare,
so it stays in the coordinating body's room (Rules of the Personal Information Protection Commission,
article 35, on information about the method of processing).
"""

from typing import Any

import numpy as np

from workbench.privacy.anonymity.search import Anonymised

PUBLIC = "workbench-recipe-public/1"
KEPT_IN_ROOM = "workbench-recipe-secret/1"


def public(result: Anonymised) -> dict[str, Any]:
    """What may be read by everyone who reads the release."""
    return {
        "schema": PUBLIC,
        "recode": dict(result.spec),
        "levels": {
            item: {"level": level, "of": result.heights[item]} for item, level in result.levels.items()
        },
        "criteria": {
            "k_children": result.criteria.k,
            "k_households": None if result.classes.households is None else result.criteria.households,
            "sensitive": {
                item: {"distinct_l": wanted.distinct_l, "max_confidence": wanted.max_confidence}
                for item, wanted in result.criteria.sensitive.items()
            },
        },
        "limits": {"overall": result.limits.overall, "subgroup": result.limits.subgroup},
    }


def secret(result: Anonymised) -> dict[str, Any]:
    """What stays in the room: the places of the suppressed rows in the table that came in, and how many of whom."""
    return {
        "schema": KEPT_IN_ROOM,
        "rows": len(result.kept),
        "suppressed_rows": [int(place) for place in np.flatnonzero(~result.kept)],
        "suppressed": {name: {"rows": s.rows, "of": s.of} for name, s in result.suppressed.items()},
    }
