"""The public recipe says how, the secret one says whom; remedies say what would help."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.artifact.canonical import canonical
from workbench.errors import Untrusted, Unusable
from workbench.privacy.anonymity import recipe
from workbench.privacy.anonymity.coding import TopBottomCoding
from workbench.privacy.anonymity.content import digest
from workbench.privacy.anonymity.criteria import Sensitive
from workbench.privacy.anonymity.hierarchies import from_rows
from workbench.privacy.anonymity.lattice import Limits
from workbench.privacy.anonymity.microaggregation import Microaggregation
from workbench.privacy.anonymity.pram import Pram
from workbench.privacy.anonymity.recipe import Recipe, cook, replay
from workbench.privacy.anonymity.remedy import Act, remedies
from workbench.privacy.anonymity.search import anonymise
from workbench.privacy.anonymity.suppression import ItemSuppression
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


@pytest.fixture
def written(result):
    return recipe.of_search(result, FRAME, hierarchies=LADDERS, leave_out=["home"])


def test_the_public_recipe_recodes_a_raw_table_into_the_release(result, written):
    public = json.loads(json.dumps(written.public()))
    items = public["steps"][0]["items"]
    recode.check({"schema": recode.SCHEMA, "items": items})
    kept = FRAME[result.kept]

    assert public["steps"][0]["do"] == "generalisation"
    for item in ("area", "sex"):
        assert recode.apply(items[item], kept[item]).to_pylist() == result.frame[item].tolist()


def test_the_public_recipe_says_levels_models_measure_and_limits(written):
    asked = written.public()["asked"]

    assert asked["levels"] == {"area": {"level": 0, "of": 2}, "sex": {"level": 0, "of": 1}}
    assert asked["models"] == [
        {"name": "k", "limit": 5},
        {"name": "k-households", "limit": 5},
        {"name": "harmful-l", "limit": 2, "item": "aid"},
        {"name": "confidence", "limit": 0.8, "item": "aid"},
    ]
    assert asked["measure"] == {"name": "loss", "aggregate": None, "suppression": 0.5, "weights": {}}
    assert asked["limits"] == {"overall": 0.1, "subgroup": 0.1}


def test_who_was_suppressed_stays_in_the_room(written):
    """Whoever reads the public part learns neither which combinations are rare nor how many rows they had."""
    secret = written.secret()

    assert secret["steps"][1] == {"combinations": [["c", "f"]]}
    assert secret["hit"] == {"overall": {"rows": 3, "of": 33}, "aided": {"rows": 0, "of": 20}}
    assert "rows" not in json.dumps(written.public())
    assert "combinations" not in json.dumps(written.public())
    assert "('c', 'f')" not in repr(written)
    assert written.source not in repr(written)


def test_a_recipe_is_plain_data_in_two_parts_that_bind_each_other(written):
    public, secret = json.loads(json.dumps([written.public(), written.secret()]))

    assert Recipe.of(public, secret) == written
    assert Recipe.of(public, secret).digest == written.digest


def test_the_digest_of_the_source_is_no_oracle(result, written):
    """Whoever knows every row but one could try values until a digest fits: there is none to try against."""
    again = recipe.of_search(result, FRAME, hierarchies=LADDERS, leave_out=["home"])

    assert digest(FRAME) not in json.dumps(written.public())
    assert again.public()["secret"] != written.public()["secret"]
    assert again.source == written.source


def test_a_demonstration_repeats_to_the_byte(result):
    once, again = (
        recipe.of_search(result, FRAME, hierarchies=LADDERS, leave_out=["home"], nonce="00") for _ in range(2)
    )

    assert canonical(once.public()) == canonical(again.public())
    assert once.digest == again.digest


@given(order=st.permutations(range(len(FRAME))))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_recipe_makes_the_release_again_from_the_rows_in_any_order(result, written, order):
    again = replay(written, FRAME.iloc[order])

    assert digest(again) == written.output == digest(result.frame)
    assert list(again.columns) == ["area", "sex", "aid"]


def test_another_table_is_not_what_the_recipe_was_written_for(written):
    with pytest.raises(Untrusted, match="違います"):
        replay(written, FRAME.assign(aid="yes"))


def test_a_recipe_that_gives_something_else_than_it_says_is_untrusted(written):
    with pytest.raises(Untrusted, match="監査責任者"):
        replay(replace(written, output="0" * 64), FRAME)


def test_a_hierarchy_that_changed_has_another_digest(result, written):
    other = from_rows("sex", [["f", "any", "*"], ["m", "any", "*"]])
    changed = recipe.of_search(result, FRAME, hierarchies={**LADDERS, "sex": other})

    assert changed.hierarchies["area"] == written.hierarchies["area"]
    assert changed.hierarchies["sex"] != written.hierarchies["sex"]


def test_any_steps_are_cooked_and_cooked_again():
    frame = FRAME.assign(income=np.arange(33.0))
    steps = [
        TopBottomCoding("income", top=30),
        Microaggregation(("income",), k=3, households="home"),
        Pram("aid", ("yes", "no"), ((0.9, 0.1), (0.1, 0.9)), households="home"),
        ItemSuppression(("home",)),
    ]

    after, made = cook(frame, steps)

    read_back = Recipe.of(*json.loads(json.dumps([made.public(), made.secret()])))
    pd.testing.assert_frame_equal(replay(read_back, frame.sample(frac=1, random_state=1)), after)
    assert [step["do"] for step in made.public()["steps"]] == [step.name for step in steps]


def changed(part, **fields):
    return {**part, **fields}


BROKEN = {
    "another schema": (lambda p, s: (changed(p, schema="other"), s), Unusable),
    "no steps": (lambda p, s: ({k: v for k, v in p.items() if k != "steps"}, s), Unusable),
    "a step too few": (lambda p, s: (changed(p, steps=p["steps"][:1]), s), Unusable),
    "an unknown step": (
        lambda p, s: (changed(p, steps=[changed(p["steps"][0], do="magic"), *p["steps"][1:]]), s),
        Unusable,
    ),
    "a parameter too many": (
        lambda p, s: (changed(p, steps=[changed(p["steps"][0], run="rm"), *p["steps"][1:]]), s),
        Unusable,
    ),
    "a number for a list": (lambda p, s: (changed(p, steps=3), s), Unusable),
    "a list for a recipe": (lambda p, s: ([p], s), Unusable),
    "the secret part of another recipe": (lambda p, s: (p, changed(s, nonce="00")), Untrusted),
}


@pytest.mark.parametrize(("harm", "error"), BROKEN.values(), ids=BROKEN)
def test_parts_that_are_damaged_or_do_not_belong_together_are_refused(written, harm, error):
    with pytest.raises(error):
        Recipe.of(*harm(written.public(), written.secret()))


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
