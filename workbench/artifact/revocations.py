"""
The list of bundles that may no longer be used: signed, numbered, and only ever growing.

One of the two admitting roles is enough to revoke: withdrawing must be quicker than admitting. What one
key alone cannot do is take a revocation back, because who has seen a list refuses a shorter, an older or
another one of the same number. A list ends, so that keeping a newer one away is noticed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from workbench.artifact.canonical import canonical, parse_canonical, sha256
from workbench.artifact.envelope import verify_statement
from workbench.artifact.schemas import (
    REVOCATIONS_SCHEMA,
    REVOCATIONS_TYPE,
    SEEN_SCHEMA,
    STATEMENT_TYPE,
    expect_schema,
)
from workbench.artifact.times import from_text, to_text
from workbench.artifact.tree import read_capped
from workbench.artifact.trust import Trusted
from workbench.errors import Untrusted
from workbench.home import write_atomically

VALID = timedelta(days=90)
MAX_BYTES = 16 << 20


@dataclass(frozen=True)
class Revocations:
    """The list number `sequence`. `revoked` goes from a bundle's digest to why and when."""

    home: str
    sequence: int
    issued_at: str
    valid_until: str
    revoked: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def none_yet(cls, *, home: str, now: datetime, valid: timedelta = VALID) -> "Revocations":
        """A home's first list."""
        return cls(home, 0, to_text(now), to_text(now + valid))

    def revoking(self, digest: str, *, reason: str, now: datetime, valid: timedelta = VALID) -> "Revocations":
        """The next list, with one more bundle; the first reason and time of a bundle stand."""
        entry = {digest: {"reason": reason, "revoked_at": to_text(now)}}
        return self.renewed(now=now, valid=valid, more=entry)

    def renewed(
        self, *, now: datetime, valid: timedelta = VALID, more: Mapping[str, Mapping[str, str]] | None = None
    ) -> "Revocations":
        """The next list, valid from now; by itself it revokes nothing more."""
        entries = {**(more or {}), **self.revoked}
        return Revocations(self.home, self.sequence + 1, to_text(now), to_text(now + valid), entries)

    def statement(self) -> dict[str, Any]:
        """What the coordinator (or the reviewer) signs."""
        predicate = {
            "home": self.home,
            "sequence": self.sequence,
            "issued_at": self.issued_at,
            "valid_until": self.valid_until,
            "revoked": {digest: dict(entry) for digest, entry in self.revoked.items()},
        }
        value = {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": "revocations", "digest": {"sha256": sha256(canonical(predicate))}}],
            "predicateType": REVOCATIONS_TYPE,
            "predicate": predicate,
        }
        expect_schema(value, REVOCATIONS_SCHEMA, name="revocations")
        return value


def verify_revocations(
    envelope: bytes, *, trusted: Trusted, now: datetime, seen: Path | None = None
) -> Revocations:
    """
    The list in a signed envelope, refused when it is past its end or older than the last one seen.

    `seen` is a file where this place remembers the last list it accepted; without it nothing is remembered.
    """
    statement = verify_statement(envelope, trusted.admitters, threshold=1)
    expect_schema(statement, REVOCATIONS_SCHEMA, name="revocations")
    revocations = Revocations(**statement["predicate"])
    if now > from_text(revocations.valid_until):
        raise out_of_date()
    if seen is not None:
        expect_no_older(revocations, seen=seen)
        remember(revocations, seen=seen)
    return revocations


def expect_no_older(revocations: Revocations, *, seen: Path) -> None:
    """Raise Untrusted unless the list continues the one remembered in `seen`."""
    if not seen.exists():
        return
    last = parse_canonical(read_capped(seen, limit=MAX_BYTES), name=seen.name)
    expect_schema(last, SEEN_SCHEMA, name=seen.name)
    same_number = revocations.sequence == last["sequence"]
    if (
        revocations.sequence < last["sequence"]
        or (same_number and identity(revocations) != last["digest"])
        or not set(last["revoked"]) <= revocations.revoked.keys()
    ):
        raise older_than_seen(revocations.sequence, seen=last["sequence"])


def remember(revocations: Revocations, *, seen: Path) -> None:
    """Keep what later lists must continue."""
    value = {
        "schema": "workbench-revocations-seen/1",
        "sequence": revocations.sequence,
        "digest": identity(revocations),
        "revoked": sorted(revocations.revoked),
    }
    write_atomically(seen, canonical(value))


def identity(revocations: Revocations) -> str:
    return sha256(canonical(revocations.statement()))


def out_of_date() -> Untrusted:
    return Untrusted(
        ja="失効リストの有効期限が切れています。総括管理主体から新しい失効リストを受け取ってください。",
        en="The revocation list is past its end; get the current one from the coordinating body.",
    )


def older_than_seen(sequence: int, *, seen: int) -> Untrusted:
    return Untrusted(
        ja=f"失効リスト（第 {sequence} 号）は、確認済みの第 {seen} 号より古いか、内容が引き継がれていません。最新の失効リストを受け取ってください。",
        en=f"Revocation list no. {sequence} is older than no. {seen} seen here, or does not continue it; get the current list.",
    )
