"""
An audit from one run: many planted records, each in or out by the toss of a coin, and a guess for each.

Steinke, Nasr and Jagielski (2023), Privacy auditing with one (1) training run, Theorem 5.2. A mechanism
is run once, on the records that came in; who guesses from its output which did is right no more often
than a differentially private mechanism allows.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.privacy.dp.audit.distinguisher import CONFIDENCE, Array


@dataclass(frozen=True)
class Guesses:
    """Of `planted` records, `made` were guessed (in or out), `right` of them rightly."""

    planted: int
    made: int
    right: int


def coins(planted: int, *, generator: np.random.Generator) -> Array:
    """Which planted records come in."""
    return generator.random(planted) < 0.5


def guessed(scores: Array, came_in: Array, *, made: int) -> Guesses:
    """The highest scores are guessed to be in, the lowest out, `made` in all; the rest is left open."""
    order = np.argsort(scores, kind="stable")
    out, into = order[: made // 2], order[len(order) - made // 2 :]
    right = int(np.sum(~came_in[out])) + int(np.sum(came_in[into]))
    return Guesses(planted=len(scores), made=2 * (made // 2), right=right)


def chance_of(guesses: Guesses, *, epsilon: float, delta: float) -> float:
    """How likely so many right guesses are, at the most, where (epsilon, delta) holds (Theorem 5.2)."""
    from scipy.stats import binom

    one = 1 / (1 + np.exp(-epsilon))
    tails: Any = binom.sf(np.arange(guesses.right - 1, -2, -1), guesses.made, one)
    steps = np.arange(1, len(tails))
    steepest = float(np.max((tails[1:] - tails[0]) / steps, initial=0.0))
    return min(1.0, float(tails[0]) + 2 * guesses.planted * delta * steepest)


def epsilon_at_least(guesses: Guesses, *, delta: float = 0.0, confidence: float = CONFIDENCE) -> float:
    """The largest epsilon that the guesses rule out, at this confidence; 0 when they rule out none."""
    low, high = 0.0, 20.0
    if chance_of(guesses, epsilon=0.0, delta=delta) > 1 - confidence:
        return 0.0
    for _ in range(40):
        middle = (low + high) / 2
        if chance_of(guesses, epsilon=middle, delta=delta) <= 1 - confidence:
            low = middle
        else:
            high = middle
    return low
