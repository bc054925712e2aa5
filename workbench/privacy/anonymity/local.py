"""
Local recoding: rows that are alike enough keep fine labels, and only the others get coarse ones.

The nodes of the lattice are met in the order of what they lose. At each, the rows not yet released that make
safe classes there leave at its levels; the others go on to the next. It is the search repeated on the rows
that are left, where suppressing costs nothing, and no node is met twice. Nothing is left over where the top
of the lattice is safe for the last rows, which for k alone is seen to: a node that would leave fewer than k
rows is passed over.

A table so recoded has no levels an item: a scorer cannot recode new rows to it, and one person may fit
several classes. It is for tables that are read, not for those that models are trained on.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.errors import Refused, Usage
from workbench.privacy.anonymity.classes import Classes, Codes, Who
from workbench.privacy.anonymity.compact import Compact, Pairs
from workbench.privacy.anonymity.criteria import Criteria, Sensitive
from workbench.privacy.anonymity.hierarchies import Hierarchy
from workbench.privacy.anonymity.lattice import LARGEST_LATTICE, Limits, Steps, Table, over_all
from workbench.privacy.anonymity.looks import Looks
from workbench.privacy.anonymity.measures import AGGREGATES, Measure
from workbench.privacy.anonymity.models import Model
from workbench.privacy.anonymity.search import apart, levels_of_node, require_sense, those
from workbench.privacy.anonymity.spread import Spread
from workbench.privacy.anonymity.transform import relabelled

Mask = NDArray[np.bool_]

# A node releases at least this share of the rows that are left, as in ARX's fast iteration.
WORTH = 0.01
EVERYTHING = Limits(overall=1.0)


@dataclass(frozen=True)
class Release:
    """The rows that left at one node, by their place in the table that came in."""

    levels: Mapping[str, int]
    rows: Codes


@dataclass(frozen=True)
class LocallyRecoded:
    """
    The table as it leaves, its rows in their order, numbered anew, without columns of persons and households.

    `kept` marks its rows among those that came in. `granularity` is how much of the raw table is left, from 0
    to 1, in ARX's definition.
    """

    frame: pd.DataFrame
    kept: Mask
    releases: tuple[Release, ...]
    classes: Classes
    granularity: float
    seconds: float


def recode_locally(
    frame: pd.DataFrame,
    *,
    hierarchies: Mapping[str, Hierarchy],
    quasi_identifiers: Sequence[str],
    k: int,
    models: Sequence[Model] = (),
    persons: Who | None = None,
    households: Who | None = None,
    sensitive: Mapping[str, Sensitive] | None = None,
    levels: Mapping[str, tuple[int, int]] | None = None,
    worth: float = WORTH,
    stop: Callable[[], bool] | None = None,
) -> LocallyRecoded:
    """
    Every row at the finest levels at which it is found among enough others.

    Each class has `k` persons and households and what `sensitive` and `models` ask; t, delta and beta compare
    with the whole table that came in. Rows for which nothing suffices are suppressed. When `stop` says so,
    all that is left goes to the top. Raises Usage for a model of the table and for a lattice too large to be
    written out, Refused where k is larger than the table or nothing is left of it.
    """
    began = time.monotonic()
    table, people, homes = apart(frame, persons=persons, households=households)
    asked = (*Criteria(k=k, households=k, sensitive=sensitive or {}).models(), *models)
    require_local(asked)
    require_sense(table, asked, Measure(), quasi_identifiers, persons=people)
    compact = Compact.of(
        table, hierarchies=hierarchies, quasi_identifiers=quasi_identifiers, steps=levels or {},
        persons=people, households=homes, sensitive=[m.item for m in asked if m.item is not None], groups={},
    )  # fmt: skip
    fewest = max(int(model.limit) for model in asked if model.name in {"k", "k-households"})
    released = sweep(compact, asked, k=fewest, worth=worth, stop=stop)
    kept = np.zeros(len(table), dtype=bool)
    for _, rows in released:
        kept[rows] = True
    if not kept.any():
        raise Refused(
            ja="どの行も条件を満たす同値類に入らず、何も残りません。モデルの値を下げてください。",
            en="No row is in a class that satisfies what is asked, and nothing is left; lower what the models ask.",
        )
    out = applied(table, compact, released, hierarchies)[kept].reset_index(drop=True)
    return LocallyRecoded(
        frame=out,
        kept=kept,
        releases=tuple(Release(levels_of_node(compact, node), rows) for node, rows in released),
        classes=Classes.of(
            out, list(quasi_identifiers), persons=those(people, kept), households=those(homes, kept)
        ),
        granularity=granularity(compact, released),
        seconds=time.monotonic() - began,
    )


def require_local(models: Sequence[Model]) -> None:
    """Usage for a model that asks something of all classes together: they do not leave together here."""
    for model in models:
        if model.rule.of_table:
            raise Usage(
                ja=f"モデル {model.name} は表全体に対するもので、局所的な再符号化では使えません。",
                en=f"The model {model.name} is about the whole table and cannot be kept by local recoding.",
            )


def sweep(
    compact: Compact,
    models: Sequence[Model],
    *,
    k: int,
    worth: float,
    stop: Callable[[], bool] | None,
) -> list[tuple[Steps, Codes]]:
    """Each node at which rows leave, and their places in the table."""
    whole = Table(compact, models=models, limits=EVERYTHING, measure=Measure("loss", "arithmetic"))
    if whole.size > LARGEST_LATTICE:
        raise Usage(
            ja=f"一般化の組合せが {whole.size:,} 通りあり、上限 {LARGEST_LATTICE:,} を超えます。段の範囲を狭めてください。",
            en=f"There are {whole.size:,} combinations of levels, more than {LARGEST_LATTICE:,}; narrow the levels.",
        )
    lost = over_all(whole.alone, compact.shape, AGGREGATES["arithmetic"].kind, whole.weights).ravel()
    left, places = whole, np.arange(compact.total)
    found: list[tuple[Steps, Codes]] = []
    for number in np.argsort(lost, kind="stable"):
        node = tuple(int(step) for step in np.unravel_index(number, compact.shape))
        ended = stop is not None and stop()
        failing = left.failing_at(whole.top if ended else node)
        staying = int(left.compact.rows[failing].sum())
        going = left.compact.total - staying
        last = ended or node == whole.top
        if going and (last or (going >= worth * left.compact.total and (staying == 0 or staying >= k))):
            leaves = ~failing[left.compact.row]
            found.append((whole.top if ended else node, places[leaves]))
            places = places[~leaves]
            left = of_the_rest(left, failing)
        if ended or not len(places):
            break
    return found


def of_the_rest(table: Table, kept: Mask) -> Table:
    """The same of the rows whose combination is kept."""
    rest = Table(
        restricted(table.compact, kept), models=table.models, limits=table.limits, measure=table.measure
    )
    if rest.quick:
        rest.looks = Looks(rest.compact, like=table.looks)
    return rest


def restricted(compact: Compact, kept: Mask) -> Compact:
    """The table of the rows whose combination is kept. What values are compared with stays the whole table's."""
    number = np.cumsum(kept) - 1
    return replace(
        compact,
        row=number[compact.row[kept[compact.row]]],
        codes=tuple(codes[kept] for codes in compact.codes),
        rows=compact.rows[kept],
        persons=of_kept(compact.persons, kept, number),
        households=of_kept(compact.households, kept, number),
        spreads={item: part(spread, kept, number) for item, spread in compact.spreads.items()},
    )


def of_kept(people: Pairs | None, kept: Mask, number: Codes) -> Pairs | None:
    if people is None:
        return None
    here = kept[people.combination]
    return replace(people, combination=number[people.combination[here]], who=people.who[here])


def part(spread: Spread, kept: Mask, number: Codes) -> Spread:
    here = kept[spread.in_class]
    return replace(
        spread,
        classes=int(kept.sum()),
        in_class=number[spread.in_class[here]],
        value=spread.value[here],
        count=spread.count[here],
        reference=spread.whole,
    )


def applied(
    table: pd.DataFrame,
    compact: Compact,
    released: Sequence[tuple[Steps, Codes]],
    hierarchies: Mapping[str, Hierarchy],
) -> pd.DataFrame:
    """The table with each released row's items at the levels it left at."""
    columns = {}
    for number, axis in enumerate(compact.axes):
        values = table[axis.item]
        steps = sorted({node[number] for node, _ in released})
        at = np.zeros(len(table), dtype=np.int64)
        for node, rows in released:
            at[rows] = node[number]
        found = np.full(len(table), None, dtype=object)
        for step in steps:
            rows = np.flatnonzero(at == step)
            found[rows] = relabelled(values.iloc[rows], hierarchies[axis.item].recode(axis.levels[step]))
        columns[axis.item] = found
    return table.assign(**columns)


def granularity(compact: Compact, released: Sequence[tuple[Steps, Codes]]) -> float:
    """
    One minus the mean share of its leaves that a label stands for, all of them in a row that did not leave.

    Over all items together this is stretched so that raw values give 1, as ARX does: an item of many leaves
    counts a little more than one of few.
    """
    saved = 0.0
    for node, rows in released:
        combination = compact.row[rows]
        for axis, step, codes in zip(compact.axes, node, compact.codes, strict=True):
            cover = int(axis.cover[step][codes[combination]].sum())
            saved += len(rows) - cover / axis.leaves
    most = compact.total * sum(1 - 1 / axis.leaves for axis in compact.axes)
    return saved / most if most else 1.0
