"""What a model gives away of its training rows: measured by attacking it, and seen on models that do."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from workbench.riskflag import gaps, inference, membership
from workbench.riskflag.define import Definition
from workbench.riskflag.dictionary import Dictionary
from workbench.riskflag.train import train as fit_model

FLAG = Definition("school-attendance", target="absent_30d_next_year", capacity=0.1)
HONEST = ["grade", "sex", "absent_days", "school_aid"]
QUESTIONS = [f"q{number}" for number in range(16)]


def answered(part, *, seed, levels=40):
    """The part with a questionnaire that says nothing about the outcome, and so much about who answered."""
    draw = np.random.default_rng(seed)
    answers = {q: [f"v{value:02d}" for value in draw.integers(0, levels, len(part))] for q in QUESTIONS}
    entry = {"label": {"ja": "問", "en": "Question"}, "kind": "code", "role": "sensitive"}
    known = Dictionary(
        {**part.dictionary.entries, **{q: entry_of(part, q, entry) for q in QUESTIONS}},
        part.dictionary.targets,
    )
    return replace(part, frame=part.frame.assign(**answers), dictionary=known)


def entry_of(part, name, fields):
    return replace(
        part.dictionary["district"], name=name, **{k: v for k, v in fields.items() if k != "label"}
    )


@pytest.fixture(scope="module")
def parts(make_part):
    return answered(make_part(rows=1500), seed=5), answered(make_part("test", rows=1200, seed=2), seed=6)


def recipe(features, **settings):
    def fit(part):
        estimator = LogisticRegression(max_iter=2000, **settings)
        return fit_model(FLAG, part, estimator, features=features, min_cell=10)[0]

    return fit


def attacked(parts, fit, *, homes=None, **settings):
    among = membership.pool(FLAG, *parts, homes=homes)
    return membership.attacked(fit(parts[0]), among, fit=fit, **settings)


def test_a_small_regression_does_not_tell_who_it_was_trained_on(parts):
    told = attacked(parts, recipe(HONEST), shadows=8)

    assert told.auc.low < 0.5 + 0.02 < 0.55
    assert told.screen.value == pytest.approx(0.5, abs=0.05)
    assert told.found.low < 0.005


def test_attack_a_model_that_memorises_its_rows_with_ten_in_every_cell(parts):
    """640 levels of ten rows or more each: every cell is large enough, and the whole is a list of children."""
    train, _ = parts
    assert train.frame[QUESTIONS].apply(lambda column: column.value_counts().min()).min() >= 10

    told = attacked(parts, recipe([*HONEST, *QUESTIONS], C=1.0), shadows=8)

    assert told.auc.low > 0.53
    # An average hides it: one child in fifty is named with one false alarm in a thousand.
    assert told.found.low > 0.01


def test_few_strangers_leave_the_rare_false_alarm_unmeasured(parts):
    train, test = parts
    few = replace(test, frame=test.frame.head(900))

    assert attacked((train, few), recipe(HONEST), shadows=2).found is None


def test_brothers_and_years_are_no_new_evidence(parts):
    """The same rows in households of three: the same estimate, a wider interval."""
    train, test = parts
    homes = tuple(
        pd.Series(np.arange(len(part)) // 3 + shift) for part, shift in ((train, 0), (test, 10_000))
    )

    alone, together = (attacked(parts, recipe(HONEST), shadows=2, homes=one) for one in (None, homes))

    assert together.screen.value == alone.screen.value
    assert together.screen.high - together.screen.low == pytest.approx(
        3**0.5 * (alone.screen.high - alone.screen.low), rel=0.01
    )


def test_a_later_year_with_another_rate_is_no_memory(parts, make_part):
    """Were outcomes of both kinds ranked together, the rate alone would tell members from strangers."""
    train, test = parts
    rare = test.frame[(test.frame["absent_30d_next_year"] == "no") | (np.arange(len(test.frame)) % 4 == 0)]
    among = membership.pool(FLAG, train, replace(test, frame=rare.reset_index(drop=True)), homes=None)

    screen = membership.screened(recipe(HONEST)(train), among).screen

    assert screen.low <= 0.5 <= screen.high


def test_attack_guessing_a_sensitive_item_of_a_training_row(parts):
    """The memorising model tells a question's answer of its own rows; the small one tells nobody's."""
    among = membership.pool(FLAG, *parts, homes=None)
    loud = recipe([*HONEST, *QUESTIONS], C=1.0)(parts[0])
    quiet = recipe(HONEST)(parts[0])

    assert max(one.low for one in inference.excess(loud, among, items=QUESTIONS).values()) > 0
    assert inference.excess(quiet, among, items=QUESTIONS) == {}
    for one in inference.excess(quiet, among, items=["school_aid", "absent_days"]).values():
        assert one.low <= 0.05


def test_a_gap_that_grows_is_seen_and_one_that_does_not_is_not():
    """A group of one in four whose children the candidate never flags, and the twin does."""
    draw = np.random.default_rng(3)
    labels = draw.random(4000) < 0.2
    small = draw.random(4000) < 0.25
    twin = draw.random(4000) < np.where(labels, 0.6, 0.1)
    erased = twin & ~small
    settings = {
        "labels": labels,
        "groups": {"household": np.where(small, "one_adult", "two_parents")},
        "homes": np.arange(4000) // 2,
        "min_cell": 10,
    }

    (worse,) = gaps.growth(erased, twin, **settings)
    (same,) = gaps.growth(twin, twin, **settings)

    assert worse.growth.low > 0.3
    assert (same.growth.value, same.growth.low, same.growth.high) == (0, 0, 0)


def test_a_group_with_few_outcomes_is_compared_with_nobody():
    labels = np.arange(100) < 9
    told = gaps.growth(
        labels, labels, labels=labels, groups={"x": np.repeat("a", 100)}, homes=np.arange(100), min_cell=10
    )

    assert told == []
