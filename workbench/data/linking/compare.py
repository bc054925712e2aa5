"""
What is compared: how a source or the register describes a person, and the normal forms of it.

A description has the same parts on both sides (Identity), and a rule names the fields made from them. A
field that is missing or that normalises to nothing is None, and None is never compared.
"""

from collections.abc import Callable, Mapping

import pandas as pd

from workbench.data.linking.address import address
from workbench.data.linking.normalise import (
    code,
    date,
    fold,
    given_kana,
    kana,
    kana_in_any_order,
    name,
    name_in_any_order,
)
from workbench.data.linking.sources import SOURCES, Identity, describing

# compared field: (part of the description, normal form)
FIELDS: dict[str, tuple[str, Callable[[str], str | None]]] = {
    "number": ("number", code),
    "name": ("name", name),
    "words": ("name", name_in_any_order),
    "kana": ("kana", kana),
    "sounds": ("kana", kana_in_any_order),
    "given": ("kana", given_kana),
    "birth": ("birth", date),
    "sex": ("sex", code),
    "place": ("address", address),
}


def description(frame: pd.DataFrame, identity: Identity) -> pd.DataFrame:
    """The parts of the description of each row, as written; None for a part the table does not have."""
    parts = {part: frame.get(column) for part, column in identity._asdict().items()}
    return pd.DataFrame(parts, index=frame.index, dtype=object)


def field(described: pd.DataFrame, name: str) -> pd.Series:
    """A compared field of each description, normalised."""
    part, normal = FIELDS[name]
    return fold(described[part], normal)


def records(tables: Mapping[str, pd.DataFrame], source: str) -> pd.DataFrame:
    """How every table that uses the numbers of `source` describes each number: distinct rows, with `key`."""
    described = [
        # Yearly tables repeat themselves: what is written alike is looked at once.
        description(tables[table], SOURCES[table].describes)
        .assign(key=keys(tables[table], table))
        .drop_duplicates()
        for table in describing(source)
        if table in tables
    ]
    return pd.concat(described, ignore_index=True).dropna(subset=["key"]).drop_duplicates(ignore_index=True)


def keys(frame: pd.DataFrame, table: str) -> pd.Series:
    """The holder's number of each row, normalised."""
    return fold(frame[SOURCES[table].key], code)
