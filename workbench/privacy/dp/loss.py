"""
What one release costs: a privacy loss as a value, in whole units, never less than what was promised.

Three kinds are known: pure differential privacy (ε), zero-concentrated (ρ) and approximate (ε, δ). ε and ρ
are whole millionths; δ is in whole units of 10⁻¹⁵ (`FEMTO`), fine enough for any δ in use and still exact in
JSON. Amounts are rounded up, so that a ledger of losses errs on the side of the children.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any

from workbench.errors import Unusable

MICRO = 1_000_000
FEMTO = 10**15
# A release of ε 1,000 protects nobody; a larger number is a mistake of unit, or an attempt to overflow.
MOST_MICRO = 1_000 * MICRO

Amount = int | float | Fraction


class Kind(StrEnum):
    PURE = "pure"
    ZCDP = "zcdp"
    APPROXIMATE = "approximate"


@dataclass(frozen=True)
class Loss:
    """
    The privacy loss of one release, for the unit of privacy (a household).

    `micro` is ε for pure and approximate, ρ for zCDP, in millionths. `femto` is δ in 10⁻¹⁵: zero for pure,
    above zero for approximate; with zCDP it makes δ-approximate zCDP (Bun and Steinke 2016, definition 8.1).
    Make one with `pure`, `zcdp` or `approximate`. Raises Unusable for what is no loss.
    """

    kind: Kind
    micro: int
    femto: int = 0

    def __post_init__(self) -> None:
        whole = all(type(number) is int for number in (self.micro, self.femto))
        if not (
            isinstance(self.kind, Kind)
            and whole
            and 0 < self.micro <= MOST_MICRO
            and 0 <= self.femto < FEMTO
            and DELTA[self.kind](self.femto)
        ):
            raise no_loss()

    @classmethod
    def pure(cls, epsilon: Amount) -> "Loss":
        """ε-differential privacy."""
        return cls(Kind.PURE, whole(epsilon, MICRO))

    @classmethod
    def zcdp(cls, rho: Amount, delta: Amount = 0) -> "Loss":
        """ρ-zCDP, or δ-approximate ρ-zCDP."""
        return cls(Kind.ZCDP, whole(rho, MICRO), whole(delta, FEMTO))

    @classmethod
    def approximate(cls, epsilon: Amount, delta: Amount) -> "Loss":
        """(ε, δ)-differential privacy, δ above zero."""
        return cls(Kind.APPROXIMATE, whole(epsilon, MICRO), whole(delta, FEMTO))

    @classmethod
    def from_json(cls, found: Any) -> "Loss":
        """The loss that `to_json` wrote. Raises Unusable for anything else."""
        if not isinstance(found, Mapping) or set(found) != {"kind", "micro", "femto"}:
            raise no_loss()
        if found["kind"] not in list(Kind):
            raise no_loss()
        return cls(Kind(found["kind"]), found["micro"], found["femto"])

    def to_json(self) -> dict[str, Any]:
        """Whole numbers only, each below 2⁵³: exact for every reader."""
        return {"kind": str(self.kind), "micro": self.micro, "femto": self.femto}

    @property
    def amount(self) -> float:
        """ε or ρ as people read it. To calibrate noise use `at_most`."""
        return self.micro / MICRO

    @property
    def delta(self) -> float:
        """δ as people read it."""
        return self.femto / FEMTO

    @property
    def at_most(self) -> float:
        """The greatest float that is not above ε or ρ: noise calibrated with it costs no more than this loss."""
        return not_above(Fraction(self.micro, MICRO))


DELTA = {
    Kind.PURE: lambda femto: femto == 0,
    Kind.ZCDP: lambda femto: femto >= 0,
    Kind.APPROXIMATE: lambda femto: femto > 0,
}


def whole(amount: Amount, unit: int) -> int:
    """
    `amount` in units of 1/`unit`, rounded up. Raises Unusable for what is not finite or no number.

    A float is read as the shortest decimal that names it: 0.1 is what its writer meant by it, and not the
    binary fraction just above, which would cost a millionth more.
    """
    if isinstance(amount, bool) or not isinstance(amount, int | float | Fraction):
        raise no_loss()
    if not 0 <= amount <= MOST_MICRO:  # false for what is no number, too
        raise no_loss()
    exact = Fraction(Decimal(repr(float(amount)))) if isinstance(amount, float) else Fraction(amount)
    return math.ceil(exact * unit)


def not_above(exact: Fraction) -> float:
    nearest = float(exact)
    return nearest if Fraction(nearest) <= exact else math.nextafter(nearest, -math.inf)


def no_loss() -> Unusable:
    return Unusable(
        ja="プライバシー損失の値が正しくありません。epsilon・rho は0より大きく1000以下、delta は0以上1未満の有限の数で指定してください。",
        en="This is no privacy loss: epsilon and rho are finite numbers above 0 and up to 1,000, and delta is at least 0 and below 1.",
    )
