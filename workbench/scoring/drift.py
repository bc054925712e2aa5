"""
How far a batch has moved from the table the model was trained on, item by item.

The index is a measure, not a verdict: who opens the room says from which value on a batch is looked at.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from workbench.scoring import plain_json
from workbench.scoring.engine import Integers, Scored
from workbench.scoring.model import Feature, Model

Shares = Mapping[str, float]

# A share below one in ten thousand counts as that: an empty level gives a large number instead of none.
FLOOR = 0.0001


def read_reference(evaluation: bytes) -> Mapping[str, Shares]:
    """The shares of each feature's points in training, as the bundle's evaluation states them."""
    data = plain_json.read(evaluation, name="evaluation.json")
    reference = data.get("reference") if isinstance(data, dict) else None
    if not isinstance(reference, dict) or not all(is_shares(levels) for levels in reference.values()):
        raise plain_json.refused(
            "evaluation.json", ja="参照分布を含んでいません", en="holds no reference shares"
        )
    return reference


def is_shares(levels: Any) -> bool:
    return isinstance(levels, dict) and all(
        type(share) in (int, float) and 0 <= share <= 1 for share in levels.values()
    )


def shares(feature: Feature, places: Integers) -> dict[str, float]:
    """The share of rows at each point of a feature, with what is unseen or missing at the end."""
    names = [*feature.places, "(unseen)", "(missing)"]
    # Places -2 and -1 wrap to the last two names.
    counts = np.bincount(places % len(names), minlength=len(names))
    return {name: float(count / max(len(places), 1)) for name, count in zip(names, counts, strict=True)}


def stability_index(expected: Shares, found: Shares) -> float:
    """
    Population stability index between two sets of shares; 0 when they agree.

    The sum of (found - expected) * ln(found / expected) over the levels. `expected` may pool levels it
    could not show under "(other)"; they are compared as one.
    """
    pooled = {name: share for name, share in found.items() if name in expected}
    if "(other)" in expected:
        pooled["(other)"] = sum(share for name, share in found.items() if name not in expected)
    else:
        pooled |= {name: share for name, share in found.items() if name not in expected}
    before = np.array([max(expected.get(name, 0.0), FLOOR) for name in pooled])
    now = np.array([max(share, FLOOR) for share in pooled.values()])
    return float(np.sum((now - before) * np.log(now / before)))


def indices(model: Model, scored: Scored, *, reference: Mapping[str, Shares]) -> dict[str, float]:
    """The stability index of every feature the reference knows, to four decimals."""
    return {
        feature.name: round(
            stability_index(reference[feature.name], shares(feature, scored.places[:, column])), 4
        )
        for column, feature in enumerate(model.features)
        if feature.name in reference
    }
