"""
The log on disk: one sealed record per line, and beside it a sealed head that says where the log ends.

Promises: an append is on disk before it returns; processes that append at once make one chain; a kill
or a full disk leaves at most a torn line, which the next append removes, or closes with a record that says
so where the file can only be appended to (`record.py`); altering, deleting, inserting, reordering or
cutting records is found by `verify`. Without the key no history can be made again.

It does not promise to notice that the whole folder was put back to an earlier moment, or that somebody who
holds the key made everything again: that is what a checkpoint kept by somebody else is for, and `at_least`,
a count remembered elsewhere (the state keeps one).
"""

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from typing import Any

from workbench.audit.append_only import lifted
from workbench.audit.events import Event, missing_details
from workbench.audit.head import SLOT, SLOTS, Head, slots
from workbench.audit.key import audit_key
from workbench.audit.record import GENESIS, seal, unseal
from workbench.audit.record import torn as told_of
from workbench.audit.verifying import Tampering, Verified, older_than_known, tampered, verify_lines
from workbench.errors import Untrusted, WorkbenchError
from workbench.home import Home, sync_folder, write_atomically

LOG, HEAD, LOCK = "log.jsonl", "head.json", "lock"
# What was written lately, by outbox number; an older one is looked for in the log.
REMEMBERED = 4096


@dataclass(frozen=True)
class Entry:
    """What is to be written: an event, who caused it, and its number where it was decided (0: none)."""

    event: Event
    actor: str
    details: Mapping[str, Any]
    outbox: int = 0
    time: str | None = None
    peer: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        lacking = missing_details(self.event, self.details)
        if lacking:
            raise ValueError(f"{self.event} needs {', '.join(lacking)}")

    @property
    def what(self) -> dict[str, Any]:
        """What two writings of one event have in common."""
        told = {"event": str(self.event), "actor": self.actor, "outbox": self.outbox}
        return told | {"details": dict(self.details)}


class Log:
    """The log in `folder`, sealed with `key`."""

    def __init__(self, folder: Path, key: bytes) -> None:
        self.folder = folder
        self.key = key
        self._mutex = RLock()
        self._held = False
        self._last, self._left = Head(), (0, -1)
        self._recent: dict[int, dict[str, Any]] = {}
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
        outbox: int = 0,
        *,
        time: str | None = None,
    ) -> None:
        """
        Write one record and return when it is on disk.

        `outbox` is the event's number where it was decided; the same number twice is written once.
        Raises Untrusted when the log does not end where its head says.
        """
        [answer] = self.append_all([Entry(event, actor, details, outbox, time)])
        if isinstance(answer, WorkbenchError):
            raise answer

    def append_all(self, entries: Sequence[Entry]) -> list[int | WorkbenchError]:
        """
        Write records and return when they are on disk, all with one flush.

        Answers each entry with the number of records the log has, or with why it was not written. Raises
        OSError where they could not all be written: none of them is then acknowledged, and the next append
        goes on behind what of them is on disk.
        """
        with self.locked(), self._open() as file:
            before, torn = self._recovered(file)
            head, lines = self._closed(before, torn)
            answers: list[int | WorkbenchError] = []
            for entry in entries:
                if entry.outbox and entry.outbox <= head.outbox:
                    answers.append(self._why_not_written(entry) or head.records)
                    continue
                line = self._line(entry, head=head)
                head = head.after(line, outbox=entry.outbox)
                lines.append(line + b"\n")
                answers.append(head.records)
            if head.records > before.records + bool(torn):
                self._write(file, b"".join(lines), before=before, after=head)
        return answers

    def verify(
        self, at_least: int = 0, *, keep: Callable[[dict[str, Any]], object] | None = None
    ) -> Verified:
        """
        Read the whole log against its key and its head.

        Raises Untrusted naming the first record that does not hold and what was done to it. `at_least`
        is the number of records known from elsewhere. What is appended meanwhile is not waited for.
        """
        with self.locked(shared=True):
            lines, head = self._complete_lines(), self._head()
        verified = verify_lines(lines, head=head, key=self.key, keep=keep)
        if verified.records < at_least:
            raise older_than_known(verified.records, at_least)
        return verified

    def records(self) -> list[dict[str, Any]]:
        """Every record, oldest first, after verifying the log."""
        found: list[dict[str, Any]] = []
        self.verify(keep=found.append)
        return found

    def of_kind(self, event: Event) -> list[dict[str, Any]]:
        """
        The records of one kind, oldest first, each sealed with the key.

        Quicker than `verify`, and less: that none was removed is for that one to say.
        """
        mark = f'"event":"{event}"'.encode()
        with self.locked(shared=True):
            lines = [line for line in self._complete_lines() if mark in line]
        found = [unseal(line, key=self.key) or {} for line in lines]
        return [record for record in found if record.get("event") == event]

    @property
    def count(self) -> int:
        """How many records the head vouches for."""
        return self.end.records

    @property
    def end(self) -> Head:
        """Where the log ends, with what a kill left beyond the last head."""
        with self.locked(shared=True):
            head, path = self._head(), self.folder / LOG
            # What is shorter than its head was tampered with; `verify` says how.
            if not path.exists() or path.stat().st_size <= head.size:
                return head
            with self._open() as file:
                return self._reached(file, head)[0]

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
                # Said, not left to closing: a child forked meanwhile has the same open file.
                fcntl.flock(handle, fcntl.LOCK_UN)
                os.close(handle)

    def recover(self) -> None:
        """Remove what a kill left torn, where that can be done, and move the head over what it left beyond."""
        with self.locked(), self._open() as file:
            self._recovered(file)

    def settle(self) -> None:
        """Flush the head, which appends leave to the operating system."""
        with self.locked(), suppress(FileNotFoundError):
            handle = os.open(self.folder / HEAD, os.O_RDWR)
            os.fdatasync(handle)
            os.close(handle)

    def _line(self, entry: Entry, *, head: Head) -> bytes:
        body = entry.what | {
            "time": entry.time or now(),
            "peer": dict(entry.peer or itself()),
            "seq": head.records + 1,
            "previous": head.last,
        }
        if entry.time is not None:
            body["written"] = now()  # whoever says when it was may say anything
        if entry.outbox:
            self._remember(entry)
        return seal(body, key=self.key)

    def _write(self, file: int, content: bytes, *, before: Head, after: Head) -> None:
        try:
            written = os.write(file, content)
            while written < len(content):
                written += os.write(file, content[written:])
            os.fdatasync(file)
        except OSError:
            # A full disk: nothing was acknowledged, and what is half-written goes, if it can.
            self._recent.clear()
            with suppress(OSError):
                os.ftruncate(file, before.size)
            raise
        self._save(after)
        self._leave(file, after)

    def _closed(self, head: Head, torn: bytes) -> tuple[Head, list[bytes]]:
        """The record that closes what a write left torn, written right behind it; and the head after that."""
        if not torn:
            return head, []
        line = self._line(Entry(Event.AUDIT_TORN, "workbench", told_of(torn)), head=head)
        return head.after(torn + line, outbox=0), [line + b"\n"]

    def _recovered(self, file: int) -> tuple[Head, bytes]:
        """
        The head, moved over records that a kill left beyond it, and what is torn behind them.

        A torn line is removed; it is left where only root could take off the append-only mark.
        """
        about = os.fstat(file)
        if self._left == (about.st_ino, about.st_size):
            return self._last, b""  # nobody has written since
        known = self._head()
        head, torn = self._reached(file, known)
        if torn:
            with suppress(OSError), lifted(self.folder / LOG):
                os.ftruncate(file, head.size)
                torn = b""
        if head != known:
            # They may be in the cache only: whoever wrote them was killed before the flush.
            os.fdatasync(file)
            self._save(head)
        return head, torn

    def _leave(self, file: int, head: Head) -> None:
        self._last, self._left = head, (os.fstat(file).st_ino, head.size)

    def _reached(self, file: int, head: Head) -> tuple[Head, bytes]:
        """The head after the complete records beyond it, and the torn line after those."""
        size = os.fstat(file).st_size
        if size < head.size:
            raise tampered(Tampering.TAIL_CUT, head.records)
        beyond = os.pread(file, size - head.size, head.size) if size > head.size else b""
        complete, _, torn = beyond.rpartition(b"\n")
        for line in complete.split(b"\n") if complete else []:
            head = self._advanced(head, line)
        return head, torn

    def _advanced(self, head: Head, line: bytes) -> Head:
        record = unseal(line, key=self.key)
        if record is None or (record.get("seq"), record.get("previous")) != (head.records + 1, head.last):
            raise tampered(Tampering.INSERTED, head.records + 1)
        return head.after(line, outbox=record["outbox"])

    def _remember(self, entry: Entry) -> None:
        self._recent[entry.outbox] = entry.what
        if len(self._recent) > REMEMBERED:
            del self._recent[next(iter(self._recent))]

    def _why_not_written(self, entry: Entry) -> Untrusted | None:
        """None when the very event is in the log already: the kill came before it was struck off."""
        written = self._recent.get(entry.outbox) or next(
            (record for record in self.records() if record["outbox"] == entry.outbox), {}
        )
        if all(written.get(name) == value for name, value in entry.what.items()):
            return None
        return Untrusted(
            ja=f"監査ログに、送信番号 {entry.outbox} の別の記録があります。状態データベースがログより古い可能性があります。バックアップの組を確かめてください。",
            en=f"The audit log holds another event under outbox number {entry.outbox}; the state may be older than the log. Check that both come from the same backup.",
        )

    @contextmanager
    def _open(self) -> Iterator[int]:
        path = self.folder / LOG
        if not path.exists():
            if self._head().records:
                raise tampered(Tampering.TAIL_CUT, 1)
            # The head comes first: a log without one has lost it.
            self._save(Head())
            path.touch(mode=0o600)
            sync_folder(self.folder)
        handle = os.open(path, os.O_RDWR | os.O_APPEND)
        try:
            yield handle
        finally:
            os.close(handle)

    def _complete_lines(self) -> list[bytes]:
        """The lines that end; a torn line at the end was never acknowledged and is not part of the log."""
        path = self.folder / LOG
        return path.read_bytes().split(b"\n")[:-1] if path.exists() else []

    def _head(self) -> Head:
        path = self.folder / HEAD
        if not path.exists() and not (self.folder / LOG).exists():
            return Head()
        copies = slots(path.read_bytes()) if path.exists() else []
        heads = [Head.unseal(copy, key=self.key) for copy in copies]
        sound = [head for head in heads if head is not None]
        newest = max(sound, key=lambda head: head.records, default=None)
        if newest is None or (len(sound) < SLOTS and self._ends_at(newest)):
            raise tampered(Tampering.HEAD_LOST, len(self._complete_lines()))
        return newest

    def _ends_at(self, head: Head) -> bool:
        """A copy was damaged while it was written, and by then its records were on disk."""
        path = self.folder / LOG
        return path.exists() and path.stat().st_size <= head.size and head.records > 0

    def _save(self, head: Head) -> None:
        content, path = head.seal(key=self.key), self.folder / HEAD
        if not path.exists():
            write_atomically(path, content * SLOTS)
            return
        handle = os.open(path, os.O_WRONLY)
        try:
            os.pwrite(handle, content, SLOT * (head.records % SLOTS))
        finally:
            os.close(handle)


def itself() -> dict[str, Any]:
    """Who writes, where it is the process itself that says so."""
    return {"uid": os.getuid(), "pid": os.getpid(), "socket": False}


def now() -> str:
    """The time of an event, UTC."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


__all__ = ["GENESIS", "Entry", "Log", "Verified", "itself", "now"]
