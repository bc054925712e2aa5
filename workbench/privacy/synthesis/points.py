"""Rows as points: what the attacks measure distances in, and what the learners learn from."""

from typing import Any

import numpy as np
import pandas as pd

from workbench.privacy.synthesis.columns import Column, Columns

Points = np.ndarray[Any, np.dtype[np.float32]]


def encoded(frame: pd.DataFrame, *, columns: Columns) -> Points:
    """
    Rows as points: two labels of a category are 1 apart, two numbers by their share of the register's range.

    A missing value is a label of its own, for who has no score is not an average child. Bounds come from
    `columns`, so that two tables are spelled alike.
    """
    return np.hstack([encoded_item(frame[name], column) for name, column in columns.items()])


def encoded_item(values: "pd.Series[Any]", column: Column) -> Points:
    if column.is_category:
        codes = pd.Categorical(values.astype("object"), categories=list(column.labels)).codes
        return np.asarray(np.eye(len(column.labels) + 1, dtype=np.float32)[codes] / np.sqrt(2), np.float32)
    numbers = numeric(values)
    low = column.minimum or 0.0
    high = column.maximum if column.maximum is not None else low + 1
    missing = np.isnan(numbers)
    # Wide ranges are for rare children; a logarithm keeps the others apart.
    part = np.log1p(np.clip(numbers - low, 0, None)) / np.log1p(max(high - low, 1.0))
    return np.column_stack([np.where(missing, 0.0, part), missing]).astype(np.float32)


def numeric(values: "pd.Series[Any]") -> "np.ndarray[Any, np.dtype[np.float64]]":
    """The values as numbers, nan where nothing is known."""
    return pd.to_numeric(values, errors="coerce").astype("Float64").to_numpy(float, na_value=np.nan)
