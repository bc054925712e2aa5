"""
The Jupyter server's locks: who is asking, what they may ask for, which files, which messages.

The server stands in the room and acts for an analyst whose kernel is hostile. What is not in a table here
is refused. Nothing here lets a file out: downloads and conversions leave through the release door only.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from jupyter_server.auth import Authorizer, IdentityProvider, User
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from jupyter_server.services.kernels.connection.base import (
    deserialize_msg_from_ws_v1,
    serialize_msg_to_ws_v1,
)
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.web import HTTPError
from traitlets import Unicode

from workbench.audit import Event
from workbench.errors import NotFound, Refused
from workbench.lab.kernels import KERNEL, closed
from workbench.lab.outputs import SHOWING, described
from workbench.lab.run import code_digest
from workbench.lab.workspace import Workspace

if TYPE_CHECKING:
    from workbench.lab.session import Session

# What an analyst may do through the server; a resource or an action that is not here is refused.
ALLOWED: MappingProxyType[str, frozenset[str]] = MappingProxyType(
    {
        "api": frozenset({"read"}),
        "config": frozenset({"read"}),
        "contents": frozenset({"read", "write"}),
        "csp": frozenset({"write"}),
        "events": frozenset({"read"}),
        "kernels": frozenset({"read", "write", "execute"}),
        "kernelspecs": frozenset({"read"}),
        "sessions": frozenset({"read", "write"}),
    }
)
# Ways out of the server that share a resource with what is allowed.
WAYS_OUT = ("/files/", "/view/", "/nbconvert/")
WAYS_OUT_ENDING = ("/trust",)

MESSAGES = (
    "execute_request",
    "complete_request",
    "inspect_request",
    "is_complete_request",
    "history_request",
    "kernel_info_request",
    "interrupt_request",
    "shutdown_request",
    "input_reply",
    "comm_info_request",
)


class LabIdentity(IdentityProvider):
    """Whoever has the token is the analyst that the session was opened for."""

    analyst = Unicode(config=True)

    def generate_anonymous_user(self, handler: Any) -> User:
        return User(username=self.analyst, name=self.analyst, display_name=self.analyst)


class LabAuthorizer(Authorizer):
    """Denies by default."""

    def is_authorized(self, handler: Any, user: User, action: str, resource: str) -> bool:
        path = handler.request.path
        if any(way in path for way in WAYS_OUT) or path.endswith(WAYS_OUT_ENDING):
            return False
        return action in ALLOWED.get(resource, frozenset())


class LabContents(AsyncLargeFileManager):
    """The workspace's plain files. Links, pipes and what has two names are refused, not followed."""

    def _get_os_path(self, path: str) -> str:
        found: str = super()._get_os_path(path)
        try:
            self._workspace.expect_plain(os.path.relpath(found, self.root_dir))
        except NotFound:
            pass
        except Refused as error:
            raise HTTPError(403, error.en) from None
        return found

    async def save(self, model: Any, path: str = "") -> Any:
        """Save, and give the file to the kernel's user: the analyst's code works in the same folder."""
        saved = await super().save(model, path)
        owner = self._workspace.owner
        if owner:
            os.chown(self._get_os_path(path.strip("/")), owner, owner, follow_symlinks=False)
        return saved

    @property
    def _workspace(self) -> Workspace:
        return Workspace(Path(self.root_dir))


class LabKernels(AsyncMappingKernelManager):
    """Starts our kernel only, and always lets the server stop."""

    async def start_kernel(
        self, *, kernel_id: str | None = None, path: str | None = None, **given: Any
    ) -> str:
        """Refuse another kernel before anything is set aside for it: Jupyter would not forget it again."""
        if given.get("kernel_name", KERNEL) not in (None, KERNEL):
            raise HTTPError(403, closed().en)
        started: str = await super().start_kernel(kernel_id=kernel_id, path=path, **given)
        return started

    async def shutdown_all(self, now: bool = False) -> None:
        """End the kernels politely; one that failed to start must not keep the server up."""
        try:
            await super().shutdown_all(now=now)
        except Exception:
            # The session ends whatever is left, right after the server.
            self.log.error("kernels are ended by their session", exc_info=True)


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
