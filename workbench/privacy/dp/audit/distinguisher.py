"""
A lower bound on what a mechanism really gives away, from nothing but its outputs on two neighbours.

An event is learnt on the first half of the outputs and counted on the second, so that the choice of the
event cannot flatter the bound (StatDP, Ding et al. 2018; DP-Sniper, Bichsel et al. 2021). Clopper-Pearson
intervals turn the counts into a bound that holds with the confidence asked for. It never proves a
mechanism right; a bound above the claim proves it wrong.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.errors import Unusable

Array = np.ndarray[Any, Any]

CONFIDENCE = 0.999
# Outputs are told apart by the interval they fall in; finer ones hold too few outputs to be counted on.
INTERVALS = 64
# Past these a double's last bit, or its size, tells nothing more about the noise.
FINEST, COARSEST = -70, 2


@dataclass(frozen=True)
class Pure:
    """Output by output, no more than `epsilon` (and `delta`): epsilon-DP, or (epsilon, delta)-DP."""

    epsilon: float
    delta: float = 0.0
    name: str = "epsilon"

    def given_away(self, near: float, far: float) -> float:
        """The least epsilon at which an event has chance `near` here and `far` on the neighbour."""
        if near <= self.delta:
            return 0.0
        return max(0.0, math.log((near - self.delta) / far)) if far > 0 else math.inf

    @property
    def claimed(self) -> float:
        return self.epsilon


@dataclass(frozen=True)
class Normal:
    """
    Noise from a (discrete) normal distribution that costs at most `rho` (Bun and Steinke 2016, Prop. 1.6).

    Two shifted normal distributions are told apart best by a threshold, so two chances give the shift
    (Dong, Roth and Su 2022, Gaussian differential privacy): a much sharper test than any epsilon.
    """

    rho: float
    name: str = "rho"

    def given_away(self, near: float, far: float) -> float:
        """The least rho at which an event has chance `near` here and `far` on the neighbour."""
        from scipy.special import ndtri

        return max(0.0, float(ndtri(near) - ndtri(far))) ** 2 / 2

    @property
    def claimed(self) -> float:
        return self.rho


@dataclass(frozen=True)
class Choice:
    """
    A choice by the exponential mechanism that costs at most `rho`.

    Its outputs are within a range of epsilon of each other, which costs an eighth of its square (Cesar and
    Rogers 2021, Bounding, concentrating, and truncating, Lemma 3.2); so epsilon is what chances can show.
    """

    rho: float
    name: str = "rho"

    def given_away(self, near: float, far: float) -> float:
        """The least rho at which a choice has chance `near` here and `far` on the neighbour."""
        return Pure(0.0).given_away(near, far) ** 2 / 8

    @property
    def claimed(self) -> float:
        return self.rho


Claim = Pure | Normal | Choice


@dataclass(frozen=True)
class Bound:
    """At least `found` is given away, where `claim` was promised; how many outputs say so."""

    claim: Claim
    found: float
    outputs: int

    @property
    def holds(self) -> bool:
        """Whether the claim stands. False is a proof at the confidence asked for; True is none."""
        return self.found <= self.claim.claimed


def bound(here: Array, there: Array, *, claim: Claim, confidence: float = CONFIDENCE) -> Bound:
    """
    What outputs on a table and on its neighbour (one number each) show to be given away.

    Either table may be the likelier; the first half decides which. Raises Unusable for too few outputs.
    """
    return judged(*told_apart(here, there), claim=claim, confidence=confidence)


def bound_of_bits(here: Array, there: Array, *, claim: Claim, confidence: float = CONFIDENCE) -> Bound:
    """
    The same, looking at the last bits of the doubles instead of their size.

    Noise added in floating point leaves sums that one table can make and its neighbour cannot (Mironov
    2012, On significance of the least significant bits for differential privacy).
    """
    return judged(grain(here), grain(there), claim=claim, confidence=confidence)


def bound_of_kinds(here: Array, there: Array, *, claim: Claim, confidence: float = CONFIDENCE) -> Bound:
    """The same for outputs that are categories, numbered from 0."""
    return judged(np.asarray(here), np.asarray(there), claim=claim, confidence=confidence)


def judged(here: Array, there: Array, *, claim: Claim, confidence: float) -> Bound:
    """The bound for outputs sorted into numbered kinds."""
    if min(len(here), len(there)) < 1_000:
        raise Unusable(
            ja="差を見分けるには、それぞれ 1,000 以上の出力が必要です。標本数を増やしてください。",
            en="Telling outputs apart needs at least 1,000 of each; ask for more samples.",
        )
    kinds = int(max(here.max(), there.max())) + 1
    (learn_here, held_here), (learn_there, held_there) = (halves(here, kinds), halves(there, kinds))
    best = max(
        (
            (given_away(near, far, event, claim=claim, confidence=confidence), swapped, event)
            for swapped, near, far in ((False, learn_here, learn_there), (True, learn_there, learn_here))
            for event in events(near, far)
        ),
        key=lambda candidate: candidate[0],
    )
    near, far = (held_there, held_here) if best[1] else (held_here, held_there)
    found = given_away(near, far, best[2], claim=claim, confidence=confidence)
    return Bound(claim, found, len(here) + len(there))


def told_apart(here: Array, there: Array) -> tuple[Array, Array]:
    """The interval each output falls in; the intervals are equally full in the halves to learn from."""
    here, there = np.asarray(here, dtype=float), np.asarray(there, dtype=float)
    learnt = np.concatenate([here[: len(here) // 2], there[: len(there) // 2]])
    edges = np.unique(np.quantile(learnt, np.linspace(0, 1, INTERVALS + 1)[1:-1], method="lower"))
    return np.searchsorted(edges, here), np.searchsorted(edges, there)


def grain(outputs: Array) -> Array:
    """A number for each output: which power of two it is a multiple of, and how large it is."""
    outputs = np.asarray(outputs, dtype=np.float64)
    fraction, exponent = np.frexp(outputs)
    whole = np.abs(np.ldexp(fraction, 53)).astype(np.int64)
    lowest = np.where(whole == 0, 1, whole & -whole)
    last = np.clip(exponent - 53 + np.log2(lowest).astype(np.int64), FINEST, COARSEST) - FINEST
    size = np.clip(np.where(whole == 0, FINEST, exponent), -8, COARSEST) + 8
    return np.asarray(last * (COARSEST + 9) + size)


def halves(kinds: Array, number: int) -> tuple[Array, Array]:
    """How often each kind occurs in the first and in the second half."""
    middle = len(kinds) // 2
    first, second = np.split(kinds, [middle])
    return np.bincount(first, minlength=number), np.bincount(second, minlength=number)


def events(near: Array, far: Array) -> list[Array]:
    """Sets of kinds to try: the most telling kinds, one more each time."""
    seen = np.flatnonzero(near + far)
    order = seen[np.argsort(-(near[seen] + 1) / (far[seen] + 1), kind="stable")]
    return [order[: size + 1] for size in range(len(order))]


def given_away(near: Array, far: Array, event: Array, *, claim: Claim, confidence: float) -> float:
    """What counts of an event show: its chance here at the least, there at the most."""
    doubt = (1 - confidence) / 2
    least = at_least(int(near[event].sum()), int(near.sum()), doubt=doubt)
    return claim.given_away(least, at_most(int(far[event].sum()), int(far.sum()), doubt=doubt))


def at_least(hits: int, of: int, *, doubt: float) -> float:
    """Clopper and Pearson's lower end: the chance is smaller with probability `doubt` at most."""
    from scipy.special import betaincinv

    return 0.0 if hits == 0 else float(betaincinv(hits, of - hits + 1, doubt))


def at_most(hits: int, of: int, *, doubt: float) -> float:
    """Clopper and Pearson's upper end."""
    from scipy.special import betaincinv

    return 1.0 if hits == of else float(betaincinv(hits + 1, of - hits, 1 - doubt))
