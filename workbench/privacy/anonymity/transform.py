"""
Applying levels to a table: the release's own recoding (`workbench.scoring.recode`), and no other code.

A model trained on the release meets its categories again because the scorer runs the same function.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from workbench.errors import Unusable
from workbench.privacy.anonymity.classes import categories, require_columns
from workbench.privacy.anonymity.hierarchies import Hierarchy
from workbench.privacy.anonymity.step import Step
from workbench.privacy.anonymity.suppression import RecordSuppression
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
        return checked(frame, self.items)


@dataclass(frozen=True)
class LocalRecoding(Step):
    """
    Generalisation in rounds: what each round of `rounds` (a recoding of items) makes safe is released so,
    what remains goes to the next, and what remains at the end is left out.

    `released` names, for each round, the combinations of `items` that leave with it, as they read then.
    They are secret: what left late was rare.
    """

    items: tuple[str, ...]
    rounds: tuple[Mapping[str, Any], ...]
    released: tuple[tuple[tuple[str, ...], ...], ...] = field(repr=False)

    name: ClassVar[str] = "local_recoding"
    SECRET: ClassVar[tuple[str, ...]] = ("released",)

    def change(self, frame: pd.DataFrame) -> pd.DataFrame:
        left, leaving = frame, []
        for recoding, combinations in zip(self.rounds, self.released, strict=True):
            after = checked(left, recoding)
            leaves = RecordSuppression(self.items, combinations).marked(after)
            leaving.append(after[leaves])
            left = left[~leaves]
        return pd.concat(leaving) if leaving else left.head(0)


def checked(frame: pd.DataFrame, items: Mapping[str, Any]) -> pd.DataFrame:
    """`frame` recoded, every value known to its recoding."""
    spec = {"schema": recode.SCHEMA, "items": dict(items)}
    recode.check(spec)
    require_columns(frame, [*items])
    after = recoded(frame, spec)
    for name, item in items.items():
        if item["kind"] != "keep" and UNSEEN in set(after[name]):
            raise Unusable(
                ja=f"項目「{name}」に、変換表にない値があります。階層表にその値の行を加えるか、表の値を直してください。",
                en=f"'{name}' holds a value that its recoding does not know; add a row for it to the hierarchy or "
                "correct the table.",
            )
    return after


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
