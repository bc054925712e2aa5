"""Reasons are the model itself, in words of generalised levels, with what is not known beside them and no score."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from workbench.riskflag.dictionary import Dictionary
from workbench.riskflag.explain import reason_texts
from workbench.riskflag.flag import RiskFlag
from workbench.scoring import engine
from workbench.scoring.reasons import NONE_STANDS_OUT, SEPARATOR

FEATURES = ["grade", "hh_type", "absent_days", "eq_income", "school_aid"]
FLAG = RiskFlag("school-attendance", target="absent_30d_next_year", capacity=0.1)
FORMS = {
    "additive": LogisticRegression(),
    "tree": DecisionTreeClassifier(min_samples_leaf=100),
    "forest": RandomForestClassifier(n_estimators=5, min_samples_leaf=100),
    "boosting": HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=100),
}


@pytest.fixture(scope="module", params=FORMS)
def fitted(request, train):
    return FLAG.fit(train, FORMS[request.param], features=FEATURES)


@settings(deadline=None, max_examples=30)
@given(row=st.integers(0, 2999), lost=st.sets(st.sampled_from(FEATURES)))
def test_base_and_contributions_are_the_score_to_the_unit_whatever_is_missing(fitted, test, row, lost):
    part = replace(test, frame=test.frame.assign(**dict.fromkeys(lost)))
    told = fitted.explain(part, row=row)

    scores = engine.score(fitted.model, part.table(fitted.model.items)).scores
    assert told.score == told.base + sum(told.contributions.values()) == scores[row]
    assert all(type(points) is int for points in told.contributions.values())


@settings(deadline=None, max_examples=20)
@given(row=st.integers(0, 2999))
def test_reasons_are_the_largest_positive_contributions_in_words_of_the_model(fitted, test, row):
    told = fitted.explain(test, row=row)
    texts = reason_texts(fitted.model, test.dictionary)

    for language, said in told.reasons.items():
        known = {
            text
            for item in texts[language]["items"].values()
            for text in (*item["places"].values(), item["missing"])
        }
        if said == NONE_STANDS_OUT[language]:
            assert max(told.contributions.values()) <= 0
            continue
        reasons = said.split(SEPARATOR[language])
        assert set(reasons) <= known
        labels = [test.dictionary[item].label[language] for item in by_size(told.contributions)]
        assert [next(label for label in labels if reason.startswith(label)) for reason in reasons] == labels[
            : len(reasons)
        ]


def by_size(contributions):
    """Items with positive points, the largest first; equal ones in the model's order."""
    return [item for item, points in sorted(contributions.items(), key=lambda one: -one[1]) if points > 0]


def test_the_missing_sources_stand_beside_the_reasons_with_their_office(fitted, test):
    entries = {name: replace(entry, holder="学校教育課") for name, entry in test.dictionary.entries.items()}
    part = replace(test, frame=test.frame.assign(absent_days=None), dictionary=Dictionary(entries))

    told = fitted.explain(part, row=3)

    assert "欠席日数 Absent days（学校教育課）" in told.not_known
    assert "欠席日数" in str(told)
    assert "学校教育課" in told._repr_html_()


def test_neither_the_score_nor_a_percentage_is_shown(fitted, test):
    for row in range(0, 300, 37):
        told = fitted.explain(test, row=row)
        shown = str(told) + told._repr_html_()

        assert str(told.score) not in shown
        assert str(abs(told.score)) not in shown
        assert "%" not in shown
        assert "requires_human_assessment" in shown


def test_attack_an_exact_value_of_a_record_in_its_reasons(fitted, test):
    """A reason speaks of an interval; the number in the record appears nowhere."""
    part = replace(test, frame=test.frame.assign(eq_income=123.4567, absent_days=187))
    told = fitted.explain(part, row=0)

    assert not any(number in str(told) for number in ("123.4567", "187"))


def test_the_order_of_rows_moves_no_explanation(fitted, test):
    turned = replace(test, frame=test.frame.iloc[::-1].reset_index(drop=True))

    assert fitted.explain(test, row=5) == fitted.explain(turned, row=len(test) - 6)
    assert np.isscalar(fitted.explain(test, row=5).score)
