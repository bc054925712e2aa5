"""
The report as data: canonical JSON by a published schema, the same bytes for the same bundle and policy.

Checks measure and compare; here their findings become one verdict, one sentence, and the two or three
numbers that carry it. Drawing is the page's work.
"""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import jsonschema

from workbench.artifact.canonical import canonical, parse_canonical
from workbench.policy import Policy
from workbench.release.findings import Found, Text, Verdict, worst

SCHEMA = "anonymity-report/1"


def build(
    found: Found,
    *,
    head: Mapping[str, Any],
    policy: Policy,
    provenance: Mapping[str, Any],
    notice: Text,
    sections: Mapping[str, Any],
) -> dict[str, Any]:
    """The report of `found`. `head` says what is asked for; `sections` are what this kind shows besides."""
    verdict = worst(finding.verdict for _, finding in found.values())
    report = {
        "schema": SCHEMA,
        **head,
        "verdict": str(verdict),
        "sentence": sentence(found, verdict=verdict).to_json(),
        "headline": headline(found),
        "notice": notice.to_json(),
        "findings": [
            finding.to_json(check=name, title=check.title) for name, (check, finding) in found.items()
        ],
        **sections,
        "policy": {
            "profile": policy.profile,
            "digest": policy.digest,
            "overrides": sorted(policy.overrides),
        },
        "provenance": dict(provenance),
    }
    jsonschema.Draft202012Validator(schema()).validate(report)
    return report


def sentence(found: Found, *, verdict: Verdict) -> Text:
    """The verdict in one sentence; where it is no pass, which check carries it."""
    first = next(((check, finding) for check, finding in found.values() if finding.verdict is verdict), None)
    if verdict is Verdict.PASS or first is None:
        return Text(
            ja=f"{len(found)} 件の技術的確認は、すべて基準を満たしました。受け入れるかどうかは審査者が決めます。",
            en=f"All {len(found)} technical checks hold their limits. Whether to admit it is for the reviewers to decide.",
        )
    number = sum(finding.verdict is verdict for _, finding in found.values())
    title = first[0].title
    if verdict is Verdict.REVIEW:
        return Text(
            ja=f"基準を満たさないものはありませんが、{number} 件は審査者の判断が必要です（「{title.ja}」など）。",
            en=f"Nothing fails; a reviewer must judge {number} of {len(found)} findings ('{title.en}' first).",
        )
    return Text(
        ja=f"「{title.ja}」を含む {number} 件が基準を満たさないため、この申請は受け付けられません。",
        en=f"{number} of {len(found)} checks failed, '{title.en}' first; this request is refused.",
    )


def headline(found: Found) -> list[dict[str, Any]]:
    """The numbers at the top, where they were measured."""
    return [
        {
            "check": name,
            "label": check.headline.label.to_json(),
            "value": finding.numbers[check.headline.number],
            "limit": finding.limits.get(check.headline.limit),
            "form": check.headline.form,
            "relation": check.headline.relation,
            "verdict": str(finding.verdict),
        }
        for name, (check, finding) in found.items()
        if check.headline and finding.numbers.get(check.headline.number) is not None
    ]


def to_bytes(report: Mapping[str, Any]) -> bytes:
    """The report as it is stored and voted on."""
    return canonical(dict(report))


def from_bytes(content: bytes) -> dict[str, Any]:
    """A stored report. Raises Untrusted for another spelling of it."""
    return dict(parse_canonical(content, name="report.json"))


@cache
def schema() -> dict[str, Any]:
    """The published JSON Schema."""
    import json

    return dict(json.loads(resources.files(__package__).joinpath("report.schema.json").read_bytes()))


def guarantee(report: Mapping[str, Any]) -> dict[str, Any]:
    """What the manifest repeats of the report: the headline numbers by check."""
    return {number["check"]: number["value"] for number in report["headline"]}
