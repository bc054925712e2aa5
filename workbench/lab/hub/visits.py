"""
Who reads the review pages, since when, and until when.

A page that is left open is over after the policy's idle time, as a room is, and leads through the hub's log-out:
what the hub still says of that log-in lets nobody in again. What is kept of a browser is a digest of its token.
"""

import hashlib
import time
from collections.abc import Callable

from workbench.errors import WorkbenchError
from workbench.governance.accounts import HUB, Accounts
from workbench.governance.settings import policy_in_force
from workbench.lab.reception import HOUR, MINUTE, Visit


class Visits:
    """The visits of every browser that a hub sends. `clock` counts seconds."""

    def __init__(self, accounts: Accounts, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.accounts = accounts
        self._clock = clock
        self._visits: dict[str, Visit] = {}
        self._over: set[str] = set()

    def is_here(self, person: str, token: str, *, acts: bool) -> bool:
        """
        Whether this browser's log-in at the hub is good here; its first request begins a visit.

        `acts` says whether somebody caused the request: what a page or a program asks for by itself keeps
        nobody here.
        """
        self.look_round()
        browser = hashlib.sha256(f"{person} {token}".encode()).hexdigest()
        if browser in self._over or self.accounts.has_timed_out(person):
            return False
        now = self._clock()
        if browser not in self._visits:
            try:
                login = self.accounts.admit(person, method=HUB)
            except WorkbenchError:
                return False
            self._visits[browser] = Visit(login, now, now)
        if acts:
            self._visits[browser].seen = now
        return True

    def look_round(self) -> None:
        """End what has lasted too long, and what was locked; to be called every few seconds."""
        for browser, visit in list(self._visits.items()):
            reason = self._why_over(visit)
            if reason is not None:
                del self._visits[browser]
                self._over.add(browser)
                self.accounts.log_out(visit.login, reason=reason)

    def close(self) -> None:
        """The pages end: everybody leaves."""
        for visit in self._visits.values():
            self.accounts.log_out(visit.login, reason="ended")
        self._visits.clear()

    def _why_over(self, visit: Visit) -> str | None:
        policy, now = policy_in_force(self.accounts.state), self._clock()
        if now - visit.began >= policy["session_hours"] * HOUR:
            return "too_long"
        if now - visit.seen >= policy["session_idle_minutes"] * MINUTE:
            return "idle"
        return None if self.accounts.holds(visit.login) else "ended"
