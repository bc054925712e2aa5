"""`workbench data hierarchies`: a first hierarchy for each column of a plain file, to be read and corrected."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.plain_table import FILE, Names, read
from workbench.cli.shell import json_option, show
from workbench.errors import Usage, language

if TYPE_CHECKING:
    import pandas as pd

    from workbench.data.item import Item
    from workbench.privacy.anonymity.hierarchies import Hierarchy


@click.command()
@click.argument("table", type=FILE)
@click.option("--items", "-i", type=Names(), required=True, help="列 / the columns")
@click.option(
    "--output",
    "-o",
    "folder",
    type=FILE,
    required=True,
    help="階層ファイルを書くフォルダー / the folder to write …_hierarchy_ITEM files to",
)
@click.option(
    "--register", type=FILE, default=None, help="台帳 (YAML, JSON)。値より先に使う / declares the items"
)
@click.option(
    "--register-table", metavar="NAME", default=None, help="台帳の表の名前（なければファイル名） / its table"
)
@click.option(
    "--arx", is_flag=True, help="区間の階層も ARX が読む CSV で書く / intervals, too, as CSV that ARX reads"
)
@click.option("--separator", default=None, help="区切り文字 / told from the header if unset")
@json_option
def hierarchies(
    *,
    table: Path,
    items: tuple[str, ...],
    folder: Path,
    register: Path | None,
    register_table: str | None,
    arx: bool,
    separator: str | None,
    as_json: bool,
) -> None:
    """
    列ごとの一般化階層の案を書く / Write a first hierarchy for each column.

    値から読み取った区切りは、公開してよいかを人が決めます。 / Cuts read off the data are for a person to judge.
    """
    from workbench.home import write_atomically
    from workbench.privacy.anonymity import suggestion
    from workbench.privacy.anonymity.classes import require_columns

    frame = read(table, separator=separator)
    require_columns(frame, items)
    declared = items_of(register, register_table or table.stem) if register else {}
    made = {item: suggestion.suggest(frame[item], declared.get(item)) for item in items}
    written = {item: file_of(one, frame[item], arx=arx) for item, one in made.items()}
    paths = {item: folder / f"{table.stem}_hierarchy_{item}{kind}" for item, (kind, _) in written.items()}
    for item, path in paths.items():
        if path.exists():
            raise Usage(
                ja=f"項目「{item}」の階層ファイルが既にあります。直したものを消さないよう、別のフォルダーを指定してください。",
                en=f"There is a hierarchy file of '{item}' already; name another folder, so that no correction is lost.",
            )
    folder.mkdir(parents=True, exist_ok=True)
    for item, path in paths.items():
        write_atomically(path, written[item][1].encode())
    told = {item: told_of(one, file=paths[item].name) for item, one in made.items()}
    show(told, as_json=as_json, text="\n".join(line(item, one) for item, one in told.items()))


def items_of(register: Path, table: str) -> "dict[str, Item]":
    """The items that the register declares of the table."""
    from workbench.data.register import Register

    return dict(Register.load(register)[table].by_name)


def file_of(hierarchy: "Hierarchy", column: "pd.Series", *, arx: bool) -> tuple[str, str]:
    """The ending and the text of a hierarchy's file: a table as CSV, intervals as JSON unless ARX is to read them."""
    from workbench.privacy.anonymity import arx as arxs
    from workbench.privacy.anonymity.hierarchies import written

    if arx:
        return ".csv", arxs.written(hierarchy, values=column.dropna().unique())
    return (".csv" if hierarchy.kind == "table" else ".json"), written(hierarchy)


def told_of(hierarchy: "Hierarchy", *, file: str) -> dict[str, Any]:
    """What was made, and why; no value of the data."""
    origin = hierarchy.origin
    return {
        "file": file,
        "kind": hierarchy.kind,
        "levels": hierarchy.height + 1,
        "public": bool(origin and origin.public),
        "why": {"ja": origin.ja, "en": origin.en} if origin else None,
    }


def line(item: str, told: dict[str, Any]) -> str:
    """One item for people: its file, and what to look at before using it."""
    words = WORDS[language()]
    return words["line"].format(
        item=item,
        file=told["file"],
        levels=told["levels"],
        ground=words["public" if told["public"] else "read off"],
        why=told["why"][language()],
    )


WORDS = {
    "ja": {
        "line": "{item}: {file}（{levels} 段、{ground}）{why}。",
        "public": "台帳による",
        "read off": "値から読み取ったもの：公開の前に確認",
    },
    "en": {
        "line": "{item}: {file} ({levels} levels, {ground}). {why}.",
        "public": "from the register",
        "read off": "read off the data: judge before it leaves",
    },
}
