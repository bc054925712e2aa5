"""
What an auditor should ask about in a log that holds: times that cannot be, and records that say too little.

An event that was decided elsewhere brings its time along. The log adds when it wrote it down, by its own clock
(`written`), and believes neither: what lies too far apart, and what goes backwards, is told of here.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from workbench.audit.events import Event, missing_details

# Between deciding and writing lies a flush, and for those who wait for each other a few seconds.
TOLERANCE = timedelta(minutes=5)
Record = Mapping[str, Any]


@dataclass(frozen=True)
class Oddity:
    """Something to ask about: `count` records, the first of which is `first`."""

    kind: str
    first: int
    count: int

    @property
    def ja(self) -> str:
        return WORDS[self.kind][0].format(n=self.first, count=self.count, minutes=TOLERANCE.seconds // 60)

    @property
    def en(self) -> str:
        return WORDS[self.kind][1].format(n=self.first, count=self.count, minutes=TOLERANCE.seconds // 60)

    def to_json(self) -> dict[str, Any]:
        return {"records": self.kind, "first": self.first, "count": self.count, "ja": self.ja, "en": self.en}


WORDS = {
    "no time": (
        "時刻として読めない記録が {count} 件あります（最初は記録 {n}）。監査責任者がその前後の記録から確かめてください。",
        "{count} records have no time that can be read (the first is record {n}); look at the records around them.",
    ),
    "another time": (
        "出来事の時刻と書いた時刻が {minutes} 分を超えて違う記録が {count} 件あります（最初は記録 {n}）。ログのプロセスの停止や時計の変更でなければ、時刻が偽られています。",
        "{count} records tell a time more than {minutes} minutes from when they were written (the first is record {n}); unless the log's process had stopped or a clock was set, somebody told a wrong time.",
    ),
    "out of order": (
        "それより前の記録から {minutes} 分を超えて時刻が戻っている記録が {count} 件あります（最初は記録 {n}）。時計の変更でなければ、時刻が偽られています。",
        "{count} records are more than {minutes} minutes earlier than one before them (the first is record {n}); unless a clock was set, somebody told a wrong time.",
    ),
    "too little": (
        "今の版が求める項目のない、古い版の記録が {count} 件あります（最初は記録 {n}）。認証基盤の対応付けなら、workbench account lock のあと link し直すと記録が揃います。",
        "{count} records of an earlier version say less than is asked for today (the first is record {n}); where it is a provider's link, lock the account and link it again.",
    ),
}


def oddities(records: Iterable[Record]) -> list[Oddity]:
    """What is odd in the records of a log, one for each kind."""
    found: dict[str, list[int]] = {}
    for kind, number in odd(records):
        found.setdefault(kind, []).append(number)
    return [Oddity(kind, numbers[0], len(numbers)) for kind, numbers in found.items()]


def odd(records: Iterable[Record]) -> Iterator[tuple[str, int]]:
    latest: datetime | None = None
    for record in records:
        if says_too_little(record):
            yield "too little", record["seq"]
        told = moment(record.get("time"))
        kept = moment(record["written"]) if "written" in record else told
        if told is None or kept is None:
            yield "no time", record["seq"]
            continue
        if abs(told - kept) > TOLERANCE:
            yield "another time", record["seq"]
        if latest is not None and kept < latest - TOLERANCE:
            yield "out of order", record["seq"]
        latest = max(kept, latest or kept)


def says_too_little(record: Record) -> bool:
    """Whether a record lacks what its kind of event says today."""
    return bool(missing_details(Event(record["event"]), record["details"]))


def moment(text: object) -> datetime | None:
    """The moment in a record; None for what is none."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
