"""
How each item enters the model: its levels or intervals, and which of them share one coefficient.

A coefficient of its own would describe very few children, so levels met in fewer than `min_cell` rows are
pooled; where even the pool is smaller they count as the most common level, like levels never met, and the
three cannot be told apart in the model. Intervals are joined until each is large enough.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from workbench.errors import Refused
from workbench.riskflag.dictionary import NUMERIC, Entry
from workbench.riskflag.part import Part
from workbench.scoring import engine, recode
from workbench.scoring.model import Feature
from workbench.scoring.recode import MISSING, UNSEEN, spelled

EIGHTHS = np.arange(1, 8) / 8
QUARTERS = (0.25, 0.5, 0.75)
MOST_LEVELS = 1000

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Binned:
    """
    One item ready to be fitted.

    `shape` has the item's places with no points yet; `places` is where each row stands; `group` gives
    each place (the last but one is unseen, the last is missing) its coefficient.
    """

    shape: Feature
    places: Integers
    group: tuple[int, ...]
    notes: tuple[Mapping[str, str], ...] = ()

    @property
    def width(self) -> int:
        """How many coefficients the item has."""
        return max(self.group) + 1


def bin_item(part: Part, item: str, *, min_cell: int, edges: Sequence[float] | None = None) -> Binned:
    """Bin the rows of a training part on `item`; `edges` where the analyst chose the intervals."""
    column = part.table([item]).column(item)
    entry = part.dictionary[item]
    if is_number(part, item):
        return bin_number(entry, column, min_cell=min_cell, edges=edges)
    levels = levels_of(part, item, column)
    if len(levels) > MOST_LEVELS:
        raise Refused(
            ja=f"「{item}」は区分が{len(levels)}あり、判定モデルに入りません。一般化の段階が高いデータか、別の項目を使ってください。",
            en=f"'{item}' has {len(levels)} categories, more than the model holds; use a coarser release or another item.",
        )
    # An open code can bring new values every year; elsewhere a value nobody listed is a fault.
    unseen = 0 if entry.kind == "code" and part.recoding(item)["kind"] == "keep" else None
    shape = Feature(name=item, points=(0,) * len(levels), missing=0, levels=levels, unseen=unseen)
    return pooled(entry, shape, engine.where(shape, column), min_cell=min_cell)


def is_number(part: Part, item: str) -> bool:
    """Whether the model reads the item as a number: one the release kept as it was."""
    return part.recoding(item)["kind"] == "keep" and part.dictionary[item].kind in NUMERIC


def levels_of(part: Part, item: str, column: Any) -> tuple[str, ...]:
    """Every level the item can take: of the release's recoding, of the dictionary, or those met."""
    entry = part.dictionary[item]
    given = recode.labels(part.recoding(item)) or list(entry.values)
    if not given and entry.kind == "flag":
        given = ["yes", "no"]
    met = {spelled(value) for value in pa.compute.unique(column).to_pylist()} - {None}
    listed = [*given, *sorted(str(level) for level in met if level not in given)]
    return tuple(level for level in dict.fromkeys(listed) if level not in (MISSING, UNSEEN))


def pooled(entry: Entry, shape: Feature, places: Integers, *, min_cell: int) -> Binned:
    """
    Give every place with enough rows a coefficient, and the small ones one together.

    Without enough rows even together, they share the coefficient of the most common place.
    """
    counts = counts_of(shape, places)
    common = int(counts.argmax())
    own = [place for place in range(len(counts)) if counts[place] >= min_cell or place == common]
    group = {place: coefficient for coefficient, place in enumerate(own)}
    small = [place for place in range(len(shape.points)) if place not in group]
    together = len(own) if counts[small].sum() >= min_cell else group[common]
    group |= dict.fromkeys(small, together)
    met = sum(counts[place] > 0 for place in small)
    return Binned(
        shape=shape,
        places=places,
        # What is missing or unseen, and rarely, is no more told apart than a rare level.
        group=tuple(group.get(place, group[common]) for place in range(len(counts))),
        notes=(merged(entry, met, min_cell=min_cell),) if met else (),
    )


def counts_of(shape: Feature, places: Integers) -> Integers:
    """Rows at each place; the last two are unseen and missing."""
    size = len(shape.points) + 2
    return np.bincount(places % size, minlength=size).astype(np.int64)


def bin_number(entry: Entry, column: Any, *, min_cell: int, edges: Sequence[float] | None) -> Binned:
    """Intervals with at least `min_cell` rows each, from the analyst's edges or from round quantiles."""
    numbers = recode.as_numbers(recode.as_array(column))
    known = numbers[np.isfinite(numbers)]
    chosen = sorted({float(edge) for edge in edges}) if edges is not None else round_quantiles(known)
    kept = joined(known, chosen, min_cell=min_cell)
    shape = Feature(name=entry.name, points=(0,) * (len(kept) + 1), missing=0, edges=tuple(kept))
    notes = (
        (joined_intervals(entry, len(chosen) - len(kept), min_cell=min_cell),)
        if edges is not None and len(kept) < len(chosen)
        else ()
    )
    binned = pooled(entry, shape, engine.where(shape, column), min_cell=min_cell)
    return Binned(shape=shape, places=binned.places, group=binned.group, notes=(*notes, *binned.notes))


def round_quantiles(known: npt.NDArray[np.float64]) -> list[float]:
    """
    Edges near the quantiles, rounded to two significant digits.

    A quantile is somebody's value; a round number near it is nobody's.
    """
    if not len(known):
        return []
    above = known[known > known.min()]
    # Counts are mostly 0: the quantiles of all would leave the few who stand out in one interval with them.
    values = [*np.quantile(known, EIGHTHS), *(np.quantile(above, QUARTERS) if len(above) else ())]
    edges = {float(f"{value:.2g}") for value in values}
    # An interval below the smallest value would be empty.
    return sorted(edge for edge in edges if edge > known.min())


def joined(known: npt.NDArray[np.float64], edges: Sequence[float], *, min_cell: int) -> list[float]:
    """The edges that leave at least `min_cell` values on either side of each, from below."""
    kept: list[float] = []
    below = -np.inf
    for edge in edges:
        inside = int(((known >= below) & (known < edge)).sum())
        if inside >= min_cell and int((known >= edge).sum()) >= min_cell:
            kept.append(edge)
            below = edge
    return kept


def merged(entry: Entry, levels: int, *, min_cell: int) -> Mapping[str, str]:
    return {
        "ja": f"{entry.label['ja']}：{min_cell}行に満たない{levels}区分は、個別の点数を持たせず他とまとめました。",
        "en": f"{entry.label['en']}: {levels} categories with fewer than {min_cell} rows have no points of their own.",
    }


def joined_intervals(entry: Entry, count: int, *, min_cell: int) -> Mapping[str, str]:
    return {
        "ja": f"{entry.label['ja']}：{min_cell}行に満たない区間ができるため、境界{count}個を除きました。",
        "en": f"{entry.label['en']}: {count} edges were dropped because an interval would hold fewer than {min_cell} rows.",
    }
