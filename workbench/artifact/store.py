"""
The store: bundles under their own digest, read-only, whole or absent.

A bundle is copied aside, each byte checked on its way, flushed, and appears by one rename. Whatever a
kill left aside is cleared on the next open, unless another process is adding at that moment.
"""

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from workbench.artifact.manifest import ENVELOPE, MANIFEST, Manifest, changed, read
from workbench.artifact.tree import BLOCK, open_plain
from workbench.errors import NotFound
from workbench.home import clear_leftovers, publish_folder

DIGEST = re.compile(r"[0-9a-f]{64}")


class Store:
    """The bundles in `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._clear()

    def add(self, folder: Path) -> str:
        """Keep a copy of the bundle in `folder` and return its digest; adding it again changes nothing."""
        manifest = read(folder)
        with self._locked(fcntl.LOCK_SH):
            if not self._has(manifest.digest):
                self._keep(folder, manifest)
        return manifest.digest

    def path(self, digest: str) -> Path:
        """Where the bundle lies. Raises NotFound when it is not here."""
        if not self._has(digest):
            raise NotFound(
                ja="指定されたバンドルは保管庫にありません。一覧（list）で識別子を確かめてください。",
                en="The store has no such bundle; check its digest in the list.",
            )
        return self.root / digest

    def digests(self) -> list[str]:
        """Every bundle here."""
        return sorted(entry.name for entry in self.root.iterdir() if self._has(entry.name))

    def _has(self, digest: str) -> bool:
        return bool(DIGEST.fullmatch(digest)) and (self.root / digest).is_dir()

    def _keep(self, folder: Path, manifest: Manifest) -> None:
        aside = self.root / f".{manifest.digest}.{secrets.token_hex(4)}.aside"
        try:
            copy(folder, aside, [*manifest.files, MANIFEST, ENVELOPE])
            # The copy is what counts: the folder may have changed since it was read.
            if read(aside).digest != manifest.digest:
                raise changed(MANIFEST)
            make_read_only(aside)
            self._publish(aside, manifest.digest)
        finally:
            if aside.exists():
                remove(aside)

    def _publish(self, aside: Path, digest: str) -> None:
        try:
            publish_folder(aside, self.root / digest)
        except OSError:
            # Another process was first with the same bundle; that is the same content.
            if not self._has(digest):
                raise

    def _clear(self) -> None:
        with suppress(BlockingIOError), self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB):
            for leftover in self.root.glob(".*.aside"):
                make_writable(leftover)
            clear_leftovers(self.root)

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        handle = os.open(self.root / ".lock", os.O_RDONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, how)
            yield
        finally:
            os.close(handle)


def copy(folder: Path, target: Path, paths: list[str]) -> None:
    """Copy plain files, never through a link."""
    for path in paths:
        if path == ENVELOPE and not (folder / path).exists():
            continue
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        with open_plain(folder / path) as source, (target / path).open("xb") as file:
            shutil.copyfileobj(source, file, BLOCK)


def make_read_only(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)


def make_writable(folder: Path) -> None:
    """So that its owner may remove it: a file goes with the right to write its folder."""
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)


def remove(folder: Path) -> None:
    make_writable(folder)
    shutil.rmtree(folder)
