"""The model file is data: closed, bounded, integer. Whatever else a file tries is refused in one sentence."""

import json
import pickle

import pytest

from workbench.errors import Unusable
from workbench.scoring import model
from workbench.scoring.forms import LIMITS


def read(data):
    return model.read(json.dumps(data).encode())


def test_a_model_is_read_back_as_it_was_written(model_data):
    assert read(model_data).to_json() == model_data
    assert read(read(model_data).to_json()) == read(model_data)


def test_the_items_of_a_model_are_its_features_and_its_conditions(model_data):
    assert read(model_data).items == ("sex", "grade", "absent_days", "registered")


@pytest.fixture
def full_data(model_data):
    """A model with one of each form."""
    zeros = [[0] * 5 for _ in range(4)]
    for feature in model_data["features"][:2]:
        feature["levels"] = list(feature["points"])
    condition = {"item": "absent_days", "places": [-1, 2]}
    return {
        **model_data,
        "pairs": [{"items": ["sex", "absent_days"], "points": zeros}],
        "rules": {
            "apply": "first",
            "list": [{"if": [condition], "points": 5, "words": {"ja": "規則", "en": "rule"}}],
        },
        "trees": [
            {
                "item": [2, 0, -1, -1, -1],
                "left_of": [1, [-2, 1], 0, 0, 0],
                "missing_left": [True, False, False, False, False],
                "left": [1, 3, 0, 0, 0],
                "right": [2, 4, 0, 0, 0],
                "points": [0, 1, 2, 3, 4],
            }
        ],
        "calibration": {"scores": [0, 9], "values": [-5, 0, 5]},
    }


def test_every_form_is_read_and_written(full_data):
    assert read(full_data).to_json() == full_data


def tree(data):
    return data["trees"][0]


def one_after_the_other(depth):
    """A tree that goes down on the right as deep as asked."""
    size = 2 * depth + 1
    inner = [node % 2 == 0 and node < size - 1 for node in range(size)]
    return {
        "item": [2 if own else -1 for own in inner],
        "left_of": [int(own) for own in inner],
        "missing_left": [False] * size,
        "left": [node + 1 if own else 0 for node, own in enumerate(inner)],
        "right": [node + 2 if own else 0 for node, own in enumerate(inner)],
        "points": [0] * size,
    }


FORMS = {
    "levels in no order": lambda m: m["features"][0].pop("levels"),
    "a level told twice": lambda m: m["features"][0].update(levels=["male", "male"]),
    "a level too many": lambda m: m["features"][0].update(levels=["male", "female", "x"]),
    "a pair of an item with itself": lambda m: m["pairs"][0].update(items=["sex", "sex"]),
    "a pair of an item that is not there": lambda m: m["pairs"][0].update(items=["sex", "x"]),
    "a pair's table of another size": lambda m: m["pairs"][0]["points"].pop(),
    "a pair's row of another size": lambda m: m["pairs"][0]["points"][0].append(0),
    "a pair's float": lambda m: m["pairs"][0]["points"][0].__setitem__(0, 0.0),
    "a pair's row that is text": lambda m: m["pairs"][0]["points"].__setitem__(0, "00000"),
    "a rule that asks nothing": lambda m: m["rules"]["list"][0].update({"if": []}),
    "a rule that asks for no place": lambda m: m["rules"]["list"][0]["if"][0].update(places=[]),
    "a rule that asks for a place there is not": lambda m: m["rules"]["list"][0]["if"][0].update(places=[3]),
    "a rule with code": lambda m: m["rules"]["list"][0].update(code="__import__('os')"),
    "a rule without words": lambda m: m["rules"]["list"][0].pop("words"),
    "a rule in one language": lambda m: m["rules"]["list"][0]["words"].pop("en"),
    "a rule applied otherwise": lambda m: m["rules"].update(apply="any"),
    "a float in a rule": lambda m: m["rules"]["list"][0].update(points=5.0),
    "a tree that comes back to itself": lambda m: tree(m).update(left=[1, 0, 0, 0, 0]),
    "a tree that goes back": lambda m: tree(m).update(left=[1, 1, 0, 0, 0]),
    "a node that hangs on two": lambda m: tree(m).update(right=[2, 3, 0, 0, 0]),
    "a node that hangs on none": lambda m: tree(m).update(left=[2, 3, 0, 0, 0]),
    "a node beyond the end": lambda m: tree(m).update(right=[2, 5, 0, 0, 0]),
    "arrays of unequal length": lambda m: tree(m)["points"].append(0),
    "an item there is not": lambda m: tree(m).update(item=[2, 3, -1, -1, -1]),
    "a root with points": lambda m: tree(m).update(points=[1, 1, 2, 3, 4]),
    "a float point": lambda m: tree(m).update(points=[0, 1, 2.0, 3, 4]),
    "points beyond every logit": lambda m: tree(m).update(points=[0, 1, 10**8, 3, 4]),
    "a true for a one": lambda m: tree(m).update(points=[0, True, 2, 3, 4]),
    "a one for a true": lambda m: tree(m).update(missing_left=[1, False, False, False, False]),
    "a float threshold": lambda m: tree(m).update(left_of=[1.5, [1], 0, 0, 0]),
    "a threshold beyond the edges": lambda m: tree(m).update(left_of=[4, [1], 0, 0, 0]),
    "places that do not rise": lambda m: tree(m).update(left_of=[1, [1, 1], 0, 0, 0]),
    "text for a threshold": lambda m: tree(m).update(left_of=["1", [1], 0, 0, 0]),
    "a leaf that asks": lambda m: tree(m).update(left_of=[1, [1], 1, 0, 0]),
    "missing told twice": lambda m: tree(m).update(missing_left=[True, True, False, False, False]),
    "a tree with code": lambda m: tree(m).update(code="pickle"),
    "a tree that is a leaf": lambda m: m.update(trees=[{key: [0] for key in tree(m)}]),
    "a tree too deep": lambda m: m.update(trees=[one_after_the_other(61)]),
    "4001 nodes and two": lambda m: m.update(trees=[one_after_the_other(2001)]),
    "1001 trees": lambda m: m.update(trees=[tree(m)] * 1001),
    "too many nodes together": lambda m: m.update(trees=[one_after_the_other(60)] * 830),
    "no trees": lambda m: m.update(trees=[]),
    "a calibration that falls": lambda m: m["calibration"].update(values=[0, 5, 4]),
    "steps that do not rise": lambda m: m["calibration"].update(scores=[9, 9]),
    "a value too few": lambda m: m["calibration"].update(values=[0, 5]),
    "a float step": lambda m: m["calibration"].update(scores=[0.0, 9]),
    "10001 steps": lambda m: m.update(
        calibration={"scores": list(range(10_001)), "values": list(range(10_002))}
    ),
}


@pytest.mark.parametrize("bend", FORMS)
def test_attack_a_hostile_or_broken_form_is_refused(full_data, bend):
    FORMS[bend](full_data)

    with pytest.raises(Unusable):
        read(full_data)


def test_attack_a_small_file_that_would_take_all_memory_is_refused(model_data):
    """Each tree is allowed, and so is each item; made ready together they would take gigabytes."""
    edges = {"type": "number", "edges": list(range(1000)), "points": [0] * 1001, "missing": 0}
    model_data["features"] = [{"name": f"f{i}", **edges} for i in range(60)]
    deep = one_after_the_other(60)
    deep["item"] = [node // 2 if item >= 0 else -1 for node, item in enumerate(deep["item"])]
    model_data["eligible"] = {}

    assert read({**model_data, "trees": [deep] * 3}).form == "trees"
    with pytest.raises(Unusable, match="trees"):
        read({**model_data, "trees": [deep] * 800})


def test_the_limits_of_the_schema_are_those_of_the_table():
    properties, forms = model.schema()["properties"], model.schema()["$defs"]

    assert properties["features"]["maxItems"] == LIMITS["features"]
    assert properties["pairs"]["maxItems"] == LIMITS["pairs"]
    assert properties["rules"]["properties"]["list"]["maxItems"] == LIMITS["rules"]
    assert properties["trees"]["maxItems"] == LIMITS["trees"]
    assert forms["tree"]["properties"]["points"]["maxItems"] == LIMITS["nodes_of_a_tree"]
    assert forms["calibration"]["properties"]["scores"]["maxItems"] == LIMITS["steps"]


def test_the_largest_forms_cannot_overflow():
    """Every term at its largest, together, stays far below 2^63."""
    most = LIMITS["features"] + LIMITS["pairs"] + LIMITS["rules"] + 2 * LIMITS["depth"] * LIMITS["trees"]

    assert most * 10**7 < 2**62


BENT = {
    "an order nobody needs": lambda m: m["features"][0].update(levels=["male", "female"]),
    "another schema": lambda m: m.update(schema="riskflag-ir/2"),
    "an unknown key": lambda m: m.update(code="import os"),
    "no features": lambda m: m.update(features=[]),
    "a float base": lambda m: m.update(base=1.5),
    "a base of 1.0": lambda m: m.update(base=1.0),
    "a true base": lambda m: m.update(base=True),
    "points beyond every logit": lambda m: m["features"][0]["points"].update(male=10**8),
    "float points": lambda m: m["features"][0]["points"].update(male=1.0),
    "an unknown kind": lambda m: m["features"][0].update(type="expression"),
    "an unknown key in a feature": lambda m: m["features"][0].update(transform="log"),
    "the same feature twice": lambda m: m["features"].append(m["features"][0]),
    "falling edges": lambda m: m["features"][2].update(edges=[10, 5]),
    "equal edges": lambda m: m["features"][2].update(edges=[5, 5]),
    "too few points": lambda m: m["features"][2].update(points=[1, 2]),
    "no unseen rule": lambda m: m["features"][0].pop("unseen"),
    "capacity in two ways": lambda m: m["threshold"].update(capacity={"per_10000": 1, "children": 1}),
    "no capacity": lambda m: m["threshold"].update(capacity={}),
    "an unknown tie rule": lambda m: m["threshold"].update(tie_rule="first_come"),
    "an empty condition": lambda m: m.update(eligible={"grade": []}),
    "10^9 levels promised": lambda m: m["features"][0].update(levels=10**9),
    "2001 levels": lambda m: m["features"][0].update(points={str(i): 0 for i in range(2001)}),
    "301 features": lambda m: m.update(features=[{**m["features"][0], "name": str(i)} for i in range(301)]),
}


@pytest.mark.parametrize("bend", BENT)
def test_a_hostile_or_broken_model_is_refused(model_data, bend):
    BENT[bend](model_data)

    with pytest.raises(Unusable):
        read(model_data)


@pytest.mark.parametrize(
    "content",
    [
        b'{"features": [{"points": {"a": 1, "a": 2}}]}',
        b'{"base": NaN}',
        b'{"base": 1e400}',
        b'{"base": ' + b"9" * 100_000 + b"}",
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b"[" * 4_000_000,
        b" " * 4_000_001,
        b"\xff",
        b"null",
        b"[{}]",
        pickle.dumps({"schema": "riskflag-ir/1"}),
        pickle.dumps(print),
    ],
    ids=[
        "duplicate",
        "nan",
        "infinite",
        "huge",
        "deep",
        "open",
        "large",
        "bytes",
        "null",
        "list",
        "pickle",
        "callable",
    ],
)
def test_a_hostile_file_is_refused_before_anything_is_built(content):
    with pytest.raises(Unusable) as refusal:
        model.read(content)

    assert "model.json" in str(refusal.value)


def test_a_refusal_quotes_no_value_of_the_file(model_data):
    model_data["features"][0]["points"]["male"] = "Tanaka Hanako"
    with pytest.raises(Unusable) as refusal:
        read(model_data)

    assert "Tanaka" not in refusal.value.ja + refusal.value.en


@pytest.mark.parametrize(
    ("capacity", "count", "places"),
    [
        (model.Capacity(per_10000=2900), 100, 29),
        (model.Capacity(per_10000=500), 19, 0),
        (model.Capacity(per_10000=10_000), 7, 7),
        (model.Capacity(children=150), 1000, 150),
        (model.Capacity(children=150), 10, 10),
    ],
)
def test_capacity_counts_whole_places(capacity, count, places):
    assert capacity.of(count) == places
