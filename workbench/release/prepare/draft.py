"""
A release in the making: the source rows in scope, and the folders it is written to.

Files are written so that the same rows give the same bytes and nothing but names, types and values is in
them: no index, no pandas metadata, no order of the source.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from workbench.artifact.canonical import canonical
from workbench.artifact.tree import digest_of
from workbench.data.register import Item, Table
from workbench.errors import NotFound, Refused, Unusable
from workbench.governance.charter import Project
from workbench.privacy.anonymity.hierarchies import Hierarchy
from workbench.privacy.anonymity.lattice import Progress
from workbench.privacy.anonymity.recipe import Recipe
from workbench.privacy.synthesis.interface import silent
from workbench.release import together
from workbench.release.requests import Request
from workbench.release.room import Room
from workbench.release.split import PARTS, Flags, Numbers, Part, apart, assign, control, held, spelled
from workbench.release.staged import (
    ALIGNMENT,
    DATA,
    DICTIONARY,
    LADDERS,
    NOWHERE,
    RECIPE,
    SECRET,
    STEPS,
    Rows,
    drawn_by,
    looked_at,
    split_key,
)


@dataclass(frozen=True)
class Draft:
    """
    What is asked for. `items` narrows the release (None: all that the project may receive); `k` asks for
    more than the policy does; `hierarchies` are the ladders of the table's items. `tables` (item, by) are for
    differentially private tables, `method`, `targets` (None: the project's) and `epochs` for synthetic rows;
    `epsilon` is what either may cost in all, and `tell` hears of progress. `like` names an earlier release
    (NAME@VERSION) whose items and levels are wanted again. `again` is the secret recipe of a release that was
    made before and is searched once more: its split is that one.
    """

    room: Room
    into: Path
    release: str
    hierarchies: Mapping[str, Hierarchy] = field(default_factory=dict)
    items: Sequence[str] | None = None
    k: int | None = None
    tables: Sequence[tuple[str, str | None]] = ()
    epsilon: float = 1.0
    method: str = "gaussian-copula"
    targets: Sequence[str] | None = None
    epochs: int | None = None
    tell: Callable[[str], None] = field(default=silent, repr=False)
    like: str | None = None
    again: Mapping[str, Any] | None = None
    progress: Progress | None = None

    @classmethod
    def begin(cls, room: Room, *, into: Path, release: str, **wanted: Any) -> "Draft":
        """A draft in the empty folder `into`."""
        draft = cls(room, into, release, **wanted)
        for folder in (draft.bundle, draft.evidence):
            folder.mkdir(parents=True)
        return draft

    @property
    def bundle(self) -> Path:
        return self.into / "bundle"

    @property
    def evidence(self) -> Path:
        return self.into / "evidence"

    @property
    def table(self) -> Table:
        return self.room.register[self.room.project.source]

    @cached_property
    def source(self) -> pd.DataFrame:
        """The raw table, its rows numbered from 0."""
        frame = self.room.raw.get(self.room.project.source).reset_index(drop=True)
        if not len(frame):
            raise Unusable(
                ja=f"表 {self.room.project.source} に行がありません。取り込みと結合を確かめてください。",
                en=f"Table '{self.room.project.source}' has no rows; check its import and linking.",
            )
        expect_columns(frame, self.room.project)
        return frame

    @cached_property
    def key(self) -> bytes:
        """
        What households are drawn by. It stays in the room, and later releases of the same people keep it.

        Were the same children split anew for each release, two releases would cut each other's classes, and
        what one model was tested on the next would be trained on.
        """
        if self.again is not None:
            return split_key(self.again)
        earlier = next((one for one in self.before if self.same_people(one)), None)
        if earlier is not None:
            return split_key(together.released(earlier, room=self.room).secret)
        return self.room.home.entropy(f"split {self.room.project.purpose} {self.release}")

    @cached_property
    def split(self) -> "pd.Series[str]":
        return assign(self.source, **looked_at(self.room), **self.drawn_by)

    @property
    def drawn_by(self) -> dict[str, Any]:
        """What decides which households are held back."""
        return drawn_by(self.room, self.key)

    @cached_property
    def held_back(self) -> Flags:
        """The rows of the households that are held back, whichever part a row is in."""
        return held(self.source, **self.drawn_by)

    @property
    def control(self) -> Flags:
        """The rows of the training part's periods whose households have nobody in it."""
        project = self.room.project
        tested = apart(self.source, self.held_back, person=project.person, household=project.household)
        return control(self.source, tested, **looked_at(self.room))

    @cached_property
    def before(self) -> list[Request]:
        """The releases of rows of this project that have left the room, oldest first."""
        return [
            request
            for request in together.left(self.room, asked=None, past=None)
            if request.purpose == self.room.project.purpose and request.protection in together.RECORD_LEVEL
        ]

    def same_people(self, request: Request) -> bool:
        """Whether an earlier release named its people as this one does."""
        return (
            self.room.person is not None
            and together.released(request, room=self.room).key == self.room.person
        )

    @cached_property
    def model(self) -> Rows | None:
        """The earlier release whose items and levels are wanted again (`like`)."""
        if self.like is None:
            return None
        named = [one for one in self.before if f"{one.name}@{one.version}" == self.like]
        if not named:
            raise NotFound(
                ja=f"この目的で公開した行に {self.like[:100]} はありません。workbench release list で確かめてください。",
                en=f"No rows were released as {self.like[:100]} for this purpose; see 'workbench release list'.",
            )
        return together.released(named[-1], room=self.room)

    def level_like(self, item: str) -> int | None:
        """The level at which the earlier release has the item; None where there is none to be like."""
        level = self.model.secret["levels"].get(item) if self.model else None
        return None if level is None else int(level[0])

    @cached_property
    def scope(self) -> Numbers:
        """The source rows in train or test."""
        rows = np.flatnonzero(self.split != str(Part.OUTSIDE))
        if set(self.split.iloc[rows]) != {str(part) for part in PARTS}:
            raise Refused(
                ja="訓練用と評価用に分けるには、世帯か年度が足りません。もっと多くの行を取り込んでください。",
                en="There are too few households or years to make a training and a test part; import more rows.",
            )
        return rows

    @cached_property
    def wanted(self) -> list[Item]:
        """The items asked for, in the register's order. Refused for one the project may not receive."""
        allowed = [item for item in self.room.releasable(self.table) if item.name in self.source.columns]
        if self.model is not None:
            return [item for item in allowed if item.name in self.model.columns]
        if self.items is None:
            return allowed
        unknown = sorted(set(self.items) - {item.name for item in allowed})
        if unknown:
            raise Refused(
                ja=f"この目的で公開できない項目です：{', '.join(unknown)}。台帳の役割と理由を確かめてください。",
                en=f"Not for this project to receive: {', '.join(unknown)}; see their roles and reasons in the register.",
            )
        return [item for item in allowed if item.name in set(self.items)]

    def of_source(self, column: str | None, *, rows: Numbers) -> "pd.Series[Any] | None":
        return None if column is None else self.source[column].iloc[rows].reset_index(drop=True)

    def write_parts(self, frame: pd.DataFrame, *, origin: Numbers) -> None:
        """
        Write train and test, each in an order of its own, and which source row went where.

        `frame` holds the rows to release, `origin` the source row of each.
        """
        order = self.room.home.generator(f"shuffle {self.release}").permutation(len(frame))
        parts = self.split.to_numpy()[origin]
        position = np.full(len(self.source), NOWHERE)
        for part in PARTS:
            chosen = order[parts[order] == str(part)]
            write_table(self.bundle / DATA[part], frame.iloc[chosen])
            position[origin[chosen]] = np.arange(len(chosen))
        self.write_alignment(position)

    def write_alignment(self, position: Numbers) -> None:
        """
        Which row of the source is which, and where it went in its part's file.

        With whose it is: a later release is joined with this one, and the source may be another by then.
        """
        project = self.room.project
        keys = {"person": project.person, "household": project.household, "period": project.time}
        alignment = pd.DataFrame(
            {
                "source": np.arange(len(self.source)),
                "part": self.split.to_numpy(),
                "position": position,
                "held_back": self.held_back,
            }
        ).assign(
            **{name: spelled(self.source[column]) for name, column in keys.items() if column is not None}
        )
        write_table(self.evidence / ALIGNMENT, alignment)

    def write_recipe(
        self,
        spec: Mapping[str, Any],
        *,
        levels: Mapping[str, tuple[int, int]],
        ladders: Mapping[str, Hierarchy] | None = None,
        search: Mapping[str, Any] | None = None,
        steps: Recipe | None = None,
    ) -> None:
        """
        The published recoding, and beside it, in the room, what must not leave.

        `ladders` are those of the generalised items, `search` what was said of the optimum and `steps` what
        makes the rows, so that all can be gone through again.
        """
        write_json(self.bundle / RECIPE, {**spec, "release": self.release})
        secret = {
            "table": self.room.project.source,
            "source": digest_of(self.room.home.raw / f"{self.room.project.source}.parquet"),
            "split_key": self.key.hex(),
            "person": self.room.person,
            "levels": {item: list(level) for item, level in levels.items()},
            "search": dict(search) if search else None,
        }
        write_json(self.evidence / SECRET, secret)
        climbed = {
            name: {"kind": one.kind, "levels": list(one.levels)} for name, one in (ladders or {}).items()
        }
        write_json(self.evidence / LADDERS, climbed)
        if steps is not None:
            write_json(self.evidence / STEPS, {"public": steps.public(), "secret": steps.secret()})

    def write_dictionary(self, items: Sequence[Item]) -> None:
        """What the released items mean: the register's words, without why each was asked for."""
        private = {"name", "harmful_values", "justification", "hierarchy"}
        entries = {
            item.name: {key: value for key, value in item.to_json().items() if key not in private}
            for item in items
        }
        released = {item.name for item in items}
        targets = [target for target in self.room.targets if target in released]
        write_json(self.bundle / DICTIONARY, {"items": entries, "targets": targets})


def expect_columns(frame: pd.DataFrame, project: Project) -> None:
    """Raise Unusable unless the table has every column the charter speaks of."""
    named = {project.person, project.household, project.time, *project.targets}
    named |= {group.item for group in project.subgroups}
    missing = sorted(name for name in named if name is not None and name not in frame.columns)
    if missing:
        raise Unusable(
            ja=f"表 {project.source} に、事業計画にある列がありません：{', '.join(missing)}。",
            en=f"Table '{project.source}' lacks columns that the charter names: {', '.join(missing)}.",
        )


def write_table(path: Path, frame: pd.DataFrame) -> None:
    """A Parquet file of values and nothing else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(table, path, compression="zstd", store_schema=False)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(canonical(dict(value)))
