"""
The outcome as a record: how often it was recorded, and where offices look.

Many outcomes exist only where somebody wrote them down. A flag that learns from such records can end up
finding the watched and not the needy, so the rate among children whom an office sees already stands beside
the rate among the others (Fogliato, Chouldechova and G'Sell, "Fairness evaluation in presence of biased
noisy labels", 2020, on why error rates alone cannot show it).
"""

from typing import Any

import numpy as np
import pandas as pd

from workbench.riskflag import metrics
from workbench.riskflag.metrics import Labels
from workbench.riskflag.population import Considered
from workbench.riskflag.tested import Tested
from workbench.scoring.recode import spelled

# A "yes" in any of these says that an office is in touch with the child or the family.
SERVICES = ("registered", "consulted", "reported", "welfare", "disability", "spa", "school_aid")


def services(tested: Tested) -> list[str]:
    """The items by which offices know a child already: the definition's own, else those of the dataset."""
    if tested.definition.known is not None:
        return [tested.definition.known] if tested.has(tested.definition.known) else []
    return [item for item in SERVICES if tested.has(item)]


def seen(tested: Tested) -> Labels | None:
    """The children some office knows already; None where the dataset cannot tell."""
    items = services(tested)
    if not items:
        return None
    columns = [says_yes(tested.held.part.frame[item]) for item in items]
    return np.asarray(np.logical_or.reduce(columns), dtype=bool)


def says_yes(values: "pd.Series[Any]") -> Labels:
    return np.asarray(values.map(spelled, na_action="ignore") == "yes", dtype=bool)


def base_rates(tested: Tested) -> dict[str, Any]:
    """How often the outcome was recorded in training (earlier years) and in the test part (the last year)."""
    return {"train": rate(tested.learnt), "test": rate(tested.held)}


def rate(among: Considered) -> dict[str, float]:
    return metrics.wilson(int(among.labels.sum()), len(among.labels)).to_json()


def surveillance(tested: Tested) -> dict[str, Any] | None:
    """Recorded and expected outcomes among children seen already and among the others; None with too few."""
    mask = seen(tested)
    if mask is None:
        return None
    sides = {name: side(tested, of) for name, of in (("seen", mask), ("unseen", ~mask))}
    if any(one is None for one in sides.values()):
        return None
    rates = [float(tested.labels[of].mean()) for of in (mask, ~mask)]
    return {"items": services(tested), **sides, "times_as_often": round(rates[0] / rates[1], 2)}


def side(tested: Tested, mask: Labels) -> dict[str, Any] | None:
    positives, children = int(tested.labels[mask].sum()), int(mask.sum())
    if min(positives, children - positives) < tested.min_cell:
        return None
    return {
        "children": children,
        "rate": metrics.wilson(positives, children).to_json(),
        "observed_to_expected": metrics.observed_to_expected(
            tested.labels[mask], tested.expected[mask]
        ).to_json(),
    }
