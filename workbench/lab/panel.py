"""
What the *Datasets* panel of JupyterLab asks the server: what is admitted, what was asked for, the meter.

The page gets words and numbers of releases that were verified when the session opened; never rows. A report
is served as a page that can do nothing: no script, nothing fetched, nothing sent. Each request is one the
authoriser knows, and what fails is answered with one of our own sentences.
"""

import asyncio
import json
import keyword
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from tornado.web import Application, authenticated

from workbench.artifact.times import from_text
from workbench.errors import NotFound, Refused, Unusable, Usage, WorkbenchError
from workbench.governance.accounts import Accounts
from workbench.governance.charter import Projects
from workbench.lab.gateway import candidates, wishes
from workbench.lab.notice import POINTS
from workbench.privacy.dp.ledger import Ledger
from workbench.release import report
from workbench.release.catalogue import catalogue
from workbench.release.data_requests import KINDS
from workbench.release.moves import LABELS, State
from workbench.release.plots import percent
from workbench.release.shelf import Entry, Status
from workbench.release.staged_tables import ledger_name
from workbench.release.staging import PAGE, REPORT
from workbench.riskflag.part import DICTIONARY

if TYPE_CHECKING:
    from workbench.lab.session import Session

Words = dict[str, str]

# A report may show itself and its pictures, and nothing else.
REPORT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
        "sandbox",
    )
)
PROTECTIONS: dict[str, tuple[str, str]] = {
    "anonymised": ("匿名化", "anonymised"),
    "synthetic": ("合成データ", "synthetic"),
    "dp_tables": ("差分プライバシーの集計表", "differentially private tables"),
}
# The headline numbers of a report in plain words, by the check that measured them.
GUARANTEES: dict[str, tuple[str, str]] = {
    "k_children": (
        "どの組合せにも、こどもが {value} 人以上います。",
        "Every combination is shared by at least {value} children.",
    ),
    "k_households": (
        "どの組合せにも、世帯が {value} 以上あります。",
        "Every combination is shared by at least {value} households.",
    ),
    "together": (
        "先に提供したものと突き合わせても、こどもが {value} 人以上います。",
        "Joined with what was released before, at least {value} children share every combination.",
    ),
    "suppression_subgroup": (
        "最も多く削除された集団でも、削除は {value} です。",
        "Even in the worst-hit group {value} of the rows were removed.",
    ),
    "copies": (
        "実在の行と同じになった行は、偶然より {value} 多いだけです。",
        "Rows equal to real ones exceed chance by {value}.",
    ),
    "attacks": (
        "攻撃の成功率は、対照より {value} 高いだけでした。数学的な保証ではありません。",
        "Attacks succeeded {value} more often than on their control; this is no mathematical guarantee.",
    ),
    "fidelity": (
        "項目ごとの分布の一致度は {value} です（1 が完全な一致）。",
        "The distributions of single items agree to {value} (1 is complete).",
    ),
    "epsilon": (
        "ある世帯がいてもいなくても、表はほぼ同じになります（ε＝{value}、世帯単位）。",
        "Whether one household is in it or not, the tables come out nearly alike (ε = {value}, by household).",
    ),
}
FORMS: dict[str, Callable[[float], str]] = {
    "count": "{:,.0f}".format,
    "share": percent,
    "number": "{:g}".format,
}
STATUS: dict[type[WorkbenchError], int] = {NotFound: 404, Refused: 403, Unusable: 400, Usage: 400}
LONGEST = 64 << 10  # bytes of a form


def shown(room: "Session") -> dict[str, Any]:
    """Everything the panel shows, but for the meter."""
    now = datetime.now(UTC)
    entries = [entry for entry in catalogue(room.home, room.state).every() if is_of(room, entry, now=now)]
    datasets = [dataset(room, entry, now=now) for entry in reversed(entries)]
    return {
        "project": project_title(room),
        "analyst": room.analyst,
        "noticed": room.noticed,
        "notice": {tongue: list(points) for tongue, points in POINTS.items()},
        "datasets": datasets,
        "budget": budget(room),
        "submitted": counted(
            room,
            [{**one, "standing": both(LABELS[State(one["state"])])} for one in candidates.requests(room, {})],
        ),
        "wanted": counted(room, wishes.not_withdrawn(room)),
        "account": Accounts(room.home, room.state).has(room.analyst),
        "kinds": {str(kind): both(words) for kind, words in KINDS.items()},
    }


def counted(room: "Session", requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those whose words are counted as shown: a kernel can write them. Above the day's limit, what was seen before."""
    kept = []
    for one in requests:
        with suppress(WorkbenchError, OSError):
            room.show_entries([json.dumps(one, sort_keys=True, ensure_ascii=False)])
            kept.append(one)
    return kept


def is_of(room: "Session", entry: Entry, *, now: datetime) -> bool:
    """What is mounted, though it may have ended since; and what was admitted since, for the next session."""
    of_project = entry.purpose == room.project and entry.status(now=now) is Status.VALID
    return mount(entry) in room.datasets or of_project


def dataset(room: "Session", entry: Entry, *, now: datetime) -> dict[str, Any]:
    """One admitted dataset, in words."""
    folder = room.datasets.get(mount(entry))
    return {
        "id": entry.id,
        "name": entry.name,
        "mount": mount(entry),
        "here": folder is not None,
        "status": str(entry.status(now=now)),
        "protection": both(PROTECTIONS.get(entry.protection, (entry.protection,) * 2)),
        "valid_until": entry.valid_until[:10],
        "days_left": (from_text(entry.valid_until) - now).days,
        "code": code(entry),
        **(facts(folder) if folder is not None else {"guarantee": [], "sensitive": [], "rows": None}),
    }


@lru_cache(maxsize=256)
def facts(folder: Path) -> dict[str, Any]:
    """What a bundle says of itself. Its folder's name is its digest, and it was verified when mounted."""
    headline = report.from_bytes((folder / REPORT).read_bytes())["headline"]
    items = json.loads((folder / DICTIONARY).read_bytes())["items"]
    parts = json.loads((folder / "manifest.json").read_bytes())["meta"].get("parts", {})
    return {
        "guarantee": [guarantee(number) for number in headline if number["value"] is not None],
        "sensitive": [item["label"] for item in items.values() if item.get("role") == "sensitive"],
        "rows": sum(parts.values()) or None,
    }


def guarantee(number: Mapping[str, Any]) -> Words:
    """A headline number as a sentence; one without a sentence keeps its label."""
    value = FORMS[number["form"]](number["value"])
    label = number["label"]
    ja, en = GUARANTEES.get(number["check"], (label["ja"] + " {value}", label["en"] + ": {value}"))
    return both((ja.format(value=value), en.format(value=value)))


def code(entry: Entry) -> str:
    """The lines that load a dataset in a notebook."""
    name = entry.name.replace("-", "_")
    name += "_" if keyword.iskeyword(name) else ""
    return f'import workbench.analyst as wb\n\n{name} = wb.open().dataset("{entry.id}")\n{name}'


def mount(entry: Entry) -> str:
    return f"{entry.name}-{entry.version}"


def budget(room: "Session") -> dict[str, Any] | None:
    """What the analyst may still spend of the project's privacy budget; None where there is none this year."""
    try:
        name = ledger_name(Projects(room.state).get(room.project))
        seen = Ledger(room.state).seen_by(room.analyst, dataset=name, purpose=room.project)
    except NotFound:
        return None
    return {"dataset": name, **seen}


def project_title(room: "Session") -> Words:
    try:
        return dict(Projects(room.state).get(room.project).title)
    except NotFound:
        return both((room.project, room.project))


def report_page(room: "Session", mounted: str) -> bytes:
    """The page of a report, verified just now."""
    for entry in catalogue(room.home, room.state).every():
        if mount(entry) == mounted and mounted in room.datasets:
            opened = catalogue(room.home, room.state).open(entry.id, now=datetime.now(UTC))
            content: bytes = opened.admission.manifest.content(opened.folder, PAGE)
            return content
    raise NotFound(
        ja="そのデータセットはこの部屋にありません。パネルの一覧から選んでください。",
        en="That dataset is not in this room; choose one from the panel's list.",
    )


def both(words: tuple[str, ...]) -> Words:
    return {"ja": words[0], "en": words[1]}


class RoomHandler(APIHandler):
    """A request about the session that the server was started for."""

    auth_resource = "workbench"

    @property
    def room(self) -> "Session":
        room: Session = self.settings["kernel_spec_manager"].room
        return room

    async def tell(self, work: Callable[[], Any]) -> None:
        """Answer with what `work` returns, off the loop that serves the kernels; or with its refusal."""
        try:
            told = await asyncio.to_thread(work)
        except WorkbenchError as error:
            self.set_status(next((code for kind, code in STATUS.items() if isinstance(error, kind)), 409))
            told = {"ja": error.ja, "en": error.en}
        self.finish(json.dumps(told, ensure_ascii=False))

    def form(self) -> dict[str, Any]:
        """What the page sent. Raises Unusable unless it is a small JSON object."""
        try:
            asked = json.loads(self.request.body[: LONGEST + 1])
        except (ValueError, RecursionError):
            asked = None
        if not isinstance(asked, dict):
            raise Unusable(
                ja="依頼の内容が読めません。パネルの様式から送ってください。",
                en="The request cannot be read; send it from the panel's form.",
            )
        return asked


class PanelHandler(RoomHandler):
    @authenticated
    @authorized
    async def get(self) -> None:
        await self.tell(lambda: shown(self.room))


class MeterHandler(RoomHandler):
    @authenticated
    @authorized
    async def get(self) -> None:
        await self.tell(lambda: self.room.meter.amount().to_json())


class NoticeHandler(RoomHandler):
    @authenticated
    @authorized
    async def post(self) -> None:
        """The analyst has read what this data is and what is recorded."""
        await self.tell(lambda: self.room.acknowledge(how="page"))


class RequestsHandler(RoomHandler):
    @authenticated
    @authorized
    async def post(self) -> None:
        await self.tell(lambda: wishes.want(self.room, self.form()))


class WithdrawHandler(RoomHandler):
    @authenticated
    @authorized
    async def post(self, request: str) -> None:
        """What it was about is not told once more: the panel has it, counted."""
        await self.tell(lambda: {"request": wishes.unwant(self.room, {"request": request})["request"]})


class ReportHandler(JupyterHandler):
    auth_resource = "workbench"

    @authenticated
    @authorized
    async def get(self, mounted: str) -> None:
        room = self.settings["kernel_spec_manager"].room
        self.set_header("Content-Security-Policy", REPORT_POLICY)
        try:
            page = await asyncio.to_thread(report_page, room, mounted)
        except WorkbenchError as error:
            self.set_status(404)
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            page = f"{error.ja}\n{error.en}\n".encode()
        self.finish(page)


ROUTES: dict[str, type[JupyterHandler]] = {
    r"/workbench/panel": PanelHandler,
    r"/workbench/meter": MeterHandler,
    r"/workbench/notice": NoticeHandler,
    r"/workbench/requests": RequestsHandler,
    r"/workbench/requests/(D-[0-9]{1,9})/withdraw": WithdrawHandler,
    r"/workbench/report/([a-z0-9.-]{1,100})": ReportHandler,
}


def add_to(application: Application) -> None:
    """Put the routes into the server's application."""
    base = application.settings["base_url"].rstrip("/")
    application.add_handlers(".*$", [(base + path, handler) for path, handler in ROUTES.items()])
