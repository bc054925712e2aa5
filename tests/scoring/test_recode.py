"""The recoding: one code for the release that generalises and the scorer that reads raw values."""

import json
import math
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import Unusable
from workbench.scoring import recode

GRADES = {"kind": "table", "map": {"0": "preschool", "1": "low", "2": "low", "x": "other"}}
DAYS = {"kind": "interval", "edges": [1, 10, 30], "labels": ["0", "1-9", "10-29", "30+"]}
KEEP = {"kind": "keep"}


def spec(**items):
    return {"schema": recode.SCHEMA, "release": "r@1", "items": items}


@pytest.mark.parametrize(
    "values",
    [
        [0, 1, None],
        ["0", "1", ""],
        [0.0, 1.0, math.nan],
        pd.Series([0, 1, None], dtype="Int64"),
        pd.Series(["0", "1", None], dtype="category"),
        np.array(["0", "1", None], dtype=object),
        pa.chunked_array([["0"], ["1", None]]),
        pa.array(["0", "1", None]).dictionary_encode(),
    ],
)
def test_a_raw_value_is_the_same_in_every_spelling_a_table_can_have(values):
    assert recode.apply(GRADES, values).to_pylist() == ["preschool", "low", "(missing)"]


def test_a_value_the_recoding_does_not_know_is_recorded_as_unseen():
    assert recode.apply(GRADES, ["2", "3", "y"]).to_pylist() == [
        "low",
        "(unseen)",
        "(unseen)",
    ]
    assert recode.unseen(GRADES, ["2", None, "y"]).tolist() == [False, False, True]
    assert recode.unseen(KEEP, ["anything"]).tolist() == [False]


@pytest.mark.parametrize(
    "values",
    [
        ["2024-04-01", None],
        [date(2024, 4, 1), None],
        [datetime(2024, 4, 1), None],
        pd.Series(["2024-04-01", None], dtype="datetime64[ns]"),
        pa.array([datetime(2024, 4, 1), None], pa.timestamp("s")),
    ],
    ids=["text", "date", "datetime", "pandas", "arrow"],
)
def test_a_day_is_the_same_in_every_form_a_table_can_have(values):
    day = {"kind": "table", "map": {"2024-04-01": "FY2024"}}

    assert recode.apply(day, values).to_pylist() == ["FY2024", "(missing)"]


@pytest.mark.parametrize("moment", [datetime(2024, 4, 1, 0, 1), datetime(2024, 4, 1, tzinfo=UTC)])
def test_a_moment_is_no_day(moment):
    day = {"kind": "table", "map": {"2024-04-01": "FY2024"}}

    assert recode.apply(day, [moment]).to_pylist() == ["(unseen)"]


def test_an_edge_belongs_to_the_interval_above_it():
    assert recode.apply(DAYS, [0, 1, 9.99, 10, 30, 200]).to_pylist() == [
        "0",
        "1-9",
        "1-9",
        "10-29",
        "30+",
        "30+",
    ]


def test_infinity_and_words_are_in_no_interval():
    assert recode.apply(DAYS, [math.inf, -math.inf]).to_pylist() == ["(unseen)", "(unseen)"]
    assert recode.apply(DAYS, ["3", "three", "nan", None]).to_pylist() == [
        "1-9",
        "(unseen)",
        "(unseen)",
        "(missing)",
    ]


def test_missing_can_have_a_label_of_its_own():
    assert recode.apply({**DAYS, "missing": "*"}, [None, 3]).to_pylist() == ["*", "1-9"]
    assert recode.labels({**GRADES, "missing": "low"}) == ["preschool", "low", "other"]


def test_keep_returns_the_values_untouched():
    assert recode.apply(KEEP, [3, None]).to_pylist() == [3, None]
    assert recode.labels(KEEP) == []


def test_a_table_is_recoded_where_the_recoding_says_and_nowhere_else():
    table = pa.table({"days": [0, 40], "other": [1, 2]})

    recoded = recode.apply_all(spec(days=DAYS), table)

    assert recoded.to_pydict() == {"days": ["0", "30+"], "other": [1, 2]}


@given(st.lists(st.one_of(st.none(), st.integers(-5, 50), st.floats(-5, 50))), st.randoms())
def test_order_and_chunks_change_nothing(values, random):
    """Recoding is value by value: shuffling or cutting the column gives the same labels."""
    order = list(range(len(values)))
    random.shuffle(order)
    array = pa.array(values, type=pa.float64())
    whole = recode.apply(DAYS, array).to_pylist()

    assert recode.apply(DAYS, array.take(pa.array(order, pa.int64()))).to_pylist() == [
        whole[i] for i in order
    ]
    cut = len(values) // 2
    chunks = pa.chunked_array([array[:cut], array[cut:]], type=pa.float64())
    assert recode.apply(DAYS, chunks).to_pylist() == whole


@pytest.mark.parametrize(
    "broken",
    [
        {"schema": "riskflag-recode/2", "items": {}},
        {"schema": recode.SCHEMA},
        {"schema": recode.SCHEMA, "items": {}, "run": "rm"},
        spec(days={"kind": "code", "map": {}}),
        spec(days={**DAYS, "labels": ["0"]}),
        spec(days={**DAYS, "edges": [10, 1, 30]}),
        spec(days={**DAYS, "edges": [1, 1, 30]}),
        spec(days={**DAYS, "edges": ["1", 2, 3]}),
        spec(grade={"kind": "table", "map": {"1": 1}}),
        spec(grade={"kind": "table", "map": {"1": ""}}),
        [],
        "text",
    ],
)
def test_a_malformed_recoding_is_unusable(broken):
    with pytest.raises(Unusable):
        recode.read(json.dumps(broken).encode())


def test_a_good_recoding_is_read_back_unchanged():
    good = spec(grade=GRADES, days={**DAYS, "missing": "*"}, kept=KEEP)

    assert recode.read(json.dumps(good).encode()) == good


def test_the_refusal_names_the_item_and_not_its_value():
    with pytest.raises(Unusable) as refusal:
        recode.check(spec(grade={"kind": "table", "map": {"Tanaka": 7}}))

    assert "grade" in refusal.value.en
    assert "Tanaka" not in refusal.value.en + refusal.value.ja


@pytest.mark.parametrize(
    "hostile",
    [
        b'{"a":1,"a":2}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1e999}',
        b"[" * 100_000,
        b"[" * 40 + b"]" * 40,
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":' + b"9" * 20 + b"}",
        b"\x80\x04\x95\x10\x00\x00\x00",
        b"\xff\xfe{}",
        b"",
        b" " * 16_000_001,
    ],
    ids=[
        "duplicate",
        "nan",
        "infinity",
        "overflow",
        "open",
        "deep",
        "huge",
        "int64",
        "pickle",
        "bom",
        "empty",
        "large",
    ],
)
def test_hostile_json_is_refused_in_one_sentence(hostile):
    with pytest.raises(Unusable) as refusal:
        recode.read(hostile)

    assert "recode.json" in str(refusal.value)
