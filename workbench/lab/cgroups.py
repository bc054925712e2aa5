"""
Control groups: memory, processes and processor time of one kernel counted together, whatever it starts.

A room's kernels have one group together, with limits of its own, and in it each has its own. It stands beneath the
group that the room itself is in, so that whatever limits the room limits the kernels too. Both versions of the interface are spoken; where neither lets us, there is no group, and the
limits of each process are what remains.

In version 2 a group that holds processes hands nothing down. There the room is to be started in a group called
`workbench-room` of its own (in systemd: `Delegate=yes`, `DelegateSubgroup=workbench-room`), and the kernels'
group stands beside it.
"""

import contextlib
import os
import secrets
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workbench.lab.limits import Limits

PREFIX = "workbench-"
ROOM = f"{PREFIX}room"
OWN_GROUPS, OWN_MOUNTS = Path("/proc/self/cgroup"), Path("/proc/self/mountinfo")
PERIOD = 100_000  # microseconds
PATIENCE = 5  # seconds; what is not gone then is left to `clear_leftovers`

# Of each controller: its files and what is written there. A name with "?" is one that some systems lack.
Files = list[tuple[str, int | str]]


def files_v1(limits: Limits) -> dict[str, Files]:
    return {
        "memory": [
            ("memory.limit_in_bytes", limits.memory),
            ("memory.memsw.limit_in_bytes?", limits.memory),
        ],
        "pids": [("pids.max", limits.processes)],
        "cpu": [("cpu.cfs_period_us", PERIOD), ("cpu.cfs_quota_us", PERIOD * limits.processors)],
    }


def files_v2(limits: Limits, *, one: bool) -> dict[str, Files]:
    """`one`: whether what is in the group is one kernel."""
    return {
        "memory": [
            ("memory.max", limits.memory),
            ("memory.swap.max?", 0),
            # A kernel that takes too much ends whole: half a kernel helps nobody. The others of its room go on.
            ("memory.oom.group?", int(one)),
        ],
        "pids": [("pids.max", limits.processes)],
        "cpu": [("cpu.max", f"{PERIOD * limits.processors} {PERIOD}")],
    }


# Where each version counts the processes that were ended for memory.
COUNTERS = ("memory.oom_control", "memory.events")


@dataclass(frozen=True)
class Group:
    """The folders of a group, of a room or of one kernel: one for each controller in version 1, a single one in version 2."""

    folders: tuple[Path, ...]

    @property
    def doors(self) -> list[str]:
        """Where a process writes its number to be in the group."""
        return [str(folder / "cgroup.procs") for folder in self.folders]

    def enter(self, process: int) -> None:
        """
        Put a process in the group, as it does itself before all else. The first of two who do so waits ten
        milliseconds for the operating system; begun here, it waits while the process starts.
        """
        for door in self.doors:
            with contextlib.suppress(OSError):  # it has ended already
                Path(door).write_text(str(process))

    def ended_for_memory(self) -> bool:
        """Was a process of the group ended because the group took more memory than it may?"""
        for folder in self.folders:
            for counter in COUNTERS:
                with contextlib.suppress(OSError):
                    words = dict(line.split() for line in (folder / counter).read_text().splitlines())
                    if int(words.get("oom_kill", 0)) > 0:
                        return True
        return False

    def remove(self) -> None:
        """Remove the group with whatever is left in it, which nothing else holds any more."""
        end = time.monotonic() + PATIENCE
        for folder in self.folders:
            while folder.exists() and time.monotonic() < end:
                with contextlib.suppress(OSError):
                    folder.rmdir()
                    break
                self._end_processes(folder)
                time.sleep(0.01)

    @staticmethod
    def _end_processes(folder: Path) -> None:
        with contextlib.suppress(OSError, ValueError):
            for process in map(int, (folder / "cgroup.procs").read_text().split()):
                os.kill(process, signal.SIGKILL)


def make(limits: Limits, *, within: Group | None = None) -> Group | None:
    """
    A new group with these limits: a room's, or `within` that one a kernel's.

    None where the system does not let us have one that keeps them all.
    """
    name = f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
    if within is None:
        return _make_v1(limits, name) or _make_v2(limits, name)
    if len(within.folders) == 1:
        return _made_v2(limits, within.folders[0], name, one=True)
    rows = files_v1(limits).values()
    return _filled([(above / name, files) for above, files in zip(within.folders, rows, strict=True)])


def clear_leftovers() -> None:
    """Remove the groups of rooms that are gone; a group with a process in it is never removed."""
    for parent in {*_parents_v1().values(), *_parent_v2()}:
        for folder in parent.glob(f"{PREFIX}*"):
            room = folder.name.removeprefix(PREFIX).partition("-")[0]
            if room.isdecimal() and not Path(f"/proc/{room}").exists():
                for left in (*folder.glob(f"{PREFIX}*"), folder):
                    with contextlib.suppress(OSError):
                        left.rmdir()


def _make_v1(limits: Limits, name: str) -> Group | None:
    parents = _parents_v1()
    wanted = files_v1(limits)
    if not wanted.keys() <= parents.keys():
        return None
    return _filled([(parents[controller] / name, files) for controller, files in wanted.items()])


def _make_v2(limits: Limits, name: str) -> Group | None:
    return next(
        (made for parent in _parent_v2() if (made := _made_v2(limits, parent, name, one=False))), None
    )


def _made_v2(limits: Limits, parent: Path, name: str, *, one: bool) -> Group | None:
    wanted = files_v2(limits, one=one)
    with contextlib.suppress(OSError):
        _hand_down(parent, wanted)
        return _filled([(parent / name, [row for files in wanted.values() for row in files])])
    return None


def _hand_down(parent: Path, controllers: dict[str, Files]) -> None:
    """Let groups beneath `parent` have the controllers; OSError where that cannot be."""
    control = parent / "cgroup.subtree_control"
    lacking = controllers.keys() - set(control.read_text().split())
    if lacking:
        control.write_text(" ".join(f"+{name}" for name in sorted(lacking)))


def _filled(wanted: list[tuple[Path, Files]]) -> Group | None:
    group = Group(tuple(folder for folder, _ in wanted))
    try:
        for folder, files in wanted:
            folder.mkdir()
            for name, value in files:
                if not name.endswith("?") or (folder / name.rstrip("?")).exists():
                    (folder / name.rstrip("?")).write_text(str(value))
    except OSError:
        group.remove()
        return None
    return group


def _parents_v1() -> dict[str, Path]:
    """The folder of the room's own group, by controller."""
    own = {}
    for line in _lines(OWN_GROUPS):
        _, controllers, path = line.split(":", 2)
        own.update(dict.fromkeys(filter(None, controllers.split(",")), path))
    found = {}
    for root, place, options in _hierarchies("cgroup"):
        for controller in options & own.keys():
            if _beneath(own[controller], root):
                found[controller] = Path(place) / os.path.relpath(own[controller], root)
    return found


def _parent_v2() -> Iterator[Path]:
    """The folder of the room's own group, where there is one."""
    own = [line[3:] for line in _lines(OWN_GROUPS) if line.startswith("0::")]
    for root, place, _ in _hierarchies("cgroup2"):
        for path in (path for path in own if _beneath(path, root)):
            folder = Path(place) / os.path.relpath(path, root)
            yield folder.parent if folder.name == ROOM else folder


def _hierarchies(kind: str) -> Iterator[tuple[str, str, set[str]]]:
    """Each mounted hierarchy of this kind: the group at its top, where it is mounted, and its options."""
    for line in _lines(OWN_MOUNTS):
        about, _, rest = line.partition(" - ")
        system, _, options = rest.split(" ", 2)
        if system == kind:
            root, place = about.split()[3:5]
            yield root, place, set(options.split(","))


def _beneath(path: str, root: str) -> bool:
    """Is the group in what is mounted? In a container its name may lead out of it."""
    return os.path.relpath(path, root).split("/")[0] != ".."


def _lines(file: Path) -> list[str]:
    """The lines of a file about our own process; none on a system without control groups."""
    with contextlib.suppress(OSError):
        return file.read_text().splitlines()
    return []
