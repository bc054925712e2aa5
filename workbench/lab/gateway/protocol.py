"""The lines that cross: how a request is read, and what an answer or a refusal looks like."""

import json
import socket
from typing import Any

from workbench.errors import FAMILIES, Refused, Unusable, WorkbenchError

LONGEST = 8 << 20  # bytes of one line, either way


class TooLong(Refused):
    """The line does not end where it must; what follows cannot be told apart, so the talk is over."""

    def __init__(self) -> None:
        super().__init__(
            ja=f"依頼が大きすぎます（上限 {LONGEST >> 20} MB）。小さく分けてください。",
            en=f"The request is too large (at most {LONGEST >> 20} MB); send less at once.",
        )


class Lines:
    """Lines from a socket, none longer than LONGEST."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._waiting = bytearray()

    def read(self) -> bytes | None:
        """The next line, or None when the other side is done. Raises TooLong."""
        searched = 0
        while (end := self._waiting.find(b"\n", searched)) < 0:
            if len(self._waiting) > LONGEST:
                raise TooLong
            searched = len(self._waiting)
            received = self._connection.recv(1 << 16)
            if not received:
                return None
            self._waiting += received
        if end > LONGEST:
            raise TooLong
        line = bytes(self._waiting[:end])
        del self._waiting[: end + 1]
        return line


def parse(line: bytes) -> dict[str, Any]:
    """A request: a JSON object with a verb."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        request = None
    if not isinstance(request, dict) or not isinstance(request.get("verb"), str):
        raise Unusable(
            ja="依頼の形が正しくありません。verb のある JSON を1行で送ってください。",
            en="The request has the wrong shape; send one line of JSON with a 'verb'.",
        )
    return request


def answer(result: Any) -> bytes:
    """The line that carries a result. Raises TooLong rather than send half of one."""
    line = json.dumps({"ok": True, "result": result}, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    if len(line) > LONGEST:
        raise TooLong
    return line


def refusal(error: WorkbenchError) -> bytes:
    """The line that carries one of our sentences, with the family that it belongs to."""
    family = next(name for name, kind in FAMILIES.items() if isinstance(error, kind))
    body = {"family": family, "ja": error.ja, "en": error.en}
    return json.dumps({"ok": False, "error": body}, ensure_ascii=False).encode() + b"\n"
