"""What the linkage-quality report counts, on links whose truth is known by construction."""

import pandas as pd
import pytest

from workbench.data.linkage_quality import linkage_quality
from workbench.data.linking import Links
from workbench.data.linking.compare import records
from workbench.errors import Unusable

RESIDENT = pd.DataFrame(
    {
        "person_no": ["1", "2", "3", "4"],
        "name": ["佐藤　葵", "鈴木　蓮", "NGUYEN THI LAN", "佐藤　葵"],
        "address": ["月読台1-2-3"] * 4,
        "foreign": ["0", "0", "1", "0"],
        "protected": ["0", "1", "0", "0"],
    }
)
PUPIL = pd.DataFrame(
    {
        "pupil_no": ["A", "B", "C", "D", "E"],
        "name": ["佐藤　葵", "鈴〓　蓮", "LAN THI NGUYEN", "ティ　ラン", None],
        "name_kana": ["サトウ　アオイ"] * 5,
        "birth_date": ["2012-06-01", None, "2012-06-01", "2012-06-01", "2012-06-01"],
        "address": ["月読台1-2-3", "月読台1-2-3", None, None, None],
    }
)
TAX = pd.DataFrame({"taxpayer_no": ["T1"], "person_no": ["1"]})
TABLES = {
    "resident": RESIDENT,
    "pupil": PUPIL,
    "tax": TAX,
    "bullying": pd.DataFrame({"pupil_no": ["A", "A", "D"]}),
}
TRUTH = pd.DataFrame(
    [
        *(
            ("resident", number, person)
            for number, person in zip("1234", ["P1", "P2", "P3", "P1"], strict=True)
        ),
        *(
            ("pupil", key, person)
            for key, person in zip("ABCDE", ["P1", "P2", "P3", "P3", "P9"], strict=True)
        ),
        ("tax", "T1", "P1"),
    ],
    columns=["source", "source_key", "true_person_id"],
)


def links(*linked: tuple[str, str, str, str], joined: dict[str, str] | None = None) -> Links:
    numbers = pd.Series(RESIDENT["person_no"].to_numpy(), index=RESIDENT["person_no"]).replace(joined or {})
    table = pd.DataFrame(linked, columns=["source", "source_key", "person_id", "rule"], dtype=object)
    said = {source: records(TABLES, source).drop_duplicates("key") for source in ("pupil", "tax")}
    return Links(table, numbers, said)


def measured(*linked: tuple[str, str, str, str], joined: dict[str, str] | None = None) -> dict:
    return linkage_quality(TABLES, links(*linked, joined=joined), truth=TRUTH)["truth"]


RIGHT = (("pupil", "A", "1", "reading_birth"), ("pupil", "B", "2", "reading_birth"))


def test_rates_are_by_source_rule_and_log():
    report = linkage_quality(TABLES, links(*RIGHT))
    pupil = report["sources"]["pupil"]

    assert (pupil["numbers"], pupil["linked"], pupil["rate"]) == (5, 2, 0.4)
    assert pupil["rules"] == {"reading_birth": 2}
    assert report["overall"] == {"numbers": 6, "linked": 2, "rate": 0.3333}
    assert report["logs"] == {"bullying": {"numbers": 2, "linked": 1, "rate": 0.5}}
    assert "truth" not in report


def test_rates_are_by_the_writing_of_the_name_and_by_what_the_record_gives():
    groups = linkage_quality(TABLES, links(*RIGHT))["sources"]["pupil"]["subgroups"]

    assert {name: group["numbers"] for name, group in groups["writing"].items()} == {
        "kana": 1,
        "kanji": 1,
        "letters": 1,
        "reading only": 1,
        "with an unreadable character": 1,
    }
    assert groups["address"]["given"] == {"numbers": 2, "linked": 2, "rate": 1.0}
    assert groups["birth"]["missing"] == {"numbers": 1, "linked": 1, "rate": 1.0}


def test_recall_counts_the_persons_who_can_be_found_and_precision_the_links():
    """E is nobody of the register: not to be found, and not missed."""
    found = measured(*RIGHT)["sources"]["pupil"]

    assert found == {"findable": 4, "linked": 2, "correct": 2, "recall": 0.5, "precision": 1.0}


def test_a_wrong_link_costs_precision_even_where_nobody_could_be_found():
    found = measured(*RIGHT, ("pupil", "C", "2", "name_birth"), ("pupil", "E", "1", "name_birth"))

    assert found["sources"]["pupil"]["precision"] == 0.5
    assert found["rules"]["name_birth"]["precision"] == 0.0
    assert found["rules"]["reading_birth"]["precision"] == 1.0


def test_any_number_of_the_true_person_is_right():
    """Numbers 1 and 4 are one person: a link to either is right."""
    assert measured(("pupil", "A", "4", "reading_birth"))["sources"]["pupil"]["precision"] == 1.0


def test_links_by_number_are_left_out_of_the_harder_measure():
    found = measured(*RIGHT, ("tax", "T1", "1", "number_birth"))

    assert found["overall"]["recall"] == 0.6
    assert found["without_number"]["recall"] == 0.5


def test_recall_is_by_what_the_register_knows_of_the_person():
    groups = measured(*RIGHT)["subgroups"]

    assert groups["foreign"]["yes"]["recall"] == 0.0
    assert groups["address_protected"]["yes"]["recall"] == 1.0
    assert groups["came_back"]["yes"]["findable"] == 2


@pytest.mark.parametrize(
    ("joined", "counts"),
    [
        ({}, {"second": 1, "joined": 0, "correct": 0}),
        ({"4": "1"}, {"second": 1, "joined": 1, "correct": 1}),
        ({"3": "1"}, {"second": 1, "joined": 1, "correct": 0}),
    ],
)
def test_the_joining_of_second_numbers_is_counted_by_itself(joined, counts):
    assert measured(joined=joined)["register"] == counts


def test_a_truth_without_its_columns_is_refused_by_name():
    with pytest.raises(Unusable, match="true_person_id"):
        linkage_quality(TABLES, links(), truth=TRUTH[["source", "source_key"]])


def test_the_report_is_plain_data():
    """Numbers of numpy would not be written as JSON."""
    import json

    assert json.loads(json.dumps(linkage_quality(TABLES, links(*RIGHT), truth=TRUTH)))
