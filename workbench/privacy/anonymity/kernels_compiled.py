"""
The inner loops of the search, compiled by numba and kept on disk.

Every function has its twin of the same name in `kernels_plain`, which says what it does; the two give the
same numbers. All sums are of whole numbers, so neither threads nor machines change a digit.
"""

# ruff: noqa: PLR0917 (compiled functions are called without keywords)

from typing import Any

import numpy as np
from numba import njit

# Odd, near 2^64 divided by the golden ratio: multiplying spreads neighbouring keys over the table (Knuth, 6.4).
SPREADER = np.uint64(11400714819323198485)
GEOMETRIC, LINEAR, LARGEST = 0, 1, 2


def compiled(function: Any) -> Any:
    """`function` compiled without the interpreter's lock; kept on disk where there is a place to keep it."""
    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba found no writable directory
        return njit(nogil=True)(function)


@compiled
def place_of(key: Any, bits: Any) -> Any:
    return np.int64((np.uint64(key) * SPREADER) >> np.uint64(64 - bits))


@compiled
def bits_for(most: Any) -> Any:
    bits = 4
    while (1 << bits) < 2 * most:
        bits += 1
    return bits


@compiled
def fill_keys(words: Any, tables: Any, offsets: Any, low: Any, high: Any, key: Any) -> None:
    # One word after the other: short loops without branches, which the compiler makes wide.
    word, table = words[0], tables[: offsets[1]]
    for c in range(high - low):
        key[c] = table[word[low + c]]
    for w in range(1, len(words)):
        word, table = words[w], tables[offsets[w] : offsets[w + 1]]
        for c in range(high - low):
            key[c] += table[word[low + c]]


@compiled
def numbered(key: Any, most: Any, member: Any) -> Any:
    bits = bits_for(most)
    mask = (1 << bits) - 1
    slots = np.full(1 << bits, -1, dtype=np.int32)
    first = np.empty(most, dtype=np.int64)
    count = 0
    for c in range(len(key)):
        at = place_of(key[c], bits)
        while slots[at] >= 0 and first[slots[at]] != key[c]:
            at = (at + 1) & mask
        if slots[at] < 0:
            slots[at] = count
            first[count] = key[c]
            count += 1
        member[c] = slots[at]
    return count


@compiled
def classes(words: Any, tables: Any, offsets: Any, most: Any, member: Any) -> Any:
    key = np.empty(words.shape[1], dtype=np.int64)
    fill_keys(words, tables, offsets, 0, len(key), key)
    return numbered(key, most, member)


@compiled
def small_classes(
    words: Any,
    rows: Any,
    tables: Any,
    offsets: Any,
    starts: Any,
    begin: Any,
    end: Any,
    space: Any,
    least: Any,
    most_lost: Any,
    failing: Any,
) -> Any:
    longest = 0
    for p in range(begin, end):
        longest = max(longest, starts[p + 1] - starts[p])
    bits = bits_for(min(longest, space))
    slots = np.full(1 << bits, -1, dtype=np.int32)
    first = np.empty(min(longest, space), dtype=np.int64)
    size = np.empty(min(longest, space), dtype=np.int64)
    key = np.empty(longest, dtype=np.int64)
    member = np.empty(longest, dtype=np.int32)
    lost = 0
    for p in range(begin, end):
        low, high = starts[p], starts[p + 1]
        bits = bits_for(min(high - low, space))
        mask = (1 << bits) - 1
        slots[: mask + 1] = -1
        fill_keys(words, tables, offsets, low, high, key)
        count = 0
        for c in range(high - low):
            k = key[c]
            at = place_of(k, bits)
            n = slots[at]
            while n >= 0 and first[n] != k:
                at = (at + 1) & mask
                n = slots[at]
            if n < 0:
                n = count
                slots[at] = n
                first[n] = k
                size[n] = 0
                count += 1
            size[n] += rows[low + c]
            member[c] = n
        here = 0
        for n in range(count):
            if size[n] < least:
                here += size[n]
        if here > 0:
            lost += here
            for c in range(high - low):
                failing[low + c] = size[member[c]] < least
            if lost > most_lost:
                return lost, p + 1
    return lost, end


@compiled
def lost_cover(failing: Any, sorting: Any, codes: Any, rows: Any, cover: Any, starts: Any, lost: Any) -> None:
    axes = codes.shape[1]
    for c in range(len(failing)):
        if failing[c]:
            for a in range(axes):
                lost[a] += rows[c] * cover[starts[a] + codes[sorting[c], a]]


@compiled
def aggregate(kind: Any, values: Any, weights: Any) -> Any:
    total = 0.0
    for a in range(len(values)):
        if kind == GEOMETRIC:
            total += weights[a] * np.log1p(values[a])
        elif kind == LINEAR:
            total += weights[a] * values[a]
        else:
            total = max(total, weights[a] * values[a])
    return total


@compiled
def floor(
    node: Any, kind: Any, weights: Any, alone: Any, seen: Any, surcharges: Any, known: Any, scratch: Any
) -> Any:
    axes = len(node)
    scratch[:] = 0.0
    for w in range(known):
        above = True
        for a in range(axes):
            if seen[w, a] < node[a]:
                above = False
                break
        if above:
            for a in range(axes):
                scratch[a] = max(scratch[a], surcharges[w, a])
    for a in range(axes):
        scratch[a] += alone[a, node[a]]
    return aggregate(kind, scratch, weights)


@compiled
def up_from(node: Any, shape: Any, strides: Any, bound: Any, closed: Any, best: Any, strict: Any) -> None:
    at = 0
    for a in range(len(node)):
        at += node[a] * strides[a]
    while True:
        to, cheapest = -1, np.inf
        for a in range(len(node)):
            if node[a] + 1 < shape[a]:
                there = at + strides[a]
                value = bound[there]
                over = value > best if strict else value >= best
                # Of equal bounds the smaller node, which is the one that rises in the later item.
                if not closed[there] and not over and (to < 0 or value <= cheapest):
                    to, cheapest = a, value
        if to < 0:
            return
        node[to] += 1
        at += strides[to]


@compiled
def close_below(node: Any, strides: Any, closed: Any) -> Any:
    axes = len(node)
    step = np.zeros(axes, dtype=np.int64)
    at, newly = 0, 0
    while True:
        for _ in range(node[axes - 1] + 1):
            newly += not closed[at]
            closed[at] = True
            at += strides[axes - 1]
        at -= strides[axes - 1] * (node[axes - 1] + 1)
        a = axes - 2
        while a >= 0 and step[a] == node[a]:
            at -= step[a] * strides[a]
            step[a] = 0
            a -= 1
        if a < 0:
            return newly
        step[a] += 1
        at += strides[a]


@compiled
def raise_above(node: Any, shape: Any, strides: Any, least: Any, bound: Any) -> None:
    axes = len(node)
    step = node.copy()
    base = 0
    for a in range(axes):
        base += node[a] * strides[a]
    at = base
    while True:
        for _ in range(shape[axes - 1] - node[axes - 1]):
            bound[at] = max(bound[at], least)
            at += strides[axes - 1]
        at -= strides[axes - 1] * (shape[axes - 1] - node[axes - 1])
        a = axes - 2
        while a >= 0 and step[a] == shape[a] - 1:
            at -= (step[a] - node[a]) * strides[a]
            step[a] = node[a]
            a -= 1
        if a < 0:
            return
        step[a] += 1
        at += strides[a]


@compiled
def next_open(start: Any, order: Any, bound: Any, closed: Any, best: Any, strict: Any) -> Any:
    for place in range(start, len(order)):
        value = bound[order[place]]
        over = value > best if strict else value >= best
        if not closed[order[place]] and not over:
            return place
    return len(order)
