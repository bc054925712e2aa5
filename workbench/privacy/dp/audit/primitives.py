"""
Every kind of draw, tried on the two exact values that its noise must hide from each other.

What a trial claims is read from the mechanism's own cost, as the price of a question is. A kind of draw
without a trial is found by the tests.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.privacy.dp import noise
from workbench.privacy.dp.audit.distinguisher import (
    CONFIDENCE,
    Array,
    Bound,
    Choice,
    Claim,
    Normal,
    Pure,
    bound,
    bound_of_bits,
    bound_of_kinds,
)
from workbench.privacy.dp.noise import Draw, Mechanism

# A key that is not told stands below every count.
UNTOLD = -(10**6)
# A draw by vector costs microseconds, a choice a third of a millisecond: it is tried less often.
OUTPUTS_PER_CHOICE = 10
# A choice among so many is where one score weighs most: it is unlikely by itself.
CANDIDATES = 150


@dataclass(frozen=True)
class Trial:
    """
    Two exact values as far apart as the mechanism allows, and how outputs are drawn for one of them.

    `sample(mechanism, exact, outputs)` returns one number for each of so many independent releases.
    """

    name: str
    mechanism: Mechanism
    here: Any
    there: Any
    sample: Callable[[Mechanism, Any, int], Array]
    judged: Callable[..., Bound] = bound

    @property
    def claim(self) -> Claim:
        return CLAIMS[self.mechanism.kind](self.mechanism.cost)


@dataclass(frozen=True)
class Verdict:
    """What the sizes of the outputs show, and what their bits do; None where outputs are no numbers."""

    trial: str
    sizes: Bound
    bits: Bound | None

    @property
    def holds(self) -> bool:
        return self.sizes.holds and (self.bits is None or self.bits.holds)


def tried(trial: Trial, *, outputs: int, confidence: float = CONFIDENCE) -> Verdict:
    """Draw `outputs` releases of each value and see what they give away."""
    here, there = (trial.sample(trial.mechanism, exact, outputs) for exact in (trial.here, trial.there))
    judge: dict[str, Any] = {"claim": trial.claim, "confidence": confidence}
    bits = None if trial.judged is bound_of_kinds else bound_of_bits(here, there, **judge)
    return Verdict(trial.name, trial.judged(here, there, **judge), bits)


def vector(mechanism: Mechanism, exact: int, outputs: int) -> Array:
    """Each place of a vector has noise of its own."""
    return np.array(noise.draw(mechanism, [exact] * outputs))


def keyed(mechanism: Mechanism, exact: int, outputs: int) -> Array:
    """Each key has noise of its own; a key with nothing under it is not there at all."""
    told = noise.draw(mechanism, {str(key): exact for key in range(outputs)} if exact else {})
    return np.array([told.get(str(key), UNTOLD) for key in range(outputs)])


def choice(mechanism: Mechanism, exact: list[int], outputs: int) -> Array:
    return np.array([noise.draw(mechanism, exact) for _ in range(max(1_000, outputs // OUTPUTS_PER_CHOICE))])


def moved(by: int) -> list[int]:
    """One candidate as much better as all others are worse."""
    return [-by, *[by] * (CANDIDATES - 1)]


CLAIMS: Mapping[Draw, Callable[[noise.Cost], Claim]] = {
    Draw.LAPLACE: lambda cost: Pure(cost.epsilon),
    Draw.GAUSSIAN: lambda cost: Normal(cost.rho),
    Draw.NOISY_MIN: lambda cost: Pure(cost.epsilon),
    Draw.GUMBEL_MIN: lambda cost: Choice(cost.rho),
    Draw.LAPLACE_THRESHOLD: lambda cost: Pure(cost.epsilon, cost.delta),
}

# Scales at which a noise of four fifths shows in a hundred thousand outputs.
TRIALS: tuple[Trial, ...] = (
    Trial("laplace", Mechanism(Draw.LAPLACE, 3.0, 3), 0, 3, vector),
    Trial("laplace, sensitivity 1", Mechanism(Draw.LAPLACE, 1.0, 1), 7, 6, vector),
    Trial("gaussian", Mechanism(Draw.GAUSSIAN, 3.0, 3), 0, 3, vector),
    Trial("noisy_min", Mechanism(Draw.NOISY_MIN, 2.0, 3), [0] * CANDIDATES, moved(3), choice, bound_of_kinds),
    Trial(
        "gumbel_min", Mechanism(Draw.GUMBEL_MIN, 2.0, 3), [0] * CANDIDATES, moved(3), choice, bound_of_kinds
    ),
    # The threshold is low, so that its delta is large enough to be seen.
    Trial("laplace_threshold, a key of many", Mechanism(Draw.LAPLACE_THRESHOLD, 3.0, 3, 12), 20, 23, keyed),
    Trial(
        "laplace_threshold, a key of one household",
        Mechanism(Draw.LAPLACE_THRESHOLD, 3.0, 3, 12),
        0,
        3,
        keyed,
    ),
)
