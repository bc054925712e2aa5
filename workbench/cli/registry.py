"""`workbench registry`: admitted models, and which version of each is in use."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workbench.cli.release import by_option, why_option
from workbench.cli.shell import json_option, pass_home, show
from workbench.cli.shelves import shelf, shelf_group
from workbench.errors import Usage
from workbench.home import Home

if TYPE_CHECKING:
    from workbench.release.registry import Registry

registry = shelf_group("model", text="登録済み判定モデル / Admitted models.")


@registry.command()
@click.argument("name")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="書き出し先 / where to")
@by_option
@pass_home
def export(home: Home, name: str, out: Path, person: str) -> None:
    """署名付きで書き出す / Copy the signed bundle, with the list of revocations beside it."""
    click.echo(shelf(home, "model").export(name, to=out, by=person, now=datetime.now(UTC)))


@registry.command()
@click.argument("name")
@json_option
@pass_home
def history(home: Home, name: str, as_json: bool) -> None:
    """版の経緯と使用中の版 / What happened to each version, and which is in use."""
    models = opened(home)
    model = name.partition("@")[0]
    versions = {entry.manifest: entry.id for entry in models.every() if entry.name == model}
    standings = models.standings(model)
    events = [{**one.to_json(), "version": versions[one.manifest]} for one in models.history(model)]
    lines = [
        f"{one['time'][:19]}  {one['version']}  {one['event']}  {one['actor']}  {one['why']}"
        for one in events
    ]
    lines += [f"{versions[manifest]}  {standing}" for manifest, standing in standings.items()]
    told = {versions[manifest]: str(standing) for manifest, standing in standings.items()}
    show({"events": events, "standings": told}, as_json=as_json, text="\n".join(lines))


@registry.command()
@click.argument("name")
@why_option
@by_option
@pass_home
def activate(home: Home, name: str, why: str, person: str) -> None:
    """使用を始める（停止の解除も） / Put a version in use, or a suspended one back."""
    carry_out(home, "activate", name, why=why, person=person)


@registry.command()
@click.argument("name")
@why_option
@by_option
@pass_home
def suspend(home: Home, name: str, why: str, person: str) -> None:
    """使用を停止 / Stop using a version until it is activated again."""
    carry_out(home, "suspend", name, why=why, person=person)


@registry.command("roll-back")
@click.argument("name")
@why_option
@by_option
@pass_home
def roll_back(home: Home, name: str, why: str, person: str) -> None:
    """前の版に戻す / Use an earlier version again in place of the newer one."""
    carry_out(home, "roll-back", name, why=why, person=person)


@registry.command()
@click.argument("before")
@click.argument("after")
@json_option
@pass_home
def compare(home: Home, before: str, after: str, as_json: bool) -> None:
    """二つの版を並べる / Two versions side by side: figures, points, what the version number must say."""
    from workbench.release import versions

    now = datetime.now(UTC)
    compared = versions.compared(*(opened(home).open(name, now=now) for name in (before, after)))
    show(compared, as_json=as_json, text=versions.shown(compared))


@registry.command()
@click.argument("name")
@click.option(
    "--among",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=None,
    help="出力フォルダの置き場 / where the outputs of batches lie",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default=None,
    help="候補の一覧（CSV、新規） / a new CSV of the candidates",
)
@json_option
@pass_home
def batches(home: Home, name: str, among: Path | None, out: Path | None, as_json: bool) -> None:
    """この版で判定した全バッチと候補 / Every batch and flag that a version produced."""
    from workbench.release import versions
    from workbench.scoring.batch import as_csv

    if (among is None) != (out is None):
        raise Usage(
            ja="候補も書き出すときは、--among（出力の置き場）と -o（書き出し先）の両方を指定してください。",
            en="To write the candidates as well, give both --among and -o.",
        )
    models = opened(home)
    scored = versions.batches(models.state, models.find(name).manifest)
    if among is not None and out is not None:
        found = list(versions.flagged(scored, among=among))
        with out.open("xb") as file:
            file.write(as_csv(("batch", "scored", "child_ref"), (tuple(row.values()) for row in found)))
    lines = [
        f"{one['time'][:19]}  {one['by']}  {one['rows']:,} rows  {one['flagged']:,} flagged  {one['output']}"
        for one in scored
    ]
    show(scored, as_json=as_json, text="\n".join(lines))


def opened(home: Home) -> "Registry":
    from workbench.release.registry import registry as models
    from workbench.state import State

    return models(home, State.open(home))


def carry_out(home: Home, act: str, name: str, *, why: str, person: str) -> None:
    """Sign the act with the person's key and carry it out."""
    from workbench.artifact.keys import KeyRing
    from workbench.release.registry import Act, head, signed_act

    models, now = opened(home), datetime.now(UTC)
    entry = models.find(name)
    envelope = signed_act(
        Act(act),
        home=home.identity,
        entry=entry,
        after=head(models.history(entry.name)),
        person=person,
        why=why,
        now=now,
        signer=KeyRing.of(home).signer(f"person:{person}"),
    )
    click.echo(f"{entry.id}  {models.act(envelope, entry=entry, person=person, now=now)}")
