"""`workbench host`: the machines of analysts that this home sends to; and, on such a machine, its card."""

from pathlib import Path

import click

from workbench.cli.shell import json_option, pass_home, show
from workbench.home import Home

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
by = click.option(
    "--by", "actor", default="workbench", envvar="WORKBENCH_PERSON", help="操作する人 / who does it"
)
fingerprint_option = click.option(
    "--fingerprint",
    "typed",
    required=True,
    help="別の手段で聞いた指紋 / the fingerprint, told by another way than the file",
)


@click.group()
def host() -> None:
    """分析用の機械（別の場所） / Analysts' machines elsewhere."""


@host.command()
@click.argument("card", type=FILE)
@fingerprint_option
@by
@pass_home
def add(home: Home, card: Path, typed: str, actor: str) -> None:
    """機械を登録 / Enter a machine by its card."""
    from workbench.governance.hosts import Hosts
    from workbench.state import State

    added = Hosts(State.open(home)).add(card.read_bytes(), typed=typed, actor=actor)
    click.echo(added.name)


@host.command()
@click.argument("name")
@by
@pass_home
def remove(home: Home, name: str, actor: str) -> None:
    """登録を消す / Send nothing more to a machine."""
    from workbench.governance.hosts import Hosts
    from workbench.state import State

    Hosts(State.open(home)).remove(name, actor=actor)
    click.echo(name)


@host.command("list")
@json_option
@pass_home
def list_hosts(home: Home, as_json: bool) -> None:
    """一覧 / Every machine."""
    from workbench.governance.hosts import Hosts
    from workbench.state import State

    found = Hosts(State.open(home)).all()
    lines = [f"{one.name}  {one.key[:16]}  {'portable' if one.portable else ''}".rstrip() for one in found]
    show([vars(one) for one in found], as_json=as_json, text="\n".join(lines))


@host.command()
@click.option("-o", "target", type=click.Path(path_type=Path, dir_okay=False), required=True)
@pass_home
def card(home: Home, target: Path) -> None:
    """この機械の名札を書き出す / Write this machine's card, and print its fingerprint to be told by telephone."""
    from workbench.governance.hosts import Here, fingerprint
    from workbench.home import write_atomically

    content = Here.of(home).host.card()
    write_atomically(target, content, mode=0o644)
    click.echo(f"{target}\n{fingerprint(content)}")
