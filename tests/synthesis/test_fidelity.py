"""Fidelity sees what an average hides: rare categories, small groups, rows that cannot be."""

import numpy as np
import pandas as pd
import pytest

from workbench.data.constraints import constraints_of
from workbench.privacy.synthesis.columns import Column
from workbench.privacy.synthesis.fidelity import Group, fidelity

COLUMNS = {
    "grade": Column(minimum=0, maximum=17),
    "district": Column(labels=("E1", "E2", "E3")),
    "absent": Column(minimum=0, maximum=366),
    "welfare": Column(labels=("no", "yes")),
    "later": Column(labels=("no", "yes")),
}
FAR = Group("far", "district", ("E3",))
CONSTRAINTS = constraints_of([{"never": {"grade": {"maximum": 5}, "absent": "present"}}])


def town(rows: int = 5000, *, seed: int = 0) -> pd.DataFrame:
    r = np.random.default_rng(seed)
    district = r.choice(["E1", "E2", "E3"], rows, p=[0.5, 0.45, 0.05])
    later = r.random(rows) < np.where(district == "E3", 0.4, 0.05)
    frame = pd.DataFrame(
        {
            "grade": pd.array(r.integers(0, 18, rows), dtype="Int64"),
            "district": district,
            "absent": pd.array(r.poisson(6 + 20 * later), dtype="Int64"),
            "welfare": r.choice(["yes", "no"], rows, p=[0.03, 0.97]),
            "later": np.where(later, "yes", "no"),
        }
    )
    frame.loc[frame["grade"] < 6, "absent"] = pd.NA
    return frame


def of(made: pd.DataFrame):
    return fidelity(
        town(),
        made,
        columns=COLUMNS,
        held=town(2000, seed=1),
        groups=[FAR],
        outcomes={"later": "yes"},
        constraints=CONSTRAINTS,
    )


def test_other_children_of_the_city_are_as_near_as_those_held_out():
    found = of(town(seed=2))

    assert found.shapes > 0.97
    assert found.pairs > found.ceiling["pairs"] - 0.01
    assert found.lost == []
    assert found.implausible == [
        {"kind": "never", "items": ["grade", "absent"], "real": 0.0, "synthetic": 0.0}
    ]


def test_a_lost_rare_category_is_named_although_the_average_hardly_moves():
    found = of(town(seed=2).assign(welfare="no"))

    assert found.lost == ["welfare"]
    assert found.shapes > 0.96


def test_a_rate_lost_in_a_small_group_is_named_although_the_overall_rate_is_kept():
    made = town(seed=2)
    made.loc[made["district"] == "E3", "later"] = "no"
    spare = made.index[(made["district"] == "E1") & (made["later"] == "no")][:100]
    made.loc[spare, "later"] = "yes"

    found = of(made)

    assert found.lost == ["far: later"]
    assert found.items["later"] > 0.98


def test_rows_that_cannot_be_are_counted():
    made = town(seed=2)
    made["absent"] = made["absent"].fillna(3)

    assert of(made).implausible[0]["synthetic"] == pytest.approx(6 / 18, abs=0.02)


def test_a_constraint_on_an_item_that_was_not_made_is_not_called_kept():
    found = fidelity(
        town(),
        town(seed=2).drop(columns="absent"),
        columns={name: column for name, column in COLUMNS.items() if name != "absent"},
        constraints=CONSTRAINTS,
    )

    assert found.implausible[0]["synthetic"] is None


def test_independent_items_have_good_shapes_and_bad_pairs():
    real = town()
    shuffled = real.apply(lambda values: values.sample(frac=1, random_state=len(values.name)).to_numpy())

    found = of(shuffled)

    assert found.shapes > 0.99
    assert found.pairs < found.ceiling["pairs"] - 0.02
