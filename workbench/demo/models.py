"""Step 7: the model candidate is checked, reported, voted on, signed into the registry."""

import json
from functools import partial
from typing import Any

from workbench.demo import cast
from workbench.demo.analysis import candidates
from workbench.demo.journal import Figures
from workbench.demo.journey import Journey, refused
from workbench.demo.releases import reported
from workbench.errors import Refused
from workbench.release.moves import State

EVALUATION = "evaluation/evaluation.json"


def model(journey: Journey) -> Figures:
    """Checks, report, two votes of two roles, admission; one vote alone and the analyst's own are refused."""
    request = journey.workflow.find(candidates(journey)[-1])
    report = reported(journey, request)
    request = journey.workflow.find(request.id)
    if request.state is State.REFUSED:
        raise Refused(ja=report["sentence"]["ja"], en=report["sentence"]["en"])
    tried: list[dict[str, Any]] = []
    # A run that ended between the last vote and the admission left nothing to forbid.
    if request.state is State.IN_REVIEW and journey.workflow.why_not_admit(request.id) is not None:
        own = partial(cast.vote, journey.workflow, request.id, person=cast.ANALYST)
        tried.append(refused("the analyst's own vote", own))
        cast.vote(journey.workflow, request.id, person=cast.REVIEWERS[0])
        tried.append(refused("a reviewer alone", partial(journey.workflow.admit, request.id)))
        cast.vote(journey.workflow, request.id, person=cast.SECOND_OFFICER)
    if request.state is State.IN_REVIEW:
        journey.workflow.admit(request.id)
    found = journey.workflow.find(request.id)
    evaluation = json.loads((journey.bundle(found.id) / EVALUATION).read_bytes())
    return {
        "request": found.id,
        "name": found.name,
        "version": found.version,
        "digest": found.manifest,
        "verdict": report["verdict"],
        "evaluation": {
            "auc": evaluation.get("auc"),
            "chosen": next((row for row in evaluation.get("capacity", []) if row["chosen"]), None),
        },
        "refused": tried,
    }
