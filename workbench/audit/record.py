"""
One line of the log: canonical JSON, chained to the line before, sealed with the log's key.

The seal (HMAC-SHA256) is over everything else in the record, so neither a line nor the chain can be made
again without the key. RFC 8785 gives one spelling per record: any changed byte is a changed record.
"""

import hashlib
import hmac
import json
from typing import Any

import rfc8785

GENESIS = "0" * 64
FIELDS = frozenset({"seq", "time", "event", "actor", "details", "outbox", "previous", "mac"})


def digest(line: bytes) -> str:
    """What the next record carries as `previous`."""
    return hashlib.sha256(line).hexdigest()


def seal(body: dict[str, Any], *, key: bytes) -> bytes:
    """The canonical line (without its newline) of `body` and its MAC."""
    return rfc8785.dumps({**body, "mac": mac(body, key=key)})


def unseal(line: bytes, *, key: bytes) -> dict[str, Any] | None:
    """The record in `line`, or None when the key did not seal exactly these bytes."""
    try:
        record = json.loads(line)
        body = {name: value for name, value in record.items() if name != "mac"}
        authentic = hmac.compare_digest(mac(body, key=key), record["mac"])
        return record if authentic and rfc8785.dumps(record) == line else None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, rfc8785.CanonicalizationError):
        return None


def mac(body: dict[str, Any], *, key: bytes) -> str:
    return hmac.new(key, rfc8785.dumps(body), hashlib.sha256).hexdigest()
