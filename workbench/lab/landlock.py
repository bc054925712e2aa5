"""
Landlock: a process gives up, for good, the rights to files that it does not need.

Namespaces say what is there; Landlock says what may be done with it, by the process that it binds and by
everything that process starts. It is asked for through the C library alone, because it must happen inside
the sandbox, after the mounts are made: a process bound by Landlock may not mount.

https://docs.kernel.org/userspace-api/landlock.html
"""

import ctypes
import os
import stat
import struct
from collections.abc import Iterable, Mapping, Sequence

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture
ASK_VERSION = 1
PATH_BENEATH = 1
SET_NO_NEW_PRIVS = 38

# Each right over files: (its bit, the version of the interface that brought it).
RIGHTS: dict[str, tuple[int, int]] = {
    "execute": (1 << 0, 1),
    "write_file": (1 << 1, 1),
    "read_file": (1 << 2, 1),
    "read_dir": (1 << 3, 1),
    "remove_dir": (1 << 4, 1),
    "remove_file": (1 << 5, 1),
    "make_char": (1 << 6, 1),
    "make_dir": (1 << 7, 1),
    "make_reg": (1 << 8, 1),
    "make_sock": (1 << 9, 1),
    "make_fifo": (1 << 10, 1),
    "make_block": (1 << 11, 1),
    "make_sym": (1 << 12, 1),
    "refer": (1 << 13, 2),
    "truncate": (1 << 14, 3),
    "ioctl_dev": (1 << 15, 5),
}
OF_A_FILE = ("execute", "write_file", "read_file", "truncate", "ioctl_dev")

TCP = (0x3, 4)  # bind, connect: no rule allows either where they are handled
SCOPES = (0x3, 6)  # abstract Unix sockets and signals, both to the bound processes only

READ = ("read_file", "read_dir")
KEEP_FILES = (*READ, "write_file", "truncate", "make_reg", "make_dir", "remove_file", "remove_dir", "refer")

# What may be done in a place; what is in no list here (links, pipes, devices) may be done nowhere.
USES: dict[str, tuple[str, ...]] = {
    "list": ("read_dir",),
    "read": READ,
    "run": (*READ, "execute"),
    "keep files": KEEP_FILES,
    "keep files and sockets": (*KEEP_FILES, "make_sock"),
    # It may neither remove nor replace a socket: the room connects to what it finds there.
    "make sockets": (*READ, "make_sock"),
    "talk": ("read_file", "write_file"),
    "devices": (*READ, "write_file", "truncate", "ioctl_dev"),
}

libc = ctypes.CDLL(None, use_errno=True)


def abi() -> int:
    """The version of Landlock here; 0 where the system has none or does not let us ask."""
    return max(0, int(libc.syscall(CREATE_RULESET, None, 0, ASK_VERSION)))


def bits(rights: Iterable[str], *, version: int) -> int:
    """The rights as the system writes them, without those that this version does not know."""
    return sum(bit for bit, since in map(RIGHTS.__getitem__, rights) if since <= version)


def restrict(rules: Sequence[Sequence[str]], *, network: bool = True) -> None:
    """
    Bind this process to `rules`, pairs of a place and its use; OSError where that is not possible.

    A place that is not there is passed over. Without `network` no TCP port can be bound or reached.
    """
    version = abi()
    ruleset = _created(version, network=network)
    try:
        for place, use in rules:
            _allow(ruleset, place, USES[use], version=version)
        _checked(libc.prctl(SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        _checked(libc.syscall(RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)


def rules_of(places: Mapping[str, str]) -> list[list[str]]:
    """Places and their uses as `restrict` takes them, in a form that JSON can carry."""
    return [[place, use] for place, use in places.items()]


def _created(version: int, *, network: bool) -> int:
    files = bits(RIGHTS, version=version)
    tcp = TCP[0] if not network and version >= TCP[1] else 0
    scopes = SCOPES[0] if version >= SCOPES[1] else 0
    # An older system takes a shorter structure, and refuses a longer one unless the rest is nothing.
    asked = struct.pack("=QQQ", files, tcp, scopes)
    return _checked(libc.syscall(CREATE_RULESET, asked, len(asked), 0))


def _allow(ruleset: int, place: str, rights: Iterable[str], *, version: int) -> None:
    try:
        handle = os.open(place, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what cannot be opened cannot be used either
    try:
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            rights = [right for right in rights if right in OF_A_FILE]
        rule = struct.pack("=Qi", bits(rights, version=version), handle)
        _checked(libc.syscall(ADD_RULE, ruleset, PATH_BENEATH, rule, 0))
    finally:
        os.close(handle)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"landlock: {os.strerror(number)}")
    return result
