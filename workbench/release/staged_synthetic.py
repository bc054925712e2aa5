"""A synthetic release as the checks see it: the made rows, and the real ones behind them."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from workbench.data.register import Item, ItemRole, Kind, Table
from workbench.errors import Unusable
from workbench.privacy.synthesis.columns import Column, bounded
from workbench.privacy.synthesis.disclosure import Risk, disclosure
from workbench.privacy.synthesis.fidelity import Fidelity, fidelity
from workbench.release.requests import Request
from workbench.release.room import Room, public_values
from workbench.release.split import PARTS, Part, assign, spelled
from workbench.release.staged import ALIGNMENT, DATA, SECRET, kept

METHOD = "gaussian-copula"
# In every file, so that it says of itself what it is wherever it goes.
LABEL = {b"workbench-label": "合成データ（実在のこどもの行ではありません） / synthetic data".encode()}


def column_of(item: Item) -> Column | None:
    """What the register says of the item's values; None when it does not say enough to synthesise it."""
    if item.kind in (Kind.CATEGORY, Kind.FLAG):
        return Column(labels=tuple(public_values(item)))
    if item.kind not in (Kind.INTEGER, Kind.NUMBER) or item.minimum is None or item.maximum is None:
        return None
    return Column(minimum=float(item.minimum), maximum=float(item.maximum), whole=item.kind is Kind.INTEGER)


def with_rare_missing(
    rows: pd.DataFrame, *, holders: "pd.Series[Any]", columns: dict[str, Column], least: int
) -> pd.DataFrame:
    """The rows with every category that fewer than `least` households hold set to missing."""
    frame = rows.copy()
    for name in rare_items(rows, holders=holders, columns=columns, least=least):
        households = holders.groupby(rows[name], observed=True).nunique()
        frame[name] = rows[name].where(~rows[name].isin(households[households < least].index), None)
    return frame


def rare_items(
    rows: pd.DataFrame, *, holders: "pd.Series[Any]", columns: dict[str, Column], least: int
) -> list[str]:
    """The items with a category that someone holds, but fewer than `least` households."""
    found = []
    for name, column in columns.items():
        if column.is_category:
            households = holders.groupby(rows[name], observed=True).nunique()
            if bool((households < least).any()):
                found.append(name)
    return found


@dataclass(frozen=True)
class Synthetic:
    """A synthetic bundle in its staging folder; `asked` and `past` as those of `Rows`."""

    bundle: Path
    evidence: Path
    room: Room
    asked: Request | None = None
    past: tuple[str, ...] | None = None

    @cached_property
    def arrow(self) -> dict[Part, pa.Table]:
        """Each file as it stands, schema metadata and all."""
        try:
            return {part: pq.read_table(self.bundle / path) for part, path in DATA.items()}
        except (pa.ArrowException, OSError):
            raise Unusable(
                ja="合成データのファイルを Parquet として読めません。作り直してください。",
                en="A file of the synthetic data cannot be read as Parquet; prepare it again.",
            ) from None

    @cached_property
    def made(self) -> dict[Part, pd.DataFrame]:
        return {part: table.to_pandas(ignore_metadata=True) for part, table in self.arrow.items()}

    @cached_property
    def secret(self) -> dict[str, Any]:
        return dict(json.loads((self.evidence / SECRET).read_bytes()))

    @property
    def table(self) -> Table:
        return self.room.register[self.room.project.source]

    @cached_property
    def items(self) -> list[Item]:
        """The released columns that the register knows."""
        return [self.table[name] for name in self.names if name in self.table.by_name]

    @property
    def names(self) -> list[str]:
        return list(self.made[Part.TRAIN].columns)

    @cached_property
    def columns(self) -> dict[str, Column]:
        """What is public about each released column."""
        return {item.name: column for item in self.items if (column := column_of(item)) is not None}

    @cached_property
    def real(self) -> dict[Part, pd.DataFrame]:
        """The real rows of each part, drawn again from the seed, with every source column."""
        source = self.room.raw.get(self.room.project.source).reset_index(drop=True)
        project = self.room.project
        parts = assign(
            source,
            person=project.person,
            household=project.household,
            time=project.time,
            targets=project.targets,
            test_share=project.test_share,
            seed=bytes.fromhex(self.secret["seed"]),
            kept=kept(self.room, self.secret.get("split_of")),
        )
        return {part: source[parts == str(part)].reset_index(drop=True) for part in PARTS}

    @cached_property
    def trained(self) -> tuple[str, frozenset[str]]:
        """What names a person, and the persons of the training part: those of the evidence, as the source has them."""
        rows = self.real[Part.TRAIN]
        person = self.room.person
        people = frozenset(spelled(rows[person])) if person else frozenset[str]()
        if (person, people) != (self.secret.get("person"), self.said_trained[1]):
            raise Unusable(
                ja="学習に使った人の控えが、元の表と合いません。作り直してください。",
                en="The list of those trained on does not fit the source; prepare it again.",
            )
        return self.said_trained

    @cached_property
    def said_trained(self) -> tuple[str, frozenset[str]]:
        """The same as the evidence says, for when the source is another by now."""
        try:
            alignment = pq.read_table(self.evidence / ALIGNMENT).to_pandas()
        except (pa.ArrowException, OSError):
            raise Unusable(
                ja="学習に使った人の控えを読めません。バックアップから戻すか、作り直してください。",
                en="The list of those trained on cannot be read; restore it from a backup or prepare it again.",
            ) from None
        held = alignment["part"] == str(Part.TRAIN)
        people = alignment.loc[held, "person"] if "person" in alignment else []
        return self.secret.get("person") or "", frozenset(people)

    def bounded(self, part: Part) -> pd.DataFrame:
        """The real rows of a part as they compare with made ones."""
        return bounded(self.real[part][list(self.columns)], columns=self.columns)

    def holders(self, part: Part) -> "pd.Series[Any]":
        """Who holds each real row of a part: its household, else its person, else the row itself."""
        rows = self.real[part]
        column = self.room.household or self.room.person
        return rows[column] if column else pd.Series(rows.index)

    @cached_property
    def fidelity(self) -> Fidelity:
        """How close the made rows are to the training part."""
        return fidelity(self.bounded(Part.TRAIN), self.made[Part.TRAIN], columns=self.columns)

    @cached_property
    def risks(self) -> list[Risk]:
        """
        The attacks, by somebody who knows the quasi-identifiers; the test part is the control.

        The period is left out: the control is of another one by construction, so it would never match and
        every chance match of a training row would look like a copy.
        """
        columns = {name: column for name, column in self.columns.items() if name != self.room.project.time}
        known = [item.name for item in self.items if item.role is ItemRole.QUASI_IDENTIFIER]
        sensitive = [item.name for item in self.items if item.role is ItemRole.SENSITIVE]
        return disclosure(
            self.bounded(Part.TRAIN),
            self.bounded(Part.TEST),
            bounded(self.made[Part.TRAIN][list(self.columns)], columns=self.columns),
            columns=columns,
            known=[name for name in known if name in columns],
            sensitive=[name for name in sensitive if name in columns],
            seed=0,
        )
