"""
The inner loops of the search in numpy: what each of them does, and the way where numba is missing.

A node is an array of one step an axis. Nodes of a lattice are numbered in C order: `strides` says how far
apart neighbours are. `bound` and `closed` have one entry a node.
"""

# ruff: noqa: PLR0917, ARG001 (what the compiled twin is given, in the same order)

from typing import Any

import numpy as np

GEOMETRIC, LINEAR, LARGEST = 0, 1, 2


def keys_of(words: Any, tables: Any, offsets: Any, here: slice) -> Any:
    """For each combination the sum of its words' entries in `tables`, each word's from its offset on."""
    return sum(tables[offset + word[here]] for offset, word in zip(offsets[:-1], words, strict=True))


def numbered(key: Any, most: int, member: Any) -> int:
    """Fill `member` with the keys numbered from 0 as they first appear; how many there are, never above `most`."""
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    member[:] = rank[inverse]
    return len(first)


def classes(words: Any, tables: Any, offsets: Any, most: int, member: Any) -> int:
    """The same for the keys of combinations in words."""
    return numbered(keys_of(words, tables, offsets, slice(None)), most, member)


def small_classes(
    words: Any,
    rows: Any,
    tables: Any,
    offsets: Any,
    starts: Any,
    begin: int,
    end: int,
    space: int,
    least: int,
    most_lost: int,
    failing: Any,
) -> tuple[int, int]:
    """
    Mark in `failing` the combinations in classes of fewer than `least` rows; how many rows, and the part reached.

    Part p is combinations `starts[p]` to `starts[p + 1]`, and no class is in two. Parts `begin` to `end` are
    looked at in order, and no more once over `most_lost` rows are found. A part has at most `space` classes.
    """
    lost = 0
    for part in range(begin, end):
        here = slice(starts[part], starts[part + 1])
        _, inverse = np.unique(keys_of(words, tables, offsets, here), return_inverse=True)
        size = np.bincount(inverse, weights=rows[here])
        failing[here] = (size < least)[inverse]
        lost += int(size[size < least].sum())
        if lost > most_lost:
            return lost, part + 1
    return lost, end


def lost_cover(failing: Any, sorting: Any, codes: Any, rows: Any, cover: Any, starts: Any, lost: Any) -> None:
    """Add to `lost`, for each axis, rows times cover of the failing; `codes` has a row for each, by `sorting`."""
    here = np.flatnonzero(failing)
    for axis, start in enumerate(starts):
        lost[axis] += (rows[here] * cover[start + codes[sorting[here], axis]]).sum()


def aggregate(kind: int, values: Any, weights: Any) -> Any:
    """The measure of a table from those of its items (last axis): sum of logarithms, sum or largest, weighted."""
    if kind == GEOMETRIC:
        return (weights * np.log1p(values)).sum(axis=-1)
    return (weights * values).sum(axis=-1) if kind == LINEAR else (weights * values).max(axis=-1, initial=0.0)


def floor(
    node: Any, kind: int, weights: Any, alone: Any, seen: Any, surcharges: Any, known: int, scratch: Any
) -> float:
    """
    The least a node can measure: generalising alone, and for each axis the largest surcharge of a coarser node.

    The first `known` of `seen` are nodes looked at; `alone[a, s]` is what step s of axis a measures alone.
    """
    coarser = (seen[:known] >= node).all(axis=1)
    scratch[:] = surcharges[:known][coarser].max(axis=0, initial=0.0) + alone[np.arange(len(node)), node]
    return float(aggregate(kind, scratch, weights))


def up_from(node: Any, shape: Any, strides: Any, bound: Any, closed: Any, best: float, strict: bool) -> None:
    """Move `node` up the cheapest way through open nodes whose bound does not pass `best`, to its end."""
    while True:
        to, cheapest = -1, np.inf
        for axis in range(len(node)):
            if node[axis] + 1 < shape[axis]:
                there = int((node * strides).sum() + strides[axis])
                value = bound[there]
                if not closed[there] and not passes(value, best, strict) and (to < 0 or value <= cheapest):
                    to, cheapest = axis, value
        if to < 0:
            return
        node[to] += 1


def passes(value: Any, best: float, strict: bool) -> Any:
    """Whether a bound cannot beat `best`; `strict` leaves ties open."""
    return value > best if strict else value >= best


def close_below(node: Any, strides: Any, closed: Any) -> int:
    """Close a node and all finer ones; how many were open."""
    box = view(closed, strides)[tuple(slice(0, step + 1) for step in node)]
    newly = int(box.size - np.count_nonzero(box))
    box[...] = True
    return newly


def raise_above(node: Any, shape: Any, strides: Any, least: float, bound: Any) -> None:
    """Raise the bound of a node and of all coarser ones to `least`."""
    box = view(bound, strides)[tuple(slice(step, None) for step in node)]
    np.maximum(box, least, out=box)


def view(flat: Any, strides: Any) -> Any:
    """A flat array of nodes as an array with one dimension an axis."""
    shape = [len(flat) // strides[0], *(strides[:-1] // strides[1:])]
    return flat.reshape(shape)


def next_open(start: int, order: Any, bound: Any, closed: Any, best: float, strict: bool) -> int:
    """The first place from `start` in `order` whose node is open and not passed by its bound; else the end."""
    rest = order[start:]
    left = np.flatnonzero(~closed[rest] & ~passes(bound[rest], best, strict))
    return start + int(left[0]) if len(left) else len(order)
