"""
Signing and shelving what the reviewers have decided to admit.

Signed by the two roles that answer for it, with the keys of the coordinating body and of review; stored
under its own digest; then entered in the catalogue or the registry. Each step can be repeated, so a kill
between any two leaves nothing half done.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from workbench.artifact import manifest
from workbench.artifact.admission import admission
from workbench.artifact.canonical import sha256
from workbench.artifact.keys import KeyRing
from workbench.artifact.signing import sign
from workbench.artifact.store import Store
from workbench.artifact.times import from_text
from workbench.artifact.trust import ADMITTERS
from workbench.errors import NotFound, Refused, Untrusted
from workbench.home import Home, write_atomically
from workbench.release import report, requests, staging, tables
from workbench.release.findings import Verdict
from workbench.release.requests import Request
from workbench.release.votes import Ballot

# What a shelf's row repeats of its request.
ENTERED = (
    *("manifest", "kind", "protection", "name", "version", "purpose", "report"),
    *("admitted_at", "valid_until"),
)


def shelf(home: Home, kind: str) -> Path:
    """Where admitted bundles of this kind stand: the catalogue for datasets, the registry for models."""
    return {"dataset": home.catalogue, "model": home.registry}[kind]


def expect_keys(home: Home) -> None:
    """Raise NotFound, before anything is decided, unless both admitting roles can sign."""
    for owner in ADMITTERS:
        KeyRing.of(home).signer(owner)


def expect_as_reported(request: Request, *, home: Home) -> None:
    """Raise unless the bundle is, to the byte, the one its report and its votes are about."""
    if request.verdict == "fail":
        raise Refused(
            ja=f"申請 {request.id} は確認で不適合のため受け入れられません。報告書の指示に沿って作り直してください。",
            en=f"Request {request.id} failed its checks; prepare it again as its report says.",
        )
    bundle = request.bundle(home)
    found = manifest.read(bundle)
    content = found.content(bundle, staging.REPORT)
    changed = found.digest != request.manifest or sha256(content) != request.report
    if changed or says_otherwise(request, report.from_bytes(content)):
        raise Untrusted(
            ja=f"申請 {request.id} の内容が、報告書の作成後に変わっています。workbench release report {request.id} で確認からやり直してください。",
            en=f"Request {request.id} has changed since its report; run 'workbench release report {request.id}' again.",
        )


# What a request says of itself, and its report with it: the report is what people read and signed.
REPORTED = ("kind", "protection", "name", "version", "purpose", "author", "verdict")


def says_otherwise(request: Request, told: Mapping[str, Any]) -> bool:
    """Whether the state's row is not what the report is about: whoever writes to the state decides nothing."""
    return any(str(getattr(request, name)) != told[name] for name in REPORTED)


def said(request: Request, *, home: Home) -> Verdict:
    """What the report that was voted on says of this release together with earlier ones; a failure if nothing."""
    bundle = request.bundle(home)
    told = report.from_bytes(manifest.read(bundle).content(bundle, staging.REPORT))
    return next(
        (Verdict(finding["verdict"]) for finding in told["findings"] if finding["check"] == "together"),
        Verdict.FAIL,
    )


def sign_and_store(request: Request, *, home: Home, ballots: Sequence[Ballot]) -> None:
    """Put the signed admission beside the manifest and the bundle into the store. Repeatable."""
    store = Store(shelf(home, request.kind))
    if request.manifest in store.digests():
        return
    expect_as_reported(request, home=home)
    bundle = request.bundle(home)
    keys = KeyRing.of(home)
    statement = decided(request, home=home, ballots=ballots)
    write_atomically(bundle / manifest.ENVELOPE, sign(statement, [keys.signer(owner) for owner in ADMITTERS]))
    if store.add(bundle) != request.manifest:
        raise Untrusted(
            ja=f"申請 {request.id} の内容が署名の間に変わりました。staging フォルダーへの書込みを止め、監査責任者に連絡してください。",
            en=f"Request {request.id} changed while it was signed; stop whatever writes to the staging folder and tell the auditor.",
        )


def decided(request: Request, *, home: Home, ballots: Sequence[Ballot]) -> dict[str, Any]:
    """What is signed: which bundle, for which purpose, on whose votes about which report, until when."""
    return admission(
        manifest.read(request.bundle(home)),
        request=request.id,
        purpose=request.purpose,
        report=known(request.report),
        votes=[
            {"person": ballot.person, "role": str(ballot.role), "envelope": ballot.digest}
            for ballot in ballots
        ],
        admitted_at=from_text(known(request.admitted_at)),
        valid_until=from_text(known(request.valid_until)),
        policy=known(request.policy),
        home=home.identity,
    )


def known(value: str | None) -> str:
    """A column that a decided request has; its absence is a fault of ours."""
    if value is None:
        raise RuntimeError("a decided request lacks a field")
    return value


def enter(connection: sa.Connection, request: Request) -> None:
    """Write the bundle's row in the catalogue or the registry."""
    values = {name: getattr(request, name) for name in ENTERED}
    connection.execute(tables.shelves.insert().values(**values, request=request.number))


def clear(request: Request, *, home: Home) -> None:
    """Remove the staged copy of an admitted bundle; the evidence stays for later checks."""
    shutil.rmtree(request.bundle(home), ignore_errors=True)


def request_of(connection: sa.Connection, bundle: str) -> Request:
    """The request by which the bundle with this manifest digest was admitted."""
    row = connection.execute(
        sa.select(tables.shelves.c.request).where(tables.shelves.c.manifest == bundle)
    ).first()
    if row is None:
        raise NotFound(
            ja="その成果物は台帳にありません。workbench catalogue list または registry list で確認してください。",
            en="No such bundle is shelved; see 'workbench catalogue list' or 'workbench registry list'.",
        )
    return requests.find(connection, f"R-{row.request}")
