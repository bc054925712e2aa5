"""`workbench release`: ask for an admission, check it, read its report, vote."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.shell import json_option, pass_home, show
from workbench.cli.synthesisers import METHODS, synthesisers, warn_without_guarantee
from workbench.cli.wanted import answer, wanted
from workbench.errors import Refused, Usage, language
from workbench.home import Home

if TYPE_CHECKING:
    from workbench.release.recomputing import Recomputed
    from workbench.release.requests import Request
    from workbench.release.workflow import Workflow

PROTECTIONS = ("anonymised", "synthetic", "dp_tables", "pseudonymised")
SHORTEST_DIGEST = 8
VOTES = ("admit", "return", "reject")
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
by_option = click.option(
    "--by", "person", required=True, envvar="WORKBENCH_PERSON", help="操作する人 / who does it"
)
why_option = click.option("--why", required=True, help="理由を一文で / the reason, in one sentence")


class Tables(click.ParamType):
    """A table of counts: an item, and what it is broken down by."""

    name = "item[:by]"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, str | None]:
        if isinstance(value, tuple):
            return value
        item, _, by = value.partition(":")
        return item, by or None


@click.group()
def release() -> None:
    """申請・確認・審査 / Requests, checks, review."""


release.add_command(wanted)
release.add_command(answer)
release.add_command(synthesisers)


@release.command()
@click.argument("name")
@click.argument("version")
@click.option("--purpose", required=True, help="利用目的 / the purpose of use")
@click.option(
    "--protection", type=click.Choice(PROTECTIONS), default=None, help="保護方法 / how it is protected"
)
@click.option("--hierarchies", type=FOLDER, default=None, help="一般化階層のフォルダ / folder of hierarchies")
@click.option("--items", default=None, help="公開する項目（コンマ区切り） / items, separated by commas")
@click.option("--k", type=int, default=None, help="方針より大きいk / more than the policy's k")
@click.option(
    "--like",
    default=None,
    help="同じ項目・同じ段にする先の公開 / an earlier release to be like: NAME@VERSION",
)
@click.option("--table", "tables", type=Tables(), multiple=True, help="集計表 / a table of counts")
@click.option(
    "--epsilon",
    type=float,
    default=None,
    help="全体の ε（既定 1） / epsilon of all tables, or rows; 1 without it",
)
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default=None,
    help="合成の方法（release synthesisers で一覧。既定は --epsilon があれば dp-tree、なければ gaussian-copula） / "
    "how synthetic rows are made; dp-tree where --epsilon is given, else gaussian-copula",
)
@click.option(
    "--targets", default=None, help="合成で優先する項目（コンマ区切り） / items a synthesiser learns first"
)
@click.option(
    "--epochs", type=click.IntRange(1, 10_000), default=None, help="学習の巡数 / epochs of ctgan and tvae"
)
@click.option("--bundle", type=FOLDER, default=None, help="準備済みのフォルダ / a bundle made already")
@click.option("--evidence", type=FOLDER, default=None, help="その根拠 / its evidence")
@click.option("--model", is_flag=True, help="判定モデルの候補 / the bundle is a model candidate")
@why_option
@by_option
@json_option
@pass_home
def submit(
    *,
    home: Home,
    name: str,
    version: str,
    purpose: str,
    protection: str | None,
    bundle: Path | None,
    evidence: Path | None,
    model: bool,
    why: str,
    person: str,
    as_json: bool,
    **wanted: Any,
) -> None:
    """
    準備して申請 / Prepare a release from the linked table and ask for its admission.

    NAME と VERSION は公開の名前と版。準備済みのものは --bundle で申請します。
    """
    from workbench.release import staging

    workflow = workflow_of(home)
    with staging.drafting(home) as aside:
        folder = aside / "draft"
        if bundle is None:
            prepared(
                workflow,
                folder,
                protection=protection,
                purpose=purpose,
                author=person,
                name=name,
                version=version,
                **wanted,
            )
        request = workflow.submit(
            "model" if model else "dataset",
            bundle=bundle or folder / "bundle",
            evidence=evidence or (empty(folder) if bundle else folder / "evidence"),
            author=person,
            name=name,
            version=version,
            purpose=purpose,
            why=why,
            protection="model" if model else protection,
        )
    show(request.to_json(), as_json=as_json, text=f"{request.id} {name} {version}")


def prepared(
    workflow: "Workflow",
    into: Path,
    *,
    protection: str | None,
    purpose: str,
    hierarchies: Path | None,
    items: str | None,
    targets: str | None,
    **wanted: Any,
) -> None:
    """Make the release asked for."""
    from workbench.privacy.anonymity import hierarchies as ladders
    from workbench.release.examination import room_for
    from workbench.release.prepare import prepare

    if protection is None:
        raise Usage(
            ja="保護方法（--protection）か準備済みのフォルダ（--bundle）を指定してください。",
            en="Name a protection (--protection) or a bundle made already (--bundle).",
        )
    wanted["method"] = method_for(wanted["method"], epsilon=wanted["epsilon"])
    if protection == "synthetic":
        warn_without_guarantee(wanted["method"])
    wanted["epsilon"] = 1.0 if wanted["epsilon"] is None else wanted["epsilon"]
    room = room_for(purpose, home=workflow.home, state=workflow.state, policy=workflow.policy)
    prepare(
        room,
        protection=protection,
        into=into,
        hierarchies=ladders.load(hierarchies, table=room.project.source) if hierarchies else {},
        items=named(items),
        targets=named(targets),
        tell=lambda said: click.echo(said, err=True),
        **wanted,
    )


def method_for(method: str | None, *, epsilon: float | None) -> str:
    """Whoever names an epsilon asks for a guarantee: the tree gives it in seconds, for what a risk flag needs."""
    return method or ("gaussian-copula" if epsilon is None else "dp-tree")


def named(items: str | None) -> list[str] | None:
    """The names in a list separated by commas."""
    return [item.strip() for item in items.split(",")] if items else None


def empty(folder: Path) -> Path:
    """No evidence: a model candidate's is the release it was trained on."""
    folder.mkdir()
    return folder


@release.command()
@click.argument("request")
@json_option
@pass_home
def report(home: Home, request: str, as_json: bool) -> None:
    """確認して報告書を作成 / Run the checks and make the report; a failure refuses the request (exit 10)."""
    workflow = workflow_of(home)
    made = workflow.report(request)
    found = workflow.find(request)
    page = found.bundle(home) / "report" / "report.html"
    together = [one["sentence"][language()] for one in made["findings"] if one["check"] == "together"]
    text = "\n".join([made["sentence"][language()], *together, str(found.report), str(page)])
    show(made, as_json=as_json, text=text)
    if made["verdict"] == "fail":
        first = next(finding for finding in made["findings"] if finding["verdict"] == "fail")
        raise Refused(
            ja=f"{first['sentence']['ja']} {first['remedy']['ja']}",
            en=f"{first['sentence']['en']} {first['remedy']['en']}",
        )


@release.command()
@click.argument("request")
@by_option
@json_option
@pass_home
def metrics(home: Home, request: str, person: str, as_json: bool) -> None:
    """合成データの評価の数値（審査者用） / The numbers behind a report on synthetic data, for reviewers; logged."""
    from workbench.release import metrics as kept

    workflow = workflow_of(home)
    measured, page = kept.read(workflow.find(request), home=home, state=workflow.state, person=person)
    found = measured["disclosure"]
    lines = [
        f"{one['name']}: {one['risk']:.3f} ({one['lower']:.3f}–{one['upper']:.3f})"
        if one["evaluable"]
        else f"{one['name']}: ?"
        for one in found["attacks"]
    ]
    lines += [
        f"{one['name']}: AUC {one['auc']['value']:.3f}, {one['found']['value']:.3f}"
        if one["evaluable"]
        else f"{one['name']}: ?"
        for one in found["membership"]
    ]
    show(measured, as_json=as_json, text="\n".join([*lines, str(page)]))


@release.command()
@click.argument("request")
@click.option("--vote", "choice", type=click.Choice(VOTES), required=True, help="判断 / the decision")
@click.option(
    "--report",
    "read",
    required=True,
    help="読んだ報告書の識別子（先頭8文字以上） / digest of the report that was read, 8 characters or more",
)
@click.option("--comment", default="", help="意見 / a comment")
@by_option
@json_option
@pass_home
def vote(
    *, home: Home, request: str, choice: str, read: str, comment: str, person: str, as_json: bool
) -> None:
    """投票（本人の鍵で署名） / Vote, signed with one's own key; the last vote needed admits."""
    from workbench.artifact.keys import KeyRing
    from workbench.artifact.times import to_text
    from workbench.release import votes

    workflow = workflow_of(home)
    envelope = votes.cast(
        votes.Vote(choice),
        home=home.identity,
        request=request,
        report=meant(read, current=workflow.find(request).report or ""),
        person=person,
        signer=KeyRing.of(home).signer(f"person:{person}"),
        cast_at=to_text(datetime.now(UTC)),
        comment=comment,
    )
    if workflow.vote(request, person=person, envelope=envelope) is votes.Vote.ADMIT:
        workflow.admit(request)
    found = workflow.find(request)
    show(found.to_json(), as_json=as_json, text=line(found))


def meant(read: str, *, current: str) -> str:
    """The whole digest of the report the voter read; one that is no longer current stays as it was typed."""
    return current if len(read) >= SHORTEST_DIGEST and current.startswith(read) else read


@release.command()
@click.argument("request")
@by_option
@pass_home
def withdraw(home: Home, request: str, person: str) -> None:
    """取下げ / Take a request back."""
    workflow = workflow_of(home)
    workflow.withdraw(request, person=person)
    click.echo(line(workflow.find(request)))


@release.command("list")
@json_option
@pass_home
def list_requests(home: Home, as_json: bool) -> None:
    """一覧 / Every request and where it stands."""
    found = workflow_of(home).every()
    show([request.to_json() for request in found], as_json=as_json, text="\n".join(map(line, found)))


@release.command("show")
@click.argument("request")
@json_option
@pass_home
def show_request(home: Home, request: str, as_json: bool) -> None:
    """申請と投票 / One request: its report, its votes, what is missing."""
    workflow = workflow_of(home)
    found = workflow.find(request)
    cast = workflow.standing_votes(request)
    missing = workflow.why_not_admit(request)
    value = {**found.to_json(), "votes": cast, "missing": None if missing is None else str(missing)}
    lines = [line(found), f"{found.purpose}  {found.author}  {found.why}", f"report {found.report}"]
    lines += [
        f"{ballot['vote']}  {ballot['person']} ({ballot['role']})  {ballot['comment']}" for ballot in cast
    ]
    show(value, as_json=as_json, text="\n".join(lines + ([str(missing)] if missing else [])))


@release.command()
@click.argument("bundle", type=FOLDER)
@json_option
@pass_home
def verify(home: Home, bundle: Path, as_json: bool) -> None:
    """
    署名・内容と報告書の数値の検証 / Verify a bundle: signatures, content, validity, and every number of its report.

    数値は、この場所で受け入れたデータセットについて計算し直します。
    """
    from workbench.artifact.keys import KeyRing
    from workbench.artifact.verifying import Trusted, verify_bundle
    from workbench.release import recomputing, revocations
    from workbench.state import State

    now, state = datetime.now(UTC), State.open(home)
    admitted = verify_bundle(
        bundle,
        trusted=Trusted.of(KeyRing.of(home)),
        now=now,
        revocations=revocations.known(home, state, now=now),
    )
    again = recomputing.recomputed(bundle, home=home, state=state, now=now)
    told = {
        "manifest": admitted.manifest.digest,
        **admitted.statement["predicate"],
        "report_again": again.to_json(),
    }
    text = f"○ {admitted.manifest.name} {admitted.manifest.version}  {admitted.purpose}  {told['valid_until'][:10]}"
    show(told, as_json=as_json, text=f"{text}\n{made_again(again)}")


def made_again(again: "Recomputed") -> str:
    """Whether the report's numbers were made again, in one line."""
    if again.why_not is not None:
        return f"△ {again.why_not.ja if language() == 'ja' else again.why_not.en}"
    if language() == "ja":
        return f"○ 報告書の {again.places} か所を計算し直し、すべて一致しました"
    return f"○ all {again.places} places of the report were made again and agree"


def workflow_of(home: Home) -> "Workflow":
    """The home's workflow, recovered from whatever interrupted it."""
    from workbench.release.workflow import Workflow
    from workbench.state import State

    return Workflow.open(home, State.open(home))


def line(request: "Request") -> str:
    """One request in one line."""
    from workbench.release.moves import LABELS

    state = LABELS[request.state][0 if language() == "ja" else 1]
    return f"{request.id}  {request.name} {request.version}  {request.protection}  {state}"
