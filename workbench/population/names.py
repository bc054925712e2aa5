"""
Names and how they are written: the official form, other glyphs, other kana notations.

All names are drawn from small tables of common surnames and given names; nobody in them is real. Writing
variants are worked out once per name, so that noise on a million records is a lookup.
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import jaconv
import numpy as np

Array = np.ndarray
OFFICIAL, HALF_WIDTH, BIG_KANA, LONG_VOWEL, HOMOPHONE = range(5)
STYLES = 5
SPACE = "　"
LANGUAGES = ("VN", "CN", "PH", "BR", "NP")
LANGUAGE_SHARES = (0.34, 0.28, 0.18, 0.12, 0.08)
BIG = str.maketrans("ァィゥェォャュョッ", "アイウエオヤユヨツ")
HOMOPHONES = str.maketrans("ヅヂヴ", "ズジブ")
LONG = {
    "オウ": "オー",
    "コウ": "コー",
    "ソウ": "ソー",
    "トウ": "トー",
    "ヨウ": "ヨー",
    "ロウ": "ロー",
    "ショウ": "ショー",
    "リョウ": "リョー",
    "ユウ": "ユー",
    "シュウ": "シュー",
    "リュウ": "リュー",
    "オオ": "オー",
    "ケイ": "ケー",
    "レイ": "レー",
}


@dataclass(frozen=True)
class Part:
    """One half of a name: its text, the same in another glyph, and its kana in every style."""

    text: Array
    other: Array
    kana: Array
    latin: Array
    narrow: Array
    narrow_other: Array

    @property
    def prone(self) -> Array:
        return self.other != self.text


@dataclass(frozen=True)
class Names:
    """`surnames` and `givens` with the ids and weights of each group one can draw from."""

    surnames: Part
    givens: Part
    surname_groups: dict[str, tuple[Array, Array]]
    given_groups: dict[tuple[str, str], tuple[Array, Array]]

    def draw_surnames(self, rng: np.random.Generator, group: str, *, size: int) -> Array:
        return pick(rng, self.surname_groups[group], size=size)

    def draw_givens(self, rng: np.random.Generator, group: tuple[str, str], *, size: int) -> Array:
        return pick(rng, self.given_groups[group], size=size)


def pick(rng: np.random.Generator, group: tuple[Array, Array], *, size: int) -> Array:
    ids, weights = group
    edges = np.cumsum(weights)
    return ids[np.searchsorted(edges, rng.random(size) * edges[-1], side="right")]


def rows(name: str) -> list[dict[str, str]]:
    text = (files("workbench.population") / "names" / f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@cache
def names() -> Names:
    """The name tables, with every writing variant worked out."""
    glyphs = {}
    for row in rows("variants"):
        glyphs.setdefault(row["standard"], row["variant"])
    surnames, surname_groups = surname_table(glyphs)
    givens, given_groups = given_table(glyphs)
    return Names(surnames, givens, surname_groups, given_groups)


def surname_table(glyphs: dict[str, str]) -> tuple[Part, dict[str, tuple[Array, Array]]]:
    entries: list[tuple[str, str, str, float, bool]] = []
    for row in rows("surnames"):
        forms = [form.rsplit(":", 1) for form in row["forms"].split()]
        weight, taken = float(row["weight"]), sum(float(share) for _, share in forms)
        other = forms[0][0] if forms else other_glyph(row["surname"], glyphs)
        entries.append((row["surname"], other, row["kana"], weight * (100 - taken) / 100, False))
        entries.extend(
            (form, row["surname"], row["kana"], weight * float(share) / 100, False) for form, share in forms
        )
    japanese = len(entries)
    foreign = [row for row in rows("foreign_names") if row["part"] == "family"]
    entries.extend((row["latin"], row["latin"], row["kana"], 1.0, True) for row in foreign)
    weights = np.array([entry[3] for entry in entries])
    groups = {"JP": (np.arange(japanese), weights[:japanese])}
    for language in LANGUAGES:
        ids = japanese + np.array([i for i, row in enumerate(foreign) if row["language"] == language])
        groups[language] = (ids, np.ones(len(ids)))
    return part([(text, other, kana, latin) for text, other, kana, _, latin in entries]), groups


def given_table(glyphs: dict[str, str]) -> tuple[Part, dict[tuple[str, str], tuple[Array, Array]]]:
    japanese = rows("given_names")
    foreign = [row for row in rows("foreign_names") if row["part"] != "family"]
    entries = [(row["name"], other_glyph(row["name"], glyphs), row["kana"], False) for row in japanese]
    entries += [(row["latin"], row["latin"], row["kana"], True) for row in foreign]
    labels = [(row["cohort"], row["sex"]) for row in japanese] + [
        (row["language"], row["part"]) for row in foreign
    ]
    weights = np.array([float(row["weight"]) for row in japanese] + [1.0] * len(foreign))
    groups = {}
    for label in sorted(set(labels)):
        ids = np.array([i for i, each in enumerate(labels) if each == label])
        groups[label] = (ids, weights[ids])
    return part(entries), groups


def other_glyph(text: str, glyphs: dict[str, str]) -> str:
    """The name with its first variant-prone character in another glyph; itself without one."""
    for place, character in enumerate(text):
        if character in glyphs:
            return text[:place] + glyphs[character] + text[place + 1 :]
    return text


def part(entries: list[tuple[str, str, str, bool]]) -> Part:
    kana = np.array([styles(reading) for _, _, reading, _ in entries], dtype=object)
    text = np.array([entry[0] for entry in entries], dtype=object)
    other = np.array([entry[1] for entry in entries], dtype=object)
    narrow = np.array([fits(entry[0], instead=entry[1]) for entry in entries], dtype=object)
    narrow_other = np.array([fits(entry[1], instead=entry[0]) for entry in entries], dtype=object)
    return Part(text, other, kana, np.array([entry[3] for entry in entries]), narrow, narrow_other)


def fits(text: str, *, instead: str) -> str:
    """The name where the system knows CP932 only: the other glyph when this one cannot be written there."""
    return text if text.encode("cp932", "replace") == text.encode("cp932", "ignore") else instead


def styles(reading: str) -> list[str]:
    """The reading officially, in half width, with big kana, with long vowels, with homophones."""
    long = reading
    for vowel, sign in sorted(LONG.items(), key=lambda pair: -len(pair[0])):
        long = long.replace(vowel, sign)
    half = jaconv.z2h(reading, kana=True, ascii=False, digit=False).replace(SPACE, " ")
    return [reading, half, reading.translate(BIG), long, reading.translate(HOMOPHONES)]
