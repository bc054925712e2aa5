"""`workbench data measure`: everything a plain file discloses, outside any release."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from workbench.cli.plain_table import FILE, by_item, columns, lines, read
from workbench.cli.shell import json_option, show
from workbench.errors import Usage, language

# The smallest class that people ask about first, for the sentence on each item.
ASKED = "5"


@click.command()
@click.argument("table", type=FILE)
@columns
@click.option(
    "--hierarchies", type=FILE, default=None, help="階層ファイルのフォルダー / for t over a hierarchy"
)
@click.option(
    "--population",
    type=FILE,
    default=None,
    help="母集団の表（住民基本台帳など、同じ粒度） / a table of everybody, generalised alike",
)
@click.option(
    "--residents",
    type=click.IntRange(min=1),
    default=None,
    help="母集団の人数（表がないときの推定） / how many people, for estimates without their table",
)
@click.option(
    "--large",
    is_flag=True,
    help="行を読み込まずエンジンで数える（WORKBENCH_ENGINE）。セルは書かれたまま / count on the engine, without reading the rows; cells count as they stand",
)
@json_option
def measure(
    *,
    table: Path,
    quasi_identifiers: tuple[str, ...],
    sensitive: tuple[str, ...],
    harmful: tuple[tuple[str, str], ...],
    unit: str | None,
    person: str | None,
    separator: str | None,
    hierarchies: Path | None,
    population: Path | None,
    residents: int | None,
    large: bool,
    as_json: bool,
) -> None:
    """表ファイルの匿名性を測る / Measure the anonymity of a table."""
    from workbench.privacy.anonymity import hierarchies as ladders
    from workbench.privacy.anonymity import measure as measuring

    if large and (population or separator):
        raise Usage(
            ja="--large は --population、--separator とは使えません。どちらかを外してください。",
            en="--large goes with neither --population nor --separator; leave one of them out.",
        )
    measured = measuring.measure(
        table if large else read(table, separator=separator),
        quasi_identifiers=quasi_identifiers,
        sensitive=by_item(sensitive, harmful),
        persons=person,
        households=unit,
        hierarchies=ladders.load(hierarchies) if hierarchies else None,
        population=read(population, separator=separator) if population else None,
        residents=residents,
    )
    show(measured, as_json=as_json, text="\n".join(described(measured)))


def described(measured: dict[str, Any]) -> Iterator[str]:
    """The numbers for people, then which items cost most anonymity, in words."""
    plain = {name: value for name, value in measured.items() if name != "items"}
    yield from lines(plain)
    items = measured.get("items")
    if items:
        yield HEADINGS[language()]
        costly = sorted(items, key=lambda item: items[item]["share_below_without"][ASKED])
        yield from (cost(item, measured, items[item]) for item in costly)


def cost(item: str, measured: dict[str, Any], without: dict[str, Any]) -> str:
    """What leaving one item out would bring."""
    return SENTENCES[language()].format(
        item=item,
        size=ASKED,
        share=measured["share_below"][ASKED],
        rest=without["share_below_without"][ASKED],
        uniques=measured["sample_uniques"],
        fewer=without["sample_uniques_without"],
        k=measured["k_children"],
        larger=without["k_children_without"],
    )


HEADINGS = {
    "ja": "k を下げている項目（除いた場合。効果の大きい順）:",
    "en": "Which items cost k (with the item left out; the costliest first):",
}
SENTENCES = {
    "ja": "  {item}: {size} 人未満の同値類にある行 {share:.1%} → {rest:.1%}、一意 {uniques:,} 人 → {fewer:,} 人、k {k} → {larger}",
    "en": "  {item}: rows in classes below {size} {share:.1%} → {rest:.1%}, alone {uniques:,} → {fewer:,}, k {k} → {larger}",
}
