"""The sealed head: where the log ends, so that a cut tail shows."""

from dataclasses import asdict, dataclass
from typing import Any

from workbench.audit.record import GENESIS, digest, seal, unseal


@dataclass(frozen=True)
class Head:
    """
    The log's end: how many records, how many bytes, the last line's digest, the last outbox number.

    The head is written after its line, so a kill can leave it one step behind, never ahead.
    """

    records: int = 0
    size: int = 0
    last: str = GENESIS
    outbox: int = 0

    def after(self, line: bytes, *, outbox: int) -> "Head":
        """The head once `line` is on disk."""
        return Head(self.records + 1, self.size + len(line) + 1, digest(line), max(outbox, self.outbox))

    def seal(self, *, key: bytes) -> bytes:
        # The label keeps a head from ever passing as a record, and a record as a head.
        return seal({"head": asdict(self)}, key=key)

    @classmethod
    def unseal(cls, content: bytes, *, key: bytes) -> "Head | None":
        """The head in `content`, or None when the key did not seal it."""
        sealed: dict[str, Any] | None = unseal(content, key=key)
        return cls(**sealed["head"]) if sealed and "head" in sealed else None
