"""Hierarchies: files in and out, what is refused, and that no sentence quotes a value."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import NotFound, Unusable
from workbench.privacy.anonymity import hierarchies
from workbench.privacy.anonymity.classes import categories
from workbench.privacy.anonymity.compact import axis
from workbench.privacy.anonymity.hierarchies import from_ladder, from_rows
from workbench.privacy.anonymity.transform import recoded, relabelled, spec_of
from workbench.scoring import recode

TESTS = Path(__file__).parent.parent
SHIPPED = TESTS.parent / "datasets" / "synthetic" / "hierarchies"
ADULT = TESTS / "data_files" / "adult"

AREA = from_rows("area", [["a", "north", "*"], ["b", "north", "*"], ["c", "south", "*"]])
DAYS = from_ladder("days", [{"edges": [1, 5], "labels": ["0", "1-4", "5+"]}, {"edges": [], "labels": ["*"]}])
FILES = [*sorted(SHIPPED.iterdir()), *sorted(ADULT.glob("*_hierarchy_*.csv"))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_read_and_written_is_the_same_file(path):
    hierarchy = hierarchies.read(path)

    assert hierarchies.written(hierarchy).splitlines() == path.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_ladder_ends_where_everything_is_alike_missing_too(path):
    assert recode.labels(hierarchies.read(path).recode(-1)) == ["*"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_level_is_an_item_of_the_recoding(path):
    hierarchy = hierarchies.read(path)

    for level in range(hierarchy.height + 1):
        recode.check({"schema": recode.SCHEMA, "items": {hierarchy.item: hierarchy.recode(level)}})


def test_the_shipped_ladders_of_place_follow_the_map_of_the_city():
    city = pd.read_csv(SHIPPED.parent / "places.csv", dtype=str)
    ladders = hierarchies.load(SHIPPED, table="child_year")
    steps = ["block", "es_district", "jh_district", "area"]

    for item in ("block", "es_district"):
        for level, step in enumerate(steps[steps.index(item) :]):
            assert list(relabelled(city[item], ladders[item].recode(level))) == list(city[step])


def test_a_table_s_name_chooses_its_files():
    assert set(hierarchies.load(ADULT)) == set(hierarchies.load(ADULT, table="adult"))
    with pytest.raises(NotFound):
        hierarchies.load(ADULT, table="child_year")


def test_two_files_for_one_item_are_unusable(tmp_path):
    for name in ("a_hierarchy_sex.csv", "b_hierarchy_sex.csv"):
        (tmp_path / name).write_text("f;*\nm;*\n")

    with pytest.raises(Unusable, match="sex"):
        hierarchies.load(tmp_path)


# --- Labels -------------------------------------------------------------------------------------------


def test_a_missing_value_stays_apart_until_everything_is_alike():
    assert [AREA.labels(["a", "(missing)"], level=level) for level in (0, 1, 2)] == [
        ["a", "(missing)"],
        ["north", "(missing)"],
        ["*", "*"],
    ]


def test_a_row_for_missing_values_says_where_they_belong():
    ladder = from_rows("aid", [["yes", "any", "*"], ["no", "none", "*"], ["(missing)", "none", "*"]])

    assert relabelled(pd.Series(["yes", None]), ladder.recode(1)).tolist() == ["any", "none"]
    assert hierarchies.read_csv("aid", hierarchies.written(ladder)) == ladder


def test_an_interval_holds_its_lower_edge():
    """A published tool puts 10 into [0, 10) and loses it; ours reads 1 as '1-4' and 5 as '5+'."""
    assert DAYS.labels(["0", "0.5", "1", "4.99", "5", "400"], level=1) == ["0", "0", "1-4", "1-4", "5+", "5+"]


def covers(hierarchy, words):
    """How many of the finest values the label of each word stands for, level by level."""
    prepared, codes = axis(pd.Series(words), hierarchy, allowed=None, counted=len(words))
    return prepared.leaves, [cover[codes].tolist() for cover in prepared.cover]


def test_a_label_covers_the_finest_values_that_it_stands_for():
    assert covers(AREA, ["a", "b", "c"]) == (3, [[1, 1, 1], [2, 2, 1], [3, 3, 3]])


def test_of_a_ladder_of_intervals_the_finest_values_are_those_observed():
    leaves, by_level = covers(DAYS, ["1", "2", "9"])

    assert (leaves, by_level[1]) == (3, [2, 2, 1])


def test_an_item_with_one_value_covers_it():
    assert covers(from_rows("x", [["only", "*"]]), ["only"]) == (1, [[1], [1]])


# --- The same recoding as everyone else's ---------------------------------------------------------------

SAME = {
    "area": st.lists(st.sampled_from(["a", "b", "c", None])),
    "days": st.lists(st.one_of(st.none(), st.integers(-3, 90), st.floats(-5, 90))),
}


@given(area=SAME["area"], level=st.integers(0, 2))
def test_a_table_is_recoded_as_the_scorer_does(area, level):
    values = pd.Series(area, dtype=object)

    assert (
        list(relabelled(values, AREA.recode(level))) == recode.apply(AREA.recode(level), values).to_pylist()
    )


@given(days=SAME["days"], level=st.integers(1, 2))
def test_intervals_are_recoded_as_the_scorer_does(days, level):
    values = pd.Series(days, dtype=float)

    assert (
        list(relabelled(values, DAYS.recode(level))) == recode.apply(DAYS.recode(level), values).to_pylist()
    )


def test_items_without_a_level_are_kept_as_they_are():
    frame = pd.DataFrame({"area": ["a", "c"], "income": [1.5, np.nan]}, index=[7, 3])
    spec = spec_of(["area", "income"], hierarchies={"area": AREA}, levels={"area": 1})
    after = recoded(frame, spec)

    assert spec["items"]["income"] == {"kind": "keep"}
    assert after["area"].tolist() == ["north", "south"]
    pd.testing.assert_series_equal(after["income"], frame["income"])


# --- Refusals -----------------------------------------------------------------------------------------

# name: (rows, what the sentence names)
BROKEN_TABLES = {
    "empty": ([], "no row"),
    "no level": ([["a"]], "no level"),
    "ragged": ([["a", "*"], ["b", "n", "*"]], "row 2"),
    "a blank": ([["a", "*"], ["b", ""]], "a blank in row 2"),
    "a value twice": ([["a", "*"], ["a", "*"]], "in row 2 a value of an earlier row"),
    "does not nest": ([["a", "n", "N"], ["b", "n", "S"]], "row 2"),
    "finer than before": ([["a", "n", "a", "*"], ["b", "n", "b", "*"]], "splits on level 2"),
    "missing values twice": ([["a", "*"], ["(missing)", "*"], ["(missing)", "*"]], "row 3"),
}


@pytest.mark.parametrize(("rows", "named"), BROKEN_TABLES.values(), ids=BROKEN_TABLES)
def test_a_broken_table_is_unusable(rows, named):
    with pytest.raises(Unusable) as caught:
        from_rows("area", rows)

    assert named in caught.value.en
    assert "area" in caught.value.ja


BROKEN_LADDERS = {
    "empty": [],
    "no labels": [{"edges": [1]}],
    "an unknown field": [{"edges": [1], "labels": ["a", "b"], "colour": "red"}],
    "a label too few": [{"edges": [1, 2], "labels": ["a", "b"]}],
    "falling edges": [{"edges": [2, 1], "labels": ["a", "b", "c"]}],
    "an infinite edge": [{"edges": [float("inf")], "labels": ["a", "b"]}],
    "a label twice": [{"edges": [1, 2], "labels": ["a", "b", "a"]}],
    "an edge that comes back": [
        {"edges": [1, 5], "labels": ["a", "b", "c"]},
        {"edges": [5], "labels": ["d", "e"]},
        {"edges": [1], "labels": ["f", "g"]},
    ],
    "an edge the finer level lacks": [
        {"edges": [1, 5], "labels": ["a", "b", "c"]},
        {"edges": [3], "labels": ["d", "e"]},
    ],
}


@pytest.mark.parametrize("ladder", BROKEN_LADDERS.values(), ids=BROKEN_LADDERS)
def test_a_broken_ladder_is_unusable(ladder):
    with pytest.raises(Unusable, match="days"):
        from_ladder("days", ladder)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t_hierarchy_days.json", b"{"),
        ("t_hierarchy_days.json", b'{"schema": "other", "item": "days", "levels": []}'),
        ("t_hierarchy_days.json", b'{"schema": "workbench-hierarchy/1", "item": "nights", "levels": []}'),
        ("t_hierarchy_days.json", b'{"schema": "workbench-hierarchy/1", "item": "days", "levels": [3]}'),
        ("t_hierarchy_days.csv", "十;*".encode("cp932")),
        ("t_hierarchy_days.csv", b""),
        ("t_hierarchy_days.csv", b'1;"*\n2;*\n'),
        ("t_hierarchy_days.csv", b"1;*\n\xff\xfe;*\n"),
        (
            "t_hierarchy_days.json",
            b'{"schema": "workbench-hierarchy/1", "item": "days", "levels": [], "origin": {"public": 1}}',
        ),
    ],
    ids=[
        "cut",
        "another schema",
        "another item",
        "no step",
        "not UTF-8",
        "no content",
        "a quotation mark alone",
        "bytes of no encoding",
        "an origin of another form",
    ],
)
def test_a_file_that_cannot_be_read_is_unusable(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)

    with pytest.raises(Unusable, match="days"):
        hierarchies.load(tmp_path)


@pytest.mark.parametrize(
    ("hierarchy", "values"),
    [(AREA, ["a", "a", "SECRET", "SECRET"]), (DAYS, ["1", "2", "SECRET", "inf"])],
    ids=["table", "intervals"],
)
def test_a_value_the_hierarchy_misses_is_placed_and_never_quoted(hierarchy, values):
    with pytest.raises(Unusable) as caught:
        hierarchy.require_cover(categories(values))

    assert "row 3 (2 rows" in caught.value.en
    assert "3 行目（全 2 行）" in caught.value.ja
    assert "SECRET" not in caught.value.en + caught.value.ja
