"""
Drawing with rates one can change.

Everything that happens to a person is a score (what raises it, plus noise) above a bar. A rate of the
parameter file is met by solving for the bar, so a user changes a rate and never an intercept. The bar
that bisection would approach is an order statistic of the scores, and is taken directly.
"""

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import ndtr

from workbench.population.params import Params

Array = np.ndarray


class Draw:
    """Random numbers by the name of what they are for, and the parameters."""

    def __init__(self, *, seed: int, params: Params) -> None:
        self.seed = seed
        self.params = params

    def __getitem__(self, name: str) -> Any:
        return self.params[name]

    def rng(self, purpose: str) -> np.random.Generator:
        """A stream of its own for each purpose: switching one noise off leaves every other draw alone."""
        return np.random.default_rng([self.seed, zlib.crc32(purpose.encode())])


def persistent(rng: np.random.Generator, *, shape: tuple[int, int], stays: float) -> Array:
    """
    Logistic noise per (person, year) whose normal scores correlate by `stays` between any two years.
    """
    normal = np.sqrt(stays) * rng.standard_normal((shape[0], 1)) + np.sqrt(1 - stays) * rng.standard_normal(
        shape
    )
    uniform = np.clip(ndtr(normal), 1e-9, 1 - 1e-9)
    return np.log(uniform / (1 - uniform))


def bar(score: Array, *, share: float, weights: Array | None = None) -> float:
    """The bar that `share` of the weight lies above."""
    score = np.asarray(score, dtype=float).ravel()
    if share <= 0 or not len(score):
        return np.inf
    if share >= 1:
        return -np.inf
    if weights is None:
        return middle(score, above=int(np.floor(share * len(score) + 0.5)))
    order = np.argsort(-score, kind="stable")
    weight = np.asarray(weights, dtype=float).ravel()
    above = np.append(0, np.cumsum(weight[order]))
    cut = int(np.argmin(np.abs(above - share * above[-1])))
    return middle(score, above=cut)


def middle(score: Array, *, above: int) -> float:
    """Half-way between the `above`-th highest score and the next."""
    if above == 0 or above == len(score):
        return float(score.max() + 1 if above == 0 else score.min() - 1)
    place = len(score) - above
    parted = np.partition(score, [place - 1, place])
    return float((parted[place - 1] + parted[place]) / 2)


def happens(
    score: Array, *, share: float | Mapping[int, float], among: Array, group: Array | None = None
) -> Array:
    """
    Where the score passes its bar, among those at risk; with a group array, a share for each group.

    Groups without a share do not happen.
    """
    happened = np.zeros(score.shape, dtype=bool)
    if isinstance(share, Mapping):
        cells = [(among & (group == key), rate) for key, rate in share.items()]
    else:
        cells = [(among, share)]
    for cell, rate in cells:
        happened[cell] = score[cell] > bar(score[cell], share=float(rate))
    return happened


def choose(rng: np.random.Generator, shares: Mapping[Any, float], *, size: int) -> Array:
    """Values drawn by their shares (which need not add up to one)."""
    weights = np.array(list(shares.values()), dtype=float)
    edges = np.cumsum(weights / weights.sum())
    return np.array(list(shares), dtype=object)[np.searchsorted(edges, rng.random(size) * edges[-1])]


def between(rng: np.random.Generator, low: Array, high: Array) -> Array:
    """A whole number at random in [low, high); `low` where the interval is empty."""
    low, high = np.asarray(low), np.asarray(high)
    return low + np.floor(rng.random(low.shape) * np.maximum(high - low, 0)).astype(np.int64)


def spread(rng: np.random.Generator, total: Array, *, weights: Array) -> Array:
    """Whole counts over the last axis of `weights`, each row adding to its total."""
    return rng.multinomial(total, weights / weights.sum(axis=-1, keepdims=True))
