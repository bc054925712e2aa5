"""Individual Numbers in every disguise; and what looks like one and is not."""

import re
from datetime import date
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.data.individual_number import check_digit, is_forbidden_name, is_valid, mentions, scan

# Made by the formula; the first is the worked example of the ordinance's explanations in print.
NUMBER = "12345678901" + check_digit("12345678901")
quick = settings(deadline=None, max_examples=25)
eleven_digits = st.text("0123456789", min_size=11, max_size=11)
numbers = eleven_digits.map(lambda digits: digits + check_digit(digits))
ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
WIDE = str.maketrans("0123456789", "０１２３４５６７８９")
CIRCLED = str.maketrans("0123456789", "⓪①②③④⑤⑥⑦⑧⑨")
KANJI = str.maketrans("0123456789", "〇一二三四五六七八九")
NEGATIVE_CIRCLED = str.maketrans("0123456789", "⓿❶❷❸❹❺❻❼❽❾")
DAIJI = str.maketrans("0123456789", "零壱弐参四五六七八九")
FULL_DAIJI = str.maketrans("0123456789", "零壹貳參肆伍陸漆捌玖")
SUZHOU = str.maketrans("0123456789", "〇〡〢〣〤〥〦〧〨〩")
TAGS = {ord("0") + digit: 0xE0030 + digit for digit in range(10)}
MARKS = [
    " ",
    "-",
    "－",
    "ー",
    "　",
    "\u200b",
    ".",
    ",",
    "・",
    "_",
    "\t",
    "\n",
    "   ",
    " - ",
    "/",
    "‐",
    "–",
    ":",
]

DISGUISES = {
    "plain": lambda n: n,
    "full width": lambda n: n.translate(WIDE),
    "circled": lambda n: n.translate(CIRCLED),
    "Arabic digits": lambda n: n.translate(ARABIC),
    "kanji": lambda n: n.translate(KANJI),
    "as on the card": lambda n: f"{n[:4]} {n[4:8]} {n[8:]}",
    "full width with long-vowel marks": lambda n: f"{n[:4]}ー{n[4:8]}ー{n[8:]}".translate(WIDE),
    "digit by digit": " ".join,
    "invisible marks": "\u200b".join,
    "across lines": lambda n: f"{n[:6]}\n{n[6:]}",
    "in a sentence": lambda n: f"母の番号は{n}です。",
    "among letters": lambda n: f"ID{n}X",
    "before a date": lambda n: f"{n[:4]}-{n[4:8]}-{n[8:]} 2024-04-01",
    "in uneven groups before a date": lambda n: f"{n[:3]}-{n[3:8]}-{n[8:]} 2024-04-01",
    "before a year": lambda n: f"{n[:4]}-{n[4:8]}-{n[8:]}-2024",
    "after another number": lambda n: f"12 {n}",
    "as a float": lambda n: f"{n}.0",
    "in brackets": lambda n: f"({n[:4]}){n[4:8]}[{n[8:]}]",
    "negative": lambda n: f"-{n}",
    "a point in a text": lambda n: f"{n[:4]}.{n[4:]}",
    "after the point of a list": lambda n: f"1.{n}",
    "as times of day": lambda n: ":".join((n[:2], n[2:4])) + f" {n[4:6]}:{n[6:8]} {n[8:10]}:{n[10:]}",
    "after a moment": lambda n: f"2024-04-01 10:30 {n[:4]} {n[4:8]} {n[8:]}",
    "negative circled": lambda n: n.translate(NEGATIVE_CIRCLED),
    "daiji": lambda n: n.translate(DAIJI),
    "every daiji": lambda n: n.translate(FULL_DAIJI),
    "Suzhou numerals": lambda n: n.translate(SUZHOU),
    "character references": lambda n: "".join(f"&#{ord(digit)};" for digit in n),
    "hexadecimal references": lambda n: "".join(f"&#x{ord(digit):x};" for digit in n),
    "tag characters": lambda n: n.translate(TAGS),
    "tag characters between": "\U000e0061".join,
    "kana between fours": lambda n: f"{n[:4]}の{n[4:8]}の{n[8:]}",
    "letters between fours": lambda n: f"{n[:4]}x{n[4:8]}x{n[8:]}",
    "spaced letters between fours": lambda n: f"{n[:4]} と {n[4:8]}、や{n[8:]}番",
    "a letter and a mark between fours": lambda n: f"{n[:4]}の{n[4:8]}-{n[8:]}",
    "full width with kana": lambda n: f"{n[:4]}ノ{n[4:8]}ノ{n[8:]}".translate(WIDE),
    "behind a circled list mark": lambda n: f"①{n}",
    "behind a negative circled list mark": lambda n: f"❶{n}",
    "behind a kanji digit": lambda n: f"参{n}",
    "before a footnote mark": lambda n: f"{n}²",
}


def found(*values: str, numeric: bool = False) -> list[bool]:
    return scan(pa.array(values), numeric=numeric).individual.tolist()


def test_the_check_digit_is_that_of_the_ordinance():
    """平成26年総務省令第85号 第5条, by hand: 6·1+5·2+4·3+3·4+2·5+7·6+6·7+5·8+4·9+3·0+2·1 = 212, 212 mod 11 = 3."""
    assert check_digit("12345678901") == "8"


@quick
@given(eleven_digits)
def test_the_check_digit_follows_the_formula_as_written(digits):
    """Σ P_n × Q_n with Q_n = n+1 for n ≤ 6 and n−5 above, n from the lowest digit."""
    lowest_first = [int(digit) for digit in reversed(digits)]
    total = sum(p * (n + 1 if n <= 6 else n - 5) for n, p in enumerate(lowest_first, start=1))
    expected = 0 if total % 11 <= 1 else 11 - total % 11

    assert check_digit(digits) == str(expected)


@pytest.mark.parametrize("disguise", DISGUISES)
@settings(deadline=None, max_examples=8)
@given(number=numbers)
def test_an_individual_number_is_found_in_every_disguise(disguise, number):
    written = DISGUISES[disguise](number)

    assert mentions(written)
    assert found("other", written, "") == [False, True, False]


@quick
@given(
    number=numbers,
    cuts=st.lists(st.integers(1, 11), min_size=1, max_size=11, unique=True),
    mark=st.sampled_from(MARKS),
)
def test_any_spacing_is_seen_through(number, cuts, mark):
    edges = [0, *sorted(cuts), 12]
    written = mark.join(number[start:end] for start, end in pairwise(edges))
    assert mentions(written)
    assert found(written) == [True]


@quick
@given(numbers, st.integers(0, 9))
def test_a_wrong_check_digit_is_not_an_individual_number(number, digit):
    written = number[:-1] + str(digit)

    assert mentions(written) == is_valid(written)
    assert found(written) == [is_valid(written)]


@quick
@given(numbers, st.text("0123456789", min_size=1, max_size=4))
def test_digits_within_a_longer_run_are_not_an_individual_number(number, more):
    assert found(number + more, more + number, f"番号{number}{more}号") == [False] * 3


@quick
@given(st.integers(10**9, 10**10 - 1))
def test_ten_digit_person_numbers_are_never_taken_for_one(person_no):
    assert found(str(person_no)) == [False]
    assert found(str(person_no), numeric=True) == [False]


def test_moments_are_not_individual_numbers():
    """Year to minute is twelve digits, and one in eleven of them would pass the check."""
    moments = [
        f"2024-04-{day:02} {hour:02}:{minute:02}"
        for day in (1, 15, 30)
        for hour in range(24)
        for minute in (0, 7)
    ]

    assert not any(found(*moments))
    assert any(is_valid(re.sub(r"\D", "", moment)) for moment in moments)


NOT_NUMBERS = [
    "2024-04-01 12:30",
    "2024-04-01 12:30:45.123456789",
    "12:30～13:45 2024-04-01",
    "2024-04-01 2024-04-02",
    "2024-04-01 00:00:00",
    "2024-04-01T12:30+09:00",
    "2024/4/1 9:30～9:45",
    "令和5年4月1日 12:30",
    "2023年度から2024年度まで、2025年度",
    "一丁目2番3号 コーポ101",
    "1-2-3 青葉町4-5-6 7-8",
    "000-0001",
    "03-1234-5678",
    "1e5",
    "1.5e300",
    "",
]


@pytest.mark.parametrize("text", NOT_NUMBERS)
def test_dates_decimals_and_addresses_are_not_individual_numbers(text):
    assert found(text) == [False]


@pytest.mark.parametrize("text", ["254.123456789018", "0.123456789018", "1234.56789018"])
def test_a_fraction_in_a_numeric_column_is_not_an_individual_number(text):
    assert found(text, numeric=True) == [False]


def test_attack_times_of_day_that_follow_no_date_hide_nothing():
    assert found("12:34 56:78 90:18", "1234-56-78 90:18") == [True, True]


def test_attack_letters_between_other_groups_are_words_not_a_number():
    assert found("1丁2番3号4567の8901室8", "12345x67890x18", "A1234のB5678のC9018の") == [False] * 3


@quick
@given(st.dates(date(1900, 1, 1)), st.dates(date(1900, 1, 1)))
def test_two_dates_in_a_cell_are_not_an_individual_number(one, other):
    assert found(f"{one}～{other}", f"{one:%Y/%m/%d}-{other:%Y/%m/%d}") == [False, False]


@quick
@given(st.integers(10**9, 10**10 - 1))
def test_a_numeric_column_that_lost_its_leading_zero_is_seen_through(rest):
    lost = f"{rest}{check_digit(f'0{rest}')}"

    assert found(lost, f"{lost}.0", numeric=True) == [True, True]


def test_an_exponent_does_not_hide_an_individual_number():
    assert found(f"{NUMBER[0]}.{NUMBER[1:]}E+11", f"{NUMBER}e0") == [True, True]


@quick
@given(st.lists(st.text(max_size=30), max_size=20), numbers)
def test_whole_columns_and_single_texts_agree(texts, number):
    """The fast way through Arrow finds what reading each value finds."""
    values = [*texts, number]

    assert found(*values) == [mentions(value) for value in values]


def resident(*values: str) -> np.ndarray:
    return scan(pa.array(values)).resident


ten_digits = st.integers(10**9, 10**10 - 1).map(str)


@quick
@given(st.lists(ten_digits.map(lambda digits: digits + check_digit(digits)), min_size=1, max_size=5))
def test_a_column_of_resident_record_codes_is_found(codes):
    assert resident(*codes).all()


def test_a_column_of_other_eleven_digit_codes_is_not_taken_for_resident_record_codes():
    """One in eleven passes the check by chance."""
    codes = np.random.default_rng(7).integers(10**10, 10**11, 5_000).astype(str)

    assert not resident(*codes).any()


def test_mobile_telephones_are_not_resident_record_codes():
    phones = [f"090{number:08}" for number in range(200)]
    passing = [phone for phone in phones if is_valid(phone)]

    assert passing
    assert not resident(*passing).any()


@pytest.mark.parametrize(
    "name", ["個人番号", "マイナンバー", "My_Number", "ＭＹ＿ＮＵＭＢＥＲ", " 住民票コード ", "juki_code"]
)
def test_a_column_that_names_the_forbidden_is_known(name):
    assert is_forbidden_name(name)


def test_a_large_table_is_searched_in_seconds():
    """300,000 distinct cells of every troublesome sort; measured against a plain pass over the same cells."""
    import time

    values = np.random.default_rng(3).integers(10**11, 10**13, 300_000).astype(str)
    start = time.perf_counter()
    scan(pa.array(values))

    assert time.perf_counter() - start < 10
