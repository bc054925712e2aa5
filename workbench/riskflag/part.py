"""
One part of an admitted dataset, train or test, with what a model must carry away from it.

The split, by household and by time, was drawn in the coordinating room before anything was released; a
part holds generalised values and no name, number or household.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from workbench.artifact.manifest import Manifest
from workbench.errors import NotFound
from workbench.riskflag.dictionary import Dictionary
from workbench.scoring import plain_json, recode

DICTIONARY = "dictionary.json"
RECIPE = "recipe.public.json"
REPORT = "report/report.json"
KEEP: Mapping[str, Any] = {"kind": "keep"}


@dataclass(frozen=True)
class Source:
    """Which dataset a part belongs to. `digest` is its manifest's; a model inherits the purpose."""

    name: str
    version: str
    digest: str
    purpose: str
    protection: str
    report: str | None = None

    @classmethod
    def of(cls, manifest: Manifest, *, purpose: str) -> "Source":
        """The source that a dataset's manifest describes, admitted for `purpose`."""
        report = manifest.files.get(REPORT)
        return cls(
            name=manifest.name,
            version=manifest.version,
            digest=manifest.digest,
            purpose=purpose,
            protection=str(manifest.meta.get("protection", "")),
            report=report.sha256 if report else None,
        )

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


def read_part(content_of: Callable[[str], bytes], *, name: str, source: Source) -> Part:
    """
    The part `name` of a record-level dataset whose files `content_of` gives by path.

    Hand in the reader of a verified bundle (`manifest.content`), so that what was verified is what is read.
    """
    data = pa.BufferReader(content_of(f"data/{name}.parquet"))
    return Part(
        name=name,
        frame=pyarrow.parquet.read_table(data).to_pandas(ignore_metadata=True),
        dictionary=Dictionary.of(plain_json.read(content_of(DICTIONARY), name=DICTIONARY)),
        recode=recoding_of(content_of, source=source),
        source=source,
    )


def recoding_of(content_of: Callable[[str], bytes], *, source: Source) -> dict[str, Any]:
    """The release's recoding; an empty one for a dataset that was not generalised, such as a synthetic one."""
    try:
        return recode.read(content_of(RECIPE))
    except NotFound:
        return {"schema": recode.SCHEMA, "release": f"{source.name}@{source.version}", "items": {}}
