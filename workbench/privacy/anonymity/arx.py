"""
ARX's way with hierarchies, beyond the CSV file that `hierarchies` reads and writes as it is.

ARX writes an interval as `[0, 5[`, what lies outside its bounds as `<0` and `>=80`, and a missing value as
`NULL`, and it lists every value that its table had. A table of such labels is a ladder of intervals: read
as one, it knows what to do with next year's values too.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from workbench.privacy.anonymity.builders import TOP, number
from workbench.privacy.anonymity.classes import word
from workbench.privacy.anonymity.hierarchies import (
    NULL,
    SEPARATOR,
    Hierarchy,
    as_csv,
    faulty,
    from_ladder,
    rows_of,
)
from workbench.scoring.recode import MISSING

NUMBER = r"(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
BETWEEN = re.compile(rf"\[{NUMBER}, ?{NUMBER}\[")
BELOW = re.compile(rf"<{NUMBER}")
ABOVE = re.compile(rf">={NUMBER}")

Bounds = tuple[float, float]


def written(hierarchy: Hierarchy, *, values: Iterable[Any] = (), separator: str = SEPARATOR) -> str:
    """
    The text of the CSV that ARX imports. A table is written as it is; of a ladder of intervals, a row for
    each of `values`, for ARX knows no other form.
    """
    if hierarchy.kind == "table":
        return as_csv([as_null(row) for row in rows_of(hierarchy)], separator=separator)
    words = sorted({word(value) for value in values}, key=numeric)
    labels = [hierarchy.labels(words, level=level) for level in range(hierarchy.height + 1)]
    return as_csv([as_null(row) for row in zip(*labels, strict=True)], separator=separator)


def as_null(row: Sequence[str]) -> list[str]:
    return [NULL if label == MISSING else label for label in row]


def numeric(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return math.inf, text


def as_intervals(hierarchy: Hierarchy) -> Hierarchy:
    """
    The ladder of intervals that a table of ARX's interval labels stands for, its labels unchanged.

    Where the table leaves a gap, and outside its intervals, ARX's own label is added. Raises Unusable for
    a level with another label, for intervals that overlap or do not nest, and for a value that does not lie
    in the interval of its label.
    """
    if hierarchy.kind == "interval":
        return hierarchy
    ladder = [step_of(hierarchy.item, level) for level in hierarchy.levels[1:]]
    made = from_ladder(hierarchy.item, ladder)
    known = [raw for raw in hierarchy.levels[0]["map"] if raw.upper() != NULL]
    for place, level in enumerate(hierarchy.levels[1:], start=1):
        if made.labels(known, level=place) != [level["map"][raw] for raw in known]:
            raise no_intervals(hierarchy.item)
    return made


def step_of(item: str, level: Mapping[str, Any]) -> dict[str, Any]:
    """One level of the ladder."""
    labels = {label for raw, label in level["map"].items() if raw.upper() != NULL}
    absent = {"missing": level["missing"]} if "missing" in level else {}
    if labels == {TOP}:
        return {"edges": [], "labels": [TOP], "missing": TOP}
    held = sorted((bounds(item, label), label) for label in labels)
    edges, names = [], []
    reached = -math.inf
    for (low, high), label in held:
        if low < reached:
            raise no_intervals(item)
        if low > reached:
            names.append(gap(reached, low))
            edges.append(low)
        names.append(label)
        edges.append(high)
        reached = high
    if reached == math.inf:
        edges.pop()
    else:
        names.append(gap(reached, math.inf))
    return {"edges": [number(edge) for edge in edges], "labels": names, **absent}


def bounds(item: str, label: str) -> Bounds:
    if found := BETWEEN.fullmatch(label):
        return float(found[1]), float(found[2])
    if found := BELOW.fullmatch(label):
        return -math.inf, float(found[1])
    if found := ABOVE.fullmatch(label):
        return float(found[1]), math.inf
    raise no_intervals(item)


def gap(low: float, high: float) -> str:
    """The label ARX would give to what lies between."""
    if low == -math.inf:
        return f"<{number(high)}"
    return f">={number(low)}" if high == math.inf else f"[{number(low)}, {number(high)}["


def no_intervals(item: str) -> Exception:
    return faulty(
        item,
        ja="は ARX の区間の表ではないか、区間が重なっているか、値がその区間にありません",
        en="is no table of ARX's intervals, or they overlap, or a value lies outside its own",
    )
