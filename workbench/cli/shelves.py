"""What `workbench catalogue` and `workbench registry` share: list, show, revoke."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from workbench.cli.release import by_option, why_option, workflow_of
from workbench.cli.shell import json_option, pass_home, show
from workbench.home import Home

if TYPE_CHECKING:
    from workbench.release.shelf import Shelf


def shelf_group(kind: str, *, text: str) -> click.Group:
    """The commands of one shelf."""

    @click.group(help=text)
    def group() -> None:
        pass

    @group.command("list")
    @json_option
    @pass_home
    def list_entries(home: Home, as_json: bool) -> None:
        """一覧 / Everything admitted, and whether it may be used."""
        now = datetime.now(UTC)
        entries = shelf(home, kind).every()
        lines = [
            f"{entry.id}  {entry.protection}  {entry.purpose}  {entry.status(now=now)}  {entry.valid_until[:10]}"
            for entry in entries
        ]
        show([entry.to_json(now=now) for entry in entries], as_json=as_json, text="\n".join(lines))

    @group.command("show")
    @click.argument("name")
    @json_option
    @pass_home
    def show_entry(home: Home, name: str, as_json: bool) -> None:
        """詳細（検証して表示） / One bundle, verified: its statement and its report."""
        now = datetime.now(UTC)
        opened = shelf(home, kind).open(name, now=now)
        value = {
            **opened.entry.to_json(now=now),
            "folder": str(opened.folder),
            "statement": opened.admission.statement["predicate"],
            "report": opened.report(),
        }
        lines = [opened.entry.id, opened.entry.manifest, str(opened.folder / "report" / "report.html")]
        show(value, as_json=as_json, text="\n".join(lines))

    @group.command()
    @click.argument("name")
    @why_option
    @by_option
    @pass_home
    def revoke(home: Home, name: str, why: str, person: str) -> None:
        """失効 / Take a bundle out of use, everywhere, from now on."""
        entry = shelf(home, kind).find(name)
        workflow_of(home).revoke(entry.manifest, person=person, why=why)
        click.echo(f"{entry.id}  revoked")

    return group


def shelf(home: Home, kind: str) -> "Shelf":
    from workbench.release.catalogue import catalogue
    from workbench.release.shelf import Shelf
    from workbench.state import State

    state = State.open(home)
    return catalogue(home, state) if kind == "dataset" else Shelf(home, state, kind)
