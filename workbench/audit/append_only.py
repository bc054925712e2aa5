"""
The append-only mark of a file (`chattr +a`): with it the file system itself refuses to change what is there.

Only root can set it and take it off, and not every file system has it.
"""

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# linux/fs.h: FS_IOC_GETFLAGS, FS_IOC_SETFLAGS (of a long), FS_APPEND_FL
GET, SET = 0x80086601, 0x40086602
APPEND_ONLY = 0x20


def is_append_only(path: Path) -> bool:
    """Whether the file carries the mark; False where the file system has none."""
    try:
        return bool(flags(path) & APPEND_ONLY)
    except OSError:
        return False


def mark(path: Path, *, on: bool) -> bool:
    """Set the mark or take it off; False where that cannot be done here."""
    try:
        found = flags(path)
        wanted = found | APPEND_ONLY if on else found & ~APPEND_ONLY
        if wanted != found:
            change(path, wanted)
    except OSError:
        return False
    return True


@contextmanager
def lifted(path: Path) -> Iterator[None]:
    """Without the mark for the length of the block: a torn line can be removed only so, and only by root."""
    marked = is_append_only(path)
    if marked:
        mark(path, on=False)
    try:
        yield
    finally:
        if marked:
            mark(path, on=True)


def flags(path: Path) -> int:
    handle = os.open(path, os.O_RDONLY)
    try:
        return int(struct.unpack("i", fcntl.ioctl(handle, GET, bytes(4)))[0])
    finally:
        os.close(handle)


def change(path: Path, wanted: int) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.ioctl(handle, SET, struct.pack("i", wanted))
    finally:
        os.close(handle)
