"""
Grouping the combinations of a table at a node of the lattice, as fast as one can.

Three things make it fast. Items are packed into a few words, so that a combination's key at a node is a sum
of three or four look-ups. A node is not grouped from the combinations but from a *base*: the classes of a
finer node, at which only the items of most values are generalised, as far as at the node; nodes looked at one
after the other mostly have their base in common. And a base is sorted by an item whose labels stay apart at
the node, from its coarsest labels down, and cut where its label there changes, so that no class is in two
parts: a part's hash table stays in the cache, a node at which too many rows fail is left after a few parts,
and parts are shared among threads.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.privacy.anonymity.classes import LARGEST_KEY, Codes
from workbench.privacy.anonymity.compact import Axis, Compact
from workbench.privacy.anonymity.kernels import KERNELS

Mask = NDArray[np.bool_]
Steps = Sequence[int]

# A word's table of partial keys should stay in the innermost cache.
LARGEST_WORD = 1024
# Items by which bases are made: more give smaller bases, which are shared by fewer nodes.
DECIDING = 3
# A base is kept if it has no more than this share of the classes it was made from.
SMALLER = 0.6
# In how many orders a base is kept.
MOST_ORDERS = 3
# How many combinations all bases may have, in tables of the search.
ROOM = 4
# Below this, starting threads costs more than they bring.
WORTH_THREADS = 200_000


@dataclass(frozen=True)
class Word:
    """Neighbouring axes read as one number below `size`; `shifts` are what one label more of each adds to a key."""

    axes: tuple[int, ...]
    size: int
    shifts: tuple[int, ...]


@dataclass(frozen=True)
class Order:
    """
    The classes of a base sorted by an axis: which they are, their values of each word, and their rows.

    Those with one label of the axis stand together, on whatever level. Their values of each axis are the
    entries `at` of `codes`, which is a sorted copy where that is small.
    """

    axis: int
    sorting: Codes
    at: Codes
    codes: NDArray[np.int32]
    words: NDArray[np.uint16]
    rows: Codes
    parts: dict[int, Codes]


@dataclass(frozen=True)
class Base:
    """The classes of a node, one entry each; `member` gives each combination's class."""

    node: tuple[int, ...]
    member: Codes
    codes: NDArray[np.int32]
    words: list[NDArray[np.uint16]]
    rows: Codes
    orders: dict[int, Order]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Small:
    """
    The rows in classes that are too small, how much they cover of each item, and the classes of the base.

    Where there were more rows than was asked for, not all of them are found, and nothing of their cover.
    """

    rows: int
    cover: Codes
    base: Base
    order: Order
    failing: Mask

    @property
    def combinations(self) -> Mask:
        """Which combinations fail."""
        classes = np.empty(len(self.base), dtype=bool)
        classes[self.order.sorting] = self.failing
        return classes[self.base.member]


class Grouping:
    """The combinations of one table, ready to be grouped at any node."""

    def __init__(self, compact: Compact, *, kernels: ModuleType = KERNELS) -> None:
        self.compact, self.kernels = compact, kernels
        self.combinations = len(compact.rows)
        self.chapters = chapters(compact.axes)
        self.tables: dict[tuple[int, int, tuple[int, ...]], Codes] = {}
        sizes = [axis.sizes[0] for axis in compact.axes]
        self.deciding = sorted(range(len(sizes)), key=lambda axis: (-sizes[axis], axis))[:DECIDING]
        self.offsets = [np.cumsum([0, *(word.size for word in words)]) for words in self.chapters]
        self.cover_starts, self.covers = laid_out(compact.axes)
        bottom = (0,) * len(sizes)
        self.alike = [alike(axis, codes) for axis, codes in zip(compact.axes, compact.codes, strict=True)]
        self.bases = {bottom: self.first_base(bottom)}
        self.source = {bottom: bottom}

    def classes(self, node: Steps) -> tuple[Codes, int]:
        """The class of each combination at a node, and how many classes there are."""
        base = self.base(node)
        member, count = self.classes_of(base, node)
        return member[base.member], count

    def classes_of(self, base: Base, node: Steps) -> tuple[Codes, int]:
        """The class at a node of each class of its base."""
        member, count = self.chapter_classes(base, 0, node)
        for chapter in range(1, len(self.chapters)):
            other, others = self.chapter_classes(base, chapter, node)
            again = np.empty(len(base), dtype=np.int64)
            count = int(self.kernels.numbered(member * others + other, len(base), again))
            member = again
        return member, count

    def chapter_classes(self, base: Base, chapter: int, node: Steps) -> tuple[Codes, int]:
        """The classes that the axes of one chapter make."""
        member = np.empty(len(base), dtype=np.int64)
        axes = [axis for word in self.chapters[chapter] for axis in word.axes]
        most = min(self.space(axes, node), len(base))
        tables, offsets = self.key_tables(chapter, node)
        return member, int(self.kernels.classes(base.words[chapter], tables, offsets, most, member))

    def space(self, axes: Sequence[int], node: Steps) -> int:
        """How many classes these axes could make."""
        space = 1
        for axis in axes:
            space *= self.compact.axes[axis].sizes[node[axis]]
        return space

    def key_tables(self, chapter: int, node: Steps) -> tuple[Codes, Codes]:
        """The partial keys of each word of a chapter at a node, one after the other, and where each starts."""
        words = self.chapters[chapter]
        tables = [self.table(chapter, number, word, node) for number, word in enumerate(words)]
        return np.concatenate(tables), self.offsets[chapter]

    def table(self, chapter: int, number: int, word: Word, node: Steps) -> Codes:
        key = chapter, number, tuple([node[axis] for axis in word.axes])
        if key not in self.tables:
            self.tables[key] = word_table(self.compact.axes, word, key[2])
        return self.tables[key]

    def small(self, node: Steps, *, least: int, most_lost: int) -> Small:
        """The classes of fewer than `least` rows; once they have more than `most_lost` rows, no more of them."""
        base = self.base(node)
        order = self.order(base, node)
        failing = np.zeros(len(base), dtype=bool)
        if len(self.chapters) == 1:
            rows = self.small_in_parts(order, node, least=least, most_lost=most_lost, failing=failing)
        else:
            member, count = self.classes_of(base, node)
            small = np.bincount(member, weights=base.rows, minlength=count) < least
            failing[:] = small[member][order.sorting]
            rows = int(order.rows[failing].sum())
        cover = np.zeros(len(self.compact.axes), dtype=np.int64)
        if 0 < rows <= most_lost:
            at = np.array([starts[step] for starts, step in zip(self.cover_starts, node, strict=True)])
            self.kernels.lost_cover(failing, order.at, order.codes, order.rows, self.covers, at, cover)
        return Small(rows=rows, cover=cover, base=base, order=order, failing=failing)

    def small_in_parts(self, order: Order, node: Steps, *, least: int, most_lost: int, failing: Mask) -> int:
        """The same part by part; by as many threads as there are processors where that is worth it."""
        tables, offsets = self.key_tables(0, node)
        space = min(self.space(range(len(node)), node), len(failing))
        starts = self.starts(order, node[order.axis])

        def look(begin: int, end: int) -> int:
            lost, _ = self.kernels.small_classes(
                order.words, order.rows, tables, offsets, starts, begin, end,
                space, least, most_lost, failing,
            )  # fmt: skip
            return int(lost)

        parts = len(starts) - 1
        if len(failing) < WORTH_THREADS or parts < 2 or workers() < 2:
            return look(0, parts)
        targets = np.linspace(0, len(failing), workers() + 1)[1:-1]
        cuts = [0, *np.searchsorted(starts, targets).tolist(), parts]
        return sum(pool().map(lambda cut: look(*cut), [cut for cut in pairwise(cuts) if cut[0] < cut[1]]))

    def starts(self, order: Order, step: int) -> Codes:
        """Where the parts begin for nodes that have this step of the order's axis; the last entry is the length."""
        if step not in order.parts:
            label = self.compact.axes[order.axis].place[step][order.codes[order.at, order.axis]]
            cuts = np.flatnonzero(np.diff(label)) + 1
            order.parts[step] = np.concatenate([[0], cuts, [len(label)]]).astype(np.int64)
        return order.parts[step]

    def order(self, base: Base, node: Steps) -> Order:
        """A base in the order of the axis whose labels at the node tell most apart, of few that are kept."""
        axes = range(len(node)) if len(base.orders) < MOST_ORDERS else base.orders
        axis = min(axes, key=lambda axis: (self.alike[axis][node[axis]], axis))
        if axis not in base.orders:
            base.orders[axis] = self.sorted_by(base, axis)
        return base.orders[axis]

    def sorted_by(self, base: Base, axis: int) -> Order:
        sorting = np.argsort(nested_rank(self.compact.axes[axis])[base.codes[:, axis]], kind="stable")
        words = np.stack([word[sorting] for word in base.words[0]])
        at, codes = sorting, base.codes
        if len(base) < WORTH_THREADS:
            at, codes = np.arange(len(base)), base.codes[sorting]
        return Order(axis, sorting, at, codes, words, base.rows[sorting], {})

    def base(self, node: Steps) -> Base:
        """The base of a node: the deciding axes as they are there, the others as fine as they come."""
        wanted = [0] * len(node)
        found = tuple(wanted)
        for axis in self.deciding:
            wanted[axis] = node[axis]
            asked = tuple(wanted)
            if asked not in self.source:
                self.source[asked] = self.make_base(asked, self.bases[found])
            found = self.source[asked]
        return self.bases[found]

    def make_base(self, asked: tuple[int, ...], finer: Base) -> tuple[int, ...]:
        """The node of the base for `asked`: its own, or that of `finer` where it would not be much smaller."""
        if sum(map(len, self.bases.values())) > ROOM * self.combinations:
            return finer.node
        member, count = self.classes_of(finer, asked)
        if count > SMALLER * len(finer):
            return finer.node
        self.bases[asked] = self.joined(asked, finer, member, count)
        return asked

    def first_base(self, bottom: tuple[int, ...]) -> Base:
        """The combinations themselves."""
        codes = np.stack([values.astype(np.int32) for values in self.compact.codes], axis=1)
        every = np.arange(self.combinations)
        return Base(bottom, every, codes, self.in_words(codes), self.compact.rows, {})

    def joined(self, node: tuple[int, ...], finer: Base, member: Codes, count: int) -> Base:
        """The classes of `finer` put together by `member`."""
        rows = np.bincount(member, weights=finer.rows, minlength=count).astype(np.int64)
        some = np.empty(count, dtype=np.int64)
        some[member] = np.arange(len(member))
        codes = finer.codes[some]
        return Base(node, member[finer.member], codes, self.in_words(codes), rows, {})

    def in_words(self, codes: NDArray[np.int32]) -> list[NDArray[np.uint16]]:
        return [in_words(self.compact.axes, words, codes) for words in self.chapters]


def alike(axis: Axis, codes: Codes) -> list[float]:
    """For each step, how likely two combinations have the same label."""
    met = np.bincount(codes, minlength=axis.sizes[0])
    labels = [np.bincount(place, weights=met) / max(len(codes), 1) for place in axis.place]
    return [float(np.square(shares).sum()) for shares in labels]


def nested_rank(axis: Axis) -> Codes:
    """The place of each value of step 0 when values are sorted by their coarsest labels, then the finer ones."""
    rank = np.empty(axis.sizes[0], dtype=np.int32)
    rank[np.lexsort(axis.place)] = np.arange(axis.sizes[0])
    return rank if axis.sizes[0] >= 2**16 else rank.astype(np.uint16)


def chapters(axes: Sequence[Axis]) -> list[list[Word]]:
    """The axes as words, and the words in chapters whose keys fit an integer."""
    found: list[list[Word]] = [[]]
    space = 1
    for together in packed(axes):
        sizes = [axes[axis].sizes[0] for axis in together]
        size = 1
        for more in sizes:
            size *= more
        if space * size > LARGEST_KEY:
            found.append([])
            space = 1
        shifts = [space]
        for more in sizes[:-1]:
            shifts.append(shifts[-1] * more)
        found[-1].append(Word(axes=tuple(together), size=size, shifts=tuple(shifts)))
        space *= size
    return found


def packed(axes: Sequence[Axis]) -> list[list[int]]:
    """Neighbouring axes put together while their values, multiplied, are few."""
    words: list[list[int]] = []
    size = LARGEST_WORD + 1
    for number, axis in enumerate(axes):
        if size * axis.sizes[0] > LARGEST_WORD:
            words.append([])
            size = 1
        words[-1].append(number)
        size *= axis.sizes[0]
    return words


def in_words(axes: Sequence[Axis], words: Sequence[Word], codes: NDArray[np.int32]) -> NDArray[Any]:
    """The value of each word, one row a word, from the values of the axes, one column an axis."""
    found = np.zeros((len(words), len(codes)), dtype=np.int64)
    for number, word in enumerate(words):
        for axis in word.axes:
            found[number] = found[number] * axes[axis].sizes[0] + codes[:, axis]
    return found.astype(np.uint16 if found.max(initial=0) < 2**16 else np.uint32)


def word_table(axes: Sequence[Axis], word: Word, steps: Sequence[int]) -> Codes:
    """The partial key of each value of a word at these steps."""
    table = np.zeros(1, dtype=np.int64)
    for axis, step, shift in zip(word.axes, steps, word.shifts, strict=True):
        table = (table[:, None] + axes[axis].place[step] * shift).ravel()
    return table


def laid_out(axes: Sequence[Axis]) -> tuple[list[list[int]], Codes]:
    """The cover of every axis and step in one array, and where each starts."""
    starts: list[list[int]] = []
    length = 0
    for axis in axes:
        starts.append([])
        for cover in axis.cover:
            starts[-1].append(length)
            length += len(cover)
    return starts, np.concatenate([cover for axis in axes for cover in axis.cover])


def workers() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=workers(), thread_name_prefix="grouping")
