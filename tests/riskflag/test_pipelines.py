"""A pipeline's own preprocessing is carried exactly, to the last float64 on either side of each threshold, or refused."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)
from sklearn.tree import DecisionTreeClassifier

from workbench.errors import Refused
from workbench.riskflag import pipelines
from workbench.riskflag.define import Definition
from workbench.riskflag.estimators import rebuilt
from workbench.riskflag.train import configured, fit, said_by, train
from workbench.scoring import engine, model, sql

FLAG = Definition("school-attendance", target="absent_30d_next_year", capacity=0.1)
CATEGORIES, NUMBERS = ["hh_type", "school_aid"], ["absent_days", "eq_income"]
FEATURES = [*CATEGORIES, *NUMBERS]
LEAF = {"min_samples_leaf": 15}


def columns(numbers, categories=None, names=NUMBERS):
    categories = categories or OneHotEncoder(handle_unknown="ignore")
    return ColumnTransformer([("c", categories, CATEGORIES), ("n", numbers, names)])


def ordinal():
    return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)


def filled(*steps):
    return make_pipeline(SimpleImputer(add_indicator=True), *steps)


HELD = {
    "bins one by one": make_pipeline(
        columns(make_pipeline(SimpleImputer(), KBinsDiscretizer(4, quantile_method="averaged_inverted_cdf"))),
        LogisticRegression(),
    ),
    "bins in order": make_pipeline(
        columns(
            make_pipeline(
                SimpleImputer(), MinMaxScaler(), KBinsDiscretizer(4, encode="ordinal", strategy="uniform")
            )
        ),
        LogisticRegression(),
    ),
    "scaled days": make_pipeline(
        columns(filled(StandardScaler()), names=["absent_days"]), LogisticRegression(max_iter=500)
    ),
    "scaled tree": make_pipeline(columns(filled(StandardScaler())), DecisionTreeClassifier(**LEAF)),
    "forest": make_pipeline(columns("passthrough", ordinal()), RandomForestClassifier(4, **LEAF)),
    "extra": make_pipeline(
        columns(filled(RobustScaler())),
        CalibratedClassifierCV(ExtraTreesClassifier(4, **LEAF), ensemble=False, cv=2),
    ),
    "boosting": make_pipeline(columns(filled(MaxAbsScaler())), GradientBoostingClassifier(n_estimators=5)),
    "histogram": make_pipeline(
        columns(
            "passthrough",
            OneHotEncoder(min_frequency=20, handle_unknown="infrequent_if_exist", sparse_output=False),
        ),
        HistGradientBoostingClassifier(max_iter=5),
    ),
}


@pytest.fixture(scope="session")
def amounts(make_part):
    """A part whose incomes a float32 cannot tell apart, and whose outcome depends on the difference."""

    def some(seed, rows=400):
        rng = np.random.default_rng(seed)
        income = 16_777_210 + rng.integers(0, 12, rows).astype(float)
        household = rng.choice(["ひとり親", "両親", "三世代"], rows)
        days = rng.poisson(6, rows).astype(float)
        logit = 0.3 * (days - 6) + (income > 16_777_216) + (household == "ひとり親") - 1
        outcome = rng.random(rows) < 1 / (1 + np.exp(-logit))
        return make_part(
            rows=rows,
            seed=seed,
            hh_type=pd.Series(household).mask(rng.random(rows) < 0.1),
            absent_days=pd.Series(days).mask(rng.random(rows) < 0.1),
            eq_income=pd.Series(income).mask(rng.random(rows) < 0.1),
            absent_30d_next_year=np.where(outcome, "yes", "no"),
        )

    return some


def at_every_edge(part, a_model):
    """The part's rows with numbers on both sides of each threshold, and levels nobody has met."""
    rng = np.random.default_rng(0)
    frame = part.frame[FEATURES].copy()
    for feature in a_model.features:
        if feature.edges:
            sides = [*feature.edges, *np.nextafter(feature.edges, -np.inf)]
            whole = part.dictionary[feature.name].kind == "integer" and len(feature.edges) > 100
            # Where each whole number has an interval, the input contract lets nothing else in.
            frame[feature.name] = rng.choice(list(feature.edges) if whole else sides, len(frame))
            frame.loc[::9, feature.name] = np.nan
    frame.loc[::7, "hh_type"] = "誰も知らない"
    return frame


def exactly(part, estimator, databases):
    a_model, _ = train(FLAG, part, estimator, features=FEATURES)
    a_model = model.read(rfc8785.dumps(a_model.to_json()))
    copy, _ = configured(estimator, (), seed=0)
    rows = pipelines.frame_of(part, FEATURES)
    fit(copy, rows, (part.frame[FLAG.target] == "yes").to_numpy())
    frame = at_every_edge(part, a_model)
    table = pa.Table.from_pandas(frame, preserve_index=False).append_column("n", pa.array(range(len(frame))))
    scored = engine.score(a_model, table)
    said = said_by(copy, pd.DataFrame({name: frame[name].astype(rows[name].dtype) for name in FEATURES}))

    apart = np.abs(engine.milli_logits(a_model, scored.scores) - 1000 * said)
    assert not scored.rejected.any()
    assert apart.max() <= 2 * len(FEATURES) + len(a_model.trees) + 6
    for run in databases.values():
        assert [row["score"] for row in run(sql.query(a_model), table)] == scored.scores.tolist()


@pytest.mark.parametrize("name", HELD)
def test_both_sides_of_every_threshold_score_as_the_pipeline_says(databases, amounts, name):
    exactly(amounts(5), HELD[name], databases)


@pytest.mark.slow
@pytest.mark.parametrize("name", HELD)
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_both_sides_of_every_threshold_whatever_the_rows(databases, amounts, name, seed):
    exactly(amounts(seed), HELD[name], databases)


def test_attack_a_threshold_that_float32_would_move(amounts):
    """The tree reads 16,777,217 as 16,777,216: the edge is where the tree's own float32 turns over."""
    tree = make_pipeline(
        ColumnTransformer([("n", "passthrough", ["eq_income"])]), DecisionTreeClassifier(max_depth=3, **LEAF)
    )
    a_model, _ = train(FLAG, amounts(5, rows=2000), tree, features=["eq_income"])
    (income,) = a_model.features

    assert len(income.edges) >= 2
    for edge in income.edges:
        below = np.nextafter(edge, -np.inf)
        assert np.float32(below) != np.float32(edge)


@pytest.mark.parametrize("name", ["bins one by one", "forest", "extra"])
def test_whoever_fits_again_from_the_settings_gets_the_same_bytes(amounts, name):
    a_model, training = train(FLAG, amounts(5), HELD[name], features=FEATURES)
    told = json.loads(rfc8785.dumps(training.to_json()))
    again, _ = train(FLAG, amounts(5), rebuilt(told["estimator"], told["parameters"]), features=FEATURES)

    assert rfc8785.dumps(again.to_json()) == rfc8785.dumps(a_model.to_json())


class Clever(OneHotEncoder):
    """Whoever inherits may compute something else."""


REFUSED = {
    "a scaled amount": (
        make_pipeline(columns(filled(StandardScaler())), LogisticRegression(max_iter=500)),
        "KBinsDiscretizer",
    ),
    "code": (make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()), "FunctionTransformer"),
    "code within": (
        make_pipeline(columns(filled(FunctionTransformer(print))), LogisticRegression()),
        "FunctionTransformer",
    ),
    "its own class": (make_pipeline(columns("drop", Clever()), LogisticRegression()), "Clever"),
    "another estimator": (make_pipeline(columns("drop"), object()), "LogisticRegression"),
    "a function that chooses columns": (
        make_pipeline(
            ColumnTransformer([("n", "passthrough", make_column_selector())]), DecisionTreeClassifier()
        ),
        "function",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_attack_what_cannot_be_held_exactly_is_refused_before_it_runs(amounts, case, capsys):
    pipeline, nearest = REFUSED[case]
    part = amounts(5)
    part.frame["eq_income"] = np.random.default_rng(1).normal(size=len(part.frame))
    with pytest.raises(Refused) as refusal:
        train(FLAG, part, pipeline, features=FEATURES)

    assert nearest in refusal.value.en
    assert refusal.value.ja != refusal.value.en
    assert not capsys.readouterr().out


def test_a_level_the_encoder_does_not_take_rejects_the_row(amounts):
    encoder = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="error"))
    part = amounts(5)
    pipeline = make_pipeline(ColumnTransformer([("c", encoder, ["school_aid"])]), LogisticRegression())
    a_model, _ = train(FLAG, part, pipeline, features=["school_aid"])

    scored = engine.score(a_model, pa.table({"school_aid": ["yes", "?"]}))
    assert scored.rejected.tolist() == [False, True]


@pytest.mark.parametrize(
    ("step", "name", "nearest"),
    [
        (StandardScaler(), "absent_days", "SimpleImputer"),
        (OneHotEncoder(), "eq_income", "KBinsDiscretizer"),
        (OneHotEncoder(), "hh_type", "handle_unknown"),
    ],
    ids=["missing", "a number by name", "a level never met"],
)
def test_attack_no_error_of_a_library_shows_a_value(amounts, step, name, nearest):
    part = amounts(5)
    if name == "hh_type":
        part.frame["hh_type"] = part.frame["hh_type"].fillna("両親")
    if name == "eq_income":
        part.frame["eq_income"] = 16_777_217.0 + part.frame.index % 5
    pipeline = make_pipeline(ColumnTransformer([("n", step, [name])]), LogisticRegression())
    with pytest.raises(Refused, match=nearest) as refusal:
        train(FLAG, part, pipeline, features=[name])

    assert "16777" not in str(refusal.value)
    assert refusal.value.__suppress_context__ or refusal.value.__context__ is None


def test_keys_of_numbers_are_in_their_order_and_come_back():
    numbers = np.array([-np.inf, -1.5, -5e-324, 0.0, 5e-324, 1.5, np.inf])
    keys = pipelines.key(numbers)

    assert (np.diff(keys) > 0).all()
    assert (pipelines.number(keys) == numbers).all()
    assert pipelines.key(np.array([-0.0]))[0] == keys[3]
    assert keys[4] - keys[3] == 1
