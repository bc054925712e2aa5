"""
The Merkle tree of RFC 6962 over the log's lines: one digest that stands for all of them, in their order.

A leaf is SHA-256 of a zero byte and the line; a node is SHA-256 of a one byte and its two children. The
roots of the complete subtrees, the frontier, are all that is needed to go on: as many as the size has bits.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

EMPTY = hashlib.sha256(b"").digest()
SIZE = 32


def leaf(line: bytes) -> bytes:
    """RFC 6962, 2.1: MTH({d(0)}) = SHA-256(0x00 || d(0))."""
    return hashlib.sha256(b"\0" + line).digest()


def node(left: bytes, right: bytes) -> bytes:
    """RFC 6962, 2.1: SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\1" + left + right).digest()


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over these leaf digests, level by level; a digest without a partner moves up as it is."""
    if not leaves:
        return EMPTY
    level, sha256 = list(leaves), hashlib.sha256
    while len(level) > 1:
        paired = [
            sha256(b"\1" + left + right).digest()
            for left, right in zip(level[::2], level[1::2], strict=False)
        ]
        level = paired + level[len(paired) * 2 :]
    return level[0]


@dataclass(frozen=True)
class Frontier:
    """The roots of the complete subtrees of a tree of `size` leaves, the largest first."""

    size: int = 0
    roots: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.roots) != self.size.bit_count():
            raise ValueError("a frontier has one root for each bit of its size")

    def after(self, digest: bytes) -> "Frontier":
        """The frontier with one more leaf."""
        roots, full = list(self.roots), self.size
        while full & 1:
            digest, full = node(roots.pop(), digest), full >> 1
        return Frontier(self.size + 1, (*roots, digest))

    def root(self) -> bytes:
        """The root of the whole tree."""
        if not self.roots:
            return EMPTY
        *larger, root = self.roots
        for left in reversed(larger):
            root = node(left, root)
        return root

    def to_hex(self) -> str:
        return b"".join(self.roots).hex()

    @classmethod
    def from_hex(cls, size: int, text: str) -> "Frontier":
        """Raises ValueError for what `to_hex` did not write."""
        content = bytes.fromhex(text)
        return cls(size, tuple(content[at : at + SIZE] for at in range(0, len(content), SIZE)))

    @classmethod
    def over(cls, leaves: Iterable[bytes]) -> "Frontier":
        frontier = cls()
        for digest in leaves:
            frontier = frontier.after(digest)
        return frontier
