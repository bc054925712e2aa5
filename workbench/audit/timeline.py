"""
What happened in a session, in order, told from the log alone: log-in, duration, cells, datasets.

A dataset is in reach of a session from the moment it is mounted; that a cell names it is read from the
cell's source, which the log holds whole. A session without an end was killed with its machine, or goes on:
it is told up to its last record.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from workbench.audit.events import Event
from workbench.errors import NotFound

Record = Mapping[str, Any]
SHOWN = 72  # letters of a cell's first line

# Event: the words for one step, filled with the record's details. What is not here is told by its name.
WORDS: dict[str, tuple[str, str]] = {
    Event.GATEWAY_OPENED: ("ログイン（利用目的 {project}）", "logged in (purpose {project})"),
    Event.GATEWAY_CLOSED: ("終了", "left"),
    Event.DATASET_OPENED: ("データセット {dataset} を利用可能に", "dataset {dataset} in reach"),
    Event.KERNEL_STARTED: ("カーネル開始", "kernel started"),
    Event.KERNEL_STOPPED: ("カーネル終了", "kernel ended"),
    Event.KERNEL_REFUSED: ("カーネルを起動できず（{protection}）", "no kernel ({protection})"),
    Event.CELL_EXECUTED: ("セル実行 {first_line}", "cell run {first_line}"),
    Event.OUTPUT_SENT: ("出力 {kinds}", "output {kinds}"),
    Event.CANDIDATE_SUBMITTED: ("モデル {name} {version} を提出", "model {name} {version} submitted"),
    Event.NOTEBOOK_EXPORTED: ("ノートブック {notebook} を持ち出し", "notebook {notebook} taken out"),
    Event.GATEWAY_FAILED: ("窓口の失敗（番号 {reference}）", "gateway failed (number {reference})"),
}
SUMMARY = (
    "セッション {session}：{person}（利用目的 {project}） {opened} から {closed}（{duration}、{end}）、セル {cells} 個、データセット {datasets}",
    "Session {session}: {person} (purpose {project}), {opened} to {closed} ({duration}, {end}), {cells} cells, datasets {datasets}",
)
ENDED = {True: ("終了の記録あり", "its end is recorded"), False: ("終了の記録なし", "no end recorded")}
NAMED_IN = ("（セル {cells} に名前）", " (named in cells {cells})")


@dataclass(frozen=True)
class Step:
    """One thing that happened: when, which record says so, and what it says."""

    seq: int
    time: str
    event: str
    details: Mapping[str, Any]


@dataclass
class Told:
    """One session. `datasets` is each dataset in reach → the numbers of the cells that name it."""

    session: str
    person: str
    project: str
    opened: str
    closed: str
    ended: bool = False
    cells: int = 0
    datasets: dict[str, list[int]] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        began, ended = (datetime.fromisoformat(time) for time in (self.opened, self.closed))
        return (ended - began).total_seconds()

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"seconds": self.seconds}


def sessions(
    records: Iterable[Record], *, session: str | None = None, person: str | None = None
) -> list[Told]:
    """
    The sessions in verified records, the earliest first; one session's, one person's, or all.

    Raises NotFound when there is none.
    """
    told: dict[str, Told] = {}
    for record in records:
        name = record["details"].get("session")
        if not isinstance(name, str) or session not in (None, name):
            continue
        if name not in told:
            told[name] = begin(record, name)
        add(told[name], record)
    found = [one for one in told.values() if person in (None, one.person)]
    if not found:
        raise nobody_there()
    return found


def begin(record: Record, name: str) -> Told:
    time, details = record["time"], record["details"]
    return Told(name, details.get("analyst", record["actor"]), details.get("project", "-"), time, time)


def add(told: Told, record: Record) -> None:
    event, details = record["event"], record["details"]
    told.closed = max(told.closed, record["time"])
    told.ended = told.ended or event == Event.GATEWAY_CLOSED
    told.steps.append(Step(record["seq"], record["time"], event, details))
    if event == Event.DATASET_OPENED:
        told.datasets.setdefault(str(details.get("dataset", details["manifest"][:12])), [])
    if event == Event.CELL_EXECUTED:
        told.cells += 1
        for dataset, cells in told.datasets.items():
            if names(str(details.get("source", "")), dataset):
                cells.append(told.cells)


def names(source: str, dataset: str) -> bool:
    """Whether the code names the dataset, with its version or without."""
    return dataset.rpartition("-")[0] in source or dataset in source


def described(told: Told, *, language: str) -> str:
    """The session for people: one line that sums it up, then a line per step."""
    place = int(language == "en")
    datasets = ", ".join(
        name + (NAMED_IN[place].format(cells=", ".join(map(str, cells))) if cells else "")
        for name, cells in told.datasets.items()
    )
    head = SUMMARY[place].format(
        session=told.session,
        person=told.person,
        project=told.project,
        opened=told.opened[:19] + "Z",
        closed=told.closed[:19] + "Z",
        duration=duration(told.seconds),
        end=ENDED[told.ended][place],
        cells=told.cells,
        datasets=datasets or "-",
    )
    steps = (f"  {step.time[11:19]}  {step.seq:>6}  {said(step, place=place)}" for step in told.steps)
    return "\n".join((head, *steps))


def said(step: Step, *, place: int) -> str:
    words = WORDS.get(step.event)
    if words is None:
        return step.event
    first_line = str(step.details.get("source", "")).strip().partition("\n")[0]
    # The source is an analyst's; a terminal is not to obey what stands in it.
    shown = "".join(letter if letter.isprintable() else "·" for letter in first_line[:SHOWN])
    known = {"dataset": "-", **step.details, "first_line": shown, "kinds": kinds(step.details)}
    return words[place].format(**known)


def kinds(details: Mapping[str, Any]) -> str:
    """What an output was: its mime types and sizes, which is all the log holds of it."""
    return ", ".join(f"{one['mime']} {one['size']:,} B" for one in details.get("outputs", []))


def duration(seconds: float) -> str:
    minutes, second = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{second:02}"


def nobody_there() -> NotFound:
    return NotFound(
        ja="その条件のセッションは監査ログにありません。workbench audit show --event gateway で確かめてください。",
        en="The log has no such session; see 'workbench audit show --event gateway'.",
    )
