"""
Code that a page asks the kernel to complete or to explain: recorded whole, as code that runs is.

A kernel looks at such code while somebody types, and a hostile one's objects can run on that look. So it hears
of it when its record is on disk, and not before. Nobody else waits for that disk: what came meanwhile is
written with one flush, and the page's other messages pass.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from workbench.audit import Event
from workbench.audit.log import Entry
from workbench.errors import WorkbenchError
from workbench.lab.incoming import Asked
from workbench.lab.run import code_digest

if TYPE_CHECKING:
    from workbench.lab.session import Session

LOOKS = frozenset({"complete_request", "inspect_request", "is_complete_request"})
MOST_WAITING = 256


class Looks:
    """
    The looks of one page at code, in order.

    `pass_on` is given a message whose record is on disk, `refuse` the header of one that has none.
    """

    def __init__(self, *, pass_on: Callable[[Any], Any], refuse: Callable[[Mapping[str, Any]], Any]) -> None:
        self._pass_on, self._refuse = pass_on, refuse
        self._waiting: list[tuple[Entry, Mapping[str, Any], Any]] = []
        self._writing: asyncio.Task[None] | None = None

    def add(self, message: Any, entry: Entry, *, header: Mapping[str, Any], room: "Session") -> None:
        """Returns at once; to be called on the loop."""
        if len(self._waiting) >= MOST_WAITING:
            self._refuse(header)
            return
        self._waiting.append((entry, header, message))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.ensure_future(self._write(room))

    async def _write(self, room: "Session") -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            entries = [entry for entry, _, _ in batch]
            try:
                answers = await asyncio.to_thread(room.state.log.append_all, entries)
            except (WorkbenchError, OSError, ValueError) as failed:
                answers = [failed] * len(batch)  # type: ignore[list-item]
            for (_, header, message), answer in zip(batch, answers, strict=True):
                if isinstance(answer, Exception):
                    self._refuse(header)
                else:
                    self._pass_on(message)


def entry_of(room: "Session", asked: Asked, *, kernel: str) -> Entry:
    """The record of one look: its code whole, and which message asked for it."""
    details = {"cell": asked.id, "kind": asked.kind}
    text = {"sha256": code_digest(asked.code), "source": asked.code, "kernel": kernel, "session": room.id}
    return Entry(Event.CODE_LOOKED_AT, room.analyst, {**details, **text})
