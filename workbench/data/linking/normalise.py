"""
One spelling for what the holders write in many ways: names, readings, dates, codes.

Each function takes one value and gives its normal form, or None where nothing is left to compare: a
missing value equals nothing. Each is idempotent. Ways of writing the same name collapse; different names
stay different (阿部 and 安部, 坂本 and 阪本, オノ and オオノ), because a wrong link is worse than a missed
one. Which glyphs are the same name stands in glyphs.csv, written by hand; no mapping table of others is
used. Addresses have their own module.
"""

import csv
import datetime
import re
import unicodedata
from collections.abc import Callable
from functools import cache, lru_cache
from importlib.resources import files

import pandas as pd

UNREADABLE = "〓"
# What systems print for a character they do not have (外字): geta, boxes, question marks.
UNREADABLE_MARKS = str.maketrans(dict.fromkeys("?□■◻◼☐\ufffd", UNREADABLE))
# A selector picks a glyph of the character before it (IVS U+E0100–, older U+FE00–).
SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
SEPARATORS = re.compile(r"[\s・.,，、'’]+")
HYPHENS = re.compile("[-‐‑‒–—―−─━ーｰ]")
LONE_VOICING = str.maketrans({"゛": "\u3099", "゜": "\u309a"})
VOICING_LEFT_OVER = re.compile("[\u3099\u309a]")
REPEATED = re.compile("(.)(々+)")

HIRAGANA = {code: code + 0x60 for code in range(ord("ぁ"), ord("ゖ") + 1)}
SAME_SOUND = str.maketrans("ァィゥェォッャュョヮヵヶヅヂヲヱヰヴ", "アイウエオツヤユヨワカケズジオエイブ")
# A drawn-out vowel is written in several ways (サトウ, サトオ, サトー): the row of the kana before, and
# the vowels that only prolong it.
PROLONGED = re.compile(
    "([アカガサザタダナハバパマヤラワ])[アー]|([イキギシジチニヒビピミリ])[イー]"
    "|([ウクグスズツヌフブプムユル])[ウー]|([エケゲセゼテデネヘベペメレ])[エイー]"
    "|([オコゴソゾトドノホボポモヨロ])[オウー]"
)

ERAS = {"R": 2018, "令和": 2018, "H": 1988, "平成": 1988, "S": 1925, "昭和": 1925, "T": 1911, "大正": 1911}
ISO = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
WESTERN = re.compile(r"(\d{4})(?:[-/.年](\d{1,2})[-/.月](\d{1,2})日?|(\d{2})(\d{2}))(?:[T ].*)?")
ERA = re.compile(r"(令和|平成|昭和|大正|[RHST])(元|\d{1,2})[-/.年](\d{1,2})[-/.月](\d{1,2})日?")


def fold(values: pd.Series, normal: Callable[[str], str | None]) -> pd.Series:
    """`normal` of each value, computed once per distinct value; missing stays missing."""
    distinct = values.dropna().unique()
    return values.map({value: normal(value) for value in distinct}).astype(object).where(values.notna(), None)


def plain(text: str) -> str:
    """NFKC without glyph selectors; a voicing mark that stands alone joins its kana."""
    return unicodedata.normalize("NFKC", SELECTORS.sub("", str(text)).translate(LONE_VOICING))


def name(text: str) -> str | None:
    """A person's name in standard glyphs, without spaces; an unreadable character becomes 〓."""
    return _composed(REPEATED.sub(_repeated, "".join(_name_words(text))))


def name_in_any_order(text: str) -> str | None:
    """The words of a name, sorted, for names whose order differs between systems."""
    return _composed(" ".join(sorted(REPEATED.sub(_repeated, word) for word in _name_words(text))))


def kana(text: str) -> str | None:
    """The reading of a name: full-width katakana by sound, without spaces."""
    # Prolonged after joining: a holder that leaves the space out must get the same form.
    return _composed(_prolonged("".join(_sounds(text))))


def kana_in_any_order(text: str) -> str | None:
    """The reading with its words sorted, for names whose order differs between systems."""
    return _composed(" ".join(sorted(map(_prolonged, _sounds(text)))))


def given_kana(text: str) -> str | None:
    """The given name of a reading whose words are apart: the last of them."""
    words = _sounds(text)
    return _composed(_prolonged(words[-1])) if len(words) > 1 else None


def date(value: object) -> str | None:
    """A day as ISO text; None for what is not a day of the calendar. Western and era writing."""
    if isinstance(value, datetime.date):
        return None if pd.isna(value) else value.isoformat()[:10]
    if ISO.fullmatch(str(value)):
        return _iso(int(str(value)[:4]), str(value)[5:7], str(value)[8:])
    text = re.sub(r"\s+(?=\D)|(?<=\D)\s+", "", plain(str(value))).strip().upper()
    western, era = WESTERN.fullmatch(text), ERA.fullmatch(text)
    if western:
        return _iso(int(western[1]), western[2] or western[4], western[3] or western[5])
    if era:
        return _iso(ERAS[era[1]] + (1 if era[2] == "元" else int(era[2])), era[3], era[4])
    return None


def code(value: object) -> str | None:
    """A holder's number as it is compared: half-width, no spaces or hyphens; leading zeros stay."""
    text = str(value)
    if text.isascii() and text.isalnum():
        return text.upper()
    return _composed(HYPHENS.sub("", re.sub(r"\s+", "", plain(text))).upper())


def glyphs(text: str) -> str:
    """The text with each variant glyph replaced by the standard one."""
    return text.translate(glyph_table())


@cache
def glyph_table() -> dict[int, str]:
    """Variant → standard, from glyphs.csv."""
    with files(__package__).joinpath("glyphs.csv").open(encoding="utf-8") as file:
        return {ord(row["variant"]): row["standard"] for row in csv.DictReader(file)}


def _name_words(text: str) -> list[str]:
    return [word for part in SEPARATORS.split(text) for word in _name_word(part)]


def _sounds(text: str) -> list[str]:
    """The words of a reading, vowels still as written."""
    return [word for part in SEPARATORS.split(text) for word in _sound_word(part)]


# A city has a hundred times more people than surnames and given names: words are worth remembering.
@lru_cache(maxsize=2**16)
def _name_word(part: str) -> tuple[str, ...]:
    written = glyphs(plain(part)).casefold().translate(UNREADABLE_MARKS)
    return tuple(word for word in SEPARATORS.split(written) if word)


@lru_cache(maxsize=2**16)
def _sound_word(part: str) -> tuple[str, ...]:
    written = HYPHENS.sub("ー", plain(part).casefold().translate(HIRAGANA)).translate(SAME_SOUND)
    return tuple(word for word in SEPARATORS.split(VOICING_LEFT_OVER.sub("", written)) if word)


def _repeated(found: re.Match[str]) -> str:
    return found[1] * (1 + len(found[2]))


def _composed(text: str) -> str | None:
    """What taking characters out brought together is composed, so that a second pass changes nothing."""
    return unicodedata.normalize("NFKC", text) or None


def _prolonged(word: str) -> str:
    return PROLONGED.sub(lambda found: f"{found[found.lastindex or 0]}ー", word)


def _iso(year: int, month: str, day: str) -> str | None:
    try:
        return datetime.date(year, int(month), int(day)).isoformat()
    except ValueError:
        return None
