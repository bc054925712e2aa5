"""The risk of each child and of each household, from a weighted sample."""

from math import log

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from workbench.errors import Unusable
from workbench.privacy.anonymity.classes import Classes
from workbench.privacy.anonymity.risk.individual import (
    expected_inverse,
    homes_of,
    household_risk,
    individual_risk,
)


def letters(text: str) -> Classes:
    return Classes.of(pd.DataFrame({"area": list(text)}), ["area"])


def alone(rate: float) -> float:
    """Franconi and Polettini's closed form for a class of one."""
    return rate / (1 - rate) * -log(rate)


def pair(rate: float) -> float:
    """Their closed form for a class of two."""
    return rate / (1 - rate) ** 2 * (rate * log(rate) + 1 - rate)


# table, weights: the risk of each row
WEIGHTED = {
    ("a", (1,)): [1],
    ("aab", (1, 1, 1)): [1 / 2, 1 / 2, 1],
    ("a", (10,)): [alone(0.1)],
    ("ab", (10, 2)): [alone(0.1), alone(0.5)],
    ("aa", (10, 10)): [pair(0.1)] * 2,
    ("aa", (15, 5)): [pair(0.1)] * 2,
}


@pytest.mark.parametrize(("asked", "said"), WEIGHTED.items())
def test_the_risk_of_each_child(asked, said):
    table, weights = asked

    assert individual_risk(letters(table), weights) == pytest.approx(said)


@pytest.mark.parametrize(("rows", "rate"), [(1, 0.01), (2, 0.1), (3, 0.05), (7, 0.5), (40, 0.2)])
def test_it_is_the_expected_inverse_of_a_negative_binomial(rows, rate):
    """Summed over the distribution that the papers assume, residents beyond the sample being failures."""
    more = np.arange(400_000)
    expected = float((stats.nbinom.pmf(more, rows, rate) / (rows + more)).sum())

    assert expected_inverse(np.array([rows]), np.array([rows / rate])) == pytest.approx([expected], rel=1e-6)


def test_large_classes_keep_their_digits():
    """The published series loses all of them here: its terms alternate and grow."""
    risk = expected_inverse(np.array([1_000]), np.array([1_000_000.0]))

    assert risk == pytest.approx([1e-6], rel=2e-3)


@pytest.mark.parametrize("weights", [(0, 1), (0.5, 2), (-1, 1), (np.nan, 1), (np.inf, 1), (1,), (1, 1, 1)])
def test_weights_below_one_are_refused(weights):
    """A row that stands for nobody would have no risk at all."""
    with pytest.raises(Unusable):
        individual_risk(letters("ab"), weights)


# risks, households: the chance for each household, in the order of their codes
HOUSEHOLDS = {
    ((0.5, 0.5), "HH"): [3 / 4],
    ((0.5, 0.5), "HI"): [1 / 2, 1 / 2],
    ((1, 0.1), "HH"): [1],
    ((0.5, 0.5), ".."): [1 / 2, 1 / 2],
    ((0.1, 0.2, 0.3), "HIH"): [1 - 0.9 * 0.7, 0.2],
    ((), ""): [],
}


@pytest.mark.parametrize(("asked", "said"), HOUSEHOLDS.items())
def test_who_finds_one_child_has_found_the_family(asked, said):
    risks, homes = asked
    found = household_risk(np.array(risks, dtype=float), [None if h == "." else h for h in homes])

    assert found.chance == pytest.approx(said)
    assert found.expected == pytest.approx(sum(said))
    assert found.highest == pytest.approx(max(said, default=0))


def test_a_thousand_small_risks_are_not_lost_to_rounding():
    found = household_risk(np.full(1000, 1e-12), ["H"] * 1000)

    assert found.chance == pytest.approx([1e-9], rel=1e-6)


def test_rows_without_a_household_are_households_of_one():
    assert homes_of(["b", None, "a", None, "b"], rows=5).tolist() == [1, 2, 0, 3, 1]


def test_households_must_fit_the_rows():
    with pytest.raises(Unusable):
        household_risk(np.zeros(2), ["H"])


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(1, 200), total=st.floats(1, 1e9))
def test_the_risk_lies_between_one_resident_and_one_row(rows, total):
    """Between 1 / F, as the mean of an inverse is above the inverse of the mean, and 1 / f."""
    residents = max(float(rows), total)
    risk = float(expected_inverse(np.array([rows]), np.array([residents]))[0])

    assert 1 / residents <= risk * (1 + 1e-9)
    assert risk <= 1 / rows * (1 + 1e-9)


def test_a_child_of_several_rows_counts_once_with_its_highest_risk():
    found = household_risk(
        np.array([0.5, 0.25, 0.5, 0.5]), ["H1", "H1", "H1", "H2"], persons=["a", "a", "b", "c"]
    )

    assert found.chance == pytest.approx([1 - 0.5 * 0.5, 0.5])
