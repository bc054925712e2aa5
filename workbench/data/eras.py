"""
Dates as Japanese offices write them: 令和5年4月1日, R5.4.1, H26/4/1, 5050401, 2023年4月1日, 20230401.

An era date is read against the days on which its era began and ended, so that 平成31年5月1日 is not a date.
Source of the days: 元号を改める政令 (昭和64年政令第1号, 平成31年政令第143号) and the edicts before them.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Era:
    """One era: `before` is the Western year before its first; `digit` its number in seven-digit dates."""

    before: int
    first: date
    last: date
    digit: str
    letter: str
    short: str


# 大正 and 昭和 began on the day on which the era before ended; 平成 and 令和 on the day after.
# 明治 is read from its sixth year: before 1873 the calendar was another one.
ERAS = {
    "明治": Era(1867, date(1873, 1, 1), date(1912, 7, 30), "1", "M", "明"),
    "大正": Era(1911, date(1912, 7, 30), date(1926, 12, 25), "2", "T", "大"),
    "昭和": Era(1925, date(1926, 12, 25), date(1989, 1, 7), "3", "S", "昭"),
    "平成": Era(1988, date(1989, 1, 8), date(2019, 4, 30), "4", "H", "平"),
    "令和": Era(2018, date(2019, 5, 1), date.max, "5", "R", "令"),
}
BY_MARK = {mark: era for name, era in ERAS.items() for mark in (name, era.letter, era.short, era.digit)}

MIDNIGHT = re.compile(r"[T ]\s*0?0:00(:00(\.0+)?)?$")
WESTERN = re.compile(r"(\d{4})(?:[-/.]|年)(\d{1,2})(?:[-/.]|月)(\d{1,2})日?")
WESTERN_DIGITS = re.compile(r"(\d{4})(\d{2})(\d{2})")
ERA = re.compile(
    r"(明治|大正|昭和|平成|令和|[明大昭平令MTSHR])\.?(元|\d{1,2})(?:[-/.]|年)(\d{1,2})(?:[-/.]|月)(\d{1,2})日?"
)
ERA_DIGITS = re.compile(r"([MTSHR1-5])(\d{2})(\d{2})(\d{2})")


class NotADate(ValueError):
    """The text is not written as a date."""


class ImpossibleDate(ValueError):
    """The text is written as a date of a day that never was: 2023-02-30, 平成31年5月1日."""


def read_date(text: str) -> tuple[date, bool]:
    """The day that `text` names, and whether it was written in an era. Raises NotADate, ImpossibleDate."""
    plain = MIDNIGHT.sub("", unicodedata.normalize("NFKC", text).strip()).replace(" ", "").upper()
    if western := WESTERN.fullmatch(plain) or WESTERN_DIGITS.fullmatch(plain):
        return day(*map(int, western.groups())), False
    if written := ERA.fullmatch(plain) or ERA_DIGITS.fullmatch(plain):
        return era_day(*written.groups()), True
    raise NotADate


def era_day(mark: str, year: str, month: str, day_of_month: str) -> date:
    """The Western day of an era date; ImpossibleDate when the era had no such day."""
    era = BY_MARK[mark]
    number = 1 if year == "元" else int(year)
    found = day(era.before + number, int(month), int(day_of_month))
    if number < 1 or not era.first <= found <= era.last:
        raise ImpossibleDate
    return found


def day(year: int, month: int, day_of_month: int) -> date:
    try:
        return date(year, month, day_of_month)
    except ValueError:
        raise ImpossibleDate from None
