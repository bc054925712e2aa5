"""
The inner loops of the search, compiled by numba and kept on disk.

Every function has its twin of the same name in `kernels_plain`, which says what it does; the two give the
same numbers. All sums are of whole numbers, so neither threads nor machines change a digit.
"""

# ruff: noqa: PLR0917 (compiled functions are called without keywords)

from typing import Any

import numpy as np
from numba import njit

from workbench.privacy.anonymity.layout import (
    ALLOWED,
    ALONG,
    AXIS,
    BASE,
    BEGIN,
    BEST,
    CHOOSE,
    CONCLUDE,
    DONE,
    END,
    FEW,
    FIRST_RUN,
    FURTHER,
    FURTHEST,
    KIND,
    KNOWN,
    LEAST,
    LEFT,
    LENGTH,
    LOOK,
    LOOKED,
    LOST,
    MOST,
    MOST_ORDERS,
    NEAREST,
    NEEDS_BASE,
    NEEDS_LOOK,
    NEEDS_ORDER,
    NEEDS_ROOM,
    OUT,
    OUT_RUN,
    PAUSED,
    PHASE,
    REACH,
    REACHED,
    REGION,
    ROWS,
    RUNS,
    SETTLED,
    START,
    TARGET,
    THREADED,
)  # fmt: skip

# Odd, near 2^64 divided by the golden ratio: multiplying spreads neighbouring keys over the table (Knuth, 6.4).
SPREADER = np.uint64(11400714819323198485)
GEOMETRIC, LINEAR, LARGEST = 0, 1, 2


def compiled(function: Any) -> Any:
    """`function` compiled without the interpreter's lock; kept on disk where there is a place to keep it."""
    try:
        return njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # numba found no writable directory
        return njit(nogil=True, error_model="numpy")(function)


def handed(arrays: Any) -> Any:
    return arrays


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


# The helpers below take arrays one by one: each that is handed whole tuples takes a second to compile.


@compiled
def space_at(sizes: Any, node: Any) -> Any:
    space = 1.0
    for a in range(len(node)):
        space *= sizes[a, node[a]]
    return np.int64(min(space, 2.0**40))


@compiled
def place_tables(node: Any, at: Any, table_at: Any, table_size: Any, word_of: Any, times: Any) -> None:
    for w in range(len(table_at)):
        at[w] = table_at[w]
    for a in range(len(node)):
        at[word_of[a]] += node[a] * times[a] * table_size[word_of[a]]


@compiled
def keys_between(words: Any, tables: Any, at: Any, key: Any, low: Any, high: Any) -> None:
    # One word after the other: short loops without branches, which the compiler makes wide.
    for w in range(len(words)):
        word, table = words[w], tables[at[w] :]
        if w == 0:
            for c in range(high - low):
                key[c] = table[word[low + c]]
        else:
            for c in range(high - low):
                key[c] += table[word[low + c]]


@compiled
def end_of_part(values: Any, labels: Any, run: Any, end: Any) -> Any:
    mark = labels[values[run]]
    run += 1
    while run < end and labels[values[run]] == mark:
        run += 1
    return run


@compiled
def small_between(
    rows: Any, key: Any, slots: Any, member: Any, low: Any, high: Any, space: Any, least: Any
) -> Any:
    bits = bits_for(min(high - low, space))
    mask = (1 << bits) - 1
    for at in range(mask + 1):
        slots[at, 0] = -1
    for c in range(high - low):
        at = place_of(key[c], bits)
        while slots[at, 0] >= 0 and slots[at, 0] != key[c]:
            at = (at + 1) & mask
        if slots[at, 0] < 0:
            slots[at, 0] = key[c]
            slots[at, 1] = 0
        slots[at, 1] += rows[low + c]
        member[c] = at
    lost, failing = 0, 0
    for c in range(high - low):
        small = slots[member[c], 1] < least
        lost += rows[low + c] * small
        # Written whether it fails or not: a branch here is guessed wrong half of the time.
        key[failing] = low + c
        failing += small
    return lost, failing


@compiled
def look(laid: Any, desk: Any) -> Any:
    node, cover, region = desk.node, desk.cover, desk.asked[REGION]
    first, start = laid.regions[region, FIRST_RUN], laid.regions[region, START]
    axis = laid.regions[region, AXIS]
    labels = laid.labels[laid.label_at[axis, node[axis]] :]
    values = laid.runs_value[first:]
    space = space_at(laid.sizes, node)
    place_tables(node, desk.at, laid.table_at, laid.table_size, laid.word_of, laid.times)
    cover[:] = 0
    lost, run = 0, desk.asked[BEGIN]
    while run < desk.asked[END]:
        low = laid.runs_at[first + run]
        run = end_of_part(values, labels, run, desk.asked[END])
        high = laid.runs_at[first + run]
        keys_between(laid.words, laid.tables, desk.at, desk.key, low, high)
        here, failing = small_between(
            laid.rows, desk.key, desk.slots, desk.member, low, high, space, desk.asked[LEAST]
        )
        lost += here
        if lost > desk.asked[MOST]:
            return lost
        for a in range(len(node)):
            if laid.constant[a, node[a]] == 0:
                word, at = laid.words[laid.word_of[a]], laid.cover_at[a, node[a]]
                for f in range(failing):
                    c = desk.key[f]
                    cover[a] += laid.rows[c] * laid.covers[at + word[c]]
        if len(desk.failing) > 0:
            for f in range(failing):
                desk.failing[desk.key[f] - start] = 1
    for a in range(len(node)):
        if laid.constant[a, node[a]] > 0:
            cover[a] = lost * laid.constant[a, node[a]]
    return lost


@compiled
def join(laid: Any, desk: Any) -> Any:
    node, region, out = desk.node, desk.asked[REGION], desk.asked[OUT]
    first, axis = laid.regions[region, FIRST_RUN], laid.regions[region, AXIS]
    labels = laid.labels[laid.label_at[axis, node[axis]] :]
    values = laid.runs_value[first:]
    space = space_at(laid.sizes, node)
    place_tables(node, desk.at, laid.table_at, laid.table_size, laid.word_of, laid.times)
    key, slots = desk.key, desk.slots
    count, runs, run = 0, 0, desk.asked[BEGIN]
    while run < desk.asked[END]:
        low = laid.runs_at[first + run]
        laid.runs_at[desk.asked[OUT_RUN] + runs] = out + count
        laid.runs_value[desk.asked[OUT_RUN] + runs] = laid.runs_value[first + run]
        runs += 1
        run = end_of_part(values, labels, run, desk.asked[END])
        high = laid.runs_at[first + run]
        keys_between(laid.words, laid.tables, desk.at, key, low, high)
        bits = bits_for(min(high - low, space))
        mask = (1 << bits) - 1
        for at in range(mask + 1):
            slots[at, 0] = -1
        for c in range(high - low):
            at = place_of(key[c], bits)
            while slots[at, 0] >= 0 and slots[at, 0] != key[c]:
                at = (at + 1) & mask
            if slots[at, 0] < 0:
                slots[at, 0] = key[c]
                slots[at, 1] = out + count
                for w in range(len(laid.words)):
                    laid.words[w, out + count] = laid.words[w, low + c]
                laid.rows[out + count] = 0
                count += 1
            laid.rows[slots[at, 1]] += laid.rows[low + c]
        if count > desk.asked[MOST]:
            return -1
    desk.asked[OUT_RUN] += runs
    return count


@compiled
def arrange(laid: Any, desk: Any) -> Any:
    region, axis, out = desk.asked[REGION], desk.asked[ALONG], desk.asked[OUT]
    start, length = laid.regions[region, START], laid.regions[region, LENGTH]
    word, over, size = laid.words[laid.word_of[axis]], laid.over[axis], laid.sizes[axis, 0]
    ranks = laid.ranks[laid.label_at[axis, 0] :]
    # The first of `key` count each rank, then are where its next entry goes; the others lead back from it.
    next_at, value_of = desk.key[: size + 1], desk.key[size + 1 : 2 * size + 1]
    next_at[:] = 0
    for value in range(size):
        value_of[ranks[value]] = value
    for c in range(start, start + length):
        next_at[ranks[np.int64(word[c]) // over % size] + 1] += 1
    runs = desk.asked[OUT_RUN]
    for rank in range(size):
        if next_at[rank + 1] > 0:
            laid.runs_at[runs] = out + next_at[rank]
            laid.runs_value[runs] = value_of[rank]
            runs += 1
        next_at[rank + 1] += next_at[rank]
    for c in range(start, start + length):
        rank = ranks[np.int64(word[c]) // over % size]
        to = out + next_at[rank]
        next_at[rank] += 1
        for w in range(len(laid.words)):
            laid.words[w, to] = laid.words[w, c]
        laid.rows[to] = laid.rows[c]
    laid.runs_at[runs] = out + length
    return runs - desk.asked[OUT_RUN]


@compiled
def find(laid: Any, desk: Any) -> Any:
    node, place = desk.node, 0
    for d in range(len(laid.deciding)):
        place += node[laid.deciding[d]] * laid.deciding_strides[d]
    base = laid.base_of[place]
    desk.asked[BASE] = base
    if base < 0:
        return -NEEDS_BASE
    orders, any_order = 0, -1
    for a in range(len(node)):
        if laid.region_of[base, a] >= 0:
            orders += 1
            any_order = laid.region_of[base, a]
    full = orders >= MOST_ORDERS or (orders > 0 and laid.regions[any_order, LENGTH] < FEW)
    best = -1
    for a in range(len(node)):
        may = laid.region_of[base, a] >= 0 or not full
        if may and (best < 0 or laid.alike[a, node[a]] < laid.alike[best, node[best]]):
            best = a
    desk.asked[ALONG] = best
    region = laid.region_of[base, best]
    return region if region >= 0 else -NEEDS_ORDER


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
    last = len(node) - 1
    at, newly = 0, 0
    while True:
        for _ in range(node[last] + 1):
            newly += not closed[at]
            closed[at] = True
            at += strides[last]
        at -= strides[last] * (node[last] + 1)
        a = last - 1
        while a >= 0:
            # The step of an axis is read off the place, so that nothing need be allocated.
            step = at // strides[a] if a == 0 else at % strides[a - 1] // strides[a]
            if step < node[a]:
                break
            at -= step * strides[a]
            a -= 1
        if a < 0:
            return newly
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


@compiled
def place_in(node: Any, strides: Any) -> Any:
    place = 0
    for a in range(len(node)):
        place += node[a] * strides[a]
    return place


@compiled
def is_open(walk: Any) -> Any:
    place = place_in(walk.from_node, walk.strides)
    if walk.closed[place] or walk.bound[place] >= walk.reals[TARGET]:
        return False
    if walk.reals[TARGET] == np.inf:
        return True
    least = floor(
        walk.from_node, walk.numbers[KIND], walk.weights, walk.least, walk.seen, walk.surcharges,
        walk.numbers[KNOWN], walk.sums,
    )  # fmt: skip
    return least < walk.reals[TARGET]


@compiled
def choose(walk: Any) -> Any:
    numbers, target, axes = walk.numbers, walk.reals[TARGET], len(walk.shape)
    while numbers[REACHED] < len(walk.order):
        place = walk.order[numbers[REACHED]]
        left = place
        for a in range(axes):
            walk.from_node[a] = left // walk.strides[a]
            left %= walk.strides[a]
        if is_open(walk):
            for a in range(axes):
                walk.to_node[a] = walk.from_node[a]
            low, goal = walk.bound[place], np.inf
            if target < np.inf:
                goal = low + walk.reals[REACH] * (target - low)
            up_from(walk.to_node, walk.shape, walk.strides, walk.bound, walk.closed, goal, False)
            return True
        numbers[REACHED] = next_open(numbers[REACHED] + 1, walk.order, walk.bound, walk.closed, target, False)
    return False


@compiled
def conclude(walk: Any, cover: Any, lost: Any) -> None:
    numbers, node = walk.numbers, walk.to_node
    numbers[LOOKED] += 1
    place = place_in(node, walk.strides)
    if lost > numbers[ALLOWED]:
        numbers[SETTLED] += close_below(node, walk.strides, walk.closed)
        return
    numbers[SETTLED] += not walk.closed[place]
    walk.closed[place] = 1
    known, costs = numbers[KNOWN], False
    for a in range(len(node)):
        more = lost * walk.of_row[a, node[a]] + cover[a] * walk.of_leaf[a, node[a]]
        walk.sums[a] = walk.alone[a, node[a]] + more
        walk.surcharges[known, a] = max(more, 0.0)
        walk.seen[known, a] = node[a]
        costs = costs or more > 0
    numbers[KNOWN] += costs
    key = aggregate(numbers[KIND], walk.sums, walk.weights)
    if key < walk.reals[TARGET]:
        walk.reals[TARGET] = key
        numbers[BEST] = place


@compiled
def adapt(walk: Any) -> None:
    if is_open(walk):
        walk.reals[REACH] = max(walk.reals[REACH] / FURTHER, NEAREST)
    else:
        walk.reals[REACH] = min(walk.reals[REACH] * FURTHER, FURTHEST)


@compiled
def walk_on(laid: Any, desk: Any, walk: Any) -> Any:
    numbers = walk.numbers
    while True:
        if numbers[PHASE] == CHOOSE:
            if not choose(walk):
                return DONE
            numbers[PHASE] = LOOK
        if numbers[PHASE] == LOOK:
            if numbers[LEFT] == 0:
                return PAUSED
            for a in range(len(walk.shape)):
                desk.node[a] = walk.to_node[a]
            region = find(laid, desk)
            if region < 0:
                return -region
            desk.asked[REGION], desk.asked[BEGIN] = region, 0
            desk.asked[END] = laid.regions[region, RUNS]
            desk.asked[LEAST], desk.asked[MOST] = numbers[ROWS], numbers[ALLOWED]
            numbers[PHASE] = CONCLUDE
            if laid.regions[region, LENGTH] >= numbers[THREADED]:
                return NEEDS_LOOK
            numbers[LOST] = look(laid, desk)
        if numbers[KNOWN] == len(walk.seen):
            return NEEDS_ROOM
        conclude(walk, desk.cover, numbers[LOST])
        adapt(walk)
        numbers[PHASE] = CHOOSE
        numbers[LEFT] -= 1
