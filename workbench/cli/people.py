"""`workbench people`: who works here, and in which role."""

import click

from workbench.cli.shell import json_option, pass_home, show
from workbench.home import Home

ROLES = ("coordinator", "reviewer", "analyst", "auditor", "manager", "operator")


@click.group()
def people() -> None:
    """利用者と役割 / People and their roles."""


@people.command()
@click.argument("person")
@click.option("--name", required=True, help="氏名 / name")
@click.option("--role", type=click.Choice(ROLES), required=True, help="役割 / role")
@click.option("--section", required=True, help="担当課室 / section")
@click.option(
    "--by", "actor", default="workbench", envvar="WORKBENCH_PERSON", help="操作する人 / who does it"
)
@pass_home
def add(*, home: Home, person: str, name: str, role: str, section: str, actor: str) -> None:
    """人を登録 / Add a person."""
    from workbench.data.individual_number import mentions
    from workbench.errors import Refused
    from workbench.governance.people import People, Person, Role
    from workbench.state import State

    if mentions(name) or mentions(section):
        raise Refused(
            ja="氏名か担当課室に個人番号と見られる番号があります。番号を使わずに登録してください。",
            en="The name or section holds what reads as an Individual Number; register the person without it.",
        )
    People(State.open(home)).add(Person(person, name, Role(role), section), actor=actor)
    click.echo(f"{person} ({role})")


@people.command("list")
@json_option
@pass_home
def list_people(home: Home, as_json: bool) -> None:
    """一覧 / Everybody."""
    from workbench.governance.people import People
    from workbench.state import State

    everybody = People(State.open(home)).all()
    lines = [f"{one.id}  {one.name}  {one.role}  {one.section}" for one in everybody]
    show([one.to_json() for one in everybody], as_json=as_json, text="\n".join(lines))
