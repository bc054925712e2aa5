"""Training compiles to integers: what they cannot hold is refused, what is too small gets no points."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import BernoulliNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from workbench.errors import Refused
from workbench.riskflag.define import Definition
from workbench.riskflag.expert import Rule, RuleList
from workbench.riskflag.flag import RiskFlag
from workbench.riskflag.train import train as fit
from workbench.scoring import engine

FEATURES = ["grade", "sex", "hh_type", "absent_days", "eq_income", "school_aid", "district"]
FLAG = Definition("school-attendance", target="absent_30d_next_year", capacity=0.1)


@pytest.fixture(scope="module")
def fitted(train):
    return fit(FLAG, train, LogisticRegression(), features=FEATURES)


def test_the_same_part_gives_the_same_model_to_the_byte(train, fitted):
    again, _ = fit(FLAG, train, LogisticRegression(), features=FEATURES)

    assert again == fitted[0]


def test_the_compiled_model_ranks_as_the_estimator_does(fitted):
    _, training = fitted

    assert training.compiled["children_exchanged_at_capacity"] <= 2
    assert training.compiled["largest_difference_milli_logits"] < 30


def test_contributions_stand_around_the_average_child(train, fitted):
    """Centring moves no score: it only says where zero is."""
    model, _ = fitted
    contributions = engine.score(model, train.table(model.items)).contributions

    assert np.abs(contributions.mean(axis=0)).max() < 1


def test_points_are_python_integers_and_scores_add_up(train, fitted):
    model, _ = fitted
    scored = engine.score(model, train.table(model.items))

    assert all(
        type(value) is int for feature in model.features for value in (*feature.points, feature.missing)
    )
    assert (scored.scores == model.base + scored.contributions.sum(axis=1)).all()


def points_of(model, item):
    """An item's points by level."""
    feature = next(feature for feature in model.features if feature.name == item)
    return dict(zip(feature.levels, feature.points, strict=True))


def test_a_level_met_in_too_few_rows_has_no_points_of_its_own_and_this_is_said(train, fitted):
    model, training = fitted
    points = points_of(model, "hh_type")

    assert (train.frame["hh_type"] == "other").sum() < 100
    assert points["other"] == points["two_parents"] != points["one_adult"]
    assert any("世帯の型" in note["ja"] for note in training.notes)


def test_rare_never_met_and_most_common_levels_cannot_be_told_apart_in_the_model(make_part):
    def fitted_to(part):
        return fit(FLAG, part, LogisticRegression(), features=["hh_type", "absent_days"])[0]

    part = make_part()
    without = part.frame["hh_type"].replace("other", "two_parents")
    assert fitted_to(part) == fitted_to(make_part(hh_type=without))


def test_several_rare_levels_share_one_coefficient(make_part):
    rng = np.random.default_rng(3)
    codes = np.where(rng.random(4000) < 0.01, rng.integers(0, 9, 4000), 99)
    part = make_part(district=pd.Series(codes).map("E{:02d}".format))
    model, _ = fit(FLAG, part, LogisticRegression(), features=["district", "absent_days"], min_cell=20)
    district = next(feature for feature in model.features if feature.name == "district")

    assert (
        len(
            {points for level, points in zip(district.levels, district.points, strict=True) if level != "E99"}
        )
        == 1
    )


def smallest_cell(model, part):
    """The fewest rows behind any points; levels with the same points are one cell."""
    contributions = pd.DataFrame(engine.score(model, part.table(model.items)).contributions)
    return min(contributions[column].value_counts().min() for column in contributions)


def test_every_cell_of_the_model_stands_on_enough_rows(train, fitted):
    assert smallest_cell(fitted[0], train) >= 100


def test_points_given_by_hand_to_a_rare_level_are_found(train, fitted):
    model = fitted[0]
    household = next(feature for feature in model.features if feature.name == "hh_type")
    points = tuple(900 if level == "other" else own for level, own in points_of(model, "hh_type").items())
    changed = tuple(
        replace(household, points=points) if each is household else each for each in model.features
    )

    found = smallest_cell(replace(model, features=changed), train)
    assert found == (train.frame["hh_type"] == "other").sum() < 100


def test_edges_may_be_chosen_and_give_way_to_the_smallest_cell(train):
    model, training = fit(
        FLAG, train, LogisticRegression(), features=["absent_days"], edges={"absent_days": [5, 10, 209]}
    )

    assert model.features[0].edges == (5.0, 10.0)
    assert any("1 edges" in note["en"] for note in training.notes)


def test_edges_found_are_round_numbers_and_not_somebodys_value(fitted):
    income = next(feature for feature in fitted[0].features if feature.name == "eq_income")

    assert all(edge == float(f"{edge:.2g}") for edge in income.edges)


def test_a_count_that_is_mostly_zero_still_tells_those_apart_who_stand_out(make_part):
    days = np.where(np.arange(4000) % 20 == 0, 30, 0)
    model, _ = fit(FLAG, make_part(absent_days=days), LogisticRegression(), features=["absent_days"])

    assert model.features[0].edges == (30.0,)


class Clever(LogisticRegression):
    """Whoever inherits may compute something else."""


REFUSED = {
    "a support vector machine": (SVC(), "HistGradientBoostingClassifier"),
    "neighbours": (KNeighborsClassifier(), "RandomForestClassifier"),
    "a network": (MLPClassifier(), "ExplainableBoostingClassifier"),
    "a search": (GridSearchCV(LogisticRegression(), {}), "best_estimator_"),
    "a calibration of several": (CalibratedClassifierCV(LogisticRegression()), "ensemble=False"),
    "a calibration of nobody knows what": (CalibratedClassifierCV(ensemble=False), "LogisticRegression"),
    "a calibration of Bayes": (CalibratedClassifierCV(BernoulliNB(), ensemble=False), "uncalibrated"),
    "another loss": (GradientBoostingClassifier(loss="exponential"), "log_loss"),
    "an own start": (GradientBoostingClassifier(init=LogisticRegression()), "init"),
    "an own generator": (DecisionTreeClassifier(random_state=np.random.RandomState(1)), "seed"),
    "its own class": (Clever(), "LogisticRegression"),
    "anything": (object(), "LogisticRegression"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_integers_cannot_hold_is_refused_and_the_nearest_named(train, case):
    estimator, nearest = REFUSED[case]
    with pytest.raises(Refused) as refusal:
        fit(FLAG, train, estimator, features=FEATURES)

    assert nearest in refusal.value.en
    assert refusal.value.ja != refusal.value.en


def test_an_estimator_that_only_looks_like_a_logistic_regression_is_refused(train):
    class LogisticRegression:
        pass

    with pytest.raises(Refused):
        fit(FLAG, train, LogisticRegression(), features=FEATURES)


def test_too_few_positives_are_not_learnt_from(make_part):
    with pytest.raises(Refused, match="少なすぎ"):
        fit(FLAG, make_part(rows=60), LogisticRegression(), features=["sex"])


def test_a_fit_that_did_not_settle_is_refused(train):
    with pytest.raises(Refused, match="max_iter"):
        fit(FLAG, train, LogisticRegression(max_iter=1), features=FEATURES)


def test_class_weight_is_held_and_its_effect_is_said(train):
    _, training = fit(FLAG, train, LogisticRegression(class_weight="balanced"), features=FEATURES)

    assert any("class_weight" in note["en"] for note in training.notes)


def test_an_item_that_is_the_outcome_itself_is_refused(make_part, train):
    """Without regularisation the coefficient runs away; no integer holds it."""
    leak = make_part(school_aid=train.frame["absent_30d_next_year"])

    with pytest.raises(Refused):
        fit(FLAG, leak, LogisticRegression(C=1e9, max_iter=10_000, tol=1e-12), features=["school_aid"])


def test_a_category_with_too_many_levels_is_refused(make_part):
    part = make_part(district=[f"D{i}" for i in range(4000)])

    with pytest.raises(Refused, match="district"):
        fit(FLAG, part, LogisticRegression(), features=["district"])


@pytest.mark.parametrize("column", [pd.NA, None, np.nan])
def test_an_all_missing_column_gives_a_model_that_knows_nothing_of_it(make_part, column):
    model, _ = fit(
        FLAG, make_part(eq_income=column), LogisticRegression(), features=["eq_income", "absent_days"]
    )

    assert model.features[0].edges == ()
    assert model.features[0].points == (0,)


def test_a_target_that_is_not_there_is_refused(train):
    with pytest.raises(Refused, match="nothing_at_all"):
        fit(
            Definition("x", target="nothing_at_all", capacity=1),
            train,
            LogisticRegression(),
            features=["sex"],
        )


def test_only_children_the_flag_is_about_are_learnt_from(train):
    only_old = Definition(
        "x",
        target="absent_30d_next_year",
        capacity=0.1,
        eligible={"grade": ["小学4–6年", "中学以上"]},
        excluded={"registered": ["yes"]},
    )
    model, training = fit(only_old, train, LogisticRegression(), features=["grade", "absent_days"])

    frame = train.frame
    expected = frame["grade"].isin(["小学4–6年", "中学以上"]) & (frame["registered"] != "yes")
    assert training.rows == expected.sum()
    assert model.eligible == {"grade": ("小学4–6年", "中学以上")}


def test_a_fitted_flag_prints_as_its_whole_table(train):
    flag = RiskFlag("school-attendance", target="absent_30d_next_year", capacity=0.1)
    fitted = flag.fit(train, LogisticRegression(), features=FEATURES)

    html = fitted._repr_html_()
    assert "欠席日数" in html
    assert "Absent days" in html
    assert "not a probability" in html
    assert fitted.plot().png.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("estimator", "said"),
    [
        (DecisionTreeClassifier(min_samples_leaf=100), "average contributions"),
        (
            RuleList(Rule({"absent_days": (20, None)}, points=900, ja="欠席20日以上", en="20 days")),
            "欠席20日以上",
        ),
    ],
    ids=["tree", "rules"],
)
def test_a_fitted_flag_of_another_form_prints_what_its_items_contribute(train, estimator, said):
    flag = RiskFlag("school-attendance", target="absent_30d_next_year", capacity=0.1)
    fitted = flag.fit(train, estimator, features=None if isinstance(estimator, RuleList) else FEATURES)

    html = fitted._repr_html_()
    assert said in html
    assert "1 logit" not in html.partition("</p>")[0] or fitted.model.calibration is None
    assert fitted.plot().png.startswith(b"\x89PNG")


def test_the_average_contribution_of_a_level_is_that_of_its_rows(train):
    flag = RiskFlag("school-attendance", target="absent_30d_next_year", capacity=0.1)
    fitted = flag.fit(train, DecisionTreeClassifier(max_depth=1), features=["absent_days"])
    (feature,), (tree,) = fitted.model.features, fitted.model.trees
    below = tree.left_of[0]

    expected = [tree.points[1 if place < below else 2] for place in range(len(feature.points))]
    assert list(fitted._points(feature))[:-1] == expected
