"""
The numbers behind the verdicts on a synthetic release: for reviewers, in the room, and never in the bundle.

They are kept with the evidence; the report, which leaves, names their digest, so that what reviewers voted on
is settled. Reading them is logged.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.artifact.canonical import canonical, parse_canonical, sha256
from workbench.audit import Event
from workbench.errors import NotFound, Untrusted
from workbench.home import Home, write_atomically
from workbench.release import evaluations, page, report, staging
from workbench.release.admission import shelf
from workbench.release.requests import Request
from workbench.release.staged_synthetic import Synthetic
from workbench.state import State

SCHEMA = "synthetic-metrics/1"
FILE = "metrics.json"
PAGE = "metrics.html"
LIMITS = (
    "synthetic_identical_excess",
    "synthetic_attack_risk",
    "synthetic_membership_auc",
    "synthetic_membership_found",
)


def metrics_of(staged: Synthetic) -> dict[str, Any]:
    """Everything that was measured of a synthetic release, as plain data; the same for the same files."""
    return {
        "schema": SCHEMA,
        "rows": {str(part): len(frame) for part, frame in staged.made.items()},
        "limits": {name: staged.room.policy[name] for name in LIMITS},
        "labels": {item.name: dict(item.label) for item in staged.items},
        "groups": {group.id: dict(group.label) for group in staged.room.project.subgroups},
        "disclosure": staged.disclosure.to_json(),
        "fidelity": staged.fidelity.to_json(),
        "usefulness": {
            target: {source: [one.to_json() for one in learners] for source, learners in sides.items()}
            for target, sides in staged.usefulness.items()
        },
    }


def keep(evidence: Path, measured: Mapping[str, Any]) -> None:
    """Put the numbers and their page beside the evidence."""
    write_atomically(evidence / FILE, canonical(dict(measured)))
    write_atomically(evidence / PAGE, page.render_metrics(measured).encode())


def read(request: Request, *, home: Home, state: State, person: str) -> tuple[dict[str, Any], Path]:
    """
    The numbers of a request and where their page lies. Logged.

    Raises Refused for who may not see them, NotFound where none were made, Untrusted where they are not
    those that the report names.
    """
    evaluations.expect_reader(state, person)
    evidence = request.evidence(home)
    try:
        content = (evidence / FILE).read_bytes()
        told = report.from_bytes((bundle_of(request, home=home) / staging.REPORT).read_bytes())
    except OSError:
        raise none_made(request) from None
    if sha256(content) != told["provenance"].get("metrics"):
        raise Untrusted(
            ja=f"申請 {request.id} の評価の数値が、報告書の作成後に変わっています。workbench release report {request.id} で確認からやり直してください。",
            en=f"The metrics of request {request.id} changed since its report; run 'workbench release report {request.id}' again.",
        )
    measured = dict(parse_canonical(content, name=FILE))
    # The page is drawn again from what was verified: nobody checks a page by its digest.
    write_atomically(evidence / PAGE, page.render_metrics(measured).encode())
    state.record(Event.METRICS_READ, actor=person, request=request.id, metrics=sha256(content))
    return measured, evidence / PAGE


def bundle_of(request: Request, *, home: Home) -> Path:
    """Where the request's bundle lies now: on its shelf once admitted, else in staging."""
    shelved = shelf(home, request.kind) / str(request.manifest)
    return shelved if shelved.is_dir() else request.bundle(home)


def none_made(request: Request) -> NotFound:
    return NotFound(
        ja=f"申請 {request.id} には評価の数値がありません。合成データの申請か、workbench release report {request.id} を済ませたか確かめてください。",
        en=f"Request {request.id} has no metrics; see that it is of synthetic data and that 'workbench release report {request.id}' was run.",
    )
