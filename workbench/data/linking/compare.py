"""
What is compared: the normalised fields of each record of a source and of each person of the register.

Both sides have the same columns, so that a rule is the names of columns. A field that is missing or that
normalises to nothing is None, and None is never compared.
"""

from collections.abc import Mapping

import pandas as pd

from workbench.data.linking.address import address
from workbench.data.linking.normalise import (
    code,
    date,
    fold,
    kana,
    kana_in_any_order,
    name,
    name_in_any_order,
)
from workbench.data.linking.sources import SOURCES, Identity, describing


def given(text: str) -> str | None:
    """The given name of a reading whose words are apart: the last word."""
    words = str(text).split()
    return kana(words[-1]) if len(words) > 1 else None


# compared field: (field of the description, normal form)
FIELDS = {
    "number": ("number", code),
    "name": ("name", name),
    "words": ("name", name_in_any_order),
    "kana": ("kana", kana),
    "sounds": ("kana", kana_in_any_order),
    "given": ("kana", given),
    "birth": ("birth", date),
    "sex": ("sex", code),
    "place": ("address", address),
}


def compared(frame: pd.DataFrame, identity: Identity) -> pd.DataFrame:
    """The compared fields of each row of `frame`, under the frame's index."""
    described = identity._asdict()
    return pd.DataFrame(
        {
            field: fold(frame[described[part]], normal) if described[part] in frame else None
            for field, (part, normal) in FIELDS.items()
        },
        index=frame.index,
        dtype=object,
    )


def records(tables: Mapping[str, pd.DataFrame], source: str) -> pd.DataFrame:
    """How every table that uses the numbers of `source` describes each number: distinct rows, with `key`."""
    described = [
        compared(tables[table], SOURCES[table].describes).assign(key=keys(tables[table], table))
        for table in describing(source)
        if table in tables
    ]
    return pd.concat(described, ignore_index=True).dropna(subset=["key"]).drop_duplicates(ignore_index=True)


def keys(frame: pd.DataFrame, table: str) -> pd.Series:
    """The holder's number of each row, normalised."""
    return fold(frame[SOURCES[table].key], code)
