"""
The folder of a request: `bundle/` is what would leave, `evidence/` never leaves the room.

What is handed in is copied first, file by file and only plain files, so that nobody can change it under
the checks; the report is written into the copy, and the manifest seals it.
"""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.artifact import manifest
from workbench.artifact.canonical import sha256
from workbench.artifact.tree import files_in
from workbench.data.individual_number import mentions
from workbench.errors import Refused, Untrusted
from workbench.governance.wording import is_plain
from workbench.home import Home, publish_folder, write_atomically
from workbench.release import page, report
from workbench.release.requests import Request

REPORT_FOLDER = "report"
REPORT = f"{REPORT_FOLDER}/report.json"
PAGE = f"{REPORT_FOLDER}/report.html"
DRAFT = ".draft-"
# Written by us at the end; whatever was handed in under these names is not taken.
OURS = (REPORT, PAGE, manifest.MANIFEST, manifest.ENVELOPE)


@dataclass(frozen=True)
class Sealed:
    """The digests of a report and of the manifest that lists it."""

    report: str
    manifest: str


def expect(refusal: Refused | None) -> None:
    """Raise the reason a rule gave, if it gave one."""
    if refusal is not None:
        raise refusal


def expect_reason(why: str) -> None:
    """Every request and revocation says why, in words that may be shown to everyone who decides."""
    if not is_plain(why):
        raise Refused(
            ja="理由を、制御文字のない一文で書いてください（--why、1,000 文字まで）。",
            en="Say why in one sentence without control characters (--why, at most 1,000 characters).",
        )
    if mentions(why):
        raise Refused(
            ja="理由（--why）に個人番号と見られる番号があります。番号を使わずに書いてください。",
            en="The reason (--why) holds what reads as an Individual Number; write it without.",
        )


@contextmanager
def drafting(home: Home) -> Iterator[Path]:
    """A folder to prepare a release in, gone afterwards; a kill leaves it to `clear_drafts`."""
    folder = home.staging / f"{DRAFT}{secrets.token_hex(8)}"
    folder.mkdir(mode=0o700)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def clear_drafts(home: Home) -> None:
    """Remove the drafts whose makers are gone: the system lets go of a dead process's lock."""
    for folder in home.staging.glob(f"{DRAFT}*"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(handle)


@contextmanager
def copied(home: Home, *, bundle: Path, evidence: Path) -> Iterator[Path]:
    """A copy of both folders aside, removed again unless it was placed."""
    aside = home.staging / f".{secrets.token_hex(8)}.aside"
    try:
        _copy(bundle, aside / "bundle", leave_out=OURS)
        _copy(evidence, aside / "evidence", leave_out=())
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def place(aside: Path, final: Path) -> None:
    """
    Make the copy appear at its request's place.

    A folder that stands there belongs to a hand-in whose transaction a kill undid.
    """
    if final.exists():
        shutil.rmtree(final)
    publish_folder(aside, final)


def _copy(source: Path, target: Path, *, leave_out: tuple[str, ...]) -> None:
    target.mkdir(parents=True)
    paths = sorted(files_in(source).keys() - set(leave_out))
    if any(mentions(path) for path in paths):
        raise Refused(
            ja="提出するファイルの名前に個人番号と見られる番号があります。名前を変えてから提出してください。",
            en="The name of a file handed in holds what reads as an Individual Number; rename it first.",
        )
    for path in paths:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / path, target / path, follow_symlinks=False)
        os.chmod(target / path, 0o600)


def content_paths(bundle: Path) -> list[str]:
    """The files a request is about: all but those we write ourselves."""
    return sorted(files_in(bundle).keys() - set(OURS))


def content_digest(bundle: Path) -> str:
    """One digest over everything the report speaks about."""
    return manifest.content_digest(bundle, content_paths(bundle))


def seal(request: Request, *, home: Home, made: Mapping[str, Any]) -> Sealed:
    """Write the report, its page and the manifest into the request's bundle."""
    bundle = request.bundle(home)
    if content_digest(bundle) != made["provenance"]["content"]:
        raise Untrusted(
            ja=f"申請 {request.id} の内容が、確認の間に変わりました。staging フォルダーへの書込みを止め、監査責任者に連絡してください。",
            en=f"Request {request.id} changed while it was checked; stop whatever writes to the staging folder and tell the auditor.",
        )
    (bundle / REPORT_FOLDER).mkdir(exist_ok=True)
    content = report.to_bytes(made)
    write_atomically(bundle / REPORT, content)
    # Drawn from the report as it is stored: its canonical form has an order of its own.
    write_atomically(bundle / PAGE, page.render(report.from_bytes(content)).encode())
    sealed = manifest.seal(
        bundle,
        kind=request.kind,
        name=request.name,
        version=request.version,
        meta=meta(request, made),
        demonstration=home.identity if home.is_demonstration else None,
    )
    return Sealed(report=sha256(content), manifest=sealed.digest)


def meta(request: Request, made: Mapping[str, Any]) -> dict[str, Any]:
    """What the manifest tells without opening a file: how it is protected, for what, what was measured."""
    return {
        "protection": request.protection,
        "purpose": request.purpose,
        "guarantee": report.guarantee(made),
        "parts": made.get("reconciliation", {}).get("parts", {}),
        "source": made["provenance"].get("source"),
    }
