"""
What left a kernel for the page, as the log may hold it: mime type, size and digest, never the content.

Outputs are written down behind the code that made them, many with one flush: a page full of output must not
wait for the disk once per line. A session that closes writes down what is left.
"""

import contextlib
import hashlib
import json
import queue
import re
import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from workbench.audit import Event
from workbench.audit.log import Entry
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    from workbench.lab.session import Session

# The messages that show something, and the output of a notebook that becomes of each.
SHOWING = frozenset({"stream", "display_data", "update_display_data", "execute_result", "error"})
MIME = re.compile(r"[a-z]{1,20}/[a-z0-9][a-z0-9.+-]{0,60}", re.ASCII)
TOLD_EACH = 50  # outputs of one cell in one record; the rest are told together

Output = dict[str, Any]


def described(kind: str, content: Mapping[str, Any]) -> list[Output]:
    """One entry for each representation that the page gets of this output."""
    if kind == "stream":
        return [one("text/plain", content.get("text", ""))]
    if kind == "error":
        return [one("text/x-traceback", "\n".join(map(str, content.get("traceback", []))))]
    data = content.get("data") or {}
    return [one(str(mime), value) for mime, value in sorted(data.items())]


def one(mime: str, value: Any) -> Output:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
    content = text.encode("utf-8", "surrogatepass")
    # A kernel may call an output what it likes; its name is not to be a value either.
    named = mime if MIME.fullmatch(mime) else "unknown"
    return {"mime": named, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def of_cell(outputs: Iterable[Mapping[str, Any]]) -> list[Output]:
    """The outputs of an executed cell of a notebook."""
    return [entry for output in outputs for entry in described(str(output["output_type"]), output)]


def told(outputs: list[Output]) -> dict[str, Any]:
    """
    The outputs as details of a record: the first ones each, the rest by number and size.

    What has a reason (`why`) did not reach the page.
    """
    shown = [entry for entry in outputs if "why" not in entry]
    withheld = [entry for entry in outputs if "why" in entry]
    rest = shown[TOLD_EACH:]
    more = {"more": len(rest), "more_size": sum(entry["size"] for entry in rest)} if rest else {}
    kept = {"withheld": withheld[:TOLD_EACH], "more_withheld": max(len(withheld) - TOLD_EACH, 0)}
    return {"outputs": shown[:TOLD_EACH], **more, **(kept if withheld else {})}


class OutputLog:
    """Writes down outputs of one session, on a thread of its own."""

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._waiting: queue.SimpleQueue[tuple[str | int, str, list[Output]] | None] = queue.SimpleQueue()
        self._unwritten: list[Entry] = []
        self._thread = threading.Thread(target=self._write, name="outputs", daemon=True)
        self._thread.start()

    def note(self, *, cell: str | int, kernel: str, outputs: list[Output]) -> None:
        """Outputs of a cell; returns at once."""
        self._waiting.put((cell, kernel, outputs))

    def close(self) -> None:
        """Write down what waits, and end."""
        self._waiting.put(None)
        self._thread.join()

    def _write(self) -> None:
        going = True
        while going:
            batch = [self._waiting.get()]
            while not self._waiting.empty():
                batch.append(self._waiting.get())
            going = None not in batch
            gathered: dict[tuple[str | int, str], list[Output]] = {}
            for cell, kernel, outputs in filter(None, batch):
                gathered.setdefault((cell, kernel), []).extend(outputs)
            self._append(gathered)

    def _append(self, gathered: Mapping[tuple[str | int, str], list[Output]]) -> None:
        session = self._session
        self._unwritten += [
            Entry(
                Event.OUTPUT_SENT,
                session.analyst,
                {"session": session.id, "cell": cell, "kernel": kernel, **told(outputs)},
            )
            for (cell, kernel), outputs in gathered.items()
        ]
        # The log refuses the next piece of code as well while it does not answer; what was shown until then
        # is written as soon as it does.
        with contextlib.suppress(WorkbenchError, OSError):
            if self._unwritten:
                session.state.log.append_all(self._unwritten)
                self._unwritten = []
