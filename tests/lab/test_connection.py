"""The conversation of a page with a kernel: code is logged before it runs, answers are written anew and counted."""

import asyncio
import json
from types import SimpleNamespace

import pytest
from jupyter_client.session import Session as Messages
from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1, serialize_msg_to_ws_v1
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyter_server.services.kernels.websocket import KernelWebsocketHandler

from workbench.audit import Event
from workbench.errors import Refused, Unprotected
from workbench.lab import connection
from workbench.lab.connection import RecordedConnection
from workbench.lab.incoming import ANSWERED, KINDS
from workbench.lab.outgoing import CELL, LARGEST, MESSAGE

PROTOCOL = "v1.kernel.websocket.jupyter.org"
PARTS = ("header", "parent_header", "metadata", "content")


class Page(KernelWebsocketHandler):
    """A websocket that keeps what is written to it."""

    def __init__(self):
        self.frames = []

    def write_message(self, message, binary=False):
        _, parts = deserialize_msg_from_ws_v1(message)
        header, parent, _, content = map(json.loads, parts)
        self.frames.append(
            SimpleNamespace(kind=header["msg_type"], parent=parent, content=content, size=len(message))
        )

    def kinds(self):
        return [frame.kind for frame in self.frames]

    def text(self, name="stdout"):
        return "".join(
            f.content["text"] for f in self.frames if f.kind == "stream" and f.content["name"] == name
        )


class Room:
    """What a session is to a connection."""

    id, analyst = "s", "mori"

    def __init__(self):
        self.charged, self.recorded, self.told = [], [], []
        self.refused, self.warning, self.full = None, None, None
        self.meter = self

    def charge(self, size):
        if self.full is not None:
            raise self.full
        self.charged.append(size)
        warning, self.warning = self.warning, None
        return warning

    def why_not_run(self):
        return self.refused

    def record(self, event, **details):
        self.recorded.append((event, details))

    def shown(self, outputs, *, cell, kernel):
        self.told += outputs


class Connection(RecordedConnection):
    """As the server makes it, with a room and a kernel that a test holds."""

    room = None
    kernel_id = "k"
    subprotocol = PROTOCOL
    multi_kernel_manager = SimpleNamespace(allow_tracebacks=True)
    kernel_info_timeout = 1.0


class Kernel:
    """The kernel's side of a connection: what it is asked, and a way for it to say something."""

    def __init__(self, room):
        self.page = Page()
        self.connection = Connection(websocket_handler=self.page)
        self.connection.room = room
        self.connection.channels = {"shell": "shell", "stdin": "stdin"}
        self.heard, self.channels = [], []
        self.connection.session.send_raw = self.hears
        # Recorded as test_looked_at.py has it; here, what is forwarded then.
        self.connection._looks = SimpleNamespace(add=lambda asked, *_, **__: self.connection._forward(asked))

    def hears(self, channel, parts):
        self.channels.append(channel)
        self.heard.append([json.loads(part) for part in parts])

    @property
    def forwarded(self):
        return [header["msg_type"] for header, *_ in self.heard]

    def asks(self, kind, content, *, id_="asked", channel="shell", buffers=(), **changes):
        """A request of the page."""
        messages = Messages()
        message = messages.msg(kind, content)
        message["header"] |= {"msg_id": id_} | changes.pop("header", {})
        message |= changes
        parts = [messages.pack(message[part]) for part in PARTS]
        self.connection.handle_incoming_message(serialize_msg_to_ws_v1([*parts, *buffers], channel))

    def says(self, kind, content, *, cell="asked", channel="iopub"):
        """A message of the kernel."""
        header = {"msg_type": kind, "msg_id": "m"}
        parts = [json.dumps(part).encode() for part in (header, {"msg_id": cell}, {}, content)]
        stream = SimpleNamespace(channel=channel, closed=lambda: False)
        self.connection.handle_outgoing_message(stream, [b"kernel.x", b"<IDS|MSG>", b"", *parts])


@pytest.fixture
def room():
    return Room()


@pytest.fixture
def kernel(room):
    return Kernel(room)


def test_code_is_recorded_whole_before_it_is_forwarded(kernel, room, monkeypatch):
    order = []
    monkeypatch.setattr(room, "record", lambda *_, **details: order.append(details["source"]))
    kernel.connection.session.send_raw = lambda *_: order.append("forwarded")
    kernel.asks("execute_request", {"code": "print(1)\n" * 1000})

    assert order == ["print(1)\n" * 1000, "forwarded"]


def test_attack_code_whose_record_does_not_reach_the_disk(kernel, room, monkeypatch):
    def fail(*_, **__):
        raise Unprotected(ja="応答なし", en="gone")

    monkeypatch.setattr(room, "record", fail)
    for kind, content in (("execute_request", {"code": "x"}), ("input_reply", {"value": "x"})):
        with pytest.raises(Unprotected):
            kernel.asks(kind, content)

    assert kernel.forwarded == []


def test_attack_code_typed_into_a_running_cell(kernel, room):
    """`exec(input())` runs what no cell shows."""
    kernel.asks("input_reply", {"value": "import os", "status": "ok"})

    [(event, details)] = room.recorded
    assert (event, details["source"], details["typed"]) == (Event.CELL_EXECUTED, "import os", True)


HIDDEN = "import os"
CODE = {"code": "1", "cursor_pos": 1, "value": "1"}


@pytest.mark.parametrize(
    "where",
    [
        {"metadata": {"cellId": HIDDEN}},
        {"parent_header": {"msg_id": HIDDEN}},
        {"buffers": [HIDDEN.encode()]},
        {"content": {**CODE, "user_expressions": {HIDDEN: HIDDEN}}},
        {"content": {**CODE, "more": HIDDEN, "detail_level": HIDDEN, "silent": HIDDEN, "cursor_pos": HIDDEN}},
        {"content": {**CODE, "pattern": HIDDEN, "session": HIDDEN, "target_name": HIDDEN}},
        {"content": {**CODE, "status": HIDDEN}},
        *({"header": {name: HIDDEN}} for name in ("username", "session", "date", "version", "subshell_id")),
        {"header": {"msg_id": HIDDEN}},
        {"header": {HIDDEN: HIDDEN}},
        {"channel": "control"},
    ],
)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_attack_text_that_no_record_holds_reaches_the_kernel(kernel, room, where, kind):
    """A cell can read its own message whole, metadata and header and all, and run what it finds there."""
    given = {"content": CODE} | where
    kernel.asks(kind, given.pop("content"), **given)

    assert HIDDEN not in json.dumps(kernel.heard)
    assert "control" not in kernel.channels


@pytest.mark.parametrize("number", [10**4000, -(10**4000), 1 << 40])
def test_attack_text_spelled_as_a_number(kernel, room, number):
    kernel.asks("inspect_request", {"code": "abc", "cursor_pos": number, "detail_level": number})
    kernel.asks("execute_request", {"code": "abc", "cursor_pos": number, "silent": number})

    assert str(number) not in json.dumps(kernel.heard)


def test_attack_a_message_of_which_nothing_is_recorded_is_named_by_the_room(kernel, room):
    """Its name could spell code in the letters of a name; the answer comes back under the page's."""
    kernel.asks("kernel_info_request", {}, id_="aW1wb3J0IG9z")
    [[header, *_]] = kernel.heard
    kernel.says("kernel_info_reply", {}, cell=header["msg_id"], channel="shell")

    assert "aW1wb3J0IG9z" not in json.dumps(kernel.heard)
    assert [(frame.kind, frame.parent["msg_id"]) for frame in kernel.page.frames] == [
        ("kernel_info_reply", "aW1wb3J0IG9z")
    ]


@pytest.mark.parametrize(
    "kind", ["comm_open", "debug_request", "create_subshell_request", "shutdown_request"]
)
def test_attack_a_kind_that_no_kernel_gets(kernel, kind):
    kernel.asks(kind, CODE)

    assert kernel.heard == []


@pytest.mark.parametrize("kind", sorted(ANSWERED))
def test_pages_hear_of_history_and_widgets_from_the_room(kernel, kind):
    kernel.asks(kind, {"pattern": HIDDEN})

    assert kernel.heard == []
    assert kernel.page.kinds() == ["status", kind.replace("request", "reply")]


def test_attack_the_pages_name_for_itself_is_the_address_of_its_answers(kernel, monkeypatch):
    monkeypatch.setattr(ZMQChannelsWebsocketConnection, "prepare", no_more)
    kernel.connection.session.session = HIDDEN
    asyncio.run(kernel.connection.prepare())
    kernel.asks("execute_request", {"code": "1"})

    assert HIDDEN.encode() not in kernel.connection.session.bsession
    assert HIDDEN not in json.dumps(kernel.heard)


async def no_more(_):
    """What a real connection goes on with."""


def test_a_cell_is_asked_as_the_protocol_has_it(kernel):
    kernel.asks("execute_request", {"code": "1", "silent": True, "stop_on_error": False})
    kernel.asks("input_reply", {"value": "typed", "status": "ok"})

    [[header, parent, metadata, content], [_, _, _, typed]] = kernel.heard
    assert (parent, metadata, header["msg_id"], header["version"]) == ({}, {}, "asked", "5.3")
    assert content == {
        "code": "1",
        "silent": True,
        "store_history": False,
        "user_expressions": {},
        "allow_stdin": True,
        "stop_on_error": False,
    }
    assert typed == {"value": "typed", "status": "ok"}
    assert kernel.channels == ["shell", "stdin"]


def test_what_the_kernel_says_is_counted_logged_and_shown(kernel, room):
    kernel.asks("execute_request", {"code": "x"})
    kernel.says("stream", {"name": "stdout", "text": "hello"})

    [frame] = kernel.page.frames
    assert (frame.kind, frame.content["text"], frame.parent["msg_id"]) == ("stream", "hello", "asked")
    assert 0 < sum(room.charged) <= frame.size
    assert [(one["mime"], one["size"]) for one in room.told] == [("text/plain", 5)]
    assert "hello" not in json.dumps(room.told)


@pytest.mark.parametrize("kind", ["comm_open", "debug_event", "execute_request"])
def test_attack_a_kind_that_no_page_gets(kernel, kind):
    kernel.says(kind, {"data": {}})

    assert kernel.page.frames == []


@pytest.mark.parametrize(
    "message", [[], [b"<IDS|MSG>"], [b"x"] * 7, [b"<IDS|MSG>", b"", b"{", b"{}", b"{}", b"{}"]]
)
def test_attack_a_message_that_is_none(kernel, message):
    kernel.connection.handle_outgoing_message(SimpleNamespace(channel="iopub"), message)

    assert kernel.page.frames == []


def test_a_result_of_many_megabytes_is_cut_and_the_cell_says_so(kernel, room):
    kernel.asks("execute_request", {"code": "x"})
    for _ in range(3):
        kernel.says("execute_result", {"data": {"text/plain": "x" * (3 * MESSAGE)}, "metadata": {}})

    assert len(kernel.page.frames) == 4
    assert all(frame.size < MESSAGE + 2000 for frame in kernel.page.frames)
    assert kernel.page.text("stderr").count("大きい") == 1
    assert {one["why"] for one in room.told if "why" in one} == {"size"}


def test_a_loop_that_prints_by_mistake_does_not_use_up_the_day(kernel, room):
    kernel.asks("execute_request", {"code": "x"})
    for _ in range(2 * CELL // MESSAGE):
        kernel.says("stream", {"text": "x" * MESSAGE})
    kernel.says("status", {"execution_state": "idle"})

    assert CELL - MESSAGE < len(kernel.page.text()) <= CELL
    assert sum(room.charged) < CELL + MESSAGE
    assert kernel.page.kinds()[-1] == "status"
    kernel.asks("execute_request", {"code": "x"}, id_="next")
    kernel.says("stream", {"text": "again"}, cell="next")
    assert kernel.page.text().endswith("again")


def test_the_warning_stands_beneath_the_running_cell(kernel, room):
    kernel.asks("execute_request", {"code": "x"}, id_="running")
    room.warning = Refused(ja="警告：今日", en="Warning: today")
    kernel.says("stream", {"text": "x"}, cell="made up by the kernel")

    assert kernel.page.text("stderr") == "警告：今日 / Warning: today\n"
    assert kernel.page.frames[0].parent["msg_id"] == "running"


def test_a_warning_without_a_cell_waits_for_the_next(kernel, room):
    room.warning = Refused(ja="警告：今日", en="Warning: today")
    kernel.says("status", {"execution_state": "idle"})
    assert kernel.page.text("stderr") == ""

    kernel.asks("execute_request", {"code": "x"})
    assert "警告" in kernel.page.text("stderr")


def test_attack_above_the_days_limit_nothing_of_the_kernels_reaches_the_page(kernel, room):
    kernel.asks("execute_request", {"code": "x"})
    room.full = Refused(ja="上限", en="limit")
    for kind in ("stream", "display_data", "error", "execute_result", "execute_input", "input_request"):
        kernel.says(
            kind, {"text": "secret", "data": {"text/plain": "secret"}, "prompt": "secret", "ename": "secret"}
        )
    kernel.says("execute_reply", {"status": "error", "ename": "secret", "evalue": "secret"}, channel="shell")
    kernel.says("status", {"execution_state": "idle", "more": "secret"})
    kernel.says("status", {"execution_state": "busy"}, cell="secret")

    # The request has its end, in the server's own words, and the cell says once why there is no output.
    assert kernel.page.kinds() == ["stream", "execute_reply", "status"]
    assert kernel.page.text("stderr") == "上限 / limit\n"
    assert "secret" not in repr(kernel.page.frames)
    assert {one["why"] for one in room.told} == {"day"}


def test_attack_output_while_the_count_cannot_be_written(kernel, room):
    kernel.asks("execute_request", {"code": "x"})
    room.full = OSError(28, "No space left on device")
    kernel.says("stream", {"text": "secret"})

    assert "secret" not in repr(kernel.page.frames)
    assert "記録できない" in kernel.page.text("stderr")


def test_above_the_limit_no_more_code_runs(kernel, room):
    room.refused = Refused(ja="上限", en="limit")
    kernel.asks("execute_request", {"code": "x"})

    assert kernel.forwarded == []
    assert room.recorded == []
    assert kernel.page.kinds() == ["error", "status", "execute_reply"]


def test_too_many_messages_pause_and_say_so_in_both_languages(kernel):
    kernel.asks("execute_request", {"code": "x"})
    kernel.connection.iopub_msg_rate_limit = 10.0
    for _ in range(200):
        kernel.says("stream", {"text": "x"})

    assert len(kernel.page.text()) < 100
    assert "回数" in kernel.page.text("stderr")
    assert "iopub" not in kernel.page.text("stderr").lower()


def test_attack_names_from_the_other_side_do_not_pile_up(kernel):
    for number in range(2000):
        kernel.says("stream", {"text": "x"}, cell=f"cell {number}")
        kernel.asks("kernel_info_request", {}, id_=f"asked {number}")

    known = (kernel.connection._shown, kernel.connection._asked, kernel.connection._noted)
    assert all(len(names) <= 256 for names in known)


def test_small_messages_are_not_held_back(kernel, monkeypatch):
    set_ = []
    monkeypatch.setattr(kernel.page, "set_nodelay", set_.append)
    monkeypatch.setattr(
        "jupyter_server.services.kernels.connection.channels.ZMQChannelsWebsocketConnection.connect",
        lambda _: None,
    )
    kernel.connection.connect()

    assert set_ == [True]


ENDS = {
    "the idle state": ("execute_reply", {"status": "ok"}),
    "the reply": ("status", {"execution_state": "idle"}),
}


@pytest.mark.parametrize("lost", ENDS)
def test_attack_a_message_so_large_that_the_end_of_its_cell_is_lost(kernel, room, monkeypatch, lost):
    """The page would wait for ever; it is told, and the cell ends."""
    monkeypatch.setattr(connection, "QUIET", 0.05)
    renewed = []
    monkeypatch.setattr(kernel.connection, "_renew", renewed.append)
    kind, content = ENDS[lost]

    async def story():
        kernel.asks("execute_request", {"code": "x"})
        kernel.says("status", {"execution_state": "busy"})
        kernel.says(kind, content)
        await asyncio.sleep(0.3)

    asyncio.run(story())
    assert {"status", "execute_reply"} <= set(kernel.page.kinds())
    assert kernel.page.frames[-1].parent["msg_id"] == "asked"
    assert [f.content["execution_state"] for f in kernel.page.frames if f.kind == "status"][-1] == "idle"
    assert renewed == [{"the idle state": "iopub", "the reply": "shell"}[lost]]
    assert "too large to be taken" in kernel.page.text("stderr")
    assert {"mime": "unknown", "size": LARGEST, "sha256": "", "why": "size"} in room.told


def test_a_cell_that_ends_is_not_said_to_have_lost_anything(kernel, room, monkeypatch):
    monkeypatch.setattr(connection, "QUIET", 0.05)

    async def story():
        kernel.asks("execute_request", {"code": "x"})
        kernel.says("status", {"execution_state": "busy"})
        kernel.says("execute_reply", {"status": "ok"}, channel="shell")
        for number in range(4):  # much that is still on its way
            await asyncio.sleep(0.03)
            kernel.says("stream", {"name": "stdout", "text": f"{number}"})
        kernel.says("status", {"execution_state": "idle"})
        await asyncio.sleep(0.2)

    asyncio.run(story())
    assert kernel.page.text("stderr") == ""
    assert kernel.page.text() == "0123"
    assert kernel.page.kinds().count("status") == 2
