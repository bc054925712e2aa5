"""`workbench gateway`: the gateway for labs on other machines, and its certificates."""

from pathlib import Path

import click

from workbench.cli.host import FILE, by, fingerprint_option
from workbench.cli.shell import pass_home
from workbench.errors import Usage
from workbench.home import Home, write_atomically


@click.group()
def gateway() -> None:
    """別の機械の分析者のための窓口 / The gateway for analysts on other machines."""


@gateway.command()
@click.option("--address", required=True, help="待ち受ける番地 / the address to listen at")
@click.option("--port", type=click.IntRange(1, 65535), required=True)
@pass_home
def serve(home: Home, address: str, port: int) -> None:
    """窓口を開く（総括側で） / Open the gateway, in the coordinating body's room."""
    from workbench.cli.settings import told_as_text
    from workbench.governance.log_process import running
    from workbench.lab.expiring import findings
    from workbench.lab.gateway.far import FarGateway
    from workbench.lab.gateway.verbs import VERBS
    from workbench.state import State

    with running(home):
        state = State.open(home)
        served = FarGateway(home, state, VERBS, address=address, port=port)
        for line in told_as_text(list(findings(home, state))):
            click.echo(line, err=True)
        click.echo(f"{address}:{served.port}\n(Ctrl-C)")
        try:
            served.wait()
        finally:
            served.close()


@gateway.group()
def keys() -> None:
    """窓口の証明書 / The certificates of the gateway."""


@keys.command()
@click.option("-o", "target", type=click.Path(path_type=Path, dir_okay=False), required=True)
@click.option("--analyst", default=None, help="分析者（分析用の機械で） / the analyst, on an analysts' host")
@click.option("--purpose", default=None, help="利用目的（同上） / the purpose of use, likewise")
@by
@pass_home
def create(*, home: Home, target: Path, analyst: str | None, purpose: str | None, actor: str) -> None:
    """証明書を作り、指紋を表示 / Make a certificate, and print its fingerprint to be told by telephone."""
    from workbench.governance.hosts import fingerprint
    from workbench.lab.gateway import certificates
    from workbench.state import State

    state = State.open(home)
    if home.is_host and (analyst is None or purpose is None):
        raise Usage(
            ja="分析用の機械では --analyst と --purpose を指定してください。",
            en="On an analysts' host, name --analyst and --purpose.",
        )
    if home.is_host:
        pem = certificates.make_for_analyst(
            home, state, analyst=str(analyst), purpose=str(purpose), actor=actor
        )
    else:
        pem = certificates.make_for_room(home, state, actor=actor)
    write_atomically(target, pem, mode=0o644)
    click.echo(f"{target}\n{fingerprint(pem)}")


@keys.command()
@click.argument("certificate", type=FILE)
@fingerprint_option
@by
@pass_home
def admit(home: Home, certificate: Path, typed: str, actor: str) -> None:
    """分析用の機械の証明書を受け付ける（総括側で） / Answer a host's certificate, in the coordinating body's room."""
    from workbench.lab.gateway.certificates import Clients
    from workbench.state import State

    admitted = Clients(State.open(home)).admit(certificate.read_bytes(), typed=typed, actor=actor)
    click.echo(admitted.uri)


@keys.command()
@click.option("--host", required=True, help="機械 / the host")
@click.option("--analyst", required=True, help="分析者 / the analyst")
@by
@pass_home
def remove(home: Home, host: str, analyst: str, actor: str) -> None:
    """証明書を受け付けない（総括側で） / Answer an analyst on a host no more."""
    from workbench.lab.gateway.certificates import Clients
    from workbench.state import State

    click.echo(Clients(State.open(home)).remove(host=host, analyst=analyst, actor=actor))


@keys.command()
@click.argument("certificate", type=FILE)
@fingerprint_option
@click.option("--address", required=True, help="総括側の番地 / where the gateway listens")
@click.option("--port", type=click.IntRange(1, 65535), required=True)
@by
@pass_home
def pin(*, home: Home, certificate: Path, typed: str, address: str, port: int, actor: str) -> None:
    """総括側の窓口を登録（分析用の機械で） / Take this gateway and no other, on an analysts' host."""
    from workbench.lab.gateway import certificates
    from workbench.state import State

    certificates.pin(
        home,
        State.open(home),
        certificate.read_bytes(),
        typed=typed,
        address=address,
        port=port,
        actor=actor,
    )
    click.echo(f"{address}:{port}")
