"""Losses compose to no less than the truth, whatever their kind, number and order."""

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.privacy.dp.accounting import (
    CONVERTED,
    RHO_UNIT,
    Budget,
    alone,
    basic,
    concentrated,
    epsilon_of,
    holds,
    how_many_more,
    left,
    most_rho,
    total,
)
from workbench.privacy.dp.loss import FEMTO, MICRO, Loss

# What Google's dp-accounting 0.6.0 finds (an RDP accountant with 40,000 orders), to 16 digits.
RDP = [
    (0.0001, 100, 1e-6, 0.6216926552466541),
    (0.005, 1, 1e-9, 0.5648932844099697),
    (0.001, 10, 1e-9, 0.8101744678804406),
    (0.05, 4, 1e-6, 3.1310556928222475),
    (0.5, 1, 1e-6, 5.221534469111141),
]
# The truth for repeated ε-DP, as its accountant of privacy-loss distributions finds it.
TRUTH = [
    (0.01, 100, 1e-6, 0.392557428525978),
    (0.01, 300, 1e-6, 0.7128043270719271),
    (0.1, 10, 1e-6, 0.9993709057223882),
    (0.1, 50, 1e-6, 3.172902734149411),
    (0.3, 3, 1e-6, 0.8999947245268547),
    (0.001, 1000, 1e-9, 0.1613212742546195),
]
USUAL = Budget(MICRO, FEMTO // 10**6)

amounts = st.integers(1, 2 * MICRO).map(lambda micro: Fraction(micro, MICRO))
deltas = st.integers(1, FEMTO // 10**7).map(lambda femto: Fraction(femto, FEMTO))
losses = st.one_of(
    st.builds(Loss.pure, amounts),
    st.builds(Loss.zcdp, amounts, deltas | st.just(0)),
    st.builds(Loss.approximate, amounts, deltas),
)
many = st.lists(losses, max_size=6)
budgets = st.builds(Budget, st.integers(1, 20 * MICRO), st.integers(0, FEMTO // 10**5))


@pytest.mark.parametrize(("rho", "times", "delta", "epsilon"), RDP)
def test_the_conversion_is_that_of_another_accountant_rounded_up(rho, times, delta, epsilon):
    found = epsilon_of(round(rho * RHO_UNIT) * times, round(delta * FEMTO))

    # The other one tries a grid of orders, and so is a hair above the optimum.
    assert epsilon * (1 - 1e-6) <= found / MICRO <= epsilon + 2 / MICRO


@pytest.mark.parametrize(("epsilon", "times", "delta", "truth"), TRUTH)
def test_repeated_questions_cost_no_less_than_the_truth_and_no_more_than_their_sum(
    epsilon, times, delta, truth
):
    loss = Loss.pure(epsilon)
    found = total({loss: times}, Budget(100 * MICRO, round(delta * FEMTO)))

    assert truth <= found.micro / MICRO <= epsilon * times + 1e-12
    assert found.naive == loss.micro * times


def test_the_worked_example_of_gaussians():
    """Ten Gaussian mechanisms of multiplier 4 are ρ = 10/32 together; the truth at δ 10⁻⁶ is ε 3.7472."""
    found = total({Loss.zcdp(Fraction(1, 32)): 10}, Budget(100 * MICRO, 3 * FEMTO // 10**6))

    assert 3.747218 < found.micro / MICRO < 4.2


def test_pure_losses_without_a_delta_add_up_exactly():
    budget = Budget(MICRO)

    assert total({Loss.pure(0.1): 10}, budget).micro == MICRO
    assert holds(budget, {Loss.pure(0.1): 10})
    assert not holds(budget, {Loss.pure(0.1): 10, Loss.pure(1e-6): 1})
    assert how_many_more(budget, {}, Loss.pure(0.3)) == 3


@pytest.mark.parametrize("loss", [Loss.zcdp(0.0001), Loss.approximate(0.1, 1e-9)])
def test_what_has_a_delta_needs_a_budget_with_one(loss):
    assert not holds(Budget(MICRO), {loss: 1})
    assert how_many_more(Budget(MICRO), {}, loss) == 0
    assert holds(USUAL, {loss: 1})


def test_cheap_questions_are_many_and_dear_ones_few():
    """Under the usual budget composition buys nothing for ε 0.3 and forty times the sum for ε 0.001."""
    assert how_many_more(USUAL, {}, Loss.pure(0.3)) == 3
    assert how_many_more(USUAL, {}, Loss.pure(0.001)) > 40 * 1_000


def test_a_delta_beyond_a_third_of_the_budgets_is_not_held():
    third = Fraction(USUAL.femto // 3, FEMTO)

    assert holds(USUAL, {Loss.approximate(0.1, third): 1})
    assert not holds(USUAL, {Loss.approximate(0.1, third): 1, Loss.approximate(0.1, Fraction(1, FEMTO)): 1})


def test_a_large_delta_does_not_make_a_loss_cost_less_than_itself():
    """At δ 0.03 the conversion of ε 0.001 through ρ is 0."""
    budget, loss = Budget(MICRO, FEMTO // 10), Loss.pure(0.001)

    assert epsilon_of(concentrated({loss: 1}).micro, budget.third) == 0
    assert total({loss: 1}, budget).micro == loss.micro


@given(losses)
def test_a_loss_alone_costs_what_it_says(loss):
    found = alone(loss)

    assert found.micro >= (loss.micro if loss.kind != "zcdp" else 1)
    assert found.femto == loss.femto + (CONVERTED if loss.kind == "zcdp" else 0)


@settings(max_examples=30, deadline=None)
@given(many, budgets)
def test_together_is_no_less_than_the_largest_and_no_more_than_the_sum(asked, budget):
    found = total(Counter(asked), budget)

    assert found.micro >= max((loss.micro for loss in asked if loss.kind != "zcdp"), default=0)
    assert found.naive == sum(alone(loss).micro for loss in asked)
    if basic(Counter(asked)).femto <= budget.third:
        assert found.micro <= found.naive


@settings(max_examples=30, deadline=None)
@given(many, losses, budgets)
def test_one_more_never_costs_less(asked, another, budget):
    before, after = Counter(asked), Counter([*asked, another])

    # Beyond a bound's share of the delta another bound is told, and nothing is answered any more.
    if basic(after).femto <= budget.third:
        assert total(after, budget).micro >= total(before, budget).micro
        assert total(after, budget).femto >= total(before, budget).femto
    assert left(budget, after) <= left(budget, before)
    assert holds(budget, before) or not holds(budget, after)


@settings(max_examples=15, deadline=None)
@given(
    st.permutations([Loss.pure(0.1), Loss.pure(0.3), Loss.zcdp(0.01), Loss.approximate(0.2, 1e-8)]), budgets
)
def test_the_order_does_not_matter(asked, budget):
    there, back = Counter(asked), Counter(reversed(asked))

    assert (total(there, budget), holds(budget, there)) == (total(back, budget), holds(budget, back))


@settings(max_examples=30, deadline=None)
@given(many, losses, budgets)
def test_how_many_more_is_how_many_fit_and_not_one_more(asked, another, budget):
    spent = Counter(asked)
    number = how_many_more(budget, spent, another)

    if holds(budget, spent):
        assert holds(budget, spent + Counter({another: number}))
    assert not holds(budget, spent + Counter({another: number + 1}))


@settings(max_examples=30, deadline=None)
@given(many, budgets)
def test_what_is_left_fits_and_a_millionth_more_does_not(asked, budget):
    spent = Counter(asked)
    rest = left(budget, spent)

    if rest:
        assert holds(budget, spent + Counter([Loss.pure(Fraction(rest, MICRO))]))
    assert not holds(budget, spent + Counter([Loss.pure(Fraction(rest + 1, MICRO))]))


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 20 * MICRO), st.integers(3, FEMTO // 10**4))
def test_the_limit_in_rho_is_the_last_that_the_budget_holds(micro, femto):
    budget = Budget(micro, femto)
    limit = most_rho(budget)

    assert epsilon_of(limit, budget.third) <= micro < epsilon_of(limit + 1, budget.third)


def test_sums_beyond_any_machine_word_are_exact():
    spent = {Loss.pure(1000): 10**12, Loss.zcdp(1000): 10**12}

    assert concentrated(spent).micro == 10**12 * (10**18 + 1000 * RHO_UNIT)
    assert not holds(USUAL, spent)
