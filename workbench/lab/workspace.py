"""
An analyst's workspace as the room sees it: a folder that a hostile kernel writes.

Every file is opened beneath the folder without following a link of any kind, in one call of the operating
system, and is read and written through what was opened: between a check and a use there is nothing to swap.
"""

import ctypes
import errno
import os
import re
import secrets
import shutil
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from workbench.errors import NotFound, Refused, Unprotected
from workbench.home import Home
from workbench.lab.sandbox import OWNERS

OPENAT2 = 437  # the same number on every architecture
NO_MAGICLINKS, NO_SYMLINKS, BENEATH = 0x02, 0x04, 0x08
NO_REPLACE = 1  # renameat2(2)
LARGEST = 64 << 20
MOST_ENTRIES = 5000  # of one folder: a kernel may make millions
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")

libc = ctypes.CDLL(None, use_errno=True)


class Workspace:
    """The folder of one analyst for one project, and the files in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, home: Home, *, analyst: str) -> "Workspace":
        """The workspace of `analyst`, made when it is missing; as root, owned by an unprivileged user."""
        if not NAME.fullmatch(analyst):
            raise Refused(
                ja="分析者の識別子には英小文字・数字・_ . - だけを使ってください。",
                en="An analyst's identifier has lower-case letters, digits, '_', '.' and '-' only.",
            )
        folder = home.workspaces / analyst
        if not folder.exists():
            _make(folder)
        return cls(folder)

    @property
    def owner(self) -> int | None:
        """The user that kernels are outside; None where the room is not root and cannot give one."""
        return self.folder.stat().st_uid if os.geteuid() == 0 else None

    def read(self, name: str, *, largest: int = LARGEST) -> bytes:
        """The whole of a regular file. Raises NotFound without one, Refused for links, pipes and giants."""
        with open(self._open(name, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode) or about.st_nlink != 1 or about.st_size > largest:
                raise not_plain(name)
            content = file.read(largest + 1)
        if len(content) > largest:
            raise not_plain(name)
        return content

    def about(self, name: str) -> os.stat_result:
        """What the system says of a folder or a plain file. Refused for anything else, NotFound without it."""
        handle = self._open(name, os.O_PATH)
        try:
            about = os.fstat(handle)
        finally:
            os.close(handle)
        if not is_plain(about):
            raise not_plain(name)
        return about

    def entries(self, name: str) -> dict[str, os.stat_result]:
        """The plain files and folders of a folder, by name; what is a link or a pipe is not among them."""
        folder = self._open(name or ".", os.O_RDONLY | os.O_DIRECTORY)
        try:
            with os.scandir(folder) as found:
                names = [entry.name for entry in islice(found, MOST_ENTRIES)]
            seen = {one: about for one in names if (about := _seen(folder, one)) is not None}
        finally:
            os.close(folder)
        return {one: about for one, about in seen.items() if is_plain(about)}

    def write(self, name: str, content: bytes) -> None:
        """Put a file in place, whole and on disk; a link that stands under its name is replaced, not followed."""
        aside = f".{secrets.token_hex(8)}.aside"
        with self._parent(name) as (folder, last):
            handle = os.open(
                aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder
            )
            try:
                with open(handle, "wb") as file:
                    if self.owner:
                        os.fchown(handle, self.owner, self.owner)
                    file.write(content)
                    file.flush()
                    os.fdatasync(handle)
                os.rename(aside, last, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                os.unlink(aside, dir_fd=folder)
                raise

    def make_folder(self, name: str) -> None:
        """Make a folder that the kernel can use. Refused where something stands."""
        with self._parent(name) as (folder, last):
            try:
                os.mkdir(last, 0o700, dir_fd=folder)
            except FileExistsError:
                raise there_already(name) from None
            handle = os.open(last, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            try:
                if self.owner:
                    os.fchown(handle, self.owner, self.owner)
            finally:
                os.close(handle)

    def remove(self, name: str) -> None:
        """Remove a file, a link itself, or a folder that is empty but for hidden leftovers."""
        with self._parent(name) as (folder, last):
            about = _seen(folder, last)
            if about is None:
                raise missing(name)
            if not stat.S_ISDIR(about.st_mode):
                os.unlink(last, dir_fd=folder)
                return
            if any(not other.startswith(".") for other in self.entries(name)):
                raise Refused(
                    ja=f"フォルダー「{name}」は空ではありません。中のファイルを先に消してください。",
                    en=f"The folder '{name}' is not empty; delete what is in it first.",
                )
            # Walks by open folders: what is swapped for a link meanwhile is not followed.
            shutil.rmtree(last, dir_fd=folder)

    def move(self, old: str, new: str) -> None:
        """Rename a file or a folder. Refused where something stands under the new name."""
        with self._parent(old) as (source, last), self._parent(new) as (target, name):
            if libc.renameat2(source, os.fsencode(last), target, os.fsencode(name), NO_REPLACE) == 0:
                return
        number = ctypes.get_errno()
        if number in (errno.EEXIST, errno.ENOTEMPTY):
            raise there_already(new)
        if number == errno.ENOENT:
            raise missing(old)
        if number == errno.EINVAL:  # into itself
            raise not_plain(new)
        raise OSError(number, os.strerror(number))

    @contextmanager
    def _parent(self, name: str) -> Iterator[tuple[int, str]]:
        """The open folder that `name` stands in, and its last part."""
        parent, _, last = name.rpartition("/")
        if last in ("", ".", ".."):
            raise not_plain(name)
        folder = self._open(parent or ".", os.O_PATH | os.O_DIRECTORY)
        try:
            yield folder, last
        finally:
            os.close(folder)

    def _open(self, name: str, flags: int) -> int:
        top = os.open(self.folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            return open_beneath(top, name, flags)
        except FileNotFoundError:
            raise missing(name) from None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EXDEV, errno.ENXIO, errno.ENOTDIR, errno.EISDIR):
                raise not_plain(name) from None
            raise
        finally:
            os.close(top)


def open_beneath(top: int, name: str, flags: int) -> int:
    """Open `name` beneath the open folder `top`; any link on the way, or a way out, is an OSError."""
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, 0, BENEATH | NO_SYMLINKS | NO_MAGICLINKS)
    handle: int = libc.syscall(OPENAT2, top, os.fsencode(name), how, len(how))
    if handle >= 0:
        return handle
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EPERM):
        raise Unprotected(
            ja="このカーネルでは作業場所を安全に開けません（openat2 がありません）。Linux 5.6 以降で動かしてください。",
            en="The workspace cannot be opened safely here (no openat2); run this on Linux 5.6 or later.",
        )
    raise OSError(number, os.strerror(number), name)


def is_plain(about: os.stat_result) -> bool:
    """Whether this is a folder, or a file with no other name."""
    return stat.S_ISDIR(about.st_mode) or (stat.S_ISREG(about.st_mode) and about.st_nlink == 1)


def _seen(folder: int, name: str) -> os.stat_result | None:
    """What stands under a name, without following it; None when it has gone meanwhile."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def missing(name: str) -> NotFound:
    return NotFound(
        ja=f"作業場所に「{name}」がありません。名前を確かめてください。",
        en=f"There is no '{name}' in the workspace; check its name.",
    )


def there_already(name: str) -> Refused:
    return Refused(
        ja=f"作業場所に「{name}」が既にあります。別の名前にしてください。",
        en=f"'{name}' is in the workspace already; choose another name.",
    )


def not_plain(name: str) -> Refused:
    return Refused(
        ja=f"作業場所の「{name}」は開きません。リンクでない普通のファイルで、大きすぎないものだけを扱います。",
        en=f"'{name}' in the workspace is not opened: only plain files of moderate size are, and no links.",
    )


def _make(folder: Path) -> None:
    """Make the folder and give it to the first user that owns no workspace beside it."""
    taken = {other.stat().st_uid for other in folder.parent.iterdir() if other.is_dir()}
    aside = folder.with_name(f".{folder.name}.aside")
    aside.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0:
        owner = next(uid for uid in OWNERS if uid not in taken)
        os.chown(aside, owner, owner)
    aside.rename(folder)
