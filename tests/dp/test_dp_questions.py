"""A question's price is a function of the question and public metadata; its noise is OpenDP's."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import NotFound, Refused, Unusable
from workbench.home import Home
from workbench.privacy.dp import noise, questions
from workbench.privacy.dp.answer import answer, bounded, count, rehearse
from workbench.privacy.dp.ledger import Ledger
from workbench.privacy.dp.questions import MICRO, Histogram, Source, from_request, millionths
from workbench.state import State

SOURCE = Source(
    name="child-year-raw",
    items={
        "absence": {"kind": "interval", "edges": [10, 30], "labels": ["<10", "10-29", "30+"]},
        "sex": {"kind": "table", "map": {"male": "male", "female": "female"}},
    },
    year=2024,
    household="household_id",
    rows_per_household=2,
)


def table(rows: int = 40) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "fy": [2024] * rows + [2023] * rows,
            "household_id": [f"h{i // 3}" for i in range(rows)] * 2,
            "absence": pd.array([i % 40 if i % 7 else None for i in range(rows)] * 2, dtype="Int64"),
            "sex": ["male", "female"] * rows,
        }
    )


@pytest.fixture
def ledger(tmp_path):
    return Ledger(State.open(Home.create(tmp_path / "home")))


def ask(ledger, *, epsilon=0.5, **kwargs):
    return answer(
        Histogram("absence", epsilon=epsilon, by="sex"),
        source=SOURCE,
        table=table(),
        ledger=ledger,
        analyst="aoki",
        purpose="school-attendance",
        order=np.random.default_rng(1),
        **kwargs,
    )


def test_every_public_cell_is_answered_whatever_the_data_hold():
    question = Histogram("absence", epsilon=1.0, by="sex")

    assert len(questions.cells(question, SOURCE)) == 4 * 3  # with a category for what is missing


def test_the_price_does_not_read_the_data():
    price = questions.price(Histogram("absence", epsilon=0.5), SOURCE)

    assert (price.micro, price.cells) == (500_000, 4)
    # Sensitivity 2 at epsilon 0.5: scale 4; a Laplace tail of 5 % lies beyond scale * ln 20.
    assert price.margin == pytest.approx(4 * math.log(20), rel=0.1)


@given(st.floats(0.001, 50))
def test_a_charge_is_never_less_than_what_is_spent(epsilon):
    assert epsilon * MICRO <= millionths(epsilon) + 0.001 <= epsilon * MICRO + 1.002


@pytest.mark.parametrize("epsilon", [0, -1, math.nan, math.inf, "1"])
def test_an_epsilon_that_is_none_is_refused(epsilon):
    with pytest.raises(Unusable):
        Histogram("absence", epsilon=epsilon)


@pytest.mark.parametrize("request_", [{}, {"kind": "histogram", "item": 3, "epsilon": 1.0}, {"kind": "sql"}])
def test_a_request_that_is_no_question_is_refused(request_):
    with pytest.raises(Unusable):
        from_request(request_)


def test_an_item_outside_the_public_list_cannot_be_asked():
    with pytest.raises(NotFound):
        questions.cells(Histogram("name", epsilon=1.0), SOURCE)


def test_attack_one_household_adds_many_children():
    """However many rows a household has, it moves the counts by no more than the bound."""
    crowd = pd.DataFrame({"fy": 2024, "household_id": "h", "absence": range(50), "sex": "male"})

    kept = bounded(crowd, source=SOURCE, order=np.random.default_rng(0))

    assert len(kept) == SOURCE.rows_per_household


def test_attack_a_value_outside_the_domain_makes_no_cell_of_its_own():
    rows = table()
    rows.loc[0, "sex"] = "a new category"

    counts = count(Histogram("sex", epsilon=1.0), source=SOURCE, table=rows, order=np.random.default_rng(0))

    assert len(counts) == 3


@pytest.mark.parametrize("change", ["a row more", "missing", "outlier"])
def test_neighbours_differ_by_no_more_than_the_sensitivity(change):
    """Two tables that differ in one household, counted exactly: L1 distance within the bound."""
    before = table(9)
    extra = pd.DataFrame({"fy": 2024, "household_id": ["new"] * 3, "absence": [1, 2, 3], "sex": "male"})
    if change == "missing":
        extra["absence"] = pd.array([None] * 3, dtype="Int64")
    if change == "outlier":
        extra["absence"] = 10**9
    after = pd.concat([before, extra], ignore_index=True)
    question = Histogram("absence", epsilon=1.0, by="sex")

    # Households are bounded one by one; where none is over the bound the choice plays no part.
    wide = Source(SOURCE.name, SOURCE.items, SOURCE.year, SOURCE.household, rows_per_household=3)
    counts = [count(question, source=wide, table=t, order=np.random.default_rng(3)) for t in (before, after)]

    assert np.abs(counts[1] - counts[0]).sum() <= wide.rows_per_household


def test_only_the_year_that_was_asked_is_counted():
    counts = count(
        Histogram("sex", epsilon=1.0), source=SOURCE, table=table(9), order=np.random.default_rng(0)
    )

    assert counts.sum() == 3 * SOURCE.rows_per_household


def test_the_privacy_map_is_held_against_epsilon():
    assert noise.counting(sensitivity=3, epsilon=0.1).cost.epsilon == pytest.approx(0.1)


@pytest.mark.parametrize("draw", ["opendp", "demonstration"])
def test_both_draws_follow_the_same_distribution(draw):
    """Discrete Laplace of scale 4: mean 0, variance 2a/(1-a)² with a = exp(-1/4)."""
    seed = b"seed" if draw == "demonstration" else None
    drawn = np.array(noise.noisy(np.zeros(40_000, dtype=int), sensitivity=2, epsilon=0.5, demonstration=seed))
    a = math.exp(-1 / 4)

    assert abs(drawn.mean()) < 0.2
    assert drawn.var() == pytest.approx(2 * a / (1 - a) ** 2, rel=0.1)


def test_attack_two_answers_in_a_real_home_share_no_noise(ledger):
    """A seed would let two answers cancel each other's noise."""
    ledger.grant("child-year-raw", micro=5 * MICRO, granted_by="workbench")

    assert ask(ledger).rows != ask(ledger).rows


def test_the_answer_is_charged_and_carries_its_margin(ledger):
    ledger.grant("child-year-raw", micro=MICRO, granted_by="workbench")

    given = ask(ledger)

    assert ledger.balance("child-year-raw").remaining == 500_000
    assert given.to_json()["unit"] == "household"
    assert given.to_json()["margin_95"] > 0


def test_attack_asking_beyond_the_budget(ledger):
    ledger.grant("child-year-raw", micro=MICRO, granted_by="workbench")
    ask(ledger, epsilon=0.6)

    with pytest.raises(Refused):
        ask(ledger, epsilon=0.6)

    assert ledger.balance("child-year-raw").remaining == 400_000


def test_attack_a_failing_question_is_not_free(ledger, monkeypatch):
    """An exception after the charge keeps it: otherwise failing would be a way to ask for nothing."""
    ledger.grant("child-year-raw", micro=MICRO, granted_by="workbench")
    monkeypatch.setattr("workbench.privacy.dp.answer.noisy", lambda *_, **__: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        ask(ledger)

    assert ledger.balance("child-year-raw").remaining == 500_000


def test_a_dataset_without_a_grant_cannot_be_asked(ledger):
    with pytest.raises(NotFound):
        ask(ledger)


def test_rehearsing_costs_nothing(ledger):
    ledger.grant("child-year-raw", micro=MICRO, granted_by="workbench")

    rehearse(Histogram("sex", epsilon=1.0), source=SOURCE, table=table(), order=np.random.default_rng(0))

    assert ledger.balance("child-year-raw").spent == 0
