"""
Noise: OpenDP's discrete Laplace mechanism for a vector of counts.

OpenDP builds the measurement and proves its privacy map; the check below is on that map, not on a formula
of ours. It draws from the operating system and takes no seed. A home created as a demonstration hands in
bytes of its own, and only then is the draw replaced, by one of the same scale.
"""

import hashlib
import math
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np


@cache
def opendp() -> Any:
    """OpenDP's prelude, its vetted constructors enabled."""
    import opendp.prelude as dp

    dp.enable_features("contrib")
    return dp


def scale(*, sensitivity: int, epsilon: float) -> float:
    """The Laplace scale at which an L1 sensitivity costs at most `epsilon` (Dwork et al. 2006, Prop. 1)."""
    return sensitivity / epsilon


def measurement(*, sensitivity: int, epsilon: float) -> Any:
    """The measurement for a vector of integer counts; its privacy map is held against `epsilon`."""
    dp = opendp()
    built = dp.m.make_laplace(
        dp.vector_domain(dp.atom_domain(T=int)),
        dp.l1_distance(T=int),
        scale=scale(sensitivity=sensitivity, epsilon=epsilon),
    )
    # One unit in the last place of slack: the map rounds upwards.
    if built.map(sensitivity) > epsilon * (1 + 1e-12):
        raise AssertionError("the privacy map of the measurement exceeds its epsilon")
    return built


def margin(laplace_scale: float, *, confidence: float = 0.95) -> float:
    """With this confidence a noisy count is no further than this from the count itself."""
    return float(opendp().discrete_laplacian_scale_to_accuracy(scale=laplace_scale, alpha=1 - confidence))


def noisy(
    counts: "np.ndarray[Any, Any]", *, sensitivity: int, epsilon: float, demonstration: bytes | None = None
) -> list[int]:
    """
    `counts` with discrete Laplace noise for a neighbour that changes them by `sensitivity` in L1.

    `demonstration` replaces OpenDP's draw by one from these bytes; never pass it in a real home.
    """
    whole = [int(count) for count in counts]
    release = measurement(sensitivity=sensitivity, epsilon=epsilon)
    if demonstration is None:
        return list(release(whole))
    draws = seeded(demonstration, laplace_scale=scale(sensitivity=sensitivity, epsilon=epsilon))
    return [count + next(draws) for count in whole]


def seeded(source: bytes, *, laplace_scale: float) -> Iterator[int]:
    """Discrete Laplace draws (the difference of two geometric ones) from a seed: for demonstrations only."""
    generator = np.random.default_rng(int.from_bytes(hashlib.sha256(source).digest(), "big"))
    chance = -math.expm1(-1 / laplace_scale)
    while True:
        up, down = generator.geometric(chance, size=2)
        yield int(up - down)
