"""
What a table says, whatever the order of its rows: one order for equal tables, and one digest.

The order in which rows came in is information about the people in them: a register is often sorted by
household or by date of entry. So what leaves a transformation stands in an order of its own words.
"""

import hashlib
import json

import numpy as np
import pandas as pd

from workbench.privacy.anonymity.classes import categories, require_columns


def in_no_order(frame: pd.DataFrame) -> pd.DataFrame:
    """
    `frame` sorted by what its cells read, from the first column on, and numbered from 0.

    Two tables of the same rows come out equal, and neither index nor order of the source is left. Raises
    Unusable for a column name that stands twice.
    """
    names = require_columns(frame, [*frame.columns])
    order = np.lexsort([categories(frame[name]).codes for name in reversed(names)])
    ordered: pd.DataFrame = frame.iloc[order].reset_index(drop=True)
    return ordered


def digest(frame: pd.DataFrame) -> str:
    """
    SHA-256 over the columns' names and the cells as they read, in hexadecimal.

    Neither the rows' order nor the index nor the way a value is stored (1, 1.0, "1") changes it.
    """
    found = hashlib.sha256(json.dumps([len(frame), *frame.columns]).encode())
    ordered = in_no_order(frame)
    for name in ordered.columns:
        column = categories(ordered[name])
        # Words before codes, each with its own length in front: no two tables give the same bytes.
        words = json.dumps(column.words).encode()
        found.update(len(words).to_bytes(8, "big") + words + column.codes.astype(">i8").tobytes())
    return found.hexdigest()
