"""`workbench lab`: the analyst's room, the proof that it holds, a notebook run in it."""

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.shell import home_path, json_option, pass_home, show
from workbench.errors import NotFound, Usage, language
from workbench.home import Home, write_atomically
from workbench.state import State

if TYPE_CHECKING:
    from workbench.lab.reception import Reception
    from workbench.lab.session import Session

NOTEBOOK = click.Path(path_type=Path, exists=True, dir_okay=False)
DEMONSTRATION = """実演（架空のデータ） / DEMONSTRATION on fictional data
  開く / open: {link}
    （1回、10分以内 / once, within ten minutes）
  次からは /login から / later, at /login:
    識別子 / id: {person}
    合言葉 / passphrase: {passphrase}
    認証アプリに登録 / for an authenticator application: {authenticator}
(Ctrl-C)"""


def for_analyst(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say who works, and on what; not needed where there is only one."""
    function = click.option("--project", default=None, help="利用目的 / the purpose of use")(function)
    return click.option("--as", "analyst", default=None, help="分析者 / the analyst")(function)


@click.group(invoke_without_command=True)
@click.option(
    "--sandbox",
    type=click.Choice(["bubblewrap", "landlock"]),
    default=None,
    help="カーネルの囲い方（landlock は名前空間のない機械用の弱い囲い） / how kernels are held",
)
@click.pass_context
def lab(ctx: click.Context, sandbox: str | None) -> None:
    """分析の部屋。命令を省くと JupyterLab を開く / The analyst's room; opens JupyterLab when no command is given."""
    if sandbox is not None:
        os.environ["WORKBENCH_SANDBOX"] = sandbox  # what `modes.chosen` reads, in every process of this room
    if ctx.invoked_subcommand is None:
        ctx.invoke(open_lab, home=Home.open(home_path()), analyst=None, project=None, port=8888)


@lab.command("start")
@for_analyst
@click.option("--port", type=click.IntRange(1024, 65535), default=8888, show_default=True)
@pass_home
def start_lab(home: Home, analyst: str | None, project: str | None, port: int) -> None:
    """JupyterLab を開く（この機械だけ、ログインが要る） / JupyterLab on this machine only; its analyst logs in."""
    open_lab(home=home, analyst=analyst, project=project, port=port)


@lab.command()
@json_option
def prove(*, as_json: bool) -> None:
    """禁じられた行為をすべて試す / Try every forbidden act in the sandbox and print BLOCKED or ALLOWED."""
    from workbench.lab.prove import as_rows, prove, table, why_not_proven

    proof = prove()
    show(as_rows(proof), as_json=as_json, text=table(proof))
    refused = why_not_proven(proof)
    if refused is not None:
        raise refused


@lab.command("run")
@click.argument("notebook", type=NOTEBOOK)
@for_analyst
@click.option("--timeout", type=click.IntRange(1), default=600, show_default=True, help="秒 / seconds a cell")
@click.option(
    "-o",
    "target",
    type=click.Path(path_type=Path, dir_okay=False),
    help="出力を除いた写しの保存先 / a stripped copy",
)
@pass_home
def run_one(  # noqa: PLR0917 - click gives them by name
    home: Home, notebook: Path, analyst: str | None, project: str | None, timeout: int, target: Path | None
) -> None:
    """ノートブックを囲いの中で実行 / Run a notebook in the sandbox; results stay in the workspace."""
    from workbench.lab.notice import described
    from workbench.lab.opening import open_session
    from workbench.lab.run import export, run_notebook

    state = State.open(home)
    who, purpose = chosen_analyst(state, analyst), chosen_project(state, project, home=home)
    with open_session(home, state, analyst=who, project=purpose) as session:
        notify(session)
        click.echo(described(session, tongue=language()), err=True)
        session.acknowledge(how="command")
        ran = run_notebook(notebook.read_bytes(), session, name=notebook.name, timeout=timeout)
        click.echo(str(session.workspace.folder / notebook.name))
        click.echo(SEEN[language()], err=True)
        if target is not None:
            write_atomically(target, export(session, ran, name=notebook.name), mode=0o644)
            click.echo(str(target))


@lab.command()
@click.argument("notebooks", type=NOTEBOOK, nargs=-1, required=True)
def strip(notebooks: tuple[Path, ...]) -> None:
    """ノートブックから出力を除く / Take outputs and attachments out of notebooks, in place."""
    from workbench.lab.run import stripped

    for notebook in notebooks:
        write_atomically(notebook, stripped(notebook.read_bytes()), mode=0o644)


@lab.command()
@click.argument("notebooks", type=NOTEBOOK, nargs=-1, required=True)
def check(notebooks: tuple[Path, ...]) -> None:
    """出力が残っていないか確かめる / Refuse notebooks that still hold outputs."""
    from workbench.lab.run import why_not_leave

    for notebook in notebooks:
        refused = why_not_leave(notebook.read_bytes())
        if refused is not None:
            raise refused


@lab.command()
@click.option("--project", default=None, help="利用目的 / the purpose of use")
@json_option
@pass_home
def budget(home: Home, project: str | None, as_json: bool) -> None:
    """プライバシー予算の残り / What is left of the privacy budget."""
    from workbench.governance.charter import Projects
    from workbench.privacy.dp.ledger import Ledger
    from workbench.release.staged_tables import ledger_name

    state = State.open(home)
    asked = ledger_name(Projects(state).get(chosen_project(state, project, home=home)))
    show({"dataset": asked, **Ledger(state).balance(asked).to_json()}, as_json=as_json)


def open_lab(*, home: Home, analyst: str | None, project: str | None, port: int) -> None:
    from workbench.governance.log_process import running
    from workbench.lab.opening import open_session
    from workbench.lab.reception import Reception
    from workbench.lab.server import start

    def opened() -> "Session":
        session = open_session(home, state, analyst=who, project=purpose)
        notify(session)
        return session

    with running(home):
        state = State.open(home)
        who, purpose = chosen_analyst(state, analyst), chosen_project(state, project, home=home)
        expect_ready(home, state, who)
        reception = Reception(home, state, person=who, open_room=opened)
        start(reception, port=port, announce=lambda address: click.echo(way_in(address, reception)))


def expect_ready(home: Home, state: State, person: str) -> None:
    """Raise now what a log-in would be refused for. In a demonstration the account is made."""
    from workbench.demo.cast import ensure_account
    from workbench.governance.accounts import Accounts
    from workbench.governance.people import People
    from workbench.lab.probe import why_not_available

    People(state).expect_may(person, "open_session")
    if home.is_demonstration:
        ensure_account(home, state, person)
    if not Accounts(home, state).has(person):
        raise NotFound(
            ja=f"{person} さんのアカウントがありません。管理責任者が workbench account add {person} で作ります。",
            en=f"{person} has no account; the manager makes one with 'workbench account add {person}'.",
        )
    reason = why_not_available()
    if reason is not None:
        raise reason


def way_in(address: str, reception: "Reception") -> str:
    """Where to open the lab. A demonstration's way in is shown whole; a real account's owner knows it."""
    if not reception.home.is_demonstration:
        return f"{address}/login\n{reception.person}  (Ctrl-C)"
    from workbench.demo.cast import PASSPHRASE

    link = f"{address}/start?link={reception.link()}"
    return DEMONSTRATION.format(
        link=link,
        person=reception.person,
        passphrase=PASSPHRASE,
        authenticator=reception.accounts.demonstration_address(reception.person),
    )


# As root a workspace is a file system of its own, which is there while a room is open and at no other time.
SEEN = {
    "ja": "結果は作業場所にあります。workbench lab start で開いて見てください。",
    "en": "The results are in the workspace; open it with 'workbench lab start' to look at them.",
}


def notify(session: "Session") -> None:
    """Say what this room cannot hold, and what its settings wait for, beside what the command prints."""
    from workbench.cli.settings import told_as_text
    from workbench.governance.signed_settings import findings
    from workbench.governance.training import Trainings
    from workbench.lab.expiring import findings as endings

    lacking = Trainings(session.home, session.state).notice(session.analyst, now=datetime.now(UTC))
    told = told_as_text([*findings(session.home, session.state), *endings(session.home, session.state)])
    for notice in [*session.notices(), *([lacking] if lacking else []), *told]:
        click.echo(notice, err=True)


def chosen_analyst(state: State, given: str | None) -> str:
    from workbench.governance.people import People, Role

    analysts = [person.id for person in People(state).all() if person.role is Role.ANALYST]
    return only(analysts, given=given, option="--as", what=("分析者", "analyst"))


def chosen_project(state: State, given: str | None, *, home: Home | None = None) -> str:
    """The purpose that was given, or the one there is: of the home's projects, or of an analysts' host."""
    from workbench.governance.charter import Projects
    from workbench.governance.hosts import Here

    if home is not None and home.is_host:
        purposes = list(Here.of(home).purposes)
    else:
        purposes = [project.purpose for project in Projects(state).all()]
    return only(purposes, given=given, option="--project", what=("事業計画", "project"))


def only(known: Sequence[str], *, given: str | None, option: str, what: tuple[str, str]) -> str:
    """What was given, or the one there is; nothing is guessed among several."""
    if given is not None:
        return given
    if not known:
        raise NotFound(ja=f"{what[0]}がまだ登録されていません。", en=f"There is no {what[1]} yet.")
    if len(known) > 1:
        listed = ", ".join(known)
        raise Usage(
            ja=f"{what[0]}が複数あります。{option} で指定してください: {listed}",
            en=f"There is more than one {what[1]}; name one with {option}: {listed}",
        )
    return known[0]
