"""`workbench settings`: what the responsible manager sets, signs and looks at again."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.shell import json_option, pass_home, show
from workbench.errors import Refused, language
from workbench.home import Home

if TYPE_CHECKING:
    from workbench.audit.oddities import Oddity
    from workbench.governance.signed_settings import Finding, Setting
    from workbench.lab.expiring import Ending

by_option = click.option(
    "--by", "actor", default="workbench", envvar="WORKBENCH_PERSON", help="操作する人 / who does it"
)
next_option = click.option(
    "--next-review",
    "review_by",
    type=click.DateTime(["%Y-%m-%d"]),
    required=True,
    help="次の見直しの期限 / the date of the next review",
)
reason_option = click.option("--reason", required=True, help="理由 / why")


@click.group()
def settings() -> None:
    """管理責任者が署名する設定（持ち出し量など） / Settings that a responsible manager signs."""


@settings.command("show")
@json_option
@pass_home
def show_settings(home: Home, as_json: bool) -> None:
    """設定・署名者・見直し期限を表示 / Show each setting, who signed it and when it is to be reviewed."""
    from workbench.governance.signed_settings import KINDS, findings, in_force
    from workbench.state import State

    state = State.open(home)
    expect_newest_where_readable(home, state)
    found = [in_force(home, state, name) for name in KINDS]
    told = list(findings(home, state))
    show(
        {"settings": [one.to_json() for one in found], "findings": told_as_json(told)},
        as_json=as_json,
        text="\n".join([*map(line, found), *told_as_text(told)]),
    )


@settings.command("set")
@click.argument("name")
@click.argument("value", type=int)
@next_option
@reason_option
@by_option
@pass_home
def set_one(*, home: Home, name: str, value: int, review_by: datetime, reason: str, actor: str) -> None:
    """値を定めて署名 / Set a value and sign it, with the date of its next review."""
    signed(home, name, value=value, review_by=review_by.date(), reason=reason, actor=actor)


@settings.command()
@click.argument("name")
@next_option
@reason_option
@by_option
@pass_home
def review(home: Home, name: str, review_by: datetime, reason: str, actor: str) -> None:
    """値はそのままで、見直したことを署名 / Sign that a setting was looked at again and stays as it is."""
    signed(home, name, value=None, review_by=review_by.date(), reason=reason, actor=actor)


@settings.command()
@pass_home
def check(home: Home) -> None:
    """未署名や期限切れがないか確かめる / Refuse where a setting is unsigned or its review is overdue."""
    from workbench.governance.signed_settings import findings
    from workbench.state import State

    state = State.open(home)
    expect_newest_where_readable(home, state)
    told = list(findings(home, state))
    if told:
        raise Refused(ja="\n".join(one.ja for one in told), en="\n".join(one.en for one in told))


def signed(home: Home, name: str, *, value: int | None, review_by: date, reason: str, actor: str) -> None:
    from workbench.governance.signed_settings import sign_setting
    from workbench.state import State

    made = sign_setting(
        home, State.open(home), name, value=value, review_by=review_by, actor=actor, reason=reason
    )
    click.echo(line(made))


def expect_newest_where_readable(home: Home, state: Any) -> None:
    """Against the log; who may not read its files leaves that to `workbench audit verify`."""
    from workbench.errors import Unprotected
    from workbench.governance.signed_settings import expect_newest

    try:
        expect_newest(home, state)
    except Unprotected:
        return


def line(setting: "Setting") -> str:
    from workbench.governance.signed_settings import KINDS

    kind = KINDS[setting.name]
    head = f"{setting.name} = {setting.value:,} {kind.unit} — {kind.label[language()]}"
    if setting.version == 0:
        return f"{head}\n      既定値（未署名） / default, unsigned"
    return (
        f"{head}\n      第 {setting.version} 版 / version {setting.version}, {setting.person}, "
        f"{(setting.signed_at or '')[:10]}, 見直し期限 / review by {setting.review_by}: {setting.reason}"
    )


def told_as_text(found: Sequence["Finding | Ending | Oddity"]) -> list[str]:
    """One line each, in the reader's language."""
    return [f"! {getattr(one, language())}" for one in found]


def told_as_json(found: Sequence["Finding | Ending | Oddity"]) -> list[dict[str, Any]]:
    return [one.to_json() for one in found]
