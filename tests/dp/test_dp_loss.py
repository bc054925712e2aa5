"""A loss is whole, rounded up, and nothing else passes for one."""

import json
import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import Unusable
from workbench.privacy.dp.loss import FEMTO, MICRO, Kind, Loss

fractions = st.fractions(min_value=Fraction(1, 10**9), max_value=1000)
losses = st.one_of(
    st.builds(Loss.pure, fractions),
    st.builds(Loss.zcdp, fractions, st.fractions(0, Fraction(1, 2))),
    st.builds(Loss.approximate, fractions, st.fractions(Fraction(1, 10**18), Fraction(1, 2))),
)


@given(fractions)
def test_amounts_are_rounded_up_by_less_than_a_unit(epsilon):
    charged = Fraction(Loss.pure(epsilon).micro, MICRO)

    assert epsilon <= charged < epsilon + Fraction(1, MICRO)


@pytest.mark.parametrize(("epsilon", "micro"), [(0.1, 100_000), (0.3, 300_000), (1, MICRO), (1e-9, 1)])
def test_a_typed_decimal_costs_what_was_typed(epsilon, micro):
    assert Loss.pure(epsilon).micro == micro


@given(losses)
def test_noise_calibrated_by_a_loss_costs_no_more_than_it(loss):
    assert Fraction(loss.at_most) <= Fraction(loss.micro, MICRO)
    assert math.isclose(loss.at_most, loss.amount)


@given(losses)
def test_a_loss_survives_json(loss):
    text = json.dumps(loss.to_json())

    assert Loss.from_json(json.loads(text)) == loss
    assert all(number < 2**53 for number in (loss.micro, loss.femto))


@pytest.mark.parametrize("amount", [0, -1, -0.1, math.nan, math.inf, -math.inf, 1000.1, 1e300, 10**400, True])
@pytest.mark.parametrize("make", [Loss.pure, Loss.zcdp, lambda amount: Loss.approximate(amount, 1e-6)])
def test_attack_an_amount_that_is_none(make, amount):
    with pytest.raises(Unusable):
        make(amount)


@pytest.mark.parametrize("amount", ["0.3", None, 1j, Decimal("1e-999999999"), [1]])
def test_attack_an_amount_that_is_no_number(amount):
    with pytest.raises(Unusable):
        Loss.pure(amount)


@pytest.mark.parametrize("delta", [-1e-9, 1, 1.5, math.nan, math.inf])
def test_attack_a_delta_that_is_none(delta):
    with pytest.raises(Unusable):
        Loss.approximate(1, delta)
    with pytest.raises(Unusable):
        Loss.zcdp(1, delta)


def test_approximate_without_a_delta_is_pure_and_must_be_said_so():
    with pytest.raises(Unusable):
        Loss.approximate(1, 0)


@pytest.mark.parametrize(
    "found",
    [
        None,
        [],
        {},
        {"kind": "pure", "micro": 1},
        {"kind": "pure", "micro": 1, "femto": 1},
        {"kind": "pure", "micro": 1.0, "femto": 0},
        {"kind": "pure", "micro": True, "femto": 0},
        {"kind": "free", "micro": 1, "femto": 0},
        {"kind": ["pure"], "micro": 1, "femto": 0},
        {"kind": "approximate", "micro": 1, "femto": FEMTO},
        {"kind": "pure", "micro": 2**63, "femto": 0},
        {"kind": "pure", "micro": 1, "femto": 0, "refund": 1},
    ],
)
def test_attack_json_that_is_no_loss(found):
    with pytest.raises(Unusable):
        Loss.from_json(found)


def test_a_kind_is_one_of_three():
    with pytest.raises(Unusable):
        Loss("pure", 1)
    assert {str(kind) for kind in Kind} == {"pure", "zcdp", "approximate"}
