"""
The first step inside the sandbox: set the limits, give up the rights to files, then become the command.

Run as a script with the standard library alone; a module that is to follow runs in the same interpreter. The limits are set here and not outside, because the number
of processes is counted per user: outside, an analyst's own desktop would count too. The rights are given up
here because whoever is bound by Landlock can mount nothing more.
"""

import json
import os
import resource
import sys

if sys.flags.isolated:
    sys.path.append(__file__.removesuffix("/workbench/lab/inside.py"))
from workbench.lab import landlock

UNPROTECTED = 14


def limit(kind: int, value: int) -> None:
    """Set a limit for good; one that the room itself has already is not raised."""
    _, most = resource.getrlimit(kind)
    value = value if most == resource.RLIM_INFINITY else min(value, most)
    resource.setrlimit(kind, (value, value))


def bind(told: dict) -> None:
    """Keep to the limits and the rules of `told` from here on; without Landlock there is no kernel."""
    for name, value in told["resources"].items():
        limit(getattr(resource, name), value)
    try:
        landlock.restrict(told["rules"], network=told.get("network", True))
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(UNPROTECTED)
    for folder in told.get("folders", ()):
        os.makedirs(folder, exist_ok=True)  # by now with the kernel's own rights


def become(command: list[str]) -> None:
    """Be the command from here on: a module (-m) in this interpreter, a program in place of it."""
    if command[0] != "-m":
        os.execv(command[0], command)  # noqa: S606
    import runpy
    import site

    # Without the folder of this script. Python's own library first, as for every other interpreter, then what
    # the room offers, and last, where it can be seen at all, what the machine has beside it.
    added, machines = os.environ.get("PYTHONPATH", "").split(os.pathsep), site.getsitepackages()
    sys.path[:] = sorted(sys.path[1:], key=lambda place: 2 if place in machines else place in added)
    sys.argv = command[1:]
    runpy.run_module(command[1], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    bind(json.loads(sys.argv[1]))
    become(sys.argv[2:])
