"""
Whether to believe a bundle: the order of trust, each step before the next is read.

Signatures over bytes, then the statement in them; the manifest's digest, then the manifest; the files;
then what may have changed since: revocation, and the end of validity. Every step raises; none returns a
boolean that could be ignored.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from workbench.artifact.canonical import sha256
from workbench.artifact.envelope import unsigned, verify_statement
from workbench.artifact.manifest import (
    ENVELOPE,
    MANIFEST,
    MAX_ENVELOPE_BYTES,
    MAX_MANIFEST_BYTES,
    Manifest,
    expect_files,
    parse,
)
from workbench.artifact.revocations import Revocations, verify_revocations
from workbench.artifact.schemas import ADMISSION_SCHEMA, expect_schema
from workbench.artifact.times import from_text
from workbench.artifact.tree import read_capped
from workbench.artifact.trust import ADMITTERS, Trusted
from workbench.errors import Untrusted

__all__ = ["ADMITTERS", "Admission", "Trusted", "verify_bundle", "verify_revocations", "verify_statement"]


@dataclass(frozen=True)
class Admission:
    """A bundle that may be used, and the statement that admitted it."""

    manifest: Manifest
    statement: Mapping[str, Any]

    @property
    def purpose(self) -> str:
        """The purpose of use it was admitted for."""
        return str(self.statement["predicate"]["purpose"])

    @property
    def valid_until(self) -> datetime:
        return from_text(self.statement["predicate"]["valid_until"])


def verify_bundle(
    folder: Path, *, trusted: Trusted, now: datetime, revocations: Revocations | None = None
) -> Admission:
    """
    The admission of the bundle in `folder`, if it may be used here and now; else Untrusted.

    Both admitting roles must have signed. What is read afterwards goes through `manifest.content`, which
    checks each file again as it is read.
    """
    statement = signed_statement(folder, trusted=trusted)
    manifest = signed_manifest(folder, statement)
    expect_files(folder, manifest)
    expect_of_here(manifest, trusted=trusted)
    if revocations is not None:
        expect_not_revoked(manifest, revocations=revocations)
    expect_not_expired(manifest, statement, now=now)
    return Admission(manifest, statement)


def signed_statement(folder: Path, *, trusted: Trusted) -> dict[str, Any]:
    if not (folder / ENVELOPE).exists():
        raise unsigned()
    envelope = read_capped(folder / ENVELOPE, limit=MAX_ENVELOPE_BYTES)
    statement = verify_statement(envelope, trusted.admitters, threshold=len(ADMITTERS))
    expect_schema(statement, ADMISSION_SCHEMA, name=ENVELOPE)
    return statement


def signed_manifest(folder: Path, statement: Mapping[str, Any]) -> Manifest:
    """The manifest whose bytes the statement is about."""
    content = read_capped(folder / MANIFEST, limit=MAX_MANIFEST_BYTES)
    if sha256(content) != statement["subject"][0]["digest"]["sha256"]:
        raise Untrusted(
            ja="署名は別のバンドルのものか、目録（manifest.json）が署名後に変わっています。作成元から受け取り直してください。",
            en="The signatures belong to another bundle, or manifest.json was changed after signing; obtain the bundle again from its source.",
        )
    return parse(content)


def expect_of_here(manifest: Manifest, *, trusted: Trusted) -> None:
    if manifest.demonstration != trusted.demonstration:
        raise Untrusted(
            ja=f"バンドル {manifest.name} {manifest.version} は実演用か、別の実演のものです。ここでは使えません。",
            en=f"Bundle {manifest.name} {manifest.version} belongs to a demonstration, or to another one; it is not used here.",
        )


def expect_not_revoked(manifest: Manifest, *, revocations: Revocations) -> None:
    if manifest.digest in revocations.revoked:
        day = revocations.revoked[manifest.digest]["revoked_at"][:10]
        raise Untrusted(
            ja=f"バンドル {manifest.name} {manifest.version} は {day} に失効しました。新しい版を使ってください。",
            en=f"Bundle {manifest.name} {manifest.version} was revoked on {day}; use a newer version.",
        )


def expect_not_expired(manifest: Manifest, statement: Mapping[str, Any], *, now: datetime) -> None:
    until = statement["predicate"]["valid_until"]
    if now > from_text(until):
        raise Untrusted(
            ja=f"バンドル {manifest.name} {manifest.version} の有効期限（{until[:10]}）が過ぎています。新しい版を申請してください。",
            en=f"Bundle {manifest.name} {manifest.version} expired on {until[:10]}; request a new version.",
        )
