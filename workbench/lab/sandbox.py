"""
What a kernel may touch, as data, and the bubblewrap command made of it.

A kernel's world is built from nothing: the system's programs, the interpreter with its packages and this
package, all read-only; the admitted datasets, read-only; a workspace; a folder for its own sockets; and one
socket to the gateway. Network, processes and shared memory are its own and empty. What is not named in a
`Sandbox` does not exist inside.

There is no way to run a kernel without it: where the operating system cannot give it, `probe.py` says why, and
`bound.py` has what can be chosen instead.
"""

import json
import marshal
import os
import random
import shutil
import site
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import workbench
from workbench.errors import Unprotected
from workbench.lab import landlock, seccomp
from workbench.lab.cgroups import Group
from workbench.lab.limits import Limits

WORKSPACE = "/workspace"
DATASETS = "/datasets"
SOCKETS = "/run/k"
CONNECTION = "/run/workbench/connection.json"
GATEWAY = "/run/workbench/gateway.sock"
TRUSTED = "/run/workbench/trusted.json"
CODE = "/opt/code"
PYTHON = "/opt/python"
PACKAGES = "/opt/packages"

INSIDE_USER = 1000
# As root the room gives each workspace one of these users: no distribution or service manager hands them out.
OWNERS = range(60706, 61184)
FIRST_SEALED = 10

PASSWD = b"analyst:x:1000:1000:analyst:/tmp:/bin/sh\n"
GROUP = b"analyst:x:1000:\n"

# The kernel's whole environment. Nothing of the room's own is passed on except the reader's language.
ENVIRONMENT = MappingProxyType(
    {
        "HOME": "/tmp",  # noqa: S108 - inside: a tmpfs of its own
        "IPYTHONDIR": "/tmp/.ipython",  # noqa: S108
        "LANG": "C.UTF-8",
        # In the workspace, so that the list of fonts is made once for an analyst and not for each kernel.
        "MPLCONFIGDIR": f"{WORKSPACE}/.matplotlib",
        "PATH": "/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "USER": "analyst",
        "WORKBENCH_GATEWAY": GATEWAY,
        "WORKBENCH_TRUST": TRUSTED,
    }
)
PASSED_ON = ("WORKBENCH_LANG", "TZ")

# What may be done where, of the list in `landlock.py`; nothing may be done in a place that is not here.
USES = MappingProxyType(
    {
        "/": "list",
        **dict.fromkeys(("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt"), "run"),
        **dict.fromkeys(("/etc", "/proc", DATASETS, CONNECTION, TRUSTED), "read"),
        "/dev": "devices",
        "/dev/shm": "keep files",  # noqa: S108 - inside: a tmpfs of its own
        "/tmp": "keep files and sockets",  # noqa: S108
        WORKSPACE: "keep files",
        SOCKETS: "make sockets",
        GATEWAY: "talk",
    }
)

LAUNCHER = Path(__file__).with_name("launch.py")
NAMESPACES = ("user", "pid", "net", "ipc", "uts", "cgroup-try")
SYSTEM_FOLDERS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
SYSTEM_FILES = ("/etc/alternatives", "/etc/fonts", "/etc/ld.so.cache", "/etc/localtime")


@dataclass(frozen=True)
class Sandbox:
    """
    Everything one kernel may touch.

    `owner` is the user that the kernel is outside: never root, and None where the room itself is not root.
    """

    workspace: Path
    datasets: Mapping[str, Path] = field(default_factory=dict)
    sockets: Path | None = None
    gateway: Path | None = None
    trusted: Path | None = None
    connection: bytes | None = None
    owner: int | None = None
    limits: Limits = field(default_factory=Limits)
    group: Group | None = None

    def __post_init__(self) -> None:
        if os.geteuid() == 0 and not self.owner:
            raise Unprotected(
                ja="カーネルを root で動かすことはできません。一般の利用者を割り当ててください。",
                en="A kernel is never run as root; give it an unprivileged user.",
            )


@dataclass(frozen=True)
class Mount:
    """`source` of the room appears at `at` in the sandbox."""

    source: Path
    at: str
    writable: bool = False


@dataclass(frozen=True)
class Interpreter:
    """The room's Python as the kernel sees it: at neutral places, without the name of a home or a project."""

    executable: str
    mounts: tuple[Mount, ...]
    environment: Mapping[str, str]
    emptied: tuple[str, ...]


@cache
def interpreter() -> Interpreter:
    """This process's interpreter, its packages and this package."""
    executable, base = Path(sys.executable).resolve(), Path(sys.base_prefix).resolve()
    packages = Path(sysconfig.get_path("purelib"))
    mounts = [Mount(Path(workbench.__file__).parent, f"{CODE}/workbench"), Mount(packages, PACKAGES)]
    environment, inside = {"PYTHONPATH": f"{CODE}:{PACKAGES}"}, base
    if not base.is_relative_to("/usr"):
        # A Python moved by a mount looks for its library where it was built; the system's would be another one.
        mounts.append(Mount(base, PYTHON))
        environment["LD_LIBRARY_PATH"] = f"{PYTHON}/lib"
        executable = Path(PYTHON) / executable.relative_to(base)
        inside = Path(PYTHON)
    # Packages that the machine has beside the room's: they are not the room's to offer, and looking through
    # them is most of what an interpreter does when it starts.
    beside = [Path(folder) for folder in site.getsitepackages([str(base)]) if Path(folder).is_dir()]
    emptied = tuple(str(inside / folder.relative_to(base)) for folder in beside)
    return Interpreter(str(executable), tuple(mounts), environment, emptied)


def mounts_of(sandbox: Sandbox) -> list[Mount]:
    """What is bound into the sandbox, beside the system's own folders."""
    optional = [
        Mount(source, at, writable)
        for source, at, writable in (
            (sandbox.sockets, SOCKETS, True),
            (sandbox.gateway, GATEWAY, True),  # connecting takes the right to write
            (sandbox.trusted, TRUSTED, False),
        )
        if source is not None
    ]
    datasets = [Mount(path, f"{DATASETS}/{name}") for name, path in sorted(sandbox.datasets.items())]
    workspace = Mount(sandbox.workspace, WORKSPACE, writable=True)
    return [*interpreter().mounts, *datasets, workspace, *optional]


def sealed_of(sandbox: Sandbox) -> dict[str, bytes]:
    """Small files that exist in the sandbox only, read-only, with no file of the room behind them."""
    files = {"/etc/passwd": PASSWD, "/etc/group": GROUP}
    return files if sandbox.connection is None else files | {CONNECTION: sandbox.connection}


def environment_of() -> dict[str, str]:
    """The kernel's environment, whole."""
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {**ENVIRONMENT, **interpreter().environment, **passed_on}


def _system() -> list[str]:
    """The programs and libraries of the machine, read-only."""
    arguments = ["--ro-bind", "/usr", "/usr"]
    for folder in map(Path, SYSTEM_FOLDERS):
        if folder.is_symlink():
            arguments += ["--symlink", os.readlink(folder), str(folder)]
        elif folder.is_dir():
            arguments += ["--ro-bind", str(folder), str(folder)]
    for name in SYSTEM_FILES:
        arguments += ["--ro-bind-try", name, name]
    return arguments


def bwrap_arguments(sandbox: Sandbox, *, sources: list[str]) -> list[str]:
    """
    What bubblewrap is told, beside the command. `sources` stand for those of `mounts_of`, in order.

    The filter of system calls and the sealed files are read from the descriptors after FIRST_SEALED, which
    holds these words.
    """
    limits = sandbox.limits
    arguments = [*(f"--unshare-{namespace}" for namespace in NAMESPACES)]
    arguments += ["--disable-userns", "--uid", str(INSIDE_USER), "--gid", str(INSIDE_USER)]
    arguments += ["--hostname", "workbench", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    arguments += ["--clearenv"]
    for name, value in sorted(environment_of().items()):
        arguments += ["--setenv", name, value]
    arguments += _system()
    arguments += ["--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"]
    arguments += ["--size", str(limits.shared_memory), "--perms", "1777", "--tmpfs", "/dev/shm"]  # noqa: S108
    arguments += ["--size", str(limits.temporary), "--perms", "1777", "--tmpfs", "/tmp"]  # noqa: S108
    arguments += ["--dir", DATASETS]
    for source, mount in zip(sources, mounts_of(sandbox), strict=True):
        arguments += ["--bind" if mount.writable else "--ro-bind", source, mount.at]
    for folder in interpreter().emptied:
        arguments += ["--tmpfs", folder, "--remount-ro", folder]
    arguments += ["--seccomp", str(FIRST_SEALED + 1)]
    for number, at in enumerate(sealed_of(sandbox), start=FIRST_SEALED + 2):
        arguments += ["--perms", "0444", "--ro-bind-data", str(number), at]
    return [*arguments, "--remount-ro", "/", "--chdir", WORKSPACE]


def bubblewrap() -> str | None:
    """Where bubblewrap stands, or None."""
    return shutil.which("bwrap")


def launch_command(sandbox: Sandbox, command: list[str], *, folder: Path) -> list[str]:
    """
    The command that runs `command` in the sandbox; it must be started by this very process.

    `command` names things as they are inside; its first word may be "python". `folder` is one of
    `run_folder.py` that outlives the process.
    """
    sources = [str(mount.source.resolve()) for mount in mounts_of(sandbox)]
    stage = folder / "stage"
    stage.mkdir(exist_ok=True)
    staged = [f"{stage}/{number}" for number in range(len(sources))] if sandbox.owner else sources
    # Not on the command line: it would show every user of the machine, and the kernel, where the room's
    # folders stand.
    told = b"".join(os.fsencode(word) + b"\0" for word in bwrap_arguments(sandbox, sources=staged))
    plan: dict[str, Any] = {
        "owner": sandbox.owner,
        "parent": os.getpid(),
        "stage": str(stage),
        "sources": sources,
        "read_only": [number for number, mount in enumerate(mounts_of(sandbox)) if not mount.writable],
        "doors": sandbox.group.doors if sandbox.group else [],
        "processors": processors_of(sandbox),
        "first_sealed": FIRST_SEALED,
        "sealed": [told, seccomp.program(), *sealed_of(sandbox).values()],
        "arguments": [
            *(str(bubblewrap()), "--args", str(FIRST_SEALED), "--"),
            *command_inside(command, sandbox),
        ],
    }
    return written_plan(plan, folder=folder)


def written_plan(plan: Mapping[str, Any], *, folder: Path) -> list[str]:
    """The command that carries out `plan`, written where only this user reads it."""
    handle, path = tempfile.mkstemp(prefix="plan-", dir=folder)
    with open(handle, "wb") as file:
        marshal.dump(plan, file)
    return [sys.executable, "-I", "-S", str(LAUNCHER), path]


def processors_of(sandbox: Sandbox) -> list[int]:
    """Which processors the kernel runs on: any, where a group counts their time, and so many elsewhere."""
    here = sorted(os.sched_getaffinity(0))
    if sandbox.group is not None or sandbox.limits.processors >= len(here):
        return here
    return random.sample(here, sandbox.limits.processors)


def command_inside(command: list[str], sandbox: Sandbox) -> list[str]:
    """`command` behind the step that sets the limits and gives up rights."""
    resources = sandbox.limits.resources(grouped=sandbox.group is not None)
    return inside_command(command, {"resources": resources, "rules": landlock.rules_of(USES)})


def inside_command(command: list[str], told: Mapping[str, Any]) -> list[str]:
    """
    `command` behind the step inside, which is told what to keep to.

    A module is run by the interpreter that takes the step: a second one would make every kernel start later.
    """
    python, step = interpreter().executable, f"{CODE}/workbench/lab/inside.py"
    if command[:2] == ["python", "-m"]:
        return [python, step, json.dumps(told), *command[1:]]
    words = [*(python if word == "python" else word for word in command[:1]), *command[1:]]
    return [python, "-I", "-S", step, json.dumps(told), *words]
