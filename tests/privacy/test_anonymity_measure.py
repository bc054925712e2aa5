"""Everything a table discloses, in one call: the same numbers from rows and from the engine."""

import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.privacy.anonymity.measure import measure

# Five children of four homes; the area of one is missing.
TABLE = pd.DataFrame(
    {
        "area": ["A", "A", "B", "B", None],
        "grade": ["1", "1", "1", "1", "1"],
        "home": ["h1", "h1", "h2", "h3", "h4"],
        "days": ["0", "3", "3", "3", "9"],
    }
)


@pytest.fixture
def measured():
    return measure(TABLE, quasi_identifiers=["area", "grade"], sensitive={"days": ("9",)}, households="home")


def test_counts_are_those_of_the_table(measured):
    assert (measured["rows"], measured["classes"], measured["sample_uniques"]) == (5, 3, 1)
    assert (measured["k_children"], measured["k_households"]) == (1, 1)
    assert measured["average_class_risk"] == pytest.approx(3 / 5)
    assert measured["rows_at_risk"] == 1.0


def test_a_missing_value_is_read_both_ways_and_the_worse_is_shown(measured):
    # Of area A or missing: two children of one home and one of another.
    assert measured["missing"]["wildcard"]["k_children"] == 3
    assert measured["missing"]["wildcard"]["k_households"] == 2
    assert measured["missing"]["worse"]["k_children"] == measured["missing"]["worse"]["k_households"] == 1


def test_what_is_sensitive_is_read_both_ways_too(measured):
    """The child of unknown area is alone and surely told; taken for one of A it makes that area less sure."""
    days, wild = measured["sensitive"]["days"], measured["missing"]["wildcard"]["sensitive"]["days"]

    assert days["max_confidence"] == 1.0
    assert wild["max_confidence"] == pytest.approx(1 / 3)
    assert measured["missing"]["worse"]["sensitive"]["days"]["max_confidence"] == 1.0
    assert set(wild) == set(days)


CELLS = st.sampled_from(["a", "b", None])
ROWS = st.lists(st.tuples(CELLS, CELLS, st.sampled_from("123")), min_size=1, max_size=20)


@given(rows=ROWS)
@settings(max_examples=40, deadline=None)
def test_a_value_of_its_own_is_the_worse_reading_for_all_but_delta(rows):
    """Rows that fit are classes joined, and joining takes nothing from what holds in each: what is judged is the worse."""
    frame = pd.DataFrame(rows, columns=["x", "y", "days"], dtype=object)
    told = measure(frame, quasi_identifiers=["x", "y"], sensitive={"days": ("1",)})
    if told["missing"] is None:
        return
    kept = told["missing"]["worse"]["sensitive"]["days"]
    own = told["sensitive"]["days"]

    assert {name: kept[name] for name in kept if name != "delta_disclosure"} == pytest.approx(
        {name: own[name] for name in own if name != "delta_disclosure"}
    )
    assert {name: told[name] for name in told["missing"]["worse"] if name != "sensitive"} == {
        name: value for name, value in told["missing"]["worse"].items() if name != "sensitive"
    }


def test_delta_may_be_worse_when_a_missing_value_could_be_any():
    """A value that half of the rows have is one in ten among those that area A could be."""
    rows = [*[("A", "no")] * 9, (None, "yes"), *[("B", "yes")] * 9, ("B", "no")]
    frame = pd.DataFrame(rows, columns=["area", "aid"])
    told = measure(frame, quasi_identifiers=["area"], sensitive=["aid"])

    wild = told["missing"]["wildcard"]["sensitive"]["aid"]["delta_disclosure"]
    assert wild > told["sensitive"]["aid"]["delta_disclosure"]
    assert told["missing"]["worse"]["sensitive"]["aid"]["delta_disclosure"] == wild


def test_where_nothing_is_missing_there_is_one_reading():
    assert measure(TABLE, quasi_identifiers=["grade"])["missing"] is None


def test_the_item_that_costs_k_is_named(measured):
    assert measured["items"]["area"]["k_children_without"] == 5
    assert measured["items"]["grade"]["k_children_without"] == 1


def test_only_harmful_values_count_as_certain(measured):
    days = measured["sensitive"]["days"]

    assert days["max_confidence"] == 1.0
    assert days["base_rate"] == pytest.approx(1 / 5)
    assert days["ordered_t"] > 0


def test_what_is_never_reached_is_none_and_json_holds_it(measured):
    assert measured["sensitive"]["days"]["recursive_c"] is None
    json.dumps(measured, allow_nan=False)


def test_words_have_no_order():
    told = measure(TABLE, quasi_identifiers=["grade"], sensitive=["area"])["sensitive"]["area"]

    assert "ordered_t" not in told


def test_a_file_measures_as_the_frame_it_holds(measured, tmp_path):
    """On the engine, without reading the rows."""
    pq.write_table(pa.Table.from_pandas(TABLE), tmp_path / "table.parquet")
    reduced = measure(
        tmp_path / "table.parquet",
        quasi_identifiers=["area", "grade"],
        sensitive={"days": ("9",)},
        households="home",
    )

    assert reduced == {name: measured[name] for name in reduced}
    of_rows = {"missing", "items", "separation", "special_uniques", "household_signatures", "household_risk"}
    assert set(measured) - set(reduced) == of_rows


def test_who_finds_one_child_has_found_the_family(measured):
    """Home h1 has both children of a class of two: 1 - 1/2 * 1/2."""
    assert measured["household_risk"]["highest"] == 1.0
    assert measured["household_risk"]["expected"] == pytest.approx(3 / 4 + 1 / 2 + 1 / 2 + 1)


def test_one_item_tells_as_many_apart_as_it_has_values(measured):
    assert measured["separation"]["area"]["distinction"] == pytest.approx(3 / 5)
    assert measured["separation"]["grade"] == {"distinction": pytest.approx(1 / 5), "separation": 0.0}


def test_beside_the_population_the_numbers_are_exact():
    told = measure(TABLE.iloc[:2], quasi_identifiers=["area"], population=TABLE)["population"]

    assert told["residents"] == 5
    assert told["k_map"] == 2
    assert told["delta_presence"] == {"least": 0.0, "most": 1.0}
    assert told["journalist_highest"] == 0.5


def test_an_estimate_that_fails_is_none_with_its_reason():
    alone = pd.DataFrame({"code": [str(n) for n in range(20)]})
    told = measure(alone, quasi_identifiers=["code"], residents=1000)["population_uniqueness"]

    failed = [one for one in told.values() if one["share"] is None]
    assert failed
    assert all(set(one["reason"]) == {"ja", "en"} for one in failed)
