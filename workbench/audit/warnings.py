"""
What the responsible managers are warned of, in order, told from the log alone.

A warning is an event with the people it is for (`to`); that somebody read it is an event as well.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from workbench.audit.events import Event

# Event: the words for it, filled with the record's details.
WORDS: dict[str, tuple[str, str]] = {
    Event.OUTPUT_WARNED: (
        "{person} さんが {day} に {bytes:,} B を画面に出しました（設定値 {threshold:,} B）。記録は workbench audit session --session {session}",
        "{person} was shown {bytes:,} B on {day} (set amount {threshold:,} B); see 'workbench audit session --session {session}'",
    ),
    Event.OUTPUT_STOPPED: (
        "{person} さんの {day} の表示が上限（{threshold:,} B）に達し、止まりました。記録は workbench audit session --session {session}",
        "{person} reached the limit of {day} ({threshold:,} B) and was shown no more; see 'workbench audit session --session {session}'",
    ),
    Event.SETTING_OVERDUE: (
        "設定 {name} の見直し期限（{review_by}）が過ぎています。workbench settings review で見直してください",
        "The setting {name} was to be reviewed by {review_by}; do so with 'workbench settings review'",
    ),
    Event.BUDGET_WARNED: (
        "「{dataset}」の {year} 年度のプライバシー予算を {percent} % 使いました。内訳は workbench budget show {dataset}",
        "{percent} % of the privacy budget of '{dataset}' for fiscal year {year} is spent; see 'workbench budget show {dataset}'",
    ),
    Event.AUDIT_NOT_KEPT: (
        "チェックポイントを保管先に書けませんでした（{reason}）",
        "A checkpoint could not be written to its place ({reason})",
    ),
}


@dataclass(frozen=True)
class Notice:
    """One warning: when, which record says so, whom it is for (empty: whoever reads the log), and what it says."""

    seq: int
    time: str
    event: str
    to: tuple[str, ...]
    details: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def warnings_in(records: Iterable[Mapping[str, Any]], *, person: str | None = None) -> list[Notice]:
    """The warnings in verified records, the earliest first; of one person, or all."""
    return [
        Notice(
            record["seq"],
            record["time"],
            record["event"],
            tuple(record["details"].get("to", ())),
            record["details"],
        )
        for record in records
        if record["event"] in WORDS and person in (None, record["details"].get("person"))
    ]


def described(warning: Notice, *, language: str) -> str:
    """One line for people."""
    said = WORDS[warning.event][int(language == "en")].format(**warning.details)
    to = ", ".join(warning.to) or "-"
    return f"{warning.time[:19]}Z  {warning.seq:>6}  → {to}: {said}"
