"""Each way of telling two tables apart without noise is found by replaying the noise of one on the other."""

import numpy as np
import pytest

from workbench.errors import Refused
from workbench.privacy.dp import noise
from workbench.privacy.dp.audit.recording import Fault, compare, noise_repeats
from workbench.privacy.dp.loss import Loss
from workbench.privacy.dp.noise import Draw, Mechanism, draw

# Tables are ages; a neighbour has one more. Ages are clipped to 0 to 18.
HERE, THERE = [3, 5, 7, 11], [3, 5, 7, 11, 90]
MOST = 18
ONE = Loss.pure(1)
NOISE = Mechanism(Draw.LAPLACE, scale=18.0, sensitivity=MOST)
COUNTING = Mechanism(Draw.LAPLACE, scale=1.0, sensitivity=1)


def clipped(ages):
    return [min(max(age, 0), MOST) for age in ages]


def total(ages):
    return draw(NOISE, [sum(clipped(ages))])


def faults(release, *, charged=ONE):
    return compare(release, HERE, THERE, charged=charged).faults


def test_a_right_release_has_no_fault_and_uses_its_whole_sensitivity():
    found = compare(total, HERE, THERE, charged=ONE)

    assert not found.faults
    assert (found.reached, found.draws, found.spent.epsilon) == (1.0, 1, 1.0)


def test_attack_a_forgotten_clip():
    assert faults(lambda ages: draw(NOISE, [sum(ages)])) == {Fault.SENSITIVITY, Fault.COST}


def test_attack_a_sensitivity_read_off_the_data():
    """The sum is no further apart than its sensitivity says, and that is what tells the tables apart."""

    def release(ages):
        return draw(Mechanism(Draw.LAPLACE, scale=float(max(ages)), sensitivity=max(ages)), [sum(ages)])

    assert Fault.MECHANISM in faults(release)


def test_attack_a_draw_only_where_there_is_something_to_hide():
    def release(ages):
        return total(ages) if max(ages) < 20 else total(ages) + draw(COUNTING, [0])

    assert Fault.FLOW in faults(release)
    assert Fault.FLOW in compare(release, THERE, HERE).faults


def test_attack_cells_read_off_the_data():
    def release(ages):
        return draw(COUNTING, [1] * len(set(ages)))

    assert Fault.SHAPE in faults(release)


@pytest.mark.parametrize(
    "release",
    [
        lambda ages: (total(ages), len(ages)),
        lambda ages: (total(ages), max(ages) > 20),
        lambda ages: {"total": total(ages), **({"old": True} if max(ages) > 20 else {})},
    ],
    ids=["an exact count", "an exact answer to a question", "a name only one table has"],
)
def test_attack_something_told_beside_the_noise(release):
    assert faults(release) == {Fault.OUTCOME}


def test_attack_an_error_as_an_answer():
    def refuses(ages):
        total(ages)
        if max(ages) > 20:
            raise Refused(ja="年齢が範囲外です", en="an age is out of range")

    def quotes(ages):
        total(ages)
        raise ValueError(f"cannot convert {ages[-1]}")

    assert faults(refuses) == faults(quotes) == {Fault.OUTCOME}


def test_the_same_error_on_both_tables_tells_nothing():
    def fails(ages):
        total(ages)
        raise ValueError("there is no answer")

    assert not faults(fails)


def test_attack_noise_of_ones_own_beside_the_door():
    assert Fault.OUTCOME in faults(lambda ages: sum(clipped(ages)) + np.random.default_rng().laplace(0, MOST))


def test_attack_the_same_question_twice_for_one_price():
    found = compare(lambda ages: [total(ages), total(ages)], HERE, THERE, charged=ONE)

    assert found.faults == {Fault.COST}
    assert found.spent.epsilon == 2.0


def test_attack_groups_said_to_share_no_rows_that_do():
    """Two draws for the price of one: right where a household is in one of them, wrong where it is in both."""

    def apart(ages):
        return [
            draw(COUNTING, [sum(age < 9 for age in ages)]),
            draw(COUNTING, [sum(age >= 9 for age in ages)]),
        ]

    def overlapping(ages):
        return [
            draw(COUNTING, [sum(age >= 5 for age in ages)]),
            draw(COUNTING, [sum(age >= 9 for age in ages)]),
        ]

    assert not faults(apart)
    assert faults(overlapping) == {Fault.COST}


def test_attack_a_charge_of_another_kind():
    """A normal draw has no pure epsilon, whatever its rho; a threshold needs its delta."""
    normal = Mechanism(Draw.GAUSSIAN, scale=1.0, sensitivity=1)
    keys = Mechanism(Draw.LAPLACE_THRESHOLD, scale=1.0, sensitivity=1, threshold=10)

    assert faults(lambda ages: draw(normal, [len(ages)])) == {Fault.COST}
    assert not faults(lambda ages: draw(normal, [len(ages)]), charged=Loss.zcdp(0.5))
    assert faults(lambda ages: draw(keys, {str(age): 1 for age in ages})) == {Fault.COST}
    assert not faults(
        lambda ages: draw(keys, {str(age): 1 for age in ages}), charged=Loss.approximate(1, 1e-3)
    )


@pytest.mark.parametrize(
    ("kind", "exact"),
    [
        (Draw.LAPLACE, lambda ages: [len(ages), -len(ages)]),
        (Draw.GAUSSIAN, lambda ages: [len(ages), len(ages)]),
        (Draw.NOISY_MIN, lambda ages: [0, 2 * len(ages)]),
        (Draw.GUMBEL_MIN, lambda ages: [2 * len(ages), 0]),
        (Draw.LAPLACE_THRESHOLD, lambda ages: {"a": len(ages), "b": len(ages)}),
    ],
)
def test_each_draw_is_measured_in_its_own_distance(kind, exact):
    """Each moves by more than 1 in the distance of its kind."""
    mechanism = Mechanism(kind, 5.0, 1, threshold=10 if kind is Draw.LAPLACE_THRESHOLD else None)

    assert compare(lambda ages: draw(mechanism, exact(ages)), HERE, THERE).faults == {Fault.SENSITIVITY}


def test_every_draw_has_a_distance():
    from workbench.privacy.dp.audit.recording import DISTANCES

    assert set(DISTANCES) == set(Draw)


def test_attack_a_seed():
    def seeded(ages):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(noise, "draw", lambda m, exact: draw(m, exact, demonstration=b"seed"))
            return noise.draw(NOISE, [sum(clipped(ages))])

    # A draw from given bytes goes past the door: nothing is recorded, and the answers differ by the exact value.
    assert Fault.OUTCOME in faults(seeded)


def test_attack_a_seed_behind_the_door(monkeypatch):
    """The library itself repeats its noise: two releases of one table would be the same."""
    built = noise.measurement(NOISE)
    monkeypatch.setattr(noise, "measurement", lambda _: Seeded(built))

    assert noise_repeats(total, HERE)


def test_noise_that_does_not_repeat_is_not_accused():
    assert not noise_repeats(total, HERE)


class Seeded:
    """A measurement that always draws the same noise."""

    def __init__(self, built) -> None:
        self.map = built.map

    def __call__(self, exact):
        return [
            value + int(n)
            for value, n in zip(exact, np.random.default_rng(1).integers(-9, 9, len(exact)), strict=True)
        ]
