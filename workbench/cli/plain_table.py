"""What the commands on plain files share: which column is what, reading, and numbers for people."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.errors import NotFound, Usage, language

if TYPE_CHECKING:
    import pandas as pd

FILE = click.Path(path_type=Path)


class Names(click.ParamType):
    """Names of columns, separated by commas."""

    name = "a,b,c"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(name.strip() for name in value.split(",") if name.strip())
        if len(set(names)) < len(names):
            self.fail("同じ列が二度あります / a column is named twice", param, ctx)
        return names


class Number(click.FloatRange):
    """A number within its range; what is not a number is in none."""

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail("数を指定してください / give a number", param, ctx)
        return number


class Pair(click.ParamType):
    """A column and one of its values."""

    name = "column=value"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, str]:
        column, equals, wanted = value if isinstance(value, tuple) else value.partition("=")
        if not (column and equals):
            self.fail("列=値 の形で指定してください / give column=value", param, ctx)
        return column, wanted


def columns(function: Any) -> Any:
    """The options that say what each column is: what tells people apart, what is sensitive, who a row is."""
    return with_options(function, (*IDENTIFYING, *SENSITIVE, *WHO))


def columns_of_people(function: Any) -> Any:
    """The same without the sensitive columns."""
    return with_options(function, (*IDENTIFYING, *WHO))


def with_options(function: Any, options: Sequence[Any]) -> Any:
    for option in reversed(options):
        function = option(function)
    return function


IDENTIFYING = (
    click.option(
        "--quasi-identifiers",
        "-q",
        type=Names(),
        required=True,
        help="準識別子 / columns that tell people apart",
    ),
)
SENSITIVE = (
    click.option("--sensitive", "-s", type=Names(), default=(), help="機微属性 / sensitive columns"),
    click.option(
        "--harmful",
        type=Pair(),
        multiple=True,
        help="知られると害になる値（指定がなければ全て） / a value that harms; all, unless named",
    ),
)
WHO = (
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


def write(frame: "pd.DataFrame", path: Path, *, separator: str) -> None:
    """The table in no order of its source, which would tell who a row is."""
    from workbench.home import write_atomically
    from workbench.privacy.anonymity.content import in_no_order

    write_atomically(
        path, in_no_order(frame).to_csv(index=False, sep=separator, lineterminator="\n").encode()
    )


def expect_place(path: Path | None) -> None:
    """Raise NotFound, before any work, where the folder that a file is to be written in is not there."""
    if path is not None and not path.absolute().parent.is_dir():
        raise NotFound(
            ja=f"書込み先のフォルダー {path.parent} がありません。作成してからやり直してください。",
            en=f"The folder {path.parent} to write in is not there; make it and run the command again.",
        )


def members(frame: "pd.DataFrame", column: str, value: str) -> Any:
    from workbench.privacy.anonymity.classes import require_columns

    require_columns(frame, [column])
    found = (frame[column] == value).to_numpy(dtype=bool, na_value=False)
    if not found.any():
        raise nowhere(column)
    return found


def expect_harms(frame: "pd.DataFrame", harms: Mapping[str, tuple[str, ...] | None]) -> None:
    """Raise Usage for a harmful value that its column does not hold: it would protect nobody, unnoticed."""
    for item, values in harms.items():
        if values and not set(values) <= set(frame[item].dropna().unique()):
            raise nowhere(item)


def nowhere(column: str) -> Usage:
    return Usage(
        ja=f"列「{column}」に、指定した値がありません。綴りを確かめてください。",
        en=f"The column '{column}' does not hold a value that was named; check its spelling.",
    )


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
            yield f"{indent}{label}: {figure(value)}"


def figure(value: Any) -> str:
    """A number as people read it; a dash where there is none."""
    if isinstance(value, list | tuple):
        return ", ".join(map(figure, value))
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


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
        "t_closeness": "t（等距離）",
        "ordered_t": "t（順序）",
        "hierarchical_t": "t（階層）",
        "entropy_l": "エントロピー l",
        "recursive_c": "再帰的 (c,2) の c（これより大きい c で成り立つ）",
        "alpha": "α",
        "delta_disclosure": "δ 開示",
        "basic_beta": "基本 β 類似",
        "enhanced_beta": "拡張 β 類似",
        "rows_at_risk": "特定可能性が 20 % を超える行の割合",
        "missing": "欠損を「どの値でもありうる」と読んだ場合",
        "wildcard": "そのときの値",
        "worse": "二つの読み方のうち悪い方",
        "special_uniques": "少ない項目で一意になる行（SUDA）",
        "up_to": "項目の数（以下）",
        "contributions": "項目の寄与",
        "household_signatures": "世帯全員の組合せ",
        "household_risk": "世帯の誰かが特定される可能性",
        "highest": "最大",
        "expected": "特定される世帯の期待数",
        "separation": "項目だけで区別できる割合",
        "distinction": "区別",
        "alone": "一つだけの世帯",
        "share_alone": "その割合",
        "population_uniqueness": "母集団で一意な人の割合（推定）",
        "population": "母集団の表との照合（正確な数）",
        "residents": "母集団の人数",
        "k_map": "k-map",
        "delta_presence": "δ 存在",
        "least": "最小",
        "most": "最大",
        "journalist_highest": "最大の特定可能性（報道型）",
        "journalist_rows_at_risk": "20 % を超える行の割合（報道型）",
        "marketer": "特定できる行の割合（販売型）",
        "reason": "理由",
        "levels": "一般化の段",
        "losses": "項目別の情報損失",
        "suppressed": "抑制（削除）した行",
        "overall": "全体",
        "of": "対象の行数",
        "share": "割合",
        "checked": "調べた組合せ",
        "rounds": "段の組合せの数",
        "granularity": "残った細かさ（1 は元のまま）",
        "emptied_cells": "空にしたセルの数",
        "digests": "再実行のための sha256",
        "input": "元の表",
        "hierarchies": "階層",
        "recipe": "手順",
        "output": "加工した表",
        "score": "情報損失",
        "suppressed_rows": "抑制した行数",
        "bound": "証明された下限",
        "gap": "最適との差（0 は最適と証明済み）",
        "seconds": "秒数",
        "measure": "尺度",
        "models": "プライバシーモデル",
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
        "t_closeness": "t (equal distance)",
        "ordered_t": "t (ordered)",
        "hierarchical_t": "t (hierarchical)",
        "entropy_l": "entropy l",
        "recursive_c": "recursive (c,2): holds for every c above",
        "alpha": "alpha",
        "delta_disclosure": "delta-disclosure",
        "basic_beta": "basic beta-likeness",
        "enhanced_beta": "enhanced beta-likeness",
        "rows_at_risk": "share of rows found with a chance above 20 %",
        "missing": "if a missing value could be any value",
        "wildcard": "the numbers then",
        "worse": "the worse of both readings",
        "special_uniques": "rows that few items make unique (SUDA)",
        "up_to": "items at most",
        "contributions": "share of each item",
        "household_signatures": "whole families",
        "household_risk": "chance that one of a family is found",
        "highest": "highest",
        "expected": "families expected to be found",
        "separation": "what an item alone tells apart",
        "distinction": "distinction",
        "alone": "families like no other",
        "share_alone": "their share",
        "population_uniqueness": "share of the population that is unique (estimated)",
        "population": "beside the population (exact)",
        "residents": "people in the population",
        "k_map": "k-map",
        "delta_presence": "delta-presence",
        "least": "least",
        "most": "most",
        "journalist_highest": "highest chance (journalist)",
        "journalist_rows_at_risk": "share of rows above 20 % (journalist)",
        "marketer": "share of rows found (marketer)",
        "reason": "reason",
        "levels": "levels of generalisation",
        "losses": "information loss by item",
        "suppressed": "suppressed rows",
        "overall": "overall",
        "of": "of",
        "share": "share",
        "checked": "combinations looked at",
        "rounds": "levels in use",
        "granularity": "detail kept (1: all)",
        "emptied_cells": "cells emptied",
        "digests": "sha256, to run it again",
        "input": "the source",
        "hierarchies": "hierarchies",
        "recipe": "recipe",
        "output": "the table written",
        "score": "information loss",
        "suppressed_rows": "rows suppressed",
        "bound": "proved lower bound",
        "gap": "gap to the optimum (0: proved)",
        "seconds": "seconds",
        "measure": "measure",
        "models": "privacy models",
        "lattice": "combinations in all",
        "measured": "the table now",
    },
}
