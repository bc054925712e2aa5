"""`workbench catalogue`: admitted datasets, and their way to an analysts' machine and into it."""

from datetime import UTC, datetime
from pathlib import Path

import click

from workbench.cli.release import by_option
from workbench.cli.shell import json_option, pass_home, show
from workbench.cli.shelves import shelf_group
from workbench.errors import Usage, language
from workbench.home import Home

catalogue = shelf_group("dataset", text="受入済みデータセット / Admitted datasets.")


@catalogue.command()
@click.argument("names", nargs=-1)
@click.option("--purpose", required=True, help="利用目的 / the purpose of use")
@click.option("--to", "host", required=True, help="宛先の機械 / the machine it is for")
@click.option("--to-again", "again", required=True, help="宛先をもう一度 / the same, typed once more")
@by_option
@json_option
@pass_home
def send(
    *, home: Home, names: tuple[str, ...], purpose: str, host: str, again: str, person: str, as_json: bool
) -> None:
    """媒体での送付を依頼 / Ask to send datasets to a machine (all of the purpose when none is named)."""
    from workbench.release.sending import Sendings
    from workbench.state import State

    sending = Sendings(home, State.open(home)).ask(
        names, host=host, again=again, purpose=purpose, by=person, now=datetime.now(UTC)
    )
    show(sending.to_json(), as_json=as_json, text=f"{sending.id}  {sending.host}\n{checklist()}")


@catalogue.command()
@click.argument("target", type=click.Path(path_type=Path, file_okay=False))
@click.option("--package", required=True, help="送付の番号（P-1 など） / the number of the sending")
@click.option("--to", "host", required=True, help="宛先の機械 / the machine it is for")
@click.option("--to-again", "again", required=True, help="宛先をもう一度 / the same, typed once more")
@click.option(
    "--checked", is_flag=True, help="確認項目をすべて確かめた / every point of the list was checked"
)
@by_option
@pass_home
def export(
    *, home: Home, target: Path, package: str, host: str, again: str, checked: bool, person: str
) -> None:
    """別の人が確かめ、宛先だけが開けるパッケージを書き出す / Another person agrees; the package is written."""
    from workbench.release.sending import Sendings
    from workbench.state import State

    if not checked:
        raise Usage(
            ja=f"次を確かめてから --checked を付けてください。{checklist()}",
            en=f"Check the following, then add --checked. {checklist()}",
        )
    written = Sendings(home, State.open(home)).write(
        package, folder=target, host=host, again=again, by=person, now=datetime.now(UTC)
    )
    click.echo(str(written))


@catalogue.command()
@json_option
@pass_home
def sendings(home: Home, as_json: bool) -> None:
    """送付の一覧 / What was sent to whom, and what waits for a second person."""
    from workbench.release.sending import Sendings
    from workbench.state import State

    every = Sendings(home, State.open(home)).every()
    lines = [f"{one.id}  {one.host}  {one.purpose}  {one.asked_by}  {one.written_at or '-'}" for one in every]
    show([one.to_json() for one in every], as_json=as_json, text="\n".join(lines))


@catalogue.command("import")
@click.argument("package", type=click.Path(path_type=Path))
@by_option
@json_option
@pass_home
def import_package(home: Home, package: Path, person: str, as_json: bool) -> None:
    """届いたパッケージを検証して取り込む（分析用の機械で） / Verify a package and take it in, on an analysts' machine."""
    from workbench.release.receiving import receive
    from workbench.state import State

    got = receive(package, home=home, state=State.open(home), by=person, now=datetime.now(UTC))
    show(got.to_json(), as_json=as_json, text="\n".join([got.number, *got.bundles]))


CHECKLIST = {
    "ja": (
        "宛先の機械は、この利用目的で使うことになっている。",
        "データセットの名前と版は、依頼のとおりである。",
        "媒体は管理簿にあるもので、受け渡しを記録する。",
    ),
    "en": (
        "The machine is the one meant to work for this purpose.",
        "The datasets and their versions are those asked for.",
        "The medium is on the list of media, and its handing over is noted.",
    ),
}


def checklist() -> str:
    """What the second person checks, in the reader's language."""
    return "\n".join(f"□ {point}" for point in CHECKLIST[language()])
