"""
What the inner loops of the search are handed: arrays by name, in three tuples.

The annotation of a field says what is in it, so that compiled code can be told before it meets any.
"""

from typing import Annotated, Any, NamedTuple, get_type_hints

import numpy as np
from numpy.typing import NDArray

# The type of an entry, and how many dimensions. "word" is uint16, or uint32 where an item has many values.
Words = Annotated[NDArray[Any], "word", 2]
Whole = Annotated[NDArray[np.int64], "int64", 1]
Wholes = Annotated[NDArray[np.int64], "int64", 2]
Counts = Annotated[NDArray[np.int32], "int32", 1]
Flags = Annotated[NDArray[np.uint8], "uint8", 1]
Real = Annotated[NDArray[np.float64], "float64", 1]
Reals = Annotated[NDArray[np.float64], "float64", 2]

# Columns of `Laid.regions`.
FIRST_RUN, RUNS, START, LENGTH, AXIS = range(5)
# Entries of `Desk.asked`.
REGION, BEGIN, END, LEAST, MOST, OUT, OUT_RUN, ALONG, BASE = range(9)
# Entries of `Walk.numbers` and of `Walk.reals`.
REACHED, KNOWN, LOOKED, SETTLED, LEFT, PHASE, BEST, ALLOWED, ROWS, KIND, THREADED, LOST = range(12)
TARGET, REACH = range(2)
# Where a walk stands, and why it came back.
CHOOSE, LOOK, CONCLUDE = range(3)
DONE, PAUSED, NEEDS_BASE, NEEDS_ORDER, NEEDS_LOOK, NEEDS_ROOM = range(6)
# How far up a search goes for a node, of the way from its bound to the best score: further each time a look
# settles what it was for, less far when it did not. (On Adult half the looks of always going all the way.)
NEAREST, FURTHEST, FURTHER = 0.3, 2.0, 1.1
# A base of fewer entries is not worth another order.
FEW = 2048
# In how many orders a base is kept.
MOST_ORDERS = 3


class Laid(NamedTuple):
    """
    A table laid out. A *region* is a stretch of entries: the classes of a base, in the order of one axis.

    `words` has a row a word, `rows` how many rows an entry stands for. A region's entries with one value of
    its axis are a *run*: where it starts, and the value; the start after the last run is where the region
    ends. `regions` has a row each (columns above), `region_of` the region of a base in the order of an axis.
    `base_of` is the base for the steps of the `deciding` axes, as one number by `deciding_strides`.

    By axis and step, `label_at` and `cover_at` say where the labels of values begin in `labels`, and their
    cover by value of the axis's word in `covers`; `constant` is what all labels cover where they cover alike,
    else 0. `tables` has the partial keys of each word for each steps of its axes, from `table_at` on and
    `table_size` apart; `word_of` is an axis's word, `times` what one step of it counts there. A value of an axis
    is its word's over `over`, modulo the size at step 0. `alike` says how likely two entries have one label.
    """

    words: Words
    rows: Counts
    runs_at: Whole
    runs_value: Whole
    regions: Wholes
    region_of: Wholes
    base_of: Whole
    deciding: Whole
    deciding_strides: Whole
    alike: Reals
    sizes: Wholes
    labels: Whole
    label_at: Wholes
    ranks: Whole
    covers: Whole
    cover_at: Wholes
    constant: Wholes
    tables: Whole
    table_at: Whole
    table_size: Whole
    word_of: Whole
    times: Whole
    over: Whole


class Desk(NamedTuple):
    """
    What one worker needs beside: the question in `asked` and `node`, room, and the answer in `cover`.

    Where `failing` has entries, those of the region that fail are marked there.
    """

    asked: Whole
    node: Whole
    cover: Whole
    failing: Flags
    slots: Wholes
    key: Whole
    member: Counts
    at: Whole


class Walk(NamedTuple):
    """
    A search under way: the lattice, what is known of its nodes, and what rows suppressed at a node cost.

    `from_node` is the node to be settled, `to_node` the one looked at for it. The first of `seen` are nodes
    whose suppressed rows add `surcharges`, by axis, to all finer ones.
    """

    shape: Whole
    strides: Whole
    bound: Real
    closed: Flags
    order: Whole
    weights: Real
    alone: Reals
    least: Reals
    of_row: Reals
    of_leaf: Reals
    seen: Wholes
    surcharges: Reals
    from_node: Whole
    to_node: Whole
    sums: Real
    numbers: Whole
    reals: Real


def fields(of: type) -> list[tuple[str, str, int]]:
    """Name, type of an entry and dimensions of each array of a tuple."""
    hints = get_type_hints(of, include_extras=True)
    return [(name, *hint.__metadata__) for name, hint in hints.items()]
