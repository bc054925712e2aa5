"""
Talking to the gateway: one line of JSON there, one line back, over the socket the sandbox gives.

Who asks is known by the socket; nothing here says so. A refusal that comes back is one of the workbench's
own sentences and is raised as the error it is.
"""

import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import FAMILIES, Refused, Unprotected, Unusable

ADDRESS = "WORKBENCH_GATEWAY"
LONGEST = 8 << 20
PATIENCE = 300.0


@dataclass(frozen=True)
class Gateway:
    """The socket at `path`."""

    path: Path

    @classmethod
    def here(cls) -> "Gateway":
        """The gateway of this sandbox. Raises Unprotected outside of one."""
        address = os.environ.get(ADDRESS)
        if not address:
            raise Unprotected(
                ja="ここは分析の部屋（サンドボックス）の外です。workbench lab で開いたノートブックで実行してください。",
                en="This is not the analyst's room; run it in a notebook opened by 'workbench lab'.",
            )
        return cls(Path(address))

    def ask(self, verb: str, **details: Any) -> Any:
        """What the gateway answers to `verb`. Raises the refusal it gives, in its own family."""
        line = json.dumps({"verb": verb, **details}, ensure_ascii=False, allow_nan=False).encode() + b"\n"
        if len(line) > LONGEST:
            raise Refused(
                ja=f"依頼が大きすぎます（上限 {LONGEST >> 20} MB）。",
                en=f"The request is too large (at most {LONGEST >> 20} MB).",
            )
        return result_of(self._exchange(line))

    def _exchange(self, line: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(PATIENCE)
            try:
                connection.connect(str(self.path))
                connection.sendall(line)
                with connection.makefile("rb") as reader:
                    return reader.readline(LONGEST + 1)
            except OSError:
                raise Unprotected(
                    ja="窓口（gateway）に届きません。セッションが閉じていないか確かめ、ノートブックを開き直してください。",
                    en="The gateway cannot be reached; check that the session is open and open the notebook again.",
                ) from None


def result_of(line: bytes) -> Any:
    """The result in an answer's line, or the refusal raised."""
    try:
        answer = json.loads(line)
        if answer["ok"] is True:
            return answer["result"]
        error = answer["error"]
        family, ja, en = FAMILIES.get(error["family"], Refused), str(error["ja"]), str(error["en"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Unusable(
            ja="窓口からの答えを読めません。もう一度実行し、続くときは総括担当に知らせてください。",
            en="The gateway's answer cannot be read; try again, and tell the coordinating body if it goes on.",
        ) from None
    raise family(ja=ja, en=en)
