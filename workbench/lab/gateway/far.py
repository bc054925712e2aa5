"""
The room's gateway for other machines: TLS 1.3, both sides with a pinned certificate.

The certificate is the identity, as the socket is on one machine: it says which analyst, on which host, for which
purpose, and nothing in a request can say otherwise. A connection without one of the admitted certificates is
closed before a line of it is read.
"""

import contextlib
import secrets
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workbench.artifact.canonical import sha256
from workbench.audit import Event
from workbench.errors import Unusable, WorkbenchError
from workbench.governance.training import Trainings
from workbench.home import Home
from workbench.lab.gateway.certificates import Clients, FarSocket, server_context
from workbench.lab.gateway.protocol import refusal
from workbench.lab.gateway.server import Answering, Handler, Rate
from workbench.release.catalogue import mounts
from workbench.release.staging import expect
from workbench.state import State

CONNECTIONS = 64  # of all hosts at once
HANDSHAKE_SECONDS = 10
SESSION_SECONDS = 900
NOTED_PER_MINUTE = 6  # refused connections; more would let anybody fill the log


@dataclass
class FarSession:
    """An analyst at work on another machine, as the verbs of the gateway see it."""

    home: Home
    state: State
    far: FarSocket
    datasets: dict[str, Path]
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    opened: float = field(default_factory=time.monotonic)

    @property
    def analyst(self) -> str:
        return self.far.analyst

    @property
    def project(self) -> str:
        return self.far.purpose

    def record(self, event: Event, **details: Any) -> None:
        """An event of this session in the log, with the host it came from."""
        self.state.record(event, actor=self.analyst, session=self.id, host=self.far.host, **details)

    @classmethod
    def open(cls, home: Home, state: State, far: FarSocket) -> "FarSession":
        """Refused for who may not open a session; the datasets were verified just now."""
        now = datetime.now(UTC)
        expect(Trainings(home, state).why_not_kernel(far.analyst, now=now))
        found = mounts(home, state, analyst=far.analyst, purpose=far.purpose, now=now)
        session = cls(home, state, far, {name: opened.folder for name, opened in found.items()})
        session.record(Event.GATEWAY_OPENED, analyst=far.analyst, project=far.purpose)
        return session


class FarGateway:
    """Listens at an address for the hosts whose certificates are admitted."""

    def __init__(
        self, home: Home, state: State, verbs: Mapping[str, Handler], *, address: str, port: int
    ) -> None:
        self._home = home
        self._state = state
        self._verbs = verbs
        self._clients = Clients(state)
        self._places = threading.BoundedSemaphore(CONNECTIONS)
        self._noted = Rate(NOTED_PER_MINUTE)
        self._open: dict[FarSocket, tuple[FarSession, Answering]] = {}
        self._lock = threading.Lock()
        server_context(home, clients=[])  # what is missing is said now, not to the first who connects
        self._listening = listen(address, port)
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="far-gateway", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Until it is closed."""
        self._thread.join()

    def close(self) -> None:
        """Stop listening, end every talk and every session."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(timeout=5)
        with self._lock:
            for session, answering in self._open.values():
                answering.end_talks()
                session.record(Event.GATEWAY_CLOSED)
            self._open.clear()

    def _accept(self) -> None:
        while True:
            try:
                connection, (address, *_) = self._listening.accept()
            except OSError:
                return
            if not self._places.acquire(blocking=False):
                connection.close()
                continue
            threading.Thread(target=self._meet, args=(connection, address), daemon=True).start()

    def _meet(self, connection: socket.socket, address: str) -> None:
        try:
            with connection:
                self._talk(connection, address)
        except Exception:  # a stranger's doing must not end the gateway
            self._note(address, "failed")
        finally:
            self._places.release()

    def _talk(self, connection: socket.socket, address: str) -> None:
        pinned = self._clients.pinned()
        connection.settimeout(HANDSHAKE_SECONDS)
        tls = server_context(self._home, clients=[pem for _, pem in pinned.values()])
        try:
            known = tls.wrap_socket(connection, server_side=True)
        except OSError:
            self._note(address, "handshake")
            return
        with known:
            shown = known.getpeercert(binary_form=True) or b""
            if sha256(shown) not in pinned:
                self._note(address, "certificate")
                return
            far, _ = pinned[sha256(shown)]
            try:
                answering = self._answering(far)
            except WorkbenchError as error:
                known.sendall(refusal(error))
                return
            answering.talk(known, still=lambda: self._may_ask(far, sha256(shown), answering))

    def _may_ask(self, far: FarSocket, certificate: str, answering: Answering) -> bool:
        """Whether who connected may ask one more thing: the certificate is admitted, the session is the one of now."""
        try:
            return certificate in self._clients.pinned() and self._answering(far) is answering
        except WorkbenchError:
            return False

    def _answering(self, far: FarSocket) -> Answering:
        """The session of this socket; opened anew, and its datasets verified again, every quarter of an hour."""
        with self._lock:
            session, answering = self._open.get(far, (None, None))
            if answering is not None and session is not None:
                if time.monotonic() - session.opened < SESSION_SECONDS:
                    return answering
                del self._open[far]
                answering.end_talks()
                session.record(Event.GATEWAY_CLOSED)
            session = FarSession.open(self._home, self._state, far)
            answering = Answering(session, self._verbs)
            self._open[far] = session, answering
            return answering

    def _note(self, address: str, reason: str) -> None:
        if self._noted.why_not() is None:
            with contextlib.suppress(Exception):
                self._state.record(Event.GATEWAY_REFUSED, actor="workbench", address=address, reason=reason)


def listen(address: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address, port))
        listening.listen(CONNECTIONS)
    except OSError:
        raise Unusable(
            ja=f"{address} の {port} 番で待ち受けられません。この機械の番地か、空いている番号を指定してください。",
            en=f"Nothing can listen at {address}, port {port}; name an address of this machine and a free port.",
        ) from None
    return listening
