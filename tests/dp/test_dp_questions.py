"""A question's price is a function of the question and public metadata; its noise is OpenDP's."""

import dataclasses
import inspect
import math

import numpy as np
import pandas as pd
import pytest

from workbench.errors import NotFound, Refused, Unusable
from workbench.home import Home
from workbench.privacy.dp import answer as dp
from workbench.privacy.dp import noise, questions
from workbench.privacy.dp.ledger import Ledger
from workbench.privacy.dp.noise import Draw, Mechanism
from workbench.privacy.dp.questions import (
    KINDS,
    MICRO,
    Contingency,
    Count,
    Groups,
    Histogram,
    Mean,
    Number,
    Quantile,
    Regression,
    Source,
    Sum,
    Variance,
    describe,
    from_request,
)
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
    numbers={"days": Number(0, 366, whole=True), "score": Number(0, 100)},
    open=["school"],
)
# One question of every kind; a new kind without a line here fails the first test.
ONE_OF_EACH = [
    Count(epsilon=0.5, where=(("sex", ("male",)),)),
    Histogram("absence", epsilon=0.5, by="sex"),
    Sum("days", epsilon=0.5),
    Mean("score", epsilon=0.5, by="sex", between=(10.0, 20.0)),
    Variance("score", epsilon=0.5),
    Quantile("days", at=0.9, epsilon=0.5, by="sex"),
    Contingency(("absence", "sex"), epsilon=0.5, whole=True),
    Groups("school", epsilon=0.5),
    Regression("score", ("days",), epsilon=0.5),
]
every_kind = pytest.mark.parametrize("question", ONE_OF_EACH, ids=lambda question: question.kind)


def table(rows: int = 40) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "fy": [2024] * rows + [2023] * rows,
            "household_id": [f"h{i // 3}" for i in range(rows)] * 2,
            "absence": pd.array([i % 40 if i % 7 else None for i in range(rows)] * 2, dtype="Int64"),
            "days": pd.array([i % 40 if i % 7 else None for i in range(rows)] * 2, dtype="Int64"),
            "score": [float(i) for i in range(rows)] * 2,
            "sex": ["male", "female"] * rows,
            "school": [f"S{i % 2}" for i in range(rows)] * 2,
        }
    )


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(State.open(Home.create(tmp_path / "home")))
    ledger.grant("child-year-raw", micro=5 * MICRO, femto=10**9, granted_by="workbench")
    return ledger


def ask(ledger, question=ONE_OF_EACH[1], *, rows=None, **more):
    return dp.answer(
        question,
        source=SOURCE,
        table=table if rows is None else lambda: rows,
        ledger=ledger,
        analyst="aoki",
        purpose="attendance",
        key=b"key",
        **more,
    )


def test_every_kind_is_tested():
    assert [question.kind for question in ONE_OF_EACH] == list(KINDS)


# ------------------------------------------------------------------ what is known before


@every_kind
def test_a_question_survives_being_asked_over_the_wire(question):
    assert from_request({**describe(question), "epsilon": question.epsilon}) == question


@every_kind
def test_every_kind_has_a_price_before_anything_is_read(question):
    told = questions.price(question, SOURCE).to_json()

    assert told["epsilon"] == 0.5
    assert sum(part["epsilon"] for part in told["split"]) <= 0.5
    assert told["smallest_group"] > 0
    assert (told["margin_95"] or 0) > 0 or "margin_by_group" in told or told["margin_unit"] == "range"


def test_a_price_takes_no_table():
    """Not a matter of care: neither prices, mechanisms nor cells are handed anything that holds data."""
    for function in (
        questions.price,
        *(getattr(KINDS["count"], name) for name in ("parts", "precision", "cells")),
    ):
        assert set(inspect.signature(function).parameters) <= {"self", "question", "source"}


@every_kind
def test_more_epsilon_buys_a_smaller_group(question):
    dearer = dataclasses.replace(question, epsilon=2.0)

    cheap, dear = (questions.price(q, SOURCE).precision for q in (question, dearer))
    assert dear.smallest_group < cheap.smallest_group
    assert (dear.margin or 0) <= (cheap.margin or 0)


def test_the_margin_of_a_count_is_that_of_the_laplace_tail():
    price = questions.price(Histogram("absence", epsilon=0.5), SOURCE)

    assert (price.micro, price.cells) == (500_000, 4)
    # Sensitivity 2 at epsilon 0.5: scale 4; a Laplace tail of 5 % lies beyond scale * ln 20.
    assert price.margin == pytest.approx(4 * math.log(20), rel=0.1)


def test_every_public_cell_is_answered_whatever_the_data_hold():
    question = Histogram("absence", epsilon=1.0, by="sex")

    assert len(question.cells(SOURCE)) == 4 * 3  # with a category for what is missing


@pytest.mark.parametrize("epsilon", [0, -1, math.nan, math.inf, "1", True, 1e-9, 1e300])
def test_an_epsilon_that_is_none_is_refused(epsilon):
    with pytest.raises(Unusable):
        questions.price(Histogram("absence", epsilon=epsilon), SOURCE)


NO_QUESTIONS = [
    {},
    {"kind": "sql", "item": "sex", "epsilon": 1.0},
    {"kind": ["histogram"], "item": "sex", "epsilon": 1.0},
    {"kind": "histogram", "item": 3, "epsilon": 1.0},
    {"kind": "histogram", "epsilon": 1.0},
    {"kind": "histogram", "item": "sex"},
    {"kind": "histogram", "item": "sex", "by": "sex", "epsilon": 1.0},
    {"kind": "histogram", "item": "s" * 10_000, "epsilon": 1.0},
    {"kind": "histogram", "item": "sex", "epsilon": 10**400},
    {"kind": "quantile", "item": "days", "at": 0.123, "epsilon": 1.0},
    {"kind": "quantile", "item": "days", "at": math.nan, "epsilon": 1.0},
    {"kind": "contingency", "items": ["sex"], "epsilon": 1.0},
    {"kind": "contingency", "items": "sex", "epsilon": 1.0},
    {"kind": "contingency", "items": ["sex", "absence"], "whole": "yes", "epsilon": 1.0},
    {"kind": "regression", "item": "score", "on": [], "epsilon": 1.0},
    {"kind": "regression", "item": "score", "on": ["score"], "epsilon": 1.0},
    {"kind": "count", "where": ["sex"], "epsilon": 1.0},
]


@pytest.mark.parametrize("request_", NO_QUESTIONS)
def test_a_request_that_is_no_question_is_refused(request_):
    with pytest.raises(Unusable):
        from_request(request_)


@pytest.mark.parametrize("extra", ["seed", "demonstration", "budget", "micro", "sensitivity", "key", "loss"])
def test_attack_more_than_a_question_is_smuggled_in_with_one(extra):
    """A seed would cancel noise, a sensitivity of one's own would remove it."""
    with pytest.raises(Unusable):
        from_request({"kind": "histogram", "item": "sex", "epsilon": 1.0, extra: 1})


@pytest.mark.parametrize(
    "question",
    [
        Histogram("name", epsilon=1.0),
        Histogram("days", epsilon=1.0),
        Mean("sex", epsilon=1.0),
        Mean("days", by="school", epsilon=1.0),
        Groups("sex", epsilon=1.0),
        Groups("child_id", epsilon=1.0),
        Count(where=(("school", ("S1",)),), epsilon=1.0),
        Regression("score", ("sex",), epsilon=1.0),
    ],
)
def test_an_item_outside_the_public_lists_cannot_be_asked(question):
    with pytest.raises(NotFound):
        questions.price(question, SOURCE)


def test_attack_the_household_itself_is_a_category():
    """Even where somebody published it: whose rows they are is never a cell or a key."""
    careless = dataclasses.replace(
        SOURCE,
        items={**SOURCE.items, "household_id": {"kind": "table", "map": {"h1": "h1", "h2": "h2"}}},
        open=["school", "household_id"],
    )
    for question in (Groups("household_id", epsilon=1.0), Histogram("household_id", epsilon=1.0)):
        with pytest.raises(NotFound):
            questions.price(question, careless)


def test_a_filter_names_public_labels():
    with pytest.raises(Unusable):
        questions.price(Count(epsilon=1.0, where=(("sex", ("H00012",)),)), SOURCE)


@pytest.mark.parametrize(
    "bounds",
    [
        (0, math.inf),
        (math.nan, 1),
        (5, 5),
        (9, 1),
        (2.0**50, 2.0**50 + 1e-3),
        (-(2.0**300), 2.0**300),
        (0, 5e-324),
        (0, 1e-300),
        (-1.7e308, 1.7e308),
    ],
)
def test_a_range_that_cannot_be_counted_in_is_refused_or_counted_coarsely(bounds):
    """A range is public, so what is refused here tells nothing; what is not is counted in whole steps."""
    try:
        number = Number(*bounds)
    except Unusable:
        return
    assert 2 <= number.width <= 2**17
    assert number.furthest <= 2**34


def test_a_question_whose_noise_cannot_be_computed_is_refused_before_it_is_charged(ledger):
    wide = dataclasses.replace(SOURCE, numbers={"score": Number(0, 100)}, rows_per_household=10**12)

    with pytest.raises(Unusable):
        questions.price(Variance("score", epsilon=0.001), wide)


# ------------------------------------------------------------------ the noise


@pytest.mark.parametrize("sensitivity", [1, 3, 7, 3 * 65_536**2])
@pytest.mark.parametrize("epsilon", [0.001, 0.1, 1 / 3, 0.7, 1.0, 4.9])
def test_the_privacy_map_never_exceeds_epsilon(sensitivity, epsilon):
    cost = noise.counting(sensitivity=sensitivity, epsilon=epsilon).cost.epsilon

    assert epsilon * (1 - 1e-9) < cost <= epsilon


@pytest.mark.parametrize("epsilon", [0.05, 0.5, 1.0, 2.0])
def test_a_count_is_nearly_as_exact_as_it_can_be(epsilon):
    """
    Mean error within 1.2 times that of the best mechanism for a count that one household moves by 3.

    The best is the staircase (Geng and Viswanath 2016, in whole numbers); for a sensitivity of 1 it is ours.
    """
    drawn = noise.draw(noise.counting(sensitivity=3, epsilon=epsilon), [0] * 50_000)

    assert np.abs(drawn).mean() <= 1.2 * staircase(sensitivity=3, epsilon=epsilon)


def staircase(*, sensitivity: int, epsilon: float) -> float:
    """The smallest mean error of any additive noise in whole numbers, over the widths of the first stair."""
    decay = math.exp(-epsilon)
    sizes = np.arange(int(60 * sensitivity / min(epsilon, 1.0)))

    def error(width: int) -> float:
        stairs = decay ** (sizes // sensitivity + (sizes % sensitivity >= width))
        weights = np.where(sizes > 0, 2 * stairs, stairs)
        return float((weights * sizes).sum() / weights.sum())

    return min(error(width) for width in range(1, sensitivity + 1))


def test_the_staircase_of_sensitivity_one_is_the_discrete_laplace():
    a = math.exp(-0.5)

    assert staircase(sensitivity=1, epsilon=0.5) == pytest.approx(2 * a / (1 - a**2), rel=1e-6)


SPREADS = {
    Draw.LAPLACE: (Mechanism(Draw.LAPLACE, 4.0, 1), 2 * math.exp(-1 / 4) / (1 - math.exp(-1 / 4)) ** 2),
    Draw.GAUSSIAN: (Mechanism(Draw.GAUSSIAN, 4.0, 1.0), 16.0),
}


@pytest.mark.parametrize("seed", [None, b"seed"])
@pytest.mark.parametrize("kind", SPREADS)
def test_both_draws_follow_the_same_distribution(kind, seed):
    mechanism, variance = SPREADS[kind]
    drawn = np.array(noise.draw(mechanism, [0] * 30_000, demonstration=seed))

    assert abs(drawn.mean()) < 0.2
    assert drawn.var() == pytest.approx(variance, rel=0.1)


@pytest.mark.parametrize("seeded", [False, True])
def test_both_draws_choose_alike(seeded):
    """A score one scale worse: permute-and-flip chooses it with a chance of 1 / 2e."""
    mechanism = Mechanism(Draw.NOISY_MIN, 10.0, 1)
    chosen = [
        noise.draw(mechanism, [0, 10], demonstration=bytes([n % 256, n // 256]) if seeded else None)
        for n in range(3_000)
    ]

    assert np.mean(chosen) == pytest.approx(1 / (2 * math.e), abs=0.03)


@pytest.mark.parametrize("seeded", [False, True])
def test_both_draws_keep_small_keys_back(seeded):
    mechanism = Groups("school", epsilon=1.0).parts(SOURCE)[0].mechanism
    told = noise.draw(mechanism, {"few": 2, "many": 5_000}, demonstration=b"x" if seeded else None)

    assert list(told) == ["many"]


def test_a_key_of_one_household_is_told_with_a_chance_below_delta():
    """From OpenDP's map; with the threshold one lower it would not be."""
    question = Groups("school", epsilon=0.3)
    mechanism = question.parts(SOURCE)[0].mechanism
    lower = dataclasses.replace(mechanism, threshold=mechanism.threshold - 1)

    assert mechanism.cost.delta <= question.loss.delta < lower.cost.delta
    assert mechanism.cost.epsilon <= 0.3


@pytest.mark.parametrize("huge", [2**63, -(2**80), 10**400], ids=["2**63", "-2**80", "10**400"])
def test_attack_a_sum_overflows(huge):
    """An error would be an answer, and a wrapped sum would be far from its neighbour's."""
    [told] = noise.draw(noise.counting(sensitivity=1, epsilon=1.0), [huge])

    assert abs(told - (2**61 if huge > 0 else -(2**61))) < 1_000


def test_attack_two_answers_in_a_real_home_share_no_noise(ledger):
    """A seed would let two answers cancel each other's noise."""
    assert ask(ledger).counts != ask(ledger).counts


# ------------------------------------------------------------------ what is charged


@every_kind
def test_an_answer_is_charged_what_was_said_and_fits_what_was_promised(ledger, question):
    said = questions.price(question, SOURCE)

    given = ask(ledger, question).to_json()

    assert ledger.balance("child-year-raw").spent == said.micro
    assert [list(row) for row in given["rows"]] == [["cell", *question.measures]] * len(given["rows"])
    assert all(len(row["cell"]) == len(given["items"]) for row in given["rows"])
    assert given["unit"] == "household"


@every_kind
def test_rehearsing_costs_nothing_and_looks_like_the_answer(ledger, question):
    rehearsed = dp.rehearse(question, source=SOURCE, table=table().drop(columns=["fy", "household_id"]))

    answered = ask(ledger, question).to_json()
    assert rehearsed.to_json().keys() == answered.keys()
    assert ledger.balance("child-year-raw").spent == questions.price(question, SOURCE).micro


def test_attack_asking_beyond_the_budget(ledger):
    ask(ledger, Histogram("sex", epsilon=4.8))

    with pytest.raises(Refused):
        ask(ledger, Histogram("sex", epsilon=0.6))

    assert ledger.balance("child-year-raw").remaining == 200_000


@every_kind
def test_attack_a_failing_question_is_not_free(ledger, monkeypatch, question):
    """An exception after the charge keeps it: otherwise failing would be a way to ask for nothing."""
    monkeypatch.setattr(dp, "draw", lambda *_, **__: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        ask(ledger, question)

    assert ledger.balance("child-year-raw").spent == 500_000


def test_attack_the_table_is_read_before_the_charge(ledger, monkeypatch):
    """What is read for a question that the budget does not hold could show in its time or its failure."""
    monkeypatch.setattr(dp, "read", lambda *_, **__: pytest.fail("the table was read"))

    with pytest.raises(Refused):
        dp.answer(
            Histogram("sex", epsilon=6.0),
            source=SOURCE,
            table=lambda: pytest.fail("the table was opened"),
            ledger=ledger,
            analyst="mori",
            purpose="attendance",
            key=b"key",
        )


def test_a_dataset_without_a_grant_cannot_be_asked(tmp_path):
    with pytest.raises(NotFound):
        ask(Ledger(State.open(Home.create(tmp_path / "another"))))


def test_a_demonstration_repeats_every_draw_and_no_two_are_alike():
    question = Quantile("days", by="absence", epsilon=0.01)
    rows = dp.read(question, source=SOURCE, table=table(), key=b"key")
    parts = question.parts(SOURCE)

    first, again = (
        dp.noisy_lines(question, rows, source=SOURCE, parts=parts, demonstration=b"seed") for _ in range(2)
    )
    assert first == again
    assert len(set(first_of(dp.bytes_for_draws(b"seed"), 5))) == 5


def first_of(values, many):
    return [value for value, _ in zip(values, range(many), strict=False)]
