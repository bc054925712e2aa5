"""Models trained on protected rows: every number through one door, and nothing told that noise did not touch."""

import contextlib
import json
import math
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import Refused, Unusable
from workbench.privacy.dp import noise
from workbench.privacy.dp.audit.recording import compare
from workbench.privacy.dp.loss import Loss
from workbench.privacy.dp.models import familiar, training
from workbench.privacy.dp.models.bins import public_bins
from workbench.privacy.dp.models.boosting import CHILDREN, PROBABILITY, ROWS, Plan, bounded, residuals
from workbench.privacy.dp.models.methods import DENIED, METHODS
from workbench.privacy.dp.models.rows import UNIT, Protected, Rows, rows_of
from workbench.privacy.dp.models.wish import Wish, from_request, rho_micro
from workbench.riskflag import metrics
from workbench.riskflag.define import Definition
from workbench.riskflag.dictionary import Dictionary
from workbench.riskflag.part import Part, Source
from workbench.riskflag.population import considered
from workbench.scoring import engine, model, recode


def item(name, kind, *, role="other", **more):
    return {"name": name, "label": {"ja": name, "en": name}, "kind": kind, "role": role, **more}


DICTIONARY = Dictionary.of(
    {
        "items": [
            item("household_id", "code", role="direct_identifier"),
            item("fy", "integer", minimum=2010, maximum=2040),
            item("absent_days", "integer", minimum=0, maximum=250),
            item("sex", "category", values=["male", "female"]),
            item("aid", "flag"),
            item("district", "code"),
            item("absent_next", "flag"),
        ],
        "targets": ["absent_next"],
    }
)
RECODING = {
    "schema": recode.SCHEMA,
    "release": "child-year@1",
    "items": {
        "absent_days": {
            "kind": "interval",
            "edges": [2, 5, 10, 20, 30],
            "labels": ["0-1", "2-4", "5-9", "10-19", "20-29", "30+"],
        },
        "sex": {"kind": "table", "map": {"male": "male", "female": "female"}},
    },
}
FLAG = Definition("attendance", target="absent_next", capacity=0.1, poverty_items=())
PROTECTED = Protected(
    household="household_id",
    time="fy",
    before=2023,
    held_back=frozenset({"H3", "H7"}),
)
FEATURES = ["absent_days", "sex", "aid"]


def table(rows=400, *, seed=1):
    """Children by year, three to a household; next year's absence follows this year's."""
    draw = np.random.default_rng(seed)
    aid = draw.random(rows) < 0.2
    days = draw.poisson(4 + 8 * aid)
    chance = 1 / (1 + np.exp(4 - 0.25 * days))
    return pd.DataFrame(
        {
            "household_id": [f"H{n // 3}" for n in range(rows)],
            "fy": pd.array(2021 + np.arange(rows) % 3, dtype="Int64"),
            "absent_days": pd.array(days, dtype="Int64"),
            "sex": draw.choice(["male", "female"], rows),
            "aid": np.where(aid, "yes", "no"),
            "absent_next": np.where(draw.random(rows) < chance, "yes", "no"),
        }
    )


def released(rows=300):
    """The training part of an admitted release, recoded as it says."""
    frame = table(rows, seed=99)[[*FEATURES, "absent_next"]].copy()
    for name, spec in RECODING["items"].items():
        frame[name] = recode.apply(spec, frame[name]).to_pylist()
    source = Source("child-year", "1", "a" * 64, "attendance", "anonymised")
    return Part("train", frame, DICTIONARY, RECODING, source)


RELEASED = released()


def asked(**changes):
    """A request as it arrives."""
    wish = {
        "flag": FLAG.to_json(),
        "features": FEATURES,
        "method": "dp_ebm",
        "settings": {"rounds": 4},
        "epsilon": 1.0,
        "delta": 1e-6,
        "tries": 1,
    }
    return wish | changes


def pure(method="dp_logistic", **changes):
    return asked(method=method, settings={}, delta=None, **changes)


class Book:
    """A ledger that writes down what happened."""

    def __init__(self):
        self.charged, self.closed = [], []

    @contextlib.contextmanager
    def charge(self, loss, question):
        self.charged.append(loss)
        try:
            yield "q1"
        except BaseException:
            self.closed.append("kept")
            raise
        self.closed.append("settled")


def train(rows, wish, *, book=None, protected=PROTECTED, demonstration=None):
    return training.answer(
        wish if isinstance(wish, Wish) else from_request(wish),
        table=lambda: rows,
        protected=protected,
        released=RELEASED,
        charge=(book or Book()).charge,
        order=np.random.default_rng(5),
        demonstration=demonstration,
    )


def told(trained):
    return json.dumps({"model": trained.model.to_json(), "training": trained.training.to_json()})


# ------------------------------------------------------------------ what the guarantee rests on


def crowd(**more):
    """Fifty rows of one household."""
    return pd.DataFrame(
        {
            "household_id": "new",
            "fy": pd.array([2021] * 50, dtype="Int64"),
            "absent_days": pd.array([200] * 50, dtype="Int64"),
            "sex": "male",
            "aid": "yes",
            "absent_next": "yes",
        }
    ).assign(**more)


NEIGHBOURS = {
    "one household of fifty rows": crowd(),
    "one household in several spellings": crowd(household_id=[7, "7", 7.0, np.int64(7), "7"] * 10),
    "one child": crowd().head(1),
    "nothing is known of them": crowd(absent_days=pd.array([None] * 50, dtype="Int64"), sex=None, aid=None),
    "an extreme value": crowd(absent_days=pd.array([2**62] * 50, dtype="Int64")),
    "a category nobody registered": crowd(sex="a third", aid="perhaps"),
    "values of no one type": crowd(
        absent_days=[3, "x", None, 2.5, "7"] * 10, aid=[1, "yes", b"z", (), 2.0] * 10
    ),
    "an outcome nobody registered": crowd(absent_next="perhaps"),
    "no outcome": crowd(absent_next=None),
    "no time": crowd(fy=pd.array([None] * 50, dtype="Int64")),
    "no household": crowd(household_id=None).head(1),
    "all without the target": crowd(absent_next="no"),
}


@pytest.mark.parametrize("neighbour", NEIGHBOURS)
def test_neighbours_meet_the_same_noise_and_move_no_sum_beyond_its_bound(neighbour):
    """With the noise held fixed, two tables that differ in one household give the same model."""
    here = table(90)
    there = pd.concat([here, NEIGHBOURS[neighbour]], ignore_index=True)

    found = compare(lambda rows: told(train(rows, asked())), here, there)

    assert not found.faults
    assert found.draws == len(FEATURES) + 1 + 4 * len(FEATURES)


def test_the_bound_is_reached_and_not_generous():
    """A household of positives that nobody expected moves the sums by nearly all that it may."""
    here = table(90)

    found = compare(
        lambda rows: told(train(rows, asked())), here, pd.concat([here, crowd()], ignore_index=True)
    )

    assert 0.9 < found.reached <= 1


@pytest.mark.parametrize("rows", [0, 1, 2], ids=["an empty table", "one row", "two rows"])
@pytest.mark.parametrize("wish", [asked(), pure(), pure("dp_naive_bayes")], ids=METHODS)
def test_attack_an_empty_group(rows, wish):
    """A refusal because there is nobody, or nobody with the target, would tell exactly that."""
    assert train(table(90).head(rows), wish).model.features


@pytest.mark.parametrize("outcome", ["yes", "no"])
@pytest.mark.parametrize("wish", [asked(), pure(), pure("dp_naive_bayes")], ids=METHODS)
def test_attack_everybody_has_one_outcome(outcome, wish):
    assert train(table(90).assign(absent_next=outcome), wish).model.features


def test_a_household_weighs_no_more_than_its_bound_however_many_rows_it_has():
    homes = np.repeat(np.arange(60), np.arange(1, 61))
    rows = Rows(np.zeros((len(homes), 1), dtype=np.int64), np.ones(len(homes), dtype=bool), homes)

    shares = rows.shares(ROWS)

    assert np.bincount(homes, weights=shares).max() <= ROWS * UNIT
    assert rows.shares(60).min() == UNIT
    assert np.bincount(rows.bounded(1, order=np.random.default_rng(0)).homes).max() == 1


@pytest.mark.parametrize("score", [-(10**9), -12_000, -1, 0, 1, 12_000, 10**9])
def test_a_residual_is_never_more_than_the_rows_share(score):
    shares = np.array([UNIT, UNIT // 7, 1, 0])
    for outcome in (0, UNIT):
        found = residuals(np.full(4, score * 16), np.full(4, outcome), shares)

        assert (np.abs(found) <= shares).all()
    assert np.abs(UNIT - PROBABILITY).max() <= UNIT


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(-UNIT, UNIT)), min_size=1, max_size=200))
def test_a_household_moves_a_sum_of_residuals_by_one_child_at_most(rows):
    homes, values = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))

    found = bounded(values, homes)

    assert np.bincount(homes, weights=np.abs(found)).max() <= CHILDREN * UNIT
    alone = np.bincount(homes, weights=np.abs(values))[homes] <= CHILDREN * UNIT
    assert (np.abs(found - values)[alone] <= 1).all()


@pytest.mark.parametrize("epsilon", [0.05, 0.5, 1.0, 5.0])
@pytest.mark.parametrize("features", [1, 7, 40])
def test_the_draws_of_a_training_cost_no_more_than_is_charged(epsilon, features):
    """By OpenDP's privacy maps, and nearly all of it is used."""
    wish = from_request(asked(epsilon=epsilon, features=[f"i{n}" for n in range(features)]))
    plan = training.plan_of(wish)

    assert 0.99 * wish.each.at_most < plan.cost(features) <= wish.each.at_most


def test_held_back_households_and_the_last_year_are_not_trained_on():
    bins = public_bins(FEATURES, dictionary=DICTIONARY, recoding=RECODING, edges={})
    rows = table(90)
    found = rows_of(rows, protected=PROTECTED, definition=FLAG, bins=bins, released=RELEASED)

    kept = rows[(rows["fy"] < 2023) & ~rows["household_id"].isin({"H3", "H7"})]
    assert len(found) == len(kept)
    assert len(set(found.homes)) == kept["household_id"].nunique()


# ------------------------------------------------------------------ what it is worth


@pytest.fixture(scope="module")
def many():
    return table(30_000, seed=3)


def auc(trained, rows):
    frame = rows[[*FEATURES, "absent_next"]].copy()
    for name, spec in RECODING["items"].items():
        frame[name] = recode.apply(spec, frame[name]).to_pylist()
    held = considered(FLAG, Part("test", frame, DICTIONARY, RECODING, RELEASED.source))
    return metrics.auc(
        engine.score(trained.model, held.part.table(trained.model.items)).scores, held.labels
    ).value


def test_dp_ebm_learns_what_the_rows_say(many):
    test = table(8_000, seed=4)
    private = auc(train(many, asked(settings={})), test)
    nearly_without_noise = auc(train(many, asked(settings={}, epsilon=20.0)), test)

    assert nearly_without_noise > 0.75
    assert private > nearly_without_noise - 0.05


def test_a_level_nobody_has_keeps_its_points_near_nothing(many):
    """Noise on an empty level is drawn towards zero by how small the level is; the noise here is a given one."""
    few = many[many["absent_days"] < 20]
    trained = train(few, asked(settings={}), demonstration=b"one and the same")
    points = {feature.name: feature for feature in trained.model.features}

    assert abs(points["absent_days"].points[-1]) < 1000


@pytest.mark.parametrize("method", ["dp_logistic", "dp_naive_bayes"])
def test_the_listed_library_models_become_the_same_table_of_integers(method, many):
    trained = train(many, pure(method, epsilon=20.0))

    assert model.build(trained.model.to_json()) == trained.model
    assert auc(trained, table(8_000, seed=4)) > 0.7


def test_evidence_of_ones_and_zeros_becomes_points_without_loss():
    """What a level's one adds, and the zeros of its neighbours, stand in one number for each level."""
    bins = public_bins(FEATURES, dictionary=DICTIONARY, recoding=RECODING, edges={})
    rows = rows_of(table(300), protected=PROTECTED, definition=FLAG, bins=bins, released=RELEASED)
    draw = np.random.default_rng(8)
    design = familiar.one_hot(rows, bins)[0][:-2]
    at_one, at_zero = draw.normal(size=(2, design.shape[1]))

    found = familiar.table(bins, at_one=at_one, at_zero=at_zero, base=0.3)

    exact = 300 + 1000 * (design @ at_one + (1 - design) @ at_zero)
    scores = found.base + sum(np.array(found.points[k])[rows.places[:, k]] for k in range(len(bins)))
    assert np.abs(scores - exact).max() <= design.shape[1]


# ------------------------------------------------------------------ price


def test_the_price_reads_no_table_and_says_what_all_tries_cost():
    once, thrice = (training.price(from_request(asked(tries=tries)), released=RELEASED) for tries in (1, 3))

    assert thrice.loss.micro == 3 * once.loss.micro
    assert once.to_json() == {
        "epsilon": 1.0, "delta": 1e-6, "tries": 1, "epsilon_of_all": 1.0, "visible": once.to_json()["visible"],
        "unit": "household",
    }  # fmt: skip
    assert thrice.to_json()["epsilon_of_all"] == 3.0
    assert training.price(from_request(pure(epsilon=0.5)), released=RELEASED).loss == Loss.pure(0.5)


def test_the_best_of_n_is_paid_n_times():
    book = Book()
    trained = train(table(90), asked(tries=3), book=book)

    assert book.charged == [Loss(book.charged[0].kind, 3 * from_request(asked()).each.micro)]
    assert trained.training.guarantee["epsilon_of_all"] == 3.0


def test_a_rehearsal_spends_nothing_and_gives_a_model_of_the_same_kind():
    rehearsed = training.rehearse(from_request(asked()), released=RELEASED, order=np.random.default_rng(1))

    assert [feature.name for feature in rehearsed.model.features] == FEATURES


# ------------------------------------------------------------------ attacks


@pytest.mark.parametrize(
    "method",
    [
        {"__reduce__": "os.system"},
        ["dp_ebm"],
        None,
        "sklearn.linear_model.LogisticRegression",
        "../models",
        "LogisticRegression",
        "__import__('os').system('id')",
    ],
)
def test_attack_a_custom_estimator_smuggled_in(method):
    with pytest.raises(Refused) as refusal:
        from_request(asked(method=method))

    assert "asked for by name" in refusal.value.en


@pytest.mark.parametrize("method", DENIED)
def test_what_is_known_to_leak_is_refused_with_its_reason(method):
    with pytest.raises(Refused) as refusal:
        from_request(asked(method=method))

    assert DENIED[method][0] in refusal.value.ja
    assert DENIED[method][1] in refusal.value.en


@pytest.mark.parametrize("name", ["random_state", "seed", "rng", "generator"])
@pytest.mark.parametrize("method", METHODS)
def test_attack_a_seed_asked_for(method, name):
    with pytest.raises(Refused) as refusal:
        from_request({**asked(method=method), "delta": None, "settings": {name: 7}})

    assert "seed" in refusal.value.en


def test_attack_a_seed_beside_the_settings():
    with pytest.raises(Unusable):
        from_request({**asked(), "random_state": 7})


def test_attack_two_trainings_in_a_real_home_share_no_noise():
    assert train(table(90), asked()).model != train(table(90), asked()).model


def test_a_demonstration_repeats():
    assert told(train(table(90), asked(), demonstration=b"x")) == told(
        train(table(90), asked(), demonstration=b"x")
    )


MALFORMED = [
    None, [], "SELECT", {}, {"flag": {}}, asked(epsilon=math.nan), asked(epsilon=math.inf), asked(epsilon=0),
    asked(epsilon=-1), asked(epsilon=1e9), asked(epsilon="1"), asked(epsilon=True), asked(delta=0.5),
    asked(delta=0), asked(delta=math.nan), asked(delta=None), asked(tries=0), asked(tries=1.5),
    asked(epsilon=10**400), asked(delta=10**400), asked(tries=10**400), asked(edges={"absent_days": [10**400]}),
    asked(settings={"rate": 10**400}), asked(flag={**FLAG.to_json(), "capacity": 10**400}),
    asked(tries=10**9), asked(settings={"rounds": 10**9}), asked(settings={"rate": math.nan}),
    asked(settings={"rounds": "4"}), asked(settings={"class_weight": "balanced"}), asked(settings=[]),
    asked(features="absent_days"), asked(features=[3]), asked(features=["x"] * 1000), asked(edges=[]),
    asked(edges={"absent_days": [math.inf]}), asked(edges={"absent_days": [math.nan]}),
    asked(edges={"absent_days": []}), asked(edges={"absent_days": "12"}), asked(flag=[]), asked(flag={"name": 1}),
    asked(flag={**FLAG.to_json(), "capacity": math.nan}), asked(flag={**FLAG.to_json(), "eligible": {"sex": 3}}),
    asked(flag={**FLAG.to_json(), "own": "x"}), asked(flag={**FLAG.to_json(), "target": ["absent_next"]}),
    {**pure(), "delta": 1e-6},
]  # fmt: skip


def test_an_epsilon_too_small_for_a_millionth_of_rho_is_refused():
    with pytest.raises(Unusable):
        rho_micro(0.001, delta=1e-12)


@pytest.mark.parametrize("wish", MALFORMED, ids=range(len(MALFORMED)))
def test_attack_extreme_and_nan_numbers_in_a_request(wish):
    with pytest.raises((Refused, Unusable)):
        from_request(wish)


@pytest.mark.parametrize(
    "changes",
    [
        {"features": ["household_id"]},
        {"features": ["absent_next"]},
        {"features": ["nothing"]},
        {"features": ["district"]},
        {"features": []},
        {"features": ["sex", "sex"]},
        {"edges": {"absent_days": [1.0]}},
        {"edges": {"aid": [1.0]}},
        {"flag": FLAG.to_json() | {"target": "nothing"}},
    ],
    ids=str,
)
def test_what_is_wrong_with_a_wish_is_said_before_anything_is_spent(changes):
    book = Book()
    with pytest.raises(Refused):
        train(pytest.fail, asked(**changes), book=book)

    assert not book.charged


def test_attack_nan_and_infinity_in_the_protected_rows():
    """They count as missing: a refusal, or a NaN in the model, would tell of one row."""
    numbers = Part(
        "train", table(60)[[*FEATURES, "absent_next"]], DICTIONARY, {**RECODING, "items": {}}, RELEASED.source
    )
    odd = table(90).assign(absent_days=np.tile([np.nan, np.inf, -np.inf, 1e300, 3.0], 18))
    for wish in (asked(), pure(), pure("dp_naive_bayes")):
        trained = training.answer(
            from_request(wish | {"edges": {"absent_days": [2, 5]}}),
            table=lambda: odd, protected=PROTECTED, released=numbers, charge=Book().charge,
            order=np.random.default_rng(5),
        )  # fmt: skip

        assert model.build(json.loads(json.dumps(trained.model.to_json(), allow_nan=False)))


@pytest.mark.parametrize(
    "error", [Refused(ja="欠席 41 日のこども", en="child 17 has 41 days"), ValueError("41")]
)
def test_attack_error_messages_as_an_oracle(error, monkeypatch):
    """What breaks after the charge is never one of our sentences for people, so none of it crosses; and it cost."""
    book = Book()

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(training, "rows_of", fail)
    with pytest.raises((training.TrainingFailed, ValueError)):
        train(table(90), asked(), book=book)

    assert book.closed == ["kept"]


CROSSES = {
    "estimator", "parameters", "features", "seed", "min_cell", "rows", "positives", "edges", "notes", "compiled",
    "guarantee",
}  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_attack_exact_attributes_left_in(method, many):
    """Only these leave, no count among them is exact, and every point is a whole number."""
    wish = asked() if method == "dp_ebm" else pure(method)
    trained = train(many, wish, demonstration=b"one and the same")
    written = json.loads(told(trained))

    assert set(written["training"]) == CROSSES
    assert written["training"]["seed"] is None
    assert written["training"]["compiled"] == {}
    exact = len(many[(many["fy"] < 2023) & ~many["household_id"].isin(PROTECTED.held_back)])
    assert written["training"]["rows"] != exact
    assert str(exact) not in json.dumps([written["training"]["notes"], written["training"]["guarantee"]])
    for feature in trained.model.features:
        assert all(type(points) is int for points in (*feature.points, feature.missing))


def test_attack_a_library_that_asks_the_data_for_its_bounds(monkeypatch):
    """Its warning that something leaks stops the training."""
    from diffprivlib.models import LogisticRegression

    rows = rows_of(
        table(90), protected=PROTECTED, definition=FLAG, released=RELEASED,
        bins=public_bins(FEATURES, dictionary=DICTIONARY, recoding=RECODING, edges={}),
    )  # fmt: skip
    from diffprivlib.utils import PrivacyLeakWarning

    leaky = LogisticRegression(epsilon=1.0)
    with pytest.raises(PrivacyLeakWarning), warnings.catch_warnings():
        familiar.unleaking(leaky, lambda made: made.fit(rows.places.astype(float), rows.labels))


def test_attack_a_row_longer_than_the_norm_that_the_noise_is_made_for(monkeypatch):
    """The library's own constant, and norms beyond 1, are not covered by the theorem that it stands on."""
    from diffprivlib.models import LogisticRegression

    given = []
    real = LogisticRegression.fit
    monkeypatch.setattr(
        LogisticRegression,
        "fit",
        lambda self, rows, labels: given.append((self, rows)) or real(self, rows, labels),
    )
    train(table(90), pure())

    [(fitted, rows)] = given
    assert fitted.data_norm == 1.0
    assert not fitted.fit_intercept
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1.0)


def test_attack_a_household_leaves_one_class_and_enters_the_other(monkeypatch):
    """What the library's own noise hides of such a change costs no more than is charged."""
    from diffprivlib.models import naive_bayes

    bins = public_bins(FEATURES, dictionary=DICTIONARY, recoding=RECODING, edges={})
    rows = rows_of(table(300), protected=PROTECTED, definition=FLAG, bins=bins, released=RELEASED)
    places, labels = rows.places.copy(), rows.labels.copy()
    places[0], labels[0] = [each.size - 1 for each in bins], not labels[0]
    drawn = []

    def recording(mechanism):
        real = mechanism.randomise

        def randomise(self, value):
            # The answers of the first run are the answers of the second: only what they hide differs.
            told = real(self, value) if len(drawn) < 2 or next_told is None else next(next_told)
            drawn[-1].append((self.epsilon, self.sensitivity, float(value), told))
            return told

        monkeypatch.setattr(mechanism, "randomise", randomise)

    for mechanism in (
        naive_bayes.GeometricTruncated,
        naive_bayes.LaplaceTruncated,
        naive_bayes.LaplaceBoundedDomain,
    ):
        recording(mechanism)
    next_told = None
    for run in (rows, replace(rows, places=places, labels=labels)):
        drawn.append([])
        if len(drawn) == 2:
            next_told = iter([told for *_, told in drawn[0]])
        familiar.naive_bayes(run, bins, epsilon=1.0, settings={})

    assert [one[:2] for one in drawn[0]] == [other[:2] for other in drawn[1]]
    spent = sum(
        epsilon * abs(here - there) / sensitivity
        for (epsilon, sensitivity, here, _), (*_, there, _) in zip(*drawn, strict=True)
    )
    assert 0.3 < spent <= 1.0


def test_the_library_draws_from_the_operating_system(monkeypatch):
    """No seed reaches it, whatever the state of numpy's own generator."""
    given = []
    real = familiar.unleaking
    monkeypatch.setattr(familiar, "unleaking", lambda made, fit: given.append(made) or real(made, fit))
    for method in ("dp_logistic", "dp_naive_bayes"):
        np.random.seed(1)
        one = train(table(90), pure(method)).model
        np.random.seed(1)

        assert train(table(90), pure(method)).model != one
    assert all(made.random_state is None for made in given)


def test_a_plan_that_overspent_would_stop(monkeypatch):
    monkeypatch.setattr("workbench.privacy.dp.models.boosting.ROUNDS", 0.95)
    with pytest.raises(AssertionError, match="exceed"):
        Plan.of(rho=0.02, features=3, rounds=4, rate=0.2)


def test_every_number_is_told_by_the_one_door(monkeypatch):
    """With the door answering zeros, the model knows nothing of the rows."""
    monkeypatch.setattr(noise, "draw", lambda _, exact, **__: [0] * len(exact))
    one, other = (train(table(90, seed=seed), asked()) for seed in (1, 2))

    assert told(one) == told(other)
