"""
Defining a risk flag: what it looks for, among whom, from what, for how many visits.

A definition is refused when it could not be right: a target that predicts itself, an identifier as a
feature, something that was measured after the index date, a word that judges children beforehand, a
thing the integer model cannot hold.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any

from workbench.errors import Refused
from workbench.riskflag.dictionary import IDENTIFIER, Dictionary
from workbench.riskflag.words import refuse_banned
from workbench.scoring.model import Capacity

SCHEMA = "riskflag-definition/1"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
TIE_RULES = ("leave_out", "take_in")

# Items that say little more than that a family is poor: the baseline every flag is compared with.
POVERTY_ITEMS = ("eq_income", "tax_exempt", "spa", "school_aid", "welfare", "arrears")

# What the integer model cannot hold, with the nearest thing that it can.
UNHELD = {
    "date": ("日付", "dates", "基準日までの日数などの数値", "a number, such as days up to the index date"),
    "text": ("自由記述", "free text", "区分の項目", "an item with categories"),
}

Levels = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Definition:
    """
    What a risk flag is, before any model.

    `capacity` is a share of the children considered, or a number of children. `eligible` and `excluded`
    map items to the levels that decide who is considered. `positive` is the target's value that the flag
    looks for; `reference` the column that names a row when records are scored. `known` names an item that is "yes" for
    children some office already knows; `after_index` further items measured after the index date.

    The rest is what a reader of the evaluation asks for and no table can tell, each in {"ja": …, "en": …}:
    `outcome` how the target comes to be recorded, by whom and how late; `decided` who chose the capacity
    and why; `contact` who answers questions and objections. `practice` names the items by which the office
    orders its visits today, `review_on` the day by which the flag is looked at again. What is left out is
    said to be left out.
    """

    name: str
    target: str
    capacity: float | int
    positive: str = "yes"
    unit: str = "child"
    reference: str = "child_id"
    title: Mapping[str, str] = field(default_factory=dict)
    index_date: str = "04-01"
    horizon: Mapping[str, str] = field(default_factory=lambda: {"ja": "翌年度", "en": "next fiscal year"})
    eligible: Levels = field(default_factory=dict)
    excluded: Levels = field(default_factory=dict)
    known: str | None = None
    after_index: Sequence[str] = ()
    tie_rule: str = "leave_out"
    poverty_items: Sequence[str] = POVERTY_ITEMS
    outcome: Mapping[str, str] = field(default_factory=dict)
    decided: Mapping[str, str] = field(default_factory=dict)
    contact: Mapping[str, str] = field(default_factory=dict)
    practice: Sequence[str] = ()
    review_on: str | None = None

    def __post_init__(self) -> None:
        for rule in RULES:
            rule(self)
        # One order, whoever wrote it: read back from its canonical form a definition is the same.
        for name in ("eligible", "excluded"):
            object.__setattr__(self, name, dict(sorted(getattr(self, name).items())))

    @property
    def places(self) -> Capacity:
        """The capacity as the model holds it."""
        if isinstance(self.capacity, int):
            return Capacity(children=self.capacity)
        return Capacity(per_10000=int(Fraction(str(self.capacity)) * 10_000))

    @property
    def conditions(self) -> tuple[str, ...]:
        """The items that decide who is considered."""
        return tuple(dict.fromkeys([*self.eligible, *self.excluded]))

    def to_json(self) -> dict[str, Any]:
        """The definition as plain data."""
        return {
            "schema": SCHEMA,
            **vars(self),
            "title": dict(self.title),
            "horizon": dict(self.horizon),
            "eligible": {item: list(levels) for item, levels in self.eligible.items()},
            "excluded": {item: list(levels) for item, levels in self.excluded.items()},
            "after_index": list(self.after_index),
            "poverty_items": list(self.poverty_items),
            "outcome": dict(self.outcome),
            "decided": dict(self.decided),
            "contact": dict(self.contact),
            "practice": list(self.practice),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Definition":
        """The definition that `to_json` wrote."""
        return Definition(**{name: value for name, value in data.items() if name != "schema"})

    def check_features(self, features: Sequence[str], *, dictionary: Dictionary) -> None:
        """Raise Refused for the first feature that no model of this flag may use."""
        if not features:
            raise Refused(
                ja="特徴量がありません。features=[…] に項目名を並べてください。",
                en="There are no features; list item names in features=[...].",
            )
        if len(set(features)) != len(features):
            raise Refused(
                ja="features に同じ項目が二度あります。一度ずつにしてください。",
                en="features names an item twice; name each once.",
            )
        for feature in [*features, *self.conditions]:
            self.check_item(feature, dictionary=dictionary)

    def check_item(self, item: str, *, dictionary: Dictionary) -> None:
        entry = dictionary[item]
        if item == self.target:
            raise Refused(
                ja=f"「{item}」は予測の対象です。特徴量から外してください。",
                en=f"'{item}' is what the flag looks for; leave it out of the features.",
            )
        if entry.after_index or item in dictionary.targets or item in self.after_index:
            raise Refused(
                ja=f"「{item}」は基準日より後の情報です。基準日に分かっている項目だけを使ってください。",
                en=f"'{item}' is dated after the index date; use only what is known on that day.",
            )
        if entry.role == IDENTIFIER:
            raise Refused(
                ja=f"「{item}」は個人を直接示す項目です。特徴量にはできません。",
                en=f"'{item}' identifies a person directly and may not be a feature.",
            )
        if entry.kind in UNHELD:
            ja, en, instead_ja, instead_en = UNHELD[entry.kind]
            raise Refused(
                ja=f"「{item}」は{ja}で、判定モデルに入れられません。代わりに{instead_ja}を使ってください。",
                en=f"'{item}' holds {en}, which the model cannot hold; use {instead_en} instead.",
            )


def check_name(definition: Definition) -> None:
    if not NAME.fullmatch(definition.name):
        raise Refused(
            ja="名前は小文字の英数字と - _ で書いてください（例: school-attendance）。",
            en="Write the name in lower-case letters, digits, - and _ (for example school-attendance).",
        )


# What an analyst says in own words, in both languages.
SAID = ("title", "horizon", "outcome", "decided", "contact")
LONGEST = 400


def check_words(definition: Definition) -> None:
    refuse_banned(definition.name, place="name")
    for name in SAID:
        for language, text in getattr(definition, name).items():
            if language not in ("ja", "en") or not isinstance(text, str) or len(text) > LONGEST:
                raise Refused(
                    ja=f"{name} は {{'ja': '…', 'en': '…'}} の形で、それぞれ{LONGEST}字以内で書いてください。",
                    en=f"Write {name} as {{'ja': '...', 'en': '...'}}, each of at most {LONGEST} characters.",
                )
            refuse_banned(text, place=f"{name}.{language}")


def check_review(definition: Definition) -> None:
    try:
        date.fromisoformat(definition.review_on or "2000-01-01")
    except (TypeError, ValueError):
        raise Refused(
            ja="review_on は見直す日を 2027-03-31 のように書いてください。",
            en="Write review_on as the day of the next review, such as 2027-03-31.",
        ) from None


def check_capacity(definition: Definition) -> None:
    capacity = definition.capacity
    fits = capacity >= 1 if isinstance(capacity, int) else 0.0001 <= capacity <= 1
    if isinstance(capacity, bool) or not fits:
        raise Refused(
            ja="capacity は 0 より大きく 1 以下の割合（例 0.05）か、1 以上の人数で指定してください。",
            en="Give capacity as a share above 0 and up to 1 (such as 0.05), or as a number of children from 1.",
        )


def check_tie_rule(definition: Definition) -> None:
    if definition.tie_rule not in TIE_RULES:
        raise Refused(
            ja="tie_rule は leave_out（同点で収まらない組は外す）か take_in（全員入れる）にしてください。",
            en="tie_rule is leave_out (a tied group that does not fit stays out) or take_in (all of it comes in).",
        )


def check_target(definition: Definition) -> None:
    if definition.target in definition.conditions:
        raise Refused(
            ja=f"「{definition.target}」は予測の対象です。対象者の条件には使えません。",
            en=f"'{definition.target}' is what the flag looks for and cannot decide who is considered.",
        )


RULES = (check_name, check_words, check_capacity, check_tie_rule, check_target, check_review)
