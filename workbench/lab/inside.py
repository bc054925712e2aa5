"""
The first step inside the sandbox: set the limits, then become the command.

Run as a script with the standard library alone. The limits are set here and not outside, because the number
of processes is counted per user: outside, an analyst's own desktop would count too.
"""

import json
import os
import resource
import sys


def main(limits: dict[str, int], command: list[str]) -> None:
    for name, value in limits.items():
        resource.setrlimit(getattr(resource, name), (value, value))
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2:])
