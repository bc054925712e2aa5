"""
The step between the room and bubblewrap: run as a script of its own, with the standard library alone.

It reads a plan (see `sandbox.py`), closes every door it inherited, and becomes bubblewrap; or, where there are
no namespaces (`bound.py`), it starts the kernel itself and stays as the one that ends it. As root it first
makes the sources readable to an unprivileged user at neutral places and under neutral names, in a mount
namespace of its own (the interpreter may stand in a private home), and then becomes that user for good: a user
namespace made by root would map the sandbox's files to root.

Every kernel's start waits for it, so it imports what is built in and little else: the plan is in the
interpreter's own notation, because reading JSON would take longer than all the rest.
"""

import _signal
import ctypes
import marshal
import os
import sys

CLONE_NEWNS = 0x00020000
MS_RDONLY, MS_BIND, MS_REC, MS_PRIVATE = 0x1, 0x1000, 0x4000, 0x40000
MNT_DETACH = 2
PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 22, 36, 38
BY_FILTER = 2
UNPROTECTED = 14
SIGKILL, SIGTERM = 9, 15

libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: object) -> None:
    """Call the C library; a failure ends the launch, and with it the kernel."""
    if getattr(libc, name)(*arguments) != 0:
        sys.exit(f"{name}: {os.strerror(ctypes.get_errno())}")


def mount(source: str, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    call(
        "mount", source.encode(), target.encode(), kind and kind.encode(), flags, options and options.encode()
    )


def stage(folder: str, sources: list[str], read_only: list[int]) -> None:
    """Bind each source at `folder`/<its number>, seen by this process and its children only."""
    call("unshare", CLONE_NEWNS)
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    mount("workbench", folder, "tmpfs", 0)
    os.chmod(folder, 0o755)  # noqa: S103 - seen by this process and its children only
    os.chdir(folder)
    os.mkdir("nothing")
    for number, source in enumerate(sources):
        target = str(number)
        if os.path.isdir(source):
            os.mkdir(target)
        else:
            os.close(os.open(target, os.O_CREAT | os.O_EXCL))
        mount(source, target, None, MS_BIND | MS_REC)
        if number in read_only and os.path.isdir(source):
            cover(target)
    os.chdir("/")
    leave_workspaces(folder)


def cover(target: str) -> None:
    """
    Lay an overlay of this one folder over it: the table of mounts, which every kernel can read, then shows a
    number for it and no longer where in the room it stands. Some systems have none; see `residual.py`.
    """
    options = f"lowerdir={target}:nothing".encode()
    libc.mount(b"workbench", target.encode(), b"overlay", MS_RDONLY, options)


def leave_workspaces(folder: str) -> None:
    """Keep no hold on the workspaces of others: they could not be given back while this kernel runs."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        rows = [line.split() for line in file]
    for row in rows:
        if "nosymfollow" in row[5].split(",") and not row[4].startswith(f"{folder}/"):
            libc.umount2(row[4].encode().decode("unicode_escape").encode("latin-1"), MNT_DETACH)


def enter(doors: list[str]) -> None:
    """Be in the control group of the kernel: everything that follows is counted there."""
    for door in doors:
        with open(door, "w") as file:
            file.write(str(os.getpid()))
    # Where the whole machine runs out of memory, the kernel goes before the room; some containers forbid it.
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        pass


def become(owner: int) -> None:
    """Be `owner` and nobody else, with no way back."""
    os.setgroups([])
    os.setresgid(owner, owner, owner)
    os.setresuid(owner, owner, owner)


def seal(number: int, content: bytes) -> None:
    """Hand `content` to bubblewrap as file descriptor `number`."""
    handle = os.memfd_create("sealed", 0)
    os.write(handle, content)
    os.lseek(handle, 0, os.SEEK_SET)
    os.dup2(handle, number, inheritable=True)
    os.close(handle)


def bind(program: bytes) -> None:
    """Keep to a filter of system calls, for good."""

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_void_p)]

    steps = ctypes.create_string_buffer(program, len(program))
    whole = Program(len(program) // 8, ctypes.cast(steps, ctypes.c_void_p))
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    call("prctl", PR_SET_SECCOMP, BY_FILTER, ctypes.byref(whole), 0, 0)


def supervise(plan: dict) -> None:
    """
    Start the kernel bound, in our process group, which it cannot leave; end the whole group with it.

    Where there are no process namespaces this is what keeps anything from outliving its kernel: whoever ends us
    by the group ends all, and when the room dies we are told and do it ourselves.
    """
    if os.getpgrp() != os.getpid():
        os.setsid()
    call("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _signal.signal(SIGTERM, lambda *_: os.killpg(0, SIGKILL))
    call("prctl", PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0)
    expect_room(plan)
    kernel = os.fork()
    if kernel == 0:
        _signal.signal(SIGTERM, _signal.SIG_DFL)
        call("prctl", PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
        os.chdir(plan["folder"])
        bind(plan["filter"])
        os.execve(plan["arguments"][0], plan["arguments"], plan["environment"])  # noqa: S606
    ended = status = 0
    while ended != kernel:
        ended, status = os.wait()
    try:
        os.waitpid(-1, os.WNOHANG)
        os.killpg(0, SIGKILL)  # something is left: all of us go
    except ChildProcessError:
        pass
    code = os.waitstatus_to_exitcode(status)
    sys.exit(code if code >= 0 else 128 - code)


def expect_room(plan: dict) -> None:
    if os.getppid() != plan["parent"]:
        sys.exit(UNPROTECTED)  # the room is gone already: nobody would end this kernel


def main(path: str) -> None:
    with open(path, "rb") as file:
        plan = marshal.load(file)  # noqa: S302 - the room's own file, in a folder that is its own
    os.unlink(path)  # it holds the key of the kernel's connection
    if os.geteuid() == 0 and not plan["owner"]:
        sys.exit(UNPROTECTED)
    enter(plan["doors"])
    os.sched_setaffinity(0, plan["processors"])
    if plan["owner"]:
        stage(plan["stage"], plan["sources"], plan["read_only"])
        become(plan["owner"])
    os.umask(0o077)
    # Bubblewrap passes on what it inherits: an open file of the room would be open in the sandbox.
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    if "filter" in plan:
        supervise(plan)
    for number, content in enumerate(plan["sealed"], start=plan["first_sealed"]):
        seal(number, content)
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    call("prctl", PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
    expect_room(plan)
    os.execve(plan["arguments"][0], plan["arguments"], {})  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1])
