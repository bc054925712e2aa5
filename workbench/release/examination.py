"""
Examining a request: the room and the staged files go in, the report comes out.

How each protection is read and what its report shows stands in one table, `VIEWS`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from workbench.data.registers import Registers
from workbench.errors import WorkbenchError
from workbench.governance.charter import Projects
from workbench.home import Home
from workbench.policy import Policy
from workbench.release import checks, checks_promise, evaluations, metrics, report, rule62, staging
from workbench.release import sections as shows
from workbench.release.findings import Finding, Found, Text, Verdict
from workbench.release.requests import Request
from workbench.release.room import Room
from workbench.release.staged import Rows
from workbench.release.staged_model import Candidate
from workbench.release.staged_synthetic import Synthetic
from workbench.release.staged_tables import Tables
from workbench.state import State


@dataclass(frozen=True)
class Subject:
    """
    What is examined: a request, where its bundle lies, and what had left the room before it.

    `past` are requests; None for all that have left by now.
    """

    request: Request
    bundle: Path
    room: Room
    now: datetime
    past: tuple[str, ...] | None = None

    @classmethod
    def staged(cls, request: Request, room: Room, now: datetime) -> "Subject":
        """A request as it waits for its decision."""
        return cls(request, request.bundle(room.home), room, now)

    @property
    def evidence(self) -> Path:
        return self.request.evidence(self.room.home)


@dataclass(frozen=True)
class View:
    """How one protection is read from its staging folder and what its report shows."""

    stage: Callable[[Subject], Any]
    sections: Callable[[Any, Found], dict[str, Any]]
    provenance: Callable[[Any], dict[str, Any]]
    notice: Callable[[Any], Text] = lambda _: rule62.NOTICE


def rows(one: Subject) -> Rows:
    return Rows(one.bundle, one.evidence, one.room, one.request, one.past)


def synthetic(one: Subject) -> Synthetic:
    return Synthetic(one.bundle, one.evidence, one.room, one.request, one.past)


def tables(one: Subject) -> Tables:
    return Tables(one.bundle, one.evidence, one.room, one.request, one.past)


def candidate(one: Subject) -> Candidate:
    return Candidate(one.bundle, one.evidence, one.room, one.request.version, one.now)


def examine(request: Request, *, home: Home, state: State, policy: Policy, now: datetime) -> dict[str, Any]:
    """Run the checks of the request's protection and build its report."""
    one = Subject.staged(request, room_for(request.purpose, home=home, state=state, policy=policy), now)
    if request.protection == "synthetic":
        count(one)
    return examined(one, keep=metrics.keep)


def count(one: Subject) -> None:
    """Count the evaluation before it is made. Refused beyond the policy's number."""
    evaluations.count(
        one.room.state,
        table=one.room.project.source,
        subject=staging.content_digest(one.bundle),
        kind="release",
        person=one.request.author,
        allowed=one.room.policy["evaluations_per_table"],
        now=one.now,
    )


def examined(one: Subject, *, keep: Callable[[Path, dict[str, Any]], None] | None = None) -> dict[str, Any]:
    """The report of what lies in a bundle's folder; `keep` is handed the numbers that do not leave with it."""
    request, room = one.request, one.room
    view = VIEWS[request.protection]
    # Before anything is read: whoever changes the bundle meanwhile is found when it is sealed.
    content = staging.content_digest(one.bundle)
    staged = view.stage(one)
    found = checks.run(request.protection, staged)
    sections, provenance = shown(view, staged, found)
    if keep is not None and "metrics" in provenance:
        keep(one.evidence, metrics.metrics_of(staged))
    return report.build(
        found,
        head=head(request, room),
        policy=room.policy,
        provenance={
            "content": content,
            "register": room.register.digest,
            "project": room.project.digest,
            **provenance,
        },
        notice=view.notice(staged),
        sections=sections,
    )


def again(request: Request, *, home: Home, state: State, policy: Policy, now: datetime) -> Finding | None:
    """
    The finding of the one check whose answer others change: what has left by now, or the release learned from.

    Since the report another release may have been admitted, or that one revoked. None for an unknown kind.
    """
    name = checks.once_more(request.protection)
    if name is None:
        return None
    check = checks.CHECKS[request.protection][name]
    room = room_for(request.purpose, home=home, state=state, policy=policy)
    return checks.asked(check, VIEWS[request.protection].stage(Subject.staged(request, room, now)))


def room_for(purpose: str, *, home: Home, state: State, policy: Policy) -> Room:
    """The room of the project with this purpose, under the register in force."""
    return Room(home, state, policy, Registers(state).current(), Projects(state).get(purpose))


def shown(view: View, staged: Any, found: Found) -> tuple[dict[str, Any], dict[str, Any]]:
    """The report's sections and provenance; neither where a gate failed or the files do not bear them."""
    if any(check.gate and finding.verdict is Verdict.FAIL for check, finding in found.values()):
        return {}, {}
    try:
        return view.sections(staged, found), view.provenance(staged)
    except WorkbenchError:
        # The check that met the same fault has said so already.
        return {}, {}


def head(request: Request, room: Room) -> dict[str, Any]:
    """What is asked for, by whom and why."""
    return {
        "kind": request.kind,
        "protection": request.protection,
        "name": request.name,
        "version": request.version,
        "purpose": request.purpose,
        "title": dict(room.project.title),
        "author": request.author,
        "why": request.why,
    }


def synthetic_notice(staged: Synthetic) -> Text:
    """What is promised, or that nothing is."""
    said = checks_promise.sentence(staged)
    return Text(ja=f"{said.ja}{rule62.NOTICE.ja}", en=f"{said.en} {rule62.NOTICE.en}")


MODEL_NOTICE = Text(
    ja="候補は決定ではありません。点数は確率ではなく、支援の要否は必ず人が判断します。本報告書は法的該当性を判断するものではありません。",
    en="A candidate is not a decision. A score is no probability, and a person always decides on support. This report does not decide legal status.",
)


VIEWS: Mapping[str, View] = {
    "anonymised": View(rows, shows.row_sections, shows.row_provenance),
    "pseudonymised": View(rows, shows.row_sections, shows.row_provenance),
    "synthetic": View(synthetic, shows.synthetic_sections, shows.synthetic_provenance, synthetic_notice),
    "dp_tables": View(tables, shows.table_sections, shows.table_provenance),
    "model": View(candidate, shows.model_sections, shows.model_provenance, lambda _: MODEL_NOTICE),
}
