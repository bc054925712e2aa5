"""
Finding Individual Numbers (個人番号) and resident record codes (住民票コード), which must never enter.

An Individual Number is twelve digits whose last is the check digit of 平成26年総務省令第85号 第5条. It is
found in any width and script of digits, with any spacing, hyphens or other marks between them, or a single
letter between its groups of four, alone or inside longer text. What is found is counted; it is never quoted.

A twelve-digit code of another kind passes the check about once in eleven times, so a column of them is
refused: the law is stricter than the inconvenience. Digits that are part of a longer unbroken run (a
thirteen-digit corporate number) are not an Individual Number. In a numeric column a decimal fraction is not a
number's digits; in text a point is a mark like any other.

Not found: a number split over neighbouring cells of a row, because the amounts and years that stand side by
side would pass the check as often as anything does; a number of a numeric column that lost more than one
leading zero; digits whose reading is a moment of the years 1800 to 2099; words, or other letters than one,
between the digits; groups of uneven length and unlike marks that run on into other digits; a number in another
base or written backwards.

A resident record code is eleven digits with a check digit (住民基本台帳法施行規則第1条, 平成14年総務省告示第436号).
We take its formula to be of the same form over ten digits; the notice itself was not at hand. Eleven digits
are also a mobile telephone, so a column counts only when most of its eleven-digit values pass the check:
chance gives about one in eleven.
"""

import html
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

INDIVIDUAL, RESIDENT = 12, 11
# Weights Q_n from the highest digit down to the lowest before the check digit.
WEIGHTS = {INDIVIDUAL: (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2), RESIDENT: (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)}

KANJI_DIGITS = dict(
    zip("〇零一二三四五六七八九壱弐参壹貳參弌弍弎肆伍陸漆柒捌玖", "001234567891231231234567789", strict=True)
)
SUZHOU_DIGITS = dict(zip("〡〢〣〤〥〦〧〨〩", "123456789", strict=True))
# Invisible characters that carry the digits of ASCII.
TAG_DIGITS = {chr(0xE0030 + digit): str(digit) for digit in range(10)}
WRITTEN_DIGITS = {**KANJI_DIGITS, **SUZHOU_DIGITS, **TAG_DIGITS}
# The long-vowel mark stands where a hyphen is meant, but counts as a letter.
LIKE_A_HYPHEN = "[ーｰ]"
# The time in 2024-04-01 12:30 belongs to no number; with it, the digits of a moment would be twelve.
DATE = r"(?<!\d)(?:1[89]|20)\d{2}[-/.](?:0?[1-9]|1[0-2])[-/.](?:0?[1-9]|[12]\d|3[01])"
TIME = r"(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?"
MOMENT = re.compile(rf"({DATE})[T ]{{1,3}}{TIME}(?:[~-]{TIME})?(?![\W_]*\d)")
# As on the card, with marks and at most one letter between the groups.
GAP = r"[\W_]{0,3}[^\W\d_]?[\W_]{0,3}"
CARD = re.compile(rf"(?<!\d)(?=(\d{{4}}){GAP}(\d{{4}}){GAP}(\d{{4}})(?!\d))")
RUN = re.compile(r"\d+(?:[\W_]+\d+)*")
PIECES = re.compile(r"\d+|\D+")
NUMBER = re.compile(r"[+-]?(?P<whole>\d+)(?:\.(?P<fraction>\d*))?(?P<exponent>[eE][+-]?\d{1,2})?")
MOBILE = re.compile(r"0[5-9]0\d{8}")

# For Arrow: cells of plain digits; values with eleven digits, or a number with an exponent.
PLAIN = "^[0-9０-９]+$"
ANY_DIGIT = r"[\p{N}" + "".join(WRITTEN_DIGITS) + "]"
WORTH_READING = ANY_DIGIT + r"(?:\P{N}*?" + ANY_DIGIT + r"){10}|^\s*[+-]?[0-9.]+[eE]"

# Names by which a column says what it holds.
FORBIDDEN_NAMES = frozenset(
    [
        "個人番号",
        "マイナンバー",
        "住民票コード",
        "individual_number",
        "juki_code",
        "my_number",
        "mynumber",
        "resident_record_code",
    ]
)


@dataclass(frozen=True)
class Scan:
    """Which of the values hold an Individual Number, and which a resident record code."""

    individual: np.ndarray
    resident: np.ndarray


def check_digit(digits: str) -> str:
    """The check digit that belongs after `digits` (eleven, or ten of a resident record code)."""
    weights = WEIGHTS[len(digits) + 1]
    rest = sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True)) % 11
    return "0" if rest <= 1 else str(11 - rest)


def is_valid(digits: str) -> bool:
    """Whether `digits`, twelve or eleven of them, end in the right check digit."""
    return len(digits) in WEIGHTS and digits[-1] == check_digit(digits[:-1])


def mentions(text: str) -> bool:
    """Whether `text` (a header, a file name, a sentence) holds an Individual Number."""
    return any(len(digits) == INDIVIDUAL and is_valid(digits) for digits in read(text))


def is_forbidden_name(name: str) -> bool:
    """Whether a column of this name says that it holds what must never enter."""
    return unicodedata.normalize("NFKC", name).strip().lower() in FORBIDDEN_NAMES


def scan(values: pa.Array, *, numeric: bool = False) -> Scan:
    """
    Look through distinct strings; in a `numeric` column a leading zero may be lost.

    Cells of plain digits are checked all at once, and Arrow puts aside what cannot hold such a number; only
    the rest is read value by value.
    """
    texts = pc.fill_null(values.cast(pa.string()), "")
    normal = pc.utf8_normalize(texts, form="NFKC")
    plain = np.asarray(pc.match_substring_regex(texts, PLAIN))
    individual, eleven, resident = look_at_plain(normal, plain=plain, numeric=numeric)
    for position in np.flatnonzero(np.asarray(pc.match_substring_regex(normal, WORTH_READING)) & ~plain):
        text = texts[int(position)].as_py()
        individual[position], eleven[position], resident[position] = look_at_text(text, numeric=numeric)
    if 2 * resident.sum() <= eleven.sum():
        resident[:] = False
    return Scan(individual, resident)


Marks = tuple[np.ndarray, np.ndarray, np.ndarray]


def look_at_plain(values: pa.Array, *, plain: np.ndarray, numeric: bool) -> Marks:
    """Of cells that are only digits: Individual Numbers, eleven digits, and those with a right check digit."""
    length = np.where(plain, np.asarray(pc.utf8_length(values)), 0)
    individual = with_check_digit(values, where=length == INDIVIDUAL, length=INDIVIDUAL)
    if numeric:
        padded = pc.utf8_lpad(values, INDIVIDUAL, "0")
        individual |= with_check_digit(padded, where=length == RESIDENT, length=INDIVIDUAL)
    mobile = np.asarray(pc.match_substring_regex(values, f"^{MOBILE.pattern}$"))
    eleven = (length == RESIDENT) & ~mobile
    return individual, eleven, with_check_digit(values, where=eleven, length=RESIDENT)


def with_check_digit(values: pa.Array, *, where: np.ndarray, length: int) -> np.ndarray:
    """Which of the values at `where`, each of `length` digits, end in the right check digit."""
    chosen = np.array(values.filter(pa.array(where)).to_pylist(), dtype=f"S{length}")
    digits = chosen.view(np.uint8).reshape(-1, length).astype(np.int64) - ord("0")
    rest = digits[:, :-1] @ np.array(WEIGHTS[length]) % 11
    marked = np.zeros(len(where), dtype=bool)
    marked[where] = digits[:, -1] == np.where(rest <= 1, 0, 11 - rest)
    return marked


def look_at_text(text: str, *, numeric: bool) -> tuple[bool, bool, bool]:
    """The same of one cell of any text."""
    found = {digits for digits in read(text, numeric=numeric) if len(digits) in WEIGHTS}
    twelve = {digits.zfill(INDIVIDUAL) for digits in found if numeric or len(digits) == INDIVIDUAL}
    eleven = {digits for digits in found if len(digits) == RESIDENT and not MOBILE.fullmatch(digits)}
    return any(map(is_valid, twelve)), bool(eleven), any(map(is_valid, eleven))


class DigitTable(dict[int, int | str]):
    """For `str.translate`: the digit of a character of any script, or the character itself."""

    def __missing__(self, code: int) -> int | str:
        character = chr(code)
        self[code] = WRITTEN_DIGITS.get(character) or str(unicodedata.digit(character, character))
        return self[code]


class DecimalTable(dict[int, int | str]):
    """For `str.translate`: a digit that only marks or spells, such as ① or 三, becomes a letter."""

    def __missing__(self, code: int) -> int | str:
        character = chr(code)
        only_spells = not character.isdecimal() and character.isnumeric()
        self[code] = "t" if only_spells else character
        return self[code]


DIGITS = DigitTable()
DECIMALS = DecimalTable()


def plain_digits(text: str) -> str:
    """`text` with every digit, full-width, circled, Arabic or kanji, as 0-9."""
    return re.sub(LIKE_A_HYPHEN, "-", unicodedata.normalize("NFKC", text)).translate(DIGITS)


def read(text: str, *, numeric: bool = False) -> Iterator[str]:
    """What may be one number in `text`: with every digit read, and with ① and 三 taken for marks beside it."""
    if "&#" in text:
        text = html.unescape(text)
    yield from candidates(plain_digits(text), numeric=numeric)
    if (marked := text.translate(DECIMALS)) != text:
        yield from candidates(plain_digits(marked), numeric=numeric)


def candidates(text: str, *, numeric: bool) -> Iterator[str]:
    """The strings of digits that a reader of `text` may take for one number."""
    if number := NUMBER.fullmatch(text.strip()):
        yield from whole_number(number)
        if numeric:
            return
    for card in CARD.finditer(text):
        yield "".join(card.groups())
    for run in RUN.findall(MOMENT.sub(r"\1t", text)):
        if len(run) < RESIDENT:
            continue
        pieces = PIECES.findall(run)
        groups, marks = pieces[::2], pieces[1::2]
        yield from groups
        yield "".join(groups)
        yield from alike_marks(groups, marks)
        yield from fours(groups)


def whole_number(number: re.Match[str]) -> Iterator[str]:
    """The digits of a whole number written plainly, with a zero fraction, or with an exponent."""
    if number["exponent"]:
        value = abs(Decimal(number.group()))
        yield from [f"{value:.0f}"] if value == value.to_integral_value() else []
    elif not (number["fraction"] or "").strip("0"):
        yield number["whole"]


def alike_marks(groups: list[str], marks: list[str]) -> Iterator[str]:
    """Neighbouring groups joined by the same mark: `1234-5678-9012 2024` holds `1234-5678-9012`."""
    start = 0
    for _, same in groupby(marks):
        end = start + len(list(same))
        yield "".join(groups[start : end + 1])
        start = end


def fours(groups: list[str]) -> Iterator[str]:
    """Three groups of four in a row: as the number is printed on the card."""
    for window in zip(groups, groups[1:], groups[2:], strict=False):
        if {len(group) for group in window} == {4}:
            yield "".join(window)
