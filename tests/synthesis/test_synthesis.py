"""Synthetic tables keep to the register, repeat from a seed, and are attacked against a control."""

import numpy as np
import pandas as pd
import pytest

from workbench.errors import NotFound, Unusable
from workbench.privacy.synthesis.columns import Column
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


def test_an_unknown_method_is_not_found():
    with pytest.raises(NotFound):
        synthesise(children(), columns=COLUMNS, rows=1, seed=1, method="magic")


@pytest.mark.parametrize("frame", [children().drop(columns="sex"), children().iloc[:1]])
def test_a_table_that_cannot_be_synthesised_is_refused(frame):
    with pytest.raises(Unusable):
        synthesise(frame, columns=COLUMNS, rows=1, seed=1)
