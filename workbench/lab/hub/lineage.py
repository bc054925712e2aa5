"""Processes that end when the one that started them does, however it ended; and waiting until they have."""

import contextlib
import ctypes
import os
import signal
import time

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def end_with_parent() -> None:
    """Ask the system to end this process with its parent."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def adopt() -> None:
    """Become the parent of whatever the processes started here leave behind."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def wait_for_adopted(mark: str, *, seconds: float) -> None:
    """Wait until no child of this process is left whose command holds `mark`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        left = [pid for pid in children() if mark in command_of(pid)]
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.2)


def children() -> list[int]:
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        return [int(pid) for pid in file.read().split()]


def command_of(pid: int) -> str:
    """The command of a process; nothing for one that has ended."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read().decode(errors="replace")
    return ""
