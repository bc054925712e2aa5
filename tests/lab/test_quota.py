"""A workspace with a file system of its own: what fills it, who holds it, what a kill leaves."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from workbench.errors import Refused, Unprotected
from workbench.lab import quota
from workbench.lab.limits import MB
from workbench.lab.sandbox import OWNERS

SIZE, OWNER = 32 * MB, OWNERS[0]


@pytest.fixture
def folder(tmp_path):
    """A workspace's folder, where this machine can mount one."""
    if os.geteuid() != 0:
        pytest.skip("only a room of root mounts")
    folder = tmp_path / "mori"
    folder.mkdir()
    os.chown(folder, OWNER, OWNER)
    held = hold(folder)
    if held is None:
        pytest.skip("no loop devices here")
    held.release()
    yield folder
    while os.path.ismount(folder):
        subprocess.run(["umount", folder], check=True)


def hold(folder, size=SIZE):
    return quota.hold(folder, size=size, owner=OWNER)


def loops():
    return subprocess.run(["losetup", "--list", "--noheadings"], capture_output=True, text=True).stdout


def test_attack_many_files_fill_the_disk(folder):
    """Each is small enough; the file system ends where the workspace does."""

    def fill():
        for number in range(SIZE // MB + 1):
            (folder / f"part-{number}").write_bytes(os.urandom(MB))

    held = hold(folder)
    with pytest.raises(OSError, match="No space left"):
        fill()
    held.release()


def test_attack_a_link_leads_the_room_out(folder, tmp_path):
    """Even a program of the room that forgets to look follows no link there."""
    (tmp_path / "raw.csv").write_text("raw data")
    held = hold(folder)
    (folder / "link").symlink_to(tmp_path / "raw.csv")

    with pytest.raises(OSError, match="symbolic links"):
        (folder / "link").read_text()
    held.release()


def test_attack_a_program_is_left_for_the_room(folder):
    held = hold(folder)
    (folder / "program").write_bytes(Path("/bin/true").read_bytes())
    (folder / "program").chmod(0o6755)

    with pytest.raises(PermissionError):
        subprocess.run([folder / "program"])
    held.release()


def test_what_was_saved_is_there_again(folder):
    held = hold(folder)
    (folder / "kept.txt").write_text("kept")
    held.release()
    assert not os.path.ismount(folder)
    assert list(folder.iterdir()) == []

    held = hold(folder)
    assert (folder / "kept.txt").read_text() == "kept"
    assert (folder.stat().st_uid, folder.stat().st_mode & 0o777) == (OWNER, 0o700)
    held.release()


def test_the_last_of_several_sessions_unmounts(folder):
    first, second = hold(folder), hold(folder)
    first.release()
    assert os.path.ismount(folder)
    second.release()
    second.release()

    assert not os.path.ismount(folder)
    assert str(folder) not in loops()


def test_many_sessions_at_once_come_and_go(folder):
    """Nobody waits for one who waits for them, and nobody works in the bare folder."""

    def one(_):
        held = hold(folder)
        mounted = os.path.ismount(folder)
        held.release()
        return mounted

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(40)))
    assert not os.path.ismount(folder)


def hold_until_killed(folder, ready):
    hold(folder)
    (folder / "written.txt").write_text("before the kill")
    ready.set()
    time.sleep(600)


def test_what_a_killed_room_left_is_used_again(folder):
    ready = multiprocessing.Event()
    room = multiprocessing.Process(target=hold_until_killed, args=(folder, ready))
    room.start()
    assert ready.wait(60)
    os.kill(room.pid, signal.SIGKILL)
    room.join()
    assert os.path.ismount(folder)
    before = loops().count(str(folder.parent))

    held = hold(folder)
    assert (folder / "written.txt").read_text() == "before the kill"
    assert loops().count(str(folder.parent)) == before
    held.release()
    assert not os.path.ismount(folder)


def test_what_a_killed_room_left_and_nobody_needs_is_unmounted(folder):
    subprocess.run(
        [sys.executable, "-c", KILLED, str(folder), str(SIZE), str(OWNER)], check=False, capture_output=True
    )
    assert os.path.ismount(folder)
    quota.clear_leftovers(folder.parent)

    assert not os.path.ismount(folder)


KILLED = """
import os, signal, sys
from pathlib import Path
from workbench.lab import quota
quota.hold(Path(sys.argv[1]), size=int(sys.argv[2]), owner=int(sys.argv[3]))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_is_in_use_is_left_alone(folder):
    held = hold(folder)
    quota.clear_leftovers(folder.parent)

    assert os.path.ismount(folder)
    held.release()


def test_what_stood_in_the_folder_before_is_brought_in(folder):
    (folder / "sub").mkdir()
    (folder / "sub" / "old.txt").write_text("old")
    (folder / "same.txt").write_text("put there unmounted")
    held = hold(folder)
    assert (folder / "sub" / "old.txt").read_text() == "old"
    held.release()

    (folder / "same.txt").write_text("later")
    held = hold(folder)
    assert (folder / "same.txt").read_text() == "later"
    assert (folder / "same.txt.~1~").read_text() == "put there unmounted"
    held.release()
    assert list(folder.iterdir()) == []


def test_more_than_the_limit_is_refused_and_left_where_it_is(folder):
    (folder / "giant").write_bytes(os.urandom(SIZE))
    with pytest.raises(Refused, match="32 MB"):
        hold(folder)

    assert not os.path.ismount(folder)
    assert (folder / "giant").stat().st_size == SIZE


def test_a_larger_limit_makes_it_larger(folder):
    held = hold(folder)
    (folder / "kept.txt").write_text("kept")
    held.release()
    held = hold(folder, size=4 * SIZE)

    assert os.statvfs(folder).f_blocks * os.statvfs(folder).f_frsize > 2 * SIZE
    assert (folder / "kept.txt").read_text() == "kept"
    held.release()


def broken(program):
    real = quota._run
    return lambda name, *arguments: name != program and real(name, *arguments)


@pytest.mark.parametrize("program", ["mkfs.ext4", "mount"])
def test_without_loop_devices_the_folder_stays_a_folder(tmp_path, monkeypatch, program):
    folder = tmp_path / "mori"
    folder.mkdir()
    monkeypatch.setattr(quota, "_run", broken(program))

    assert hold(folder) is None
    assert sorted(path.name for path in tmp_path.iterdir()) == [".mori.lock", "mori"]


def test_an_image_that_cannot_be_mounted_is_never_taken_for_an_empty_workspace(folder, monkeypatch):
    monkeypatch.setattr(quota, "_run", broken("mount"))

    with pytest.raises(Unprotected):
        hold(folder)
    assert folder.with_name(".mori.image").exists()
