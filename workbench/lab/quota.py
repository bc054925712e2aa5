"""
A file system of its own for each workspace, where the room is root: what no kernel can fill past its end.

The workspace is a sparse image, mounted over the analyst's folder while a session holds it. The mount follows
no link, runs no program and knows no device. Who holds it is a lock, shared by the sessions of one analyst:
the last one unmounts, and what a kill left mounted is found and used again by the next.

Where loop devices are not to be had the folder stays a folder, and `disk.py` is all that bounds it.
"""

import contextlib
import fcntl
import os
import random
import shutil
import stat
import subprocess
import time
from pathlib import Path

from workbench.errors import Refused, Unprotected
from workbench.lab.limits import MB

OPTIONS = "loop,nosymfollow,nosuid,nodev,noexec,discard"
# A journal as small as ext4 takes, so that a small workspace is not all journal. A twentieth is kept for root:
# the room still saves what ran when the kernel has filled the rest.
FORMAT = ("-q", "-F", "-m", "5", "-J", "size=4")
TRIES, BETWEEN = 200, 0.1  # while another session mounts or unmounts
PLACES = f"{os.defpath}:/usr/sbin:/sbin"


class Held:
    """A mounted workspace; `release` it once."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder = folder
        self._lock: int | None = lock

    def release(self) -> None:
        """Let go; the last to do so unmounts. What is still in use stays mounted for the next session."""
        if self._lock is None:
            return
        if _alone(self._lock):
            _run("umount", str(self.folder))
        os.close(self._lock)
        self._lock = None


def hold(folder: Path, *, size: int, owner: int) -> Held | None:
    """
    Mount the file system of the workspace `folder`, of `size` bytes, made when it is missing.

    None where this system has no loop devices for us. Raises Unprotected when the workspace is an image
    already and cannot be mounted here, Refused when what is in the folder is more than `size`.
    """
    lock = os.open(_beside(folder, "lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        for _ in range(TRIES):
            # Whoever is alone mounts, and only then shares: to ask for all and wait, while others share, would
            # be to wait for one another.
            if _alone(lock) and not os.path.ismount(folder) and not _mount(folder, size=size, owner=owner):
                os.close(lock)
                return None
            fcntl.flock(lock, fcntl.LOCK_SH)
            if os.path.ismount(folder):
                return Held(folder, lock)
            # Slept on with the lock in hand, nobody would ever be alone; slept in step, all come back at once.
            fcntl.flock(lock, fcntl.LOCK_UN)
            time.sleep(random.uniform(0, BETWEEN))  # noqa: S311  (no secret)
        raise _not_mounted(folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.close(lock)
        raise


def clear_leftovers(workspaces: Path) -> None:
    """Unmount what a killed room left and nobody holds."""
    for image in workspaces.glob(".*.image"):
        folder = workspaces / image.name[1 : -len(".image")]
        if os.path.ismount(folder):
            lock = os.open(_beside(folder, "lock"), os.O_RDWR | os.O_CREAT, 0o600)
            Held(folder, lock).release()


def _mount(folder: Path, *, size: int, owner: int) -> bool:
    """Mount the image over the folder; false where that cannot be had here."""
    image = _beside(folder, "image")
    fresh = not image.exists()
    if fresh and not _make(image, size=size, owner=owner):
        return False
    if image.stat().st_size < size and not _attached(image):
        _grow(image, size=size)
    beneath = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if not _run("mount", "-t", "ext4", "-o", OPTIONS, str(image), str(folder)):
            if not fresh:
                raise _not_mounted(folder)
            image.unlink()
            return False
        folder.chmod(0o700)
        with contextlib.suppress(OSError):
            (folder / "lost+found").rmdir()
        _bring_in(beneath, folder, size=size)
    finally:
        os.close(beneath)
    return True


def _make(image: Path, *, size: int, owner: int) -> bool:
    """A new image, whole or not at all."""
    aside = image.with_name(f"{image.name}.aside")
    with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.truncate(size)
    made = _run("mkfs.ext4", *FORMAT, "-E", f"root_owner={owner}:{owner},nodiscard", str(aside))
    if made:
        aside.rename(image)
    else:
        aside.unlink()
    return made


def _grow(image: Path, *, size: int) -> None:
    os.truncate(image, size)
    _run("e2fsck", "-fp", str(image))
    _run("resize2fs", str(image))


def _attached(image: Path) -> bool:
    """Has a loop device this image still? Then it may be mounted where we do not see it."""
    for device in Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):  # it was let go just now
            if device.read_text().rstrip("\n") == str(image):
                return True
    return False


def _bring_in(beneath: int, folder: Path, *, size: int) -> None:
    """
    Move what stood in the folder before into the file system; of two with one name, both are kept.

    It was there before workspaces had file systems, or was put there while nothing was mounted.
    """
    names = os.listdir(beneath)
    if not names:
        return
    source = f"/proc/{os.getpid()}/fd/{beneath}/."
    if not _run("cp", "-a", "--backup=numbered", source, f"{folder}/"):
        _run("umount", str(folder))
        raise Refused(
            ja=f"作業場所のファイルが上限（{size // MB:,} MB）に収まりません。{folder} の要らないファイルを消してください。",
            en=f"The workspace holds more than its limit ({size // MB:,} MB); remove files from {folder}.",
        )
    for name in names:
        about = os.stat(name, dir_fd=beneath, follow_symlinks=False)
        if stat.S_ISDIR(about.st_mode):
            shutil.rmtree(name, dir_fd=beneath)
        else:
            os.unlink(name, dir_fd=beneath)


def _alone(lock: int) -> bool:
    """Take the lock for ourselves, without waiting."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _beside(folder: Path, kind: str) -> Path:
    return folder.with_name(f".{folder.name}.{kind}")


def _run(program: str, *arguments: str) -> bool:
    """Did this program of the system do what it was told? False where it is not there."""
    found = shutil.which(program, path=PLACES)
    if found is None:
        return False
    ended = subprocess.run([found, *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return ended.returncode == 0


def _not_mounted(folder: Path) -> Unprotected:
    return Unprotected(
        ja=f"作業場所 {folder} のイメージをここではマウントできません。ループ装置のある機械で、root として開いてください。",
        en=f"The image of the workspace {folder} cannot be mounted here; open it as root where there are loop devices.",
    )
