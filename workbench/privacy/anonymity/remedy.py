"""
What would help a table that fails: for each quasi-identifier, what leaving it out or one level more brings.

Plain numbers, most helpful first. The item at the top costs most anonymity.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from workbench.privacy.anonymity.classes import Classes, Who, require_columns
from workbench.privacy.anonymity.compact import hierarchy_of
from workbench.privacy.anonymity.hierarchies import Hierarchy
from workbench.privacy.anonymity.metrics import k_children, k_households, sample_uniques, share_below
from workbench.privacy.anonymity.transform import recoded, spec_of


class Act(StrEnum):
    """What may be done to an item."""

    GENERALISE = "generalise"
    LEAVE_OUT = "leave out"


@dataclass(frozen=True)
class Remedy:
    """One change to one item, and what the table would measure after it. `level` is None when it is left out."""

    item: str
    act: Act
    level: int | None
    k_children: int
    k_households: int | None
    sample_uniques: int
    share_below: float


def remedies(
    frame: pd.DataFrame,
    *,
    hierarchies: Mapping[str, Hierarchy],
    quasi_identifiers: Sequence[str],
    k: int,
    levels: Mapping[str, int] | None = None,
    persons: Who | None = None,
    households: Who | None = None,
) -> list[Remedy]:
    """
    Every single change to `frame`, whose items stand in raw values and are taken at `levels` (0 unless given).

    Sorted by the share of rows left in classes of fewer than `k` children, then by k.
    """
    at = {item: (levels or {}).get(item, 0) for item in require_columns(frame, quasi_identifiers)}
    found = []
    for item, act, after in changes(at, hierarchies):
        table = recoded(frame, spec_of(list(after), hierarchies=hierarchies, levels=after))
        classes = Classes.of(table, list(after), persons=persons, households=households)
        found.append(measured(classes, item=item, act=act, level=after.get(item), k=k))
    return sorted(found, key=lambda remedy: (remedy.share_below, -remedy.k_children, remedy.item, remedy.act))


def changes(
    at: Mapping[str, int], hierarchies: Mapping[str, Hierarchy]
) -> Iterator[tuple[str, Act, dict[str, int]]]:
    """Each change to one item, with the levels of the items after it. The last item is not left out."""
    for item, level in at.items():
        if level < hierarchy_of(item, hierarchies).height:
            yield item, Act.GENERALISE, {**at, item: level + 1}
        if len(at) > 1:
            yield item, Act.LEAVE_OUT, {name: there for name, there in at.items() if name != item}


def measured(classes: Classes, *, item: str, act: Act, level: int | None, k: int) -> Remedy:
    return Remedy(
        item=item,
        act=act,
        level=level,
        k_children=k_children(classes),
        k_households=None if classes.households is None else k_households(classes),
        sample_uniques=sample_uniques(classes),
        share_below=share_below(classes, k=k),
    )
