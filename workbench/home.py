"""
The workbench home: one directory that holds everything, and the randomness that belongs to it.

A real home draws noise, keys and permutations from the operating system. A home created as a
demonstration draws them from its seed, so that a demonstration repeats to the byte; it says so in its
identity, which every bundle carries, and no other home accepts such a bundle.
"""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import NotFound, Refused, Unusable

if TYPE_CHECKING:
    from numpy.random import Generator

SCHEMA = "workbench-home/1"
MARKER = "home.json"
DEMONSTRATION = "demonstration-"
# What a home is for: the coordinating body's room, or a host on which analysts work far from it.
ROOM, HOST = "room", "analysts-host"
FOLDERS = ("raw", "catalogue", "registry", "workspaces", "audit", "keys", "staging")
HOST_FOLDERS = ("catalogue", "workspaces", "audit", "keys")


@dataclass(frozen=True)
class Home:
    """
    An existing home. `identity` names it in what it signs; `seed` is None unless a demonstration.

    A home of kind HOST has a catalogue of what was sent to it, and no raw data, requests or models.
    """

    path: Path
    identity: str
    seed: int | None
    kind: str = ROOM

    @classmethod
    def create(cls, path: Path, *, seed: int | None = None, kind: str = ROOM) -> "Home":
        """Make a home at `path`; with a seed, a demonstration. Refused where a home stands already."""
        if (path / MARKER).exists():
            raise Refused(
                ja=f"{path} には既にワークベンチのホームがあります。別の場所を指定してください。",
                en=f"A workbench home already stands at {path}; name another place.",
            )
        for folder in HOST_FOLDERS if kind == HOST else FOLDERS:
            (path / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
        identity = secrets.token_hex(16) if seed is None else f"{DEMONSTRATION}{seed}"
        marker = {"schema": SCHEMA, "identity": identity, "seed": seed, "kind": kind}
        # The marker comes last: a folder without it is not a home, whatever a kill left behind.
        write_atomically(path / MARKER, (json.dumps(marker, indent=2) + "\n").encode())
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> "Home":
        """Open the home at `path`. Raises NotFound without one, Unusable when its marker is damaged."""
        try:
            marker = json.loads((path / MARKER).read_bytes())
            kind = marker.get("kind", ROOM)
            if marker["schema"] != SCHEMA or kind not in (ROOM, HOST):
                raise ValueError
            return cls(path=path.resolve(), kind=kind, **expect_identity(marker["identity"], marker["seed"]))
        except FileNotFoundError:
            raise NotFound(
                ja=f"{path} にワークベンチのホームがありません。workbench init で作成してください。",
                en=f"There is no workbench home at {path}; create one with 'workbench init'.",
            ) from None
        except (ValueError, KeyError, TypeError):
            raise Unusable(
                ja=f"{path} の {MARKER} が壊れています。バックアップから戻してください。",
                en=f"{MARKER} at {path} is damaged; restore it from a backup.",
            ) from None

    @property
    def is_demonstration(self) -> bool:
        return self.seed is not None

    @property
    def is_host(self) -> bool:
        """Whether this is an analysts' host, which has only the catalogue."""
        return self.kind == HOST

    @property
    def raw(self) -> Path:
        return self.path / "raw"

    @property
    def catalogue(self) -> Path:
        return self.path / "catalogue"

    @property
    def registry(self) -> Path:
        return self.path / "registry"

    @property
    def workspaces(self) -> Path:
        return self.path / "workspaces"

    @property
    def audit(self) -> Path:
        return self.path / "audit"

    @property
    def keys(self) -> Path:
        return self.path / "keys"

    @property
    def staging(self) -> Path:
        """What is being prepared; a request's files live here until they are decided."""
        return self.path / "staging"

    @property
    def state_url(self) -> str:
        """SQLAlchemy address of the state: WORKBENCH_STATE_URL, else SQLite in the home."""
        return os.environ.get("WORKBENCH_STATE_URL") or f"sqlite:///{self.path / 'state.db'}"

    def entropy(self, purpose: str, *, size: int = 32) -> bytes:
        """
        Random bytes from the operating system; in a demonstration, a function of seed and purpose.

        Two draws in a demonstration need two purposes: the same purpose gives the same bytes.
        """
        if self.seed is None:
            return secrets.token_bytes(size)
        return hashlib.shake_256(f"{self.identity}\0{purpose}".encode()).digest(size)

    def generator(self, purpose: str) -> "Generator":
        """A numpy generator seeded with 256 bits of `entropy(purpose)`."""
        import numpy

        return numpy.random.default_rng(int.from_bytes(self.entropy(purpose), "big"))


def expect_identity(identity: object, seed: object) -> dict[str, Any]:
    """
    Identity and seed, if they belong together: only a demonstration has a seed, and its name says which.

    Whoever could write a seed into a real home's marker would make its noise and its keys predictable.
    """
    real = isinstance(identity, str) and not identity.startswith(DEMONSTRATION) and seed is None
    shown = type(seed) is int and identity == f"{DEMONSTRATION}{seed}"
    if not real and not shown:
        raise ValueError
    return {"identity": identity, "seed": seed}


def write_atomically(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write aside, flush to disk, rename: a reader sees the old file or the whole new one."""
    with written_aside(path, content, mode=mode) as aside:
        os.replace(aside, path)


def create_once(path: Path, content: bytes) -> bool:
    """Write a file that is not there yet, whole, for its owner only; False when one stands already."""
    with written_aside(path, content, mode=0o600) as aside:
        try:
            os.link(aside, path)
        except FileExistsError:
            return False
    return True


@contextmanager
def written_aside(path: Path, content: bytes, *, mode: int) -> Iterator[Path]:
    """The content on disk under another name; what the block does with it is on disk afterwards."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.aside")
    try:
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield aside
    finally:
        aside.unlink(missing_ok=True)
    sync_folder(path.parent)


def publish_folder(aside: Path, final: Path) -> None:
    """Make the finished folder `aside` appear at `final` in one step, its content on disk first."""
    for file in sorted(aside.rglob("*")):
        if file.is_file():
            with open(file, "rb") as handle:
                os.fsync(handle.fileno())
        else:
            sync_folder(file)
    sync_folder(aside)
    os.rename(aside, final)
    sync_folder(final.parent)


def sync_folder(folder: Path) -> None:
    """Flush a folder's list of names to disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def clear_leftovers(folder: Path) -> None:
    """Remove what a kill left half-written: entries whose names end in `.aside`."""
    for leftover in folder.glob(".*.aside"):
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink(missing_ok=True)
