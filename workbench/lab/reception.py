"""
Who is in the room: one person at a time, since when, and until when.

A room is opened by a log-in and closed by a log-out, which ends its kernels. Somebody who does nothing for a
while has to log in again and finds the kernels running; after the longest time a log-in may last the room is
closed. What a cookie holds is known here by its digest only, and is worth nothing after a restart.
"""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.errors import Refused, WorkbenchError
from workbench.governance.accounts import Accounts, Enrolment, Login, not_admitted
from workbench.governance.people import Person, why_not
from workbench.governance.settings import policy_in_force
from workbench.home import Home
from workbench.lab.proving import Proving
from workbench.state import State

if TYPE_CHECKING:
    from workbench.lab.session import Session

MINUTE, HOUR = 60, 3600
LINK_SECONDS = 600
SECRET = 32
WAITING = 8  # log-ins, before the next is sent away at once
GOODBYE = 1008  # the websocket's code for "policy violation": the page does not try again at once


@dataclass
class Visit:
    """Somebody who is logged in. `seen` is when they last did something."""

    login: Login
    began: float
    seen: float
    sockets: set[Any] = field(default_factory=set)

    @property
    def person(self) -> Person:
        return self.login.person


class Reception:
    """
    Opens the room of `person` to whoever proves to be that person, and closes it.

    `open_room` opens their session. `when_room_changes` is told the session, and None when it is closed;
    `end_kernels` ends what runs, before that. `clock` counts seconds.
    """

    def __init__(
        self,
        home: Home,
        state: State,
        *,
        person: str,
        open_room: Callable[[], "Session"],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.home = home
        self.state = state
        self.person = person
        self.accounts = Accounts(home, state)
        self.room: Session | None = None
        self.when_room_changes: Callable[[Session | None], Any] = lambda _: None
        self.end_kernels: Callable[[], Awaitable[Any]] | None = None
        self._open_room = open_room
        self._clock = clock
        self._visit: tuple[str, Visit] | None = None
        self._link: tuple[str, float] | None = None
        self._room_since = 0.0
        self._door, self._proving = asyncio.Lock(), Proving(most=WAITING, each=WAITING)
        self._read_limits()

    async def log_in(self, name: str, words: str, code: str) -> str:
        """
        The secret of a new visit, for whoever gives passphrase and code. The work is done off the loop.

        Raises Refused: with one sentence for every reason that a stranger must not tell apart, with its own
        for somebody who proved who they are and may not enter.
        """
        login = await self._proving.of(lambda: self.accounts.log_in(name, words, code))
        async with self._door:
            return await self._enter(login)

    async def follow(self, link: str) -> str:
        """The secret of a new visit, for whoever has the link, once."""
        async with self._door:
            (known, until), self._link = self._link or ("", 0.0), None
            if known != digest(link) or until < self._clock():
                raise not_admitted()
            return await self._enter(self.accounts.admit(self.person, method="start link"))

    async def admit(self, *, method: str) -> str:
        """The secret of a new visit of this room's person, of whom somebody else is certain: `method` says who."""
        async with self._door:
            return await self._enter(self.accounts.admit(self.person, method=method))

    def link(self) -> str:
        """What opens the room once, soon, without a passphrase: in a demonstration, and nowhere else."""
        if not self.home.is_demonstration:
            raise Refused(
                ja="開始用のリンクは実演のホームでだけ作れます。ログインしてください。",
                en="A start link is made in a demonstration only; log in instead.",
            )
        made = secrets.token_urlsafe(SECRET)
        self._link = (digest(made), self._clock() + LINK_SECONDS)
        return made

    def visit(self, secret: str | None) -> Visit | None:
        """Whose secret this is, or None."""
        if self._visit is None or not secret or digest(secret) != self._visit[0]:
            return None
        return self._visit[1] if self._why_over(self._visit[1]) is None else None

    def is_here(self, visit: Visit) -> bool:
        """Whether this visit has not ended."""
        return self._visit is not None and self._visit[1] is visit and self._why_over(visit) is None

    def acted(self, visit: Visit) -> None:
        """Somebody did something; what a page does by itself is no act."""
        visit.seen = self._clock()

    async def log_out(self, visit: Visit) -> None:
        """End the visit and close the room."""
        async with self._door:
            if self._visit is not None and self._visit[1] is visit:
                self._end_visit(reason="logged_out")
                await self._close_room()

    async def change(self, visit: Visit, words: str, code: str, **changes: Any) -> Enrolment | None:
        """
        Change this visitor's passphrase or authenticator (`Accounts.change`); they have to log in again.

        Their kernels go on meanwhile, as after an idle log-in.
        """
        made = await self._proving.of(lambda: self.accounts.change(visit.person.id, words, code, **changes))
        async with self._door:
            if self._visit is not None and self._visit[1] is visit:
                self._end_visit(reason="changed")
        return made

    async def look_round(self) -> None:
        """End what has lasted too long, and what was locked; to be called every few seconds."""
        async with self._door:
            self._read_limits()
            over = self._why_over(self._visit[1]) if self._visit else None
            if self._visit and over is None and not self.accounts.holds(self._visit[1].login):
                over = "ended"
            if over is not None:
                self._end_visit(reason=over)
            # After an idle log-in its kernels go on, for their owner to come back to.
            is_old = self._clock() - self._room_since >= self._longest
            if over in ("too_long", "ended") or (self._visit is None and is_old):
                await self._close_room()

    async def close(self) -> None:
        """The server stops: everybody leaves."""
        self._end_visit(reason="ended")
        await self._close_room()

    async def _enter(self, login: Login) -> str:
        try:
            self._expect_admitted(login.person)
            if self.room is None:
                await self._open()
        except WorkbenchError:
            self.accounts.log_out(login, reason="ended")
            raise
        self._end_visit(reason="ended")  # one place at a time
        secret, now = secrets.token_urlsafe(SECRET), self._clock()
        self._visit = (digest(secret), Visit(login, now, now))
        return secret

    def _expect_admitted(self, person: Person) -> None:
        refused = why_not(person, "open_session")
        if refused is not None:
            raise refused
        if person.id != self.person:
            raise Refused(
                ja=f"この部屋は {self.person} さんのものです。自分の部屋を workbench lab start --as {person.id} で開いてください。",
                en=f"This is the room of {self.person}; open yours with 'workbench lab start --as {person.id}'.",
            )

    async def _open(self) -> None:
        self.room = await asyncio.to_thread(self._open_room)
        self._room_since = self._clock()
        self.when_room_changes(self.room)

    async def _close_room(self) -> None:
        room, self.room = self.room, None
        if room is None:
            return
        if self.end_kernels is not None:
            await self.end_kernels()
        self.when_room_changes(None)
        await asyncio.to_thread(room.close)

    def _end_visit(self, *, reason: str) -> None:
        if self._visit is None:
            return
        (_, visit), self._visit = self._visit, None
        session = {"session": self.room.id} if self.room is not None else {}
        self.accounts.log_out(visit.login, reason=reason, **session)
        for socket in list(visit.sockets):
            socket.close(GOODBYE, "logged out")

    def _why_over(self, visit: Visit) -> str | None:
        now = self._clock()
        if now - visit.began >= self._longest:
            return "too_long"
        return "idle" if now - visit.seen >= self._idle else None

    def _read_limits(self) -> None:
        policy = policy_in_force(self.state)
        self._idle = policy["session_idle_minutes"] * MINUTE
        self._longest = policy["session_hours"] * HOUR


def digest(secret: str) -> str:
    """A secret as it is kept: looking it up tells nothing of it by the time it takes."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
