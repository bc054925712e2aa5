"""One run, many coins: the bound stays below the truth, comes near it, and rises when noise is missing."""

import math

import numpy as np
import pytest

from workbench.privacy.dp.audit.one_run import Guesses, chance_of, coins, epsilon_at_least, guessed

PLANTED = 2_000


def audited(scale: float, *, seed: int, delta: float = 0.0) -> float:
    """Each planted record has a count of its own, with Laplace noise of this scale."""
    r = np.random.default_rng(seed)
    came_in = coins(PLANTED, generator=r)
    scores = came_in + r.laplace(0, scale, PLANTED)
    return epsilon_at_least(guessed(scores, came_in, made=PLANTED // 2), delta=delta)


@pytest.mark.parametrize("seed", range(10))
def test_the_bound_is_below_the_truth_and_comes_near_it(seed):
    assert 0.6 < audited(1.0, seed=seed) <= 1.0


@pytest.mark.parametrize("seed", range(5))
def test_half_the_noise_is_caught(seed):
    assert audited(0.5, seed=seed) > 1.0


def test_guessing_blindly_shows_nothing():
    r = np.random.default_rng(0)
    came_in = coins(PLANTED, generator=r)

    assert epsilon_at_least(guessed(r.random(PLANTED), came_in, made=1_000)) == 0


def test_without_delta_the_chance_is_that_of_a_biased_coin():
    """Pure epsilon: right guesses are no likelier than heads of a coin of e^eps / (1 + e^eps)."""
    from scipy.stats import binomtest

    one = math.exp(0.7) / (1 + math.exp(0.7))

    assert chance_of(Guesses(100, 50, 40), epsilon=0.7, delta=0) == pytest.approx(
        binomtest(40, 50, one, alternative="greater").pvalue
    )


def test_a_delta_makes_the_bound_weaker_never_stronger():
    chances = [chance_of(Guesses(100, 50, 40), epsilon=0.7, delta=d) for d in (0, 1e-6, 1e-3, 0.1)]

    assert chances == sorted(chances)
    assert chances[0] < chances[-1]


def test_more_right_guesses_are_less_likely():
    chances = [chance_of(Guesses(60, 50, right), epsilon=0.3, delta=1e-4) for right in range(51)]

    assert chances == sorted(chances, reverse=True)
    assert chances[0] == 1.0
