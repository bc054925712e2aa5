"""
Does the model tell an attribute of a child it was trained on better than of one it never saw?

The attacker knows every item of a row but one, and its outcome, and takes the value under which the model is
least surprised by that outcome (Fredrikson et al., CCS 2015). Much of what such an attacker finds is
imputation: it holds for strangers as well, and for no model at all. What is measured is what the model adds
to the best guess without it, for training rows, beyond what it adds for others (Jayaraman and Evans, "Are
attribute inference attacks just imputation?", CCS 2022).
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from workbench.riskflag.membership import Pool
from workbench.riskflag.metrics import Z95, Interval
from workbench.scoring import engine
from workbench.scoring.model import Model

Floats = npt.NDArray[np.float64]
MOST_VALUES = 20
BANDS = 4


def excess(model: Model, among: Pool, *, items: Sequence[str]) -> dict[str, Interval]:
    """What the model adds for members beyond what it adds for strangers, by item; 0 by guessing."""
    return {item: beyond(gain(model, among, item=item), among) for item in items if item in model.items}


def gain(model: Model, among: Pool, *, item: str) -> Floats:
    """For each row 1, 0 or -1: the attacker right with the model, less right without it."""
    frame = among.rows.part.frame
    codes, values = choices(frame[item])
    shares = np.bincount(codes[among.member & (codes >= 0)], minlength=len(values)) + 1
    prior = np.log(shares / shares.sum())
    told = np.stack([surprise(model, among, item=item, value=value) for value in values], axis=1)
    right = (told + prior).argmax(axis=1) == codes
    blind = prior.argmax() == codes
    return right.astype(float) - blind.astype(float)


def choices(column: "pd.Series[Any]") -> tuple[npt.NDArray[np.int64], list[Any]]:
    """The place of each row's value among those the attacker tries; -1 for a missing one. Numbers in bands."""
    codes, values = pd.factorize(column)
    if len(values) <= MOST_VALUES or not pd.api.types.is_numeric_dtype(column):
        common = np.argsort(-np.bincount(codes[codes >= 0], minlength=len(values)), kind="stable")
        place = np.full(len(values) + 1, -1, dtype=np.int64)
        place[common[:MOST_VALUES]] = np.arange(min(MOST_VALUES, len(values)))
        return place[codes], [values[one] for one in common[:MOST_VALUES]]
    bands = pd.qcut(column.astype(float), BANDS, labels=False, duplicates="drop")
    middles = column.astype(float).groupby(bands).median()
    return bands.fillna(-1).to_numpy(dtype=np.int64), list(middles)


def surprise(model: Model, among: Pool, *, item: str, value: Any) -> Floats:
    """The logarithm of what the model gives to each row's outcome if the item had this value."""
    table = among.rows.part.table(model.items)
    place = table.column_names.index(item)
    kind = table.schema.field(place).type
    table = table.set_column(place, item, pa.array([value] * table.num_rows, from_pandas=True).cast(kind))
    logits = np.where(among.rows.labels, 1.0, -1.0) * engine.score(model, table).scores / 1000
    return np.asarray(-np.logaddexp(0.0, -logits), dtype=np.float64)


def beyond(gained: Floats, among: Pool) -> Interval:
    """The mean gain of members less that of strangers, with its interval by households."""
    inside, outside = gained[among.member], gained[~among.member]
    value = float(inside.mean() - outside.mean())
    variance = float(inside.var()) / len(inside) + float(outside.var()) / len(outside)
    margin = Z95 * math.sqrt(variance * among.design_effect)
    return Interval(value, value - margin, value + margin)
