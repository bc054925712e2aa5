"""Synthetic tables keep to the register, repeat from a seed, and are attacked against a control."""

import numpy as np
import pandas as pd
import pytest

from workbench.errors import NotFound, Unusable
from workbench.privacy.synthesis.columns import Column
from workbench.privacy.synthesis.disclosure import disclosure, judged
from workbench.privacy.synthesis.fidelity import fidelity
from workbench.privacy.synthesis.synthesisers import synthesise

COLUMNS = {
    "grade": Column(minimum=0, maximum=17),
    "sex": Column(labels=("female", "male")),
    "absent": Column(minimum=0, maximum=365),
    "score": Column(minimum=20, maximum=80, whole=False),
    "welfare": Column(labels=("no", "yes")),
}
KNOWN = ["grade", "sex", "score"]


def children(rows: int = 1500, seed: int = 0) -> pd.DataFrame:
    r = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "grade": pd.array(r.integers(0, 18, rows), dtype="Int64"),
            "sex": r.choice(["male", "female"], rows),
            "absent": pd.array(r.poisson(6, rows), dtype="Int64"),
            "score": r.normal(50, 10, rows).clip(20, 80),
            "welfare": r.choice(["yes", "no"], rows, p=[0.05, 0.95]),
        }
    )
    frame.loc[r.random(rows) < 0.2, ["absent", "score"]] = pd.NA
    return frame


@pytest.fixture(scope="module")
def synthetic():
    return synthesise(children(), columns=COLUMNS, rows=1500, seed=5)


def attacked(made, **kwargs):
    risks = disclosure(
        children(),
        children(seed=1),
        made,
        columns=COLUMNS,
        known=KNOWN,
        sensitive=["welfare"],
        seed=2,
        **kwargs,
    )
    return {risk.name: risk for risk in risks}


def test_values_stay_within_the_register(synthetic):
    assert synthetic["grade"].dropna().between(0, 17).all()
    assert synthetic["score"].dropna().between(20, 80).all()
    assert set(synthetic["welfare"].dropna()) <= {"yes", "no"}
    assert list(synthetic.columns) == list(COLUMNS)


def test_the_same_seed_gives_the_same_rows_and_another_does_not(synthetic):
    again = synthesise(children(), columns=COLUMNS, rows=1500, seed=5)
    other = synthesise(children(), columns=COLUMNS, rows=1500, seed=6)

    pd.testing.assert_frame_equal(synthetic, again)
    assert not synthetic.equals(other)


def test_attack_the_extreme_value_of_one_child_shows_through():
    """A maximum learnt from the data is one child's value; the register's bound is public."""
    rows = children()
    rows.loc[0, "absent"] = 10**6

    made = synthesise(rows, columns=COLUMNS, rows=500, seed=1)

    assert made["absent"].max() <= 365


def test_attack_a_category_the_register_does_not_list_shows_through():
    rows = children()
    rows["sex"] = rows["sex"].astype(object)
    rows.loc[:200, "sex"] = "a name"

    made = synthesise(rows, columns=COLUMNS, rows=500, seed=1)

    assert "a name" not in set(made["sex"].dropna())


def test_fidelity_sees_shapes_and_rare_categories(synthetic):
    good = fidelity(children(), synthetic, columns=COLUMNS)
    flat = synthetic.assign(welfare="no")
    bad = fidelity(children(), flat, columns=COLUMNS)

    assert good.shapes > 0.85
    assert [(r["item"], r["label"]) for r in good.rare] == [("welfare", "yes")]
    assert bad.rare[0]["synthetic"] == 0
    assert bad.items["welfare"] < good.items["welfare"]


def test_attack_the_synthetic_table_is_a_copy():
    """Every attack must see the source itself when it is passed off as synthetic."""
    risks = attacked(children())

    assert risks["exact_copy"].risk > 0.9
    # Many children share the other half, and a tie links to only one of them.
    assert risks["linkability"].risk > 0.01
    assert risks["inference:welfare"].risk > 0.5


def test_honest_synthetic_rows_leave_little_risk(synthetic):
    assert all(risk.risk < 0.1 for risk in attacked(synthetic).values())


def test_a_control_that_succeeds_as_often_leaves_no_risk():
    hits = np.array([True] * 60 + [False] * 40)

    assert judged("x", hits, hits).risk == 0
    assert judged("x", hits, hits).upper > 0


def test_an_unknown_method_is_not_found():
    with pytest.raises(NotFound):
        synthesise(children(), columns=COLUMNS, rows=1, seed=1, method="magic")


@pytest.mark.parametrize("frame", [children().drop(columns="sex"), children().iloc[:1]])
def test_a_table_that_cannot_be_synthesised_is_refused(frame):
    with pytest.raises(Unusable):
        synthesise(frame, columns=COLUMNS, rows=1, seed=1)
