"""
One part of an admitted dataset, train or test, with what a model must carry away from it.

The split, by household and by time, was drawn in the coordinating room before anything was released; a
part holds generalised values and no name, number or household.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from workbench.riskflag.dictionary import Dictionary
from workbench.scoring import recode

DICTIONARY = "dictionary.json"
RECIPE = "recipe.public.json"
KEEP: Mapping[str, Any] = {"kind": "keep"}


@dataclass(frozen=True)
class Source:
    """Which dataset a part belongs to. `digest` is the bundle's; a model inherits the purpose."""

    name: str
    version: str
    digest: str
    purpose: str
    protection: str
    report: str | None = None

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True)
class Part:
    """The rows of one part. `frame` is an ordinary DataFrame; changing it changes no dataset."""

    name: str
    frame: pd.DataFrame
    dictionary: Dictionary
    recode: Mapping[str, Any]
    source: Source

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def columns(self) -> list[str]:
        return list(self.frame.columns)

    def recoding(self, item: str) -> Mapping[str, Any]:
        """How the release generalised an item; `keep` when it did not."""
        found: Mapping[str, Any] = self.recode["items"].get(item, KEEP)
        return found

    def table(self, items: Sequence[str]) -> pa.Table:
        """The items as the scoring engine reads them."""
        return pa.Table.from_pandas(self.frame[list(items)], preserve_index=False)

    def _repr_html_(self) -> str:
        title = {"train": "訓練用 / training part", "test": "検証用 / test part"}.get(self.name, self.name)
        return (
            f"<p><b>{title}</b>: {len(self):,} 行 rows × {len(self.columns)} 項目 items</p>"
            + self.frame.head().to_html()
        )


def read_part(folder: Path, *, name: str, source: Source, targets: tuple[str, ...] = ()) -> Part:
    """The part `name` of the dataset bundle in `folder`, which somebody has verified."""
    dictionary = json.loads((folder / DICTIONARY).read_bytes())
    recipe = folder / RECIPE
    return Part(
        name=name,
        frame=pyarrow.parquet.read_table(folder / "data" / f"{name}.parquet").to_pandas(ignore_metadata=True),
        dictionary=Dictionary.of(dictionary, targets=targets),
        recode=recode.read(recipe.read_bytes()) if recipe.is_file() else nothing_recoded(source),
        source=source,
    )


def nothing_recoded(source: Source) -> dict[str, Any]:
    """The recoding of a dataset that was not generalised, such as a synthetic one."""
    return {"schema": recode.SCHEMA, "release": f"{source.name}@{source.version}", "items": {}}
