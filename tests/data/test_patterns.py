"""What reads as an identifier in a table that is to leave: counted by column, judged elsewhere."""

import pandas as pd
import pytest

from workbench.data.individual_number import check_digit
from workbench.data.patterns import ALL, PATTERNS, measure, measure_text

NUMBER = "12345678901" + check_digit("12345678901")
SHOWS = {
    "telephone": [
        "03-1234-5678",
        "０９０－１２３４－５６７８",
        "連絡先 09012345678",
        "0120(123)456",
        "+81-90-1234-5678",
    ],
    "postal_code": ["000-0001", "〒0000001", "住所 000-0001 青葉町"],
    "street_address": ["青葉町1-2-3", "一丁目2番3号", "大字青葉１２番地", "青葉町2-3"],
    "e_mail": ["hanako@example.jp", "先生 a.b+c@school.ed.jp まで"],
    "passport": ["TK1234567", "旅券 TK1234567"],
    "residence_card": ["AB12345678CD"],
    "linking_code": ["1000000001", "宛名 100000001 番"],
    "individual_number": [NUMBER, f"番号{NUMBER}"],
    "resident_record_code": ["1000000000" + check_digit("1000000000")],
}
# What a released table usually holds.
HARMLESS = [
    "3–5",
    "0-2",
    "A1",
    "E01",
    "2024",
    "2024-04-01",
    "中学校",
    "(missing)",
    "10.5",
    "yes",
    "≥30",
    "1-4",
    "B001",
    "令和5年度",
]


def test_every_pattern_has_examples():
    assert set(SHOWS) == set(ALL)


@pytest.mark.parametrize("pattern", SHOWS)
def test_a_pattern_is_counted_in_the_column_that_shows_it(pattern):
    frame = pd.DataFrame({"shown": SHOWS[pattern], "clean": HARMLESS[: len(SHOWS[pattern])]})

    assert measure(frame)[pattern] == {"shown": len(SHOWS[pattern])}


def test_a_table_as_it_is_released_shows_nothing():
    frame = pd.DataFrame(
        {"band": HARMLESS, "n": range(len(HARMLESS)), "flag": [True, False] * (len(HARMLESS) // 2)}
    )
    frame["score"] = frame["n"] / 7
    frame["days"] = pd.array([None, *range(1, len(HARMLESS))], dtype="Int64")

    assert measure(frame) == {}


def test_cells_are_counted_not_values():
    assert measure(pd.DataFrame({"x": ["a@b.jp"] * 3 + [None]})) == {"e_mail": {"x": 3}}


@pytest.mark.parametrize("dtype", ["int64", "Int64", "float64", "object", "category"])
def test_an_individual_number_is_found_whatever_the_columns_type(dtype):
    column = pd.Series([5, int(NUMBER)]).astype(dtype)

    assert measure(pd.DataFrame({"x": column}))["individual_number"] == {"x": 1}


def test_a_text_is_measured_by_its_lines():
    found = measure_text(f"報告\n{NUMBER}\n問い合わせ 03-1234-5678\n問い合わせ 03-1234-5679\n")

    assert found == {"individual_number": 1, "linking_code": 1, "telephone": 2}


def test_an_empty_text_shows_nothing():
    assert measure_text("") == {}


def test_the_forms_fall_under_the_rules_first_three_numbers():
    assert {pattern.number for pattern in PATTERNS.values()} == {1, 2, 3}
