"""An evaluation describes no few children, repeats to the digit, and says what must not be overlooked."""

import json
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from workbench.errors import Refused
from workbench.riskflag import groups
from workbench.riskflag.cells import partition
from workbench.riskflag.evaluate import evaluate
from workbench.riskflag.flag import RiskFlag
from workbench.riskflag.stability import refit_as
from workbench.scoring import engine

FEATURES = ["grade", "sex", "hh_type", "absent_days", "eq_income", "school_aid", "district"]
FLAG = RiskFlag("school-attendance", target="absent_30d_next_year", capacity=0.1, known="registered")
BY = ["sex", "hh_type", "school_aid"]


@pytest.fixture(scope="module")
def fitted(train):
    return FLAG.fit(train, LogisticRegression(), features=FEATURES)


@pytest.fixture(scope="module")
def report(fitted, test):
    return FLAG.evaluate(fitted, test, groups=BY, refits=2)


def test_the_evaluation_is_plain_data_and_repeats_to_the_byte(fitted, test, report):
    again = FLAG.evaluate(fitted, test, groups=BY, refits=2)

    assert rfc8785.dumps(report.data) == rfc8785.dumps(again.data)
    assert json.loads(rfc8785.dumps(report.data))


def test_shuffled_rows_give_the_same_evaluation(fitted, test, report):
    shuffled = type(test)(**{**vars(test), "frame": test.frame.sample(frac=1, random_state=3)})

    assert FLAG.evaluate(fitted, shuffled, groups=BY, refits=2).data == report.data


def test_the_chosen_capacity_stands_in_the_table_and_adds_up(report):
    chosen = [row for row in report["capacity"] if row["chosen"]]

    assert len(chosen) == 1
    row = chosen[0]
    assert row["flagged"] == row["found"] + row["false_alarms"] <= 300
    assert row["found"] + row["missed"] == report["test"]["positives"]
    assert row["precision"]["low"] <= row["precision"]["value"] <= row["precision"]["high"]


def test_the_scoring_engine_flags_as_many_as_the_evaluation_says(fitted, test, report):
    scores = engine.score(fitted.model, test.table(fitted.model.items)).scores

    row = next(row for row in report["capacity"] if row["chosen"])
    assert engine.candidates(scores, fitted.model.threshold).sum() == row["flagged"]


def cells_of(report):
    rows = report["ventiles"]
    yield from ((row["positives"], row["children"] - row["positives"]) for row in rows)
    cumulated = [(0, 0), *((row["found"], row["false_alarms"]) for row in report["capacity"])]
    yield from ((after[0] - before[0], after[1] - before[1]) for before, after in pairwise(cumulated))


def test_no_two_rows_of_the_tables_differ_by_few_children(report):
    """Subtracting one shown row from the next would otherwise describe the few between them."""
    assert all(min(cell) >= 10 for cell in cells_of(report))


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=1, max_size=300),
    st.integers(0, 41),
    st.integers(1, 12),
)
def test_every_cell_of_the_partition_is_large_enough_and_together_they_are_everybody(rows, chosen, min_cell):
    scores, labels = np.array([row[0] for row in rows], dtype=np.int64), np.array([row[1] for row in rows])
    cells = partition(scores, labels, chosen=chosen, tie_rule="leave_out", min_cell=min_cell)

    assert all(min(cell.positives, cell.children - cell.positives) >= min_cell for cell in cells)
    if cells:
        assert cells[-1].flagged_until_here == len(rows)
        assert [cell.lowest for cell in cells] == sorted({cell.lowest for cell in cells}, reverse=True)
    else:
        assert min(labels.sum(), (~labels).sum()) < min_cell


def test_a_small_group_is_pooled_and_never_left_to_subtraction(report):
    """Three 'other' households would be the total minus the shown ones."""
    rows = report["groups"]["hh_type"]

    assert sorted(level for row in rows for level in row["levels"]) == ["one_adult", "other", "two_parents"]
    assert ["one_adult", "other"] in [row["levels"] for row in rows]
    assert sum(row["children"] for row in rows) == report["test"]["rows"]


@dataclass
class Table:
    """A table of outcomes and flags."""

    labels: np.ndarray
    flagged: np.ndarray
    min_cell: int


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.booleans(), st.booleans()), min_size=1, max_size=200),
    st.integers(2, 8),
)
def test_whatever_the_groups_no_shown_one_is_small_and_none_is_missing(rows, min_cell):
    values = pd.Series([row[0] for row in rows])
    labels, flagged = np.array([row[1] for row in rows]), np.array([row[2] for row in rows])
    on = Table(labels, flagged, min_cell)
    shown = groups.grouped(values.to_numpy(), on)

    for group in shown.levels:
        mask = values.isin(group).to_numpy()
        counts = groups.Counts.of(labels[mask], flagged[mask])
        assert counts.outcomes_shown(min_cell)
        assert counts.flags_shown(min_cell) or not shown.rated
    if shown.levels:
        assert {level for group in shown.levels for level in group} == set(values)


def test_the_flag_is_measured_among_children_nobody_knows_yet(fitted, test, report):
    known = (test.frame["registered"] == "yes").to_numpy()
    labels = (test.frame["absent_30d_next_year"] == "yes").to_numpy()
    scores = engine.score(fitted.model, test.table(fitted.model.items)).scores
    flagged = engine.candidates(scores, fitted.model.threshold)

    found = report["not_already_known"]
    assert found["recall_not_known"]["value"] == pytest.approx(
        (labels & flagged & ~known).sum() / (labels & ~known).sum(), abs=1e-4
    )
    assert found["known_missed"]["value"] == pytest.approx(
        (labels & ~flagged & known).sum() / (labels & known).sum(), abs=1e-4
    )


def test_the_flag_is_compared_with_one_item_and_with_one_sign_of_poverty(report):
    assert report["baselines"]["single_best_item"]["item"] in FEATURES
    assert report["baselines"]["poverty_only"]["item"] in {"eq_income", "school_aid"}
    assert report["baselines"]["poverty_only"]["auc"]["value"] < report["auc"]["value"]


def test_expected_and_observed_agree_for_an_unweighted_fit(report):
    assert report["calibration"]["observed_to_expected"]["value"] == pytest.approx(1, abs=0.15)


def test_reference_shares_leave_out_what_few_children_have(report, train):
    household = report["reference"]["hh_type"]

    assert "other" not in household
    assert household["two_parents"] == pytest.approx(
        (train.frame["hh_type"] == "two_parents").mean(), abs=1e-3
    )


@pytest.mark.parametrize("rows", [1, 30, 100])
def test_a_tiny_test_part_says_too_few_and_nothing_else(fitted, make_part, rows):
    tiny = FLAG.evaluate(fitted, make_part("test", rows=rows, seed=9), groups=BY, refits=2)

    assert tiny["too_few"] is True
    assert tiny["test"]["positives"] is None
    assert not {"auc", "capacity", "groups"} & set(tiny.data)
    assert "少なすぎて示せません" in tiny._repr_html_()
    assert "too few" in str(tiny)


def test_a_group_that_is_not_an_item_is_refused(fitted, test):
    with pytest.raises(Refused, match="shoe_size"):
        FLAG.evaluate(fitted, test, groups=["shoe_size"])


def test_training_rows_are_no_test(fitted, train):
    with pytest.raises(Refused):
        FLAG.evaluate(fitted, train)


def test_an_item_that_is_too_good_is_pointed_at(make_part):
    def leaking(name, **size):
        part = make_part(name, **size)
        days = np.where(part.frame["absent_30d_next_year"] == "yes", 40, 2)
        return type(part)(**{**vars(part), "frame": part.frame.assign(absent_days=days)})

    flag = RiskFlag("leak", target="absent_30d_next_year", capacity=0.1)
    fitted = flag.fit(leaking("train"), LogisticRegression(C=0.1), features=["absent_days", "sex"])
    report = flag.evaluate(fitted, leaking("test", rows=3000, seed=2), refits=0)

    assert any("after the index date" in note["en"] for note in report["notes"])


def test_the_report_prints_in_japanese_with_english_beneath(report):
    html = report._repr_html_()

    for word in (
        "見逃し",
        "missed",
        "空振り",
        "false alarms",
        "集団ごとの見逃しと空振り",
        "既知を除いた性能",
        "Of 100 candidates",
    ):
        assert word in html


def test_a_machine_without_a_japanese_font_draws_in_english_without_a_warning(fitted, monkeypatch, recwarn):
    from workbench.riskflag import flag, plotting

    monkeypatch.setattr(plotting, "japanese_font", lambda: None)
    monkeypatch.setattr(flag, "japanese_font", lambda: None)
    fitted.plot()

    assert not [str(warning.message) for warning in recwarn if "Glyph" in str(warning.message)]


def test_the_evaluation_needs_only_the_model_the_definition_and_the_record_of_training(
    fitted, train, test, report
):
    """The room that checks has no estimator, no notebook, no pickle: it gets the same digits."""
    refit = refit_as(fitted.definition, fitted.training.to_json())

    assert (
        evaluate(fitted.model, fitted.definition, train=train, test=test, by=BY, refit=refit, refits=2)
        == report.data
    )
