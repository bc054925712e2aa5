"""
The log as a client of its process: appending goes over the socket, reading asks the file system.

Without the process the log is appended to directly, by whoever holds its key. With a process under a user
of its own nobody else holds the key, and the socket is the only way to append.
"""

import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from workbench.audit.events import Event
from workbench.audit.key import audit_key
from workbench.audit.log import Entry, Log, Verified
from workbench.audit.wire import SOCKET, answer_in, not_answering, peer_of, said, short_path
from workbench.errors import Unprotected, Untrusted, WorkbenchError
from workbench.home import Home

CHUNK = 1 << 16
PATIENCE = 60  # seconds for an answer


def open_log(home: Home) -> "Log | KeptLog":
    """The home's log: through its process when one is running, else directly."""
    connection = reach(home)
    if connection is not None:
        return KeptLog(home, connection)
    try:
        return Log.of(home)
    except PermissionError:
        raise not_answering() from None


class Connection:
    """One conversation with the log's process. Not for several threads."""

    def __init__(self, talk: socket.socket) -> None:
        self._talk = talk
        self._buffer = b""
        greeting = self._answers(1)[0]
        if isinstance(greeting, WorkbenchError):
            raise greeting
        self.records = greeting

    def append_all(self, entries: Sequence[Entry]) -> list[int | WorkbenchError]:
        """Ask for all, then wait for the answers; raises OSError when the other side is gone."""
        asked = b"".join(map(said, entries))
        if len(asked) > CHUNK:
            # What is asked and what is answered may both be more than the system buffers.
            threading.Thread(target=self._talk.sendall, args=(asked,), daemon=True).start()
        else:
            self._talk.sendall(asked)
        return self._answers(len(entries))

    def close(self) -> None:
        self._talk.close()

    def _answers(self, count: int) -> list[int | WorkbenchError]:
        found: list[int | WorkbenchError] = []
        while len(found) < count:
            *lines, self._buffer = self._buffer.split(b"\n")
            found += map(answer_in, lines)
            if len(found) < count:
                content = self._talk.recv(CHUNK)
                if not content:
                    raise ConnectionResetError
                self._buffer += content
        return found


class KeptLog:
    """The log of a home whose process is running."""

    def __init__(self, home: Home, connection: Connection) -> None:
        self._home = home
        self.folder = home.audit
        self._own = threading.local()
        self._own.connection, self._own.process = connection, os.getpid()

    def append(
        self,
        event: Event,
        actor: str,
        details: Mapping[str, Any],
        outbox: int = 0,
        *,
        time: str | None = None,
    ) -> None:
        """One record, on disk when this returns. Raises Unprotected when that was not confirmed."""
        [answer] = self.append_all([Entry(event, actor, details, outbox, time)])
        if isinstance(answer, WorkbenchError):
            raise answer

    def append_all(self, entries: Sequence[Entry]) -> list[int | WorkbenchError]:
        """
        Records, on disk when this returns.

        Where the process is gone, they are written directly by whoever may. Where it ended before it
        answered, that is done for entries with a number, which are written once; for others Unprotected is
        raised, because nobody knows.
        """
        try:
            connection = self._connection()
        except ConnectionRefusedError:
            return self._directly(entries)
        try:
            return connection.append_all(entries)
        except (OSError, ValueError):
            self._own.connection = None
        if not all(entry.outbox for entry in entries):
            raise not_answering()
        return self._directly(entries)

    def verify(
        self, at_least: int = 0, *, keep: Callable[[dict[str, Any]], object] | None = None
    ) -> Verified:
        """As the log itself does; only who may read the log's files can."""
        return self._file.verify(at_least, keep=keep)

    def records(self) -> list[dict[str, Any]]:
        """Every record, oldest first, after verifying the log."""
        return self._file.records()

    def of_kind(self, event: Event) -> list[dict[str, Any]]:
        """The records of one kind; only who may read the log's files can."""
        return self._file.of_kind(event)

    @property
    def count(self) -> int:
        """How many records there are, as the process tells whoever connects."""
        connection = reach(self._home)
        if connection is None:
            raise not_answering()
        connection.close()
        return connection.records

    @property
    def end(self) -> Any:
        return self._file.end

    @contextmanager
    def locked(self, *, shared: bool = False) -> Iterator[None]:
        """The process makes the one chain; nothing is to be held against it."""
        yield

    def _directly(self, entries: Sequence[Entry]) -> list[int | WorkbenchError]:
        return open_log(self._home).append_all(entries)

    def _connection(self) -> Connection:
        found: Connection | None = getattr(self._own, "connection", None)
        # After a fork the conversation is the parent's.
        if found is None or self._own.process != os.getpid():
            found = reach(self._home)
            if found is None:
                raise ConnectionRefusedError
            self._own.connection, self._own.process = found, os.getpid()
        return found

    @cached_property
    def _file(self) -> Log:
        try:
            return Log(self._home.audit, audit_key(self._home))
        except PermissionError:
            raise not_readable() from None


def reach(home: Home, *, again: bool = True) -> Connection | None:
    """A conversation with the home's log process, or None when there is none."""
    path = home.path / SOCKET
    if not path.exists():
        return None
    talk = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    talk.settimeout(PATIENCE)
    try:
        with short_path(path) as name:
            talk.connect(name)
    except (ConnectionRefusedError, FileNotFoundError):
        talk.close()
        return None
    except PermissionError:
        talk.close()
        raise not_admitted() from None
    expect_keeper(talk, home.audit)
    try:
        return Connection(talk)
    except ConnectionResetError:
        talk.close()
        if again:
            # It does not admit us, or ended this very moment: then nobody answers a second time.
            return reach(home, again=False)
        raise not_admitted() from None


def expect_keeper(talk: socket.socket, folder: Path) -> None:
    """Somebody else's socket must not swallow what is meant for the log."""
    _, user = peer_of(talk)
    if user not in {0, os.geteuid(), folder.stat().st_uid}:
        talk.close()
        raise Untrusted(
            ja="監査ログのソケットの向こうは、ログの持ち主ではありません。操作を止め、監査責任者に連絡してください。",
            en="Behind the log's socket is somebody who does not own the log; stop and tell the audit officer.",
        )


def not_admitted() -> Unprotected:
    return Unprotected(
        ja="監査ログのプロセスは、この利用者からの記録を受け付けません。workbench audit serve --admit で許可してください。",
        en="The log's process does not take records from this user; admit them with 'workbench audit serve --admit'.",
    )


def not_readable() -> Unprotected:
    return Unprotected(
        ja="監査ログは専用の利用者のものなので、ここからは読めません。管理者の権限で読むか、監査責任者に依頼してください。",
        en="The log belongs to a user of its own and cannot be read from here; read it as root or ask the audit officer.",
    )
