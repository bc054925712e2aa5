"""
The one partition of the test children that every table of scores is summed from.

Cut the ranking at round shares, join neighbours until each cell has enough children with and without the
target, and show only sums of cells: then no two tables of a report differ by a handful of children.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.riskflag.metrics import Integers, Labels
from workbench.scoring import engine
from workbench.scoring.model import Capacity

# Of ten thousand, from the top: the capacities people ask for, then the twentieths.
CUTS = (100, 200, *range(500, 10_000, 500))


@dataclass(frozen=True)
class Cell:
    """Children whose scores lie from `lowest` up to the next cell's; `share` is of those considered, from the top."""

    lowest: int
    children: int
    positives: int
    flagged_until_here: int
    positives_until_here: int


def partition(scores: Integers, labels: Labels, *, chosen: int, tie_rule: str, min_cell: int) -> list[Cell]:
    """
    The cells from the highest scores down, each with at least `min_cell` of either outcome; [] if none can.

    The cut the flag itself makes stays when both sides are large enough; other cuts give way to it.
    """
    cuts = {engine.lowest(scores, Capacity(per_10000=cut), tie_rule=tie_rule) for cut in CUTS}

    def enough(low: float, high: float) -> bool:
        inside = (scores >= low) & (scores < high)
        return min(int(labels[inside].sum()), int((~labels[inside]).sum())) >= min_cell

    if not enough(-np.inf, np.inf):
        return []
    bottom = int(scores.min())
    ends = [chosen, bottom] if enough(chosen, np.inf) and enough(bottom, chosen) else [bottom]
    return summed(scores, labels, large_enough(sorted(cuts, reverse=True), ends, enough=enough))


def large_enough(
    cuts: Sequence[int], ends: Sequence[int], *, enough: Callable[[float, float], bool]
) -> list[int]:
    """The cuts, from the top, that leave enough in the cell above and enough down to the next end."""
    kept: list[int] = []
    above = np.inf
    for end in ends:
        for cut in cuts:
            if end < cut < above and enough(cut, above) and enough(end, cut):
                kept.append(cut)
                above = cut
        kept.append(end)
        above = end
    return kept


def summed(scores: Integers, labels: Labels, cuts: Sequence[int]) -> list[Cell]:
    cells = []
    above, flagged, found = np.inf, 0, 0
    for cut in cuts:
        inside = (scores >= cut) & (scores < above)
        children, positives = int(inside.sum()), int(labels[inside].sum())
        flagged, found, above = flagged + children, found + positives, float(cut)
        cells.append(Cell(cut, children, positives, flagged, found))
    return cells


def share(count: int, total: int, *, min_cell: int) -> dict[str, Any]:
    """
    A share to the whole per cent; with few children on one side only which side that is.

    To the per cent and not to the child: two shares of one report must not differ by a child or two.
    """
    if count < min_cell:
        return {"share": None, "few": "inside"}
    if total - count < min_cell:
        return {"share": None, "few": "outside"}
    return {"share": round(count / total, 2), "few": None}


def tell_apart(one: Labels, other: Labels, labels: Labels, *, min_cell: int) -> bool:
    """
    Whether showing both sets of children would describe the few by which they differ.

    Where one set lies within the other, their counts can be subtracted; where neither does, they cannot.
    """
    return any(
        not (inner & ~outer).any() and (outer & ~inner).any() and few(outer & ~inner, labels, min_cell)
        for inner, outer in ((one, other), (other, one))
    )


def few(mask: Labels, labels: Labels, min_cell: int) -> bool:
    """Whether fewer than `min_cell` of either outcome are in `mask`."""
    return min(int(labels[mask].sum()), int((~labels[mask]).sum())) < min_cell
