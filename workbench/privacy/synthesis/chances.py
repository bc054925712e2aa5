"""
The arithmetic of an attack and its control: what success is left when luck and common knowledge are taken off.

An attack that succeeds as often on children the table never held has learnt the population, not a child.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.riskflag.metrics import Interval, wilson

Hits = np.ndarray[Any, np.dtype[np.bool_]]

# Below this many attacks the interval of an honest table is wider than any limit in use.
LEAST_ATTACKS = 100


@dataclass(frozen=True)
class Risk:
    """
    Success of an attack on children of the source and on the control; the excess, with its 95 % limits.

    `risk` = (attack - control) / (1 - control), Giomi et al., PoPETs 2023. Not `evaluable`: too few attacks
    were possible, or the control succeeds so often that nothing could be left; this is never a pass.
    """

    name: str
    attack: float
    control: float
    risk: float
    lower: float
    upper: float
    attacks: int
    evaluable: bool = True

    def to_json(self) -> dict[str, Any]:
        return {
            name: float(round(value, 4)) if isinstance(value, float) else value
            for name, value in vars(self).items()
        }


def judged(name: str, attack: Hits, control: Hits) -> Risk:
    """
    The risk of two sets of tries, with limits from Wilson's.

    The excess is 1 minus a ratio of two shares of failure; its limits follow from those of the shares by
    the method of variance estimates recovery (Donner and Zou, "Closed-form confidence intervals for
    functions of the normal mean and standard deviation", 2012, for ratios).
    """
    if not min(len(attack), len(control)):
        return not_evaluable(name, attacks=0)
    found = excess(attack, control)
    tries = min(len(attack), len(control))
    return limited(
        name, float(attack.mean()), float(control.mean()), lower=found.low, upper=found.high, attacks=tries
    )


def excess(attack: Hits, control: Hits) -> Interval:
    """What success is left when the control's is taken off, with its 95 % limits, all within 0 and 1."""
    failed = [wilson(int((~hits).sum()), len(hits)) for hits in (attack, control)]
    low, high = (min(1.0, max(0.0, 1 - ratio)) for ratio in reversed(ratio_limits(*failed)))
    value = 1 - failed[0].value / failed[1].value if failed[1].value else 0.0
    return Interval(min(max(value, low), high), low, high)


def judged_against(name: str, attack: Hits, *, control: float) -> Risk:
    """The same where the control's chance is known and not tried."""
    if not len(attack) or control >= 1:
        return not_evaluable(name, attacks=len(attack))
    failed = wilson(int((~attack).sum()), len(attack))
    return limited(
        name,
        float(attack.mean()),
        control,
        lower=1 - failed.high / (1 - control),
        upper=1 - failed.low / (1 - control),
        attacks=len(attack),
    )


def not_evaluable(name: str, *, attacks: int) -> Risk:
    """What could not be measured may be anything: its upper limit is 1."""
    return Risk(name, 0.0, 0.0, 0.0, 0.0, 1.0, attacks, evaluable=False)


def limited(name: str, attack: float, control: float, *, lower: float, upper: float, attacks: int) -> Risk:
    """The risk within 0 and 1. Where it is not evaluable its lower limit still counts, and its upper is 1."""
    lower, upper = (min(1.0, max(0.0, bound)) for bound in (lower, upper))
    evaluable = attacks >= LEAST_ATTACKS and upper - lower <= WIDEST
    upper = upper if evaluable else 1.0
    risk = 0.0 if attack <= control else (attack - control) / (1 - control)
    return Risk(name, attack, control, min(max(risk, lower), upper), lower, upper, attacks, evaluable)


# An interval wider than this is no measurement.
WIDEST = 0.5


def ratio_limits(one: Interval, other: Interval) -> tuple[float, float]:
    """The 95 % limits of one share over another, each with its own; (0, inf) where the other may be nothing."""
    product = one.value * other.value
    low = high = math.nan
    if (weight := other.high * (2 * other.value - other.high)) > 0:
        inner = product**2 - one.low * other.high * (2 * one.value - one.low) * (2 * other.value - other.high)
        low = (product - math.sqrt(max(inner, 0.0))) / weight
    if (weight := other.low * (2 * other.value - other.low)) > 0:
        inner = product**2 - one.high * other.low * (2 * one.value - one.high) * (2 * other.value - other.low)
        high = (product + math.sqrt(max(inner, 0.0))) / weight
    return (0.0 if math.isnan(low) else max(low, 0.0)), (math.inf if math.isnan(high) else high)
