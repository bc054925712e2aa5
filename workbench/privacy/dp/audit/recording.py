"""
Record the noise of a release on one table, replay it on a neighbour, and look for any other difference.

With every noisy value held fixed, a release on two tables that differ in one unit of privacy must go the
same way: the same draws with the same public parameters in the same order, exact values no further apart
than the sensitivity declared, and the same answer, refusal and charge at the end. What remains different
is told without noise. The comparison is exact: it needs no statistics, one run on each table is enough
(the idea of Re:cord-play, Cebere et al. 2026, Privacy in Theory, Bugs in Practice).
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from workbench.privacy.dp import noise
from workbench.privacy.dp.loss import Kind, Loss
from workbench.privacy.dp.noise import BUILT, Cost, Draw, Mechanism

# Sums and roots of floating-point numbers may err in their last places.
HAIR = 1 + 1e-9
# What a release is to whoever asked for it: an answer and its charge, or a refusal.
Outcome = Any
Release = Callable[[Any], Outcome]


class Fault(StrEnum):
    """What tells two neighbours apart, or costs more than was charged."""

    FLOW = "flow"  # one table makes more draws than the other
    MECHANISM = "mechanism"  # a draw's kind, scale, sensitivity or threshold depends on the table
    SHAPE = "shape"  # so does the number of values drawn for
    SENSITIVITY = "sensitivity"  # exact values further apart than declared
    OUTCOME = "outcome"  # something is told that did not pass through the noise
    COST = "cost"  # the draws cost more than was charged
    SEED = "seed"  # the same noise again and again
    UNANSWERED = "unanswered"  # it fails on an ordinary table, or charges not exactly once


@dataclass(frozen=True)
class Call:
    """One draw: its public mechanism, the exact value that it protected, what it told."""

    mechanism: Mechanism
    exact: Any
    told: Any

    @property
    def noise(self) -> tuple[int, ...]:
        """What was added to each number; nothing for a choice."""
        if isinstance(self.told, Mapping):
            return tuple(count - self.exact[key] for key, count in self.told.items())
        if isinstance(self.told, Sequence):
            return tuple(told - exact for told, exact in zip(self.told, self.exact, strict=True))
        return ()


@dataclass(frozen=True)
class Comparison:
    """
    What two neighbours showed: the faults, and how far the exact values were apart.

    `reached` is the largest distance as a share of the sensitivity declared. Where no neighbour comes near
    1 the comparison says little: either the sensitivity is generous or the neighbours are harmless.
    """

    faults: frozenset[Fault]
    reached: float
    draws: int
    spent: Cost


def compare(release: Release, here: Any, there: Any, *, charged: Loss | None = None) -> Comparison:
    """
    Release on `here`, then again on `there` with the noise of the first; what is different is a fault.

    With `charged`, what the draws cost at the distances found must be no more. Draws on rows that no two of
    them share may cost what one does; this holds them to it.
    """
    with at_the_door(Recorder()) as recorder:
        first = outcome(release, here)
    with at_the_door(Player(recorder.calls)) as player:
        second = outcome(release, there)
    faults = set(player.faults)
    if player.place != len(recorder.calls):
        faults.add(Fault.FLOW)
    if first != second:
        faults.add(Fault.OUTCOME)
    if charged is not None and not within(player.spent, charged):
        faults.add(Fault.COST)
    return Comparison(frozenset(faults), player.reached, len(recorder.calls), player.spent)


def noise_repeats(release: Release, table: Any, *, times: int = 8) -> bool:
    """
    Whether each of so many releases of the same table drew the very same noise: a seed.

    A choice among few has no noise to compare, and is left to the trials of its draw.
    """
    drawn = set()
    for _ in range(times):
        drawn.add(tuple(part for call in calls_of(release, table) for part in call.noise))
    return len(drawn) == 1 and any(drawn)


def calls_of(release: Release, table: Any) -> list[Call]:
    """The draws of a release, in order, up to its failure if it fails."""
    with at_the_door(Recorder()) as recorder:
        outcome(release, table)
    return recorder.calls


def outcome(release: Release, table: Any) -> Outcome:
    """What is told: the answer, or the kind and the words of a failure, which are an answer too."""
    try:
        return release(table)
    except OutOfStep:
        return OutOfStep
    except Exception as failure:
        words = (getattr(failure, language, str(failure)) for language in ("ja", "en"))
        return (type(failure), *words)


class Recorder:
    """Lets OpenDP draw, and keeps what went in and what came out."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def __call__(self, mechanism: Mechanism, exact: Any, drawn: Callable[[Any], Any]) -> Any:
        told = drawn(exact)
        self.calls.append(Call(mechanism, exact, told))
        return told


class OutOfStep(BaseException):
    """A draw that was not recorded: what it would tell is unknown, so the release cannot go on."""


class Player:
    """Answers each draw with what was told before, and notes what is different."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self.faults: set[Fault] = set()
        self.reached = 0.0
        self.spent = Cost()
        self.place = 0
        self._calls = calls
        self._measurement = noise.measurement

    def __call__(self, mechanism: Mechanism, exact: Any, drawn: Callable[[Any], Any]) -> Any:
        if self.place >= len(self._calls):
            self.faults.add(Fault.FLOW)
            raise OutOfStep
        call = self._calls[self.place]
        self.place += 1
        if mechanism != call.mechanism:
            self.faults.add(Fault.MECHANISM)
        if not isinstance(exact, Mapping) and len(exact) != len(call.exact):
            self.faults.add(Fault.SHAPE)
            raise OutOfStep
        apart = distance(mechanism.kind, call.exact, exact)
        self.reached = max(self.reached, apart / mechanism.sensitivity)
        # The square root in L2 may err in its last place; integers do not.
        if apart > mechanism.sensitivity * HAIR:
            self.faults.add(Fault.SENSITIVITY)
        self.spent = plus(self.spent, BUILT[mechanism.kind].cost(self._measurement(mechanism), apart))
        return call.told


def plus(one: Cost, other: Cost) -> Cost:
    return Cost(one.epsilon + other.epsilon, one.rho + other.rho, one.delta + other.delta)


def within(spent: Cost, charged: Loss) -> bool:
    """Whether a charge covers what was spent; epsilon-DP is epsilon²/2-zCDP (Bun and Steinke 2016, Prop. 1.4)."""
    if spent.delta > charged.delta * HAIR:
        return False
    if charged.kind is Kind.ZCDP:
        return spent.rho + spent.epsilon**2 / 2 <= charged.amount * HAIR
    return spent.rho == 0 and spent.epsilon <= charged.amount * HAIR


def distance(kind: Draw, here: Any, there: Any) -> float:
    """How far apart two exact values are, in the distance that the mechanism's sensitivity is in."""
    if isinstance(here, Mapping):
        keys = here.keys() | there.keys()
        apart = [abs(here.get(key, 0) - there.get(key, 0)) for key in keys]
    else:
        apart = [abs(a - b) for a, b in zip(here, there, strict=True)]
    return DISTANCES[kind](apart)


DISTANCES: Mapping[Draw, Callable[[list[int]], float]] = {
    Draw.LAPLACE: sum,
    Draw.GAUSSIAN: lambda apart: math.sqrt(sum(step * step for step in apart)),
    Draw.NOISY_MIN: lambda apart: max(apart, default=0),
    Draw.GUMBEL_MIN: lambda apart: max(apart, default=0),
    Draw.LAPLACE_THRESHOLD: sum,
}


Handler = TypeVar("Handler", bound=Callable[[Mechanism, Any, Callable[[Any], Any]], Any])


@contextmanager
def at_the_door(handler: Handler) -> Iterator[Handler]:
    """
    Let `handler` answer every draw of this process in place of OpenDP.

    It is given the mechanism, the exact value and OpenDP's draw. For audits, in a process that answers
    nobody: what the handler tells is not private.
    """
    built = noise.measurement

    def measurement(mechanism: Mechanism) -> Any:
        return Doorman(built(mechanism), lambda exact: handler(mechanism, exact, built(mechanism)))

    noise.measurement = measurement  # type: ignore[assignment]
    try:
        yield handler
    finally:
        noise.measurement = built


@dataclass(frozen=True)
class Doorman:
    """A measurement whose draw is answered by somebody else; its privacy map stays OpenDP's."""

    built: Any
    draw: Callable[[Any], Any]

    def __call__(self, exact: Any) -> Any:
        return self.draw(exact)

    @property
    def map(self) -> Any:
        return self.built.map
