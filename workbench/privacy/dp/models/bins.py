"""
Public bins: where a value of an item can stand, known before any row is read.

They come from an admitted release's recoding, from the register's values and bounds, or from edges that the
analyst chose. What none of them lists counts as missing: a value nobody registered makes no bin of its own,
and no row, however odd, makes a refusal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.errors import Refused
from workbench.riskflag.dictionary import NUMERIC, Dictionary, Entry
from workbench.scoring import engine, recode
from workbench.scoring.engine import Integers
from workbench.scoring.model import Feature
from workbench.scoring.recode import MISSING, UNSEEN

# Intervals of equal width between the register's bounds, where the analyst chose none.
INTERVALS = 16
MOST_LEVELS = 200


@dataclass(frozen=True)
class Bins:
    """An item's bins: those of `shape`, which holds no points yet, and one for what is missing, the last."""

    shape: Feature
    ordered: bool

    @property
    def size(self) -> int:
        return len(self.shape.points) + 1

    def places(self, column: Any) -> Integers:
        """The bin of each value."""
        found = engine.where(self.shape, column)
        # Missing is -1 and unseen -2: both are the last bin.
        return np.where(found < 0, self.size - 1, found)


def public_bins(
    features: Sequence[str],
    *,
    dictionary: Dictionary,
    recoding: Mapping[str, Any],
    edges: Mapping[str, Sequence[float]],
) -> list[Bins]:
    """The bins of each feature. Raises Refused for an item without public bins, or for edges in vain."""
    items = recoding["items"]
    bins = [
        bins_of(dictionary[item], items.get(item, {"kind": "keep"}), edges.get(item)) for item in features
    ]
    unused = [item for item in edges if item not in features]
    if unused:
        raise Refused(
            ja=f"edges の「{unused[0]}」は features にありません。外すか、features に加えてください。",
            en=f"'{unused[0]}' of edges is not among the features; leave it out or add it there.",
        )
    return bins


def bins_of(entry: Entry, recoding: Mapping[str, Any], edges: Sequence[float] | None) -> Bins:
    numeric = recoding["kind"] == "keep" and entry.kind in NUMERIC
    if edges is not None and not numeric:
        raise Refused(
            ja=f"「{entry.name}」は数値のまま公開されていないため、edges を指定できません。その指定を外してください。",
            en=f"'{entry.name}' is not released as a number, so it takes no edges; leave them out.",
        )
    if numeric:
        kept = tuple(edges) if edges is not None else equal_widths(entry)
        return Bins(Feature(entry.name, points=(0,) * (len(kept) + 1), missing=0, edges=kept), ordered=True)
    levels = levels_of(entry, recoding)
    shape = Feature(entry.name, points=(0,) * len(levels), missing=0, levels=levels)
    return Bins(shape, ordered=recoding["kind"] == "interval")


def equal_widths(entry: Entry) -> tuple[float, ...]:
    """Edges of equal width within the register's bounds."""
    if entry.minimum is None or entry.maximum is None:
        raise Refused(
            ja=f"「{entry.name}」には台帳の範囲がありません。edges で区間を指定してください。",
            en=f"'{entry.name}' has no bounds in the register; choose intervals with edges.",
        )
    between = np.linspace(entry.minimum, entry.maximum, INTERVALS + 1)[1:-1]
    return tuple(sorted({float(f"{edge:.6g}") for edge in between}))


def levels_of(entry: Entry, recoding: Mapping[str, Any]) -> tuple[str, ...]:
    """The public levels: the recoding's labels, or the register's values."""
    if recoding["kind"] == "keep":
        given = list(entry.values) or (["yes", "no"] if entry.kind == "flag" else [])
    else:
        given = recode.labels(recoding)
    levels = tuple(level for level in dict.fromkeys(given) if level not in (MISSING, UNSEEN))
    if not 0 < len(levels) <= MOST_LEVELS:
        raise Refused(
            ja=f"「{entry.name}」には公開された区分の一覧がありません（または多すぎます）。区分のある項目を使ってください。",
            en=f"'{entry.name}' has no public list of levels (or too long a one); use an item that has.",
        )
    return levels
