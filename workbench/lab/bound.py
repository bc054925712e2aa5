"""
A kernel bound by Landlock and the filter of system calls alone, for machines that allow no user namespaces.

It is weaker than the sandbox of `sandbox.py`: what is there can be asked about, sockets that stand open to the
kernel's user can be reached, and the workspace is the only place that is bounded. `residual.py` has the list.
It is chosen by name and never by itself.

The kernel finds everything under the names it has in the sandbox, in a tree of links made for it (`world`). It
runs in a process group that it cannot leave, beneath a process that ends the whole group.
"""

import os
import shutil
from pathlib import Path
from typing import Any

from workbench.lab import landlock, seccomp
from workbench.lab.sandbox import (
    CONNECTION,
    DATASETS,
    SYSTEM_FILES,
    USES,
    WORKSPACE,
    Sandbox,
    environment_of,
    inside_command,
    mounts_of,
    processors_of,
    written_plan,
)

# Scopes for signals and abstract sockets came with this version: without them a kernel could end the room.
NEEDED = 6
WORLD = "world"
TEMPORARY = f"{WORKSPACE}/.tmp"  # counted with the workspace: nothing else bounds it here
TRANSLATED = ("/datasets", "/opt/", "/run/k", "/run/workbench/", WORKSPACE)

# Lines that begin with "!" run without a terminal: there is none to be had, and no session to have it in.
WITHOUT_TERMINAL = "--IPKernelApp.exec_lines=get_ipython().system = get_ipython().system_raw"

# What a process needs of the machine. Of /proc a kernel sees itself, not even its own children.
OF_THE_MACHINE = {
    **dict.fromkeys(("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"), "run"),
    **dict.fromkeys((*SYSTEM_FILES, "/etc/passwd", "/etc/group", "/etc/nsswitch.conf"), "read"),
    **dict.fromkeys(("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat"), "read"),
    **dict.fromkeys(("/proc/loadavg", "/proc/filesystems", "/proc/sys/vm/overcommit_memory"), "read"),
    **dict.fromkeys(("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"), "devices"),
}


def place(at: str, *, folder: Path) -> str:
    """Where that which is `at` in the sandbox stands for a kernel of `folder`."""
    if at == "/tmp" or at.startswith("/tmp/"):  # noqa: S108 - a name inside
        at = TEMPORARY + at.removeprefix("/tmp")  # noqa: S108
    return f"{folder}/{WORLD}{at}" if at.startswith(TRANSLATED) else at


def launch_command(sandbox: Sandbox, command: list[str], *, folder: Path) -> list[str]:
    """The command that runs `command` bound; see `sandbox.launch_command`."""
    sources = [str(mount.source.resolve()) for mount in mounts_of(sandbox)]
    stage = folder / "stage"
    stage.mkdir(exist_ok=True)
    places = [f"{stage}/{number}" for number in range(len(sources))] if sandbox.owner else sources
    build_world(sandbox, places, folder=folder)
    resources = sandbox.limits.resources(grouped=sandbox.group is not None)
    if not sandbox.owner:
        # Counted for the user, who is here before the kernel: an analyst's own desktop counts too.
        resources["RLIMIT_NPROC"] += threads_of(os.geteuid())
    told = {
        "resources": resources,
        "rules": landlock.rules_of(uses(sandbox, places, folder=folder)),
        "network": False,
        "folders": [place(TEMPORARY, folder=folder)],
    }
    plan: dict[str, Any] = {
        "owner": sandbox.owner,
        "parent": os.getpid(),
        "stage": str(stage),
        "sources": sources,
        "read_only": [number for number, mount in enumerate(mounts_of(sandbox)) if not mount.writable],
        "doors": sandbox.group.doors if sandbox.group else [],
        "processors": processors_of(sandbox),
        "filter": seccomp.program(alone=True),
        "arguments": [place(word, folder=folder) for word in inside_command(command, told)],
        "environment": environment(folder=folder),
        "folder": place(WORKSPACE, folder=folder),
    }
    return written_plan(plan, folder=folder)


def build_world(sandbox: Sandbox, places: list[str], *, folder: Path) -> None:
    """The names of the sandbox as links to `places`, in a tree that the kernel cannot change."""
    world = folder / WORLD
    shutil.rmtree(world, ignore_errors=True)  # of the kernel's last run
    for at in (DATASETS, os.path.dirname(CONNECTION)):
        (world / at.lstrip("/")).mkdir(parents=True)
    for target, mount in zip(places, mounts_of(sandbox), strict=True):
        link = Path(place(mount.at, folder=folder))
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)
    for made in (world, *world.rglob("*")):
        if made.is_dir() and not made.is_symlink():
            made.chmod(0o755)
    if sandbox.connection is not None:
        sealed = Path(place(CONNECTION, folder=folder))
        sealed.touch(mode=0o600)
        sealed.write_bytes(sandbox.connection)
        sealed.chmod(0o400)
        if sandbox.owner:
            os.chown(sealed, sandbox.owner, sandbox.owner)


def uses(sandbox: Sandbox, places: list[str], *, folder: Path) -> dict[str, str]:
    """What may be done where, of the list in `landlock.py`."""
    theirs = {target: use_of(mount.at) for target, mount in zip(places, mounts_of(sandbox), strict=True)}
    # Two rules on one place add up: what is temporary here, sockets too, is kept in the workspace.
    sockets = {place(WORKSPACE, folder=folder): "keep files and sockets"}
    return {**OF_THE_MACHINE, f"{folder}/{WORLD}": "read", **theirs, **sockets}


def use_of(at: str) -> str:
    """The use of the nearest place that the sandbox has a rule for."""
    return next(USES[str(parent)] for parent in (Path(at), *Path(at).parents) if str(parent) in USES)


def environment(*, folder: Path) -> dict[str, str]:
    """The kernel's environment, whole, with the places of this world."""
    translated = {
        name: ":".join(place(part, folder=folder) for part in value.split(":"))
        for name, value in environment_of().items()
    }
    return translated | {
        "JOBLIB_MULTIPROCESSING": "0",  # it would find no semaphores, and warn each time it is imported
        "TMPDIR": place(TEMPORARY, folder=folder),
        "WORKBENCH_DATASETS": place(DATASETS, folder=folder),
    }


def threads_of(user: int) -> int:
    """How many threads this user has now."""
    count = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            words = dict(line.split(":", 1) for line in status.read_text().splitlines())
        except OSError:
            continue  # it has ended
        count += int(words["Threads"]) if int(words["Uid"].split()[0]) == user else 0
    return count
