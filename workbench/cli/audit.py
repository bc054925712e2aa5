"""`workbench audit`: verify the log, read it, and hand its checkpoints to somebody else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from workbench.cli.shell import json_option, pass_home, show
from workbench.errors import NotFound, language
from workbench.home import Home, write_atomically

by_option = click.option(
    "--by", "actor", default="workbench", envvar="WORKBENCH_PERSON", help="操作する人 / who does it"
)
FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def audit() -> None:
    """監査ログ / The audit log."""


@audit.command()
@click.option(
    "--at-least",
    type=int,
    default=0,
    help="控えてある記録の件数 / how many records are known to have existed",
)
@click.option(
    "--checkpoint",
    "checkpoints",
    type=FILE,
    multiple=True,
    help="他所で保管していたチェックポイント / a checkpoint that somebody else kept",
)
@click.option("--key", default=None, help="一緒に保管した検証鍵（.vkey） / the verification key kept with it")
@json_option
@pass_home
def verify(home: Home, at_least: int, checkpoints: tuple[Path, ...], key: str | None, as_json: bool) -> None:
    """改ざん・削除・挿入・入替・切取り・作り直しがないか確かめる / Check that nothing was changed, removed, added or made again."""
    from workbench.audit import Event
    from workbench.audit.oddities import oddities, says_too_little
    from workbench.cli.settings import told_as_json, told_as_text
    from workbench.governance.accounts import Accounts
    from workbench.governance.amounts import otherwise as amounts_otherwise
    from workbench.governance.checkpoints import expect_kept, note_key, read_checkpoint, read_key
    from workbench.governance.hosts import Hosts
    from workbench.governance.people import People
    from workbench.governance.retold import expect_as_told, people_otherwise
    from workbench.governance.settings import otherwise as policy_otherwise
    from workbench.governance.signed_settings import findings, otherwise
    from workbench.lab.expiring import findings as endings
    from workbench.lab.gateway.certificates import Clients
    from workbench.privacy.dp.ledger import Ledger
    from workbench.release import evaluations
    from workbench.state import State

    state, records = State.open(home), list[dict[str, Any]]()
    verified = state.verify(at_least=at_least, keep=records.append)
    # What says too little is a finding below; only an account's link can do without.
    telling = [record for record in records if not says_too_little(record)]
    expect_as_told(
        {
            "people": people_otherwise(People(state).all(), records=telling),
            "accounts": Accounts(home, state).otherwise(records),
            "hosts": Hosts(state).otherwise(telling),
            "far gateways": Clients(state).otherwise(telling),
            "policy": policy_otherwise(state, telling),
            "budgets": Ledger(state).otherwise(telling),
            "settings": otherwise(home, state, telling),
            "amounts": amounts_otherwise(state, telling),
            "evaluations": evaluations.otherwise(state, telling),
        }
    )
    held = expect_kept(home, state, verified)
    for path in checkpoints:
        if not path.exists():
            raise no_checkpoint(path)
        verified.expect(read_checkpoint(path, key=read_key(key) if key else note_key(home)))
    held += len(checkpoints)
    told = [*findings(home, state), *endings(home, state, records=records), *oddities(records)]
    value = {"verified": True, "records": verified.records, "head": verified.head, "checkpoints": held}
    text = (
        f"監査ログは正常です / the audit log holds: {verified.records} 件 / records, head {verified.head}, "
        f"チェックポイント / checkpoints: {held}"
    )
    torn = sum(record["event"] == Event.AUDIT_TORN for record in records)
    if torn:
        value |= {"torn": torn}
        text += f"\n途中で終わった書込み（次の記録で閉じた。失われた記録はない）/ writes that did not end, closed by the next record, none lost: {torn}"
    show(
        value | {"findings": told_as_json(told)}, as_json=as_json, text="\n".join([text, *told_as_text(told)])
    )


@audit.command()
@click.option("-o", "target", type=FILE, default=None, help="渡す先のファイル / a file to hand over")
@click.option(
    "--keep-at",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="今後の保管先（ホームの外） / keep them here from now on, outside the home",
)
@by_option
@json_option
@pass_home
def checkpoint(home: Home, target: Path | None, keep_at: Path | None, actor: str, as_json: bool) -> None:
    """署名つきのチェックポイントを作成 / Sign a checkpoint for somebody else to keep."""
    from workbench.governance.checkpoints import make_checkpoint, set_place
    from workbench.state import State

    state = State.open(home)
    if keep_at is not None:
        set_place(home, state, keep_at, actor=actor)
    made = make_checkpoint(home, state, actor=actor)
    key = made.key.to_text()
    if target is not None:
        write_atomically(target, made.content, mode=0o644)
        write_atomically(target.with_suffix(".vkey"), f"{key}\n".encode(), mode=0o644)
    value = {"checkpoint": made.content.decode(), "size": made.checkpoint.size, "key": key}
    show(value, as_json=as_json, text=f"{made.content.decode()}\n検証鍵 / verification key: {key}")


@audit.command()
@click.option("-o", "target", type=FILE, required=True, help="保存先 / where to write it")
@pass_home
def verifier(home: Home, target: Path) -> None:
    """監査人に渡す検証プログラム（1 ファイル）を書き出す / Write the auditor's verifier, a single file."""
    from importlib.resources import files

    content = files("workbench.audit").joinpath("verify_log.py").read_bytes()
    write_atomically(target, content, mode=0o644)
    click.echo(f"python3 {target.name} {home.audit / 'log.jsonl'} --key log.vkey --checkpoint FILE")


@audit.command()
@click.option(
    "--admit",
    type=click.IntRange(0),
    multiple=True,
    metavar="UID",
    help="追記を許す他の利用者 / another user who may append",
)
@pass_home
def serve(home: Home, admit: tuple[int, ...]) -> None:
    """監査ログを専用のプロセスで動かす（終了は Ctrl-C） / Keep the log in a process of its own until Ctrl-C."""
    from workbench.governance.log_process import serve as keep

    keep(home, admit=admit)


@audit.command("show")
@click.option(
    "--last", type=int, default=20, show_default=True, help="新しい方から何件か / the newest records"
)
@click.option(
    "--event", default=None, help="出来事の種類（例 request.voted、request） / an event, or its noun"
)
@by_option
@json_option
@pass_home
def show_records(home: Home, last: int, event: str | None, actor: str, as_json: bool) -> None:
    """記録を読む（先に検証し、読んだことを記録する） / Read the records, verified; the reading is recorded."""
    records = read(home, actor, what=f"show {event or 'all'}", wanted=lambda record: matches(record, event))
    chosen = records[-last:] if last > 0 else []
    show(chosen, as_json=as_json, text="\n".join(map(line, chosen)))


@audit.command("session")
@click.option("--session", default=None, help="セッションの番号 / one session")
@click.option("--person", default=None, help="一人の分析者 / one analyst")
@by_option
@json_option
@pass_home
def tell_sessions(home: Home, session: str | None, person: str | None, actor: str, as_json: bool) -> None:
    """ログインから終了まで、何をしたかをログだけから組み立てる / What was done from log-in to leaving, told from the log alone."""
    from workbench.audit.timeline import described, sessions

    asked = f"session {session or ''} {person or ''}".strip()
    told = sessions(read(home, actor, what=asked), session=session, person=person)
    text = "\n\n".join(described(one, language=language()) for one in told)
    show([one.to_json() for one in told], as_json=as_json, text=text)


@audit.command()
@click.option("--person", default=None, help="一人の利用者 / one person")
@by_option
@json_option
@pass_home
def warnings(home: Home, person: str | None, actor: str, as_json: bool) -> None:
    """管理責任者あての警告（表示量の超過・見直し期限切れ） / What the responsible managers are warned of."""
    from workbench.audit.warnings import described, warnings_in

    found = warnings_in(read(home, actor, what=f"warnings {person or ''}".strip()), person=person)
    text = "\n".join(described(one, language=language()) for one in found)
    show([one.to_json() for one in found], as_json=as_json, text=text or "なし / none")


def read(
    home: Home, actor: str, *, what: str, wanted: Callable[[dict[str, Any]], bool] = lambda _: True
) -> list[dict[str, Any]]:
    """The records that are `wanted`, once it is in the log who reads them. Refused for who may not."""
    from workbench.audit import Event
    from workbench.governance.people import People
    from workbench.state import State

    state = State.open(home)
    People(state).expect_may(actor, "read_log")
    records = state.log.records()
    state.record(Event.AUDIT_READ, actor=actor, what=what, records=len(records))
    return [record for record in records if wanted(record)]


def matches(record: dict[str, Any], event: str | None) -> bool:
    return event is None or event in (record["event"], record["event"].partition(".")[0])


def line(record: dict[str, Any]) -> str:
    """One record for people."""
    details = ", ".join(f"{name}={value}" for name, value in record["details"].items())
    return (
        f"{record['seq']:>6}  {record['time'][:19]}Z  {record['event']:<22} {record['actor']:<16} {details}"
    )


def no_checkpoint(path: Path) -> NotFound:
    return NotFound(
        ja=f"チェックポイント {path.name} がありません。保管しているファイルを指定してください。",
        en=f"There is no checkpoint {path.name}; name a file that was kept.",
    )
