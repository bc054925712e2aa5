"""
Applying levels to a table: the release's own recoding (`workbench.scoring.recode`), and no other code.

A model trained on the release meets its categories again because the scorer runs the same function.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from workbench.privacy.anonymity.classes import categories
from workbench.privacy.anonymity.hierarchies import Hierarchy
from workbench.scoring import recode
from workbench.scoring.recode import MISSING


def spec_of(
    columns: list[str], *, hierarchies: Mapping[str, Hierarchy], levels: Mapping[str, int]
) -> dict[str, Any]:
    """The recoding of `columns` at `levels`; an item without a level is kept as it is."""
    keep: dict[str, Any] = {"kind": "keep"}
    items = {name: hierarchies[name].recode(levels[name]) if name in levels else keep for name in columns}
    return {"schema": recode.SCHEMA, "items": items}


def recoded(frame: pd.DataFrame, spec: Mapping[str, Any]) -> pd.DataFrame:
    """`frame` with the items of `spec` recoded, its rows and index as they were."""
    return frame.assign(
        **{
            name: relabelled(frame[name], item)
            for name, item in spec["items"].items()
            if item["kind"] != "keep"
        }
    )


def relabelled(values: pd.Series, item: Mapping[str, Any]) -> Any:
    """The labels of `values`. Each spelling is recoded once, so a column of mixed types is no obstacle."""
    column = categories(values)
    if not column.size:
        return values.astype(object)
    raws = [None if spelling == MISSING else spelling for spelling in column.words]
    labels = np.array(recode.apply(item, raws).to_pylist(), dtype=object)
    return labels[column.codes]
