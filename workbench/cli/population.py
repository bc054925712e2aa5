"""`workbench population`: the synthetic city, made and checked."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from workbench.cli.shell import json_option, show
from workbench.errors import Unusable

FOLDER = click.Path(path_type=Path, file_okay=False)
# Written here as well as in params.yaml, so that help stays quick; a test compares them.
PROFILES = ("tiny", "town", "city", "large")
STEPS = 26


@click.group()
def population() -> None:
    """合成の市（架空）を作成・確認 / Make and check the synthetic city."""


@population.command()
@click.option("--profile", type=click.Choice(PROFILES), default="tiny", show_default=True, help="規模 / size")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="乱数の種 / seed")
@click.option("-o", "--output", "folder", type=FOLDER, required=True, help="出力先 / where to write")
@click.option("--params", "params", type=click.Path(path_type=Path), help="割合を差し替える YAML / own rates")
@json_option
def generate(*, profile: str, seed: int, folder: Path, params: Path | None, as_json: bool) -> None:
    """保有元ごとの原表と台帳を作成 / Make the holders' raw tables, their register and the map."""
    from workbench.population.city import generate as build
    from workbench.population.delivery import write
    from workbench.population.documents import write_documents

    city = build(profile, seed, own_rates(params), told())
    manifest = write(city, folder)
    write_documents(folder)
    tables = {entry["table"]: entry["rows"] for entry in manifest["files"].values()}
    show(
        {"profile": profile, "seed": seed, "folder": str(folder), "tables": tables},
        as_json=as_json,
        text=f"{folder}: {len(manifest['files'])} files, {sum(tables.values())} rows. すべて架空 / all fictional",
    )


@population.command()
@click.argument("folder", type=FOLDER)
@json_option
def check(*, folder: Path, as_json: bool) -> None:
    """書き出した時のままか、取り込めるかを確認 / Check that a city is as written and fit to be taken in."""
    from workbench.population.check import check as look

    findings = look(folder)
    show(
        {"findings": [vars(finding) for finding in findings]},
        as_json=as_json,
        text="\n".join(
            f"{'OK' if not f.wrong else 'NG'}  {f.rule} ({f.wrong}/{f.looked_at})" for f in findings
        ),
    )
    wrong = [finding.rule for finding in findings if finding.wrong]
    if wrong:
        raise Unusable(
            ja=f"この市は使えません: {'; '.join(wrong)}。作り直してください。",
            en=f"This city cannot be used: {'; '.join(wrong)}. Make it again.",
        )


def own_rates(path: Path | None) -> dict[str, Any]:
    """A municipality's own rates, by name as in params.yaml."""
    if path is None:
        return {}
    import yaml

    try:
        rates = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        rates = None
    if not isinstance(rates, dict):
        raise Unusable(
            ja=f"{path.name} を割合の表として読めません。「名前: 値」の YAML にしてください。",
            en=f"{path.name} cannot be read as rates; write YAML of the form 'name: value'.",
        )
    return rates


def told() -> Callable[[str], None]:
    """Progress on stderr: one line that is rewritten on a terminal, a line per step elsewhere."""
    done = iter(range(1, STEPS + 1))

    def tell(step: str) -> None:
        line = f"[{next(done):2}/{STEPS}] {step}"
        if sys.stderr.isatty():
            click.echo(f"\r{line:<40}", err=True, nl=step == "truth")
        else:
            click.echo(line, err=True)

    return tell
