"""How much one kernel may use, and all kernels of a room together: every limit in one table, and what keeps it."""

import os
from dataclasses import dataclass, replace
from types import MappingProxyType

MB, GB = 1 << 20, 1 << 30


@dataclass(frozen=True)
class Limits:
    """
    What one kernel may use at most; bytes where nothing else is said.

    Without control groups `memory` is kept for each process and not for all together, of a kernel or of a room. `disk` is looked at
    before each piece of code; see KEPT_BY.
    """

    memory: int = 8 * GB
    processes: int = 512
    processors: int = os.cpu_count() or 1
    open_files: int = 4096  # of each process
    file_size: int = 2 * GB  # of each file
    disk: int = 20 * GB  # of the workspace
    temporary: int = 512 * MB  # of /tmp, in memory
    shared_memory: int = 256 * MB  # of /dev/shm, in memory
    kernels: int = 6  # of one room at once
    # All kernels of one room together; processors and disk are the room's already.
    room_memory: int = 16 * GB
    room_processes: int = 1024

    def of_room(self) -> "Limits":
        """What the kernels of one room may use together."""
        return replace(self, memory=self.room_memory, processes=self.room_processes)

    def resources(self, *, grouped: bool) -> dict[str, int]:
        """
        What the operating system keeps for each process.

        Where a control group counts what is really used (`grouped`), address space is given twice as freely:
        libraries reserve more of it than they fill.
        """
        return {
            "RLIMIT_AS": self.memory * (2 if grouped else 1),
            "RLIMIT_NPROC": self.processes,
            "RLIMIT_FSIZE": self.file_size,
            "RLIMIT_NOFILE": self.open_files,
            "RLIMIT_CORE": 0,
        }


DISK = "a file system of its own as root; looked at before each piece of code"
# What keeps each limit: (where there are control groups, elsewhere).
KEPT_BY = MappingProxyType(
    {
        "memory": ("control group", "RLIMIT_AS, each process"),
        "processes": ("control group, RLIMIT_NPROC", "RLIMIT_NPROC"),
        "processors": ("control group", "processor affinity"),
        "open_files": ("RLIMIT_NOFILE", "RLIMIT_NOFILE"),
        "file_size": ("RLIMIT_FSIZE", "RLIMIT_FSIZE"),
        "disk": (DISK, DISK),
        "temporary": ("tmpfs", "tmpfs"),
        "shared_memory": ("tmpfs", "tmpfs"),
        "kernels": ("the room, before each start", "the room, before each start"),
        "room_memory": ("control group of the room", "the number of kernels"),
        "room_processes": ("control group of the room, RLIMIT_NPROC", "RLIMIT_NPROC"),
    }
)
