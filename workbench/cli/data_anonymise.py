"""`workbench data anonymise`: the least generalisation of a plain file, outside any release."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli import data_recipe
from workbench.cli.anonymised import by_cells, by_levels, by_rows
from workbench.cli.long_search import Shown, interruptible
from workbench.cli.plain_table import (
    FILE,
    Names,
    Number,
    Pair,
    by_item,
    columns,
    expect_harms,
    expect_place,
    lines,
    members,
    read,
    write,
)
from workbench.cli.shell import json_option, show
from workbench.errors import NotFound, Unusable, Usage

if TYPE_CHECKING:
    import pandas as pd

    from workbench.privacy.anonymity.hierarchies import Hierarchy
    from workbench.privacy.anonymity.models import Model

PICTURES = {".png", ".svg"}


class Weight(Pair):
    """A column and a number."""

    name = "column=number"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, Any]:
        column, number = super().convert(value, param, ctx)
        try:
            return column, float(number)
        except ValueError:
            self.fail("列=数 の形で指定してください / give column=number", param, ctx)


class Order(Pair):
    """A column and its values in order."""

    name = "column=a,b,c"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, Any]:
        column, values = super().convert(value, param, ctx)
        return column, Names().convert(values, param, ctx)


@click.command()
@click.argument("table", type=FILE)
@click.option(
    "--hierarchies",
    type=FILE,
    required=True,
    help="階層ファイル（…_hierarchy_項目.csv）のフォルダー / the folder of …_hierarchy_ITEM.csv",
)
@columns
@click.option(
    "--model",
    "asked",
    multiple=True,
    default=("k=5",),
    show_default=True,
    metavar="NAME=LIMIT[:ITEM]",
    help="k=5, distinct-l=3:項目, recursive-cl=4,3:項目, equal-t=0.2:項目 … --unit があれば k は世帯にも / with --unit k holds in households too",
)
@click.option(
    "--suppression-limit", type=Number(0, 1), default=0.05, show_default=True, help="全体 / overall"
)
@click.option("--subgroup", type=Pair(), multiple=True, help="抑制を別に見る集団 / limited on its own")
@click.option("--subgroup-limit", type=Number(0, 1), default=0.05, show_default=True)
@click.option("--measure", "measured", default="loss", show_default=True, help="情報損失 / information loss")
@click.option("--aggregate", default=None, help="項目の集計 / geometric, arithmetic, sum, maximum, rank")
@click.option(
    "--suppression-weight",
    type=Number(0, 1),
    default=0.5,
    show_default=True,
    help="抑制と一般化の重み（ARX の gsFactor） / suppression against generalising",
)
@click.option("--weight", type=Weight(), multiple=True, help="項目の重み / the weight of an item")
@click.option("--order", type=Order(), multiple=True, help="値の順序（ordered-t） / the order of values")
@click.option(
    "--population", type=FILE, default=None, help="母集団の表（k-map、delta-presence） / a table of everybody"
)
@click.option(
    "--step",
    "steps",
    multiple=True,
    metavar="NAME=NUMBER:ITEMS",
    help="探索の前の加工（方針が許すもの） top=60:項目, bottom, microaggregate=3:項目, swap=0.05:項目, rank-swap, pram=0.9:項目 / changes before the search, where the policy allows them",
)
@click.option(
    "--local-recoding",
    is_flag=True,
    help="行ごとに細かさを変え、行を残す（読むための表） / each row as fine as it can be; for tables that are read",
)
@click.option(
    "--empty-cells",
    is_flag=True,
    help="行を削除する代わりにセルを空にする（k だけのとき） / empty cells instead of deleting rows; for k alone",
)
@click.option(
    "--stop-after",
    type=Number(min=0, min_open=True),
    default=None,
    metavar="SECONDS",
    help="この秒数で打ち切り、その時点の最良と差の上限を示す（Ctrl-C も同じ） / stop early, with the gap; so does Ctrl-C",
)
@click.option(
    "--start",
    type=FILE,
    default=None,
    help="打ち切った探索の出力 (JSON) から続ける / go on from what a stopped search printed",
)
@click.option(
    "--suggest",
    is_flag=True,
    help="情報損失と抑制のつり合いから三つの案を示す（表は書き出さない） / offer three recipes; write no table",
)
@click.option(
    "--plot", type=FILE, default=None, help="--suggest の図 (.png, .svg) / the picture of the curve"
)
@click.option("--recipe-only", is_flag=True, help="表は書き出さない / search, write no table")
@click.option("--output", "-o", type=FILE, default=None, help="加工した表 (CSV) / write the table")
@click.option(
    "--recipe",
    type=FILE,
    default=None,
    metavar="FOLDER",
    help="再実行できる手順を、公開部分と秘密部分に分けて書く / write the recipe, its public and its secret part",
)
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
    asked: tuple[str, ...],
    suppression_limit: float,
    subgroup: tuple[tuple[str, str], ...],
    subgroup_limit: float,
    measured: str,
    aggregate: str | None,
    suppression_weight: float,
    weight: tuple[tuple[str, float], ...],
    order: tuple[tuple[str, tuple[str, ...]], ...],
    population: Path | None,
    steps: tuple[str, ...],
    local_recoding: bool,
    empty_cells: bool,
    stop_after: float | None,
    start: Path | None,
    suggest: bool,
    plot: Path | None,
    recipe_only: bool,
    output: Path | None,
    recipe: Path | None,
    as_json: bool,
) -> None:
    """
    最小の一般化を探して加工する / Find and apply the least generalisation.

    公開は release で行います。 / What comes out is a file, not a release.
    """
    from workbench.privacy.anonymity import hierarchies as ladders
    from workbench.privacy.anonymity.lattice import Limits
    from workbench.privacy.anonymity.measures import Measure

    expect_sense(
        plot=plot, suggest=suggest, recipe_only=recipe_only, output=output, recipe=recipe,
        local=local_recoding, empty_cells=empty_cells, start=start, subgroup=subgroup, population=population,
        weight=weight, measured=measured != "loss", aggregate=aggregate,
    )  # fmt: skip
    for place in (output, plot, recipe):
        expect_place(place)
    changes = data_recipe.understood(steps, empty_cells=empty_cells)
    source = read(table, separator=separator)
    ladder = ladders.load(hierarchies)
    before, frame = data_recipe.changed(source, changes, hierarchies=ladder, households=unit)
    wanted = by_item(sensitive, harmful)
    expect_harms(frame, wanted)
    models = understood(asked, frame, ladder, orders=dict(order), harmful=wanted, unit=unit)
    needed = {*quasi_identifiers, *sensitive, *(m.item for m in models), unit, person}
    needed |= {item for change in changes for item in change.items}
    with interruptible(stop_after) as stop:
        looked_for: dict[str, Any] = {
            "hierarchies": ladder,
            "quasi_identifiers": quasi_identifiers,
            "models": models,
            "measure": Measure(measured, aggregate, suppression_weight, dict(weight)),
            "persons": person,
            "households": unit,
            "limits": Limits(
                overall=suppression_limit,
                subgroup=subgroup_limit,
                subgroups={f"{c}={v}": members(frame, c, v) for c, v in subgroup},
            ),
            "population": read(population, separator=separator) if population else None,
            "progress": None if as_json else Shown(),
            "stop": stop,
            "start": levels_in(start) if start else None,
        }
        asked_of = frame[[name for name in frame if name in needed]]
        if suggest:
            offer(asked_of, looked_for, plot=plot, as_json=as_json)
            return
        harms = {**{str(m.item): m.harmful for m in models if m.item}, **wanted}
        way = by_rows if local_recoding else by_cells if empty_cells else by_levels
        made = way(asked_of, looked_for, harms)
    result = made.told
    if output is not None or recipe is not None:
        cooked = made.recipe(before=before, after=frame, source=source)
        result = {**result, "digests": data_recipe.digests(cooked)}
        if recipe is not None:
            data_recipe.write_recipe(cooked, recipe)
    if output is not None:
        write(made.frame, output, separator=separator or ",")
    show(result, as_json=as_json, text="\n".join(lines(result)))


def expect_sense(
    *,
    plot: Path | None,
    suggest: bool,
    recipe_only: bool,
    output: Path | None,
    recipe: Path | None,
    local: bool,
    empty_cells: bool,
    **of_levels: Any,
) -> None:
    """Usage for options that do not go together."""
    if plot and (not suggest or plot.suffix not in PICTURES):
        raise Usage(
            ja="--plot は --suggest と使い、.png か .svg のファイルを指定してください。",
            en="--plot goes with --suggest and takes a .png or an .svg file.",
        )
    if ((recipe_only or suggest) and output) or (suggest and recipe):
        raise Usage(
            ja="--recipe-only、--suggest は表を、--suggest は手順も書き出しません。--output、--recipe を外してください。",
            en="--recipe-only and --suggest write no table, --suggest no recipe; leave --output or --recipe out.",
        )
    if (local or empty_cells) and suggest:
        raise Usage(
            ja="--suggest は --local-recoding、--empty-cells とは使えません。どちらかを外してください。",
            en="--suggest goes with neither --local-recoding nor --empty-cells; leave one of them out.",
        )
    if local and (empty_cells or any(of_levels.values())):
        raise Usage(
            ja="--local-recoding は --empty-cells、--start、--subgroup、--population、--measure、--aggregate、--weight とは使えません。",
            en="--local-recoding goes with none of --empty-cells, --start, --subgroup, --population, --measure, "
            "--aggregate and --weight.",
        )


def offer(frame: "pd.DataFrame", looked_for: Mapping[str, Any], *, plot: Path | None, as_json: bool) -> None:
    """Show three recipes, and draw the curve they are on."""
    from workbench.cli import offered
    from workbench.privacy.anonymity.alternatives import alternatives
    from workbench.privacy.anonymity.search import NoneSatisfies

    found = alternatives(frame, **looked_for)
    if isinstance(found, NoneSatisfies):
        raise found.refusal()
    if plot:
        offered.draw(found, plot)
    show(offered.to_json(found), as_json=as_json, text="\n".join(offered.described(found)))


def understood(
    asked: tuple[str, ...],
    frame: "pd.DataFrame",
    ladder: Mapping[str, "Hierarchy"],
    *,
    orders: Mapping[str, tuple[str, ...]],
    harmful: Mapping[str, tuple[str, ...] | None],
    unit: str | None,
) -> list["Model"]:
    """The models as asked, with what each needs; k in households too where the table names them."""
    from dataclasses import replace

    from workbench.privacy.anonymity.classes import categories, require_columns
    from workbench.privacy.anonymity.models import Model, read

    items = {
        item for _, _, rest in (text.partition("=") for text in asked) if (item := rest.partition(":")[2])
    }
    for item in items:
        require_columns(frame, [item])
    known = {item: order_of(categories(frame[item]).words, ladder.get(item)) for item in items}
    models = [read(text, hierarchies=ladder, orders={**known, **orders}) for text in asked]
    models = [
        replace(model, harmful=harmful[model.item]) if model.item in harmful else model for model in models
    ]
    names = {model.name for model in models}
    if unit is None and "k-households" in names:
        raise Usage(
            ja="k-households には世帯の列が必要です。--unit で指定してください。",
            en="k-households needs the column of households; name it with --unit.",
        )
    if unit is not None and "k-households" not in names:
        models += [Model("k-households", model.limit) for model in models if model.name == "k"]
    return models


def order_of(words: tuple[str, ...], ladder: "Hierarchy | None") -> list[str]:
    """The order of a sensitive item's values: of numbers, else that of its hierarchy, else of the words."""
    from workbench.privacy.anonymity.diversity import numeric_order

    try:
        return numeric_order(words)
    except Unusable:
        return list(ladder.leaves(words)) if ladder else list(words)


def levels_in(path: Path) -> dict[str, int]:
    """The levels that an earlier search printed."""
    if not path.is_file():
        raise NotFound(
            ja="--start のファイルがありません。前の探索の --json の出力を指定してください。",
            en="The file of --start is not there; name what an earlier search printed with --json.",
        )
    try:
        return {str(item): int(level) for item, level in json.loads(path.read_bytes())["levels"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Unusable(
            ja="--start のファイルに levels がありません。前の探索の --json の出力を指定してください。",
            en="The file of --start holds no levels; name what an earlier search printed with --json.",
        ) from None
