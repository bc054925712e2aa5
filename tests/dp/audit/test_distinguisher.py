"""The distinguisher never accuses the right noise, and catches noise that is too small, fixed, or leaks by its bits."""

import math

import numpy as np
import pytest

from workbench.errors import Unusable
from workbench.privacy.dp.audit.distinguisher import (
    Normal,
    Pure,
    at_least,
    at_most,
    bound,
    bound_of_bits,
    bound_of_kinds,
)

OUTPUTS = 100_000


def laplace(scale: float, *, outputs: int = OUTPUTS, seed: int = 0):
    r = np.random.default_rng(seed)
    return r.laplace(0, scale, outputs), r.laplace(1, scale, outputs)


def normal(deviation: float, *, seed: int = 0):
    r = np.random.default_rng(seed)
    return r.normal(0, deviation, OUTPUTS), r.normal(1, deviation, OUTPUTS)


@pytest.mark.parametrize("seed", range(5))
def test_the_right_noise_is_not_accused_and_the_bound_is_close(seed):
    found = bound(*laplace(1.0, seed=seed), claim=Pure(1.0))

    assert found.holds
    assert found.found > 0.85


@pytest.mark.parametrize("seed", range(5))
def test_noise_a_fifth_too_small_is_caught(seed):
    assert not bound(*laplace(0.8, seed=seed), claim=Pure(1.0)).holds
    assert not bound(*normal(0.8, seed=seed), claim=Normal(0.5)).holds


@pytest.mark.parametrize("seed", range(5))
def test_normal_noise_is_measured_by_its_shift(seed):
    """rho = 1/2 at a deviation of 1: an epsilon at a small delta would show a third of that."""
    found = bound(*normal(1.0, seed=seed), claim=Normal(0.5))

    assert found.holds
    assert found.found > 0.42


def test_it_does_not_matter_which_table_is_the_likelier():
    here, there = laplace(0.8)

    assert not bound(there, here, claim=Pure(1.0)).holds


def test_a_delta_forgives_as_much_as_it_says():
    """An output that one table makes once in a hundred times and its neighbour never."""
    here, there = np.zeros(OUTPUTS), np.zeros(OUTPUTS)
    here[::100] = 1

    assert not bound(here, there, claim=Pure(1.0)).holds
    assert bound(here, there, claim=Pure(1.0, delta=0.02)).holds


def test_no_noise_at_all_is_caught():
    assert not bound(np.zeros(OUTPUTS), np.ones(OUTPUTS), claim=Pure(1.0)).holds


def test_a_rare_category_that_only_one_table_has_is_caught():
    r = np.random.default_rng(0)
    here, there = r.integers(0, 4, OUTPUTS), r.integers(0, 3, OUTPUTS)

    assert not bound_of_kinds(here, there, claim=Pure(1.0)).holds
    assert bound_of_kinds(there, there[::-1], claim=Pure(0.1)).holds


def test_attack_the_last_bits_of_noise_in_floating_point():
    """The sizes are right and the bits tell the tables apart (Mironov 2012)."""
    here, there = laplace(1.0)

    assert bound(here, there, claim=Pure(1.0)).holds
    assert bound_of_bits(here, there, claim=Pure(1.0)).found > 6


@pytest.mark.parametrize("grid", [1.0, 2.0**-40])
def test_noise_on_a_public_grid_has_no_bits_to_tell(grid):
    """What is rounded to a grid of which the data's difference is a multiple passes."""
    here, there = (np.round(x / grid) * grid for x in laplace(1.0))

    assert bound_of_bits(here, there, claim=Pure(1.0)).holds


def test_the_choice_of_the_event_does_not_flatter_the_bound():
    """The same outputs under another name, many kinds, few of each: nothing is found in nothing."""
    r = np.random.default_rng(1)
    pairs = [r.integers(0, 500, (2, 2_000)) for _ in range(50)]

    assert sum(not bound_of_kinds(*pair, claim=Pure(0.001)).holds for pair in pairs) <= 1


@pytest.mark.parametrize(("hits", "of"), [(0, 10), (1, 10), (5, 10), (10, 10), (37, 5_000)])
def test_the_intervals_are_those_of_clopper_and_pearson(hits, of):
    from scipy.stats import binomtest

    exact = binomtest(hits, of).proportion_ci(confidence_level=0.998, method="exact")

    assert math.isclose(at_least(hits, of, doubt=0.001), exact.low, abs_tol=1e-12)
    assert math.isclose(at_most(hits, of, doubt=0.001), exact.high, abs_tol=1e-12)


def test_too_few_outputs_are_refused():
    with pytest.raises(Unusable):
        bound(np.zeros(10), np.ones(10), claim=Pure(1.0))
