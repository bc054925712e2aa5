"""
Checkpoints (C2SP tlog-checkpoint): the log's name, its size and the root of its tree, in a signed note.

Whoever keeps a checkpoint can tell later that the first `size` records are still the same ones, even when
somebody who holds every key of the home has made the whole log again.
"""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass

from workbench.audit.merkle import SIZE
from workbench.audit.note import NoteKey, no_note, open_note, sign_note
from workbench.errors import Untrusted

NUMBER = re.compile(r"0|[1-9][0-9]{0,15}")


def origin(identity: str) -> str:
    """The name of a home's log; also the name of the key that signs for it."""
    return f"workbench.audit/{identity}"


@dataclass(frozen=True)
class Checkpoint:
    """What is promised of a log at one moment."""

    origin: str
    size: int
    root: bytes

    def to_text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    def sign(self, *, key: NoteKey, sign: Callable[[bytes], bytes]) -> bytes:
        """The signed note of this checkpoint."""
        return sign_note(self.to_text(), key=key, sign=sign)

    @classmethod
    def open(cls, content: bytes, *, key: NoteKey) -> "Checkpoint":
        """
        The checkpoint in a signed note.

        Raises Untrusted when `key` did not sign it or it is another log's, Unusable when it is none.
        """
        lines = open_note(content, key=key).split("\n")
        try:
            name, size, root = lines[:3]
            digest = base64.b64decode(root, validate=True)
        except (ValueError, binascii.Error):
            raise no_note() from None
        if not NUMBER.fullmatch(size) or len(digest) != SIZE or base64.b64encode(digest).decode() != root:
            raise no_note()
        if name != key.name:
            raise another_log(name)
        return cls(name, int(size), digest)


def another_log(name: str) -> Untrusted:
    return Untrusted(
        ja=f"このチェックポイントは別のログ（{name[:80]}）のものです。このホームのものを指定してください。",
        en=f"This checkpoint is another log's ({name[:80]}); give one of this home.",
    )


def shorter_than_checkpoint(records: int, size: int) -> Untrusted:
    return Untrusted(
        ja=f"監査ログの記録は {records} 件ですが、チェックポイントには {size} 件とあります。末尾が切り取られています。フォルダをそのまま保全し、監査責任者に連絡してください。",
        en=f"The audit log has {records} records and the checkpoint promises {size}: the tail was cut. Keep the folder as it is and tell the audit officer.",
    )


def other_history(size: int) -> Untrusted:
    return Untrusted(
        ja=f"最初の {size} 件はチェックポイントの時と違います。ログ全体が作り直されています。フォルダをそのまま保全し、監査責任者に連絡してください。",
        en=f"The first {size} records are not those of the checkpoint: the log was made again. Keep the folder as it is and tell the audit officer.",
    )
