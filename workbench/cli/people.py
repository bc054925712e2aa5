"""`workbench people`: who works here, and in which role."""

from datetime import UTC, datetime

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


by = click.option("--by", "actor", required=True, envvar="WORKBENCH_PERSON", help="操作する人 / who does it")


@people.command()
@click.argument("person")
@click.option("--kind", type=click.Choice(("general", "system")), default="general", show_default=True)
@click.option(
    "--on",
    "day",
    type=click.DateTime(formats=["%Y-%m-%d"]),
    required=True,
    help="研修日 / the day of the training",
)
@by
@pass_home
def train(*, home: Home, person: str, kind: str, day: datetime, actor: str) -> None:
    """研修を記録（管理責任者の鍵で署名） / Record a training, signed by a manager."""
    from workbench.artifact.keys import KeyRing
    from workbench.governance.training import Kind, Trainings
    from workbench.state import State

    record = Trainings(home, State.open(home)).train(
        person,
        Kind(kind),
        on=day.date(),
        actor=actor,
        signer=KeyRing.of(home).signer(f"person:{actor}"),
        now=datetime.now(UTC),
    )
    click.echo(f"{person}  {kind}  {record.valid_until[:10]}")


@people.command()
@click.option("--yes", is_flag=True, help="読んで誓約する / read and given")
@by
@pass_home
def undertake(home: Home, yes: bool, actor: str) -> None:
    """誓約（本人の鍵で署名） / Give one's undertaking, signed with one's own key."""
    from workbench.artifact.keys import KeyRing
    from workbench.errors import language
    from workbench.governance.training import UNDERTAKING, Trainings
    from workbench.state import State

    for number, point in enumerate(UNDERTAKING[language()], start=1):
        click.echo(f"{number}. {point}")
    if not yes:
        click.confirm("誓約しますか / Do you give this undertaking", abort=True)
    record = Trainings(home, State.open(home)).undertake(
        actor, signer=KeyRing.of(home).signer(f"person:{actor}"), now=datetime.now(UTC)
    )
    click.echo(f"{actor}  undertaking  {record.valid_until[:10]}")


@people.command()
@json_option
@pass_home
def trained(home: Home, as_json: bool) -> None:
    """研修と誓約の一覧 / Trainings and undertakings, and until when they count."""
    from workbench.governance.training import Trainings
    from workbench.state import State

    every = Trainings(home, State.open(home)).all()
    lines = [f"{one.person}  {one.kind}  {one.done_on}  {one.valid_until[:10]}  {one.by}" for one in every]
    show([one.to_json() for one in every], as_json=as_json, text="\n".join(lines))


@people.command()
@json_option
def roles(as_json: bool) -> None:
    """役割と権限の表 / What each role may do: one table."""
    from workbench.governance.permissions import PERMISSIONS, Role

    table = {action: sorted(map(str, allowed)) for action, allowed in PERMISSIONS.items()}
    head = "".join(f"{role:>13}" for role in Role)
    lines = [f"{'':24}{head}"]
    for action, allowed in PERMISSIONS.items():
        lines.append(f"{action:24}" + "".join(f"{'○' if role in allowed else '-':>13}" for role in Role))
    show(table, as_json=as_json, text="\n".join(lines))
