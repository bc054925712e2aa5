"""
Finding Individual Numbers (個人番号) and resident record codes (住民票コード), which must never enter.

An Individual Number is twelve digits whose last is the check digit of 平成26年総務省令第85号 第5条. It is
found in any width and script of digits, with any spacing, hyphens or other marks between them, alone or
inside longer text. What is found is counted; it is never quoted.

A twelve-digit code of another kind passes the check about once in eleven times, so a column of them is
refused: the law is stricter than the inconvenience. Digits that are part of a longer unbroken run (a
thirteen-digit corporate number) are not an Individual Number, and a decimal fraction is not a number's digits.

A resident record code is eleven digits with a check digit (住民基本台帳法施行規則第1条, 平成14年総務省告示第436号).
We take its formula to be of the same form over ten digits; the notice itself was not at hand. Eleven digits
are also a mobile telephone, so a column counts only when most of its eleven-digit values pass the check:
chance gives about one in eleven.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from itertools import groupby

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

INDIVIDUAL, RESIDENT = 12, 11
# Weights Q_n from the highest digit down to the lowest before the check digit.
WEIGHTS = {INDIVIDUAL: (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2), RESIDENT: (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)}

KANJI_DIGITS = dict(zip("〇零一二三四五六七八九", "00123456789", strict=True))
NOT_DIGITS = r"[^\p{Nd}" + "".join(KANJI_DIGITS) + "]"
# The long-vowel mark stands where a hyphen is meant, but counts as a letter.
LIKE_A_HYPHEN = str.maketrans("ーｰ", "--")
# A colon never parts an Individual Number but always parts a time of day: 2024-04-01 12:30 is not one.
RUN = re.compile(r"\d+(?:(?:_|[^\w:])+\d+)*")
PIECES = re.compile(r"\d+|\D+")
NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d{1,2})?")
MOBILE = re.compile(r"0[5-9]0\d{8}")

# Names by which a column says what it holds.
FORBIDDEN_NAMES = frozenset(
    "個人番号 マイナンバー 住民票コード my_number mynumber individual_number juki_code resident_record_code".split()
)


@dataclass(frozen=True)
class Scan:
    """Which of the values hold an Individual Number, and which a resident record code."""

    individual: np.ndarray
    resident: np.ndarray


def check_digit(digits: str) -> str:
    """The check digit that belongs after `digits` (eleven, or ten of a resident record code)."""
    rest = sum(int(digit) * weight for digit, weight in zip(digits, WEIGHTS[len(digits) + 1], strict=True)) % 11
    return "0" if rest <= 1 else str(11 - rest)


def is_valid(digits: str) -> bool:
    """Whether `digits`, twelve or eleven of them, end in the right check digit."""
    return len(digits) in WEIGHTS and digits[-1] == check_digit(digits[:-1])


def mentions(text: str) -> bool:
    """Whether `text` (a header, a file name, a sentence) holds an Individual Number."""
    return any(len(digits) == INDIVIDUAL and is_valid(digits) for digits in candidates(plain_digits(text)))


def is_forbidden_name(name: str) -> bool:
    """Whether a column of this name says that it holds what must never enter."""
    return unicodedata.normalize("NFKC", name).strip().lower() in FORBIDDEN_NAMES


def scan(values: pa.Array, *, numeric: bool = False) -> Scan:
    """
    Look through distinct strings; `numeric` columns have lost their leading zeros.

    Values with fewer than eleven digits are put aside by Arrow; only the rest are read one by one.
    """
    values = pc.fill_null(values.cast(pa.string()), "")
    individual, resident = np.zeros(len(values), bool), np.zeros(len(values), bool)
    eleven_failing = 0
    for position in np.flatnonzero(digit_counts(values) >= RESIDENT):
        found = set(candidates(plain_digits(values[position].as_py())))
        individual[position] = any(is_individual(digits, numeric=numeric) for digits in found)
        codes = [digits for digits in found if len(digits) == RESIDENT and not MOBILE.fullmatch(digits)]
        resident[position] = any(map(is_valid, codes))
        eleven_failing += bool(codes) and not resident[position]
    if eleven_failing >= resident.sum():
        resident[:] = False
    return Scan(individual, resident)


def is_individual(digits: str, *, numeric: bool) -> bool:
    padded = digits.zfill(INDIVIDUAL) if numeric and len(digits) == RESIDENT else digits
    return len(padded) == INDIVIDUAL and is_valid(padded)


def digit_counts(values: pa.Array) -> np.ndarray:
    """How many digits, of any script, each value holds."""
    normal = pc.utf8_normalize(values, form="NFKC")
    return np.asarray(pc.utf8_length(pc.replace_substring_regex(normal, NOT_DIGITS, "")))


def plain_digits(text: str) -> str:
    """`text` with every digit, full-width, circled, Arabic or kanji, as 0-9."""
    normal = unicodedata.normalize("NFKC", text).translate(LIKE_A_HYPHEN)
    return normal if normal.isascii() else "".join(map(plain_digit, normal))


@cache
def plain_digit(character: str) -> str:
    return KANJI_DIGITS.get(character) or str(unicodedata.decimal(character, character))


def candidates(text: str) -> Iterator[str]:
    """The strings of digits that a reader of `text` may take for one number."""
    if number := NUMBER.fullmatch(text.strip()):
        yield from whole_number(number.group())
        return
    for run in RUN.finditer(text):
        pieces = PIECES.findall(run.group())
        groups, marks = pieces[::2], pieces[1::2]
        yield from groups
        yield "".join(groups)
        yield from alike_marks(groups, marks)
        yield from ("".join(four) for four in fours(groups))


def whole_number(text: str) -> Iterator[str]:
    """The digits of a whole number written plainly, with a zero fraction, or with an exponent."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        return
    if value == value.to_integral_value():
        yield text if text.isdigit() else f"{abs(value):.0f}"


def alike_marks(groups: list[str], marks: list[str]) -> Iterator[str]:
    """Neighbouring groups joined by the same mark: `1234-5678-9012 2024` holds `1234-5678-9012`."""
    start = 0
    for _, same in groupby(marks):
        end = start + len(list(same))
        yield "".join(groups[start : end + 1])
        start = end


def fours(groups: list[str]) -> Iterator[list[str]]:
    """Three groups of four in a row: as the number is printed on the card."""
    for window in zip(groups, groups[1:], groups[2:], strict=False):
        if {len(group) for group in window} == {4}:
            yield list(window)
