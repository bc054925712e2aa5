"""
What a check says: a number, the limit it was held against, and what to do instead.

A finding never holds a value of source data: column names, counts, shares and rule names only.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple


class Text(NamedTuple):
    """One sentence in both languages."""

    ja: str
    en: str

    def to_json(self) -> dict[str, str]:
        return {"ja": self.ja, "en": self.en}


class Verdict(StrEnum):
    PASS = "pass"  # noqa: S105
    REVIEW = "review"
    FAIL = "fail"


SEVERITY = {Verdict.PASS: 0, Verdict.REVIEW: 1, Verdict.FAIL: 2}


@dataclass(frozen=True)
class Finding:
    """The answer of one check. `remedy` says what to do next and stands wherever it did not pass."""

    verdict: Verdict
    sentence: Text
    numbers: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)
    remedy: Text | None = None

    def __post_init__(self) -> None:
        if self.verdict is not Verdict.PASS and self.remedy is None:
            raise ValueError("a finding that does not pass needs a remedy")

    def to_json(self, *, check: str, title: Text) -> dict[str, Any]:
        return {
            "check": check,
            "title": title.to_json(),
            "verdict": str(self.verdict),
            "sentence": self.sentence.to_json(),
            "numbers": dict(self.numbers),
            "limits": dict(self.limits),
            "remedy": self.remedy.to_json() if self.remedy and self.verdict is not Verdict.PASS else None,
        }


@dataclass(frozen=True)
class Headline:
    """The number of a finding that may stand at the top of the report, and how to read it."""

    label: Text
    number: str
    limit: str
    form: str
    relation: str


@dataclass(frozen=True)
class Check:
    """
    One check. `rules`: the standards of Rule 62 it bears on; `gate`: nothing else is measured if it fails.
    """

    title: Text
    measure: Callable[[Any], Finding]
    rules: tuple[int, ...] = ()
    gate: bool = False
    headline: Headline | None = None


# What ran: check, by name, and what it found.
Found = Mapping[str, tuple[Check, Finding]]


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The strictest of several verdicts. No check at all is a failure: empty means no."""
    return max(verdicts, key=SEVERITY.__getitem__, default=Verdict.FAIL)
