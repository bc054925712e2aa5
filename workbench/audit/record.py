"""
One line of the log: JSON, chained to the line before, sealed with the log's key.

The seal (HMAC-SHA256) is the last member and is over the very bytes before it, so neither a line nor the
chain can be made again without the key, and verifying never has to write a line again to compare it.
"""

import hmac
import json
from typing import Any

from workbench.audit.merkle import leaf

GENESIS = "0" * 64
FIELDS = frozenset({"seq", "time", "event", "actor", "details", "outbox", "peer", "previous", "mac"})
BEFORE_MAC, AFTER_MAC = b',"mac":"', b'"}'
TAIL = len(BEFORE_MAC) + 64 + len(AFTER_MAC)


def digest(line: bytes) -> str:
    """What the next record carries as `previous`: the line's leaf in the tree of RFC 6962."""
    return leaf(line).hex()


def seal(body: dict[str, Any], *, key: bytes) -> bytes:
    """The line (without its newline) of `body` and its seal."""
    content = spelled(body)
    return content[:-1] + BEFORE_MAC + mac(content, key=key) + AFTER_MAC


def unseal(line: bytes, *, key: bytes) -> dict[str, Any] | None:
    """The record in `line`, or None when the key did not seal exactly these bytes."""
    content = line[:-TAIL] + b"}"
    sealed = content[:-1] + BEFORE_MAC + mac(content, key=key) + AFTER_MAC
    if not hmac.compare_digest(sealed, line):
        return None
    try:
        record: dict[str, Any] = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record


def mac(content: bytes, *, key: bytes) -> bytes:
    return hmac.digest(key, content, "sha256").hex().encode()


def spelled(body: dict[str, Any]) -> bytes:
    """The bytes of `body`, its members in order; half of a character, which UTF-8 cannot hold, is escaped."""
    try:
        return dumped(body, ascii_only=False).encode()
    except UnicodeEncodeError:
        return dumped(body, ascii_only=True).encode()


def dumped(body: dict[str, Any], *, ascii_only: bool) -> str:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=ascii_only, allow_nan=False)
