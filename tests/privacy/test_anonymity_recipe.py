"""The public recipe says how, the secret one says whom; remedies say what would help."""

import json

import numpy as np
import pandas as pd
import pytest

from workbench.privacy.anonymity import recipe
from workbench.privacy.anonymity.criteria import Sensitive
from workbench.privacy.anonymity.hierarchies import from_rows
from workbench.privacy.anonymity.lattice import Limits
from workbench.privacy.anonymity.remedy import Act, remedies
from workbench.privacy.anonymity.search import anonymise
from workbench.scoring import recode

LADDERS = {
    "area": from_rows("area", [["a", "north", "*"], ["b", "north", "*"], ["c", "south", "*"]]),
    "sex": from_rows("sex", [["f", "*"], ["m", "*"]]),
}
# 'c' has three rows: at k = 5 they are suppressed.
FRAME = pd.DataFrame(
    {
        "home": range(33),
        "area": ["a", "b"] * 15 + ["c"] * 3,
        "sex": ["f"] * 33,
        "aid": ["yes", "yes", "no"] * 10 + ["no"] * 3,
    }
)


@pytest.fixture
def result():
    return anonymise(
        FRAME,
        hierarchies=LADDERS,
        quasi_identifiers=["area", "sex"],
        k=5,
        households="home",
        sensitive={"aid": Sensitive(harmful=["yes"], distinct_l=2, max_confidence=0.8)},
        limits=Limits(overall=0.1, subgroup=0.1, subgroups={"aided": (FRAME["aid"] == "yes").to_numpy()}),
    )


def test_the_public_recipe_recodes_a_raw_table_into_the_release(result):
    public = json.loads(json.dumps(recipe.public(result)))
    recode.check(public["recode"])
    kept = FRAME[result.kept]

    for item in ("area", "sex"):
        again = recode.apply(public["recode"]["items"][item], kept[item]).to_pylist()
        assert again == result.frame[item].tolist()


def test_the_public_recipe_says_levels_criteria_and_limits(result):
    public = recipe.public(result)

    assert public["levels"] == {"area": {"level": 0, "of": 2}, "sex": {"level": 0, "of": 1}}
    assert public["criteria"] == {
        "k_children": 5,
        "k_households": 5,
        "sensitive": {"aid": {"distinct_l": 2, "max_confidence": 0.8}},
    }
    assert public["limits"] == {"overall": 0.1, "subgroup": 0.1}


def test_who_was_suppressed_stays_in_the_room(result):
    """Whoever reads the public part learns neither which rows are rare nor how many."""
    secret = recipe.secret(result)

    assert secret["suppressed_rows"] == [30, 31, 32]
    assert secret["suppressed"] == {"overall": {"rows": 3, "of": 33}, "aided": {"rows": 0, "of": 20}}
    assert "suppressed" not in json.dumps(recipe.public(result))
    assert "rows" not in json.dumps(recipe.public(result))


def test_a_recipe_is_plain_data(result):
    for part in (recipe.public(result), recipe.secret(result)):
        assert json.loads(json.dumps(part)) == part


def test_the_remedy_at_the_top_is_the_item_that_costs_most():
    """Twenty areas of one child each against two sexes: the area is what makes them alone."""
    ladders = {
        "area": from_rows("area", [[f"E{i}", f"J{i // 2}", "*"] for i in range(20)]),
        "sex": LADDERS["sex"],
    }
    frame = pd.DataFrame(
        {"area": [f"E{i}" for i in range(20)], "sex": ["f", "m"] * 10, "home": np.arange(20)}
    )

    told = remedies(frame, hierarchies=ladders, quasi_identifiers=["area", "sex"], k=5, households="home")

    assert [(r.item, r.act, r.level, r.k_children, r.k_households, r.sample_uniques) for r in told] == [
        ("area", Act.LEAVE_OUT, None, 10, 10, 0),
        ("area", Act.GENERALISE, 1, 1, 1, 20),
        ("sex", Act.GENERALISE, 1, 1, 1, 20),
        ("sex", Act.LEAVE_OUT, None, 1, 1, 20),
    ]
    assert [r.share_below for r in told] == [0, 1, 1, 1]


def test_remedies_start_from_the_levels_given():
    told = remedies(
        FRAME, hierarchies=LADDERS, quasi_identifiers=["area", "sex"], k=5, levels={"area": 1, "sex": 1}
    )

    assert [(r.item, r.act, r.level) for r in told if r.act is Act.GENERALISE] == [
        ("area", Act.GENERALISE, 2)
    ]


def test_the_last_item_is_generalised_but_not_left_out():
    told = remedies(FRAME, hierarchies=LADDERS, quasi_identifiers=["sex"], k=5)

    assert [r.act for r in told] == [Act.GENERALISE]
