"""Every kind of draw hides what it says it hides, by its sizes and by its bits; known faults do not."""

import subprocess
import sys
from functools import cache

import numpy as np
import pytest

from workbench.privacy.dp import noise
from workbench.privacy.dp.audit.distinguisher import Pure, bound, bound_of_bits, bound_of_kinds
from workbench.privacy.dp.audit.primitives import TRIALS, tried
from workbench.privacy.dp.audit.recording import at_the_door
from workbench.privacy.dp.noise import Draw, Mechanism, draw

OUTPUTS, FEW = 100_000, 5_000
CHOICES = [trial for trial in TRIALS if trial.judged is bound_of_kinds]
# A key that one household brings shows by delta, not by epsilon: it has an attack of its own.
ONE_HOUSEHOLD = next(trial for trial in TRIALS if trial.name.endswith("one household"))
NUMBERS = [trial for trial in TRIALS if trial not in (*CHOICES, ONE_HOUSEHOLD)]


def test_every_kind_of_draw_has_a_trial():
    """A new kind of draw needs the two values that its noise must hide from each other."""
    assert {trial.mechanism.kind for trial in TRIALS} == set(Draw)


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.name)
def test_a_draw_gives_away_no_more_than_its_cost(trial):
    assert tried(trial, outputs=FEW).holds


@pytest.mark.slow
@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.name)
def test_a_draw_gives_away_no_more_than_its_cost_in_many_outputs(trial):
    assert tried(trial, outputs=OUTPUTS).holds


def less(share: float):
    """OpenDP draws with a part of the noise that the mechanism says."""

    @cache
    def built(mechanism):
        smaller = Mechanism(
            mechanism.kind, mechanism.scale * share, mechanism.sensitivity, mechanism.threshold
        )
        return noise.BUILT[mechanism.kind].measurement(smaller)

    return lambda mechanism, exact, _: built(mechanism)(exact)


@pytest.mark.slow
@pytest.mark.parametrize("trial", NUMBERS, ids=lambda trial: trial.name)
def test_attack_four_fifths_of_the_noise(trial):
    with at_the_door(less(0.8)):
        assert not tried(trial, outputs=OUTPUTS).holds


@pytest.mark.parametrize("trial", NUMBERS, ids=lambda trial: trial.name)
def test_attack_half_of_the_noise(trial):
    with at_the_door(less(0.5)):
        assert not tried(trial, outputs=FEW).holds


@pytest.mark.slow
@pytest.mark.parametrize("trial", CHOICES, ids=lambda trial: trial.name)
def test_attack_half_of_the_noise_of_a_choice(trial):
    """A choice takes a hundred times as long as a number; four fifths are left to the long form."""
    with at_the_door(less(0.5)):
        assert not tried(trial, outputs=OUTPUTS // 3).holds


def test_attack_no_noise():
    with at_the_door(lambda _, exact, __: exact):
        assert not tried(TRIALS[0], outputs=FEW).holds


def test_attack_a_threshold_too_low():
    """A key that one household brings is told more often than delta says."""

    def low(mechanism, exact, drawn):
        lower = Mechanism(mechanism.kind, mechanism.scale, mechanism.sensitivity, 6)
        return noise.BUILT[mechanism.kind].measurement(lower)(exact)

    with at_the_door(low):
        assert not tried(ONE_HOUSEHOLD, outputs=FEW).holds


def test_attack_a_fixed_seed_behind_the_door():
    """The same noise each time cancels: two answers differ by the exact difference."""

    def seeded(mechanism, exact, drawn):
        return draw(mechanism, exact, demonstration=b"seed")

    def release(ages: int) -> list[int]:
        with at_the_door(seeded):
            return [draw(Mechanism(Draw.LAPLACE, 3.0, 3), [ages])[0] for _ in range(1_000)]

    assert not bound(np.array(release(0)), np.array(release(3)), claim=Pure(1.0)).holds


def test_attack_the_last_bits_of_diffprivlib():
    """The test of bits works: a library whose noise is floating-point fails it, with the right sizes."""
    from diffprivlib.mechanisms import Laplace

    mechanism = Laplace(epsilon=1.0, sensitivity=1.0)
    here, there = (np.array([mechanism.randomise(x) for _ in range(20_000)]) for x in (0.0, 1.0))

    assert bound(here, there, claim=Pure(1.0)).holds
    assert bound_of_bits(here, there, claim=Pure(1.0)).found > 3


CHILD = """
import os
from workbench.privacy.dp.noise import Draw, Mechanism, draw
MECHANISM = Mechanism(Draw.LAPLACE, 1000.0, 1)
draw(MECHANISM, [0])
reader, writer = os.pipe()
for _ in range(2):
    if os.fork() == 0:
        os.write(writer, (str(draw(MECHANISM, [0] * 4)) + chr(10)).encode())
        os._exit(0)
    os.wait()
print(os.read(reader, 1000).decode())
"""


def test_attack_two_processes_share_their_noise():
    """Neither two that were started alike nor two forks of one that has drawn before."""
    told = [
        line
        for _ in range(2)
        for line in subprocess.run(
            [sys.executable, "-c", CHILD], capture_output=True, text=True
        ).stdout.split("\n")
        if line
    ]

    assert len(told) == 4
    assert len(set(told)) == 4
