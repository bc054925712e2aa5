"""
The one conversation between a page and a kernel, over the server's websocket.

What is asked is in the log, on disk, before the kernel hears of it. The kernel is hostile: what it answers
is looked at before the page hears of it.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from jupyter_server.services.kernels.connection.base import (
    deserialize_msg_from_ws_v1,
    serialize_msg_to_ws_v1,
)
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from tornado.web import HTTPError

from workbench.audit import Event
from workbench.errors import Refused
from workbench.lab.outputs import SHOWING, described
from workbench.lab.run import code_digest

if TYPE_CHECKING:
    from workbench.lab.session import Session


class RecordedConnection(ZMQChannelsWebsocketConnection):
    """Every piece of code is in the log, on disk, before it is forwarded to the kernel."""

    _last: Mapping[str, Any] = MappingProxyType({})  # the header of the last piece of code

    @property
    def room(self) -> "Session":
        room: Session = self.multi_kernel_manager.kernel_spec_manager.room
        return room

    def handle_incoming_message(self, incoming_msg: Any) -> None:
        header, content = self._look(incoming_msg)
        if header.get("msg_type") == "execute_request":
            refused = self.room.why_not_run()
            if refused is not None:
                self._answer_refused(header, refused)
                return
            self._last = header
            source = str(content.get("code", ""))
            extra = content.get("user_expressions") or {}
            self.room.record(
                Event.CELL_EXECUTED,
                cell=str(header.get("msg_id", "")),
                sha256=code_digest(source),
                source=source,
                kernel=str(self.kernel_id),
                expressions=sorted(map(str, extra.values())),
            )
        super().handle_incoming_message(incoming_msg)

    def handle_outgoing_message(self, stream: Any, outgoing_msg: list[Any]) -> None:
        """What is shown is in the log by kind, size and digest."""
        _, (_, *parts) = self.session.feed_identities(outgoing_msg)
        header = self.get_part("header", None, parts)
        if header.get("msg_type") in SHOWING:
            parent = self.get_part("parent_header", None, parts)
            outputs = described(header["msg_type"], self.get_part("content", None, parts))
            self.room.shown(outputs, cell=str(parent.get("msg_id", "")), kernel=str(self.kernel_id))
        super().handle_outgoing_message(stream, outgoing_msg)

    def on_kernel_restarted(self) -> None:
        """Say why beneath the last cell, where it was a limit that ended the kernel."""
        reason = self.room.why_ended(str(self.kernel_id))
        if reason is not None:
            # Before the restart: the page forgets its cells with it.
            self.write_stderr(both(reason), dict(self._last))
        super().on_kernel_restarted()

    def _answer_refused(self, header: dict[str, Any], refused: Refused) -> None:
        """What a kernel would answer to a piece of code that fails: the page does not wait for more."""
        failed = {"ename": "Refused", "evalue": both(refused), "traceback": [both(refused)]}
        for channel, kind, content in (
            ("iopub", "error", failed),
            ("iopub", "status", {"execution_state": "idle"}),
            ("shell", "execute_reply", failed | {"status": "error", "execution_count": 0}),
        ):
            answer = self.session.msg(kind, content=content, parent=header)
            self.write_message(serialize_msg_to_ws_v1(answer, channel, self.session.pack), binary=True)

    def _look(self, message: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Header and content of a message of the one protocol that is spoken here."""
        if self.subprotocol != "v1.kernel.websocket.jupyter.org":
            raise HTTPError(403, "only the v1 kernel websocket protocol is spoken here")
        _, parts = deserialize_msg_from_ws_v1(message)
        return self.get_part("header", None, parts), self.get_part("content", None, parts)


def both(error: Refused) -> str:
    return f"{error.ja} / {error.en}"
