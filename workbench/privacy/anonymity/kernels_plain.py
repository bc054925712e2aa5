"""
The inner loops of the search in numpy: what each of them does, and the way where numba is missing.

`laid` and `desk` are as `layout` has them. A node is an array of one step an axis. Nodes of a lattice are numbered in C order: `strides` says how far
apart neighbours are. `bound` and `closed` have one entry a node.
"""

# ruff: noqa: PLR0917, ARG001 (what the compiled twin is given, in the same order)

from typing import Any

import numpy as np

from workbench.privacy.anonymity.layout import (
    ALONG,
    AXIS,
    BASE,
    BEGIN,
    END,
    FEW,
    FIRST_RUN,
    LEAST,
    LENGTH,
    MOST,
    MOST_ORDERS,
    NEEDS_BASE,
    NEEDS_ORDER,
    OUT,
    OUT_RUN,
    REGION,
    START,
)  # fmt: skip

GEOMETRIC, LINEAR, LARGEST = 0, 1, 2


def numbered(key: Any, most: int, member: Any) -> int:
    """Fill `member` with the keys numbered from 0 as they first appear; how many there are, never above `most`."""
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    member[:] = rank[inverse]
    return len(first)


def classes(words: Any, tables: Any, offsets: Any, most: int, member: Any) -> int:
    """The same for combinations: the key of one is the sum of its words' entries in `tables`, from their offsets on."""
    key = sum(tables[offset + word] for offset, word in zip(offsets[:-1], words, strict=True))
    return numbered(key, most, member)


def handed(arrays: Any) -> Any:
    """A tuple of arrays as the functions here take it."""
    return arrays


def keys_at(laid: Any, desk: Any, here: slice) -> Any:
    """The key of each entry at the desk's node."""
    key: Any = 0
    for word, at in enumerate(laid.table_at):
        axes = laid.word_of == word
        table = at + (desk.node * laid.times)[axes].sum() * laid.table_size[word]
        key = key + laid.tables[table + laid.words[word][here].astype(np.int64)]
    return key


def stretch(laid: Any, desk: Any) -> slice:
    """The entries of the runs asked for."""
    first = laid.regions[desk.asked[REGION], FIRST_RUN]
    return slice(laid.runs_at[first + desk.asked[BEGIN]], laid.runs_at[first + desk.asked[END]])


def look(laid: Any, desk: Any) -> int:
    """
    The rows in classes of fewer than LEAST; what they cover goes to `cover`, which entries they are to `failing`.

    The runs BEGIN to END of a region are looked at, cut where labels differ, so that no class is in two parts.
    Once over MOST rows are found it may end, and then `cover` tells nothing.
    """
    here = stretch(laid, desk)
    _, inverse = np.unique(keys_at(laid, desk, here), return_inverse=True)
    rows = laid.rows[here]
    small = np.bincount(inverse, weights=rows)[inverse] < desk.asked[LEAST]
    if len(desk.failing):
        start = laid.regions[desk.asked[REGION], START]
        desk.failing[here.start - start : here.stop - start] = small
    for axis, step in enumerate(desk.node):
        word = laid.words[laid.word_of[axis]][here][small].astype(np.int64)
        desk.cover[axis] = (rows[small] * laid.covers[laid.cover_at[axis, step] + word]).sum()
    return int(rows[small].sum())


def join(laid: Any, desk: Any) -> int:
    """
    Write the classes of a region at the desk's node from OUT on, their runs from OUT_RUN; how many they are.

    They are in the order of the region's axis. OUT_RUN moves on by the number of runs. -1 for more than MOST.
    """
    here, asked = stretch(laid, desk), desk.asked
    axis = laid.regions[asked[REGION], AXIS]
    _, first, inverse = np.unique(keys_at(laid, desk, here), return_index=True, return_inverse=True)
    if len(first) > asked[MOST]:
        return -1
    order = np.argsort(first)
    rows = np.bincount(inverse, weights=laid.rows[here])[order]
    out = slice(asked[OUT], asked[OUT] + len(first))
    laid.words[:, out] = laid.words[:, here.start + first[order]]
    laid.rows[out] = rows
    value = laid.words[laid.word_of[axis]][out].astype(np.int64) // laid.over[axis] % laid.sizes[axis, 0]
    asked[OUT_RUN] += note_runs(laid, asked, value, laid.labels[laid.label_at[axis, desk.node[axis]] + value])
    return len(first)


def note_runs(laid: Any, asked: Any, value: Any, label: Any) -> int:
    """Write where each label begins among entries from OUT on, and its first value; how many runs there are."""
    cuts = np.concatenate([[0], np.flatnonzero(np.diff(label)) + 1])
    runs = slice(asked[OUT_RUN], asked[OUT_RUN] + len(cuts))
    laid.runs_at[runs], laid.runs_value[runs] = asked[OUT] + cuts, value[cuts]
    return len(cuts)


def arrange(laid: Any, desk: Any) -> int:
    """Write a region from OUT on in the order of the axis ALONG, its runs from OUT_RUN; how many these are."""
    asked, axis = desk.asked, desk.asked[ALONG]
    start, length = laid.regions[asked[REGION], START], laid.regions[asked[REGION], LENGTH]
    here, out = slice(start, start + length), slice(asked[OUT], asked[OUT] + length)
    value = laid.words[laid.word_of[axis]][here].astype(np.int64) // laid.over[axis] % laid.sizes[axis, 0]
    order = np.argsort(laid.ranks[laid.label_at[axis, 0] + value], kind="stable")
    laid.words[:, out], laid.rows[out] = laid.words[:, here][:, order], laid.rows[here][order]
    runs = note_runs(laid, asked, value[order], value[order])
    laid.runs_at[asked[OUT_RUN] + runs] = asked[OUT] + length
    return runs


def find(laid: Any, desk: Any) -> int:
    """
    The region from which the desk's node is looked at: of its base, in the order that tells most labels apart.

    Below 0 for what is missing: the base, or that order, of the base then in BASE, along the axis in ALONG.
    """
    node = desk.node
    base = int(laid.base_of[(node[laid.deciding] * laid.deciding_strides).sum()])
    desk.asked[BASE] = base
    if base < 0:
        return -NEEDS_BASE
    there = np.flatnonzero(laid.region_of[base] >= 0)
    few = len(there) and laid.regions[laid.region_of[base, there[-1]], LENGTH] < FEW
    axes = there if few or len(there) >= MOST_ORDERS else np.arange(len(node))
    best = int(axes[np.argmin(laid.alike[axes, node[axes]])])
    desk.asked[ALONG] = best
    region = int(laid.region_of[base, best])
    return region if region >= 0 else -NEEDS_ORDER


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
