"""
The log of a scoring stage that has no home: one line for each batch, chained to the line before.

A line says what was scored with what and what came out, by digests and counts; never a value of a row. The
chain shows a line that was changed, put in or taken out. Whoever may write here can still write the whole
file anew or cut its end: hand the last line's digest to somebody else (`workbench score` prints it).
"""

import fcntl
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from workbench.artifact.canonical import canonical, parse_canonical, sha256
from workbench.artifact.times import to_text
from workbench.errors import Untrusted

SCHEMA = "riskflag-batch-log/1"
GENESIS = "0" * 64
KEYS = frozenset({"schema", "number", "previous", "time", "by", "event", "details"})


def append(path: Path, *, event: str, by: str, now: datetime, details: Mapping[str, Any]) -> str:
    """
    Add a line and return its digest; it is on disk when this returns.

    Raises Untrusted, and writes nothing, where the lines before do not hold.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "r+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        lines = verified(file.readall())
        line = canonical(
            {
                "schema": SCHEMA,
                "number": len(lines) + 1,
                "previous": lines[-1][0] if lines else GENESIS,
                "time": to_text(now),
                "by": by,
                "event": event,
                "details": dict(details),
            }
        )
        file.write(line + b"\n")
        os.fsync(file.fileno())
    return sha256(line)


def read(path: Path) -> list[dict[str, Any]]:
    """Every line, oldest first. Raises Untrusted at the first that does not hold."""
    return [line for _, line in verified(path.read_bytes() if path.exists() else b"")]


def verified(content: bytes) -> list[tuple[str, dict[str, Any]]]:
    """Each line with its digest."""
    found: list[tuple[str, dict[str, Any]]] = []
    if content and not content.endswith(b"\n"):
        raise broken(content.count(b"\n") + 1)
    for number, line in enumerate(content.splitlines(), start=1):
        value = parse_canonical(line, name="batches.jsonl")
        previous = found[-1][0] if found else GENESIS
        whole = isinstance(value, dict) and set(value) == KEYS and value["schema"] == SCHEMA
        if not whole or (value["number"], value["previous"]) != (number, previous):
            raise broken(number)
        found.append((sha256(line), value))
    return found


def broken(number: int) -> Untrusted:
    return Untrusted(
        ja=f"判定の記録（batches.jsonl）の {number} 行目が前の行とつながりません。控えと比べ、監査責任者に連絡してください。",
        en=f"Line {number} of the batch log does not follow the one before; compare it with a copy and tell the auditor.",
    )
