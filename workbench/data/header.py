"""
Matching the header of an extract to the register: every column is registered, and every item is there.

A column is known by its item's name or its Japanese label. A header may hold anything, even data where the
header row is missing, so a name is shown only when others of its row are known, it carries no number of a
person, and it is short and has a letter: digits alone may be half of such a number.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from workbench.data.individual_number import Scan, is_forbidden_name, mentions, plain_digits, scan
from workbench.data.item import Item, never_registered
from workbench.errors import Refused, Unusable

SHOWN = 5
SHOWN_LENGTH = 40
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class UnregisteredColumn(Refused):
    """A column that the register does not list."""

    rule = "unregistered_column"


class ForbiddenNumber(Refused):
    """A number that must never enter: an Individual Number or a resident record code."""

    rule = "forbidden_number"


def match_header(header: Sequence[str], items: Sequence[Item]) -> dict[str, int]:
    """Where each item's column is. Raises for what is forbidden, doubled, unregistered or lacking."""
    refuse_numbers(header)
    found = [known_names(items).get(clean(column)) for column in header]
    if not any(found):
        raise no_header()
    refuse_unregistered(header, found)
    refuse_doubled([name for name in found if name])
    refuse_lacking(items, found)
    return {str(name): position for position, name in enumerate(found)}


def clean(column: str) -> str:
    return column.strip().removeprefix("\ufeff")


def known_names(items: Sequence[Item]) -> dict[str, str]:
    """Every name a column may have. A label that two items share names neither."""
    labels = Counter(item.label["ja"] for item in items)
    by_label = {item.label["ja"]: item.name for item in items if labels[item.label["ja"]] == 1}
    return {**by_label, **{item.name: item.name for item in items}}


def refuse_numbers(header: Sequence[str]) -> None:
    for position, column in enumerate(header, start=1):
        if is_forbidden_name(column):
            raise ForbiddenNumber(ja=never_registered().ja, en=never_registered().en)
        if mentions(column):
            raise ForbiddenNumber(
                ja=f"見出しの {position} 列目に個人番号と見られる番号があります。番号を除いて送り直してもらってください。",
                en=f"The header's column {position} holds what reads as an Individual Number; have the file sent without it.",
            )


def refuse_unregistered(header: Sequence[str], found: Sequence[str | None]) -> None:
    names = [
        shown(column, position) for position, column in enumerate(header, start=1) if not found[position - 1]
    ]
    if names:
        listed = ", ".join(names[:SHOWN]) + (" …" if len(names) > SHOWN else "")
        raise UnregisteredColumn(
            ja=f"データ項目台帳にない列が {len(names)} 列あります: {listed}。列を除いて送り直してもらうか、必要性を確かめて台帳に登録してください。",
            en=f"{len(names)} columns are not in the item register: {listed}. Have them removed, or register them with their reason.",
        )


def shown(column: str, position: int) -> str:
    """A column's name for a message; its position where the name is empty or could be something else."""
    name = clean(column)
    has_letter = any(character.isalpha() for character in plain_digits(name))
    if not has_letter or len(name) > SHOWN_LENGTH or CONTROL.search(name):
        return f"#{position}"
    return name


def refuse_doubled(names: Sequence[str]) -> None:
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        raise Unusable(
            ja=f"同じ列が二度以上あります: {', '.join(doubled)}。どちらが正しいか保有元で確かめ、一つにしてください。",
            en=f"A column comes more than once: {', '.join(doubled)}; have the holder keep the right one.",
        )


def refuse_lacking(items: Sequence[Item], found: Sequence[str | None]) -> None:
    lacking = [item.name for item in items if item.name not in found]
    if lacking:
        raise Unusable(
            ja=f"台帳にある列がファイルにありません: {', '.join(lacking)}。保有元に確かめるか、台帳を直してください。",
            en=f"The file lacks columns of the register: {', '.join(lacking)}; ask the holder, or correct the register.",
        )


def no_header() -> Unusable:
    return Unusable(
        ja="1 行目に台帳の列が一つもありません。見出し行のあるファイルか、表の名前が合っているかを確かめてください。",
        en="The first row holds no column of the register; check that the file has a header and belongs to this table.",
    )


def refuse_numbers_in(words: Sequence[str], *, item: str) -> None:
    """The same of the distinct values of a column that stays on its engine."""
    for _, ja, en in forbidden(scan(pa.array(words, type=pa.string()))):
        raise ForbiddenNumber(
            ja=f"列 {item} に{ja}と見られる番号があります。測りません。番号を除いた表を使ってください。",
            en=f"Column '{item}' holds what reads as {en}; nothing is measured. Use a table without it.",
        )


def forbidden(found: Scan) -> Iterator[tuple[np.ndarray, str, str]]:
    """Which values are numbers that must never enter, and what they are called; nothing for none."""
    marks = (
        (found.individual, "個人番号", "an Individual Number"),
        (found.resident, "住民票コード", "a resident record code"),
    )
    return (mark for mark in marks if np.any(mark[0]))
