"""Scores are integers that add up, whatever the order of the rows and wherever the table is cut."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.scoring import engine, model
from workbench.scoring.model import Capacity, Feature, Model, Threshold

THRESHOLD = Threshold(score=0, capacity=Capacity(per_10000=10_000), tie_rule="leave_out")
LEVELS = ("a", "b", "c")

points = st.integers(-(10**7), 10**7)
categories = st.builds(
    lambda given, missing, unseen: Feature("kind", tuple(given), missing, levels=LEVELS, unseen=unseen),
    st.lists(points, min_size=3, max_size=3),
    points,
    st.one_of(st.none(), points),
)
numbers = st.builds(
    lambda edges, given, missing: Feature(
        "days", tuple(given[: len(edges) + 1]), missing, edges=tuple(edges)
    ),
    st.lists(st.floats(-1e6, 1e6), unique=True, max_size=4).map(sorted),
    st.lists(points, min_size=5, max_size=5),
    points,
)
models = st.builds(
    lambda base, category, number: Model("m", "t", "child", base, (category, number), THRESHOLD),
    points,
    categories,
    numbers,
)
tables = st.lists(
    st.tuples(
        st.sampled_from([*LEVELS, "other", "(missing)", "(unseen)", None]),
        st.one_of(st.none(), st.floats(-2e6, 2e6), st.integers(-5, 5).map(float)),
    ),
    max_size=30,
).map(
    lambda rows: pa.table(
        {
            "kind": pa.array([row[0] for row in rows], pa.string()),
            "days": pa.array([row[1] for row in rows], pa.float64()),
        }
    )
)


def by_hand(feature, value):
    """The points of one value, the slow way."""
    if feature.levels is not None:
        if value is None or value == "(missing)":
            return feature.missing
        return feature.points[feature.levels.index(value)] if value in feature.levels else feature.unseen or 0
    if value is None:
        return feature.missing
    return feature.points[sum(edge <= value for edge in feature.edges)]


@given(models, tables)
def test_a_score_is_the_base_and_its_contributions_exactly(a_model, table):
    scored = engine.score(a_model, table)

    assert scored.scores.dtype == scored.contributions.dtype == np.int64
    for row, record in enumerate(table.to_pylist()):
        parts = [by_hand(feature, record[feature.name]) for feature in a_model.features]
        assert scored.contributions[row].tolist() == parts
        assert int(scored.scores[row]) == a_model.base + sum(parts)


@given(models, tables, st.randoms(), st.integers(1, 7))
def test_order_and_chunks_change_no_score(a_model, table, random, size):
    whole = engine.score(a_model, table).scores.tolist()
    order = list(range(table.num_rows))
    random.shuffle(order)
    shuffled = table.take(pa.array(order, pa.int64()))
    chunked = pa.Table.from_batches(table.to_batches(max_chunksize=size), schema=table.schema)
    parts = [
        engine.score(a_model, table.slice(start, size)).scores.tolist()
        for start in range(0, table.num_rows, size)
    ]

    assert engine.score(a_model, shuffled).scores.tolist() == [whole[i] for i in order]
    assert engine.score(a_model, chunked).scores.tolist() == whole
    assert [score for part in parts for score in part] == whole


def test_the_largest_allowed_model_cannot_overflow():
    features = tuple(Feature(f"f{i}", (10**7,), 0, levels=("a",)) for i in range(300))
    a_model = Model("m", "t", "child", 10**7, features, THRESHOLD)
    table = pa.table({feature.name: ["a"] for feature in features})

    assert engine.score(a_model, table).scores.tolist() == [301 * 10**7]


def test_an_unseen_level_rejects_its_row_unless_the_model_has_points_for_it(model_data):
    table = pa.table(
        {"sex": ["male", "other", None], "grade": ["low", "low", "other"], "absent_days": [1, 1, 1]}
    )
    scored = engine.score(model.build(model_data), table)

    assert scored.rejected.tolist() == [False, True, False]
    assert scored.contributions[2].tolist() == [0, 7, -300]


def test_a_number_level_is_found_however_the_table_spells_it(model_data):
    model_data["features"][1]["points"] = {"7": 5, "8": 6}
    for column in (pa.array([7, 8]), pa.array([7.0, 8.0]), pa.array(["7", "8"])):
        table = pa.table({"sex": ["male", "male"], "grade": column, "absent_days": [1, 1]})
        assert engine.score(model.build(model_data), table).contributions[:, 1].tolist() == [5, 6]


def test_only_the_eligible_and_not_excluded_are_considered(model_data):
    table = pa.table(
        {
            "grade": ["low", "preschool", None, "(missing)", "high", "high"],
            "registered": ["no", "no", "no", "no", "yes", None],
        }
    )

    assert engine.eligible(model.build(model_data), table).tolist() == [
        True,
        False,
        False,
        False,
        False,
        True,
    ]


SPEC = [
    # scores, threshold, places of 10,000, tie rule, candidates
    ([5, 4, 3, 2, 1], 0, 4000, "leave_out", [5, 4]),
    ([5, 4, 4, 2, 1], 0, 4000, "leave_out", [5]),
    ([5, 4, 4, 2, 1], 0, 4000, "take_in", [5, 4, 4]),
    ([4, 4, 4, 4, 1], 0, 4000, "leave_out", []),
    ([4, 4, 4, 4, 1], 0, 4000, "take_in", [4, 4, 4, 4]),
    ([5, 4, 3, 2, 1], 5, 4000, "leave_out", [5]),
    ([5, 4, 3, 2, 1], 9, 10_000, "take_in", []),
    ([5, 4, 3, 2, 1], 0, 1000, "take_in", []),
    ([5, 4, 3, 2, 1], 3, 10_000, "leave_out", [5, 4, 3]),
    ([], 0, 10_000, "leave_out", []),
]


@pytest.mark.parametrize(("scores", "threshold", "share", "tie_rule", "chosen"), SPEC)
def test_candidates_by_threshold_capacity_and_tie_rule(scores, threshold, share, tie_rule, chosen):
    rule = Threshold(score=threshold, capacity=Capacity(per_10000=share), tie_rule=tie_rule)
    array = np.array(scores, dtype=np.int64)

    assert array[engine.candidates(array, rule)].tolist() == chosen


@given(st.lists(st.integers(-5, 5), max_size=40), st.integers(1, 10_000), st.randoms())
def test_equal_scores_are_never_parted_and_leaving_out_never_exceeds_capacity(scores, share, random):
    rule = Threshold(score=-(10**9), capacity=Capacity(per_10000=share), tie_rule="leave_out")
    random.shuffle(scores)
    array = np.array(scores, dtype=np.int64)
    chosen = engine.candidates(array, rule)

    assert not set(array[chosen].tolist()) & set(array[~chosen].tolist())
    assert chosen.sum() <= len(scores) * share // 10_000
