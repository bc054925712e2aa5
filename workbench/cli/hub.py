"""`workbench hub`: the labs of a team behind one address."""

from pathlib import Path

import click

from workbench.cli.lab import chosen_project
from workbench.cli.shell import pass_home
from workbench.errors import NotFound
from workbench.home import Home

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.option("--project", default=None, help="利用目的 / the purpose of use")
@click.option("--address", default="127.0.0.1", show_default=True, help="待ち受ける番地 / where it listens")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@click.option("--tls-certificate", "certificate", type=FILE, default=None, help="TLS の証明書 / certificate")
@click.option("--tls-key", "key", type=FILE, default=None, help="その鍵 / its key")
@click.option(
    "--provider",
    type=FILE,
    default=None,
    help="認証基盤の記述（JSON） / a provider of identity, described in JSON",
)
@pass_home
def hub(
    *,
    home: Home,
    project: str | None,
    address: str,
    port: int,
    certificate: Path | None,
    key: Path | None,
    provider: Path | None,
) -> None:
    """分析者のチームのハブ（JupyterHub） / The hub of a team: log-in, rooms, review pages."""
    from workbench.governance.log_process import running
    from workbench.state import State

    try:
        from workbench.lab.hub.start import start
    except ImportError:
        raise NotFound(
            ja="チームのハブの部品がありません。pip install 'workbench[team]' で入れてください。",
            en="The parts of a team's hub are not installed; install them with pip install 'workbench[team]'.",
        ) from None
    with running(home):
        state = State.open(home)
        purpose = chosen_project(state, project, home=home)
        start(
            home,
            state,
            project=purpose,
            address=address,
            port=port,
            certificate=certificate,
            key=key,
            provider=provider,
            announce=lambda url: click.echo(f"{url}\n(Ctrl-C)"),
            say=lambda line: click.echo(line, err=True),
        )
