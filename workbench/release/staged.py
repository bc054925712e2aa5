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
from workbench.privacy.anonymity.classes import Classes, categories
from workbench.privacy.anonymity.composition import View
from workbench.privacy.anonymity.content import digest as digest_of_rows
from workbench.privacy.anonymity.hierarchies import Hierarchy
from workbench.privacy.anonymity.missing import Candidates, candidates, is_missing
from workbench.privacy.anonymity.recipe import Recipe
from workbench.release.requests import Request
from workbench.release.room import Room, quasi_identifiers, sensitive
from workbench.release.split import PARTS, Flags, Numbers, Part, assign, spelled
from workbench.scoring import recode

DATA = {part: f"data/{part}.parquet" for part in PARTS}
RECIPE = "recipe.public.json"
DICTIONARY = "dictionary.json"
ALIGNMENT = "alignment.parquet"
LADDERS = "hierarchies.json"
STEPS = "steps.json"
SECRET = "recipe.secret.json"  # noqa: S105  the name of a file
# The column that tells the parts apart while they are measured together. No item of a register has this name.
PART = "(part)"
NOWHERE = -1
# Columns of the alignment that say whose a row is.
KEYS = ("person", "household", "period")


@dataclass(frozen=True)
class Rows:
    """
    A record-level bundle in its staging folder.

    `asked` is the request it was handed in with; `past` are the requests whose releases it is joined with,
    None for all that have left the room by now.
    """

    bundle: Path
    evidence: Path
    room: Room
    asked: Request | None = None
    past: tuple[str, ...] | None = None

    @property
    def release(self) -> str:
        """Its name and version, as asked for; a draft goes by what its recipe says."""
        return (
            f"{self.asked.name}@{self.asked.version}" if self.asked else str(self.recipe.get("release", "?"))
        )

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
    def ladders(self) -> dict[str, Hierarchy]:
        """The hierarchies of the generalised items, as they were when it was prepared."""
        found = json.loads((self.evidence / LADDERS).read_bytes())
        return {name: Hierarchy(name, one["kind"], tuple(one["levels"])) for name, one in found.items()}

    @cached_property
    def steps(self) -> Recipe | None:
        """What made the released rows of the source, whole and to be run again; None where no search did."""
        if not (self.evidence / STEPS).is_file():
            return None
        found = json.loads((self.evidence / STEPS).read_bytes())
        return Recipe.of(found["public"], found["secret"])

    @property
    def output_digest(self) -> str:
        """The digest of the rows that would leave, both parts, whatever their order."""
        return digest_of_rows(self.released)

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
    def alignment(self) -> pd.DataFrame:
        """Each source row in scope or out: its part, its place there, and whose it is."""
        alignment: pd.DataFrame = _parquet(self.evidence / ALIGNMENT).to_pandas()
        return alignment

    @cached_property
    def placed(self) -> pd.DataFrame:
        """The lines of the alignment that were released, in the order of the release."""
        kept = self.alignment[self.alignment["position"] != NOWHERE]
        order = pd.Categorical(kept["part"], categories=[str(part) for part in PARTS], ordered=True)
        placed: pd.DataFrame = kept.assign(part=order).sort_values(["part", "position"])
        return placed

    @cached_property
    def origin(self) -> Numbers:
        """The source row of each released row."""
        return np.asarray(self.placed["source"], dtype=np.int64)

    @property
    def names_its_people(self) -> bool:
        """Whether the alignment says of every source row whose it is, as the source does."""
        project = self.room.project
        columns = dict(zip(KEYS, (project.person, project.household, project.time), strict=True))
        said = {name: column for name, column in columns.items() if column is not None}
        return (
            len(self.alignment) == len(self.source)
            and self.secret.get("person") == project.person
            and all(
                name in self.alignment and list(self.alignment[name]) == spelled(self.source[column])
                for name, column in said.items()
            )
            and not set(KEYS) - said.keys() & set(self.alignment)
        )

    @property
    def key(self) -> str:
        """What names a person here: a column, or the row of one table as it was."""
        return self.secret.get("person") or f"row of {self.secret['table']} {self.secret['source']}"

    @cached_property
    def view(self) -> View:
        """The release as it is joined with others: by keys that outlive the source, not by its rows."""
        keys = {name: list(self.placed[name]) for name in KEYS if name in self.placed}
        if len(keys.get("person") or self.placed) != len(self.released):
            raise Unusable(
                ja=f"{self.release} の行と、元の行の対応表が合いません。",
                en=f"The rows of {self.release} do not fit its list of source rows.",
            )
        return View(
            persons=keys.get("person") or list(self.placed["source"]),
            member=Classes.of(self.released, [PART, *self.quasi_identifiers]).member,
            households=keys.get("household"),
            periods=keys.get("period"),
        )

    @cached_property
    def split(self) -> "pd.Series[str]":
        """The part of each source row, drawn again from the key."""
        return assign(
            self.source,
            **looked_at(self.room),
            **drawn_by(self.room, split_key(self.secret)),
        )

    @cached_property
    def in_scope(self) -> Flags:
        """The source rows that belong to one of the parts."""
        return np.asarray(self.split != str(Part.OUTSIDE))

    @property
    def before(self) -> pd.DataFrame:
        """The released columns of the source rows in scope, as the steps take them."""
        columns = [name for name in self.released.columns if name != PART]
        frame = self.source.loc[self.in_scope, columns]
        return frame.assign(**{PART: self.split[self.in_scope]}).reset_index(drop=True)

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

    @cached_property
    def wildcard(self) -> Candidates | None:
        """
        Whom each class could be if a missing value could be any; None where no quasi-identifier is missing.

        The other reading, a category of its own, is the one of `classes`, and is never the better one.
        """
        if not any(is_missing(categories(self.released[item])).any() for item in self.quasi_identifiers):
            return None
        return candidates(
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


def drawn_by(room: Room, key: bytes) -> dict[str, Any]:
    """What decides which households of the project are held back."""
    project = room.project
    return {
        "person": project.person,
        "household": project.household,
        "test_share": project.test_share,
        "key": key,
    }


def looked_at(room: Room) -> dict[str, Any]:
    """What decides which rows of the project's table are learnt from or tested on, whoever they are of."""
    project = room.project
    return {"time": project.time, "period": project.test_period, "targets": project.targets}


def split_key(secret: Mapping[str, Any]) -> bytes:
    """What the households of a release were drawn by. Raises Unusable where they were drawn otherwise."""
    if "split_key" not in secret:
        raise Unusable(
            ja="以前の版で作られた公開の分け方は引き継げません。新しい利用目的で事業計画を登録し、作り直してください。",
            en="How an earlier version divided households cannot be taken up; store a charter of a new purpose and prepare the release under it.",
        )
    return bytes.fromhex(secret["split_key"])


def _parquet(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except (pa.ArrowException, OSError):
        raise Unusable(
            ja=f"{path.name} を Parquet として読めません。作り直してください。",
            en=f"{path.name} cannot be read as Parquet; prepare it again.",
        ) from None
