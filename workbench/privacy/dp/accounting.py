"""
What many releases cost together: losses composed into one (ε, δ), and how much of a budget is left.

Two bounds are kept side by side and either may hold a budget. *Basic*: the epsilons and the deltas add up.
*Concentrated*: every loss is taken as zCDP (ε-DP is ε²/2-zCDP), the rhos add up, and the sum is turned into
(ε, δ) by OpenDP. The first is the better one for a few dear releases, the second for many cheap ones.

Both hold when what is asked next depends on earlier answers: a sum held under a limit that was fixed
beforehand is a privacy filter (Rogers, Roth, Ullman, Vadhan, "Privacy odometers and filters" (2016), for the
first; Whitehouse, Ramdas, Rogers, Wu, "Fully-adaptive composition" (2023), for approximate zCDP). An adversary
may choose, by what was answered, under which of the two the year ends, and that costs δ a second time: a
budget's δ is shared out in thirds, one for the deltas under basic composition, one for those under the
other, one for the conversion from ρ. Orders or limits picked afterwards would not be valid, and are not used.
Sums are of whole numbers; what is rounded is rounded up.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from typing import Any

from workbench.privacy.dp.loss import FEMTO, MICRO, Kind, Loss

# A ρ taken alone becomes an ε at this δ, in 10⁻¹⁵: 10⁻⁸. A usual budget (δ 10⁻⁶) adds up 33 of them beside
# what is pure; more than that are cheap ones, for which the other bound is the better one.
CONVERTED = 10**7
# ρ in units of 1/(2·10¹²): the square of an ε in millionths is its ρ, exactly.
RHO_UNIT = 2 * 10**12

Losses = Mapping[Loss, int]


@dataclass(frozen=True)
class Budget:
    """An (ε, δ) that releases together must not exceed: millionths and 10⁻¹⁵."""

    micro: int
    femto: int = 0

    @property
    def third(self) -> int:
        return self.femto // 3


@dataclass(frozen=True)
class Total:
    """
    What losses come to together.

    `micro`: their composed ε, at the budget's δ. `naive`: the sum of their epsilons, each ρ taken alone.
    `femto`: the sum of their own deltas.
    """

    micro: int
    naive: int
    femto: int


def alone(loss: Loss) -> Budget:
    """
    The (ε, δ) of one loss by itself: a function of the loss and of nothing else.

    For zCDP: Bun and Steinke, "Concentrated differential privacy" (2016), sections 1 and 8.
    """
    if loss.kind is not Kind.ZCDP:
        return Budget(loss.micro, loss.femto)
    return Budget(epsilon_of(rho(loss), CONVERTED), loss.femto + CONVERTED)


def total(losses: Losses, budget: Budget) -> Total:
    """What `losses` come to, judged by whichever bound is the lower one and fits the budget's δ."""
    by_basic, by_rho = basic(losses), concentrated(losses)
    bounds = [by_basic.micro] if by_basic.femto <= budget.third else []
    if budget.third and by_rho.femto <= budget.third:
        bounds.append(epsilon_of(by_rho.micro, budget.third))
    # At a large δ the conversion of a small ρ is below the ε it was made of; no release costs less than itself.
    composed = max(min(bounds, default=by_basic.micro), largest(losses))
    return Total(composed, by_basic.micro, by_rho.femto)


def holds(budget: Budget, losses: Losses) -> bool:
    """Whether `losses` together are within the budget."""
    if largest(losses) > budget.micro:
        return False
    by_basic = basic(losses)
    if by_basic.micro <= budget.micro and by_basic.femto <= budget.third:
        return True
    by_rho = concentrated(losses)
    return by_rho.femto <= budget.third and by_rho.micro <= most_rho(budget)


def how_many_more(budget: Budget, losses: Losses, loss: Loss) -> int:
    """How many releases of `loss` the budget still holds."""
    if largest({loss: 1}) > budget.micro or largest(losses) > budget.micro:
        return 0
    return max(
        more(Budget(budget.micro, budget.third), basic(losses), basic({loss: 1})),
        more(Budget(most_rho(budget), budget.third), concentrated(losses), concentrated({loss: 1})),
    )


def left(budget: Budget, losses: Losses) -> int:
    """The largest pure ε, in millionths, that still fits."""
    if largest(losses) > budget.micro:
        return 0
    by_basic, by_rho = basic(losses), concentrated(losses)
    rests = [0]
    if by_basic.femto <= budget.third:
        rests.append(budget.micro - by_basic.micro)
    if by_rho.femto <= budget.third:
        rests.append(math.isqrt(max(most_rho(budget) - by_rho.micro, 0)))
    return min(max(rests), budget.micro)


# ------------------------------------------------------------------ the two bounds


def basic(losses: Losses) -> Budget:
    """The sums of ε and of δ (Dwork and Roth 2014, theorem 3.16)."""
    parts = [(alone(loss), times) for loss, times in losses.items()]
    return Budget(
        sum(part.micro * times for part, times in parts), sum(part.femto * times for part, times in parts)
    )


def concentrated(losses: Losses) -> Budget:
    """The sums of ρ, in `RHO_UNIT`, and of δ: Bun and Steinke 2016, lemma 1.7 and section 8."""
    return Budget(
        sum(rho(loss) * times for loss, times in losses.items()),
        sum(loss.femto * times for loss, times in losses.items()),
    )


def rho(loss: Loss) -> int:
    """The ρ of a loss, in `RHO_UNIT`, exactly: that of ε-DP is ε²/2 (Bun and Steinke 2016, proposition 1.4)."""
    return loss.micro * (RHO_UNIT // MICRO) if loss.kind is Kind.ZCDP else loss.micro**2


def largest(losses: Losses) -> int:
    """The largest ε that was promised as one."""
    return max(
        (loss.micro for loss, times in losses.items() if times and loss.kind is not Kind.ZCDP), default=0
    )


def more(limit: Budget, spent: Budget, each: Budget) -> int:
    """How often `each` fits between what is spent and the limit."""
    if spent.micro > limit.micro or spent.femto > limit.femto:
        return 0
    by_amount = (limit.micro - spent.micro) // each.micro
    return by_amount if each.femto == 0 else min(by_amount, (limit.femto - spent.femto) // each.femto)


@cache
def most_rho(budget: Budget) -> int:
    """The largest ρ, in `RHO_UNIT`, that costs no more than the budget's ε at a third of its δ."""
    if budget.third == 0:
        return 0
    # An ε is never below its ρ, so the budget's own ε bounds the search.
    low, high = 0, budget.micro * (RHO_UNIT // MICRO)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if epsilon_of(middle, budget.third) <= budget.micro else (low, middle - 1)
    return low


@lru_cache(maxsize=4096)
def epsilon_of(units: int, femto: int) -> int:
    """
    The ε, in millionths, of a ρ in `RHO_UNIT` at a δ in 10⁻¹⁵; rounded up.

    Canonne, Kamath, Steinke, "The discrete Gaussian for differential privacy" (2020), proposition 12, as OpenDP
    computes it.
    """
    if units == 0:
        return 0
    exact = Fraction(units, RHO_UNIT)
    amount = float(exact)
    if Fraction(amount) < exact:
        amount = math.nextafter(amount, math.inf)
    epsilon = converter().map(amount).epsilon(delta_of(femto))
    return math.ceil(Fraction(epsilon) * MICRO)


def delta_of(femto: int) -> float:
    """The greatest float that is not above this δ."""
    delta = femto / FEMTO
    return delta if Fraction(delta) <= Fraction(femto, FEMTO) else math.nextafter(delta, 0)


@cache
def converter() -> Any:
    """OpenDP's conversion from ρ to (ε, δ), around a mechanism that releases nothing."""
    import opendp.prelude as dp

    dp.enable_features("contrib", "honest-but-curious")
    nothing = dp.m.make_user_measurement(
        dp.atom_domain(T=bool),
        dp.absolute_distance(T=float),
        dp.zero_concentrated_divergence(),
        lambda _: False,
        lambda rho: rho,
    )
    return dp.c.make_zCDP_to_approxDP(nothing)
