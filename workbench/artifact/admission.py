"""The statement that admits a bundle: what was decided, by whom, on which report, until when."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from workbench.artifact.manifest import MANIFEST, Manifest
from workbench.artifact.schemas import ADMISSION_SCHEMA, ADMISSION_TYPE, STATEMENT_TYPE, expect_schema
from workbench.artifact.times import to_text


def admission(
    manifest: Manifest,
    *,
    request: str,
    purpose: str,
    report: str,
    votes: Iterable[Mapping[str, str]],
    admitted_at: datetime,
    valid_until: datetime,
    policy: str,
    home: str,
) -> dict[str, Any]:
    """
    An in-toto statement about the manifest, for the two admitting roles to sign.

    `report` and `policy` are digests; each vote names person, role and the digest of its signed envelope.
    """
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": MANIFEST, "digest": {"sha256": manifest.digest}}],
        "predicateType": ADMISSION_TYPE,
        "predicate": {
            "request": request,
            "kind": manifest.kind,
            "name": manifest.name,
            "version": manifest.version,
            "purpose": purpose,
            "report": report,
            "votes": [dict(vote) for vote in votes],
            "admitted_at": to_text(admitted_at),
            "valid_until": to_text(valid_until),
            "policy": policy,
            "home": home,
        },
    }
    expect_schema(statement, ADMISSION_SCHEMA, name="admission")
    return statement
