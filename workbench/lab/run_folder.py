"""
Short-lived folders of the room: one per session and one per kernel, for sockets and what is mounted once.

They stand under a short path, because the address of a Unix socket has at most 107 bytes. A folder is held
by a lock of the process that made it, so that what a kill left behind can be told from what is in use.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

PLACE = Path("/tmp")  # noqa: S108 - each folder is made by mkdtemp; TMPDIR may be too long
PREFIX = "wb-"

_held: dict[Path, int] = {}


def make() -> Path:
    """A new folder, held by this process. Others may pass through it, but not list it."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=PLACE))
    _held[folder] = _lock(folder)
    folder.chmod(0o711)
    return folder


def remove(folder: Path) -> None:
    """Remove a folder of this process and let go of it."""
    shutil.rmtree(folder, ignore_errors=True)
    handle = _held.pop(folder, None)
    if handle is not None:
        os.close(handle)


def clear_leftovers() -> None:
    """Remove this user's folders that no process holds any more."""
    for folder in PLACE.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.lstat().st_uid == os.geteuid():
                handle = _lock(folder)
                shutil.rmtree(folder, ignore_errors=True)
                os.close(handle)


def _lock(folder: Path) -> int:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle
