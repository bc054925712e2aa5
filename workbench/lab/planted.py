"""
What the forbidden acts reach for: files, processes, servers and memory, planted for the occasion.

Everything belongs to the user that the kernel is outside, with the widest permissions: what stops an act is
the sandbox alone, and not who happens to own a file.
"""

import contextlib
import ctypes
import os
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import workbench
from workbench.lab import seccomp
from workbench.lab.acts import MARK, Targets

libc = ctypes.CDLL(None, use_errno=True)

FILES = {
    "raw": "home/raw/children.csv",
    "other": "home/workspaces/another/notes.txt",
    "key": "home/keys/role-coordinator.json",
    "state": "home/state.db",
    "log": "home/audit/log.jsonl",
    "token": "runtime/server.json",
    "other_connection": "runtime/kernel.json",
    "dataset": "planted-project/data.csv",
    "dataset_to_delete": "planted-project/more.csv",
    "package": "code/__init__.py",
    "connection": "own/connection.json",
}

WORKSPACE, DATASET = "planted-analyst/workspace", "planted-project"

# Becomes the kernel's user, stays traceable by it as any process of that user is, and waits.
VICTIM = """
import ctypes, os, sys, time
owner, mark = int(sys.argv[1]), sys.argv[2]
if owner:
    os.setgroups([]); os.setresgid(owner, owner, owner); os.setresuid(owner, owner, owner)
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
buffer = ctypes.create_string_buffer(mark.encode())
print(ctypes.addressof(buffer), flush=True)
time.sleep(600)
"""


@contextmanager
def plant(folder: Path, *, owner: int | None, limits: Any) -> Iterator[Targets]:
    """Plant everything in `folder`; yields where it is, as the host sees it."""
    with ExitStack() as stack:
        targets: Targets = {
            **_files(folder),
            **_sockets(folder, stack),
            **_processes(stack, owner=owner or 0),
            **_memory(stack),
            "workspace": str(folder / WORKSPACE),
            "temporary": str(folder),
            "shared_folder": "/dev/shm",  # noqa: S108 - what an act fills is emptied again
            "host_workspace": str(folder / WORKSPACE),
            "packages": str(folder / "code"),
            "names": names(),
            "calls": seccomp.numbers(),
            "memory": limits.memory,
            "processes": limits.processes,
            "file_size": limits.file_size,
            "disk": limits.disk,
            "temporary_size": limits.temporary,
            "shared_memory_size": limits.shared_memory,
        }
        targets["handle"] = _handle_of(targets["raw"])
        (folder / WORKSPACE).mkdir(parents=True)
        _give_away(folder, owner)
        yield targets


def names() -> list[str]:
    """What must stand in no table that a kernel can read: people, projects, hosts, where the room is built."""
    places = [sys.prefix, sys.base_prefix, str(Path(workbench.__file__).parent), str(Path.home())]
    private = [place for place in places if not place.startswith(("/usr", "/opt/")) and place != "/root"]
    return [WORKSPACE.partition("/")[0], DATASET, socket.gethostname(), *private]


def _files(folder: Path) -> Targets:
    for name in FILES.values():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(MARK)
    return {key: str(folder / name) for key, name in FILES.items()}


def _give_away(folder: Path, owner: int | None) -> None:
    for path in (folder, *folder.rglob("*")):
        if owner:
            os.chown(path, owner, owner)
        path.chmod(0o777 if path.is_dir() else 0o666)


def _sockets(folder: Path, stack: ExitStack) -> Targets:
    abstract, path, gateway = f"\0wb-{secrets.token_hex(8)}", str(folder / "docker.sock"), str(folder / "gw")
    for family, address in (
        (socket.AF_UNIX, abstract),
        (socket.AF_UNIX, path),
        (socket.AF_UNIX, gateway),
    ):
        _serve(stack, family, socket.SOCK_STREAM, address)
    tcp = _serve(stack, socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0))
    udp = _serve(stack, socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0))
    return {"abstract": abstract, "socket": path, "gateway": gateway, "tcp": tcp, "udp": udp}


def _serve(stack: ExitStack, family: int, kind: int, address: Any) -> Any:
    """A server that answers everything with the mark; returns its address."""
    server = stack.enter_context(socket.socket(family, kind))
    server.bind(address)
    if kind == socket.SOCK_STREAM:
        server.listen()
    answer = _answer_stream if kind == socket.SOCK_STREAM else _answer_datagram
    threading.Thread(target=_until_closed, args=(answer, server), daemon=True).start()
    stack.callback(_shut, server)
    return server.getsockname()


def _until_closed(answer: Callable[[socket.socket], None], server: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            answer(server)


def _answer_stream(server: socket.socket) -> None:
    talk, _ = server.accept()
    with talk, contextlib.suppress(OSError):
        talk.recv(16)
        talk.sendall(MARK)


def _answer_datagram(server: socket.socket) -> None:
    _, sender = server.recvfrom(16)
    if sender is None:
        raise OSError("closed")
    server.sendto(MARK, sender)


def _shut(server: socket.socket) -> None:
    with contextlib.suppress(OSError):
        server.shutdown(socket.SHUT_RDWR)


def _processes(stack: ExitStack, *, owner: int) -> Targets:
    victim, to_end = (_victim(stack, owner=owner) for _ in range(2))
    return {"victim": victim[0], "address": victim[1], "to_end": to_end[0]}


def _victim(stack: ExitStack, *, owner: int) -> tuple[int, int]:
    mark = MARK.decode()
    process = stack.enter_context(
        subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", VICTIM, str(owner), mark],
            stdout=subprocess.PIPE,
            env={"PLANTED": mark},
        )
    )
    stack.callback(process.kill)
    return process.pid, int(process.stdout.readline())  # type: ignore[union-attr]


def _memory(stack: ExitStack) -> Targets:
    shared = Path("/dev/shm") / f"wb-{secrets.token_hex(8)}"  # noqa: S108
    shared.write_bytes(MARK)
    shared.chmod(0o666)
    stack.callback(shared.unlink, missing_ok=True)
    key = secrets.randbelow(1 << 30) + 1
    create, remove = 0o1666, 0
    libc.shmat.restype = ctypes.c_void_p
    segment = libc.shmget(key, 4096, create)
    place = libc.shmat(segment, None, 0)
    ctypes.memmove(place, MARK, len(MARK))
    stack.callback(libc.shmctl, segment, remove, None)
    return {"shared_file": str(shared), "shared_key": key, "queue": _queue(stack)}


def _queue(stack: ExitStack) -> str:
    name = f"/wb-{secrets.token_hex(8)}"
    before = os.umask(0)
    os.close(libc.mq_open(name.encode(), os.O_CREAT | os.O_RDWR, 0o666, None))
    os.umask(before)
    stack.callback(libc.mq_unlink, name.encode())
    return name


def _handle_of(path: str) -> list[Any]:
    """The file system's own number for a file: [kind, bytes]."""
    here, largest = -100, 128
    buffer = ctypes.create_string_buffer(largest.to_bytes(4, sys.byteorder), 8 + largest)
    if libc.name_to_handle_at(here, path.encode(), buffer, ctypes.byref(ctypes.c_int()), 0) != 0:
        return [1, ""]
    size, kind = (int.from_bytes(buffer.raw[at : at + 4], sys.byteorder) for at in (0, 4))
    return [kind, buffer.raw[8 : 8 + size].hex()]
