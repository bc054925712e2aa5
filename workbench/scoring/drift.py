"""
How far a batch has moved from the table the model was trained on, item by item.

The index is a measure, not a verdict: who opens the room says from which value on a batch is looked at.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from workbench.scoring import plain_json
from workbench.scoring.engine import Integers
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
    return shares_of(feature, counted(feature, places))


def counted(feature: Feature, places: Integers) -> Integers:
    """The rows at each point of a feature, then those unseen and those missing; counts of two tables add up."""
    width = len(feature.places) + 2
    # Places -2 and -1 wrap to the last two.
    return np.bincount(places % width, minlength=width)


def shares_of(feature: Feature, counts: Integers) -> dict[str, float]:
    names = [*feature.places, "(unseen)", "(missing)"]
    rows = max(int(counts.sum()), 1)
    return {name: float(count / rows) for name, count in zip(names, counts, strict=True)}


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


def indices(model: Model, counts: Sequence[Integers], *, reference: Mapping[str, Shares]) -> dict[str, float]:
    """The stability index of every feature the reference knows, to four decimals; `counts` in their order."""
    return {
        feature.name: round(stability_index(reference[feature.name], shares_of(feature, found)), 4)
        for feature, found in zip(model.features, counts, strict=True)
        if feature.name in reference
    }


def by_chance(expected: Shares, rows: int) -> float:
    """
    What a batch of `rows` that has not moved exceeds once in a thousand: a small batch moves by itself.

    Times its rows the index is a chi-squared of one less than its levels (Yurdakul, "Statistical properties
    of the population stability index", 2018), here by the approximation of Wilson and Hilferty (1931).
    """
    freedom = max(len(expected) - 1, 1)
    spread = 2 / (9 * freedom)
    return float(freedom * (1 - spread + Z999 * spread**0.5) ** 3 / max(rows, 1))


# An empty level weighs as a share of FLOOR; in fewer rows than this that is an accident and no shift.
LEAST_ROWS = 200
Z999 = 3.090232306167813


def moved(
    found: Mapping[str, float], *, reference: Mapping[str, Shares], rows: int, limit: float
) -> list[str]:
    """The items whose index is above `limit` and above what chance does; none in a batch of few rows."""
    if rows < LEAST_ROWS:
        return []
    return [item for item, index in found.items() if index > max(limit, by_chance(reference[item], rows))]
