"""
From each estimator of the table to whole numbers: the same in Python, DuckDB and SQLite, in any order and
chunk, and ranking as the estimator does but for the rounding that is declared.
"""

import json
from random import Random

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st
from interpret.glassbox import ExplainableBoostingClassifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import BernoulliNB, GaussianNB
from sklearn.tree import DecisionTreeClassifier

from workbench.errors import Unusable
from workbench.riskflag import estimators, expert
from workbench.riskflag.binning import bin_item
from workbench.riskflag.define import Definition
from workbench.riskflag.design import design_of
from workbench.riskflag.train import configured, fit, given_to, said_by, train
from workbench.scoring import engine, model, sql

FLAG = Definition("school-attendance", target="absent_30d_next_year", capacity=0.1)
FEATURES = ["hh_type", "absent_days", "eq_income", "district", "school_aid"]
HOUSEHOLDS = ("ひとり親", "両親", "三世代 '祖父母'", "その他")
# A float32 knows only every other of the whole numbers here.
INCOMES = np.array([16_777_215, 16_777_216, 16_777_217, 16_777_218, 33_554_433, 9_007_199_254_740_992.0])
EDGES = {"eq_income": [16_777_216, 16_777_217, 16_777_218]}

TREE = {"min_samples_leaf": 20, "max_depth": 4}
HELD = {
    "logistic": LogisticRegression(C=0.5, class_weight="balanced"),
    "bernoulli": BernoulliNB(),
    "gaussian": GaussianNB(var_smoothing=0.5),
    "tree": DecisionTreeClassifier(**TREE, class_weight={True: 3, False: 1}),
    "forest": RandomForestClassifier(5, **TREE, n_jobs=2),
    "extra": ExtraTreesClassifier(5, **TREE),
    "boosting": GradientBoostingClassifier(n_estimators=8, subsample=0.8),
    "histogram": HistGradientBoostingClassifier(max_iter=8),
    "additive": ExplainableBoostingClassifier(outer_bags=1, max_rounds=30, interactions=2, n_jobs=-2),
    "calibrated logistic": CalibratedClassifierCV(LogisticRegression(), ensemble=False, cv=2),
    "calibrated forest": CalibratedClassifierCV(RandomForestClassifier(5, **TREE), ensemble=False, cv=2),
    "calibrated histogram": CalibratedClassifierCV(
        HistGradientBoostingClassifier(max_iter=5), method="isotonic", ensemble=False, cv=2
    ),
    "calibrated tree": CalibratedClassifierCV(
        DecisionTreeClassifier(**TREE), method="isotonic", ensemble=False, cv=2
    ),
}


@pytest.fixture(scope="session")
def some_rows(make_part):
    """A part drawn anew: missing values, Japanese levels, amounts beyond float32; outcomes that depend on them."""

    def some(seed, rows=500, levels=HOUSEHOLDS[:3]):
        rng = np.random.default_rng(seed)
        missing = rng.random((3, rows)) < 0.1
        household = rng.choice(levels, rows)
        days = rng.poisson(8, rows).astype(float)
        income = rng.choice(INCOMES, rows)
        logit = 0.2 * (days - 8) + (household == HOUSEHOLDS[0]) + 2 * (income == INCOMES[2]) - 1.5
        outcome = rng.random(rows) < 1 / (1 + np.exp(-logit))
        return make_part(
            rows=rows,
            seed=seed,
            hh_type=pd.Series(household).mask(missing[0]),
            absent_days=pd.Series(days).mask(missing[1]),
            eq_income=pd.Series(income).mask(missing[2]),
            absent_30d_next_year=np.where(outcome, "yes", "no"),
        )

    return some


def learnt(part, estimator):
    return train(FLAG, part, estimator, features=FEATURES, edges=EDGES, min_cell=20)


def roundings(a_model):
    """How many numbers were rounded on the way to a score."""
    return 2 * len(a_model.features) + 2 * len(a_model.trees) + len(a_model.pairs) + 1


@pytest.mark.parametrize("name", HELD)
@settings(max_examples=1, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_whole_numbers_are_equal_in_python_duckdb_and_sqlite_and_in_any_order(
    databases, some_rows, name, seed
):
    equal_everywhere(databases, some_rows, name, seed)


def equal_everywhere(databases, some_rows, name, seed):
    a_model, _ = learnt(some_rows(seed), HELD[name])
    a_model = model.read(rfc8785.dumps(a_model.to_json()))
    others = some_rows(seed + 1, rows=60, levels=HOUSEHOLDS)
    others.frame.loc[:5, "district"] = "E99"
    table = others.table(FEATURES).append_column("n", pa.array(range(60)))
    scored = engine.score(a_model, table)
    expected = [None if no else int(one) for one, no in zip(scored.scores, scored.rejected, strict=True)]
    order = Random(seed).sample(range(60), 60)
    parts = [engine.score(a_model, table.take(order[start : start + 7])) for start in range(0, 60, 7)]

    assert None in expected
    assert (a_model.base + scored.contributions.sum(axis=1) == scored.scores).all()
    assert np.concatenate([part.scores for part in parts]).tolist() == scored.scores[order].tolist()
    for run in databases.values():
        assert [row["score"] for row in run(sql.query(a_model), table)] == expected


@pytest.mark.parametrize("name", HELD)
@settings(max_examples=1, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_ranking_is_the_estimators_but_for_the_declared_rounding(some_rows, name, seed):
    ranked_alike(some_rows, name, seed)


def ranked_alike(some_rows, name, seed):
    part, estimator = some_rows(seed), HELD[name]
    a_model, training = learnt(part, estimator)
    binned = [bin_item(part, item, min_cell=20, edges=EDGES.get(item)) for item in FEATURES]
    design = design_of(binned, how=estimators.way_of(estimator).reads)
    copy, _ = configured(estimator, design.columns, seed=0)
    fit(copy, given_to(copy, design), (part.frame[FLAG.target] == "yes").to_numpy())
    said = said_by(copy, given_to(copy, design))
    scores = engine.score(a_model, part.table(FEATURES)).scores

    order = np.argsort(said, kind="stable")
    highest_below = np.maximum.accumulate(scores[order])[:-1]
    higher = np.diff(said[order]) > 1e-6
    assert (highest_below - scores[order][1:])[higher].max(initial=0) <= 2 * roundings(a_model)
    assert training.compiled["children_exchanged_at_capacity"] <= 1
    if "isotonic" not in str(estimator):
        told = [np.clip(own, -12_000, 12_000) for own in (engine.milli_logits(a_model, scores), 1000 * said)]
        assert np.abs(told[0] - told[1]).max() <= roundings(a_model) + 6


@pytest.mark.parametrize("name", HELD)
def test_the_same_part_gives_the_same_bytes_and_so_does_whoever_fits_again_from_the_settings(some_rows, name):
    first, training = learnt(some_rows(1), HELD[name])
    told = json.loads(json.dumps(training.to_json()))
    again, _ = learnt(some_rows(1), estimators.rebuilt(told["estimator"], told["parameters"]))

    assert json.dumps(again.to_json()) == json.dumps(first.to_json())


def test_every_row_of_the_table_is_tried_here():
    tried = {type(estimators.inner(one)).__name__ for one in HELD.values()} | set(estimators.WRITTEN)

    assert tried == set(estimators.ESTIMATORS)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("Pipeline", {}),
        ("os.system", {"command": "true"}),
        ("LogisticRegression", {"no_such_setting": 1}),
        ("CalibratedClassifierCV", {"estimator": {"estimator": "Popen", "parameters": {"args": "true"}}}),
        ("RuleList", {"apply": "first", "rules": [{"asks": {}}]}),
    ],
)
def test_attack_settings_that_name_another_class_build_nothing(name, parameters):
    with pytest.raises(Unusable):
        estimators.rebuilt(name, parameters)


RULES = expert.RuleList(
    expert.Rule(
        {"absent_days": (12, None), "hh_type": ["ひとり親"]}, points=2000, ja="ひとり親で欠席12日以上", en="a"
    ),
    expert.Rule({"eq_income": (None, 16_777_217)}, points=700, ja="所得が基準未満", en="b"),
    expert.Rule({"absent_days": "(missing)"}, points=300, ja="欠席の記録がない", en="c"),
    apply="first",
)
CARD = expert.Scorecard(
    expert.Points("hh_type", points={"ひとり親": 800, "両親": -100}, missing=50),
    expert.Points("absent_days", edges=[5, 12], points=[0, 300, 900], missing=100),
)


def by_rules(row):
    days, income = row["absent_days"], row["eq_income"]
    if days >= 12 and row["hh_type"] == "ひとり親":
        return 2000
    if income < 16_777_217:
        return 700
    return 300 if pd.isna(days) else 0


def by_card(row):
    days = row["absent_days"]
    own = 100 if pd.isna(days) else 900 if days >= 12 else 300 if days >= 5 else 0
    household = row["hh_type"]
    return own + (50 if pd.isna(household) else {"ひとり親": 800, "両親": -100}.get(household, 0))


@pytest.mark.parametrize(("written", "by_hand"), [(RULES, by_rules), (CARD, by_card)], ids=["rules", "card"])
def test_what_an_expert_wrote_scores_as_written_everywhere(databases, some_rows, written, by_hand):
    part = some_rows(7, rows=800)
    a_model, training = train(FLAG, part, written)
    table = part.table(a_model.items).append_column("n", pa.array(range(800)))
    expected = [by_hand(row) for _, row in part.frame.iterrows()]

    assert engine.score(a_model, table).scores.tolist() == expected
    for run in databases.values():
        assert [row["score"] for row in run(sql.query(a_model), table)] == expected
    told = json.loads(json.dumps(training.to_json()))
    again, _ = train(FLAG, part, estimators.rebuilt(told["estimator"], told["parameters"]))
    assert again == a_model


def test_what_an_experts_points_stand_for_is_how_often_the_target_was_met(some_rows):
    part = some_rows(7, rows=3000)
    a_model, _ = train(FLAG, part, CARD)
    scores = engine.score(a_model, part.table(a_model.items)).scores
    expected = 1 / (1 + np.exp(-engine.milli_logits(a_model, scores) / 1000))
    outcome = (part.frame[FLAG.target] == "yes").to_numpy()

    assert abs(expected.mean() - outcome.mean()) < 0.01
    high = scores >= 900
    assert abs(expected[high].mean() - outcome[high].mean()) < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("name", HELD)
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_whatever_the_rows_whole_numbers_are_equal_and_ranked_alike(databases, some_rows, name, seed):
    equal_everywhere(databases, some_rows, name, seed)
    ranked_alike(some_rows, name, seed)
