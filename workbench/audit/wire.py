"""
What is said on the log's socket: one JSON line per message, and who is on the other side.

A client says nothing but events to append; each line is answered by one. There is no other verb: nothing
can be read, changed or asked for.
"""

import json
import os
import re
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from workbench.audit.events import Event
from workbench.audit.log import Entry
from workbench.errors import FAMILIES, Unprotected, Untrusted, Unusable, WorkbenchError

SOCKET = "audit.sock"
LARGEST = 32 << 20
FIELDS = {"event", "actor", "details", "outbox", "time"}
TIME = re.compile(r"[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}\.[0-9]{6}Z", re.ASCII)


SPELLED = json.JSONEncoder(separators=(",", ":")).encode


def refuse(_: str) -> NoReturn:
    """JSON has no NaN and no infinity."""
    raise ValueError


PARSED = json.JSONDecoder(parse_constant=refuse).decode


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """A name of the socket that fits into the 108 bytes that the system has for it."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def peer_of(connection: socket.socket) -> tuple[int, int]:
    """Process and user on the other side, as the kernel of the operating system vouches for them."""
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    process, user, _ = struct.unpack("3i", told)
    return process, user


def said(entry: Entry) -> bytes:
    """The line that asks for an entry."""
    return line({**entry.what, "time": entry.time})


def heard(content: bytes, *, peer: dict[str, Any]) -> Entry:
    """The entry that a line asks for. Raises Unusable for anything else."""
    try:
        value = PARSED(content.decode())
        if value.keys() != FIELDS or type(value["outbox"]) is not int or value["outbox"] < 0:
            raise ValueError
        if not isinstance(value["actor"], str) or not isinstance(value["details"], dict):
            raise ValueError
        if value["time"] is not None and not TIME.fullmatch(value["time"]):
            raise ValueError
        if value["event"] == Event.AUDIT_TORN:
            raise ValueError  # what was torn is for the log itself to say
        return Entry(**{**value, "event": Event(value["event"])}, peer=peer)
    except (ValueError, AttributeError, TypeError, RecursionError):
        raise no_event() from None


def answered(answer: int | WorkbenchError) -> bytes:
    """The line that answers an entry."""
    if isinstance(answer, WorkbenchError):
        return line({"refused": type(answer).__name__, "ja": answer.ja, "en": answer.en})
    return line({"records": answer})


def answer_in(content: bytes) -> int | WorkbenchError:
    """What a line answers."""
    value = json.loads(content)
    if "refused" in value:
        return FAMILIES.get(value["refused"], Untrusted)(ja=value["ja"], en=value["en"])
    return int(value["records"])


def line(value: dict[str, Any]) -> bytes:
    return SPELLED(value).encode() + b"\n"


def no_event() -> Unusable:
    return Unusable(
        ja="監査ログに書けるのは、決まった形の出来事だけです。",
        en="The log takes events of the known kinds and nothing else.",
    )


def not_answering() -> Unprotected:
    return Unprotected(
        ja="監査ログのプロセスが応答せず、記録できたか分かりません。workbench audit serve で起動し、同じ操作をやり直してください。",
        en="The log's process does not answer and did not confirm the record; start it with 'workbench audit serve' and do the same again.",
    )
