"""`workbench init`: create a home."""

from pathlib import Path

import click

from workbench.cli.shell import home_path
from workbench.errors import Usage
from workbench.home import Home


@click.command()
@click.option("--home", "path", type=click.Path(path_type=Path), default=None, help="場所 / where")
@click.option(
    "--demonstration",
    type=int,
    default=None,
    metavar="SEED",
    help="実演用（本番では使えません） / a demonstration",
)
def init(path: Path | None, demonstration: int | None) -> None:
    """ホームを作成 / Create a workbench home."""
    if demonstration is not None and demonstration < 0:
        raise Usage(
            ja="--demonstration の数は 0 以上にしてください。",
            en="The number of --demonstration must not be negative.",
        )
    home = Home.create(path or home_path(), seed=demonstration)
    click.echo(f"{home.path} ({home.identity})")
