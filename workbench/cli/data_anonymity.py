"""`workbench data measure` and `workbench data anonymise`: anonymity of a plain file, outside any release."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.shell import json_option, show
from workbench.errors import Usage, language

if TYPE_CHECKING:
    import pandas as pd

    from workbench.privacy.anonymity.classes import Classes
    from workbench.privacy.anonymity.search import Anonymised

FILE = click.Path(path_type=Path)
# Class sizes that offices ask about: the floor, the strict profile, a small town.
SIZES = (5, 10, 20)


class Names(click.ParamType):
    """Names of columns, separated by commas."""

    name = "a,b,c"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, ...]:
        return (
            value
            if isinstance(value, tuple)
            else tuple(name.strip() for name in value.split(",") if name.strip())
        )


class Pair(click.ParamType):
    """A column and one of its values."""

    name = "column=value"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, str]:
        column, equals, wanted = value if isinstance(value, tuple) else value.partition("=")
        if not (column and equals):
            self.fail("列=値 の形で指定してください / give column=value", param, ctx)
        return column, wanted


def columns(function: Any) -> Any:
    """The options that say what each column is, which both commands share."""
    for option in reversed(COLUMNS):
        function = option(function)
    return function


COLUMNS = (
    click.option(
        "--quasi-identifiers",
        "-q",
        type=Names(),
        required=True,
        help="準識別子 / columns that tell people apart",
    ),
    click.option("--sensitive", "-s", type=Names(), default=(), help="機微属性 / sensitive columns"),
    click.option(
        "--harmful",
        type=Pair(),
        multiple=True,
        help="知られると害になる値（指定がなければ全て） / a value that harms; all, unless named",
    ),
    click.option("--unit", metavar="COLUMN", default=None, help="世帯の列 / the column of households"),
    click.option(
        "--person", metavar="COLUMN", default=None, help="個人の列（なければ行） / persons, else rows"
    ),
    click.option(
        "--separator",
        default=None,
        help="区切り文字（なければ見出しから判断） / told from the header if unset",
    ),
)


@click.command()
@click.argument("table", type=FILE)
@columns
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
    as_json: bool,
) -> None:
    """表ファイルの匿名性を測る / Measure the anonymity of a table."""
    from workbench.privacy.anonymity.classes import Classes

    frame = read(table, separator=separator)
    classes = Classes.of(frame, quasi_identifiers, persons=person, households=unit)
    measured = measures(frame, classes, sensitive=by_item(sensitive, harmful))
    show(measured, as_json=as_json, text="\n".join(lines(measured)))


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


def read(path: Path, *, separator: str | None) -> "pd.DataFrame":
    """
    Every cell of a plain file as text, missing where it is empty.

    Read as an extract is, so that an Individual Number is refused here too.
    """
    from workbench.data.extract import open_source
    from workbench.data.intake import read_extract
    from workbench.data.item import Item, ItemRole, Kind

    source = open_source(path)
    if separator is not None and source.separator not in (None, separator):
        raise Usage(
            ja="表の見出しは指定の区切り文字で区切られていません。--separator を確かめてください。",
            en="The header of the table is not separated by the character given; check --separator.",
        )
    items = [
        Item(name=name, label={"ja": name, "en": name}, holder="", role=ItemRole.OTHER, kind=Kind.TEXT)
        for name in dict.fromkeys(column.strip() for column in source.header)
    ]
    frame, _ = read_extract(path, items)
    return frame


def members(frame: "pd.DataFrame", column: str, value: str) -> Any:
    from workbench.privacy.anonymity.classes import require_columns

    require_columns(frame, [column])
    return (frame[column] == value).to_numpy(dtype=bool, na_value=False)


def by_item(
    sensitive: Sequence[str], harmful: Sequence[tuple[str, str]]
) -> dict[str, tuple[str, ...] | None]:
    """The harmful values of each sensitive item; None where none is named."""
    strays = {item for item, _ in harmful} - set(sensitive)
    if strays:
        raise Usage(
            ja=f"--harmful の列「{min(strays)}」が --sensitive にありません。",
            en=f"--harmful names the column '{min(strays)}', which --sensitive does not.",
        )
    return {item: tuple(value for name, value in harmful if name == item) or None for item in sensitive}


def measures(
    frame: "pd.DataFrame", classes: "Classes", *, sensitive: dict[str, tuple[str, ...] | None]
) -> dict[str, Any]:
    """Every metric of a table."""
    from workbench.privacy.anonymity import metrics
    from workbench.privacy.anonymity.classes import require_columns
    from workbench.privacy.anonymity.spread import Spread

    require_columns(frame, [*classes.items, *sensitive])
    spreads = {item: Spread.of(classes, frame[item], harmful=harmful) for item, harmful in sensitive.items()}
    return {
        "rows": len(frame),
        "classes": len(classes),
        "k_children": metrics.k_children(classes),
        "k_households": None if classes.households is None else metrics.k_households(classes),
        "sample_uniques": metrics.sample_uniques(classes),
        "highest_class_risk": metrics.highest_class_risk(classes),
        "average_class_risk": metrics.average_class_risk(classes),
        "share_below": {str(size): metrics.share_below(classes, k=size) for size in SIZES},
        "sensitive": {
            item: {
                "distinct_l": metrics.distinct_l(spread),
                "plain_distinct_l": metrics.plain_distinct_l(spread),
                "max_confidence": metrics.max_confidence(spread),
                "base_rate": metrics.base_rate(spread),
                "t_closeness": metrics.t_closeness(spread),
            }
            for item, spread in spreads.items()
        },
    }


def outcome(found: "Anonymised", *, sensitive: dict[str, tuple[str, ...] | None]) -> dict[str, Any]:
    """What the search found, and what the table measures now."""
    return {
        "levels": dict(found.levels),
        "loss": found.loss,
        "losses": dict(found.losses),
        "suppressed": {
            name: {"rows": s.rows, "of": s.of, "share": s.share} for name, s in found.suppressed.items()
        },
        "looked_at": found.looked_at,
        "lattice": found.lattice,
        "measured": measures(found.frame, found.classes, sensitive=sensitive),
    }


def write(frame: "pd.DataFrame", path: Path, *, separator: str) -> None:
    from workbench.home import write_atomically

    write_atomically(path, frame.to_csv(index=False, sep=separator, lineterminator="\n").encode())


def lines(measured: dict[str, Any], *, indent: str = "") -> Iterator[str]:
    """The numbers for people, one a line, in the reader's language."""
    words = WORDS[language()]
    for name, value in measured.items():
        label = words.get(name, name)
        if isinstance(value, dict):
            if value:
                yield f"{indent}{label}:"
            yield from lines(value, indent=indent + "  ")
        else:
            yield f"{indent}{label}: {'–' if value is None else round(value, 4)}"


WORDS = {
    "ja": {
        "rows": "行数",
        "classes": "同値類の数",
        "k_children": "k（人数）",
        "k_households": "k（世帯数）",
        "sample_uniques": "一意（1人だけ）の人数",
        "highest_class_risk": "最大の特定可能性",
        "average_class_risk": "平均の特定可能性",
        "share_below": "同値類が次の人数に満たない行の割合",
        "sensitive": "機微属性",
        "distinct_l": "l（害のない同値類を除く）",
        "plain_distinct_l": "l（全ての同値類）",
        "max_confidence": "最大の確信度",
        "base_rate": "全体での割合",
        "t_closeness": "t",
        "levels": "一般化の段",
        "loss": "情報損失",
        "losses": "項目別の情報損失",
        "suppressed": "抑制（削除）した行",
        "overall": "全体",
        "of": "対象の行数",
        "share": "割合",
        "looked_at": "調べた組合せ",
        "lattice": "全ての組合せ",
        "measured": "加工後の表",
    },
    "en": {
        "rows": "rows",
        "classes": "classes",
        "k_children": "k (children)",
        "k_households": "k (households)",
        "sample_uniques": "children alone in their class",
        "highest_class_risk": "highest disclosure risk",
        "average_class_risk": "average disclosure risk",
        "share_below": "share of rows in classes smaller than",
        "sensitive": "sensitive items",
        "distinct_l": "distinct l (harmless classes exempt)",
        "plain_distinct_l": "distinct l (every class)",
        "max_confidence": "highest confidence",
        "base_rate": "share overall",
        "t_closeness": "t",
        "levels": "levels of generalisation",
        "loss": "information loss",
        "losses": "information loss by item",
        "suppressed": "suppressed rows",
        "overall": "overall",
        "of": "of",
        "share": "share",
        "looked_at": "combinations looked at",
        "lattice": "combinations in all",
        "measured": "the table now",
    },
}
