"""`workbench data risk`: who could be found in a plain file, by whom and how surely, outside any release."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from workbench.cli.plain_table import FILE, Names, columns_of_people, figure, lines, read
from workbench.cli.shell import json_option, show
from workbench.errors import language

# Sets of items that are listed for people; JSON has them all.
LISTED = 10


@click.command()
@click.argument("table", type=FILE)
@columns_of_people
@click.option(
    "--weights",
    metavar="COLUMN",
    default=None,
    help="一行が代表する人数の列（標本のとき） / how many residents a row stands for",
)
@click.option(
    "--year", metavar="COLUMN", default=None, help="年度の列（--person と） / the years of a person's rows"
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
    "--intruder",
    type=FILE,
    default=None,
    help="侵入者が持つ表（同じ粒度、--person の列つき） / what an intruder holds, generalised alike, with --person",
)
@click.option(
    "--knows",
    type=Names(),
    default=None,
    help="侵入者が知る項目（なければ全ての準識別子） / the items an intruder knows; all, unless named",
)
@click.option(
    "--sets",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="区別をみる項目の数 / how many items in a set",
)
@click.option(
    "--special",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="一意をみる項目の数 / how many items in SUDA",
)
@json_option
def risk(
    *,
    table: Path,
    quasi_identifiers: tuple[str, ...],
    unit: str | None,
    person: str | None,
    separator: str | None,
    weights: str | None,
    year: str | None,
    population: Path | None,
    residents: int | None,
    intruder: Path | None,
    knows: tuple[str, ...] | None,
    sets: int,
    special: int,
    as_json: bool,
) -> None:
    """表ファイルから誰が特定されうるかを調べる / Tell who could be found in a table, and how surely."""
    from workbench.privacy.anonymity.disclosure import disclosure

    found = disclosure(
        read(table, separator=separator),
        quasi_identifiers=quasi_identifiers,
        persons=person,
        households=unit,
        weights=weights,
        years=year,
        population=read(population, separator=separator) if population else None,
        residents=residents,
        known=read(intruder, separator=separator) if intruder else None,
        knows=knows,
        sets=sets,
        special=special,
    )
    show(found, as_json=as_json, text="\n".join(described(found)))


def described(found: dict[str, Any]) -> Iterator[str]:
    """The numbers for people: what each attacker may hope for, then which items do it."""
    words = WORDS[language()]
    listed = {"separation": found["separation"], "special_uniques": found["special_uniques"]["sets"]}
    plain = {name: value for name, value in found.items() if name != "separation"}
    plain["special_uniques"] = {
        name: value for name, value in found["special_uniques"].items() if name != "sets"
    }
    for name, value in plain.items():
        if name in HEADINGS[language()]:
            yield HEADINGS[language()][name]
            yield from lines({words.get(part, part): number for part, number in value.items()}, indent="  ")
        else:
            yield from lines({name: value})
    yield from sets_of(listed["special_uniques"], words["sets"], words["made_unique"])
    yield from sets_of(listed["separation"], words["pairs"], words["tells_apart"])


def sets_of(sets: list[dict[str, Any]], heading: str, sentence: str) -> Iterator[str]:
    """The sets of items that do most, one a line."""
    if not sets:
        return
    yield heading
    for one in sets[:LISTED]:
        numbers = {
            name: f"{value:.1%}" if isinstance(value, float) else figure(value) for name, value in one.items()
        }
        yield "  " + sentence.format(**{**numbers, "items": " × ".join(one["items"])})
    if len(sets) > LISTED:
        yield f"  … (+{len(sets) - LISTED})"


HEADINGS = {
    "ja": {
        "prosecutor": "本人が表にいると知る人（検察官型）が正しい行に当たる確率:",
        "journalist": "母集団だけを知る人（報道型）が正しい行に当たる確率:",
        "individual": "各行の特定可能性（標本としてみた場合）:",
        "household_risk": "世帯の誰かが特定される可能性:",
        "household_signatures": "世帯全員の組合せ:",
        "trajectories": "一人の年ごとの軌跡:",
        "special_uniques": "少ない項目で一意になる行（SUDA）:",
        "intruder": "侵入者の試み（渡された表との照合）:",
    },
    "en": {
        "prosecutor": "Who knows that a child is in the table finds the right row with chance:",
        "journalist": "Who knows only the population finds the right row with chance:",
        "individual": "The risk of single rows, the table being a sample:",
        "household_risk": "The chance that one of a family is found:",
        "household_signatures": "Whole families:",
        "trajectories": "A child's rows over the years:",
        "special_uniques": "Rows that few items make unique (SUDA):",
        "intruder": "A motivated intruder, tried with the table given:",
    },
}
WORDS = {
    "ja": {
        "highest": "最大",
        "lowest": "最小",
        "average": "平均",
        "rows_at_risk": "20 % を超える行の割合",
        "expected": "特定される期待数",
        "owners": "数",
        "alone": "同じものがほかにない数",
        "share_alone": "その割合",
        "smallest": "同じものの最少数",
        "dis_highest": "一致が正しい確率の最大（DIS-SUDA）",
        "items": "知っている項目",
        "tried": "試した人数",
        "correct": "断定して正しかった人数",
        "wrong": "断定して誤った人数",
        "guessed": "残りから当てずっぽうで当たる期待数",
        "unmatched": "一致する行がない人数",
        "rate": "断定して正しかった割合",
        "precision": "断定のうち正しい割合",
        "rate_low": "その割合の下限（95 % 信頼区間）",
        "rate_high": "その割合の上限（95 % 信頼区間）",
        "rows": "行数",
        "sets": "行を一意にする項目の組（多い順）:",
        "made_unique": "{items}: {rows} 行",
        "pairs": "項目の組が行を区別する力（大きい順）:",
        "tells_apart": "{items}: 対の {separation} を区別、値は行数の {distinction}",
    },
    "en": {
        "highest": "highest",
        "lowest": "lowest",
        "average": "average",
        "rows_at_risk": "share of rows above 20 %",
        "expected": "expected to be found",
        "owners": "how many",
        "alone": "like no other",
        "share_alone": "their share",
        "smallest": "the fewest that are alike",
        "dis_highest": "highest chance that a match is right (DIS-SUDA)",
        "items": "items known",
        "tried": "people tried",
        "correct": "claimed with certainty, rightly",
        "wrong": "claimed with certainty, wrongly",
        "guessed": "hit by guessing among the rest, expected",
        "unmatched": "people without a matching row",
        "rate": "share found with certainty",
        "precision": "share of claims that are right",
        "rate_low": "that share at the least (95 % confidence)",
        "rate_high": "that share at the most (95 % confidence)",
        "rows": "rows",
        "sets": "Sets of items that make rows unique (most first):",
        "made_unique": "{items}: {rows} rows",
        "pairs": "What sets of items tell apart (most first):",
        "tells_apart": "{items}: {separation} of the pairs, {distinction} as many values as rows",
    },
}
