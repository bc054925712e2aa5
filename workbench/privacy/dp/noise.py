"""
Noise: one door through which every private number leaves, and the OpenDP measurements behind it.

A `Mechanism` is public: a distribution, its scale, and the sensitivity that it was built for. OpenDP builds
the measurement and proves its privacy map; what a mechanism costs is read from that map, never from a
formula of ours. Exact values are integers, so noise and outputs lie on a public grid and no low-order bits
of a floating-point number can tell one table from another (Mironov, CCS 2012).

`draw` is the only function of the workbench that sees exact values and returns what may be told. OpenDP
draws from the operating system and takes no seed. A home created as a demonstration hands in bytes of its
own, and only then is the draw replaced, by one of the same distribution.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np

from workbench.errors import Unusable

# Exact values beyond this are clamped to it. Clamping brings no two tables further apart, and without it a
# sum too large for OpenDP's 64-bit integers would end in an error, which is an answer.
FURTHEST = 2**61
# A scale beyond this is noise that drowns everything, and nears the integers' end.
LARGEST_SCALE = 2.0**50


class Draw(StrEnum):
    """What is drawn, and from what: the kind of exact value and the distance its sensitivity is in."""

    LAPLACE = "laplace"  # a vector of integers; L1 distance
    GAUSSIAN = "gaussian"  # a vector of integers; L2 distance
    NOISY_MIN = "noisy_min"  # a vector of scores, the place of the lowest; L-infinity distance
    GUMBEL_MIN = "gumbel_min"  # the same, its loss counted in zCDP
    LAPLACE_THRESHOLD = "laplace_threshold"  # counts of keys nobody listed; at most so many rows in all


@dataclass(frozen=True)
class Mechanism:
    """
    How a value is made noisy: public, a function of the question alone.

    `sensitivity` is the furthest that one unit of privacy can move the exact value, in the distance of its
    kind. `threshold` belongs to LAPLACE_THRESHOLD: a key whose noisy count is below it is not told.
    """

    kind: Draw
    scale: float
    sensitivity: float
    threshold: int | None = None

    def __post_init__(self) -> None:
        if not (0 < self.scale <= LARGEST_SCALE and self.sensitivity > 0):
            raise Unusable(
                ja="この質問の雑音が計算できる範囲を超えます。epsilon を大きくしてください。",
                en="The noise for this question is beyond what can be computed; ask with a larger epsilon.",
            )

    @property
    def cost(self) -> "Cost":
        """What one draw costs, from the measurement's privacy map."""
        return BUILT[self.kind].cost(measurement(self), self.sensitivity)


@dataclass(frozen=True)
class Cost:
    """What a measurement's privacy map says: pure epsilon, or rho of zCDP, and a delta."""

    epsilon: float = 0.0
    rho: float = 0.0
    delta: float = 0.0


def draw(
    mechanism: Mechanism,
    exact: Sequence[int] | Mapping[str, int],
    *,
    demonstration: bytes | None = None,
) -> Any:
    """
    The noisy value of `exact`: every number that leaves the coordinating body's room passes here.

    LAPLACE and GAUSSIAN take and return a list of integers; NOISY_MIN and GUMBEL_MIN take scores and return
    the place of one of the lowest; LAPLACE_THRESHOLD takes and returns a mapping of keys to counts, sorted by key.

    What may depend on the data is `exact` alone, by no more than `mechanism.sensitivity` for one unit of
    privacy: whoever records the calls made for two neighbouring tables must find the same mechanisms, in
    the same order, for vectors of the same length.

    `demonstration` replaces OpenDP's draw by one from these bytes; never pass it in a real home.
    """
    whole = clamped(exact)
    if demonstration is not None:
        return BUILT[mechanism.kind].seeded(mechanism, whole, generator_of(demonstration))
    released = measurement(mechanism)(whole)
    return dict(sorted(released.items())) if isinstance(released, dict) else released


def clamped(exact: Sequence[int] | Mapping[str, int]) -> Any:
    """Plain integers within OpenDP's range."""
    if isinstance(exact, Mapping):
        return {key: clamp(value) for key, value in exact.items()}
    return [clamp(value) for value in exact]


def clamp(value: int) -> int:
    return max(-FURTHEST, min(FURTHEST, int(value)))


@cache
def opendp() -> Any:
    """OpenDP's prelude, its vetted constructors enabled."""
    import opendp.prelude as dp

    dp.enable_features("contrib")
    return dp


@cache
def measurement(mechanism: Mechanism) -> Any:
    """OpenDP's measurement for a mechanism."""
    return BUILT[mechanism.kind].measurement(mechanism)


class Laplace:
    """Discrete Laplace noise on each integer (Ghosh, Roughgarden and Sundararajan, STOC 2009)."""

    @staticmethod
    def measurement(mechanism: Mechanism) -> Any:
        dp = opendp()
        domain = dp.vector_domain(dp.atom_domain(T="i64"))
        return dp.m.make_laplace(domain, dp.l1_distance(T="i64"), scale=mechanism.scale)

    @staticmethod
    def cost(built: Any, sensitivity: float) -> Cost:
        return Cost(epsilon=built.map(math.ceil(sensitivity)))

    @staticmethod
    def seeded(mechanism: Mechanism, exact: list[int], generator: np.random.Generator) -> list[int]:
        return [value + noise for value, noise in zip(exact, laplace(mechanism, generator), strict=False)]


class Gaussian:
    """Discrete Gaussian noise on each integer (Canonne, Kamath and Steinke, NeurIPS 2020)."""

    @staticmethod
    def measurement(mechanism: Mechanism) -> Any:
        dp = opendp()
        domain = dp.vector_domain(dp.atom_domain(T="i64"))
        return dp.m.make_gaussian(domain, dp.l2_distance(T=float), scale=mechanism.scale)

    @staticmethod
    def cost(built: Any, sensitivity: float) -> Cost:
        return Cost(rho=built.map(float(sensitivity)))

    @staticmethod
    def seeded(mechanism: Mechanism, exact: list[int], generator: np.random.Generator) -> list[int]:
        # A rounded normal draw: not the discrete Gaussian to the last digit, and not private.
        drawn = np.rint(generator.normal(0.0, mechanism.scale, size=len(exact)))
        return [value + int(noise) for value, noise in zip(exact, drawn, strict=True)]


class NoisyMin:
    """The place of a low score, by permute-and-flip (McKenna and Sheldon, NeurIPS 2020)."""

    @staticmethod
    def measurement(mechanism: Mechanism) -> Any:
        dp = opendp()
        domain = dp.vector_domain(dp.atom_domain(T="i64"))
        return dp.m.make_noisy_max(
            domain, dp.linf_distance(T="i64"), dp.max_divergence(), scale=mechanism.scale, negate=True
        )

    @staticmethod
    def cost(built: Any, sensitivity: float) -> Cost:
        return Cost(epsilon=built.map(math.ceil(sensitivity)))

    @staticmethod
    def seeded(mechanism: Mechanism, exact: list[int], generator: np.random.Generator) -> int:
        noise = generator.exponential(mechanism.scale, size=len(exact))
        return int(np.argmin(np.array(exact, dtype=np.float64) - noise))


class GumbelMin:
    """The place of a low score, by the exponential mechanism, whose zCDP loss is an eighth of epsilon squared."""

    @staticmethod
    def measurement(mechanism: Mechanism) -> Any:
        dp = opendp()
        domain = dp.vector_domain(dp.atom_domain(T="i64"))
        measure = dp.zero_concentrated_divergence()
        return dp.m.make_noisy_max(
            domain, dp.linf_distance(T="i64"), measure, scale=mechanism.scale, negate=True
        )

    @staticmethod
    def cost(built: Any, sensitivity: float) -> Cost:
        return Cost(rho=built.map(math.ceil(sensitivity)))

    @staticmethod
    def seeded(mechanism: Mechanism, exact: list[int], generator: np.random.Generator) -> int:
        noise = generator.gumbel(scale=mechanism.scale, size=len(exact))
        return int(np.argmin(np.array(exact, dtype=np.float64) - noise))


class LaplaceThreshold:
    """
    Counts of keys that no list names, those below a threshold left out.

    A key that one household alone brings is told with a chance of at most delta (Rogers 2023).
    """

    @staticmethod
    def measurement(mechanism: Mechanism) -> Any:
        dp = opendp()
        return dp.m.make_laplace_threshold(
            dp.map_domain(dp.atom_domain(T=str), dp.atom_domain(T="i64")),
            dp.l01inf_distance(dp.absolute_distance(T="i64")),
            scale=mechanism.scale,
            threshold=mechanism.threshold,
        )

    @staticmethod
    def cost(built: Any, sensitivity: float) -> Cost:
        # So many rows may stand under as many keys, or all of them under one.
        rows = math.ceil(sensitivity)
        epsilon, delta = built.map((rows, rows, rows))
        return Cost(epsilon=epsilon, delta=delta)

    @staticmethod
    def seeded(mechanism: Mechanism, exact: dict[str, int], generator: np.random.Generator) -> dict[str, int]:
        noisy = zip(sorted(exact.items()), laplace(mechanism, generator), strict=False)
        told = ((key, count + noise) for (key, count), noise in noisy)
        return {key: count for key, count in told if count >= (mechanism.threshold or 0)}


BUILT: Mapping[Draw, Any] = {
    Draw.LAPLACE: Laplace,
    Draw.GAUSSIAN: Gaussian,
    Draw.NOISY_MIN: NoisyMin,
    Draw.GUMBEL_MIN: GumbelMin,
    Draw.LAPLACE_THRESHOLD: LaplaceThreshold,
}


def generator_of(source: bytes) -> np.random.Generator:
    """A generator from a demonstration's bytes."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(source).digest(), "big"))


def laplace(mechanism: Mechanism, generator: np.random.Generator) -> Iterator[int]:
    """Discrete Laplace draws, the difference of two geometric ones: for demonstrations only."""
    chance = -math.expm1(-1 / mechanism.scale)
    while True:
        up, down = generator.geometric(chance, size=2)
        yield int(up - down)


def scale_for(*, sensitivity: int, epsilon: float) -> float:
    """
    The Laplace scale at which an L1 sensitivity costs at most `epsilon` (Dwork et al. 2006, Prop. 1).

    Rounded upwards: sensitivity / scale is at most epsilon exactly, and not but for the last digit.
    """
    found = sensitivity / epsilon
    while Fraction(sensitivity) > Fraction(epsilon) * Fraction(found):
        found = math.nextafter(found, math.inf)
    return found


def counting(*, sensitivity: int, epsilon: float) -> Mechanism:
    """
    Discrete Laplace noise for a vector of integers; its privacy map is held against `epsilon`.

    Raises Unusable where the noise would be beyond computing.
    """
    built = Mechanism(
        Draw.LAPLACE, scale_for(sensitivity=sensitivity, epsilon=epsilon), sensitivity=sensitivity
    )
    if built.cost.epsilon > epsilon:
        raise AssertionError("the privacy map of the measurement exceeds its epsilon")
    return built


def margin(laplace_scale: float, *, confidence: float = 0.95) -> float:
    """With this confidence a noisy count is no further than this from the count itself."""
    return float(opendp().discrete_laplacian_scale_to_accuracy(scale=laplace_scale, alpha=1 - confidence))
