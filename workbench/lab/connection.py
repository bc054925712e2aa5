"""
The one conversation between a page and a kernel, over the server's websocket.

Neither hears the other: every message is written anew. The code in what is asked is in the log, on disk, before the kernel
hears of it. The kernel is hostile: what it answers is looked at before the page hears of it.
"""

import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from jupyter_client.session import DELIM
from jupyter_server.services.kernels.connection.base import (
    deserialize_msg_from_ws_v1,
    serialize_msg_to_ws_v1,
)
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from tornado.ioloop import IOLoop
from tornado.web import HTTPError

from workbench.audit import Event
from workbench.errors import Refused, Unprotected, WorkbenchError
from workbench.lab.incoming import ANSWERED, Asked, asked
from workbench.lab.looked_at import LOOKS, Looks, entry_of
from workbench.lab.outgoing import CELL, LARGEST, MB, MESSAGE, Letter, Said, heard, too_large
from workbench.lab.run import code_digest

if TYPE_CHECKING:
    from workbench.lab.session import Session

REMEMBERED = 256
# What a page waits for to the end of a piece of code, and how many seconds of silence say that it was lost.
ENDS, QUIET = frozenset({"status", "execute_reply"}), 5.0
NAMELESS_ERROR: Mapping[str, Any] = MappingProxyType({"ename": "Lost", "evalue": "", "traceback": []})


class RecordedConnection(ZMQChannelsWebsocketConnection):
    """
    Code is in the log, on disk, before it is forwarded to the kernel, and nothing else of the page's text is. What the kernel says is written anew
    from what a page may have, and counted, before the page has it; it is in the log soon after.
    """

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.iopub_data_rate_limit = 0  # amounts are ours; the number of messages stays limited by Jupyter
        self._last: Mapping[str, Any] = MappingProxyType({})  # the header of the last piece of code
        self._asked: dict[str, Mapping[str, Any]] = {}  # the headers of the last requests
        self._shown: dict[str, int] = {}  # bytes shown of the last pieces of code
        self._heard = 0.0  # when the kernel said something last
        self._noted: dict[str, bool] = {}  # where it was said already that something is too large
        self._unsaid: list[WorkbenchError] = []
        self._running: dict[
            str, set[str]
        ] = {}  # of the last pieces of code: what is still to come of their end
        self._looks = Looks(pass_on=self._forward, refuse=self._answer_no_look)

    async def prepare(self) -> None:
        """A page's name for itself is the address of its answers, which the kernel reads: it gets a digest."""
        self.session.session = hashlib.sha256(self.session.session.encode()).hexdigest()[:32]
        await super().prepare()

    def connect(self) -> Any:
        """Without waiting for the other side's acknowledgement of each small message (Nagle's algorithm)."""
        self.websocket_handler.set_nodelay(True)
        return super().connect()

    @property
    def room(self) -> "Session":
        room: Session = self.multi_kernel_manager.kernel_spec_manager.room
        return room

    def handle_incoming_message(self, incoming_msg: Any) -> None:
        """Let the kernel have a page's message, written anew; what is code in it is in the log before."""
        asked = self._look(incoming_msg)
        if asked is None or not self.channels:  # no message, or from a page that is closed
            return
        remember(self._asked, asked.id, asked.header)
        if asked.kind in ANSWERED:
            self._answer_at_once(asked.header, ANSWERED[asked.kind])
        elif asked.kind in LOOKS:
            entry = entry_of(self.room, asked, kernel=str(self.kernel_id))
            self._looks.add(asked, entry, header=asked.header, room=self.room)
        elif asked.kind == "execute_request":
            self._run(asked)
        elif asked.kind == "input_reply":
            # What is typed into a running cell may be run by it.
            self._record(asked, typed=True)
            self._forward(asked)
        else:
            # Nothing of it is recorded, so nothing of it is the page's: not even its name.
            name = secrets.token_hex(16)
            remember(self._asked, name, asked.header)
            self._forward(asked, name=name)

    def _run(self, asked: Asked) -> None:
        refused = self.room.why_not_run()
        if refused is not None:
            self._answer_refused(asked.header, refused)
            return
        self._last = asked.header
        self._record(asked)
        remember(self._running, asked.id, {"status", "execute_reply"})
        self._say_what_waited()
        self._forward(asked)

    def _forward(self, asked: Asked, *, name: str | None = None) -> None:
        if asked.channel in self.channels:  # it may have been closed while the record was written
            parts = asked.written(name or asked.id, session=self.session.session)
            self.session.send_raw(self.channels[asked.channel], parts)

    def handle_outgoing_message(self, stream: Any, outgoing_msg: list[Any]) -> None:
        """Let the page have a kernel's message, written anew; what is withheld is told of and in the log."""
        channel = self.channels[stream] if isinstance(stream, str) else stream
        # Behind the delimiter stands a signature, which the page's side of the protocol does without.
        behind = outgoing_msg.index(DELIM) + 2 if DELIM in outgoing_msg else len(outgoing_msg)
        said = heard(outgoing_msg[behind:])
        if said is None or self._limit_rate(channel.channel, said.as_parts, [b""] * 4):
            return
        # An answer to this page is under the page's own header, whatever the kernel says of it.
        said = replace(said, parent=dict(self._asked.get(said.parent["msg_id"], said.parent)))
        cell = said.parent["msg_id"]
        letter = Letter(room=min(MESSAGE, CELL - self._shown.get(cell, 0)))
        parts = self._counted(said, letter)
        remember(self._shown, cell, self._shown.get(cell, 0) + letter.used)
        self.room.shown([*letter.passed, *letter.withheld], cell=cell, kernel=str(self.kernel_id))
        self._heard = time.monotonic()
        if said.kind in ENDS and said.content.get("execution_state", "idle") == "idle":
            self._ends(cell, by=said.kind)
        if parts:
            self._on_zmq_reply(channel, parts)
        if any(one["why"] == "size" for one in letter.withheld) and not self._noted.get(cell):
            remember(self._noted, cell, True)
            self._say(too_large())

    def _ends(self, cell: str, *, by: str) -> None:
        """
        One of the two messages that end a piece of code. The other follows at once; it may be lost, with a message
        that was too large to be taken, and a page would wait for it for ever.
        """
        left = self._running.get(cell, set())
        left.discard(by)
        if left:
            IOLoop.current().call_later(QUIET, self._end_without, cell)

    def _end_without(self, cell: str) -> None:
        header, left = self._asked.get(cell), self._running.get(cell)
        if not left or header is None or not self.channels:
            return
        if time.monotonic() - self._heard < QUIET:  # much is still on its way
            IOLoop.current().call_later(QUIET, self._end_without, cell)
            return
        self._running.pop(cell)
        lost = {"mime": "unknown", "size": LARGEST, "sha256": "", "why": "size"}
        self.room.shown([lost], cell=cell, kernel=str(self.kernel_id))
        self._renew("iopub" if "status" in left else "shell")
        self.write_stderr(both(was_lost()), dict(header))
        if "status" in left:
            self._answer(header, "status", {"execution_state": "idle"}, channel="iopub")
        else:
            self._answer(header, "execute_reply", {"status": "error", "execution_count": 0} | NAMELESS_ERROR)

    def _renew(self, channel: str) -> None:
        """A channel over which a message came that is too large is closed for good: nothing more comes over it."""
        stream = getattr(self.kernel_manager, f"connect_{channel}")(identity=self.session.bsession)
        stream.channel = channel
        old, self.channels[channel] = self.channels[channel], stream
        old.on_recv(None)
        old.close()
        stream.on_recv_stream(self.handle_outgoing_message)
        if channel == "iopub":
            # The server listens there itself, to whether the kernel is busy.
            self.multi_kernel_manager.stop_watching_activity(self.kernel_id)
            self.multi_kernel_manager.start_watching_activity(self.kernel_id)
            self.kernel_manager.execution_state = "idle"

    def write_stderr(self, error_message: str, parent_header: Any) -> None:
        """A sentence of ours beneath a cell, also where Jupyter has one."""
        if error_message.startswith("IOPub message rate exceeded"):
            error_message = both(too_many())
        super().write_stderr(error_message, parent_header)

    def _counted(self, said: Said, letter: Letter) -> list[bytes] | None:
        """The parts that the page gets, once they are counted; None where it gets nothing."""
        parts = said.written(letter)
        if parts is None:
            return None
        try:
            warning = self.room.meter.charge(sum(map(len, parts)))
        except (WorkbenchError, OSError) as refused:
            letter.withhold_all("day")
            if not self._noted.get("day"):
                self._say(refused if isinstance(refused, WorkbenchError) else not_counted())
            self._noted["day"] = True
            return self._without_content(said)
        self._noted.pop("day", None)
        if warning is not None:
            self._say(warning)
        return parts

    def _without_content(self, said: Said) -> list[bytes] | None:
        """
        That a request of this page has an end, and nothing that the kernel could put words into.

        Above the day's limit a page would wait for ever without it.
        """
        asked = self._asked.get(said.parent["msg_id"])
        if asked is None or not (said.kind == "status" or said.kind.endswith("_reply")):
            return None
        message = self.session.msg(said.kind, content=said.bare(), parent=dict(asked))
        return [
            self.session.pack(message[part]) for part in ("header", "parent_header", "metadata", "content")
        ]

    def _record(self, asked: Asked, **more: Any) -> None:
        self.room.record(
            Event.CELL_EXECUTED,
            cell=asked.id,
            sha256=code_digest(asked.code),
            source=asked.code,
            kernel=str(self.kernel_id),
            **more,
        )

    def _say(self, notice: WorkbenchError) -> None:
        """Beneath the cell that runs; with none, beneath the next."""
        if self._last:
            self.write_stderr(both(notice), dict(self._last))
        else:
            self._unsaid.append(notice)

    def _say_what_waited(self) -> None:
        waiting, self._unsaid = self._unsaid, []
        for notice in waiting:
            self._say(notice)

    def on_kernel_restarted(self) -> None:
        """Say why beneath the last cell, where it was a limit that ended the kernel."""
        reason = self.room.why_ended(str(self.kernel_id))
        if reason is not None:
            # Before the restart: the page forgets its cells with it.
            self.write_stderr(both(reason), dict(self._last))
        super().on_kernel_restarted()

    def _answer_refused(self, header: Mapping[str, Any], refused: Refused) -> None:
        """What a kernel would answer to a piece of code that fails: the page does not wait for more."""
        failed = {"ename": "Refused", "evalue": both(refused), "traceback": [both(refused)]}
        self._answer(header, "error", failed, channel="iopub")
        self._answer_at_once(header, failed | {"status": "error", "execution_count": 0})

    def _answer_no_look(self, header: Mapping[str, Any]) -> None:
        """Nothing is completed or explained: its record could not be written."""
        self._answer_at_once(header, {"status": "error"})

    def _answer_at_once(self, header: Mapping[str, Any], content: dict[str, Any]) -> None:
        """The answer to a request, and that it is over: a page waits for both."""
        self._answer(header, "status", {"execution_state": "idle"}, channel="iopub")
        self._answer(header, str(header["msg_type"]).replace("_request", "_reply"), content)

    def _answer(
        self, header: Mapping[str, Any], kind: str, content: dict[str, Any], *, channel: str = "shell"
    ) -> None:
        answer = self.session.msg(kind, content=content, parent=dict(header))
        self.write_message(serialize_msg_to_ws_v1(answer, channel, self.session.pack), binary=True)

    def _look(self, message: Any) -> Asked | None:
        """A message of the one protocol that is spoken here; None where it is none that a kernel may get."""
        if self.subprotocol != "v1.kernel.websocket.jupyter.org":
            raise HTTPError(403, "only the v1 kernel websocket protocol is spoken here")
        _, parts = deserialize_msg_from_ws_v1(message)
        return asked(parts)


def remember(known: dict[str, Any], name: str, value: Any) -> None:
    """The last ones only: names come from the other side."""
    known.pop(name, None)
    known[name] = value
    if len(known) > REMEMBERED:
        del known[next(iter(known))]


def too_many() -> Refused:
    return Refused(
        ja="出力の回数が多すぎるため、しばらく表示を止めます。ループの中の出力を減らしてください。",
        en="There are too many outputs at once, so showing them pauses; print less in the loop.",
    )


def was_lost() -> Refused:
    most = LARGEST // MB
    return Refused(
        ja=f"カーネルの一つの出力が大きすぎて（{most} MB 超）受け取れず、続く出力の一部も失われました。先頭の行や集計だけを表示してください。",
        en=f"One output of the kernel was too large to be taken (more than {most} MB), and some after it are lost; show its first rows or a summary.",
    )


def not_counted() -> Unprotected:
    return Unprotected(
        ja="出力の量を記録できないため、表示しません（ディスクの空きを確かめてください）。",
        en="The amount of output cannot be recorded, so it is not shown; see that the disk has room.",
    )


def both(error: WorkbenchError) -> str:
    return f"{error.ja} / {error.en}"
