"""
The manifest: what a bundle is, and the digest of every file in it.

The sha256 of `manifest.json` is the bundle's id. Beside the listed files only the admission may lie there.
No time, place or machine is written, so the same content has the same id.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.artifact.canonical import canonical, parse_canonical, sha256
from workbench.artifact.schemas import MANIFEST_SCHEMA, SCHEMA_ID, expect_schema
from workbench.artifact.tree import bad_file, digest_of, files_in, is_plain_path, read_capped
from workbench.errors import NotFound, Untrusted
from workbench.home import clear_leftovers, write_atomically

MANIFEST = "manifest.json"
ENVELOPE = "release.dsse.json"
MAX_MANIFEST_BYTES = 1 << 20
MAX_ENVELOPE_BYTES = 1 << 20


@dataclass(frozen=True)
class Entry:
    """One listed file."""

    sha256: str
    size: int


@dataclass(frozen=True)
class Manifest:
    """What a bundle says it is. Equal digest, equal bundle."""

    digest: str
    kind: str
    name: str
    version: str
    demonstration: str | None
    meta: Mapping[str, Any]
    files: Mapping[str, Entry] = field(repr=False)

    def content(self, folder: Path, path: str) -> bytes:
        """The bytes of a listed file, checked as they are read: what was verified is what is used."""
        if path not in self.files:
            raise NotFound(
                ja=f"バンドル {self.name} {self.version} に {path} はありません。",
                en=f"Bundle {self.name} {self.version} has no {path}.",
            )
        entry = self.files[path]
        content = read_capped(folder / path, limit=entry.size)
        if sha256(content) != entry.sha256:
            raise changed(path)
        return content


def seal(
    folder: Path,
    *,
    kind: str,
    name: str,
    version: str,
    meta: Mapping[str, Any],
    demonstration: str | None,
) -> Manifest:
    """Write the manifest of everything in `folder`; an earlier manifest is replaced."""
    clear_leftovers(folder)
    listed = sorted(files_in(folder).keys() - {MANIFEST, ENVELOPE})
    value = {
        "schema": SCHEMA_ID,
        "kind": kind,
        "name": name,
        "version": version,
        "demonstration": demonstration,
        "meta": dict(meta),
        "files": {path: file_entry(folder / path) for path in listed},
    }
    content = canonical(value)
    manifest = parse(content)
    write_atomically(folder / MANIFEST, content)
    return manifest


def read(folder: Path) -> Manifest:
    """
    The manifest of a bundle whose every file is as listed, and nothing else lies there.

    Says nothing about who made it: `verify_bundle` does.
    """
    manifest = parse(read_capped(folder / MANIFEST, limit=MAX_MANIFEST_BYTES))
    expect_files(folder, manifest)
    return manifest


def parse(content: bytes) -> Manifest:
    """The manifest in `content`; Untrusted for unknown keys, odd paths or another spelling."""
    value = parse_canonical(content, name=MANIFEST)
    expect_schema(value, MANIFEST_SCHEMA, name=MANIFEST)
    for path in value["files"]:
        if not is_plain_path(path) or path in (MANIFEST, ENVELOPE):
            raise bad_file(path, ja="名前が許されていません", en="has a name that is not allowed")
    if len({path.casefold() for path in value["files"]}) < len(value["files"]):
        raise bad_file(
            MANIFEST, ja="大文字小文字だけが違う名前を含みます", en="lists names that differ in case only"
        )
    files = {path: Entry(entry["sha256"], entry["size"]) for path, entry in value["files"].items()}
    fields = {name: value[name] for name in ("kind", "name", "version", "demonstration", "meta")}
    return Manifest(digest=sha256(content), files=files, **fields)


def expect_files(folder: Path, manifest: Manifest) -> None:
    """Raise Untrusted unless `folder` holds exactly the listed files with their listed content."""
    present = files_in(folder)
    expect_names(present.keys() - {MANIFEST, ENVELOPE}, listed=manifest.files)
    for path, entry in manifest.files.items():
        if present[path].st_size != entry.size or digest_of(folder / path) != entry.sha256:
            raise changed(path)


def expect_names(present: Iterable[str], *, listed: Mapping[str, Entry]) -> None:
    extra, missing = sorted(set(present) - listed.keys()), sorted(listed.keys() - set(present))
    if extra:
        raise bad_file(extra[0], ja="目録にありません", en="is not in the manifest")
    if missing:
        raise bad_file(missing[0], ja="ありません", en="is missing")


def content_digest(folder: Path, paths: Iterable[str]) -> str:
    """One digest over the content of some files of a bundle, whatever else is in it."""
    return sha256(canonical({path: digest_of(folder / path) for path in sorted(paths)}))


def file_entry(path: Path) -> dict[str, Any]:
    return {"sha256": digest_of(path), "size": path.stat().st_size}


def changed(path: str) -> Untrusted:
    return bad_file(path, ja="目録の内容から変わっています", en="has changed since the manifest was made")
