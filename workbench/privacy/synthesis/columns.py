"""
What is public about a table that is to be synthesised: kinds, ranges and categories from the register.

SDV's own detection of metadata would store exact extremes and rare categories of the data; nothing here
is read from the data.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from workbench.errors import Unusable


@dataclass(frozen=True)
class Column:
    """`labels` for a category; `minimum`, `maximum`, `whole` and public cut points for a number."""

    labels: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    whole: bool = True
    cuts: tuple[float, ...] = ()

    @property
    def is_category(self) -> bool:
        return bool(self.labels)


Columns = Mapping[str, Column]


def check(frame: pd.DataFrame, *, columns: Columns, least: int = 2) -> None:
    """Raise Unusable unless the frame has exactly these columns and at least so many rows."""
    if set(frame.columns) != set(columns):
        wrong = sorted(set(frame.columns) ^ set(columns))
        raise Unusable(
            ja=f"合成の対象と台帳の項目が一致しません: {'、'.join(wrong)}。",
            en=f"The table and its register differ in these items: {', '.join(wrong)}.",
        )
    if len(frame) < least:
        raise Unusable(
            ja="合成には2行以上のデータが必要です。", en="Synthesis needs a table of at least two rows."
        )


def bounded(frame: pd.DataFrame, *, columns: Columns) -> pd.DataFrame:
    """
    Every value within what the register allows, so that no extreme of the data shows through.

    Numbers are clipped and rounded; a category the register does not list becomes missing.
    """
    within = {name: bounded_column(frame[name], column=column) for name, column in columns.items()}
    return pd.DataFrame(within, index=pd.RangeIndex(len(frame)))


def bounded_column(values: pd.Series, *, column: Column) -> pd.Series:
    values = values.reset_index(drop=True)
    if column.is_category:
        return values.astype("object").where(values.isin(column.labels), None)
    numbers = pd.to_numeric(values, errors="coerce").astype("Float64")
    numbers = numbers.clip(lower=column.minimum, upper=column.maximum)
    return numbers.round().astype("Int64") if column.whole else numbers.round(1)
