"""Dates as holders write them."""

from datetime import date
from enum import StrEnum

from workbench.data.eras import ERAS


class Style(StrEnum):
    """One way of writing a date."""

    ISO = "iso"  # 2024-04-01
    SLASHES = "slashes"  # 2024/4/1
    ERA = "era"  # 令和6年4月1日
    LETTER = "letter"  # R6.4.1
    DIGITS = "digits"  # 5060401


def written(iso: str, *, style: Style) -> str:
    """An ISO date in the given style. An era's first year is 元年 where the era is written out."""
    if style is Style.ISO:
        return iso
    day = date.fromisoformat(iso)
    if style is Style.SLASHES:
        return f"{day.year}/{day.month}/{day.day}"
    # On the day one era ended and the next began, the next is written.
    name, era = next((name, era) for name, era in reversed(ERAS.items()) if era.first <= day)
    year = day.year - era.before
    if style is Style.LETTER:
        return f"{era.letter}{year}.{day.month}.{day.day}"
    if style is Style.DIGITS:
        return f"{era.digit}{year:02d}{day.month:02d}{day.day:02d}"
    return f"{name}{'元' if year == 1 else year}年{day.month}月{day.day}日"
