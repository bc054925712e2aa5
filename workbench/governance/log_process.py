"""
The log's process: what is opened while it may be, the user it becomes, and when it makes checkpoints.

Started as root it becomes a user of its own, to whom the log and nothing else belongs; the log's file is
marked append-only where the file system can. Started by anybody else it stays that user, and then other
programs of that user can reach the log's files: what they change is found, not prevented.
"""

import argparse
import contextlib
import ctypes
import fcntl
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from workbench.artifact.keys import KeyRing
from workbench.audit import Event, Log
from workbench.audit.append_only import mark
from workbench.audit.keeper import Keeper, listen
from workbench.audit.kept import reach
from workbench.audit.key import AUDIT_KEY
from workbench.audit.log import LOG
from workbench.audit.wire import SOCKET
from workbench.errors import Refused, Unprotected
from workbench.governance.checkpoints import OWNER, Signer, place_of
from workbench.governance.keys import ensure_role_key
from workbench.home import Home
from workbench.state import State

# An account of this name is used when there is one; else this number, which systems give to nobody.
USER, UID = "workbench-audit", 60705
EVERY_RECORDS, EVERY_SECONDS = 1000, 900
SERVING = "serving"
READY = b"ready\n"
START_SECONDS = 60
NO_NEW_PRIVILEGES, DUMPABLE = 38, 4  # prctl(2)


@contextmanager
def running(home: Home) -> Iterator[None]:
    """With the home's log process: the one that runs, or one that ends with the block."""
    found = reach(home)
    if found is not None:
        found.close()
        yield
        return
    command = [sys.executable, "-P", "-m", __name__, str(home.path), "--while-stdin"]
    # In a session of its own: Ctrl-C is for the lab, which still has its end to write down.
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    try:
        if process.stdout is None or process.stdout.readline() != READY:
            raise not_started()
        yield
    finally:
        # The process ends when its standard input does, also when this one is killed.
        if process.stdin is not None:
            process.stdin.close()
        process.wait(timeout=START_SECONDS)


def serve(home: Home, *, admit: Iterable[int] = (), while_stdin: bool = False, quiet: bool = False) -> None:
    """Keep the home's log until a signal says stop. Refused where a process keeps it already."""
    state = State.open(home)
    ensure_role_key(home, state, OWNER)
    place = place_of(state)
    state.close()
    log = Log.of(home)
    log.recover()
    with serving_alone(home):
        signer = Signer.of(home, place=place)
        admitted = frozenset({0, home.path.stat().st_uid, os.geteuid(), *admit})
        listening = listen(home.path / SOCKET, everybody=bool(set(admit)))
        user = own_user()
        if user is not None:
            hand_over(home, signer, user=user)
            log = Log(Path(), log.key)
        keeper = Keeper(
            log,
            listening,
            admitted=admitted,
            own_uid=user is not None,
            checkpoint=lambda log: checkpoint(log, signer),
            due=Schedule(log.count),
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, keeper.stop)
        if while_stdin:
            keeper.stop_with(sys.stdin.fileno())
        keeper.run(ready=lambda: announce(READY if quiet else f"{described(user)}\n".encode()))
        with contextlib.suppress(OSError):
            (home.path / SOCKET).unlink()


def announce(content: bytes) -> None:
    sys.stdout.buffer.write(content)
    sys.stdout.flush()


def checkpoint(log: Log, signer: Signer) -> None:
    """A checkpoint to the second place, when one is set and there is something new."""
    if signer.folder is None:
        return
    end = log.end
    made = signer.checkpoint(end.records, end.frontier.root())
    log.append(Event.AUDIT_CHECKPOINTED, "workbench", {"size": made.size, "root": made.root.hex()})
    signer.sign(made)


@dataclass
class Schedule:
    """Says when the next checkpoint is due: after so many records, or so much time if there are any."""

    records: int

    def __post_init__(self) -> None:
        self._at = time.monotonic()

    def __call__(self, records: int) -> bool:
        late = time.monotonic() - self._at >= EVERY_SECONDS and records > self.records + 1
        if not late and records - self.records < EVERY_RECORDS:
            return False
        self.records, self._at = records, time.monotonic()
        return True


def own_user() -> tuple[int, int] | None:
    """The user and group the process becomes; None where it cannot become anybody."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(USER)
    except KeyError:
        return UID, UID
    return entry.pw_uid, entry.pw_gid


def hand_over(home: Home, signer: Signer, *, user: tuple[int, int]) -> None:
    """Give the log's files to `user`, mark them, become `user` for good, and stand in the log's folder."""
    for path in (home.audit, *home.audit.iterdir()):
        mark(path, on=False)
        os.chown(path, *user, follow_symlinks=False)
    # Whoever owns the home must not hold what seals the log and signs for it.
    for path in (home.keys / AUDIT_KEY, KeyRing.of(home).path(OWNER)):
        os.chown(path, 0, 0, follow_symlinks=False)
    if not home.is_demonstration:  # which people throw away
        mark(home.audit / LOG, on=True)
    if signer.folder is not None:
        signer.folder.mkdir(mode=0o755, exist_ok=True)
        os.chown(signer.folder, *user)
        signer.folder = Path(f"/proc/self/fd/{os.open(signer.folder, os.O_PATH | os.O_DIRECTORY)}")
    # The folders above need not be open to this user: it never walks through them again.
    os.chdir(home.audit)
    os.umask(0o077)
    os.setgroups([])
    os.setresgid(user[1], user[1], user[1])
    os.setresuid(user[0], user[0], user[0])
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.prctl(DUMPABLE, 0, 0, 0, 0):
        raise not_started()


@contextmanager
def serving_alone(home: Home) -> Iterator[None]:
    handle = os.open(home.audit / SERVING, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Refused(
            ja="このホームの監査ログのプロセスは既に動いています。",
            en="A process keeps this home's log already; there is nothing to start.",
        ) from None
    finally:
        os.close(handle)


def described(user: tuple[int, int] | None) -> str:
    """Which guarantee this process gives, for whoever started it."""
    if user is not None:
        return f"監査ログのプロセスは専用の利用者（uid {user[0]}）で動きます / the log's process has a user of its own (uid {user[0]})"
    return (
        "監査ログのプロセスは専用の利用者では動いていません。同じ利用者のプログラムはログのファイルに触れられます（変更は検証で分かります）。root で起動すると専用になります。\n"
        "The log's process has no user of its own: programs of the same user can reach the log's files (a change is found by verifying). Start it as root to give it one."
    )


def not_started() -> Unprotected:
    return Unprotected(
        ja="監査ログのプロセスを起動できません。workbench audit serve を実行し、表示される理由を確かめてください。",
        en="The log's process does not start; run 'workbench audit serve' and see the reason it gives.",
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("home", type=Path)
    parser.add_argument("--while-stdin", action="store_true")
    given = parser.parse_args()
    serve(Home.open(given.home), while_stdin=given.while_stdin, quiet=True)


if __name__ == "__main__":
    main()
