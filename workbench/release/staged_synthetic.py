"""A synthetic release as the checks see it: the made rows, and the real ones behind them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from workbench.data.constraints import constraints_of
from workbench.data.register import Item, ItemRole, Kind, Table
from workbench.errors import Unusable
from workbench.privacy.synthesis.columns import Column, bounded
from workbench.privacy.synthesis.disclosure import Disclosure, Homes, Split, disclosure
from workbench.privacy.synthesis.fidelity import Fidelity, Group, fidelity
from workbench.privacy.synthesis.usefulness import Task, Usefulness, usefulness
from workbench.release.measures import POSITIVE
from workbench.release.requests import Request
from workbench.release.room import Room, public_values
from workbench.release.split import PARTS, Part, apart, assign, control, held, spelled
from workbench.release.staged import ALIGNMENT, DATA, SECRET, drawn_by, looked_at, split_key

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
    def source(self) -> pd.DataFrame:
        """Every row of the source."""
        return self.room.raw.get(self.room.project.source).reset_index(drop=True)

    @cached_property
    def drawn_by(self) -> dict[str, Any]:
        """How the households were divided."""
        return drawn_by(self.room, split_key(self.secret))

    @cached_property
    def real(self) -> dict[Part, pd.DataFrame]:
        """The real rows of each part, drawn again from the key, with every source column."""
        parts = assign(self.source, **looked_at(self.room), **self.drawn_by)
        return {part: self.source[parts == str(part)].reset_index(drop=True) for part in PARTS}

    @cached_property
    def control(self) -> pd.DataFrame:
        """Real rows of the same periods as the training part, of households that the synthesiser never saw."""
        project = self.room.project
        back = held(self.source, **self.drawn_by)
        tested = apart(self.source, back, person=project.person, household=project.household)
        mask = control(self.source, tested, **looked_at(self.room))
        return self.source[mask].reset_index(drop=True)

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

    @property
    def everything_made(self) -> pd.DataFrame:
        """The rows of both files: whoever reads one of them reads the other."""
        made = pd.concat([self.made[part] for part in PARTS], ignore_index=True)
        return bounded(made[list(self.columns)], columns=self.columns)

    def bounded(self, part: Part) -> pd.DataFrame:
        """The real rows of a part as they compare with made ones."""
        return self.comparable(self.real[part])

    def comparable(self, rows: pd.DataFrame) -> pd.DataFrame:
        return bounded(rows[list(self.columns)], columns=self.columns)

    def holders(self, part: Part) -> "pd.Series[Any]":
        """Who holds each real row of a part: its household, else its person, else the row itself."""
        return self.of_whom(self.real[part])

    def of_whom(self, rows: pd.DataFrame) -> "pd.Series[Any]":
        column = self.room.household or self.room.person
        return rows[column] if column else pd.Series(rows.index)

    @property
    def groups(self) -> tuple[Group, ...]:
        """The project's subgroups whose item was made."""
        return tuple(
            Group(group.id, group.item, group.values)
            for group in self.room.project.subgroups
            if group.item in self.columns
        )

    @property
    def outcomes(self) -> dict[str, str]:
        """Each target that was made, with the value that it is about."""
        return {
            target: positive(self.table[target]) for target in self.room.targets if target in self.columns
        }

    @cached_property
    def fidelity(self) -> Fidelity:
        """How close the made rows are to the training part; the control is what could be had at best."""
        return fidelity(
            self.bounded(Part.TRAIN),
            self.made[Part.TRAIN],
            columns=self.columns,
            held=self.comparable(self.control),
            groups=self.groups,
            outcomes=self.outcomes,
            constraints=constraints_of(self.table.constraints),
        )

    @property
    def tasks(self) -> tuple[Task, ...]:
        """To tell each target from the items that are none; periods tell parts apart, not children."""
        items = tuple(
            name for name in self.columns if name not in self.outcomes and name != self.room.project.time
        )
        apart = tuple(dict.fromkeys(group.item for group in self.groups if group.item in items))
        return tuple(Task(target, value, items, apart) for target, value in self.outcomes.items())

    @cached_property
    def usefulness(self) -> dict[str, dict[str, list[Usefulness]]]:
        """target: what is learnt from the real rows and from the made ones, tested on the test part."""
        held = self.bounded(Part.TEST)
        learnt = {"real": self.bounded(Part.TRAIN), "synthetic": self.made[Part.TRAIN]}
        return {
            task.target: {
                name: usefulness(frame, held, columns=self.columns, task=task)
                for name, frame in learnt.items()
            }
            for task in self.tasks
            if task.items
        }

    @cached_property
    def disclosure(self) -> Disclosure:
        """
        The attacks, each against children of the same periods whose households the synthesiser never saw.

        A child stands once in what is attacked, as of its last year there: a child of two years would be
        singled out by nobody. The period is left out, which tells years apart and no children.
        """
        columns = {name: column for name, column in self.columns.items() if name != self.room.project.time}
        attacked = [once(rows, room=self.room) for rows in (self.real[Part.TRAIN], self.control)]
        real, other = map(self.comparable, attacked)
        return disclosure(
            real,
            other,
            self.everything_made,
            columns=columns,
            known=self.of_role(ItemRole.QUASI_IDENTIFIER, among=columns),
            sensitive=self.of_role(ItemRole.SENSITIVE, among=columns),
            splits=self.splits(columns),
            homes=homes(attacked, room=self.room),
            everyone=(self.comparable(self.source), self.of_whom(self.source)),
            seed=0,
        )

    def of_role(self, role: ItemRole, *, among: Mapping[str, Column]) -> list[str]:
        return [item.name for item in self.items if item.role is role and item.name in among]

    def splits(self, columns: Mapping[str, Column]) -> dict[str, Split]:
        """What a neighbour knows against the rest; and what each of the largest holders has against the others'."""
        known = self.of_role(ItemRole.QUASI_IDENTIFIER, among=columns)
        halves = {"known": known, **largest_holders([i for i in self.items if i.name in columns])}
        return {
            name: (half, rest)
            for name, half in halves.items()
            if (rest := [other for other in columns if other not in set(half)])
        }


def once(rows: pd.DataFrame, *, room: Room) -> pd.DataFrame:
    """The last row of each person; all where no column names one."""
    if room.person is None:
        return rows
    time = room.project.time
    ordered = rows if time is None else rows.sort_values(time, kind="stable")
    return rows.loc[ordered.index[~ordered[room.person].duplicated(keep="last")].sort_values()]


def homes(attacked: Sequence[pd.DataFrame], *, room: Room) -> Homes | None:
    """Whose rows are attacked, so that nobody's are in both tables; None where no column tells."""
    column = room.household or room.person
    return None if column is None else Homes(*(rows[column].reset_index(drop=True) for rows in attacked))


# Splits by holder that are tried; each costs two passes over the made rows.
HOLDERS = 2
FEWEST_ITEMS = 3


def largest_holders(items: Sequence[Item]) -> dict[str, list[str]]:
    """The holders with most items, and their items."""
    held: dict[str, list[str]] = {}
    for item in items:
        held.setdefault(item.holder, []).append(item.name)
    large = sorted(held.items(), key=lambda one: (-len(one[1]), one[0]))
    return {holder: names for holder, names in large[:HOLDERS] if len(names) >= FEWEST_ITEMS}


def positive(item: Item) -> str:
    """The value of a target that it is about: the first that harms, else a flag's yes."""
    return item.harmful_values[0] if item.harmful_values else POSITIVE[0]
