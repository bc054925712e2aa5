"""How things print in a notebook: small tables, Japanese first, English beneath."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

# The words for the keys that the gateway and the manifests use; an unknown key prints as it is.
WORDS: Mapping[str, str] = {
    "name": "名前 / name",
    "version": "版 / version",
    "protection": "保護の方法 / protection",
    "guarantee": "保証 / guarantee",
    "purpose": "利用目的 / purpose",
    "valid_until": "有効期限 / valid until",
    "digest": "識別子 / digest",
    "dataset": "データ / dataset",
    "granted": "付与 / granted (ε)",
    "spent": "使用済み / spent (ε)",
    "remaining": "残り / remaining (ε)",
    "ends": "予算の期限 / the budget ends on",
    "own_spent": "自分の使用 / spent by you (ε)",
    "own_charges": "自分の件数 / your charges",
    "epsilon": "費用 / cost (ε)",
    "margin": "誤差の幅（95 %） / margin of error (95 %)",
    "margin_95": "誤差の幅（95 %） / margin of error (95 %)",
    "margin_unit": "誤差の単位 / the margin is in",
    "smallest_group": "見分けられる最小の人数 / smallest group still visible",
    "delta": "δ / delta",
    "group": "人数 / children",
    "part": "内訳 / part",
    "draws": "回数 / draws",
    "cells": "区分の数 / cells",
    "how_many_more": "同じ質問をあと何回 / how many more like it",
    "tries": "試す回数 / tries",
    "epsilon_of_all": "全回の費用 / cost of all tries (ε)",
    "visible": "見分けられる差（該当するこどもの人数） / differences told from noise (children with the target)",
    "unit": "保護の単位 / unit of privacy",
    "request": "申請 / request",
    "kind": "種類 / kind",
    "state": "状態 / state",
    "votes": "賛成 / votes",
    "needed": "必要 / needed",
    "item": "項目 / item",
    "label": "名称 / label",
    "values": "値 / values",
    "role": "役割 / role",
    "count": "件数 / count",
}

PROTECTIONS: Mapping[str, str] = {
    "anonymised": "匿名化 / anonymised",
    "synthetic": "合成データ / synthetic data",
    "dp_tables": "差分プライバシー集計表 / differentially private tables",
    "pseudonymised": "仮名化 / pseudonymised",
}


@dataclass(frozen=True)
class Rows:
    """A list of records that prints as a table."""

    rows: Sequence[Mapping[str, Any]]
    title: str = ""
    empty: str = "ありません / none"

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> Mapping[str, Any]:
        return self.rows[place]

    def _repr_html_(self) -> str:
        return html_table(self.rows, title=self.title, empty=self.empty)

    def __repr__(self) -> str:
        lines = [", ".join(f"{key}: {shown(value)}" for key, value in row.items()) for row in self.rows]
        return "\n".join([self.title, *(lines or [self.empty])])


@dataclass(frozen=True)
class Facts:
    """One record that prints as a table of its fields, with a sentence beneath."""

    fields: Mapping[str, Any]
    title: str = ""
    note: str = ""

    def __getitem__(self, key: str) -> Any:
        return self.fields[key]

    def _repr_html_(self) -> str:
        rows = [(WORDS.get(key, key), shown(value)) for key, value in self.fields.items()]
        body = "".join(f"<tr><th>{escape(key)}</th><td>{escape(value)}</td></tr>" for key, value in rows)
        note = f"<p>{escape(self.note)}</p>" if self.note else ""
        return f"<p><b>{escape(self.title)}</b></p><table>{body}</table>{note}"

    def __repr__(self) -> str:
        fields = ", ".join(f"{key}: {shown(value)}" for key, value in self.fields.items())
        return " ".join(part for part in (self.title, fields, self.note) if part)


def html_table(rows: Sequence[Mapping[str, Any]], *, title: str, empty: str) -> str:
    """Records as an HTML table; the columns are the keys in the order they first appear."""
    heading = f"<p><b>{escape(title)}</b></p>" if title else ""
    if not rows:
        return f"{heading}<p>{escape(empty)}</p>"
    keys = list(dict.fromkeys(key for row in rows for key in row))
    head = "".join(f"<th>{escape(WORDS.get(key, key))}</th>" for key in keys)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(shown(row.get(key)))}</td>" for key in keys) + "</tr>" for row in rows
    )
    return f"{heading}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def shown(value: Any) -> str:
    """A value as a person reads it: both languages of a label, short numbers."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        if value.keys() == {"ja", "en"}:
            return f"{value['ja']} / {value['en']}"
        return ", ".join(f"{key} = {shown(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(shown(inner) for inner in value)
    if isinstance(value, float):
        return f"{value:,.6g}"
    return PROTECTIONS.get(str(value), str(value))


def page(html: str, *, height: int = 640) -> str:
    """A whole HTML page inside the notebook, in a frame of its own that runs no script."""
    return f'<iframe sandbox="" srcdoc="{escape(html, quote=True)}" style="width:100%;height:{height}px;border:1px solid #ccc"></iframe>'
