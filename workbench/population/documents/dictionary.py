"""The data dictionary as a page for people, drawn from the register and the parameter file."""

from collections.abc import Iterator
from typing import Any

from workbench.data.item import Item
from workbench.data.register import Register, Table
from workbench.population.params import shipped

WORDS: dict[str, dict[str, Any]] = {
    "ja": {
        "title": "青葉野市（架空）データ辞書",
        "about": (
            "青葉野市は実在しません。人・世帯・住所・番号はすべて乱数で作ったもので、実在の人の情報は含みません。"
            "割合は公表統計を参考にしています（下の「割合と出典」）。個人番号・住民票コードは作っていません。"
            "この文書はデータ項目台帳（register.yaml）と params.yaml から作られます。"
        ),
        "columns": ("項目", "名称", "役割", "値", "要配慮", "必要な理由"),
        "holder": "保有元",
        "process": "原本の業務",
        "purpose": "本来の目的",
        "rates": "割合と出典",
        "rate_columns": ("名前", "値", "確からしさ", "出典"),
        "roles": {
            "direct_identifier": "直接識別子",
            "quasi_identifier": "準識別子",
            "sensitive": "機微属性",
            "other": "その他",
        },
        "kinds": {
            "integer": "整数",
            "number": "数値",
            "date": "日付",
            "flag": "有無",
            "code": "コード",
            "text": "文字",
            "category": "区分",
        },
        "marks": {"verified": "確認済", "derived": "計算", "recalled": "記憶", "assumed": "仮定"},
        "special": "要配慮",
    },
    "en": {
        "title": "Data dictionary of Aobano-shi (fictional)",
        "about": (
            "Aobano-shi does not exist. Its people, households, addresses and numbers are drawn at random and hold "
            "nothing about a real person. Rates follow public statistics (see “Rates and sources” below). No "
            "Individual Number and no resident record code is made. This page is drawn from the item register "
            "(register.yaml) and params.yaml; reasons and holders are given in Japanese, as in the register."
        ),
        "columns": ("item", "name", "role", "values", "special care", "why it is needed"),
        "holder": "Holder",
        "process": "Made in",
        "purpose": "Original purpose",
        "rates": "Rates and sources",
        "rate_columns": ("name", "value", "mark", "source"),
        "roles": {
            "direct_identifier": "direct identifier",
            "quasi_identifier": "quasi-identifier",
            "sensitive": "sensitive",
            "other": "other",
        },
        "kinds": {kind: kind for kind in ("integer", "number", "date", "flag", "code", "text", "category")},
        "marks": {mark: mark for mark in ("verified", "derived", "recalled", "assumed")},
        "special": "yes",
    },
}
MANY_VALUES = 10


def dictionary(register: Register, language: str) -> str:
    """The whole page in one language, as Markdown."""
    words = WORDS[language]
    lines = [f"# {words['title']}", "", words["about"], ""]
    for table in register:
        lines += table_lines(table, language=language)
    lines += [f"## {words['rates']}", "", *heading(words["rate_columns"]), *rate_lines(words)]
    return "\n".join(lines) + "\n"


def heading(columns: tuple[str, ...]) -> list[str]:
    return [row(columns), row(["---"] * len(columns))]


def row(cells: Any) -> str:
    return "| " + " | ".join(str(cell).replace("|", "／") for cell in cells) + " |"


def table_lines(table: Table, *, language: str) -> list[str]:
    words = WORDS[language]
    first = table.items[0]
    about = [f"## {table.label[language]} `{table.name}`", ""]
    if len({item.holder for item in table}) == 1:
        about += [f"{words['holder']}: {first.holder}", ""]
    about += [
        f"{words['process']}: {first.source_process} · {words['purpose']}: {first.original_purpose}",
        "",
    ]
    return [*about, *heading(words["columns"]), *(item_row(item, language=language) for item in table), ""]


def item_row(item: Item, *, language: str) -> str:
    words = WORDS[language]
    special = words["special"] if item.special_care else ""
    role = words["roles"][item.role.value]
    return row(
        [
            f"`{item.name}`",
            item.label[language],
            role,
            values_of(item, language=language),
            special,
            item.justification,
        ]
    )


def values_of(item: Item, *, language: str) -> str:
    kind = WORDS[language]["kinds"][item.kind.value]
    if item.values:
        shown = [f"{code} {label[language]}" for code, label in list(item.values.items())[:MANY_VALUES]]
        return ", ".join(shown) + (" …" if len(item.values) > MANY_VALUES else "")
    span = f" {item.minimum} – {item.maximum}" if item.minimum is not None else ""
    return kind + span + (f" {item.unit}" if item.unit else "")


def rate_lines(words: dict[str, Any]) -> Iterator[str]:
    for name, rate in shipped().items():
        yield row([f"`{name}`", plain(rate["value"]), words["marks"][rate["mark"]], rate["source"]])


def plain(value: Any) -> str:
    """A parameter's value on one line."""
    if isinstance(value, dict):
        return ", ".join(f"{key}: {plain(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return "–".join(map(str, value))
    return str(value)
