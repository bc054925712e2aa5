"""
What the report shows of a record-level release, in numbers. Measures judge nothing.

Where the anonymity package has the metric it is used; here stands what belongs to a release as a whole:
who was left out, what generalisation took, whether rows and cells are those of the source.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from workbench.data.register import Item
from workbench.privacy.anonymity.classes import Classes, categories
from workbench.release.findings import Text
from workbench.release.split import Flags, Numbers
from workbench.release.staged import Rows

# Bands of class sizes, their lower ends; the last is open.
SIZE_BANDS = (1, 2, 5, 10, 20, 50)
# A target that names no harmful value is a flag.
POSITIVE = ("yes",)


@dataclass(frozen=True)
class Left:
    """How many rows of a group were in scope and how many of them were suppressed."""

    id: str
    label: Text
    of: str
    rows: int
    suppressed: int

    @property
    def rate(self) -> float:
        return self.suppressed / self.rows if self.rows else 0.0


def suppression(rows: Rows) -> Left:
    """Over all rows in scope."""
    return _left(
        "overall", Text(ja="全体", en="overall"), "overall", rows, np.ones(len(rows.source), dtype=bool)
    )


def suppression_by_group(rows: Rows) -> list[Left]:
    """In each subgroup of the policy, and among the positives of each target, by the source's own values."""
    groups = [_left(id_, label, of, rows, mask) for id_, label, of, mask in group_masks(rows)]
    return [group for group in groups if group.rows]


def group_masks(rows: Rows) -> Iterable[tuple[str, Text, str, Flags]]:
    """The project's subgroups and its targets' positives as masks over the source rows."""
    yield from masks(
        rows.source,
        subgroups=rows.room.project.subgroups,
        targets=[rows.table[target] for target in rows.room.targets],
    )


def masks(
    source: pd.DataFrame, *, subgroups: Iterable[Any], targets: Iterable[Item]
) -> Iterable[tuple[str, Text, str, Flags]]:
    """(id, label, what it is a group of, mask) for each subgroup and each target's positives."""
    for group in subgroups:
        values = {str(value) for value in group.values}
        yield (
            group.id,
            Text(**group.label),
            "subgroup",
            source[group.item].astype(str).isin(values).to_numpy(),
        )
    for target in targets:
        positive = source[target.name].isin(target.harmful_values or POSITIVE)
        yield target.name, Text(**target.label), "target", positive.to_numpy(dtype=bool)


def _left(id_: str, label: Text, of: str, rows: Rows, mask: Flags) -> Left:
    return Left(id_, label, of, int((rows.in_scope & mask).sum()), int((rows.suppressed & mask).sum()))


def size_bands(classes: Classes) -> list[dict[str, Any]]:
    """How many classes, and what share of the rows, have how many children."""
    total = max(int(classes.rows.sum()), 1)
    bands = []
    for low, following in zip(SIZE_BANDS, [*SIZE_BANDS[1:], None], strict=True):
        inside = (classes.children >= low) & (True if following is None else classes.children < following)
        bands.append(
            {
                "from": low,
                "to": None if following is None else following - 1,
                "classes": int(inside.sum()),
                "share": round(float(classes.rows[inside].sum()) / total, 4),
            }
        )
    return bands


def unequal_columns(rows: Rows) -> dict[str, int]:
    """The released columns that differ from the recoded source, and in how many cells."""
    found = {}
    for item in rows.known:
        released = categories(rows.released[item.name])
        expected = categories(pd.Series(rows.recoded(item.name), dtype="object"))
        words = np.array(released.words, dtype=object)[released.codes]
        differing = int((words != np.array(expected.words, dtype=object)[expected.codes]).sum())
        if differing:
            found[item.name] = differing
    return found


def order_traces(origin: Numbers) -> tuple[float, float]:
    """
    How much the released order tells of the source's: two standard scores, near 0 after a shuffle.

    The first sees blocks and trends (Spearman's rank correlation with the source position), the second
    sees a stable sort, which keeps neighbours in source order (share of rising neighbours).
    """
    count = len(origin)
    if count < 3:
        return 0.0, 0.0
    ranks = np.argsort(np.argsort(origin))
    correlation = float(np.corrcoef(np.arange(count), ranks)[0, 1])
    rising = float((np.diff(origin) > 0).sum())
    return correlation * np.sqrt(count - 1), (rising - (count - 1) / 2) / np.sqrt((count + 1) / 12)


def person_keys(rows: Rows) -> list[str]:
    """
    Columns that name a person: most persons have a value of their own, the same in all their rows.

    Such a column makes a release pseudonymous whatever its k, because it joins a child's rows over years.
    """
    people = np.arange(len(rows.released)) if rows.persons is None else pd.factorize(rows.persons)[0]
    return [name for name in rows.columns if _names_people(rows.released[name], people)]


def _names_people(values: "pd.Series[Any]", people: Numbers) -> bool:
    frame = pd.DataFrame({"value": values.astype("object").astype(str), "person": people})
    owners = frame.groupby("value")["person"].nunique()
    alone = frame["value"].map(owners) == 1
    count = frame["person"].nunique()
    return count > 1 and frame.loc[alone, "person"].nunique() > count / 2


def loss(item: str, rows: Rows) -> float:
    """
    The share of the item's source values that a label stands for, averaged over the released rows.

    0 when every value has its own label, 1 when one label covers all (Iyengar 2002, "Loss").
    """
    raw = categories(rows.source[item].iloc[rows.origin])
    labels = categories(rows.released[item])
    if raw.size < 2:
        return 0.0
    pairs = pd.DataFrame({"raw": raw.codes, "label": labels.codes})
    covered = pairs.groupby("label")["raw"].nunique()
    share = float(pairs["label"].map(covered).mean()) / raw.size
    return (share - 1 / raw.size) / (1 - 1 / raw.size)


def guess_rates(values: "pd.Series[Any]", classes: Classes) -> tuple[float, float]:
    """
    How often the best guess of a sensitive item is right: without the release, and knowing the class.

    The first guesses the commonest value of the table, the second that of the child's class.
    """
    coded = categories(values)
    if not len(coded.codes):
        return 0.0, 0.0
    table = np.bincount(coded.codes)
    inside = pd.DataFrame({"class": classes.member, "value": coded.codes}).value_counts(sort=False)
    best = inside.groupby(level="class").max().sum()
    return float(table.max()) / len(coded.codes), float(best) / len(coded.codes)
