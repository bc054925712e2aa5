"""
What happened in a session, in order, told from the log alone: log-in, duration, cells, datasets.

A session belongs to the log-in before it, and has in it what its person did at the door meanwhile. A dataset
is in reach of a session from the moment it is mounted; that a cell names it is read from the
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
    Event.LOGGED_IN: ("ログイン（{method}）", "logged in ({method})"),
    Event.LOGGED_OUT: ("ログアウト（{reason}）", "logged out ({reason})"),
    Event.LOGIN_FAILED: ("ログイン失敗（{reason}）", "log-in failed ({reason})"),
    Event.GATEWAY_OPENED: ("部屋を開始（利用目的 {project}）", "room opened (purpose {project})"),
    Event.GATEWAY_CLOSED: ("部屋を終了", "room closed"),
    Event.DATASET_OPENED: ("データセット {dataset} を利用可能に", "dataset {dataset} in reach"),
    Event.KERNEL_STARTED: ("カーネル開始", "kernel started"),
    Event.KERNEL_STOPPED: ("カーネル終了", "kernel ended"),
    Event.KERNEL_REFUSED: ("カーネルを起動できず（{protection}）", "no kernel ({protection})"),
    Event.CELL_EXECUTED: ("セル実行 {first_line}", "cell run {first_line}"),
    Event.CODE_LOOKED_AT: ("コードの補完・説明 {first_line}", "code completed or explained {first_line}"),
    Event.NOTICE_ACKNOWLEDGED: ("「分析を始める前に」を確認", "notice acknowledged"),
    Event.OUTPUT_SENT: ("出力 {kinds}", "output {kinds}"),
    Event.OUTPUT_WARNED: ("警告：{day} の表示量が {bytes} B", "warning: {bytes} B shown on {day}"),
    Event.OUTPUT_STOPPED: ("上限：{day} の表示量が {bytes} B", "limit: {bytes} B shown on {day}"),
    Event.SETTING_OVERDUE: ("設定 {name} の見直し期限切れ", "setting {name} overdue for review"),
    Event.FILE_SHOWN: ("ファイル {name} を表示（{size} B）", "file {name} shown ({size} B)"),
    Event.FILE_SAVED: ("ファイル {name} を保存（{size} B）", "file {name} saved ({size} B)"),
    Event.FILE_NAMED: ("{name} を作成か改名", "{name} made or renamed"),
    Event.CANDIDATE_SUBMITTED: ("モデル {name} {version} を提出", "model {name} {version} submitted"),
    Event.NOTEBOOK_EXPORTED: ("ノートブック {notebook} を持ち出し", "notebook {notebook} taken out"),
    Event.GATEWAY_FAILED: ("窓口の失敗（番号 {reference}）", "gateway failed (number {reference})"),
}
# The meter's own bookkeeping: what it comes to is told with the warnings.
UNTOLD = frozenset({Event.OUTPUT_METERED})
AT_THE_DOOR = frozenset({Event.LOGGED_IN, Event.LOGGED_OUT, Event.LOGIN_FAILED})
SUMMARY = (
    "セッション {session}：{person}（利用目的 {project}） ログイン {logged_in}、{opened} から {closed}（{duration}、{end}）、セル {cells} 個、表示 {shown:,} B、データセット {datasets}",
    "Session {session}: {person} (purpose {project}), logged in {logged_in}, {opened} to {closed} ({duration}, {end}), {cells} cells, {shown:,} B shown, datasets {datasets}",
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
    """
    One session. `datasets` is each dataset in reach → the numbers of the cells that name it; `logged_in` is
    None where no log-in is recorded (a notebook run by a command); `shown` is in bytes.
    """

    session: str
    person: str
    project: str
    opened: str
    closed: str
    logged_in: str | None = None
    logged_out: str | None = None
    ended: bool = False
    cells: int = 0
    shown: int = 0
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
    inside: dict[str, Told] = {}  # person → their session, until it ends
    at_the_door: dict[str, list[Record]] = {}
    for record in records:
        name = record["details"].get("session")
        if not isinstance(name, str):
            come_or_go(record, inside, at_the_door)
            continue
        if name not in told:
            told[name] = begin(record, name)
            inside[told[name].person] = told[name]
            for earlier in at_the_door.pop(told[name].person, []):
                add(told[name], earlier)
        add(told[name], record)
        if told[name].ended:
            inside.pop(told[name].person, None)
    wanted = (one for one in told.values() if session in (None, one.session))
    found = [one for one in wanted if person in (None, one.person)]
    if not found:
        raise nobody_there()
    return found


def begin(record: Record, name: str) -> Told:
    time, details = record["time"], record["details"]
    return Told(name, details.get("analyst", record["actor"]), details.get("project", "-"), time, time)


def come_or_go(record: Record, inside: Mapping[str, Told], at_the_door: dict[str, list[Record]]) -> None:
    """What somebody does at the door belongs to the room that they are in, or to the next."""
    if record["event"] not in AT_THE_DOOR:
        return
    person = str(record["details"].get("person", record["actor"]))
    if person in inside:
        add(inside[person], record)
    else:
        at_the_door.setdefault(person, []).append(record)


def add(told: Told, record: Record) -> None:
    event, details = record["event"], record["details"]
    if event in UNTOLD:
        return
    if event == Event.LOGGED_IN:
        told.logged_in = told.logged_in or record["time"]
    if event == Event.LOGGED_OUT:
        told.logged_out = record["time"]
    told.shown += sum(one["size"] for one in details.get("outputs", [])) + details.get("more_size", 0)
    told.closed = max(told.closed, record["time"])
    told.ended = told.ended or event == Event.GATEWAY_CLOSED
    told.steps.append(Step(record["seq"], record["time"], event, details))
    if event == Event.DATASET_OPENED:
        told.datasets.setdefault(str(details.get("dataset", details["manifest"][:12])), [])
    if event == Event.CELL_EXECUTED and not details.get("typed"):
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
        logged_in="-" if told.logged_in is None else told.logged_in[:19] + "Z",
        shown=told.shown,
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
    first_line = str(step.details.get("source", "")).strip().partition("\n")[0][:SHOWN]
    known = {"dataset": "-", **step.details, "first_line": first_line, "kinds": kinds(step.details)}
    return printable(words[place].format(**known))


def printable(line: str) -> str:
    """Sources and names of files are an analyst's or a kernel's: a terminal is not to obey what stands in them."""
    return "".join(letter if letter.isprintable() else "·" for letter in line)


def kinds(details: Mapping[str, Any]) -> str:
    """What an output was: its mime types and sizes, which is all the log holds of it; in brackets what was withheld."""
    shown = [f"{one['mime']} {one['size']:,} B" for one in details.get("outputs", [])]
    withheld = [f"[{one['mime']} {one['size']:,} B: {one['why']}]" for one in details.get("withheld", [])]
    return ", ".join([*shown, *withheld])


def duration(seconds: float) -> str:
    minutes, second = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{second:02}"


def nobody_there() -> NotFound:
    return NotFound(
        ja="その条件のセッションは監査ログにありません。workbench audit show --event gateway で確かめてください。",
        en="The log has no such session; see 'workbench audit show --event gateway'.",
    )
