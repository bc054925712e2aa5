"""What a kernel may touch, and that nothing else is there."""

import json
import marshal
import os
import shutil
import site
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

import workbench
from workbench.errors import Unprotected
from workbench.lab import launch, run_folder, sandbox
from workbench.lab.limits import Limits
from workbench.lab.sandbox import CODE, OWNERS, Mount, Sandbox, bubblewrap, launch_command

AS_ROOT = os.geteuid() == 0
SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "proc", "dev", "tmp")


@pytest.fixture
def ordinary_place():
    """A folder that an ordinary user can reach and write: pytest's own are closed to others."""
    place = Path(tempfile.mkdtemp(dir="/var/tmp"))
    place.chmod(0o777)
    yield place
    shutil.rmtree(place)


def test_the_world_inside_is_named_and_nothing_else(in_sandbox):
    top = set(in_sandbox("import os; print(*os.listdir('/'))").split())

    assert top <= {*SYSTEM, "opt", "run", "datasets", "workspace"}
    assert in_sandbox("import os; print(*os.listdir('/datasets'))") == "child-year-1.0.0"
    assert set(in_sandbox("import os; print(*os.listdir('/opt'))").split()) <= {"code", "packages", "python"}
    assert in_sandbox("import os; print(*os.listdir('/opt/code'))") == "workbench"


def test_an_admitted_dataset_is_read_and_never_written(in_sandbox):
    path = "/datasets/child-year-1.0.0/train.csv"

    assert in_sandbox(f"print(open('{path}').readline())") == "grade,poverty"
    assert "Read-only" in in_sandbox(f"import os; os.chmod('{path}', 0o666)", check=False).stderr


def test_the_workspace_is_the_analysts_own_folder(session, in_sandbox):
    in_sandbox("open('result.txt', 'w').write('kept')")

    assert session.workspace.read("result.txt") == b"kept"


def test_the_environment_is_an_allow_list(in_sandbox, monkeypatch):
    monkeypatch.setenv("DATABASE_PASSWORD", "planted")
    monkeypatch.setenv("WORKBENCH_HOME", "/planted")
    monkeypatch.setenv("WORKBENCH_LANG", "en")
    inside = json.loads(in_sandbox("import os, json; print(json.dumps(dict(os.environ)))"))

    assert "planted" not in "".join(inside.values())
    assert inside["WORKBENCH_LANG"] == "en"
    assert inside["WORKBENCH_GATEWAY"] == "/run/workbench/gateway.sock"
    assert json.loads(in_sandbox("print(open('/run/workbench/trusted.json').read())")) == {"keys": {}}


def test_places_inside_name_no_home_of_the_machine(in_sandbox):
    seen = in_sandbox(
        "import sys, workbench; print(sys.prefix, sys.executable, *sys.path, workbench.__file__)"
    )

    assert str(Path(workbench.__file__).parent) not in seen
    assert str(Path.home()) not in seen
    assert sys.prefix not in seen or sys.prefix.startswith("/usr")


def test_the_packages_an_analyst_needs_are_the_rooms_own(in_sandbox):
    import numpy

    assert in_sandbox("import numpy; print(numpy.__version__)") == numpy.__version__


def test_packages_that_the_machine_has_beside_the_rooms_do_not_exist(in_sandbox, monkeypatch):
    """They run at every start of Python, and the room never chose to offer them."""
    look = "import os, site; print(*(n for f in site.getsitepackages() if os.path.isdir(f) for n in os.listdir(f)))"
    machines = filter(os.path.isdir, site.getsitepackages([sys.base_prefix]))
    assert in_sandbox(look) == ""

    plain = replace(sandbox.interpreter(), emptied=())
    monkeypatch.setattr(sandbox, "interpreter", lambda: plain)
    assert set(in_sandbox(look).split()) == {name for folder in machines for name in os.listdir(folder)}


def test_limits_hold_and_cannot_be_raised(in_sandbox):
    code = """
    import resource
    print(resource.getrlimit(resource.RLIMIT_NPROC)[1])
    try:
        resource.setrlimit(resource.RLIMIT_NPROC, (10**5, 10**5))
    except (ValueError, OSError):
        print("refused")
    """

    assert in_sandbox(code).split() == [str(Limits().processes), "refused"]


def test_a_room_that_is_root_never_runs_a_kernel_as_root(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    for owner in (None, 0):
        with pytest.raises(Unprotected):
            Sandbox(tmp_path, owner=owner)


def test_the_launcher_starts_nothing_for_a_plan_that_says_root(tmp_path):
    """Even a plan that was tampered with."""
    plan = tmp_path / "plan"
    plan.write_bytes(marshal.dumps({"owner": 0, "arguments": ["/bin/true"]}))
    become_root = [] if AS_ROOT else ["unshare", "--user", "--map-root-user"]
    ended = subprocess.run([*become_root, sys.executable, "-I", "-S", launch.__file__, str(plan)])

    assert ended.returncode == 14


def test_a_kernel_is_nobody_outside(session, tmp_path):
    """As root the room gives it a user of its own; otherwise it is the user that the room is."""
    folder = run_folder.make()
    command = launch_command(session.sandbox(), ["python", "-c", "input()"], folder=folder)
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        while b"bwrap" not in Path(f"/proc/{process.pid}/cmdline").read_bytes():
            pass
        status = Path(f"/proc/{process.pid}/status").read_text()
    run_folder.remove(folder)

    assert set(status.split("Uid:")[1].split()[:4]) == {str(session.owner or os.geteuid())}
    assert session.owner in OWNERS or not AS_ROOT


def test_an_ordinary_user_needs_no_root(ordinary_place):
    """The same launch without root: bubblewrap makes its own user namespace."""
    script, plan = ordinary_place / "launch.py", ordinary_place / "plan"
    script.write_text(Path(launch.__file__).read_text())
    arguments = [
        "--unshare-user",
        "--unshare-net",
        "--disable-userns",
        "--ro-bind",
        "/",
        "/",
        "--",
        "/usr/bin/id",
        "-u",
    ]
    given = {
        "owner": None,
        "doors": [],
        "processors": sorted(os.sched_getaffinity(0)),
        "first_sealed": 10,
        "sealed": [],
        "arguments": [bubblewrap(), *arguments],
    }
    starter = f"""
import marshal, os, subprocess, sys
open({str(plan)!r}, "wb").write(marshal.dumps({given!r} | {{"parent": os.getpid()}}))
sys.exit(subprocess.call([sys.executable, "-I", "-S", {str(script)!r}, {str(plan)!r}]))
"""
    user = OWNERS[1] if AS_ROOT else None
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable
    ended = subprocess.run([python, "-c", starter], user=user, group=user, capture_output=True, text=True)

    assert ended.stdout.strip() == str(user or os.geteuid()), ended.stderr


@pytest.mark.skipif(not AS_ROOT, reason="whoever is not root runs an interpreter that they can read")
def test_an_interpreter_in_a_private_home_is_read_by_its_kernels_all_the_same(session, tmp_path, monkeypatch):
    """Outside nobody but root may enter the home; inside it stands where the kernel's user can read it."""
    home = tmp_path / "private"
    shutil.copytree(Path(workbench.__file__).parent, home / "workbench", ignore=lambda *_: ["__pycache__"])
    home.chmod(0o700)
    real = sandbox.interpreter()
    code = Mount(home / "workbench", f"{CODE}/workbench")
    private = replace(real, mounts=(code, *(mount for mount in real.mounts if mount.at != code.at)))
    monkeypatch.setattr(sandbox, "interpreter", lambda: private)
    closed = subprocess.run(["ls", home], user=session.owner, group=session.owner, capture_output=True)

    assert closed.returncode != 0
    assert run_in(session, "import workbench; print(workbench.__file__)") == f"{CODE}/workbench/__init__.py"


def run_in(session, code):
    folder = run_folder.make()
    command = launch_command(session.sandbox(), ["python", "-c", code], folder=folder)
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    run_folder.remove(folder)
    return ended.stdout.strip()


def test_attack_a_program_of_ones_own_in_memory(in_sandbox):
    """A file without a name is under no rule about files; callbacks from C, which could use one, do without."""
    code = """
        import ctypes, os
        print(ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 3)())
        try:
            handle = os.memfd_create("program", 0)
            os.write(handle, open("/bin/echo", "rb").read())
            os.execv(f"/proc/self/fd/{handle}", ["echo", "brought along"])
        except OSError as error:
            print(error.errno)
    """
    assert in_sandbox(code).split() == ["3", "1"]
