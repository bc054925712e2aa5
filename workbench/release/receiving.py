"""
On an analysts' host: taking in what the coordinating body sent, and the catalogue it makes.

A package is believed step by step, each before the next is read: who signed it, for which host and purpose and
until when, the list of revocations, then every bundle by itself. Nothing of it is seen before all of it holds;
what a kill leaves is finished, or cleared, by importing the same package again.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from workbench.artifact.manifest import Manifest
from workbench.artifact.package import Package, read, sealed_to_another, unpack
from workbench.artifact.revocations import Revocations, expect_no_older, remember, verify_revocations
from workbench.artifact.store import Store
from workbench.artifact.times import from_text
from workbench.artifact.tree import read_capped
from workbench.artifact.verifying import Admission, verify_bundle
from workbench.audit import Event
from workbench.errors import Untrusted
from workbench.governance.hosts import Here
from workbench.governance.people import People
from workbench.governance.training import Trainings
from workbench.home import Home, write_atomically
from workbench.release import revocations
from workbench.release.shelf import Entry, Opened, Shelf, order
from workbench.state import State

SEEN = "revocations.seen.json"
MAX_REVOCATIONS = 16 << 20
INCOMING = ".incoming-"


@dataclass(frozen=True)
class Received:
    """What an import brought: the package's number and its bundles' digests."""

    number: str
    bundles: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {"package": self.number, "bundles": list(self.bundles)}


def receive(package: Path, *, home: Home, state: State, by: str, now: datetime) -> Received:
    """
    Take the package into the catalogue of this host. Importing it again changes nothing.

    Raises Refused for another host, purpose or person; Untrusted for whatever does not verify; and then
    nothing of it is in the catalogue.
    """
    People(state).expect_may(by, "import_package")
    Trainings(home, state).expect(by, "import_package", now=now)
    here = Here.of(home)
    found = read(package, trusted=here.trusted)
    expect_for(here, found, now=now)
    with incoming(home) as folder:
        unpack(found, into=folder, key=here.private_key)
        listed = listed_in(folder, here=here, now=now)
        bundles = verified(folder, found, here=here, listed=listed, now=now)
        state.record(
            Event.PACKAGE_RECEIVED,
            actor=by,
            package=found.said["number"],
            home=found.said["home"],
            manifests=sorted(bundles),
            revocations=listed.sequence,
        )
        # The list first: what it revokes is never in the catalogue, not even for a moment.
        write_atomically(revocations_of(home), (folder / revocations.NAME).read_bytes())
        remember(listed, seen=home.path / SEEN)
        for path in bundles.values():
            Store(home.catalogue).add(path)
    return Received(found.said["number"], tuple(sorted(bundles)))


def revocations_of(home: Home) -> Path:
    """Where this host keeps the list that came with the last package."""
    return home.path / revocations.NAME


def expect_for(here: Here, package: Package, *, now: datetime) -> None:
    """Raise unless the package is for this host as it is, for one of its purposes, and not out of date."""
    said = package.said
    if (said["host"], said["host_key"]) != (here.host.name, here.host.key):
        raise sealed_to_another()
    if said["portable"] != here.host.portable:
        raise Untrusted(
            ja="持ち出す端末かどうかの登録が、この機械の設定と違います。機械を登録し直し、書き出し直してもらってください。",
            en="Whether this machine is carried outside is entered otherwise at the coordinating body; have the host entered again and the package written anew.",
        )
    if said["purpose"] not in here.purposes:
        raise Untrusted(
            ja=f"このパッケージの利用目的は、この機械の利用目的（{'、'.join(here.purposes)}）にありません。宛先を総括管理主体に確かめてください。",
            en=f"The purpose of this package is none of this host's ({', '.join(here.purposes)}); check its recipient with the coordinating body.",
        )
    if now > from_text(said["valid_until"]):
        raise Untrusted(
            ja=f"このパッケージを取り込める期限（{said['valid_until'][:10]}）が過ぎています。書き出し直してもらってください。",
            en=f"The package could be imported until {said['valid_until'][:10]}; have it written again.",
        )


@contextmanager
def incoming(home: Home) -> Iterator[Path]:
    """A new folder in the home for one import at a time; what a kill left of earlier ones is removed."""
    handle = os.open(home.path / ".receiving", os.O_RDONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        for leftover in home.path.glob(f"{INCOMING}*"):
            shutil.rmtree(leftover)
        folder = Path(tempfile.mkdtemp(prefix=INCOMING, dir=home.path))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(handle)


def listed_in(folder: Path, *, here: Here, now: datetime) -> Revocations:
    """The package's list of revocations: signed, in date, and no older than the last one seen here."""
    envelope = read_capped(folder / revocations.NAME, limit=MAX_REVOCATIONS)
    listed = verify_revocations(envelope, trusted=here.trusted, now=now)
    expect_no_older(listed, seen=here.home.path / SEEN)
    return listed


def verified(
    folder: Path, package: Package, *, here: Here, listed: Revocations, now: datetime
) -> dict[str, Path]:
    """The bundles in the folder by their digest; exactly those of the statement, each verified by itself."""
    found = {}
    for path in sorted(path for path in folder.iterdir() if path.is_dir()):
        admitted = verify_bundle(path, trusted=here.trusted, now=now, revocations=listed)
        expect_of_purpose(admitted, package)
        found[admitted.manifest.digest] = path
    if sorted(found) != sorted(entry["manifest"] for entry in package.said["bundles"]):
        raise Untrusted(
            ja="パッケージの中のデータセットが、署名された一覧と違います。取り込まず、総括管理主体に知らせてください。",
            en="The datasets in the package are not those of its signed list; do not use it, and tell the coordinating body.",
        )
    return found


def expect_of_purpose(admitted: Admission, package: Package) -> None:
    name = f"{admitted.manifest.name}@{admitted.manifest.version}"
    if admitted.manifest.kind != "dataset" or admitted.purpose != package.said["purpose"]:
        raise Untrusted(
            ja=f"パッケージの中の {name} は、この利用目的で受け入れられたデータセットではありません。取り込まず、総括管理主体に知らせてください。",
            en=f"{name} in the package is no dataset admitted for this purpose; do not use it, and tell the coordinating body.",
        )


class HostShelf(Shelf):
    """The catalogue of an analysts' host: the signed bundles say what they are, no row of a table does."""

    def every(self) -> list[Entry]:
        """Everything that was received, by name and version, as its signed statement tells it."""
        here, listed = Here.of(self.home), self._listed()
        store = Store(self.home.catalogue)
        # When it is opened, time and revocation are judged; here what is past its end is listed too.
        entries = [
            entry_of(verify_bundle(store.path(digest), trusted=here.trusted, now=LONG_AGO), listed)
            for digest in store.digests()
        ]
        return sorted(entries, key=lambda entry: (entry.name, order(entry.version)))

    def open(self, wanted: str, *, now: datetime) -> Opened:
        """The bundle, verified with the keys pinned here and the list that came last."""
        entry = self.find(wanted)
        folder = Store(self.home.catalogue).path(entry.manifest)
        here = Here.of(self.home)
        envelope = read_capped(revocations_of(self.home), limit=MAX_REVOCATIONS)
        listed = verify_revocations(envelope, trusted=here.trusted, now=now)
        expect_no_older(listed, seen=self.home.path / SEEN)
        admitted = verify_bundle(folder, trusted=here.trusted, now=now, revocations=listed)
        return Opened(entry, folder, admitted)

    def _listed(self) -> Revocations | None:
        path = revocations_of(self.home)
        if not path.exists():
            return None
        envelope = read_capped(path, limit=MAX_REVOCATIONS)
        return verify_revocations(envelope, trusted=Here.of(self.home).trusted, now=LONG_AGO)


LONG_AGO = from_text("1970-01-01T00:00:00Z")


def entry_of(admitted: Admission, listed: Revocations | None) -> Entry:
    said, manifest = admitted.statement["predicate"], admitted.manifest
    revoked = (listed.revoked if listed else {}).get(manifest.digest, {})
    return Entry(
        manifest=manifest.digest,
        kind=manifest.kind,
        protection=protection_of(manifest),
        name=manifest.name,
        version=manifest.version,
        purpose=said["purpose"],
        request=said["request"],
        report=said["report"],
        admitted_at=said["admitted_at"],
        valid_until=said["valid_until"],
        revoked_at=revoked.get("revoked_at"),
        revoked_why=revoked.get("reason"),
    )


def protection_of(manifest: Manifest) -> str:
    return str(manifest.meta.get("protection", ""))
