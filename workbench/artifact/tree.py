"""
What lies in a bundle's folder, read without trusting it.

Regular files only: a link, a pipe or a device could show one thing to the check and another to the reader.
A second hard link is refused too: whoever holds the other name can change the file after the check.
"""

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from workbench.errors import Untrusted

MAX_FILES = 2_000
MAX_FILE_BYTES = 1 << 30
MAX_TOTAL_BYTES = 4 << 30
MAX_DEPTH = 6
BLOCK = 1 << 20

# ASCII without a leading dot: no `..`, no hidden file, no two spellings of one name.
PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


def is_plain_path(path: str) -> bool:
    """Whether `path` is a relative path of plain names."""
    parts = path.split("/")
    return len(parts) <= MAX_DEPTH and all(PART.fullmatch(part) for part in parts)


def files_in(folder: Path) -> dict[str, os.stat_result]:
    """Every file under `folder` by its relative path; Untrusted for anything that is not a plain file."""
    found: dict[str, os.stat_result] = {}
    for path, status in walk(folder, prefix=""):
        if not stat.S_ISREG(status.st_mode):
            raise bad_file(path, ja="通常のファイルではありません", en="is not a regular file")
        if status.st_nlink != 1:
            raise bad_file(path, ja="別の名前でもリンクされています", en="is hard-linked from elsewhere")
        found[path] = status
        if len(found) > MAX_FILES:
            raise too_large(ja=f"ファイルが {MAX_FILES} 件を超えます", en=f"has more than {MAX_FILES} files")
    expect_sizes(found)
    return found


def walk(folder: Path, *, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
    """Everything under `folder` but folders; an empty folder counts as a thing of its own."""
    with os.scandir(folder) as entries:
        listed = sorted(islice(entries, MAX_FILES + 2), key=lambda entry: entry.name)
    for entry in listed:
        path = f"{prefix}{entry.name}"
        # Not following links: a link to a folder is a link. Beyond the depth a folder is reported as it is.
        deeper = entry.is_dir(follow_symlinks=False) and path.count("/") + 1 < MAX_DEPTH
        inside = list(walk(Path(entry.path), prefix=f"{path}/")) if deeper else []
        yield from inside or [(path, entry.stat(follow_symlinks=False))]


def expect_sizes(files: dict[str, os.stat_result]) -> None:
    for path, status in files.items():
        if status.st_size > MAX_FILE_BYTES:
            raise bad_file(path, ja="大きすぎます", en="is too large")
    if sum(status.st_size for status in files.values()) > MAX_TOTAL_BYTES:
        raise too_large(ja="合計が大きすぎます", en="is too large as a whole")


def open_plain(path: Path) -> BinaryIO:
    """Open a regular file for reading, never through a link; Untrusted where there is none."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise bad_file(path.name, ja="ありません", en="is missing") from None
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise bad_file(path.name, ja="リンクです", en="is a link") from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise bad_file(path.name, ja="通常のファイルではありません", en="is not a regular file")
    return os.fdopen(handle, "rb")


def digest_of(path: Path) -> str:
    """The sha256 of a plain file, read in blocks."""
    digest = hashlib.sha256()
    with open_plain(path) as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def read_capped(path: Path, *, limit: int) -> bytes:
    """The content of a plain file of at most `limit` bytes."""
    with open_plain(path) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise bad_file(path.name, ja="大きすぎます", en="is too large")
    return content


def bad_file(path: str, *, ja: str, en: str) -> Untrusted:
    """The refusal that names one file of a bundle."""
    name = ascii(path)[1:-1][:120]
    return Untrusted(
        ja=f"バンドルのファイル {name} は{ja}。作成元から受け取り直してください。",
        en=f"File {name} of the bundle {en}; obtain the bundle again from its source.",
    )


def too_large(*, ja: str, en: str) -> Untrusted:
    return Untrusted(ja=f"バンドルは{ja}。作成元に確かめてください。", en=f"The bundle {en}; ask its source.")
