"""
The first step inside the sandbox: set the limits, give up the rights to files, then become the command.

Run as a script with the standard library alone. The limits are set here and not outside, because the number
of processes is counted per user: outside, an analyst's own desktop would count too. The rights are given up
here because whoever is bound by Landlock can mount nothing more.
"""

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[2]))
from workbench.lab import landlock

UNPROTECTED = 14


def limit(kind: int, value: int) -> None:
    """Set a limit for good; one that the room itself has already is not raised."""
    _, most = resource.getrlimit(kind)
    value = value if most == resource.RLIM_INFINITY else min(value, most)
    resource.setrlimit(kind, (value, value))


def bind(told: dict[str, Any]) -> None:
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


if __name__ == "__main__":
    bind(json.loads(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606
