"""
Applying levels to a table: the release's own recoding (`workbench.scoring.recode`), and no other code.

A model trained on the release meets its categories again because the scorer runs the same function.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from workbench.errors import Unusable
from workbench.privacy.anonymity.classes import categories, require_columns
from workbench.privacy.anonymity.hierarchies import Hierarchy
from workbench.privacy.anonymity.step import Step
from workbench.scoring import recode
from workbench.scoring.recode import MISSING, UNSEEN


@dataclass(frozen=True)
class Generalisation(Step):
    """
    Full-domain generalisation: the recoding of `items`, the same for every row.

    Raises Unusable for a value that the recoding does not know.
    """

    items: Mapping[str, Any]

    name: ClassVar[str] = "generalisation"

    def change(self, frame: pd.DataFrame) -> pd.DataFrame:
        spec = {"schema": recode.SCHEMA, "items": dict(self.items)}
        recode.check(spec)
        for name in require_columns(frame, [*self.items]):
            if UNSEEN in set(relabelled(frame[name], self.items[name])):
                raise Unusable(
                    ja=f"項目「{name}」に、変換表にない値があります。階層表にその値の行を加えるか、表の値を直してください。",
                    en=f"'{name}' holds a value that its recoding does not know; add a row for it to the hierarchy or "
                    "correct the table.",
                )
        return recoded(frame, spec)


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
