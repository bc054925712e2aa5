"""A process that gave up its rights: what it can still do, and what not even its children can."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import workbench
from workbench.lab import landlock, sandbox
from workbench.lab.landlock import RIGHTS, USES, abi, bits
from workbench.lab.probe import why_not_available
from workbench.lab.sandbox import OWNERS, Sandbox, command_inside

CODE = Path(workbench.__file__).parents[1]
PROGRAMS = dict.fromkeys(
    ("/usr", "/bin", "/lib", "/lib64", "/etc", sys.base_prefix, sys.prefix, str(CODE)), "run"
)


@pytest.fixture
def bound(tmp_path):
    """Runs Python bound to the programs of this machine and these uses of folders under tmp_path."""

    def run(code, *, network=True, **uses):
        rules = PROGRAMS | {str(tmp_path / name): use.replace("_", " ") for name, use in uses.items()}
        script = f"""
            import sys
            sys.path.insert(0, {str(CODE)!r})
            from workbench.lab.landlock import restrict, rules_of
            restrict(rules_of({rules!r}), network={network})
        """
        script = textwrap.dedent(script) + textwrap.dedent(code)
        return subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, timeout=60
        )

    for name in ("work", "sockets", "other"):
        (tmp_path / name).mkdir()
    return run


def test_attack_a_program_left_in_the_workspace_is_run(bound, tmp_path):
    attack = """
        import os, shutil, subprocess
        shutil.copy("/bin/true", "work/program")
        os.chmod("work/program", 0o755)
        print(subprocess.run(["work/program"]).returncode)
    """

    assert "PermissionError" in bound(attack, work="keep files").stderr
    assert bound(attack, work="run", **{"": "keep files"}).stdout == "0\n"


@pytest.mark.parametrize(
    "attack",
    [
        "os.symlink('/etc/passwd', 'work/link')",
        "os.mkfifo('work/pipe')",
        "os.mknod('work/device', 0o20600, 259)",
    ],
)
def test_attack_a_trap_is_left_for_the_room(bound, attack):
    assert "PermissionError" in bound(f"import os; {attack}", work="keep files").stderr


@pytest.mark.parametrize(
    "attack",
    [
        "os.unlink('sockets/s')",
        "os.rename('sockets/s', 'sockets/t')",
        "os.rename('work/s', 'sockets/s')",
        "os.symlink('/etc', 'sockets/t')",
        "open('sockets/t', 'w')",
        "os.mkdir('sockets/t')",
    ],
)
def test_attack_a_socket_is_swapped_under_the_room(bound, attack):
    made = "import os, socket; socket.socket(socket.AF_UNIX).bind('sockets/s'); open('work/s', 'w')"
    ended = bound(f"{made}; print('made', flush=True); {attack}", work="keep files", sockets="make sockets")

    assert ended.stdout == "made\n"
    assert "PermissionError" in ended.stderr


def test_files_are_kept_moved_and_read_in_the_workspace(bound):
    ended = bound(
        """
        import os
        os.makedirs("work/a/b")
        with open("work/a/x", "w") as file:
            file.write("kept")
        os.rename("work/a/x", "work/a/b/x")
        print(open("work/a/b/x").read())
        """,
        work="keep files",
    )

    assert ended.stdout == "kept\n", ended.stderr


def test_what_is_in_no_rule_is_closed_to_children_too(bound, tmp_path):
    (tmp_path / "other" / "raw.csv").write_text("raw")
    ended = bound("import subprocess; subprocess.run(['cat', 'other/raw.csv'])", work="keep files")

    assert ended.stdout == ""
    assert "Permission denied" in ended.stderr


@pytest.mark.skipif(abi() < landlock.TCP[1], reason="this kernel's Landlock does not know TCP")
def test_attack_a_port_is_reached_without_a_network_namespace(bound):
    attack = "import socket; socket.create_server(('127.0.0.1', 0)); print('bound')"

    assert "PermissionError" in bound(attack, network=False, work="keep files").stderr
    assert bound(attack, work="keep files").stdout == "bound\n"


def test_attack_rules_follow_what_is_mounted_beneath_a_place():
    """A rule on a folder holds for every mount beneath it: what stands above a writable place gives little."""
    writable = [place for place, use in sandbox.USES.items() if use not in ("list", "read", "run")]
    parents = {str(parent) for place in writable for parent in Path(place).parents}
    above = {place: use for place, use in sandbox.USES.items() if place in parents}

    assert above == {"/": "list", "/dev": "devices"}
    assert set(USES["devices"]) & {"execute", "make_sym", "make_sock", "make_reg"} == set()


def test_whoever_is_bound_can_mount_nothing(bound):
    """Why the rights are given up inside, after the mounts, and not before them."""
    mounting = """
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        new_user_and_mounts, bind = 0x10020000, 0x1000
        assert libc.unshare(new_user_and_mounts) == 0
        print(libc.mount(b"work", b"other", None, bind, None), os.strerror(ctypes.get_errno()))
    """

    assert bound(mounting, work="keep files", other="keep files").stdout == "-1 Operation not permitted\n"


def test_no_use_makes_links_pipes_or_devices():
    given = {right for rights in USES.values() for right in rights}

    assert given <= set(RIGHTS)
    assert not given & {"make_sym", "make_fifo", "make_char", "make_block"}
    assert not [use for use, rights in USES.items() if "execute" in rights and "write_file" in rights]


def test_an_older_version_is_asked_for_what_it_knows():
    assert bits(RIGHTS, version=1) == (1 << 13) - 1
    assert bits(RIGHTS, version=5) == (1 << 16) - 1


def test_attack_a_kernel_starts_where_its_rights_cannot_be_given_up():
    """The step inside ends, and with it the kernel: here the system refuses one rule."""
    command = command_inside(["/bin/true"], Sandbox(CODE, owner=OWNERS[0]))
    told = json.loads(command[4])
    inside = [sys.executable, "-I", "-S", str(CODE / "workbench/lab/inside.py")]
    whole = subprocess.run([*inside, json.dumps(told), "/bin/true"], capture_output=True, text=True)
    broken = told | {"rules": [*told["rules"], ["/bin/true", "list"]]}  # a file cannot be listed
    ended = subprocess.run([*inside, json.dumps(broken), "/bin/true"], capture_output=True, text=True)

    assert (whole.returncode, ended.returncode) == (0, 14), whole.stderr
    assert "landlock" in ended.stderr


def test_attack_a_sandbox_without_landlock_is_taken_for_whole(monkeypatch):
    """The step inside gives nothing up: the probe sees it from inside."""
    monkeypatch.setattr(sandbox, "USES", {"/": "run", "/proc": "devices", "/dev": "devices"})

    assert "Landlock" in why_not_available().en


def test_a_system_without_landlock_is_refused_in_one_sentence(monkeypatch):
    monkeypatch.setattr(landlock, "abi", lambda: 0)

    assert "Landlock" in why_not_available().en
    assert why_not_available().exit_code == 14
