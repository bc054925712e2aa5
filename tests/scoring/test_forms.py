"""Trees, pairs, rules and calibration add up to the same whole number in Python, DuckDB and SQLite."""

import json
from random import Random

import jsonschema
import numpy as np
import pyarrow as pa
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.scoring import engine, model, recode, sql
from workbench.scoring.forms import Calibration, Condition, Pair, Rule, Tree
from workbench.scoring.model import Capacity, Feature, Model, Threshold

THRESHOLD = Threshold(score=0, capacity=Capacity(per_10000=10_000), tie_rule="leave_out")
LEVELS = ("ひとり親", "両親", "そ'の他")
# Neighbours that a float32 cannot tell apart, decimals that are none in binary, the ends of the range.
EDGES = (-1e300, -0.1, 0.0, 5e-324, 0.1, 5.0, 16_777_217.0, 16_777_218.0, 9007199254740993.0, 1.7e308)
VALUES = (None, *EDGES, *(np.nextafter(edge, -np.inf) for edge in EDGES), 16_777_216.0, float("inf"))


def any_points(random):
    return random.randint(-(10**7), 10**7)


def some_places(random, feature):
    every = range(-2, len(feature.points))
    return tuple(sorted(random.sample(every, random.randint(1, min(4, len(every))))))


def a_category(random):
    unseen = random.choice([None, any_points(random)])
    own = tuple(any_points(random) for _ in LEVELS)
    return Feature("世帯の型", own, any_points(random), levels=LEVELS, unseen=unseen)


def a_number(random):
    edges = tuple(sorted(random.sample(EDGES, random.randint(0, len(EDGES)))))
    own = tuple(any_points(random) for _ in (*edges, 0))
    return Feature("収入", own, any_points(random), edges=edges)


def a_tree(random, features):
    """A tree of any shape: one leaf after the other is split."""
    nodes = [[-1, 0, False, 0, 0, 0]]
    leaves = [0]
    for _ in range(random.choice([1, 2, 7, 100])):
        node = leaves.pop(random.randrange(len(leaves)))
        item, cut = random.randrange(len(features)), random.random() < 0.5
        left_of = (
            random.randint(0, len(features[item].points)) if cut else some_places(random, features[item])
        )
        nodes[node][:5] = item, left_of, cut and random.random() < 0.5, len(nodes), len(nodes) + 1
        leaves += [len(nodes), len(nodes) + 1]
        nodes += [[-1, 0, False, 0, 0, any_points(random)] for _ in "ab"]
    return Tree(*zip(*nodes, strict=True))


def a_pair(random, features):
    columns, rows = (range(len(feature.points) + 2) for feature in features)
    return Pair(1, 0, tuple(tuple(any_points(random) for _ in columns) for _ in rows))


def a_rule(random, features):
    asked = random.choices([0, 1], k=random.randint(1, 2))
    conditions = tuple(Condition(item, some_places(random, features[item])) for item in asked)
    return Rule(conditions, any_points(random), {"ja": "規則", "en": "rule"})


def a_calibration(random):
    steps = sorted(random.sample(range(-(10**8), 10**8), random.randint(1, 5)))
    return Calibration(tuple(steps), tuple(sorted(any_points(random) for _ in (*steps, 0))))


def a_model(seed):
    random = Random(seed)
    features = (a_category(random), a_number(random))
    rules = tuple(a_rule(random, features) for _ in range(random.randint(0, 3)))
    return Model(
        "m",
        "t",
        "child",
        any_points(random),
        features,
        THRESHOLD,
        pairs=tuple(a_pair(random, features) for _ in range(random.randint(0, 1))),
        rules=rules,
        first_rule_only=bool(rules) and random.random() < 0.5,
        trees=tuple(a_tree(random, features) for _ in range(random.randint(0, 3))),
        calibration=random.choice([None, a_calibration(random)]),
    )


models = st.integers(0, 2**40).map(a_model)
rows = st.lists(
    st.tuples(
        st.sampled_from([*LEVELS, "知らない", "", "(missing)", "(unseen)", None]), st.sampled_from(VALUES)
    ),
    min_size=1,
    max_size=12,
)


def table_of(found):
    return pa.table(
        {
            "世帯の型": pa.array([row[0] for row in found], pa.string()),
            "収入": pa.array([row[1] for row in found], pa.float64()),
            "n": pa.array(range(len(found)), pa.int64()),
        }
    )


def answers(found, column="score"):
    return [row[column] for row in found]


def expected(a_model, scored, *, calibrated=False):
    values = engine.milli_logits(a_model, scored.scores) if calibrated else scored.scores
    return [None if no else int(value) for value, no in zip(values, scored.rejected, strict=True)]


def by_hand(a_model, record):
    """The score of a row, by walking: the slow way, with Python's integers."""
    places = [int(engine.where(f, pa.array([record[f.name]]))[0]) for f in a_model.features]
    total = a_model.base
    for feature, place in zip(a_model.features, places, strict=True):
        total += [*feature.points, feature.unseen or 0, feature.missing][place]
    for pair in a_model.pairs:
        total += pair.points[places[pair.first]][places[pair.second]]
    for tree in a_model.trees:
        node = 0
        while tree.items[node] >= 0:
            place, asked = places[tree.items[node]], tree.left_of[node]
            if isinstance(asked, tuple):
                left = place in asked
            else:
                left = tree.missing_left[node] if place == -1 else 0 <= place < asked
            node = tree.left[node] if left else tree.right[node]
        total += tree.points[node]
    for rule in a_model.rules:
        if all(places[each.item] in each.places for each in rule.conditions):
            total += rule.points
            if a_model.first_rule_only:
                break
    return total


@settings(max_examples=30, deadline=None)
@given(models, rows)
def test_every_form_scores_the_same_in_python_duckdb_and_sqlite(databases, a_model, found):
    table = table_of(found)
    scored = engine.score(a_model, table)
    text = sql.query(a_model)

    assert scored.scores.tolist() == [by_hand(a_model, record) for record in table.to_pylist()]
    for run in databases.values():
        answer = run(text, table)
        assert answers(answer) == expected(a_model, scored)
        if a_model.calibration and not scored.rejected.any():
            assert answers(answer, "milli_logits") == expected(a_model, scored, calibrated=True)


@settings(max_examples=30, deadline=None)
@given(models, rows, st.randoms())
def test_contributions_of_every_form_sum_to_the_score_in_any_order_and_chunk(a_model, found, random):
    table = table_of(found)
    scored = engine.score(a_model, table)
    order = random.sample(range(len(found)), len(found))
    apart = [engine.score(a_model, table.slice(place, 1)) for place in order]

    assert scored.contributions.shape == (len(found), len(a_model.terms))
    assert (a_model.base + scored.contributions.sum(axis=1) == scored.scores).all()
    assert [int(one.scores[0]) for one in apart] == scored.scores[order].tolist()
    assert [one.contributions[0].tolist() for one in apart] == scored.contributions[order].tolist()


@settings(max_examples=30, deadline=None)
@given(models)
def test_every_form_is_read_back_as_it_was_written_and_follows_the_published_schema(a_model):
    data = json.loads(json.dumps(a_model.to_json()))
    jsonschema.Draft202012Validator(model.schema()).validate(data)

    # Canonical: the keys of an object are sorted, and no place may depend on their order.
    again = model.read(rfc8785.dumps(data))
    assert again.to_json() == data
    if a_model.by_place:
        assert again == a_model


def test_what_a_tree_says_is_told_of_the_items_it_asked():
    """Root 0, then +5 for the household, then -2 for income: the leaf's 3 is told as 5 and -2."""
    features = (Feature("hh", (0, 0), 0, levels=("a", "b")), Feature("days", (0, 0), 0, edges=(10.0,)))
    tree = Tree(
        (0, -1, 1, -1, -1),
        ((0,), 0, 1, 0, 0),
        (False,) * 5,
        (1, 0, 3, 0, 0),
        (2, 0, 4, 0, 0),
        (0, -4, 5, 3, 9),
    )
    a_model = Model("m", "t", "child", 100, features, THRESHOLD, trees=(tree,))
    scored = engine.score(a_model, pa.table({"hh": ["b", "b", "a"], "days": [1, 12, 1]}))

    assert scored.scores.tolist() == [103, 109, 96]
    assert scored.contributions.tolist() == [[5, -2], [5, 4], [-4, 0]]


def test_a_pair_is_told_half_of_either_item_and_an_odd_point_of_the_first():
    features = (Feature("a", (0,), 0, levels=("x",)), Feature("b", (0,), 0, levels=("x",)))
    row = (0, 0, 0)
    for given_points, told in ((7, [4, 3]), (-7, [-3, -4])):
        pair = Pair(0, 1, ((given_points, 0, 0), row, row))
        a_model = Model("m", "t", "child", 0, features, THRESHOLD, pairs=(pair,))
        assert engine.score(a_model, pa.table({"a": ["x"], "b": ["x"]})).contributions.tolist() == [told]


def test_raw_rows_are_recoded_in_the_query_itself(databases, model_data, recode_data):
    a_model = model.build(model_data)
    recode_data["items"]["absent_days"] = {"kind": "interval", "edges": [5, 10.5], "labels": ["0", "1", "2"]}
    model_data["features"][2] = {
        "name": "absent_days",
        "type": "category",
        "points": {"0": 1, "1": 2, "2": 3},
        "missing": 9,
        "unseen": 4,
    }
    for asked in (a_model, model.build(model_data)):
        spec = {
            **recode_data,
            "items": {k: v for k, v in recode_data["items"].items() if k == "grade" or asked is not a_model},
        }
        raw = pa.table(
            {
                "sex": ["male", "female", None, "other", "male", ""],
                "grade": ["1", "8", None, "2", "9", ""],
                "absent_days": pa.array([1, 10.5, None, float("nan"), float("inf"), 5]),
                "n": range(6),
            }
        )
        scored = engine.score(asked, recode.apply_all(spec, raw))
        for run in databases.values():
            assert answers(run(sql.query(asked, recode=spec), raw)) == expected(asked, scored)


@pytest.mark.parametrize("size", [0, 1, engine.CHUNK + 1])
def test_tables_of_any_size_are_scored(size):
    tree = Tree((0, -1, -1), (1, 0, 0), (True, False, False), (1, 0, 0), (2, 0, 0), (0, -4, 5))
    a_model = Model(
        "m", "t", "child", 0, (Feature("days", (0, 0), 0, edges=(3.0,)),), THRESHOLD, trees=(tree,)
    )
    days = np.arange(size) % 5
    scored = engine.score(a_model, pa.table({"days": days}))

    assert scored.scores.tolist() == np.where(days < 3, -4, 5).tolist()


@settings(max_examples=30, deadline=None)
@given(models, rows)
def test_rows_of_the_same_cells_have_the_same_score(a_model, found):
    """Nothing tells two rows apart but what the cells count, leaves and rules among it."""
    scored = engine.score(a_model, table_of(found))
    cells = np.stack([own for _, own in engine.cells(a_model, scored.places)], axis=1)
    scores = {}
    for own, score in zip(map(tuple, cells.tolist()), scored.scores.tolist(), strict=True):
        assert scores.setdefault(own, score) == score


def test_a_leaf_is_a_cell():
    tree = Tree((0, -1, -1), (1, 0, 0), (True, False, False), (1, 0, 0), (2, 0, 0), (0, -4, 5))
    feature = Feature("days", (0, 0), 0, edges=(3.0,))
    a_model = Model("m", "t", "child", 0, (feature,), THRESHOLD, trees=(tree,))
    scored = engine.score(a_model, pa.table({"days": [1, 5, None]}))

    assert {name: own.tolist() for name, own in engine.cells(a_model, scored.places)} == {
        "days": [0, 0, 0],
        "tree:1": [0, 1, 0],
    }
