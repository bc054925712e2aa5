"""Steps 3 to 5: four releases prepared, checked and reported; the votes; what the votes do not allow."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from workbench.demo import cast
from workbench.demo.journal import Figures
from workbench.demo.journey import Journey, refused
from workbench.errors import NotFound, Refused
from workbench.privacy.anonymity import hierarchies
from workbench.privacy.dp.ledger import Ledger
from workbench.release import budgets
from workbench.release.examination import room_for
from workbench.release.moves import State
from workbench.release.prepare import prepare
from workbench.release.requests import Request
from workbench.release.staged_tables import ledger_name

VERSION = "1.0.0"
# The one release that must be refused; if another is, or this one is not, the demonstration stops.
REFUSED = "pseudonymised"

# Fine places and family details would cost more rows than they are worth: coarser columns over lost children.
QUASI = ["fy", "grade", "sex", "es_district", "hh_type"]
FEATURES = [
    "absent_days", "late_days", "nurse_visits", "bullied", "breakfast_skipped", "checks_missed", "school_aid",
    "welfare", "disability", "consulted", "reported", "registered", "absent_30d_now",
]  # fmt: skip
TARGETS = ["poverty", "abuse_report", "absent_30d_next_year", "young_carer"]
TABLES = [("absent_30d_next_year", None), ("hh_type", None), ("grade", None)]


@dataclass(frozen=True)
class Wanted:
    """A release of the demonstration."""

    name: str
    protection: str
    why: str
    choices: Mapping[str, Any] = field(default_factory=dict)


RELEASES = (
    Wanted("child-year", "anonymised", "登校の判定を作る", {"items": [*QUASI, *FEATURES, *TARGETS]}),
    Wanted("child-year-synthetic", "synthetic", "書き方を試す", {"items": [*QUASI, *FEATURES, *TARGETS]}),
    Wanted("child-tables", "dp_tables", "全体の傾向を知る", {"tables": TABLES, "epsilon": 0.3}),
    Wanted("child-year-pseudonymised", "pseudonymised", "断られることを示す"),
)


def prepared(journey: Journey, wanted: Wanted) -> Request:
    """The request for a release, prepared and handed in, or the one that a stopped run left."""
    standing = [one for one in journey.workflow.every() if one.name == wanted.name]
    if standing:
        return standing[-1]
    room = room_for(
        journey.project.purpose, home=journey.home, state=journey.state, policy=journey.workflow.policy
    )
    into = journey.work / wanted.name
    shutil.rmtree(into, ignore_errors=True)
    ladders = hierarchies.load(journey.hierarchies, table="child_year")
    draft = prepare(
        room,
        protection=wanted.protection,
        into=into,
        author=cast.OFFICER,
        name=wanted.name,
        version=VERSION,
        hierarchies=ladders,
        **wanted.choices,
    )
    request = journey.workflow.submit(
        "dataset",
        bundle=draft.bundle,
        evidence=draft.evidence,
        author=cast.OFFICER,
        name=wanted.name,
        version=VERSION,
        purpose=journey.project.purpose,
        why=wanted.why,
        protection=wanted.protection,
    )
    shutil.rmtree(into)
    return request


def reported(journey: Journey, request: Request) -> dict[str, Any]:
    """The request's report: the one that stands, else made now."""
    if request.report is None:
        journey.workflow.report(request.id)
    return dict(json.loads((journey.bundle(request.id) / "report/report.json").read_bytes()))


def budget(journey: Journey) -> None:
    """Grant the source its budget, once."""
    name = ledger_name(journey.project)
    try:
        Ledger(journey.state).balance(name)
    except NotFound:
        budgets.grant(journey.state, name, by=cast.OFFICER)


def release(journey: Journey, wanted: Wanted) -> Figures:
    """Prepare, hand in, check and report one release."""
    if wanted.protection == "dp_tables":
        budget(journey)
    request = prepared(journey, wanted)
    report = reported(journey, request)
    found = journey.workflow.find(request.id)
    if (found.state is State.REFUSED) != (wanted.protection == REFUSED):
        raise Refused(**report["sentence"])
    figures = {
        "request": request.id,
        "verdict": report["verdict"],
        "sentence": report["sentence"],
        "headline": {number["check"]: number["value"] for number in report["headline"]},
    }
    if "suppression" in report:
        figures["suppression"] = report["suppression"]
    if found.state is State.REFUSED:
        failed = [finding for finding in report["findings"] if finding["verdict"] == "fail"]
        figures["failed"] = [
            {"check": finding["check"], "sentence": finding["sentence"], "remedy": finding["remedy"]}
            for finding in failed
        ]
    return figures


def review(journey: Journey) -> Figures:
    """Two reviewers vote and the releases are admitted; what a vote cannot do is tried and refused."""
    tried, admitted = [], []
    for wanted in RELEASES[:3]:
        request = prepared(journey, wanted)
        if request.state is State.IN_REVIEW:
            # A run that ended between the last vote and the admission left nothing to forbid.
            if journey.workflow.why_not_admit(request.id) is not None:
                tried += forbidden_votes(journey, request.id)
            for person in cast.REVIEWERS:
                cast.vote(journey.workflow, request.id, person=person)
            journey.workflow.admit(request.id)
        found = journey.workflow.find(request.id)
        admitted.append({"name": found.name, "version": found.version, "digest": found.manifest})
    return {"admitted": admitted, "refused": tried[:3]}


def forbidden_votes(journey: Journey, request: str) -> list[dict[str, Any]]:
    """The author's own vote, a vote on another report, admission by one reviewer."""
    workflow = journey.workflow
    author = partial(cast.vote, workflow, request, person=cast.OFFICER)
    stale = partial(cast.vote, workflow, request, person=cast.REVIEWERS[0], report="0" * 64)
    tried = [refused("the author's own vote", author), refused("a vote on another report", stale)]
    cast.vote(workflow, request, person=cast.REVIEWERS[0])
    return [*tried, refused("one reviewer alone", partial(workflow.admit, request))]
