"""
Reading one cell as the register says it is: flag, integer, number, date, category, code, text.

A reader takes the text of a cell and gives its value and a note of what it had to normalise, or raises
Wrong. What means "missing" depends on the kind: a name may be 不明, a count may not.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from workbench.data.eras import ImpossibleDate, NotADate, read_date
from workbench.data.item import Item, Kind


class Note(StrEnum):
    """What was normalised in a cell."""

    FULL_WIDTH = "full_width"
    ERA_DATE = "era_date"
    WESTERN_DATE = "western_date"
    COMMA = "thousands_comma"
    FLAG = "flag_notation"
    MISSING = "missing_mark"
    SPACE = "space"


class Fault(StrEnum):
    """Why a cell cannot be used."""

    WRONG_TYPE = "wrong_type"
    IMPOSSIBLE_DATE = "impossible_date"
    OUT_OF_RANGE = "out_of_range"
    UNKNOWN_CATEGORY = "unknown_category"


class Wrong(ValueError):
    """The cell cannot be used; `fault` says why, and nothing says what it held."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


@dataclass(frozen=True)
class Cell:
    """A value, None when missing, and what had to be normalised."""

    value: str | int | float | None
    note: Note | None = None


MISSING_MARKS = frozenset(
    [
        "-",
        "－",
        "―",
        "ー",
        "…",
        "na",
        "n/a",
        "#n/a",
        "nan",
        "nat",
        "null",
        "none",
        "不明",
        "未記入",
        "未入力",
        "未回答",
        "欠測",
    ]
)
YES = frozenset(
    [
        "yes",
        "y",
        "true",
        "t",
        "1",
        "1.0",
        "有",
        "有り",
        "あり",
        "はい",
        "○",
        "〇",
        "◯",
        "✓",
        "✔",
        "☑",
        "レ",
        "該当",
        "該当あり",
        "済",
    ]
)
NO = frozenset(
    [
        "no",
        "n",
        "false",
        "f",
        "0",
        "0.0",
        "無",
        "無し",
        "なし",
        "いいえ",
        "×",
        "✕",
        "✖",
        "☐",
        "非該当",
        "該当なし",
        "未",
    ]
)

GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
INTEGER = re.compile(r"[+-]?\d{1,18}(\.0*)?")
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
# 会計の負号 (▲, △) and the yen's two marks; NFKC has already made ￥ into ¥.
NEGATIVE = str.maketrans({"▲": "-", "△": "-", "−": "-"})
YEN = re.compile(r"^([+-]?)¥|円$")


def half_width(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def digits(text: str) -> tuple[str, Note | None]:
    """A number's text without width, yen marks and thousands commas."""
    plain = YEN.sub(r"\1", half_width(text).replace(" ", "").translate(NEGATIVE))
    if GROUPED.fullmatch(plain):
        return plain.replace(",", ""), Note.COMMA
    return plain, None if plain == text else Note.FULL_WIDTH


def read_integer(text: str, item: Item) -> Cell:
    plain, note = digits(text)
    if not INTEGER.fullmatch(plain):
        raise Wrong(Fault.WRONG_TYPE)
    return within(Cell(int(plain.partition(".")[0]), note), item)


def read_number(text: str, item: Item) -> Cell:
    plain, note = digits(text)
    if not NUMBER.fullmatch(plain) or abs(float(plain)) == float("inf"):
        raise Wrong(Fault.WRONG_TYPE)
    return within(Cell(float(plain), note), item)


def read_day(text: str, item: Item) -> Cell:
    try:
        day, in_an_era = read_date(text)
    except NotADate:
        raise Wrong(Fault.WRONG_TYPE) from None
    except ImpossibleDate:
        raise Wrong(Fault.IMPOSSIBLE_DATE) from None
    written = day.isoformat()
    note = Note.ERA_DATE if in_an_era else Note.WESTERN_DATE
    return within(Cell(written, None if written == text else note), item)


def within(cell: Cell, item: Item) -> Cell:
    """The cell, when its value stands within the item's range. ISO dates compare as text."""
    if item.minimum is not None and cell.value < item.minimum:  # type: ignore[operator]
        raise Wrong(Fault.OUT_OF_RANGE)
    if item.maximum is not None and cell.value > item.maximum:  # type: ignore[operator]
        raise Wrong(Fault.OUT_OF_RANGE)
    return cell


def read_flag(text: str, _item: Item) -> Cell:
    plain = half_width(text).lower()
    for value, notations in (("yes", YES), ("no", NO)):
        if plain in notations:
            return Cell(value, None if text == value else Note.FLAG)
    raise Wrong(Fault.WRONG_TYPE)


def read_category(text: str, item: Item) -> Cell:
    known = item.values or {}
    if text in known:
        return Cell(text)
    if half_width(text).strip() in known:
        return Cell(half_width(text).strip(), Note.FULL_WIDTH)
    raise Wrong(Fault.UNKNOWN_CATEGORY)


def read_code(text: str, _item: Item) -> Cell:
    plain = half_width(text).strip()
    return Cell(plain, None if plain == text else Note.FULL_WIDTH)


def read_text(text: str, _item: Item) -> Cell:
    # A name keeps its glyphs and widths: making them alike is the linking's work, not the intake's.
    return Cell(text)


READERS: dict[Kind, Callable[[str, Item], Cell]] = {
    Kind.FLAG: read_flag,
    Kind.INTEGER: read_integer,
    Kind.NUMBER: read_number,
    Kind.DATE: read_day,
    Kind.CATEGORY: read_category,
    Kind.CODE: read_code,
    Kind.TEXT: read_text,
}
MEASURED = frozenset({Kind.FLAG, Kind.INTEGER, Kind.NUMBER, Kind.DATE})


def read_cell(text: str, item: Item) -> Cell:
    """The value of a cell of `item`. Raises Wrong."""
    bare = text.strip()
    if not bare:
        return Cell(None, Note.SPACE if text else None)
    if item.kind in MEASURED and bare.lower() in MISSING_MARKS:
        return Cell(None, Note.MISSING)
    cell = READERS[item.kind](bare, item)
    return cell if cell.note or bare == text else Cell(cell.value, Note.SPACE)
