"""`workbench demo`: the whole journey on the synthetic city."""

from pathlib import Path

import click

from workbench.cli.shell import json_option, show

FILE = click.Path(path_type=Path)
PROFILES = ("tiny", "town", "city", "large")
TITLE = {"ja": "実演：元データから候補の一覧まで", "en": "The demonstration: from raw tables to candidates"}


@click.command()
@click.option("--profile", type=click.Choice(PROFILES), default="tiny", show_default=True, help="規模 / size")
@click.option("--seed", type=int, default=1, show_default=True, help="乱数の種 / seed")
@click.option(
    "--home", "path", type=FILE, default=Path(".demo/tiny"), show_default=True, help="ホーム / the home"
)
@click.option("--data", type=FILE, default=Path("datasets/synthetic"), show_default=True)
@click.option("--notebooks", type=FILE, default=Path("notebooks"), show_default=True)
@json_option
def demo(*, profile: str, seed: int, path: Path, data: Path, notebooks: Path, as_json: bool) -> None:
    """主な仕事を通しで実演 / The whole journey; run it again to go on where it stopped."""
    from workbench import __version__
    from workbench.demo import page
    from workbench.demo.journal import Journal
    from workbench.demo.journey import Journey, expect_data
    from workbench.demo.steps import STEPS
    from workbench.state import State

    expect_data(data, notebooks)
    made_of = {"profile": profile, "seed": seed, "version": __version__}
    journal = Journal.open(path, seed=seed, made_of=made_of)
    journey = Journey(journal.home, State.open(journal.home), profile, seed, data, notebooks)
    journal.run(
        STEPS,
        journey=journey,
        tell=lambda step, record, stood: click.echo(page.told(step, record, stood=stood), err=as_json),
    )
    done = journal.steps()
    written = page.write(journey, steps=STEPS, done=done, title=TITLE)
    seconds = sum(record["seconds"] for record in done.values())
    show(
        {"page": str(written), "seconds": round(seconds, 1), "steps": done},
        as_json=as_json,
        text=f"\n{seconds:.0f} s  →  {written}\n         →  make lab",
    )
