"""
The log on disk: one sealed record per line, and beside it a sealed head that says where the log ends.

Promises: an append is on disk before it returns; processes that append at once make one chain; a kill
leaves at most a torn line, which the next append removes; altering, deleting, inserting, reordering or
cutting records is found by `verify`. Without the key no history can be made again.

It does not promise to notice that the whole folder was put back to an earlier moment: that is what
`at_least` is for, a count remembered elsewhere (the state keeps one; an auditor may keep another).
"""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from typing import Any, BinaryIO

from workbench.audit.events import Event, missing_details
from workbench.audit.head import Head
from workbench.audit.key import audit_key
from workbench.audit.record import GENESIS, digest, seal, unseal
from workbench.audit.verifying import Tampering, older_than_known, tampered, verify_lines
from workbench.errors import Untrusted
from workbench.home import Home, sync_folder, write_atomically

LOG, HEAD, LOCK = "log.jsonl", "head.json", "lock"


@dataclass(frozen=True)
class Verified:
    """The log holds: how many records it has, and the digest of the last one."""

    records: int
    head: str


class Log:
    """The log in `folder`, sealed with `key`."""

    def __init__(self, folder: Path, key: bytes) -> None:
        self.folder = folder
        self._key = key
        self._mutex = RLock()
        self._held = False
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    @classmethod
    def of(cls, home: Home) -> "Log":
        """The log of a home, with the key of that home."""
        return cls(home.audit, audit_key(home))

    def append(
        self,
        event: Event,
        actor: str,
        details: Mapping[str, Any],
        outbox: int,
        *,
        time: str | None = None,
    ) -> None:
        """
        Write one record and return when it is on disk.

        `outbox` is the event's number where it was decided; the same number twice is written once.
        Raises Untrusted when the log does not end where its head says.
        """
        lacking = missing_details(event, details)
        if lacking:
            raise ValueError(f"{event} needs {', '.join(lacking)}")
        body = {"event": str(event), "actor": actor, "details": dict(details), "outbox": outbox}
        with self.locked(), self._open() as file:
            head = self._recovered(file)
            if outbox <= head.outbox:
                self._expect_written(body)
                return
            self._write(file, body | {"time": time or now()}, head=head)

    def verify(self, at_least: int = 0) -> Verified:
        """
        Read the whole log against its key and its head.

        Raises Untrusted naming the first record that does not hold and what was done to it. `at_least`
        is the number of records known from elsewhere.
        """
        with self.locked(shared=True):
            lines = self._complete_lines()
            verify_lines(lines, head=self._head(), key=self._key)
        if len(lines) < at_least:
            raise older_than_known(len(lines), at_least)
        return Verified(records=len(lines), head=digest(lines[-1]) if lines else GENESIS)

    def records(self) -> list[dict[str, Any]]:
        """Every record, oldest first, after verifying the log."""
        with self.locked(shared=True):
            return verify_lines(self._complete_lines(), head=self._head(), key=self._key)

    @property
    def count(self) -> int:
        """How many records the head vouches for."""
        with self.locked(shared=True):
            return self._head().records

    @contextmanager
    def locked(self, *, shared: bool = False) -> Iterator[None]:
        """Hold the log against every other thread and process; a thread may nest it."""
        with self._mutex:
            if self._held:
                yield
                return
            handle = os.open(self.folder / LOCK, os.O_RDONLY | os.O_CREAT, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
                self._held = True
                yield
            finally:
                self._held = False
                os.close(handle)

    def _write(self, file: BinaryIO, body: dict[str, Any], *, head: Head) -> None:
        line = seal(body | {"seq": head.records + 1, "previous": head.last}, key=self._key)
        file.seek(head.size)
        file.write(line + b"\n")
        file.flush()
        os.fsync(file.fileno())
        self._save(head.after(line, outbox=body["outbox"]))

    def _recovered(self, file: BinaryIO) -> Head:
        """The head, moved over records that a kill left beyond it; a torn line is removed."""
        head = self._head()
        size = file.seek(0, os.SEEK_END)
        if size < head.size:
            raise tampered(Tampering.TAIL_CUT, head.records)
        file.seek(head.size)
        beyond = file.read()
        complete, _, torn = beyond.rpartition(b"\n")
        for line in complete.split(b"\n") if complete else []:
            head = self._advanced(head, line)
        if torn:
            file.truncate(head.size)
        if beyond:
            self._save(head)
        return head

    def _advanced(self, head: Head, line: bytes) -> Head:
        record = unseal(line, key=self._key)
        if record is None or (record.get("seq"), record.get("previous")) != (head.records + 1, head.last):
            raise tampered(Tampering.INSERTED, head.records + 1)
        return head.after(line, outbox=record["outbox"])

    def _expect_written(self, body: dict[str, Any]) -> None:
        """The event with this outbox number is in the log already: the kill came before it was struck off."""
        for record in self.records():
            if record["outbox"] == body["outbox"]:
                if all(record[name] == value for name, value in body.items()):
                    return
                break
        raise Untrusted(
            ja=f"監査ログに、送信番号 {body['outbox']} の別の記録があります。状態データベースがログより古い可能性があります。バックアップの組を確かめてください。",
            en=f"The audit log holds another event under outbox number {body['outbox']}; the state may be older than the log. Check that both come from the same backup.",
        )

    def _open(self) -> BinaryIO:
        path = self.folder / LOG
        if not path.exists():
            if self._head().records:
                raise tampered(Tampering.TAIL_CUT, 1)
            # The head comes first: a log without one has lost it.
            self._save(Head())
            path.touch(mode=0o600)
            sync_folder(self.folder)
        return path.open("r+b")

    def _complete_lines(self) -> list[bytes]:
        """The lines that end; a torn line at the end was never acknowledged and is not part of the log."""
        path = self.folder / LOG
        return path.read_bytes().split(b"\n")[:-1] if path.exists() else []

    def _head(self) -> Head:
        path = self.folder / HEAD
        if not path.exists() and not (self.folder / LOG).exists():
            return Head()
        head = Head.unseal(path.read_bytes(), key=self._key) if path.exists() else None
        if head is None:
            raise tampered(Tampering.HEAD_LOST, len(self._complete_lines()))
        return head

    def _save(self, head: Head) -> None:
        write_atomically(self.folder / HEAD, head.seal(key=self._key))


def now() -> str:
    """The time of an event, UTC."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
