"""
Reading JSON that may have been written to hurt us.

Plain data only: no duplicate keys, no NaN or infinity, no number beyond what an int64 or a float64
holds, limited size and depth. Nothing is built from what fails, and no value is quoted.
"""

import json
import math
from typing import Any

from workbench.errors import Unusable

MAX_BYTES = 16_000_000
MAX_DEPTH = 32
MAX_DIGITS = 19


def read(content: bytes, *, name: str, max_bytes: int = MAX_BYTES) -> Any:
    """The value in `content`. Raises Unusable naming `name` and the rule that was broken."""
    if len(content) > max_bytes:
        raise refused(name, ja="大きすぎます", en="is too large")
    if depth(content) > MAX_DEPTH:
        raise refused(name, ja="入れ子が深すぎます", en="is nested too deeply")
    try:
        return json.loads(
            content.decode("utf-8"),
            object_pairs_hook=without_duplicates,
            parse_int=bounded_integer,
            parse_float=finite,
            parse_constant=finite,
        )
    except (ValueError, RecursionError):
        raise refused(name, ja="単純なデータのJSONではありません", en="is not plain JSON data") from None


def depth(content: bytes) -> int:
    """
    At least the deepest nesting of `content`, counted without parsing.

    Brackets inside strings count too: a label with more than MAX_DEPTH open brackets is refused, which
    costs nobody anything and keeps the count to one pass without a parser's state.
    """
    level = deepest = 0
    for byte in content.translate(None, delete=NOT_BRACKETS):
        level += 1 if byte in b"[{" else -1
        deepest = max(deepest, level)
    return deepest


NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise ValueError("duplicate key")
    return unique


def bounded_integer(text: str) -> int:
    if len(text.lstrip("-")) > MAX_DIGITS:
        raise ValueError("integer too long")
    return int(text)


def finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("not finite")
    return number


def refused(name: str, *, ja: str, en: str) -> Unusable:
    return Unusable(
        ja=f"{name} は{ja}。このファイルは使えません。作成元から受け取り直してください。",
        en=f"{name} {en} and cannot be used; obtain it again from where it was made.",
    )
