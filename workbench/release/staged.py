"""
A record-level bundle as the checks see it: what would leave, and the source rows it came from.

The evidence says only which source row each released row is. Everything else is read from the raw store
and the register, so that a preparer who errs, or lies, is contradicted by the data.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from workbench.artifact.tree import digest_of
from workbench.data.register import Item, Table
from workbench.errors import Unusable
from workbench.privacy.anonymity.classes import Classes
from workbench.release.room import Room, quasi_identifiers, sensitive
from workbench.release.split import PARTS, Flags, Numbers, Part, assign
from workbench.scoring import recode

DATA = {part: f"data/{part}.parquet" for part in PARTS}
RECIPE = "recipe.public.json"
DICTIONARY = "dictionary.json"
ALIGNMENT = "alignment.parquet"
SECRET = "recipe.secret.json"  # noqa: S105  the name of a file
# The column that tells the parts apart while they are measured together. No item of a register has this name.
PART = "(part)"
NOWHERE = -1


@dataclass(frozen=True)
class Rows:
    """A record-level bundle in its staging folder."""

    bundle: Path
    evidence: Path
    room: Room

    @cached_property
    def arrow(self) -> dict[Part, pa.Table]:
        """Each part's table as it stands in its file, schema metadata and all."""
        return {part: _parquet(self.bundle / path) for part, path in DATA.items()}

    @cached_property
    def released(self) -> pd.DataFrame:
        """Train over test, with the column PART; a clean index."""
        frames = [
            table.to_pandas(ignore_metadata=True).assign(**{PART: str(part)})
            for part, table in self.arrow.items()
        ]
        released: pd.DataFrame = pd.concat(frames, ignore_index=True)
        return released

    @cached_property
    def columns(self) -> list[str]:
        """The released columns, in order."""
        return [name for name in self.released.columns if name != PART]

    @cached_property
    def recipe(self) -> Mapping[str, Any]:
        """The published recoding, checked."""
        return recode.read((self.bundle / RECIPE).read_bytes())

    @cached_property
    def secret(self) -> Mapping[str, Any]:
        """What only this room may know of the making: table, its digest, the seed of the split."""
        found: Mapping[str, Any] = json.loads((self.evidence / SECRET).read_bytes())
        return found

    @cached_property
    def table(self) -> Table:
        return self.room.register[self.secret["table"]]

    @cached_property
    def source(self) -> pd.DataFrame:
        """The raw table, its rows numbered from 0."""
        return self.room.raw.get(self.secret["table"]).reset_index(drop=True)

    @property
    def source_digest(self) -> str:
        """The digest of the raw table's file as it is now."""
        return digest_of(self.room.home.raw / f"{self.secret['table']}.parquet")

    @cached_property
    def origin(self) -> Numbers:
        """The source row of each released row."""
        alignment = _parquet(self.evidence / ALIGNMENT).to_pandas()
        kept = alignment[alignment["position"] != NOWHERE]
        order = pd.Categorical(kept["part"], categories=[str(part) for part in PARTS], ordered=True)
        placed = kept.assign(part=order).sort_values(["part", "position"])
        return np.asarray(placed["source"], dtype=np.int64)

    @cached_property
    def split(self) -> "pd.Series[str]":
        """The part of each source row, drawn again from the seed."""
        return assign(
            self.source,
            person=self.room.person,
            household=self.room.household,
            time=self.room.project.time,
            targets=self.room.targets,
            test_share=self.room.project.test_share,
            seed=bytes.fromhex(self.secret["seed"]),
        )

    @cached_property
    def in_scope(self) -> Flags:
        """The source rows that belong to one of the parts."""
        return np.asarray(self.split != str(Part.OUTSIDE))

    @cached_property
    def suppressed(self) -> Flags:
        """The source rows in scope that were not released."""
        released = np.zeros(len(self.source), dtype=bool)
        released[self.origin] = True
        return np.asarray(self.in_scope & ~released)

    @cached_property
    def persons(self) -> "pd.Series[Any] | None":
        return self._of_source(self.room.person)

    @cached_property
    def households(self) -> "pd.Series[Any] | None":
        return self._of_source(self.room.household)

    def _of_source(self, column: str | None) -> "pd.Series[Any] | None":
        """A source column, one value for each released row."""
        return None if column is None else self.source[column].iloc[self.origin].reset_index(drop=True)

    @cached_property
    def known(self) -> list[Item]:
        """The released columns that the register knows."""
        return [self.table[name] for name in self.columns if name in self.table.by_name]

    @cached_property
    def quasi_identifiers(self) -> list[str]:
        return quasi_identifiers(self.table, among=self.columns)

    @cached_property
    def sensitive(self) -> list[str]:
        return sensitive(self.table, among=self.columns)

    @cached_property
    def classes(self) -> Classes:
        """
        The classes of the release, each part for itself.

        Whoever knows a child also knows which part the child is in: the parts differ in year and nobody is
        in both. So a class of three in train and two in test is no class of five.
        """
        return Classes.of(
            self.released,
            [PART, *self.quasi_identifiers],
            persons=self.persons,
            households=self.households,
        )

    def recoded(self, item: str) -> list[Any]:
        """What the published recoding makes of the source rows behind the released rows."""
        values = self.source[item].iloc[self.origin]
        return list(recode.apply(self.recipe["items"].get(item, {"kind": "keep"}), values).to_pylist())

    def harmful(self, item: str) -> list[str] | None:
        """The released labels whose disclosure harms; None when the register names none, which means all."""
        raw = list(self.table[item].harmful_values)
        spec = self.recipe["items"].get(item, {"kind": "keep"})
        return [str(label) for label in recode.apply(spec, raw).to_pylist()] if raw else None


def _parquet(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except (pa.ArrowException, OSError):
        raise Unusable(
            ja=f"{path.name} を Parquet として読めません。作り直してください。",
            en=f"{path.name} cannot be read as Parquet; prepare it again.",
        ) from None
