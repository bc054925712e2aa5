"""
Models that experts write: rule lists and scorecards, in whole points and in both languages.

    rules = RuleList(
        Rule({"absent_days": (20, None), "grade": ["中学以上"]}, points=2000, ja="中学生で欠席20日以上", en="..."),
        apply="first",
    )
    card = Scorecard(Points("absent_days", edges=[10, 20], points=[0, 300, 900], missing=100), ...)

They are handed to `flag.fit` in an estimator's place. Nothing is learnt but what their points stand for: how
often the target was found among the training rows with so many.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.errors import Refused
from workbench.riskflag.words import refuse_banned

MISSING = "(missing)"


@dataclass(frozen=True, init=False)
class Rule:
    """
    Points for rows that fulfil every condition of `asks`: an item's levels as a list, a number as (from, below).

    None in (from, below) leaves that side open; "(missing)" among the levels, or alone for a number, asks
    for what is not recorded.
    """

    asks: Mapping[str, Any]
    points: int
    ja: str
    en: str

    def __init__(self, asks: Mapping[str, Any], *, points: int, ja: str, en: str) -> None:
        for text in (ja, en):
            refuse_banned(text, place="Rule")
        levels = {item: [asked] if isinstance(asked, str) else asked for item, asked in asks.items()}
        for name, value in {"asks": levels, "points": points, "ja": ja, "en": en}.items():
            object.__setattr__(self, name, value)
        if not asks or type(points) is not int or not ja or not en:
            raise malformed_rule()

    def to_json(self) -> dict[str, Any]:
        return {
            "asks": {item: list(asked) for item, asked in self.asks.items()},
            "points": self.points,
            "ja": self.ja,
            "en": self.en,
        }


@dataclass(frozen=True, init=False)
class RuleList:
    """Rules of which every one that holds counts (`apply="every"`), or only the first (`apply="first"`)."""

    rules: tuple[Rule, ...]
    apply: str

    def __init__(self, *rules: Rule, apply: str = "every") -> None:
        if not rules or not all(isinstance(rule, Rule) for rule in rules) or apply not in ("every", "first"):
            raise malformed_rule()
        object.__setattr__(self, "rules", rules)
        object.__setattr__(self, "apply", apply)

    @property
    def items(self) -> tuple[str, ...]:
        """The items the rules ask for."""
        return tuple(dict.fromkeys(item for rule in self.rules for item in rule.asks))

    def edges(self) -> dict[str, list[float]]:
        """The thresholds of each number."""
        found: dict[str, set[float]] = {}
        for rule in self.rules:
            for item, asked in rule.asks.items():
                if is_range(asked):
                    found.setdefault(item, set()).update(float(end) for end in asked if end is not None)
        return {item: sorted(edges) for item, edges in found.items()}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The rules as plain data."""
        return {"apply": self.apply, "rules": [rule.to_json() for rule in self.rules]}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "RuleList":
        """The list that `get_params` told."""
        rules = [
            Rule(
                {item: plain_asked(asked) for item, asked in rule["asks"].items()},
                points=rule["points"],
                ja=rule["ja"],
                en=rule["en"],
            )
            for rule in data["rules"]
        ]
        return cls(*rules, apply=data["apply"])


@dataclass(frozen=True, init=False)
class Points:
    """An item's points: for each level as a mapping, or for a number its `edges` and one more of points."""

    item: str
    points: Mapping[str, int] | Sequence[int]
    edges: tuple[float, ...] | None
    missing: int

    def __init__(
        self, item: str, *, points: Any, edges: Sequence[float] | None = None, missing: int = 0
    ) -> None:
        own = list(points.values()) if isinstance(points, Mapping) else list(points)
        fits = isinstance(points, Mapping) == (edges is None) and (
            edges is None or len(own) == len(edges) + 1
        )
        if not fits or not own or not all(type(value) is int for value in (*own, missing)):
            raise malformed_points(item)
        rising = None if edges is None else tuple(float(edge) for edge in edges)
        if rising is not None and list(rising) != sorted(set(rising)):
            raise malformed_points(item)
        kept = dict(points) if isinstance(points, Mapping) else tuple(own)
        for name, value in {"item": item, "points": kept, "edges": rising, "missing": missing}.items():
            object.__setattr__(self, name, value)

    def to_json(self) -> dict[str, Any]:
        own = dict(self.points) if isinstance(self.points, Mapping) else list(self.points)
        edges = None if self.edges is None else list(self.edges)
        return {"item": self.item, "points": own, "edges": edges, "missing": self.missing}


@dataclass(frozen=True, init=False)
class Scorecard:
    """Points for each of several items, added up. A level without points counts 0."""

    rows: tuple[Points, ...]

    def __init__(self, *rows: Points) -> None:
        if (
            not rows
            or not all(isinstance(row, Points) for row in rows)
            or len({row.item for row in rows}) < len(rows)
        ):
            raise malformed_points("Scorecard")
        object.__setattr__(self, "rows", rows)

    @property
    def items(self) -> tuple[str, ...]:
        """The items of the card."""
        return tuple(row.item for row in self.rows)

    def edges(self) -> dict[str, list[float]]:
        """The thresholds of each number."""
        return {row.item: list(row.edges) for row in self.rows if row.edges is not None}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The card as plain data."""
        return {"rows": [row.to_json() for row in self.rows]}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Scorecard":
        """The card that `get_params` told."""
        return cls(*(Points(**row) if isinstance(row, dict) else row for row in data["rows"]))


def is_range(asked: Any) -> bool:
    """Whether a condition is a number's (from, below)."""
    return isinstance(asked, tuple) and len(asked) == 2 and not any(isinstance(end, str) for end in asked)


def plain_asked(asked: Sequence[Any]) -> Any:
    return list(asked) if any(isinstance(one, str) for one in asked) else tuple(asked)


def malformed_rule() -> Refused:
    return Refused(
        ja='規則は Rule({"項目": ["区分"] または (以上, 未満)}, points=整数, ja="…", en="…") の形で、RuleList(…, apply="every" か "first") に入れてください。',
        en='Write a rule as Rule({"item": ["level"] or (from, below)}, points=whole number, ja="...", en="...") and put rules in RuleList(..., apply="every" or "first").',
    )


def malformed_points(item: str) -> Refused:
    return Refused(
        ja=f"「{item}」の配点は Points(項目, points={{区分: 整数}}) か Points(項目, edges=[境界], points=[境界より一つ多い整数]) の形で書いてください。",
        en=f"Write the points of '{item}' as Points(item, points={{level: whole number}}) or Points(item, edges=[...], points=[one more than edges]).",
    )
