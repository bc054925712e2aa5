"""Who could be found in a table: one call, one command, each number that of its own module's specification."""

import json

import pandas as pd
import pytest

from workbench.errors import Unusable, Usage
from workbench.privacy.anonymity.classes import Classes
from workbench.privacy.anonymity.disclosure import disclosure
from workbench.privacy.anonymity.risk.individual import individual_risk

ITEMS = ["area", "grade"]
# Two homes of two alike, one of one child alone in its class; the child p5 is there in two years.
TABLE = pd.DataFrame(
    {
        "person": ["p1", "p2", "p3", "p4", "p5", "p5"],
        "home": ["h1", "h1", "h2", "h2", "h3", "h3"],
        "year": ["2024"] * 5 + ["2025"],
        "area": ["A", "B", "A", "B", "C", "C"],
        "grade": ["1", "1", "1", "1", "1", "1"],
        "weight": ["10"] * 6,
    }
)


def test_each_attacker_has_a_number_of_its_own():
    told = disclosure(TABLE, quasi_identifiers=ITEMS, persons="person", population=crowd(4))

    assert told["prosecutor"]["highest"] == 1.0
    assert told["journalist"]["highest"] == 1 / 4
    # Two areas of two children stand for eight each; of four residents of C one is there, in two rows.
    assert told["marketer"] == pytest.approx((2 * 1 / 8 + 2 * 1 / 8 + 2 * 1 / 4) / 6)
    assert told["population"]["k_map"] == 4


def crowd(times: int) -> pd.DataFrame:
    """A population in which everybody of the table stands among so many."""
    once = TABLE.drop_duplicates("person")
    others = [once.assign(person=once["person"] + f"-{n}") for n in range(1, times)]
    return pd.concat([once, *others], ignore_index=True)


def test_whole_families_and_years_are_counted():
    told = disclosure(TABLE, quasi_identifiers=ITEMS, persons="person", households="home", years="year")

    assert told["household_signatures"] == {"owners": 3, "alone": 1, "share_alone": 1 / 3, "smallest": 1}
    assert told["trajectories"] == {"owners": 5, "alone": 1, "share_alone": 1 / 5, "smallest": 1}
    assert told["household_risk"]["highest"] == 1.0


def test_a_child_s_other_years_are_no_crowd_to_hide_in():
    """The child p5 has two rows and is one: its risk is that of a class of one, not of two."""
    told = disclosure(TABLE, quasi_identifiers=ITEMS, persons="person", weights="weight")
    alone = pd.DataFrame({"area": ["C"]})

    single = individual_risk(Classes.of(alone, ["area"]), [10])[0]
    assert told["individual"]["highest"] == pytest.approx(single)


def test_residents_give_every_child_one_weight():
    weighed = disclosure(TABLE, quasi_identifiers=ITEMS, persons="person", weights="weight")
    told = disclosure(TABLE, quasi_identifiers=ITEMS, persons="person", residents=50)

    assert told["individual"] == pytest.approx(weighed["individual"])
    assert set(told["population_uniqueness"]) == {"pitman", "zayatz", "snb", "dankar"}
    assert "dis_highest" in told["special_uniques"]


def test_the_sets_that_make_rows_unique_are_told_by_their_items():
    told = disclosure(TABLE.drop_duplicates("person"), quasi_identifiers=ITEMS)["special_uniques"]

    assert told["sets"] == [{"items": ["area"], "rows": 1}]
    assert told["contributions"] == {"area": 1.0, "grade": 0.0}


def test_an_intruder_is_tried_with_the_items_they_know():
    known = TABLE.drop_duplicates("person")
    told = disclosure(TABLE, quasi_identifiers=ITEMS, persons="person", known=known, knows=["area"])

    assert told["intruder"]["tried"] == 5
    assert (told["intruder"]["correct"], told["intruder"]["wrong"]) == (1, 0)
    assert told["intruder"]["rate_low"] < 1 / 5 < told["intruder"]["rate_high"]


def test_what_is_not_asked_for_is_not_there():
    told = disclosure(TABLE, quasi_identifiers=ITEMS)

    assert set(told) == {"rows", "classes", "prosecutor", "special_uniques", "separation"}
    json.dumps(told, allow_nan=False)


@pytest.mark.parametrize("weight", ["0", "-1", "", "many"])
def test_a_weight_that_stands_for_nobody_is_refused_and_not_echoed(weight):
    table = TABLE.assign(weight=[*TABLE["weight"][:5], weight or None])

    with pytest.raises(Unusable) as error:
        disclosure(table, quasi_identifiers=ITEMS, weights="weight")

    assert "many" not in error.value.en


def test_a_population_smaller_than_the_table_is_refused():
    with pytest.raises(Usage, match="5"):
        disclosure(TABLE, quasi_identifiers=ITEMS, persons="person", residents=4)


@pytest.mark.parametrize("asked", [{"known": TABLE}, {"years": "year"}], ids=["intruder", "years"])
def test_who_a_row_is_must_be_known_to_count_who_is_found(asked):
    with pytest.raises(Usage, match="--person"):
        disclosure(TABLE, quasi_identifiers=ITEMS, **asked)
