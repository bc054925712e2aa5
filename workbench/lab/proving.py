"""
Proving who somebody is takes long and much memory on purpose: a few at a time, in threads of their own.

So whoever stands before the door, however many they are, keeps nobody inside from leaving, and no lock from taking
hold. Who would wait too long is sent away at once, and one address never takes every place.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from workbench.errors import Refused

T = TypeVar("T")


class TooMany(Refused):
    """Sent away without having been asked anything."""


class Proving:
    """At most `most` proofs under way and waiting, `each` of them from one address, `at_once` under way."""

    def __init__(self, *, most: int, each: int, at_once: int = 1) -> None:
        self._most, self._each = most, each
        self._from: Counter[str] = Counter()
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="proof")

    async def of(self, prove: Callable[[], T], *, source: str = "") -> T:
        """What `prove` gives. Refused at once when too many wait."""
        if self._from.total() >= self._most or self._from[source] >= self._each:
            raise busy()
        self._from[source] += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, prove)
        finally:
            self._from -= Counter({source: 1})  # an address that waits for nothing is forgotten


def busy() -> TooMany:
    return TooMany(
        ja="ログインの試みが続いています。少し待ってからやり直してください。",
        en="Too many are trying to log in at once; wait a little and try again.",
    )
