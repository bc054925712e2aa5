"""One spelling per value (RFC 8785), so that equal content has equal bytes and one digest."""

import hashlib
import json
from typing import Any

import rfc8785

from workbench.errors import Untrusted


def canonical(value: Any) -> bytes:
    """The canonical JSON of `value`."""
    return rfc8785.dumps(value)


def sha256(content: bytes) -> str:
    """The digest of `content`, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def parse_canonical(content: bytes, *, name: str) -> Any:
    """
    The value in canonical JSON; Untrusted for any other spelling of it.

    Only one spelling is taken, so a duplicate key, a hidden blank or a number that another reader would
    round differently cannot mean one thing here and another there.
    """
    try:
        value = json.loads(content)
        if canonical(value) == content:
            return value
    except (ValueError, RecursionError, rfc8785.CanonicalizationError):
        pass
    raise Untrusted(
        ja=f"{name} が正規の JSON（RFC 8785）ではありません。作成元から受け取り直してください。",
        en=f"{name} is not canonical JSON (RFC 8785); obtain it again from its source.",
    )
