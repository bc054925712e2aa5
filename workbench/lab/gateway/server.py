"""
The gateway of one session: a Unix socket, one thread per connection, one table of verbs.

A failure that is not one of our own refusals is a bug of ours. The kernel learns a reference number; the
text of the failure, which may hold values of the data, stays in the room's own file.
"""

import contextlib
import json
import os
import socket
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from workbench.audit import Event
from workbench.errors import Refused, WorkbenchError
from workbench.home import Home
from workbench.lab.gateway.protocol import Lines, TooLong, answer, parse, refusal

if TYPE_CHECKING:
    from workbench.lab.session import Session

Handler = Callable[["Session", dict[str, Any]], Any]


class Speaker(Protocol):
    """Whom a gateway answers: the session of a lab here, or of one on another machine."""

    @property
    def id(self) -> str: ...
    @property
    def home(self) -> Home: ...
    def record(self, event: Event, **details: Any) -> None:
        """An event of this session in the log."""


CONNECTIONS = 8  # at once
PER_MINUTE = 240  # requests
IDLE_SECONDS = 900
FAILURES = "gateway-failures.log"


class Rate:
    """A bucket that fills at a steady pace: so many requests a minute, and no debt carried over."""

    def __init__(self, per_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._left = float(per_minute)
        self._seen = clock()
        self._lock = threading.Lock()

    def why_not(self) -> Refused | None:
        """Take one request from the bucket, or say why not."""
        with self._lock:
            now = self._clock()
            self._left = min(self._per_minute, self._left + (now - self._seen) * self._per_minute / 60)
            self._seen = now
            if self._left >= 1:
                self._left -= 1
                return None
        return Refused(
            ja=f"依頼が多すぎます（1分に {self._per_minute} 回まで）。少し待ってからやり直してください。",
            en=f"Too many requests (at most {self._per_minute} a minute); wait a little and try again.",
        )


class Answering:
    """Answers the lines of one session, whatever way they come."""

    def __init__(self, session: "Speaker", verbs: Mapping[str, Handler]) -> None:
        self._session = session
        self._verbs = verbs
        self._rate = Rate(PER_MINUTE)
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()

    def end_talks(self) -> None:
        """End every talk that goes on."""
        with self._lock:
            open_ones = list(self._connections)
        for connection in open_ones:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def talk(self, connection: socket.socket, *, still: Callable[[], bool] = lambda: True) -> None:
        """Answer line after line until the other side is done, or `still` says before a line that it may ask no more."""
        # What the other side does to its socket is its own affair: the thread ends, the gateway stays.
        with connection, contextlib.suppress(OSError):
            connection.settimeout(IDLE_SECONDS)
            if not self._admit(connection):
                connection.sendall(refusal(too_many_connections()))
                return
            try:
                self._serve(connection, still)
            finally:
                with self._lock:
                    self._connections.discard(connection)

    def _admit(self, connection: socket.socket) -> bool:
        with self._lock:
            if len(self._connections) >= CONNECTIONS:
                return False
            self._connections.add(connection)
            return True

    def _serve(self, connection: socket.socket, still: Callable[[], bool]) -> None:
        lines = Lines(connection)
        while True:
            try:
                line = lines.read()
            except TooLong as error:
                connection.sendall(refusal(error))
                return
            if line is None or not still():
                return
            connection.sendall(self.reply(line))

    def reply(self, line: bytes) -> bytes:
        """The line that answers `line`. Never raises: what goes wrong becomes a sentence."""
        verb = "?"
        try:
            refused = self._rate.why_not()
            if refused:
                raise refused
            request = parse(line)
            verb = request["verb"]
            if verb not in self._verbs:
                raise unknown_verb(self._verbs)
            return answer(self._verbs[verb](cast("Session", self._session), request))
        except WorkbenchError as error:
            return refusal(error if self._may_cross(error) else self._failed(verb, error))
        except Exception as error:
            return refusal(self._failed(verb, error))

    def _may_cross(self, error: WorkbenchError) -> bool:
        """Our sentences for people in the room may name its folders; the kernel has no business with those."""
        return not any(str(self._session.home.path) in sentence for sentence in (error.ja, error.en))

    def _failed(self, verb: str, error: Exception) -> Refused:
        reference = os.urandom(4).hex()
        known = verb if verb in self._verbs else "?"
        note = {"reference": reference, "session": self._session.id, "verb": known}
        text = "".join(traceback.format_exception(error))
        path = self._session.home.path / FAILURES
        with open(
            os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8"
        ) as file:
            file.write(json.dumps(note | {"failure": text}, ensure_ascii=False) + "\n")
        with contextlib.suppress(Exception):  # the answer must not depend on the log being well
            self._session.record(Event.GATEWAY_FAILED, verb=known, reference=reference)
        return Refused(
            ja=f"総括側で処理できませんでした（番号 {reference}）。この番号を添えて総括担当に知らせてください。",
            en=f"The coordinating body's side could not do this (number {reference}); tell them this number.",
        )


class Gateway:
    """Listens at `path` for the kernels of `session`."""

    def __init__(self, path: Path, session: "Session", verbs: Mapping[str, Handler]) -> None:
        self.path = path
        self._session = session
        self._answering = Answering(session, verbs)
        self._listening = self._listen()
        self._thread = threading.Thread(target=self._accept, name="gateway", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening, end every talk."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._answering.end_talks()
        self._thread.join(timeout=5)
        self.path.unlink(missing_ok=True)

    def _listen(self) -> socket.socket:
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listening.bind(str(self.path))
        self.path.chmod(0o600)  # in time: nobody connects before it listens
        if self._session.owner:
            os.chown(self.path, self._session.owner, self._session.owner)
        listening.listen(CONNECTIONS)
        return listening

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._answering.talk, args=(connection,), daemon=True).start()


def too_many_connections() -> Refused:
    return Refused(
        ja=f"同時の接続は {CONNECTIONS} 本までです。使い終わった接続を閉じてください。",
        en=f"At most {CONNECTIONS} connections at once; close those you no longer use.",
    )


def unknown_verb(verbs: Mapping[str, Handler]) -> Refused:
    listed = ", ".join(sorted(verbs))
    return Refused(
        ja=f"その依頼はできません。できるのは {listed} です。",
        en=f"There is no such request; there are: {listed}.",
    )
