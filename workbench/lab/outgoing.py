"""
What a kernel may tell a page: kinds of message, mime types, and how much at once.

The kernel is hostile. None of its messages is passed on: each is written anew from the fields that its kind
has here, and what is not in a table stays behind. A page that shows only what these tables let through has
nothing in it that could fetch, send or run; what a person reads on the screen is all that leaves.

Pure: sizes over a day are the meter's.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import nh3

from workbench.errors import Refused
from workbench.lab.outputs import SHOWING, Output, one

Content = Mapping[str, Any]

MB = 1_000_000
MESSAGE = 1 * MB  # what one message may show: some hundred pages of text, a large picture
CELL = 10 * MB  # what one piece of code may show: a loop that prints by mistake does not use up the day
CONTENT = 3  # its place among the parts of a message
UNREAD = 32 * MB  # a message that is larger is not even looked at
LARGEST = 2 * UNREAD  # a message: a channel to a kernel that sends a larger one is closed, and made anew
EACH = 1000  # bytes that a message takes besides its own
SHORT, LONG = 200, 20_000  # letters of a name and of a sentence

# HTML that lays out text and tables. What has anything else in it is shown as its plain text instead.
TAGS = frozenset(
    [
        "b",
        "blockquote",
        "br",
        "caption",
        "code",
        "col",
        "colgroup",
        "dd",
        "div",
        "dl",
        "dt",
        "em",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "li",
        "ol",
        "p",
        "pre",
        "s",
        "small",
        "span",
        "strong",
        "sub",
        "sup",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "u",
        "ul",
    ]
)
TAKEN_OUT = frozenset({"style"})  # pandas puts a style beside its tables, which says how cells are aligned
ATTRIBUTES = {
    "*": set[str](),
    "table": {"border"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
}
VALUES = {"table": {"class": {"dataframe"}}}
CLEANER = nh3.Cleaner(
    tags=set(TAGS),
    clean_content_tags=set(TAKEN_OUT),
    attributes=ATTRIBUTES,
    tag_attribute_values=VALUES,
    url_schemes=set(),
    link_rel=None,
)
TAG = re.compile(r"<\s*([a-zA-Z!?][^\s/>]*)")
PICTURES = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}
# The text of an object that only has a name for itself: beside something that is not shown, it says nothing.
NAMELESS = re.compile(r"<[\w.]+ (object|at 0x[0-9a-f]+)>")
# What is made of these on a page can link and embed; their source is text like any other.
SOURCES = ("text/markdown", "text/latex")
STATES = ("busy", "idle", "starting")


@dataclass
class Letter:
    """A message on its way: what was let through so far, and what was not, each by kind, size and digest."""

    room: int = MESSAGE
    passed: list[Output] = field(default_factory=list)
    withheld: list[Output] = field(default_factory=list)

    @property
    def used(self) -> int:
        return sum(told["size"] for told in self.passed)

    def withhold_all(self, why: str) -> None:
        for told in self.passed:
            self.withhold(told, why)
        self.passed = []

    def take(self, mime: str, value: Any) -> bool:
        """Whether there is room for a value; noted either way."""
        told = one(mime, value)
        fits = told["size"] <= self.room
        if fits:
            self.room -= told["size"]
            self.passed.append(told)
        else:
            self.withhold(told, "size")
        return fits

    def withhold(self, told: Output, why: str) -> None:
        self.withheld.append({**told, "why": why})

    def text(self, value: Any, *, mime: str = "text/plain", most: int = MESSAGE) -> str:
        """As much of a text as there is room for; the rest is withheld."""
        known = cut(value, most=UNREAD) if isinstance(value, str) else ""
        shown = cut(known, most=min(most, self.room))
        if shown:
            self.take(mime, shown)
        if shown != known:
            self.withhold(one(mime, known[len(shown) :]), "size")
        return shown

    def bundle(self, data: Any) -> dict[str, Any]:
        """The representations of an output that a page may have; plain text takes what room is left."""
        given = data if isinstance(data, dict) else {}
        plain = next((given[mime] for mime in SOURCES if mime in given), given.get("text/plain"))
        kept: dict[str, Any] = {}
        for mime, value in given.items():
            clean = MIMES[mime](value) if mime in MIMES else None
            if clean is None and mime not in {"text/plain", *SOURCES}:
                self.withhold(one(str(mime), value), "kind")
            elif clean is not None and self.take(mime, clean):
                kept[mime] = clean
        if isinstance(plain, str) and not (
            given.keys() - kept.keys() - {"text/plain"} and NAMELESS.match(plain)
        ):
            kept["text/plain"] = self.text(plain)
        return kept or {"text/plain": NOT_SHOWN}


NOT_SHOWN = (
    "この画面では表示できない種類か大きさの出力です / an output of a kind or size that is not shown here"
)


@dataclass(frozen=True)
class Said:
    """What a kernel said; `unread` is the size of a content that is too large to be looked at."""

    kind: str
    header: dict[str, str]
    parent: dict[str, str]
    content: dict[str, Any]
    unread: int = 0

    @property
    def as_parts(self) -> dict[str, Any]:
        return {"header": self.header, "parent_header": self.parent, "content": self.content}

    def written(self, letter: Letter) -> list[bytes] | None:
        """The parts of the message as the page gets it; None where nothing is left of what it would show."""
        if self.unread:
            letter.withhold({"mime": "unknown", "size": self.unread, "sha256": ""}, "size")
        content = KINDS[self.kind](self.content, letter)
        if self.kind in SHOWING and letter.withheld and not letter.passed and letter.room <= 0:
            return None
        return [spelled(part) for part in (self.header, self.parent, {}, content)]

    def bare(self) -> dict[str, Any]:
        """The content with nothing in it but one of the words that the protocol knows."""
        known = {name: self.content.get(name) for name in ("execution_state", "status")}
        return KINDS[self.kind](known, Letter(room=0))


def heard(parts: Sequence[bytes]) -> Said | None:
    """What a kernel says in the parts of a message; None where it is malformed or of a kind that no page gets."""
    try:
        if len(parts) < CONTENT + 1 or max(map(len, parts[:CONTENT])) > LONG:
            return None
        unread = len(parts[CONTENT]) > UNREAD
        whose, asked = (header(json.loads(bytes(parts[place]))) for place in (0, 1))
        content = {} if unread else json.loads(bytes(parts[CONTENT]))
    except (ValueError, RecursionError):
        return None
    kind = whose["msg_type"]
    if kind not in KINDS or not isinstance(content, dict):
        return None
    return Said(kind, whose, asked, content, unread=len(parts[CONTENT]) if unread else 0)


def stored(output: Content) -> dict[str, Any] | None:
    """An output in a notebook's file, as a page gets it: a kernel can write into the file as well."""
    kind = output.get("output_type")
    if kind not in SHOWING - {"update_display_data"}:
        return None
    content = KINDS[kind](output, Letter(room=CELL))
    content.pop("transient", None)
    return {"output_type": kind, **content}


def spelled(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def header(given: Any) -> dict[str, str]:
    """Who says what to whom: the protocol's own fields, as short texts."""
    fields = given if isinstance(given, dict) else {}
    return {name: short(fields.get(name)) for name in HEADER}


HEADER = ("msg_id", "msg_type", "username", "session", "date", "version")


def short(value: Any) -> str:
    return cut(value[:SHORT], most=LONG) if isinstance(value, str) else ""


def whole(value: Any) -> int:
    """A number that a page can count with."""
    return value if type(value) is int and abs(value) < 1 << 31 else 0


def choice(value: Any, *known: str) -> str:
    return value if value in known else known[0]


def cut(text: str, *, most: int) -> str:
    """The first letters of a text that take at most so many bytes."""
    return text.encode("utf-8", "surrogatepass")[: max(most, 0)].decode("utf-8", "ignore")


def table(value: Any) -> str | None:
    """HTML that is text and tables, cleaned; None for any other."""
    if not isinstance(value, str) or len(value) > MESSAGE:
        return None
    if {found.lower() for found in TAG.findall(value)} - TAGS - TAKEN_OUT:
        return None
    return CLEANER.clean(cut(value, most=MESSAGE))


def picture(mime: str) -> Callable[[Any], str | None]:
    """A picture that is what it is called."""

    def checked(value: Any) -> str | None:
        try:
            content = base64.b64decode("".join(str(value).split()), validate=True)
        except (binascii.Error, ValueError):
            return None
        return base64.b64encode(content).decode() if content.startswith(PICTURES[mime]) else None

    return checked


def plain_json(value: Any) -> Any:
    """JSON that can be spelled again: no NaN, no half of a character."""
    try:
        spelled(value)
    except (ValueError, RecursionError):
        return None
    return value


# Mime type: what makes it fit for a page, or None where it is not. Plain text is always there.
MIMES: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {"text/html": table, "application/json": plain_json, **{mime: picture(mime) for mime in PICTURES}}
)


def status(content: Content, _: Letter) -> dict[str, Any]:
    return {"execution_state": choice(content.get("execution_state"), *STATES)}


def execute_input(content: Content, _: Letter) -> dict[str, Any]:
    """Only that something runs: its code is on the page that sent it."""
    return {"code": "", "execution_count": whole(content.get("execution_count"))}


def stream(content: Content, letter: Letter) -> dict[str, Any]:
    name = choice(content.get("name"), "stdout", "stderr")
    return {"name": name, "text": letter.text(content.get("text"))}


def display(content: Content, letter: Letter) -> dict[str, Any]:
    transient = content.get("transient")
    shown = short(transient.get("display_id")) if isinstance(transient, dict) else ""
    data = letter.bundle(content.get("data"))
    return {
        "data": data,
        "metadata": sizes(content.get("metadata"), of=data),
        "transient": {"display_id": shown} if shown else {},
    }


def sizes(metadata: Any, *, of: Mapping[str, Any]) -> dict[str, Any]:
    """Width and height of pictures; nothing else of what a kernel says about its output."""
    found = {}
    for mime in of.keys() & PICTURES.keys():
        given = metadata.get(mime) if isinstance(metadata, dict) else None
        if isinstance(given, dict):
            found[mime] = {name: whole(given[name]) for name in ("width", "height") if whole(given.get(name))}
    return found


def execute_result(content: Content, letter: Letter) -> dict[str, Any]:
    return {**display(content, letter), "execution_count": whole(content.get("execution_count"))}


def error(content: Content, letter: Letter) -> dict[str, Any]:
    trace = content.get("traceback")
    lines = [line for line in trace if isinstance(line, str)] if isinstance(trace, list) else []
    return {
        "ename": short(content.get("ename")),
        "evalue": letter.text(content.get("evalue"), mime="text/x-traceback", most=LONG),
        "traceback": letter.text("\n".join(lines), mime="text/x-traceback").split("\n"),
    }


def clear_output(content: Content, _: Letter) -> dict[str, Any]:
    return {"wait": content.get("wait") is True}


def execute_reply(content: Content, letter: Letter) -> dict[str, Any]:
    """That it ran, and the pages of help that were asked for with `?`; no code put into the next cell."""
    payload = content.get("payload")
    pages = [
        {"source": "page", "start": 0, "data": letter.bundle(page.get("data"))}
        for page in (payload if isinstance(payload, list) else [])[:10]
        if isinstance(page, dict) and page.get("source") == "page"
    ]
    answer = {
        "status": choice(content.get("status"), "error", "ok", "aborted"),
        "execution_count": whole(content.get("execution_count")),
        "payload": pages,
        "user_expressions": {},
    }
    if answer["status"] == "error":
        answer |= {
            "ename": short(content.get("ename")),
            "evalue": letter.text(content.get("evalue"), mime="text/x-traceback", most=LONG),
            "traceback": [],
        }
    return answer


def complete_reply(content: Content, letter: Letter) -> dict[str, Any]:
    matches = content.get("matches")
    known = [short(match) for match in matches if isinstance(match, str)] if isinstance(matches, list) else []
    told = letter.text("\n".join(known), mime="text/x-completions", most=LONG)
    return {
        "status": choice(content.get("status"), "ok", "error"),
        "matches": told.split("\n") if told else [],
        "cursor_start": whole(content.get("cursor_start")),
        "cursor_end": whole(content.get("cursor_end")),
        "metadata": {},
    }


def inspect_reply(content: Content, letter: Letter) -> dict[str, Any]:
    found = content.get("found") is True
    return {
        "status": choice(content.get("status"), "ok", "error"),
        "found": found,
        "data": letter.bundle(content.get("data")) if found else {},
        "metadata": {},
    }


def is_complete_reply(content: Content, _: Letter) -> dict[str, Any]:
    told = choice(content.get("status"), "unknown", "complete", "incomplete", "invalid")
    return {"status": told, "indent": " " * len(short(content.get("indent")))}


def kernel_info_reply(_: Content, __: Letter) -> dict[str, Any]:
    """What this kernel is known to be; nothing that it says of itself, no links to put in a menu."""
    return {
        "status": "ok",
        "protocol_version": "5.3",
        "implementation": "ipython",
        "implementation_version": "",
        "banner": "",
        "help_links": [],
        "debugger": False,
        "supported_features": [],
        "language_info": {
            "name": "python",
            "version": "3",
            "mimetype": "text/x-python",
            "file_extension": ".py",
            "pygments_lexer": "ipython3",
            "codemirror_mode": {"name": "ipython", "version": 3},
            "nbconvert_exporter": "python",
        },
    }


def input_request(content: Content, letter: Letter) -> dict[str, Any]:
    prompt = letter.text(content.get("prompt"), most=LONG)
    return {"prompt": prompt, "password": content.get("password") is True}


def done(content: Content, _: Letter) -> dict[str, Any]:
    told = {"status": choice(content.get("status"), "ok", "error")}
    return told | {"restart": content.get("restart") is True}


def no_comms(_: Content, __: Letter) -> dict[str, Any]:
    return {"status": "ok", "comms": {}}


def no_history(_: Content, __: Letter) -> dict[str, Any]:
    return {"status": "ok", "history": []}


def too_large() -> Refused:
    most, cell = MESSAGE // MB, CELL // MB
    return Refused(
        ja=f"出力が大きいため、一部を表示しません（1 回 {most} MB、1 セル {cell} MB まで）。先頭の行や集計だけを表示してください。",
        en=f"A part of the output is too large to be shown ({most} MB at once, {cell} MB a cell); show its first rows or a summary.",
    )


# Kind of message: how its content is written anew. Widgets (comm_*) and the debugger are not here.
KINDS: Mapping[str, Callable[[Content, Letter], dict[str, Any]]] = MappingProxyType(
    {
        "status": status,
        "execute_input": execute_input,
        "stream": stream,
        "display_data": display,
        "update_display_data": display,
        "execute_result": execute_result,
        "error": error,
        "clear_output": clear_output,
        "execute_reply": execute_reply,
        "complete_reply": complete_reply,
        "inspect_reply": inspect_reply,
        "is_complete_reply": is_complete_reply,
        "history_reply": no_history,
        "kernel_info_reply": kernel_info_reply,
        "comm_info_reply": no_comms,
        "interrupt_reply": done,
        "shutdown_reply": done,
        "input_request": input_request,
    }
)
