"""
The parts an evaluation's report is made of: words in both languages, tables, sections, and how numbers read.

Nothing here knows of models; what is None in the data is "too few" here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.riskflag.dictionary import NOT_RECORDED, Dictionary
from workbench.riskflag.drawing import Words
from workbench.scoring.recode import MISSING

Labels = Mapping[str, Mapping[str, Words]]
Data = Mapping[str, Any]


def both(ja: str, en: str) -> Words:
    return {"ja": ja, "en": en}


def same(written: str) -> Words:
    return {"ja": written, "en": written}


TOO_FEW = both("少なすぎて示せません", "too few to show")
NOT_SAID = both("書かれていません", "not stated")
FEW = {
    "inside": both("ほとんどない（少数）", "hardly any (few)"),
    "outside": both("ほぼすべて（残りは少数）", "nearly all (few left)"),
}


@dataclass(frozen=True)
class Table:
    """A table: its headers and rows of words."""

    headers: Sequence[Words]
    rows: Sequence[Sequence[Words]]
    caption: Words | None = None


@dataclass(frozen=True)
class Section:
    """One of the thirteen: what it asks, what was found, and what must not be overlooked."""

    number: int
    title: Words
    asks: Words
    tables: tuple[Table, ...] = ()
    drawings: tuple[tuple[Words, str], ...] = ()
    notes: tuple[Words, ...] = ()


@dataclass(frozen=True)
class Said:
    """The data of an evaluation with the words of its items; `families` is counted only where families are known."""

    data: Data
    labels: Labels = field(default_factory=dict)

    def item(self, item: str) -> Words:
        return self.labels.get(item, {}).get("", same(item))

    def items(self, items: Iterable[str]) -> Words:
        named = [self.item(item) for item in items]
        return both("・".join(one["ja"] for one in named), ", ".join(one["en"] for one in named))

    def levels(self, item: str, levels: Sequence[str]) -> Words:
        known = self.labels.get(item, {})
        named = [known.get(level, same(level)) for level in levels]
        return both(*(" + ".join(one[language] for one in named) for language in ("ja", "en")))


def labels_of(data: Data, dictionary: Dictionary) -> dict[str, dict[str, Words]]:
    """The words of every item and level an evaluation speaks of; under "" an item's own label."""
    proxies = data.get("proxies", {"sets": {}, "tells": []})
    items = dict.fromkeys(
        [
            data["target"],
            *data["by"],
            *data["reference"],
            *(item for row in data.get("sources", ()) for item in row["items"]),
            *(row["item"] for row in proxies["tells"]),
            *(row["item"] for row in data.get("baselines", {}).values() if row and "item" in row),
            *((data.get("surveillance") or {}).get("items", ())),
            *((data.get("not_already_known") or {}).get("items", ())),
            *data["declared"]["practice"],
        ]
    )
    return {item: words_of(item, dictionary) for item in items if item in dictionary}


def words_of(item: str, dictionary: Dictionary) -> dict[str, Words]:
    entry = dictionary[item]
    levels = {
        value: both(entry.value_label(value, language="ja"), entry.value_label(value, language="en"))
        for value in (*entry.values, "yes", "no")
    }
    return {**levels, MISSING: NOT_RECORDED, "": both(entry.label["ja"], entry.label["en"])}


def number(value: float | None) -> Words:
    return TOO_FEW if value is None else same(f"{value:,}")


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def rate(value: Mapping[str, float] | None) -> Words:
    """A share with its interval."""
    if value is None:
        return TOO_FEW
    return same(f"{percent(value['value'])} ({100 * value['low']:.1f}–{100 * value['high']:.1f})")


def points(value: Mapping[str, float]) -> Words:
    """A difference of two shares, in per cent of children."""
    return same(f"{100 * value['value']:+.1f} ({100 * value['low']:+.1f} … {100 * value['high']:+.1f})")


def figure(value: Mapping[str, float] | None, *, digits: int = 3) -> Words:
    """A number that is no share, with its interval."""
    if value is None:
        return TOO_FEW
    return same(f"{value['value']:.{digits}f} ({value['low']:.{digits}f}–{value['high']:.{digits}f})")


def part(value: Mapping[str, Any] | None) -> Words:
    """A share to the per cent, or on which side the few are."""
    if value is None:
        return same("–")
    return FEW[value["few"]] if value["few"] else same(f"{100 * value['share']:.0f} %")


def stated(words: Mapping[str, str]) -> Words:
    filled = words or NOT_SAID
    return both(filled.get("ja", filled.get("en", "")), filled.get("en", filled.get("ja", "")))


def chosen(data: Data) -> Mapping[str, Any] | None:
    return next((row for row in data.get("capacity", ()) if row["chosen"]), None)
