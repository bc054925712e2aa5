"""
From a table to the rows that count: filtered, bounded, in public cells and whole steps.

Nothing here fails on what a value is: what is no number or no known category is missing, what lies outside a
range is clipped to it. What is kept of a household depends on that household alone, so two tables that
differ in one household differ in its rows and in no other's.
"""

import datetime as dt
import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench.privacy.dp.kinds.interface import Numbers, Question, Rows
from workbench.privacy.dp.source import Number, Source
from workbench.scoring import recode

Flags = np.ndarray[Any, np.dtype[np.bool_]]
# What a cell of a table may hold; anything else is told apart by nothing but its being there.
PLAIN = (str, int, float, dt.date, dt.time)


def read(question: Question, *, source: Source, table: pd.DataFrame, key: bytes | None) -> Rows:
    """
    The rows of `table` that the question is about.

    At most `rows_per_household` rows of a household stay, chosen by a hash of what is asked of them under
    `key`; None bounds nothing, for synthetic rows, which have no households.
    """
    labels = {item: known(item, source=source, values=table[item]) for item in wanted(question)}
    numbers = {item: in_steps(table[item], question.number(item, source)) for item in question.measured}
    kept = of_year(table, source) & chosen(question, labels)
    for _, readable in numbers.values():
        kept &= readable
    places = np.flatnonzero(kept)
    rows = Rows(
        cell=cell_of(question, source, labels)[places] if question.keys else np.zeros(len(places), np.int64),
        numbers={item: steps[places] for item, (steps, _) in numbers.items()},
        keys=[] if question.open is None else open_keys(table[question.open].iloc[places]),
    )
    return rows if key is None else bounded(rows, texts(table[source.household].iloc[places]), source, key)


def wanted(question: Question) -> list[str]:
    return list(dict.fromkeys([*question.keys, *(item for item, _ in question.where)]))


def of_year(table: pd.DataFrame, source: Source) -> Flags:
    if source.year_item is None or source.year is None:
        return np.ones(len(table), dtype=bool)
    asked = str(source.year)
    return np.array([year == asked for year in texts(table[source.year_item])], dtype=bool)


def chosen(question: Question, labels: dict[str, list[str]]) -> Flags:
    """The rows that have one of the labels of every item that the question names."""
    kept = np.ones(len(next(iter(labels.values()), [])), dtype=bool) if labels else np.True_
    for item, allowed in question.where:
        kept = kept & np.isin(np.array(labels[item], dtype=object), list(allowed))
    return np.asarray(kept)


def cell_of(question: Question, source: Source, labels: dict[str, list[str]]) -> Numbers:
    """The place of each row among the question's public cells."""
    place = np.zeros(len(labels[question.keys[0]]), dtype=np.int64)
    for item in question.keys:
        public = source.labels(item)
        at = {label: number for number, label in enumerate(public)}
        place = place * len(public) + np.array([at[label] for label in labels[item]], dtype=np.int64)
    return place


def bounded(rows: Rows, households: Sequence[str | None], source: Source, key: bytes) -> Rows:
    """
    At most `rows_per_household` rows of each household, by the order of a keyed hash.

    A row without a household is one of its own: it can be added or removed alone.
    """
    columns = np.column_stack([rows.cell, *rows.numbers.values()])
    told = rows.keys or [""] * len(columns)
    tags = [
        hashlib.blake2b(
            f"{household}\0{open_key}\0".encode() + row.tobytes(), key=key, digest_size=16
        ).digest()
        for household, open_key, row in zip(households, told, columns, strict=True)
    ]
    order = sorted(range(len(tags)), key=tags.__getitem__)
    seen: dict[str, int] = {}
    kept = []
    for place in order:
        household = households[place]
        if household is not None:
            seen[household] = seen.get(household, 0) + 1
        if household is None or seen[household] <= source.rows_per_household:
            kept.append(place)
    stay = np.array(sorted(kept), dtype=np.int64)
    return Rows(
        cell=rows.cell[stay],
        numbers={item: steps[stay] for item, steps in rows.numbers.items()},
        keys=[rows.keys[place] for place in stay] if rows.keys else [],
    )


def known(item: str, *, source: Source, values: Any) -> list[str]:
    """The public label of each value. What the recoding does not know counts as missing, so no cell appears."""
    spec = source.items[item]
    missing = recode.missing_label(spec)
    # A column of one type goes as it is; a mixed one as text, where 7, 7.0 and "7" are one.
    typed = values if pd.api.types.is_numeric_dtype(values) else pd.array(texts(values), dtype="string")
    labels = recode.apply(spec, typed).to_pylist()
    return [missing if label is None or label == recode.UNSEEN else label for label in labels]


def in_steps(values: "pd.Series[Any]", number: Number) -> tuple[Numbers, Flags]:
    """Each value in steps of its public range, clipped to it, and which are numbers at all."""
    if pd.api.types.is_numeric_dtype(values):
        found = values.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        found = np.array([math.nan if text is None else as_number(text) for text in texts(values)])
    readable = np.isfinite(found)
    clipped = np.clip(np.where(readable, found, number.minimum), number.minimum, number.maximum)
    steps = np.rint(clipped / number.step).astype(np.int64)
    return np.clip(steps, number.low, number.high), readable


def as_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def open_keys(values: "pd.Series[Any]") -> list[str]:
    """
    The keys of an item without a public list, as printable text; what is missing is a key of its own.

    OpenDP ends a text at its first zero: two keys that are told apart here must not become one there.
    """
    return [recode.MISSING if text is None else printable(text) for text in texts(values)]


def printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in text)


def texts(values: "pd.Series[Any]") -> list[str | None]:
    """Each value as text, 7, 7.0 and "7" alike; None for what is missing or empty."""
    return [None if raw is None or raw is pd.NA else text_of(raw) for raw in values.tolist()]


def text_of(raw: Any) -> str | None:
    if raw is pd.NaT:
        return None
    text = recode.spelled(raw if isinstance(raw, PLAIN) else str(raw))
    # Half a sign (a lone surrogate) cannot be written down, and would be an error further on.
    return None if text is None else text.encode("utf-8", "backslashreplace").decode()
