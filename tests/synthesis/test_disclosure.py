"""Each attack sees a table that copies, is silent about one that does not, and never takes ignorance for safety."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

from workbench.errors import Unusable
from workbench.privacy.synthesis.chances import judged, judged_against
from workbench.privacy.synthesis.columns import Column
from workbench.privacy.synthesis.disclosure import Homes, disclosure
from workbench.privacy.synthesis.membership import distances, membership

YES_NO = ("no", "yes")
DISTRICTS = tuple(f"E{n:02d}" for n in range(1, 9))
FAMILIES = ("two_parents", "one_adult", "three_generation", "other")
COLUMNS = {
    "grade": Column(minimum=0, maximum=17),
    "sex": Column(labels=("female", "male")),
    "district": Column(labels=DISTRICTS),
    "family": Column(labels=FAMILIES),
    "children": Column(minimum=1, maximum=5),
    "moves": Column(minimum=0, maximum=20),
    "income": Column(minimum=0, maximum=2000, whole=False),
    "absent": Column(minimum=0, maximum=366),
    "late": Column(minimum=0, maximum=366),
    "score": Column(minimum=0, maximum=100, whole=False),
    "fitness": Column(labels=("A", "B", "C", "D", "E")),
    "aid": Column(labels=YES_NO),
    "welfare": Column(labels=YES_NO),
    "consulted": Column(labels=YES_NO),
    "later": Column(labels=YES_NO),
}
KNOWN = ("grade", "sex", "district", "family", "children")
SENSITIVE = ("aid", "welfare")


def town(rows: int = 4000, *, seed: int = 0) -> pd.DataFrame:
    """Children of one city; another seed is other children of the same city."""
    r = np.random.default_rng(seed)
    poor = r.random(rows) < 0.15
    income = np.where(poor, r.gamma(4, 25, rows), r.gamma(9, 32, rows)).clip(0, 2000)
    absent = r.negative_binomial(0.8, 0.08, rows).clip(0, 366)
    logit = -4 + 0.05 * absent + 1.4 * poor
    frame = pd.DataFrame(
        {
            "grade": pd.array(r.integers(0, 18, rows), dtype="Int64"),
            "sex": r.choice(["male", "female"], rows),
            "district": r.choice(DISTRICTS, rows),
            "family": np.where(poor, r.choice(FAMILIES, rows, p=[0.2, 0.6, 0.1, 0.1]), "two_parents"),
            "children": pd.array(1 + r.poisson(0.8, rows).clip(0, 4), dtype="Int64"),
            "moves": pd.array(r.poisson(0.4, rows).clip(0, 20), dtype="Int64"),
            "income": income.round(1),
            "absent": pd.array(absent, dtype="Int64"),
            "late": pd.array(r.poisson(absent / 4 + 0.5).clip(0, 366), dtype="Int64"),
            "score": r.normal(np.where(poor, 46, 51), 9).clip(0, 100).round(1),
            "fitness": r.choice(list("ABCDE"), rows),
            "aid": np.where(poor & (r.random(rows) < 0.7), "yes", "no"),
            "welfare": np.where(poor & (r.random(rows) < 0.3), "yes", "no"),
            "consulted": np.where(r.random(rows) < 0.03 + 0.1 * poor, "yes", "no"),
            "later": np.where(r.random(rows) < 1 / (1 + np.exp(-logit)), "yes", "no"),
        }
    )
    frame.loc[frame["grade"] < 6, ["absent", "late", "score"]] = pd.NA
    return frame


def rarest(frame: pd.DataFrame, number: int) -> pd.Index:
    """The rows whose values are the least frequent, item by item."""
    surprise = np.zeros(len(frame))
    for name, column in COLUMNS.items():
        values = frame[name] if column.is_category else pd.qcut(frame[name], 50, duplicates="drop")
        shares = values.astype("object").map(values.value_counts(normalize=True))
        surprise -= np.log(shares.astype(float).fillna(float(values.isna().mean())))
    return frame.index[np.argsort(-surprise)[:number]]


def furthest(frame: pd.DataFrame, number: int) -> pd.Index:
    """The rows without a row like them."""
    from sklearn.neighbors import NearestNeighbors

    points = pd.get_dummies(frame.astype(dict.fromkeys(NUMBERS, float)).fillna(-1))
    points[list(NUMBERS)] = points[list(NUMBERS)].rank(pct=True)
    found = NearestNeighbors(n_neighbors=2, algorithm="brute").fit(points).kneighbors(points)[0][:, 1]
    return frame.index[np.argsort(-found)[:number]]


NUMBERS = tuple(name for name, column in COLUMNS.items() if not column.is_category)


def source():
    return town(4000, seed=0)


def control():
    return town(2000, seed=1)


def honest():
    """Other children of the same city: nothing in them comes from the source."""
    return town(4000, seed=2)


@cache
def found(kind: str):
    made = {"copy": source, "honest": honest, "bootstrap": bootstrap}[kind]()
    return disclosure(source(), control(), made, columns=COLUMNS, known=KNOWN, sensitive=SENSITIVE, seed=3)


def bootstrap():
    return source().sample(4000, replace=True, random_state=4).reset_index(drop=True)


NAMES = (
    "exact_copy",
    "singling_out:one",
    "singling_out:several",
    "linkability:known",
    "inference:aid",
    "inference:welfare",
)


@pytest.mark.parametrize("name", NAMES)
def test_attack_the_synthetic_table_is_the_source_itself(name):
    """The scale of every attack: a real copy scores about 1."""
    risk = found("copy").by_name[name]

    assert risk.risk > 0.9
    assert risk.lower > 0.8


@pytest.mark.parametrize("name", NAMES)
def test_other_children_of_the_city_leave_no_risk(name):
    risk = found("honest").by_name[name]

    assert risk.risk < 0.1
    assert risk.lower == 0


@pytest.mark.parametrize("name", NAMES)
def test_attack_a_bootstrap_of_rows(name):
    """Rows drawn again with repetition: two thirds of the children stand in the table as they are."""
    assert found("bootstrap").by_name[name].lower > 0.1


def test_attack_members_are_told_from_strangers_in_a_copy():
    copied, clean = found("copy").membership, found("honest").membership

    assert [one.name for one in copied] == ["membership", "membership:isolated", "membership:rarest"]
    assert all(one.auc.low > 0.9 for one in copied)
    assert all(one.found.low > 0.9 for one in copied[1:])
    assert clean[0].auc.value == pytest.approx(0.5, abs=0.03)
    assert clean[0].found.low == 0


@pytest.mark.parametrize("chosen", [rarest, pytest.param(furthest, marks=pytest.mark.slow)])
def test_attack_near_copies_of_the_rarest_children_are_planted(chosen):
    """175 in 17,500 rows: the attack on everybody and the distances see nothing, the attack on the few does."""
    real, other, made = town(17_500, seed=10), town(6000, seed=11), town(17_500, seed=12)
    rare = real.loc[chosen(real, 175)].copy()
    rare["income"] = (rare["income"] * 1.01).round(1)
    planted = pd.concat([made.iloc[len(rare) :], rare], ignore_index=True)

    clean, caught = (membership(real, other, table, columns=COLUMNS, seed=5) for table in (made, planted))
    near = [distances(real, other, table, columns=COLUMNS, seed=5) for table in (made, planted)]

    assert all(0.45 < one["nearer_to_source"] < 0.55 for one in near)
    assert caught[0].auc.value - clean[0].auc.value < 0.02
    assert max(one.found.low for one in clean) == 0
    assert max(one.found.low for one in caught[1:]) > 0.4
    assert max(one.auc.low for one in caught[1:]) > 0.65


def test_the_control_may_not_share_a_household_with_the_source():
    with pytest.raises(Unusable):
        Homes(source=pd.Series(["H1", "H2"]), control=pd.Series(["H3", "H2"]))


def test_attack_sisters_in_both_halves_of_the_control_hide_a_copy():
    """With a sister in the reference a stranger looks known, so households stay whole."""
    twins = pd.concat([control(), control()], ignore_index=True)
    homes = pd.Series(np.tile(np.arange(2000), 2))

    apart = membership(source(), twins, honest(), columns=COLUMNS, homes=homes, seed=5)[0]
    mixed = membership(source(), twins, honest(), columns=COLUMNS, seed=5)[0]

    assert apart.auc.value == pytest.approx(0.5, abs=0.04)
    assert mixed.auc.value > 0.6


def test_what_cannot_be_evaluated_is_never_safe():
    """Too few children, or too few of a kind: the upper limit is all there is."""
    few = disclosure(
        source()[:60],
        control()[:60],
        honest()[:60],
        columns=COLUMNS,
        known=KNOWN,
        sensitive=SENSITIVE,
        seed=3,
    )

    assert not any(risk.evaluable for risk in few.of("inference") + few.of("linkability"))
    assert all(risk.upper == 1 for risk in few.risks if not risk.evaluable)
    assert not any(one.evaluable for one in few.membership)


def test_a_value_that_nobody_in_the_control_has_cannot_be_evaluated():
    none = control().assign(welfare="no")
    risk = disclosure(
        source(), none, honest(), columns=COLUMNS, known=KNOWN, sensitive=["welfare"], seed=3
    ).by_name["inference:welfare"]

    assert not risk.evaluable


@pytest.mark.parametrize(("attack", "control"), [(0.5, 0.5), (0.9, 0.5), (0.2, 0.1), (0.97, 0.95)])
def test_the_limits_hold_the_true_risk_nineteen_times_in_twenty(attack, control):
    """Drawn 400 times; Wilson's limits carried to the ratio."""
    r = np.random.default_rng(8)
    true = (attack - control) / (1 - control)
    held = [
        one.lower <= true <= one.upper
        for one in (judged("x", r.random(1000) < attack, r.random(1000) < control) for _ in range(400))
    ]

    assert np.mean(held) > 0.925


def test_a_control_that_succeeds_as_often_leaves_no_risk():
    hits = np.array([True] * 600 + [False] * 400)

    assert judged("x", hits, hits).risk == 0
    assert judged("x", hits, hits).upper > 0
    assert judged_against("x", hits, control=0.6).risk == 0


def test_one_office_and_another_are_linked_by_a_copy_and_not_by_other_children():
    splits = {
        "tax and school": (("income", "aid", "welfare", "family"), ("absent", "late", "score", "grade"))
    }
    risks = [
        disclosure(
            source(), control(), made, columns=COLUMNS, known=KNOWN, sensitive=(), splits=splits, seed=3
        ).by_name["linkability:tax and school"]
        for made in (source(), honest())
    ]

    assert risks[0].lower > 0.8
    assert risks[1].risk < 0.05
