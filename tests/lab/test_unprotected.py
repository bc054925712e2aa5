"""Where the machine cannot give the sandbox, a kernel is refused with exit code 14; it never runs without."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.audit import Event
from workbench.errors import Unprotected
from workbench.lab import probe, sandbox, seccomp
from workbench.lab.probe import why_not_available

WORKBENCH = Path(sys.executable).with_name("workbench")


def prove(*, environment=None, before=None):
    return subprocess.run(
        [WORKBENCH, "lab", "prove"],
        env={**os.environ, "WORKBENCH_LANG": "en", **(environment or {})},
        preexec_fn=before,
        capture_output=True,
        text=True,
    )


def assert_refused(ended, because):
    assert ended.returncode == 14, ended
    assert because in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def test_this_machine_can(home):
    assert why_not_available() is None


def test_no_bubblewrap(tmp_path):
    assert_refused(prove(environment={"PATH": str(tmp_path)}), because="apt-get install bubblewrap")


def deny_namespaces():
    """What a container's usual filter of system calls does: no new namespaces, no mounts."""
    steps = seccomp.program()
    buffer = ctypes.create_string_buffer(steps, len(steps))

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_void_p)]

    program = Program(len(steps) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, set_filter, by_filter = 38, 22, 2
    assert libc.prctl(no_new_privileges, 1, 0, 0, 0) == 0
    assert libc.prctl(set_filter, by_filter, ctypes.byref(program), 0, 0) == 0


def test_namespaces_denied():
    assert_refused(prove(before=deny_namespaces), because="user namespaces")


def test_namespaces_counted_down_to_none():
    """As an administrator may set it: user.max_user_namespaces = 0."""
    script = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
    ended = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", script, "sh", WORKBENCH, "lab", "prove"],
        env={**os.environ, "WORKBENCH_LANG": "en"},
        capture_output=True,
        text=True,
    )

    assert_refused(ended, because="user namespaces")


def test_an_old_bubblewrap_that_lacks_an_option(tmp_path):
    old = tmp_path / "bwrap"
    old.write_text("#!/bin/sh\necho 'bwrap: Unknown option --disable-userns' >&2\nexit 1\n")
    old.chmod(0o755)
    tmp_path.chmod(0o755)

    assert_refused(prove(environment={"PATH": str(tmp_path)}), because="user namespaces")


def test_a_bubblewrap_that_only_pretends(tmp_path, monkeypatch):
    """It runs the command and protects nothing: the probe looks from inside."""
    fake = tmp_path / "bwrap"
    fake.write_text('#!/bin/sh\nwhile [ "$1" != "--" ]; do shift; done\nshift\nexec "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setattr(sandbox, "bubblewrap", lambda: str(fake))
    monkeypatch.setattr(sandbox, "command_inside", lambda command, _: [sys.executable, *command[1:]])
    monkeypatch.setattr(sandbox, "OWNERS", range(1, 2))
    reason = why_not_available()

    assert isinstance(reason, Unprotected)


@pytest.mark.parametrize("removed", [["--unshare-net"], ["--seccomp", "11"], ["--unshare-pid"]])
def test_a_sandbox_with_a_part_missing_is_no_sandbox(removed, monkeypatch):
    whole = sandbox.bwrap_arguments

    def incomplete(given, *, sources):
        arguments = whole(given, sources=sources)
        at = arguments.index(removed[0])
        return arguments[:at] + arguments[at + len(removed) :]

    monkeypatch.setattr(sandbox, "bwrap_arguments", incomplete)

    assert isinstance(why_not_available(), Unprotected)


def test_another_kind_of_machine(monkeypatch):
    for name, value in (("system", "Darwin"), ("machine", "riscv64")):
        with monkeypatch.context() as other:
            other.setattr(f"platform.{name}", lambda value=value: value)
            assert isinstance(why_not_available(), Unprotected)


def test_a_session_is_not_opened_and_the_log_says_why(open_session, state, monkeypatch):
    monkeypatch.setattr("workbench.lab.session.why_not_available", why_not_available)
    monkeypatch.setattr(probe, "bubblewrap", lambda: None)

    with pytest.raises(Unprotected):
        open_session()
    assert [record["event"] for record in state.log.records()][-1] == Event.KERNEL_REFUSED
