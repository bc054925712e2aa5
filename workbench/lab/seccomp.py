"""
The system calls a kernel may not make, as a filter for the operating system's own filter machine.

Namespaces leave the whole system-call table open, and some calls do not know about namespaces at all: the
keyring, io_uring, AF_VSOCK to the hypervisor. The filter lets everything through but a list: a list of what
is allowed would break with every new release of numpy, and what is dangerous changes more slowly.
"""

import errno
import platform
import struct

# The calls in AUDIT_ARCH order of (x86_64, aarch64); None where the architecture does not have the call.
REFUSED: dict[str, tuple[int | None, int]] = {
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    # parts of the system that no namespace confines
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "userfaultfd": (323, 282),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "fanotify_init": (300, 262),
    "syslog": (103, 116),
    # mounts and namespaces
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_by_handle_at": (304, 265),
    # files that would lead the room's side astray: it opens what it finds in a workspace
    "symlink": (88, None),  # aarch64 has symlinkat only
    "symlinkat": (266, 36),
    "mknod": (133, None),
    "mknodat": (259, 33),
    # a program in memory, which no rule about files sees; not all systems have a flag that forbids to run it
    "memfd_create": (319, 279),
    # the machine
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "personality": (135, 92),
    "vhangup": (153, 58),
    # where the limit of processors is the processors that the kernel was given
    "sched_setaffinity": (203, 122),
    # the table of mounts, past /proc
    "statmount": (457, 457),
    "listmount": (458, 458),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
}

# Refused as well where no namespaces hold a kernel apart: what reaches others, and what leaves the process group
# that a kernel is ended by.
REFUSED_ALONE: dict[str, tuple[int | None, int]] = {
    "setsid": (112, 157),
    "setpgid": (109, 154),
    # memory and messages shared with every process of the user
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "semget": (64, 190),
    "semop": (65, 193),
    "semctl": (66, 191),
    "semtimedop": (220, 192),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    # other processes of the user
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
    # files that Landlock lets nobody open can still be watched, and given other owners and attributes
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    "inotify_add_watch": (254, 27),
    "chown": (92, None),
    "lchown": (94, None),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "setxattrat": (463, 463),
    "removexattrat": (466, 466),
    "file_setattr": (469, 469),
}
# Said to be done and not done: ordinary copies and archives ask for a mode and a time, libzmq for a way to be
# scheduled, and all of them stop at a refusal.
PRETENDED: dict[str, tuple[int | None, int]] = {
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "sched_setscheduler": (144, 119),
}
PRLIMIT = (302, 261)

# name of the machine: (column of REFUSED, AUDIT_ARCH value, clone, clone3, socket, ioctl)
MACHINES: dict[str, tuple[int, int, int, int, int, int]] = {
    "x86_64": (0, 0xC000003E, 56, 435, 41, 16),
    "aarch64": (1, 0xC00000B7, 220, 435, 198, 29),
}

NEW_NAMESPACES = 0x7E020080  # the CLONE_NEW* bits: TIME, NS, CGROUP, UTS, IPC, USER, PID, NET
TERMINAL_INJECTION = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: type into the operator's terminal
AF_UNIX, AF_INET, AF_INET6 = 1, 2, 10
SOCK_STREAM, SOCK_TYPE_BITS = 1, 0xF
IPPROTO_TCP = 6
X32_CALLS = 0x40000000

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ALLOW, _KILL, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCHITECTURE = 0, 4


def _argument(position: int) -> int:
    """Where the low half of a call's argument lies (both machines are little-endian)."""
    return 16 + 8 * position


def _step(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("<HBBI", code, yes, no, value)


def _fail(number: int) -> bytes:
    return _step(_RETURN, _FAIL | number)


def _when_equal(value: int, body: bytes) -> bytes:
    """Run `body`, which must end in a return, when the loaded word equals `value`."""
    return _step(_EQUAL, value, no=len(body) // 8) + body


def _clone() -> bytes:
    namespaces = _step(_ANY_BIT, NEW_NAMESPACES, no=1) + _fail(errno.EPERM)
    return _step(_LOAD, _argument(0)) + namespaces + _step(_RETURN, _ALLOW)


def _socket() -> bytes:
    """
    Unix sockets, and TCP inside the empty network; nothing else.

    EOPNOTSUPP and not EAFNOSUPPORT: libzmq aborts the process when AF_NETLINK answers the latter.
    """
    refuse = _fail(errno.EOPNOTSUPP)
    return b"".join(
        (
            _step(_LOAD, _argument(0)),
            _when_equal(AF_UNIX, _step(_RETURN, _ALLOW)),
            _step(_EQUAL, AF_INET, yes=2),
            _step(_EQUAL, AF_INET6, yes=1),
            refuse,
            _step(_LOAD, _argument(1)),
            _step(_AND, SOCK_TYPE_BITS),
            _step(_EQUAL, SOCK_STREAM, yes=1),
            refuse,
            _step(_LOAD, _argument(2)),
            _step(_EQUAL, 0, yes=2),
            _step(_EQUAL, IPPROTO_TCP, yes=1),
            refuse,
            _step(_RETURN, _ALLOW),
        )
    )


def _ioctl() -> bytes:
    refused = b"".join(_when_equal(request, _fail(errno.EPERM)) for request in TERMINAL_INJECTION)
    return _step(_LOAD, _argument(1)) + refused + _step(_RETURN, _ALLOW)


def numbers() -> dict[str, int]:
    """This machine's numbers of the refused calls."""
    column = MACHINES[platform.machine()][0]
    return {name: row[column] for name, row in REFUSED.items() if row[column] is not None}


def supported() -> bool:
    """Is there a filter for this machine?"""
    return platform.machine() in MACHINES


def program(machine: str | None = None, *, alone: bool = False) -> bytes:
    """
    The filter for `machine` (this one when not given), as the array of steps that the kernel loads.

    `alone` where no namespaces stand behind it.
    """
    column, architecture, clone, clone3, socket, ioctl = MACHINES[machine or platform.machine()]
    rows = [*REFUSED.values(), *(REFUSED_ALONE.values() if alone else ())]
    return b"".join(
        (
            _step(_LOAD, _ARCHITECTURE),
            # Another architecture's table (32-bit calls on a 64-bit machine) has other numbers: end the process.
            _step(_EQUAL, architecture, yes=1),
            _step(_RETURN, _KILL),
            _step(_LOAD, _NUMBER),
            _step(_AT_LEAST, X32_CALLS, no=1),
            _step(_RETURN, _KILL),
            *(_when_equal(row[column], _fail(errno.EPERM)) for row in rows if row[column] is not None),
            *(_alone(column) if alone else ()),
            # clone3 hides its flags behind a pointer that a filter cannot follow; ENOSYS sends libc to clone.
            _when_equal(clone3, _fail(errno.ENOSYS)),
            _when_equal(clone, _clone()),
            _when_equal(socket, _unix_socket() if alone else _socket()),
            _when_equal(ioctl, _ioctl()),
            _step(_RETURN, _ALLOW),
        )
    )


def _alone(column: int) -> list[bytes]:
    """The steps for calls that are neither let through nor refused as a whole."""
    pretended = [row[column] for row in PRETENDED.values() if row[column] is not None]
    of_itself = _step(_LOAD, _argument(0)) + _step(_EQUAL, 0, yes=1) + _fail(errno.EPERM)
    return [
        *(_when_equal(number, _fail(0)) for number in pretended if number is not None),
        _when_equal(PRLIMIT[column], of_itself + _step(_RETURN, _ALLOW)),
    ]


def _unix_socket() -> bytes:
    """Unix sockets and nothing else: there is no empty network to have TCP in."""
    unix = _when_equal(AF_UNIX, _step(_RETURN, _ALLOW))
    return _step(_LOAD, _argument(0)) + unix + _fail(errno.EOPNOTSUPP)
