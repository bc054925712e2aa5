"""
Reading what was admitted: the catalogue's datasets and the registry's models.

A row says where to look; the signed bundle says what it is. Whatever is handed out is verified first, and
must be what its row says, so that neither a changed file nor a changed row is believed.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from workbench.artifact.keys import KeyRing
from workbench.artifact.store import Store
from workbench.artifact.times import from_text
from workbench.artifact.verifying import Admission, Trusted, verify_bundle
from workbench.audit import Event
from workbench.errors import NotFound, Refused, Untrusted, Usage
from workbench.governance.people import People, why_not
from workbench.home import Home, publish_folder
from workbench.release import admission, report, revocations, staging, tables
from workbench.state import State


class Status(StrEnum):
    VALID = "valid"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True)
class Entry:
    """One admitted bundle. `manifest` is its digest and its address in the store."""

    manifest: str
    kind: str
    protection: str
    name: str
    version: str
    purpose: str
    request: str
    report: str
    admitted_at: str
    valid_until: str
    revoked_at: str | None
    revoked_why: str | None

    @property
    def id(self) -> str:
        return f"{self.name}@{self.version}"

    def status(self, *, now: datetime) -> Status:
        if self.revoked_at is not None:
            return Status.REVOKED
        return Status.EXPIRED if now > from_text(self.valid_until) else Status.VALID

    def to_json(self, *, now: datetime) -> dict[str, Any]:
        return {**vars(self), "status": str(self.status(now=now))}


@dataclass(frozen=True)
class Opened:
    """A verified bundle: its row, where it lies, and the statement that admitted it."""

    entry: Entry
    folder: Path
    admission: Admission

    def report(self) -> dict[str, Any]:
        """The report the reviewers voted on."""
        return report.from_bytes(self.admission.manifest.content(self.folder, staging.REPORT))


@dataclass(frozen=True)
class Shelf:
    """The admitted bundles of one kind."""

    home: Home
    state: State
    kind: str

    def every(self) -> list[Entry]:
        """Everything ever admitted, by name and version."""
        rows = tables.shelves.c
        query = sa.select(tables.shelves).where(rows.kind == self.kind)
        with self.state.reading() as connection:
            found = [_entry(row) for row in connection.execute(query)]
        return sorted(found, key=lambda entry: (entry.name, order(entry.version)))

    def find(self, wanted: str) -> Entry:
        """
        The entry `name@version`, or the newest that is not revoked under `name` or `name@1`.

        Raises NotFound.
        """
        name, _, version = wanted.partition("@")
        named = [entry for entry in self.every() if entry.name == name]
        exact = [entry for entry in named if entry.version == version]
        under = [entry for entry in named if entry.revoked_at is None and within(entry.version, version)]
        if not exact and not under:
            raise NotFound(
                ja=f"{wanted[:100]} は{WHERE[self.kind][0]}にありません。workbench {WHERE[self.kind][1]} list で確認してください。",
                en=f"There is no {wanted[:100]} in the {WHERE[self.kind][1]}; see 'workbench {WHERE[self.kind][1]} list'.",
            )
        return (exact or under)[-1]

    def open(self, wanted: str, *, now: datetime) -> Opened:
        """The bundle, verified: signatures, content, revocation, validity, and that its row tells the truth."""
        entry = self.find(wanted)
        folder = Store(admission.shelf(self.home, self.kind)).path(entry.manifest)
        verified = verify_bundle(
            folder,
            trusted=Trusted.of(KeyRing.of(self.home)),
            now=now,
            revocations=revocations.current(self.home, now=now),
        )
        expect_not_revoked(entry)
        expect_as_told(entry, verified)
        return Opened(entry, folder, verified)

    def usable(self, purpose: str, *, now: datetime) -> Iterator[Opened]:
        """Every valid bundle admitted for this purpose, verified; a bundle that does not verify raises."""
        for entry in self.every():
            if entry.purpose == purpose and entry.status(now=now) is Status.VALID:
                yield self.open(entry.id, now=now)

    def export(self, wanted: str, *, to: Path, by: str, now: datetime) -> Path:
        """
        A copy of the signed bundle in a new folder of `to`, with the list of revocations beside it.

        Refused for who may not export; the log has it before anything is copied.
        """
        staging.expect(why_not(People(self.state).get(by), "export"))
        opened = self.open(wanted, now=now)
        final = to / f"{opened.entry.name}-{opened.entry.version}"
        if final.exists():
            raise Refused(
                ja=f"{final.name} は既に書き出し先にあります。別の場所を指定してください。",
                en=f"{final.name} is already there; name another place.",
            )
        self.state.record(
            Event.BUNDLE_EXPORTED,
            actor=by,
            manifest=opened.entry.manifest,
            name=opened.entry.name,
            version=opened.entry.version,
        )
        to.mkdir(parents=True, exist_ok=True)
        aside = to / f".{final.name}.aside"
        shutil.rmtree(aside, ignore_errors=True)
        copy_writable(opened.folder, aside)
        publish_folder(aside, final)
        shutil.copyfile(revocations.path(self.home), to / revocations.NAME)
        return final


# kind: the shelf's name in Japanese, and its noun of the command.
WHERE = {"dataset": ("カタログ", "catalogue"), "model": ("登録簿", "registry")}


def order(version: str) -> tuple[int, ...]:
    """Versions compare as numbers: 1.10 comes after 1.9."""
    return tuple(int(part) for part in version.split("."))


def within(version: str, wanted: str) -> bool:
    """Whether `version` is `wanted` or a refinement of it: 1.2.0 is within 1 and within 1.2."""
    if not wanted:
        return True
    if not all(part.isdigit() for part in wanted.split(".")):
        raise Usage(
            ja="版は child-year@1 や child-year@1.0.0 のように数で指定してください。",
            en="Name a version by numbers: child-year@1 or child-year@1.0.0.",
        )
    asked = order(wanted)
    return order(version)[: len(asked)] == asked


def expect_not_revoked(entry: Entry) -> None:
    """The state knows of a revocation even in the moment before the list says it."""
    if entry.revoked_at is not None:
        raise Untrusted(
            ja=f"{entry.id} は {entry.revoked_at[:10]} に失効しました。新しい版を使ってください。",
            en=f"{entry.id} was revoked on {entry.revoked_at[:10]}; use a newer version.",
        )


def expect_as_told(entry: Entry, verified: Admission) -> None:
    """Raise Untrusted unless row and signed statement agree."""
    said = verified.statement["predicate"]
    told = (entry.kind, entry.name, entry.version, entry.purpose, entry.report, entry.valid_until)
    if verified.manifest.digest != entry.manifest or told != tuple(
        said[name] for name in ("kind", "name", "version", "purpose", "report", "valid_until")
    ):
        raise Untrusted(
            ja=f"{entry.id} の台帳の記載が、署名された内容と違います。監査責任者に連絡してください。",
            en=f"The row of {entry.id} differs from what was signed; tell the auditor.",
        )


def copy_writable(source: Path, target: Path) -> None:
    """The files of a read-only bundle as ordinary files."""
    for path in sorted(source.rglob("*")):
        if path.is_file():
            there = target / path.relative_to(source)
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, there, follow_symlinks=False)


def _entry(row: Any) -> Entry:
    fields = dict(row._mapping)
    return Entry(**{**fields, "request": f"R-{fields['request']}"})
