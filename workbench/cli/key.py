"""`workbench key`: make keys, list them, and write out the public ones that others pin."""

from pathlib import Path

import click

from workbench.cli.shell import json_option, pass_home, show
from workbench.home import Home

by = click.option(
    "--by", "actor", default="workbench", envvar="WORKBENCH_PERSON", help="操作する人 / who does it"
)


@click.group()
def key() -> None:
    """署名鍵 / Signing keys."""


@key.command()
@click.argument("owner")
@by
@pass_home
def create(home: Home, owner: str, actor: str) -> None:
    """鍵を作る（person:<id>、role:coordinator、role:reviewer） / Make a key; the private half stays in the home."""
    from workbench.governance.keys import create_key
    from workbench.state import State

    click.echo(f"{owner}: {create_key(home, State.open(home), owner, actor=actor)}")


@key.command("list")
@json_option
@pass_home
def list_keys(home: Home, as_json: bool) -> None:
    """鍵の一覧（公開鍵のみ） / The keys of this home, public halves only."""
    from workbench.artifact.keys import KeyRing

    keys = KeyRing.of(home).owners()
    show(
        [vars(one) for one in keys],
        as_json=as_json,
        text="\n".join(f"{one.owner}  {one.public}  {one.demonstration or ''}".rstrip() for one in keys),
    )


@key.command()
@click.option("-o", "target", type=click.Path(path_type=Path, dir_okay=False), required=True)
@by
@pass_home
def trust(home: Home, target: Path, actor: str) -> None:
    """信頼する公開鍵を書き出す / Write the public keys that an analysts' host or the scoring stage pins, and their fingerprint."""
    from workbench.governance.hosts import fingerprint
    from workbench.governance.keys import export_trust
    from workbench.state import State

    trusted = export_trust(home, State.open(home), target, actor=actor)
    click.echo(f"{target}\n{fingerprint(trusted.to_json())}")


@key.command()
@click.argument("owner")
@click.password_option(
    "--passphrase", "words", prompt="合言葉 / passphrase", help="本人の合言葉 / the owner's own"
)
@pass_home
def protect(home: Home, owner: str, words: str) -> None:
    """鍵に本人の合言葉を付ける（審査のページでの署名に要る） / Put a key under its owner's own passphrase."""
    from workbench.artifact.keys import KeyRing

    KeyRing.of(home).protect(owner, words)
    click.echo(owner)
