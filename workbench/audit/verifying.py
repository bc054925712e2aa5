"""
What was done to a log: the first record that does not hold, and the kind of tampering.

Each authentic line carries its number and the digest of the line before it. The first line that is not
what the chain expects is classified by what comes after it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from workbench.audit.checkpoint import Checkpoint, other_history, shorter_than_checkpoint
from workbench.audit.head import Head
from workbench.audit.merkle import leaf, root_of
from workbench.audit.record import GENESIS, unseal
from workbench.errors import Untrusted

Record = dict[str, Any]


class Tampering(StrEnum):
    ALTERED = "altered"
    DELETED = "deleted"
    INSERTED = "inserted"
    REORDERED = "reordered"
    TAIL_CUT = "tail cut"
    HEAD_LOST = "head lost"


WHAT = {
    Tampering.ALTERED: ("記録 {n} が書き換えられています", "record {n} was altered"),
    Tampering.DELETED: ("記録 {n} が削除されています", "record {n} was deleted"),
    Tampering.INSERTED: (
        "記録 {n} の位置に、別の記録が挿入されています",
        "a record was inserted where record {n} belongs",
    ),
    Tampering.REORDERED: (
        "記録 {n} の位置から順序が入れ替えられています",
        "the records were reordered from record {n} on",
    ),
    Tampering.TAIL_CUT: (
        "記録 {n} 以降の末尾が切り取られています",
        "the tail was cut: records from {n} on are gone",
    ),
    Tampering.HEAD_LOST: (
        "末尾を示すファイル（head.json）が失われたか書き換えられています（記録 {n} まで）",
        "the head (head.json) is lost or altered, at record {n}",
    ),
}


def tampered(kind: Tampering, record: int) -> Untrusted:
    """The refusal for one kind of tampering at one record."""
    ja, en = (text.format(n=record) for text in WHAT[kind])
    return Untrusted(
        ja=f"監査ログは信頼できません：{ja}。フォルダをそのまま保全し、監査責任者に連絡してください。",
        en=f"The audit log cannot be trusted: {en}. Keep the folder as it is and tell the audit officer.",
    )


def older_than_known(records: int, known: int) -> Untrusted:
    """The log has fewer records than are known from elsewhere."""
    return Untrusted(
        ja=f"監査ログの記録は {records} 件ですが、{known} 件あったことが分かっています。末尾が切り取られたか、古い状態に戻されています。監査責任者に連絡してください。",
        en=f"The audit log has {records} records, but {known} are known to have existed: its tail was cut or it was put back to an earlier moment. Tell the audit officer.",
    )


@dataclass(frozen=True)
class Verified:
    """The log holds: how many records it has, the digest of the last one, and the leaves of its tree."""

    records: int
    head: str
    leaves: Sequence[bytes] = field(repr=False, compare=False, default=())

    @property
    def root(self) -> bytes:
        """The root of the tree over every record."""
        return root_of(self.leaves)

    def expect(self, checkpoint: Checkpoint) -> None:
        """Raise Untrusted unless the log begins with exactly what `checkpoint` promises."""
        if self.records < checkpoint.size:
            raise shorter_than_checkpoint(self.records, checkpoint.size)
        if root_of(self.leaves[: checkpoint.size]) != checkpoint.root:
            raise other_history(checkpoint.size)


def verify_lines(
    lines: Sequence[bytes], *, head: Head, key: bytes, keep: Callable[[Record], object] | None = None
) -> Verified:
    """
    What a log's lines come to; raises Untrusted at the first that does not hold.

    Each record that holds is handed to `keep`.
    """
    leaves: list[bytes] = []
    previous = GENESIS
    for number, line in enumerate(lines, start=1):
        record = unseal(line, key=key)
        if record is None or record.get("seq") != number or record.get("previous") != previous:
            raise tampered(tampering_at(number, lines, vouched=head.records, key=key), number)
        leaves.append(leaf(line))
        previous = leaves[-1].hex()
        if keep is not None:
            keep(record)
    if len(leaves) < head.records:
        raise tampered(Tampering.TAIL_CUT, len(leaves) + 1)
    if head.records and leaves[head.records - 1].hex() != head.last:
        raise tampered(Tampering.ALTERED, head.records)
    if root_of(leaves[: head.records]) != head.frontier.root():
        raise tampered(Tampering.HEAD_LOST, head.records)
    return Verified(len(leaves), previous, leaves)


def tampering_at(number: int, lines: Sequence[bytes], *, vouched: int, key: bytes) -> Tampering:
    """
    What happened where record `number` is expected, read from the authentic records from there on.

    Of what lies beyond the `vouched` records nothing was ever acknowledged, so it was put there.
    """
    found, *others = [unseal(line, key=key) for line in lines[number - 1 :]]
    following = [record["seq"] for record in others if record is not None and "seq" in record]
    if found is None or "seq" not in found:
        inserted = following[:1] == [number] or number > vouched
        return Tampering.INSERTED if inserted else Tampering.ALTERED
    if found["seq"] == number:
        return Tampering.ALTERED
    if found["seq"] < number:
        return Tampering.INSERTED
    return Tampering.REORDERED if number in following else Tampering.DELETED
