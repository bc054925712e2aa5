"""What one kernel may use, and that it gets no more: memory, processes, processors, files, disk."""

import contextlib
import os
import subprocess
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from workbench.audit import Event
from workbench.errors import Refused
from workbench.lab import cgroups, disk, quota, run_folder
from workbench.lab.limits import GB, KEPT_BY, MB, Limits
from workbench.lab.run import run_notebook
from workbench.lab.sandbox import launch_command

SMALL = Limits(memory=768 * MB, processes=64, open_files=256, file_size=64 * MB, disk=32 * MB)
GROUPS = cgroups.make(SMALL)
if GROUPS is not None:
    GROUPS.remove()
needs_groups = pytest.mark.skipif(GROUPS is None, reason="no control groups here")


@pytest.fixture
def small(open_session):
    return open_session(limits=SMALL)


@pytest.fixture(params=["in a control group", "without"])
def inside(request, small):
    """Runs Python with small limits, in a control group and without one."""
    group = small.kernel_group("test") if request.param != "without" else None
    if group is None and request.param != "without":
        pytest.skip("no control groups here")

    def run(code):
        folder = run_folder.make()
        command = launch_command(
            small.sandbox(group=group), ["python", "-c", textwrap.dedent(code)], folder=folder
        )
        ended = subprocess.run(command, capture_output=True, text=True, timeout=100)
        run_folder.remove(folder)
        return ended

    yield run
    small.forget_kernel("test")


def test_every_limit_says_what_keeps_it():
    assert set(KEPT_BY) == set(Limits.__dataclass_fields__)


def test_attack_a_fork_bomb(inside, small):
    """It stops at the limit, and the machine goes on."""
    began = time.monotonic()
    ended = inside(
        """
        import os, time
        for _ in range(1000):
            try:
                if os.fork() == 0:
                    while True:
                        try:
                            os.fork()
                        except OSError:
                            time.sleep(0.05)
            except OSError:
                break
        time.sleep(0.5)
        print(sum(name.isdecimal() for name in os.listdir("/proc")), flush=True)
        os._exit(0)
        """
    )

    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) <= SMALL.processes
    assert time.monotonic() - began < 60


@needs_groups
def test_attack_many_processes_take_memory_together(small):
    """Each stays below the limit; all together do not."""
    group = small.kernel_group("test")
    folder = run_folder.make()
    attack = """
        import os, time
        for _ in range(4):
            if os.fork() == 0:
                taken = b"x" * (300 << 20)
                time.sleep(30)
                os._exit(0)
        print(sorted(os.wait()[1] for _ in range(4))[-1])
    """
    command = launch_command(
        small.sandbox(group=group), ["python", "-c", textwrap.dedent(attack)], folder=folder
    )
    ended = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 30
        while not group.ended_for_memory():
            assert time.monotonic() < end, "it took what it liked"
            time.sleep(0.1)
    finally:
        ended.kill()
        ended.wait()
        ended.stdout.close()
        run_folder.remove(folder)

    assert "768 MB" in small.why_ended("test").en
    small.forget_kernel("test")
    assert not any(folder.exists() for folder in group.folders)


def test_a_room_without_control_groups_says_so(open_session, monkeypatch):
    monkeypatch.setattr(cgroups, "make", lambda *_, **__: None)

    assert "Delegate=yes" in open_session().notices()[-1]


HOGS = 6


@needs_groups
def test_attack_six_kernels_together_take_more_than_the_room_has(open_session):
    """Each stays below its own limit; the room's is kept, the hogs are told, and the rest of the room goes on."""
    session = open_session(limits=replace(SMALL, room_memory=512 * MB))
    folders = {f"k{number}": run_folder.make() for number in range(HOGS)}
    started = {name: hog(session, name, folder) for name, folder in folders.items()}
    try:
        end = time.monotonic() + 30
        while all(session.why_ended(name) is None for name in folders):
            assert time.monotonic() < end, "they took what they liked"
            time.sleep(0.1)
        told = [name for name in folders if session.why_ended(name)]
        assert 0 < len(told) < HOGS
        assert "512 MB" in session.why_ended(told[0]).en
    finally:
        for one in started.values():
            one.kill()
            one.wait()
        for folder in folders.values():
            run_folder.remove(folder)
    together = session._together
    session.close()
    assert not any(folder.exists() for folder in together.folders)


def hog(session, name, folder):
    """A kernel of the session that takes 200 MB, a quarter of its own limit, and stays."""
    command = launch_command(
        session.sandbox(group=session.kernel_group(name)),
        ["python", "-c", "import time; taken = b'x' * (200 << 20); time.sleep(60)"],
        folder=folder,
    )
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@needs_groups
def test_attack_the_kernels_of_a_room_start_processes_without_end_together(open_session):
    session = open_session(limits=replace(SMALL, processes=400, room_processes=40))
    forks = """
        import os, time
        for _ in range(50):
            try:
                if os.fork() == 0:
                    time.sleep(20)
                    os._exit(0)
            except OSError:
                print("stopped", flush=True)
                break
        time.sleep(20)
    """
    folders = [run_folder.make() for _ in range(2)]
    started = [
        subprocess.Popen(
            launch_command(
                session.sandbox(group=session.kernel_group(f"k{number}")),
                ["python", "-c", textwrap.dedent(forks)],
                folder=folder,
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        for number, folder in enumerate(folders)
    ]
    try:
        assert started[0].stdout.readline() == b"stopped\n"
    finally:
        for one, folder in zip(started, folders, strict=True):
            one.kill()
            one.wait()
            one.stdout.close()
            run_folder.remove(folder)


def test_attack_one_process_takes_more_than_there_is(inside):
    ended = inside("taken = bytearray(1 << 34)")

    assert "MemoryError" in ended.stderr or ended.returncode in (-9, 137)


@needs_groups
def test_a_memory_hog_is_ended_and_the_analyst_is_told_in_one_sentence(open_session, notebook, state):
    session = open_session(limits=Limits(memory=GB))
    with pytest.raises(Refused) as refused:
        run_notebook(
            notebook("print('before')", "kept = b'x' * (1020 << 20)"), session, name="hog.ipynb", timeout=60
        )

    assert "1,024 MB" in refused.value.en
    assert b"before" in session.workspace.read("hog.ipynb")
    stopped = [record for record in state.log.records() if record["event"] == Event.KERNEL_STOPPED]
    assert stopped[-1]["details"]["limit"] == "memory"


@pytest.mark.parametrize(
    ("attack", "says"),
    [
        ("kept = [open('/dev/null') for _ in range(300)]", "Too many open files"),
        ("open('giant', 'wb').truncate(65 << 20)", "File too large"),
        ("import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (999, 999))", "not allowed"),
        ("import os; os.sched_setaffinity(0, range(64))", "Operation not permitted"),
    ],
)
def test_attack_a_limit_is_passed_or_raised(small, in_small, attack, says):
    assert says in in_small(attack).stderr


@pytest.fixture
def in_small(small):
    def run(code):
        folder = run_folder.make()
        command = launch_command(small.sandbox(), ["python", "-c", code], folder=folder)
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
        run_folder.remove(folder)
        return ended

    return run


def test_processors_are_given_where_no_group_counts_them(open_session, in_sandbox):
    session = open_session(limits=Limits(processors=1))
    folder = run_folder.make()
    code = "import os; print(len(os.sched_getaffinity(0)))"
    command = launch_command(session.sandbox(), ["python", "-c", code], folder=folder)
    ended = subprocess.run(command, capture_output=True, text=True)
    run_folder.remove(folder)

    assert ended.stdout == "1\n"


FILL = "for n in range(5): open(f'part{n}', 'wb').write(b'x' * (10 << 20))"


def test_attack_a_full_workspace_runs_no_further_code(open_session, notebook, monkeypatch):
    """Where no file system bounds it, the room looks before each piece of code."""
    monkeypatch.setattr(quota, "hold", lambda *_, **__: None)
    small = open_session(limits=SMALL)
    with pytest.raises(Refused) as refused:
        run_notebook(notebook(FILL, "open('more', 'w')"), small, name="fill.ipynb")

    assert "32 MB" in refused.value.en
    assert not (small.workspace.folder / "more").exists()
    assert any("many-files" in notice for notice in small.notices())


def test_attack_one_piece_of_code_fills_the_workspace(small, notebook):
    """Its file system ends the writing, and the room can still save what ran."""
    if not os.path.ismount(small.workspace.folder):
        pytest.skip("no file system of its own here")
    with pytest.raises(Refused):
        run_notebook(notebook(FILL), small, name="fill.ipynb")

    assert b"No space left on device" in small.workspace.read("fill.ipynb")
    assert disk.used(small.workspace.folder) < SMALL.disk
    assert small.notices() == []


def test_what_is_used_is_counted_without_following_links(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_bytes(b"x" * MB)
    (tmp_path / "a" / "round").symlink_to(tmp_path)
    (tmp_path / "out").symlink_to("/usr")
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(GB)

    assert MB <= disk.used(tmp_path) < 2 * MB


def test_attack_files_beneath_a_path_that_is_too_long_to_name(tmp_path):
    """Each folder is made in the one before, by a handle; no path reaches the last."""
    with folder_within_folder(tmp_path, "d" * 250, depth=20) as deepest:
        file = os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=deepest)
        os.write(file, b"x" * 2 * MB)
        os.close(file)

        assert disk.used(tmp_path) >= 2 * MB


def test_attack_folders_within_folders_without_end(tmp_path):
    with folder_within_folder(tmp_path, "d", depth=1100):
        assert disk.why_full(tmp_path, size=GB) is not None


@contextlib.contextmanager
def folder_within_folder(top, name, *, depth):
    """The handle of the deepest; all are removed by a program that can, which Python's own functions cannot."""
    handle = os.open(top, os.O_DIRECTORY)
    try:
        for _ in range(depth):
            os.mkdir(name, dir_fd=handle)
            beneath = os.open(name, os.O_DIRECTORY, dir_fd=handle)
            os.close(handle)
            handle = beneath
        yield handle
    finally:
        os.close(handle)
        subprocess.run(["rm", "-rf", str(top / name)], check=True)


def test_attack_more_files_than_can_be_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "MOST_FILES", 10)
    for number in range(11):
        (tmp_path / str(number)).touch()

    assert disk.why_full(tmp_path, size=GB) is not None


class TestControlGroups:
    """Both versions of the interface, on folders that stand for them."""

    @pytest.fixture
    def machine(self, tmp_path, monkeypatch):
        def make(groups, mounts):
            (tmp_path / "cgroup").write_text(groups)
            (tmp_path / "mountinfo").write_text(mounts)
            monkeypatch.setattr(cgroups, "OWN_GROUPS", tmp_path / "cgroup")
            monkeypatch.setattr(cgroups, "OWN_MOUNTS", tmp_path / "mountinfo")

        return make

    def test_version_one_beneath_the_rooms_own_groups(self, machine, tmp_path):
        for name in ("memory/box/room", "pids/room", "cpu/room"):
            (tmp_path / name).mkdir(parents=True)
        machine(
            "4:memory:/box/room\n8:pids:/room\n1:cpu,cpuacct:/room\n0::/\n",
            "".join(
                f"31 30 0:26 / {tmp_path / name} rw - cgroup cgroup rw,{options}\n"
                for name, options in (("memory", "memory"), ("pids", "pids"), ("cpu", "cpu,cpuacct"))
            ),
        )
        group = cgroups.make(Limits(memory=GB, processes=7, processors=2))

        assert {folder.parent for folder in group.folders} == {
            tmp_path / "memory/box/room",
            tmp_path / "pids/room",
            tmp_path / "cpu/room",
        }
        assert (group.folders[0] / "memory.limit_in_bytes").read_text() == str(GB)
        assert (group.folders[1] / "pids.max").read_text() == "7"
        assert (group.folders[2] / "cpu.cfs_quota_us").read_text() == "200000"
        kernel = cgroups.make(Limits(memory=GB // 2), within=group)
        assert [folder.parent for folder in kernel.folders] == list(group.folders)
        assert (kernel.folders[0] / "memory.limit_in_bytes").read_text() == str(GB // 2)

    def test_version_two_hands_its_controllers_down(self, machine, tmp_path):
        room = tmp_path / "room.service"
        room.mkdir()
        (room / "cgroup.subtree_control").write_text("")
        machine("0::/room.service\n", f"31 30 0:26 / {tmp_path} rw - cgroup2 cgroup2 rw\n")
        group = cgroups.make(Limits(memory=GB, processes=7, processors=2))

        assert (room / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"
        assert [folder.parent for folder in group.folders] == [room]
        (group.folders[0] / "memory.events").write_text("low 0\noom 1\noom_kill 1\n")
        assert (group.folders[0] / "memory.max").read_text() == str(GB)
        assert (group.folders[0] / "cpu.max").read_text() == "200000 100000"
        assert group.ended_for_memory()

        (group.folders[0] / "cgroup.subtree_control").write_text("")
        (group.folders[0] / "memory.oom.group").write_text("0")
        kernel = cgroups.make(Limits(memory=GB // 2), within=group)
        assert [folder.parent for folder in kernel.folders] == list(group.folders)
        assert (kernel.folders[0] / "memory.max").read_text() == str(GB // 2)
        assert (group.folders[0] / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"

    def test_without_a_controller_there_is_no_group(self, machine, tmp_path):
        machine("4:memory:/\n0::/\n", f"31 30 0:26 / {tmp_path} rw - cgroup cgroup rw,memory\n")

        assert cgroups.make(Limits()) is None

    def test_a_group_that_leads_out_of_what_is_mounted_is_left_alone(self, machine, tmp_path):
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere" / "cgroup.subtree_control").write_text("cpu memory pids")
        (tmp_path / "box").mkdir()
        machine("0::/elsewhere\n", f"31 30 0:26 /box {tmp_path / 'box'} rw - cgroup2 cgroup2 rw\n")

        assert cgroups.make(Limits()) is None

    def test_a_system_without_control_groups(self, machine, tmp_path):
        machine("", "")
        (tmp_path / "cgroup").unlink()

        assert cgroups.make(Limits()) is None
        cgroups.clear_leftovers()

    @needs_groups
    def test_attack_a_kernel_starts_outside_its_group(self, small):
        """The launch ends when the group cannot be entered."""
        group = small.kernel_group("test")
        group.remove()
        folder = run_folder.make()
        command = launch_command(small.sandbox(group=group), ["python", "-c", "print(1)"], folder=folder)
        ended = subprocess.run(command, capture_output=True, text=True)
        run_folder.remove(folder)

        assert (ended.returncode != 0, ended.stdout) == (True, "")

    @needs_groups
    def test_what_a_killed_room_left_is_cleared(self):
        gone = subprocess.Popen(["true"])
        gone.wait()
        group = cgroups.make(Limits())
        left = [
            folder.rename(folder.with_name(f"{cgroups.PREFIX}{gone.pid}-x"))
            for folder in group.folders
            if Path(folder).exists()
        ]
        cgroups.clear_leftovers()

        assert not any(folder.exists() for folder in left)

    @needs_groups
    def test_attack_a_process_stays_in_a_group_that_is_removed(self):
        """Where nothing else ties it to its kernel, the group does."""
        group = cgroups.make(Limits())
        left = subprocess.Popen(["sleep", "1000"])
        for door in group.doors:
            Path(door).write_text(str(left.pid))
        threading.Thread(target=left.wait, daemon=True).start()  # else it stays in the group, ended
        group.remove()

        assert left.wait(10) == -9
        assert not any(folder.exists() for folder in group.folders)
