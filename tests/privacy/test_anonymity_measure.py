"""Everything a table discloses, in one call: the same numbers from rows and from the engine."""

import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

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
    assert measured["missing"]["k_children_wildcard"] == 3
    assert measured["missing"]["k_children_worse"] == 1
    # Home h1 has two rows in a class: what is counted of homes is never more than there are (2).
    assert 1 <= measured["missing"]["k_households_wildcard"] <= 2


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
