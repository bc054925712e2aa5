"""`workbench registry`: admitted models."""

from datetime import UTC, datetime
from pathlib import Path

import click

from workbench.cli.release import by_option
from workbench.cli.shell import pass_home
from workbench.cli.shelves import shelf, shelf_group
from workbench.home import Home

registry = shelf_group("model", text="登録済み判定モデル / Admitted models.")


@registry.command()
@click.argument("name")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="書き出し先 / where to")
@by_option
@pass_home
def export(home: Home, name: str, out: Path, person: str) -> None:
    """署名付きで書き出す / Copy the signed bundle, with the list of revocations beside it."""
    click.echo(shelf(home, "model").export(name, to=out, by=person, now=datetime.now(UTC)))
