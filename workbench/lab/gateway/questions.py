"""
The questions a notebook may ask of data it never sees: what is left, what one costs, a rehearsal, an answer.

What may be asked is published in an admitted release of tables; nothing else about the source is known to
these verbs before the ledger is charged.
"""

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench.data.raw import RawStore
from workbench.errors import NotFound, Unusable
from workbench.governance.charter import Project, Projects
from workbench.governance.people import People
from workbench.privacy.dp import answer as dp
from workbench.privacy.dp import questions
from workbench.privacy.dp.ledger import Ledger
from workbench.privacy.dp.questions import Question, Source
from workbench.release.staged import DATA
from workbench.release.staged_tables import QUESTIONS, ledger_name, source_from

if TYPE_CHECKING:
    from workbench.lab.session import Session

Request = dict[str, Any]


def budget(session: "Session", request: Request) -> dict[str, Any]:
    """What was granted, is spent and is left; of charges, the analyst's own."""
    project = project_asked(session, request)
    return Ledger(session.state).seen_by(
        session.analyst, dataset=ledger_name(project), purpose=session.project
    )


def price(session: "Session", request: Request) -> dict[str, Any]:
    """
    What a question costs and how exact it will be, and how many more like it the budget holds.

    Nothing is read or spent.
    """
    _, source, question = understood(session, request)
    cost = questions.price(question, source)
    ledger, who = Ledger(session.state), {"analyst": session.analyst, "purpose": session.project}
    return {
        **cost.to_json(),
        "remaining": ledger.left(source.name, **who) / questions.MICRO,
        "how_many_more": ledger.how_many_more(source.name, cost.loss, **who),
    }


def rehearse(session: "Session", request: Request) -> dict[str, Any]:
    """The same question on an admitted synthetic release, for nothing."""
    _, source, question = understood(session, request)
    return dp.rehearse(question, source=source, table=synthetic_rows(session, question)).to_json()


def answer(session: "Session", request: Request) -> dict[str, Any]:
    """The answer from the real table: charged first, kept charged whatever happens."""
    project, source, question = understood(session, request)
    home = session.home
    asked = f"{session.analyst} {json.dumps(questions.describe(question), sort_keys=True)}"
    return dp.answer(
        question,
        source=source,
        table=partial(RawStore(home).get, project.source),
        ledger=Ledger(session.state),
        analyst=session.analyst,
        purpose=session.project,
        key=home.entropy(f"bound {asked}"),
        demonstration=home.entropy(f"noise {asked}") if home.is_demonstration else None,
    ).to_json()


def project_asked(session: "Session", request: Request) -> Project:
    """The session's project, if it is its source that is asked about. Refused for who may not ask."""
    People(session.state).expect_may(session.analyst, "ask")
    project = Projects(session.state).get(session.project)
    if request.get("dataset") != ledger_name(project):
        raise NotFound(
            ja=f"質問できるのは「{ledger_name(project)}」です。",
            en=f"What can be asked about is '{ledger_name(project)}'.",
        )
    return project


def understood(session: "Session", request: Request) -> tuple[Project, Source, Question]:
    project = project_asked(session, request)
    asked = request.get("question")
    if not isinstance(asked, dict):
        raise Unusable(ja="質問がありません。", en="There is no question.")
    return project, published(session, project), questions.from_request(asked)


def published(session: "Session", project: Project) -> Source:
    """What may be asked, from the newest mounted release of tables."""
    found = [folder / QUESTIONS for folder in newest_first(session) if (folder / QUESTIONS).is_file()]
    if not found:
        raise NotFound(
            ja="質問できる項目がまだ公開されていません。総括管理主体に集計表の提供を依頼してください。",
            en="No questions have been published yet; ask the coordinating body for a release of tables.",
        )
    source = source_from(json.loads(found[0].read_bytes()), project=project)
    if source.name != ledger_name(project):
        raise Unusable(
            ja="公開された質問は、今の事業計画とは別の表についてのものです。集計表の公開を総括管理主体に依頼してください。",
            en="The questions published are about another table than the charter's; ask the coordinating body for a new release of tables.",
        )
    return source


def synthetic_rows(session: "Session", question: Question) -> pd.DataFrame:
    """The rows of the newest mounted synthetic release that has the question's items."""
    for folder in newest_first(session):
        about = json.loads((folder / "manifest.json").read_bytes())["meta"]
        if about.get("protection") == "synthetic":
            rows = pd.concat([pd.read_parquet(folder / path) for path in DATA.values()], ignore_index=True)
            if question.reads <= set(rows.columns):
                return rows
    raise NotFound(
        ja="この質問を試せる合成データがありません。",
        en="There is no admitted synthetic release on which to rehearse this question.",
    )


def newest_first(session: "Session") -> list[Any]:
    """The mounted bundles, highest version first within a name."""

    def version(name: str) -> tuple[int, ...]:
        return tuple(int(part) for part in name.rsplit("-", 1)[1].split("."))

    return [session.datasets[name] for name in sorted(session.datasets, key=version, reverse=True)]
