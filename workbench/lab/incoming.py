"""
What a page may ask of a kernel: kinds of message, and the fields of each.

Code that runs in the kernel can read every letter of what the kernel gets, and run it. So no message of a page
is passed on: each is written anew, with the fields that its kind has here, no metadata and no buffers, under a
header in which only the name of the message is the page's. What text is left in it, the log has: `code`.

Pure: what is recorded, and when, is the connection's.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from workbench.lab.outgoing import CONTENT, Content, header

PROTOCOL = "5.3"
NAME = re.compile(r"[0-9A-Za-z_-]{1,100}", re.ASCII)


@dataclass(frozen=True)
class Asked:
    """A request of a page: its own header, for the answers, and the content that a kernel may get."""

    kind: str
    header: dict[str, str]
    content: dict[str, Any]

    @property
    def id(self) -> str:
        return self.header["msg_id"]

    @property
    def code(self) -> str:
        """All text of the content: it may run."""
        found: str = self.content.get("code", self.content.get("value", ""))
        return found

    @property
    def channel(self) -> str:
        return "stdin" if self.kind == "input_reply" else "shell"

    def written(self, name: str, *, session: str) -> list[bytes]:
        """The parts of the message as the kernel gets it, under the name `name`."""
        now = datetime.now(UTC).isoformat()
        whose = {"msg_id": name, "msg_type": self.kind, "session": session, "username": ""}
        bare: dict[str, Any] = {}
        parts = (whose | {"date": now, "version": PROTOCOL}, bare, bare, self.content)
        return [json.dumps(part).encode() for part in parts]


def asked(parts: Sequence[bytes]) -> Asked | None:
    """What a page asks in the parts of a message; None where it is malformed or of a kind that no kernel gets."""
    try:
        whose, content = (json.loads(bytes(parts[place])) for place in (0, CONTENT))
    except (ValueError, IndexError, RecursionError):
        return None
    given = header(whose)
    if given["msg_type"] not in KINDS or not NAME.fullmatch(given["msg_id"]) or not isinstance(content, dict):
        return None
    return Asked(given["msg_type"], given, KINDS[given["msg_type"]](content))


def text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def execute(content: Content) -> dict[str, Any]:
    """Code to run; expressions beside it, which no cell shows, are none."""
    silent = flag(content, "silent", otherwise=False)
    return {
        "code": text(content.get("code")),
        "silent": silent,
        "store_history": flag(content, "store_history", otherwise=not silent),
        "user_expressions": {},
        "allow_stdin": flag(content, "allow_stdin", otherwise=True),
        "stop_on_error": flag(content, "stop_on_error", otherwise=True),
    }


def complete(content: Content) -> dict[str, Any]:
    code = text(content.get("code"))
    return {"code": code, "cursor_pos": position(content.get("cursor_pos"), code=code)}


def inspect(content: Content) -> dict[str, Any]:
    return complete(content) | {"detail_level": 1 if content.get("detail_level") == 1 else 0}


def is_complete(content: Content) -> dict[str, Any]:
    return {"code": text(content.get("code"))}


def typed(content: Content) -> dict[str, Any]:
    return {"value": text(content.get("value")), "status": "ok"}


def nothing(_: Content) -> dict[str, Any]:
    return {}


def flag(content: Content, name: str, *, otherwise: bool) -> bool:
    value = content.get(name)
    return value if isinstance(value, bool) else otherwise


def position(value: Any, *, code: str) -> int:
    """A place in the code: a number without a bound could spell any text."""
    return min(max(value, 0), len(code)) if type(value) is int else len(code)


# Kind of message: how its content is written anew. Widgets (comm_*), subshells and the debugger are not here;
# ending and interrupting a kernel are requests to the server.
KINDS: Mapping[str, Callable[[Content], dict[str, Any]]] = MappingProxyType(
    {
        "execute_request": execute,
        "input_reply": typed,
        "complete_request": complete,
        "inspect_request": inspect,
        "is_complete_request": is_complete,
        "kernel_info_request": nothing,
        "history_request": nothing,
        "comm_info_request": nothing,
    }
)
# What is put to the kernel as code, and what the room answers itself: pages hear of neither history nor widgets.
RUN = frozenset({"execute_request", "input_reply"})
ANSWERED: Mapping[str, dict[str, Any]] = MappingProxyType(
    {
        "history_request": {"status": "ok", "history": []},
        "comm_info_request": {"status": "ok", "comms": {}},
    }
)
