"""
The ways to hold a kernel: which there are, which one a room is opened with.

There are two and no third. The sandbox is the rule; the other is for machines that allow no user namespaces,
and a room has it only because somebody chose it by name: `workbench lab --sandbox landlock`, or the same in
WORKBENCH_SANDBOX.
"""

import os
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from workbench.errors import Usage
from workbench.lab import bound, sandbox
from workbench.lab.sandbox import Sandbox

CHOICE = "WORKBENCH_SANDBOX"


class Mode(StrEnum):
    SANDBOX = "bubblewrap"
    LANDLOCK = "landlock"


def chosen() -> Mode:
    """The way that was chosen by name, else the sandbox. Raises Usage for a name that is none."""
    given = os.environ.get(CHOICE) or Mode.SANDBOX
    if given not in set(Mode):
        raise Usage(
            ja=f"{CHOICE} の値「{given}」は知りません。{' か '.join(Mode)} を指定してください。",
            en=f"{CHOICE} is '{given}', which is no way to hold a kernel; use {' or '.join(Mode)}.",
        )
    return Mode(given)


Launch = Callable[..., list[str]]
LAUNCHES: MappingProxyType[Mode, Launch] = MappingProxyType(
    {Mode.SANDBOX: sandbox.launch_command, Mode.LANDLOCK: bound.launch_command}
)


# What a kernel is told beside the words of its kernelspec.
FURTHER_WORDS = MappingProxyType({Mode.SANDBOX: (), Mode.LANDLOCK: (bound.WITHOUT_TERMINAL,)})


def launch_command(mode: Mode, given: Sandbox, command: list[str], *, folder: Path) -> list[str]:
    """The command that runs `command` held in this way; see `sandbox.launch_command`."""
    return LAUNCHES[mode](given, command, folder=folder)


def place(mode: Mode, at: str, *, folder: Path) -> str:
    """Where a kernel of `folder` finds what is `at` in the sandbox."""
    return bound.place(at, folder=folder) if mode is Mode.LANDLOCK else at
