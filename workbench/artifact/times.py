"""Moments as signed statements write them: UTC, RFC 3339."""

from datetime import UTC, datetime

from workbench.errors import Untrusted


def to_text(moment: datetime) -> str:
    """`moment` in UTC. It must know its time zone."""
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def from_text(text: str) -> datetime:
    """The moment that `to_text` wrote; Untrusted when there is no such day or hour."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        raise Untrusted(
            ja="署名された文書の日時が正しくありません。作成元から受け取り直してください。",
            en="A signed statement holds an impossible time; obtain it again from its source.",
        ) from None
