"""`workbench audit`: verify the log, and read it."""

from typing import Any

import click

from workbench.cli.shell import json_option, pass_home, show
from workbench.home import Home


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
@json_option
@pass_home
def verify(home: Home, at_least: int, as_json: bool) -> None:
    """改ざん・削除・挿入・入替・末尾の切取りがないか確かめる / Check that nothing was changed, removed or added."""
    from workbench.state import State

    state = State.open(home)
    state.verify()
    verified = state.log.verify(at_least=at_least)
    show(
        {"verified": True, "records": verified.records, "head": verified.head},
        as_json=as_json,
        text=f"監査ログは正常です / the audit log holds: {verified.records} 件 / records, head {verified.head}",
    )


@audit.command("show")
@click.option(
    "--last", type=int, default=20, show_default=True, help="新しい方から何件か / the newest records"
)
@click.option(
    "--event", default=None, help="出来事の種類（例 request.voted、request） / an event, or its noun"
)
@click.option(
    "--by", "actor", default="workbench", envvar="WORKBENCH_PERSON", help="操作する人 / who does it"
)
@json_option
@pass_home
def show_records(home: Home, last: int, event: str | None, actor: str, as_json: bool) -> None:
    """記録を読む（先に検証する） / Read the records, after verifying them."""
    from workbench.governance.people import People
    from workbench.state import State

    state = State.open(home)
    People(state).expect_may(actor, "read_log")
    records = [record for record in state.log.records() if matches(record, event)]
    chosen = records[-last:] if last > 0 else []
    show(chosen, as_json=as_json, text="\n".join(map(line, chosen)))


def matches(record: dict[str, Any], event: str | None) -> bool:
    return event is None or event in (record["event"], record["event"].partition(".")[0])


def line(record: dict[str, Any]) -> str:
    """One record for people."""
    details = ", ".join(f"{name}={value}" for name, value in record["details"].items())
    return (
        f"{record['seq']:>6}  {record['time'][:19]}Z  {record['event']:<22} {record['actor']:<16} {details}"
    )
