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
@click.option("--host", "name", default=None, help="分析用の機械の名前 / an analysts' machine, by this name")
@click.option(
    "--trust",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    default=None,
    help="信頼する鍵（workbench key trust） / the keys it trusts",
)
@click.option(
    "--fingerprint",
    "typed",
    default=None,
    help="その指紋（別の手段で聞いたもの） / their fingerprint, told by another way",
)
@click.option("--purpose", "purposes", multiple=True, help="利用目的 / a purpose it works for")
@click.option("--portable", is_flag=True, help="持ち出す端末 / it is carried outside")
def init(
    *,
    path: Path | None,
    demonstration: int | None,
    name: str | None,
    trust: Path | None,
    typed: str | None,
    purposes: tuple[str, ...],
    portable: bool,
) -> None:
    """ホームを作成 / Create a workbench home; with --host, that of an analysts' machine."""
    if name is not None:
        if trust is None or typed is None or not purposes or demonstration is not None:
            raise Usage(
                ja="--host には --trust、--fingerprint、--purpose を付けてください（--demonstration は付けません）。",
                en="--host takes --trust, --fingerprint and --purpose (and no --demonstration).",
            )
        from workbench.governance.hosts import Here

        here = Here.set_up(
            path or home_path(),
            name=name,
            purposes=purposes,
            trust=trust.read_bytes(),
            typed=typed,
            portable=portable,
        )
        click.echo(f"{here.home.path} ({here.host.name})")
        return
    if demonstration is not None and demonstration < 0:
        raise Usage(
            ja="--demonstration の数は 0 以上にしてください。",
            en="The number of --demonstration must not be negative.",
        )
    home = Home.create(path or home_path(), seed=demonstration)
    click.echo(f"{home.path} ({home.identity})")
