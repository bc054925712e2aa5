"""
The sealed head: where the log ends, so that a cut tail shows.

Its file holds two copies in turn, a page each, written in place after the records they vouch for are on
disk. A power cut may damage the copy being written, and then the log is longer than the other one says;
damaged and not longer, somebody cut it.
"""

from dataclasses import dataclass
from typing import Any

from workbench.audit.merkle import Frontier
from workbench.audit.record import GENESIS, digest, seal, unseal
from workbench.errors import Unusable

LAYOUT = 2
SLOT = 4096
SLOTS = 2
EMPTY_LOG = Frontier()


@dataclass(frozen=True)
class Head:
    """
    The log's end: how many bytes, the last line's digest, the last outbox number, the tree's frontier.

    The head is written after its lines, so a kill can leave it behind them, never ahead.
    """

    size: int = 0
    last: str = GENESIS
    outbox: int = 0
    frontier: Frontier = EMPTY_LOG

    @property
    def records(self) -> int:
        return self.frontier.size

    def after(self, line: bytes, *, outbox: int) -> "Head":
        """The head once `line` is on disk."""
        last = digest(line)
        frontier = self.frontier.after(bytes.fromhex(last))
        return Head(self.size + len(line) + 1, last, max(outbox, self.outbox), frontier)

    def seal(self, *, key: bytes) -> bytes:
        """One slot of the file."""
        # The label keeps a head from ever passing as a record, and a record as a head.
        body = {
            "head": {
                "layout": LAYOUT,
                "records": self.records,
                "size": self.size,
                "last": self.last,
                "outbox": self.outbox,
                "frontier": self.frontier.to_hex(),
            }
        }
        return seal(body, key=key).ljust(SLOT - 1) + b"\n"

    @classmethod
    def unseal(cls, content: bytes, *, key: bytes) -> "Head | None":
        """The head in one slot, or None when the key did not seal it."""
        sealed: dict[str, Any] | None = unseal(content.rstrip(), key=key)
        if not sealed or "head" not in sealed:
            return None
        told = sealed["head"]
        if told.get("layout") != LAYOUT:
            raise earlier_layout()
        frontier = Frontier.from_hex(told["records"], told["frontier"])
        return cls(told["size"], told["last"], told["outbox"], frontier)


def slots(content: bytes) -> list[bytes]:
    """The copies in the head's file."""
    return [content[at : at + SLOT] for at in range(0, SLOT * SLOTS, SLOT)]


def earlier_layout() -> Unusable:
    return Unusable(
        ja="このホームの監査ログは、ワークベンチの別の版の書式です。ログはそのまま保存し、その版で開くか、新しいホームを作成してください。",
        en="This home's log was written in the layout of another version; keep it, and open it with that version or create a new home.",
    )
