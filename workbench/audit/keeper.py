"""
The log in a process of its own: whoever may append says so on a Unix socket, and can do nothing else there.

What arrives while one flush is under way is written with the next one, all together (group commit); each
client is answered once its record is on disk. Each record carries the process and the user that the
operating system names for the other side (SO_PEERCRED); a user who is not admitted is not listened to.
"""

import os
import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.audit.append_only import is_append_only
from workbench.audit.events import Event
from workbench.audit.log import LOG, Entry, Log
from workbench.audit.wire import LARGEST, answered, heard, line, no_event, peer_of, short_path
from workbench.errors import Unprotected, WorkbenchError

CONNECTIONS = 256
BATCH = 1024
CHUNK = 1 << 16
# Who asked in the last two batches will ask again; they are waited for this part of a flush, so that all
# come together: else two groups form that wait for each other's flushes.
PATIENCE = 0.5


@dataclass(eq=False)
class Client:
    """One connection: who it is, what came of its next line, and what it is still to be told."""

    connection: socket.socket
    peer: dict[str, Any]
    buffer: bytearray = field(default_factory=bytearray)


Asked = tuple[Client, bytes]


class Keeper:
    """
    Keeps `log` for the users in `admitted`, on `listening`.

    `checkpoint` is called between two appends when `due` says so, and at the end.
    """

    def __init__(
        self,
        log: Log,
        listening: socket.socket,
        *,
        admitted: frozenset[int],
        own_uid: bool = False,
        checkpoint: Callable[[Log], None] = lambda _: None,
        due: Callable[[int], bool] = lambda _: False,
    ) -> None:
        self._log = log
        self._listening = listening
        self._admitted = admitted
        self._own_uid = own_uid
        self._checkpoint = checkpoint
        self._due = due
        self._selector = selectors.DefaultSelector()
        self._clients = 0
        self._lately: tuple[frozenset[Client], ...] = (frozenset(), frozenset())
        self._flush_seconds = 0.0
        self._stopped = False
        self._records = 0
        listening.setblocking(False)
        self._selector.register(listening, selectors.EVENT_READ, None)

    def stop(self, *_: object) -> None:
        """Finish what is under way, then end. May be called from a signal."""
        self._stopped = True

    def stop_with(self, handle: int) -> None:
        """End when the other side of this pipe is gone: with the process that started this one."""
        self._selector.register(handle, selectors.EVENT_READ, self.stop)

    def run(self, *, ready: Callable[[], None] = lambda: None) -> None:
        """Keep the log until stopped; `ready` is called when it may be spoken to."""
        self._log.recover()
        self._note(Event.AUDIT_OPENED, **self._protections())
        ready()
        while not self._stopped:
            asked = self._gather()
            if asked:
                self._serve(asked)
            if self._due(self._records):
                self._keep_elsewhere()
        self._note(Event.AUDIT_CLOSED, uid=os.getuid())
        self._keep_elsewhere()
        self._log.settle()

    def _keep_elsewhere(self) -> None:
        """A place that cannot be reached does not stop the log; that it was not reached is in the log."""
        try:
            self._checkpoint(self._log)
        except (OSError, WorkbenchError) as error:
            self._note(Event.AUDIT_NOT_KEPT, reason=type(error).__name__)

    def _note(self, event: Event, **details: Any) -> None:
        self._log.append(event, "workbench", details)

    def _protections(self) -> dict[str, Any]:
        """What keeps this log, said in the log itself: an auditor sees which guarantee was in force."""
        return {
            "uid": os.getuid(),
            "own_uid": self._own_uid,
            "append_only": is_append_only(self._log.folder / LOG),
            "admitted": sorted(self._admitted),
        }

    def _gather(self) -> list[Asked]:
        """What is asked for now; those who asked lately are waited for a moment."""
        asked = self._ready(timeout=1.0)
        until = time.monotonic() + self._flush_seconds * PATIENCE
        expected = frozenset().union(*self._lately)
        while asked and not expected <= {client for client, _ in asked}:
            left = until - time.monotonic()
            if left <= 0 or len(asked) >= BATCH:
                break
            asked += self._ready(timeout=left)
        return asked

    def _ready(self, *, timeout: float) -> list[Asked]:
        asked: list[Asked] = []
        for key, _ in self._selector.select(timeout):
            if key.fileobj is self._listening:
                self._accept()
            elif isinstance(key.data, Client):
                asked += self._read(key.data)
            else:
                key.data()
        return asked

    def _accept(self) -> None:
        try:
            connection, _ = self._listening.accept()
        except OSError:
            return
        process, user = peer_of(connection)
        if user not in self._admitted or self._clients >= CONNECTIONS:
            connection.close()
            return
        client = Client(connection, {"uid": user, "pid": process, "socket": True})
        connection.setblocking(False)
        self._clients += 1
        self._selector.register(connection, selectors.EVENT_READ, client)
        self._send(client, line({"records": self._log.count}))

    def _read(self, client: Client) -> list[Asked]:
        try:
            content = client.connection.recv(CHUNK)
        except BlockingIOError:
            return []
        except OSError:
            content = b""
        if not content or len(client.buffer) > LARGEST:
            self._drop(client)
            return []
        client.buffer += content
        if b"\n" not in content:
            return []
        *lines, rest = bytes(client.buffer).split(b"\n")
        client.buffer = bytearray(rest)
        return [(client, asked) for asked in lines]

    def _serve(self, asked: list[Asked]) -> None:
        self._lately = (self._lately[1], frozenset(client for client, _ in asked))
        began = time.monotonic()
        for at in range(0, len(asked), BATCH):
            self._append(asked[at : at + BATCH])
        self._flush_seconds = time.monotonic() - began

    def _append(self, asked: list[Asked]) -> None:
        """One flush for all of `asked`; each is answered after it."""
        entries: list[Entry] = []
        answers: dict[int, int | WorkbenchError] = {}
        places: list[int] = []
        for place, (client, content) in enumerate(asked):
            try:
                entries.append(heard(content, peer=client.peer))
                places.append(place)
            except WorkbenchError as error:
                answers[place] = error
        answers |= zip(places, written(self._log, entries), strict=True)
        self._records = max([self._records, *(n for n in answers.values() if isinstance(n, int))])
        told: dict[Client, bytes] = {}
        for place, (client, _) in enumerate(asked):
            told[client] = told.get(client, b"") + answered(answers[place])
        for client, content in told.items():
            self._send(client, content)

    def _send(self, client: Client, content: bytes) -> None:
        """Answer; a client that does not take its answers is let go, so that nobody waits for it."""
        try:
            if client.connection.send(content) != len(content):
                raise BlockingIOError
        except OSError:
            self._drop(client)

    def _drop(self, client: Client) -> None:
        if client.connection.fileno() >= 0:
            self._selector.unregister(client.connection)
            client.connection.close()
            self._clients -= 1
            self._lately = tuple(group - {client} for group in self._lately)


def written(log: Log, entries: list[Entry]) -> list[int | WorkbenchError]:
    """The answers to entries; what makes all of them fail is told to each."""
    if not entries:
        return []
    try:
        return log.append_all(entries)
    except WorkbenchError as error:
        return [error] * len(entries)
    except OSError:
        return [cannot_write()] * len(entries)
    except Exception:
        # One that cannot be spelled must not take the others with it.
        return [no_event()] if len(entries) == 1 else [written(log, [entry])[0] for entry in entries]


def listen(path: Path, *, everybody: bool) -> socket.socket:
    """The socket at `path`. With `everybody`, who may speak is decided by the user on the other side alone."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    path.unlink(missing_ok=True)
    with short_path(path) as name:
        listening.bind(name)
    path.chmod(0o666 if everybody else 0o600)
    listening.listen(CONNECTIONS)
    return listening


def cannot_write() -> Unprotected:
    return Unprotected(
        ja="監査ログに書き込めません（ディスクの空きか権限）。記録できないため、この操作は行いません。空きを作り、やり直してください。",
        en="The log cannot be written (room on the disk, or permission), so this is not done; make room and try again.",
    )
