"""`workbench data anonymise`: the least generalisation of a plain file, outside any release."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.plain_table import FILE, Pair, by_item, columns, lines, members, read
from workbench.cli.shell import json_option, show

if TYPE_CHECKING:
    import pandas as pd

    from workbench.privacy.anonymity.search import Anonymised


@click.command()
@click.argument("table", type=FILE)
@click.option(
    "--hierarchies", type=FILE, required=True, help="階層ファイルのフォルダー / the folder of hierarchies"
)
@columns
@click.option(
    "--k", type=click.IntRange(min=1), default=5, show_default=True, help="人数と世帯数 / in both units"
)
@click.option(
    "--suppression-limit", type=click.FloatRange(0, 1), default=0.05, show_default=True, help="全体 / overall"
)
@click.option("--subgroup", type=Pair(), multiple=True, help="抑制を別に見る集団 / limited on its own")
@click.option("--subgroup-limit", type=click.FloatRange(0, 1), default=0.05, show_default=True)
@click.option("--distinct-l", type=click.IntRange(min=1), default=2, show_default=True)
@click.option("--max-confidence", type=click.FloatRange(0, 1), default=1.0, show_default=True)
@click.option("--output", "-o", type=FILE, default=None, help="加工した表 (CSV) / write the table")
@json_option
def anonymise(
    *,
    table: Path,
    hierarchies: Path,
    quasi_identifiers: tuple[str, ...],
    sensitive: tuple[str, ...],
    harmful: tuple[tuple[str, str], ...],
    unit: str | None,
    person: str | None,
    separator: str | None,
    k: int,
    suppression_limit: float,
    subgroup: tuple[tuple[str, str], ...],
    subgroup_limit: float,
    distinct_l: int,
    max_confidence: float,
    output: Path | None,
    as_json: bool,
) -> None:
    """
    最小の一般化を探して加工する / Find and apply the least generalisation.

    公開は release で行います。 / What comes out is a file, not a release.
    """
    from workbench.privacy.anonymity import hierarchies as ladders
    from workbench.privacy.anonymity import search
    from workbench.privacy.anonymity.criteria import Sensitive
    from workbench.privacy.anonymity.lattice import Limits

    frame = read(table, separator=separator)
    wanted = by_item(sensitive, harmful)
    found = search.anonymise(
        frame[[name for name in frame if name in {*quasi_identifiers, *sensitive, unit, person}]],
        hierarchies=ladders.load(hierarchies),
        quasi_identifiers=quasi_identifiers,
        k=k,
        persons=person,
        households=unit,
        sensitive={
            item: Sensitive(harmful=values, distinct_l=distinct_l, max_confidence=max_confidence)
            for item, values in wanted.items()
        },
        limits=Limits(
            overall=suppression_limit,
            subgroup=subgroup_limit,
            subgroups={f"{c}={v}": members(frame, c, v) for c, v in subgroup},
        ),
    )
    if isinstance(found, search.NoneSatisfies):
        raise found.refusal()
    if output is not None:
        write(found.frame, output, separator=separator or ",")
    result = outcome(found, sensitive=wanted)
    show(result, as_json=as_json, text="\n".join(lines(result)))


def outcome(found: "Anonymised", *, sensitive: dict[str, tuple[str, ...] | None]) -> dict[str, Any]:
    """What the search found, and what the table measures now."""
    from workbench.privacy.anonymity import measure
    from workbench.privacy.anonymity.spread import Spread

    return {
        "levels": dict(found.levels),
        "loss": found.loss,
        "losses": dict(found.losses),
        "suppressed": {
            name: {"rows": s.rows, "of": s.of, "share": s.share} for name, s in found.suppressed.items()
        },
        "looked_at": found.looked_at,
        "lattice": found.lattice,
        "measured": {
            **measure.of_classes(found.classes),
            "sensitive": {
                item: measure.of_spread(Spread.of(found.classes, found.frame[item], harmful=harmful))
                for item, harmful in sensitive.items()
            },
        },
    }


def write(frame: "pd.DataFrame", path: Path, *, separator: str) -> None:
    from workbench.home import write_atomically

    write_atomically(path, frame.to_csv(index=False, sep=separator, lineterminator="\n").encode())
