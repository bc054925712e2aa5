"""`workbench project`: the charters that say what the data is used for."""

from pathlib import Path

import click

from workbench.cli.shell import json_option, pass_home, show
from workbench.errors import language
from workbench.home import Home


@click.group()
def project() -> None:
    """事業計画（利用目的） / Projects and their purposes."""


@project.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--by", "actor", default="workbench", envvar="WORKBENCH_PERSON", help="操作する人 / who does it"
)
@json_option
@pass_home
def charter(home: Home, file: Path, actor: str, as_json: bool) -> None:
    """事業計画を登録 / Store a charter."""
    from workbench.governance.charter import Project, Projects
    from workbench.state import State

    written = Project.load(file)
    digest = Projects(State.open(home)).store(written, actor=actor)
    show({"project": written.purpose, "digest": digest}, as_json=as_json)


@project.command("list")
@json_option
@pass_home
def list_projects(home: Home, as_json: bool) -> None:
    """一覧 / Every project."""
    from workbench.governance.charter import Projects
    from workbench.state import State

    every = Projects(State.open(home)).all()
    lines = [f"{one.purpose}  {one.title[language()]}  {one.digest}" for one in every]
    show([one.to_json() for one in every], as_json=as_json, text="\n".join(lines))
