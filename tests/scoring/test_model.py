"""The model file is data: closed, bounded, integer. Whatever else a file tries is refused in one sentence."""

import json
import pickle

import pytest

from workbench.errors import Unusable
from workbench.scoring import model


def read(data):
    return model.read(json.dumps(data).encode())


def test_a_model_is_read_back_as_it_was_written(model_data):
    assert read(model_data).to_json() == model_data
    assert read(read(model_data).to_json()) == read(model_data)


def test_the_items_of_a_model_are_its_features_and_its_conditions(model_data):
    assert read(model_data).items == ("sex", "grade", "absent_days", "registered")


@pytest.mark.parametrize("part", list(model.LATER))
def test_a_part_of_a_later_version_is_refused_by_name(model_data, part):
    with pytest.raises(Unusable) as refusal:
        read({**model_data, part: []})

    assert part in refusal.value.en
    assert part in refusal.value.ja


BENT = {
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
