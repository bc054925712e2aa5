"""
One line of the log: JSON, chained to the line before, sealed with the log's key.

The seal (HMAC-SHA256) is the last member and is over the very bytes before it, so neither a line nor the
chain can be made again without the key, and verifying never has to write a line again to compare it.

A write that a full disk or a kill tore leaves bytes without an end of line. Where they cannot be removed, because
the file can only be appended to, the next record is written right behind them: one that seals how many bytes they
are and their digest. They are part of its line, and so of the chain and of the tree, and no record is lost.
"""

import hashlib
import hmac
import json
from functools import cache
from typing import Any

from workbench.audit.merkle import leaf

GENESIS = "0" * 64
BEFORE_MAC, AFTER_MAC = b',"mac":"', b'"}'
PLAIN, ESCAPED = (
    json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=ascii_only, allow_nan=False).encode
    for ascii_only in (False, True)
)
PARSED = json.JSONDecoder().decode
BLOCK = 64
TORN = "audit.torn"
START = b'{"actor":'  # of every record: its members are in order, and no text in it has a bare quote
TAIL = len(BEFORE_MAC) + 64 + len(AFTER_MAC)


def digest(line: bytes) -> str:
    """What the next record carries as `previous`: the line's leaf in the tree of RFC 6962."""
    return leaf(line).hex()


def seal(body: dict[str, Any], *, key: bytes) -> bytes:
    """The line (without its newline) of `body` and its seal."""
    content = spelled(body)
    return content[:-1] + BEFORE_MAC + mac(content, key=key) + AFTER_MAC


def unseal(line: bytes, *, key: bytes) -> dict[str, Any] | None:
    """
    The record in `line`, or None when the key did not seal exactly these bytes.

    What was torn off a write that did not end may stand before a record that says so (`torn`), and no other.
    """
    at = 0
    record = sealed_in(line, key=key)
    if record is None:
        at = max(line.rfind(START), 0)
        record = sealed_in(line[at:], key=key) if at else None
    if record is None or ((at or record.get("event") == TORN) and not closes(record, line[:at])):
        return None
    return record


def torn(content: bytes) -> dict[str, Any]:
    """What the record says that stands behind the bytes of a write that did not end."""
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def closes(record: dict[str, Any], before: bytes) -> bool:
    return bool(before) and record.get("event") == TORN and record.get("details") == torn(before)


def sealed_in(line: bytes, *, key: bytes) -> dict[str, Any] | None:
    sealed = BEFORE_MAC + mac(line[:-TAIL] + b"}", key=key) + AFTER_MAC
    if not hmac.compare_digest(sealed, line[-TAIL:]):
        return None
    try:
        record: dict[str, Any] = PARSED(line.decode())
    except (ValueError, RecursionError):
        return None
    return record


def mac(content: bytes, *, key: bytes) -> bytes:
    """HMAC-SHA256 (RFC 2104), from digests that have taken in the key already: half the time of anew."""
    inner, outer = (half.copy() for half in keyed(key))
    inner.update(content)
    outer.update(inner.digest())
    return bytes(outer.hexdigest(), "ascii")


@cache
def keyed(key: bytes) -> tuple[Any, Any]:
    block = (hashlib.sha256(key).digest() if len(key) > BLOCK else key).ljust(BLOCK, b"\0")
    return tuple(hashlib.sha256(bytes(byte ^ pad for byte in block)) for pad in (0x36, 0x5C))  # type: ignore[return-value]


def spelled(body: dict[str, Any]) -> bytes:
    """The bytes of `body`, its members in order; half of a character, which UTF-8 cannot hold, is escaped."""
    try:
        return PLAIN(body).encode()
    except UnicodeEncodeError:
        return ESCAPED(body).encode()
