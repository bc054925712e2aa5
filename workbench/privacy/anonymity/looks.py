"""
Which rows are in classes that are too small at a node of the lattice, as fast as one can.

Three things make it fast. Items are packed into a few words, so that a combination's key at a node is a sum of
three or four look-ups. A node is not grouped from the combinations but from a *base*: the classes of a finer
node, at which only the items of most values are generalised, as far as at the node; nodes looked at one after
the other mostly have their base in common. And a base is in the order of an item whose labels stay apart at the
node, from its coarsest labels down, and cut where its label there changes, so that no class is in two parts: a
part's hash table stays in the cache, a node at which too many rows fail is left after a few parts, and parts
are shared among threads.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from workbench.privacy.anonymity.classes import LARGEST_KEY, Codes
from workbench.privacy.anonymity.compact import Axis, Compact
from workbench.privacy.anonymity.grouping import Mask, Word, in_words, packed
from workbench.privacy.anonymity.kernels import KERNELS
from workbench.privacy.anonymity.layout import (
    ALONG,
    AXIS,
    BASE,
    BEGIN,
    END,
    FIRST_RUN,
    LEAST,
    LENGTH,
    MOST,
    NEEDS_BASE,
    OUT,
    OUT_RUN,
    REGION,
    RUNS,
    START,
    Desk,
    Laid,
)  # fmt: skip
from workbench.privacy.anonymity.threads import pool, workers

Steps = Sequence[int]

# Items by which bases are made: more give smaller bases, which are shared by fewer nodes.
DECIDING = 3
# A base is kept if it has no more than this share of the entries it was made from.
SMALLER = 0.6
# How many entries all regions may have, in tables; and how many regions there may be.
ROOM, MOST_REGIONS = 12, 1024
# Below this many entries, starting threads costs more than they bring.
WORTH_THREADS = 200_000
# So many classes a node cannot have: a bound that stands for none.
EVERY = 2**62


# What of a table laid out depends on its items alone.
BY_AXIS = (
    "tables", "table_at", "table_size", "word_of", "times", "over", "covers", "cover_at", "constant", "labels",
    "label_at", "ranks", "sizes",
)  # fmt: skip


def can_lay(compact: Compact) -> bool:
    """Whether the items' values, multiplied, fit the number that a key is."""
    return math.prod(axis.sizes[0] for axis in compact.axes) <= LARGEST_KEY


class Looks:
    """One table, ready to be looked at. Made for a table that `can_lay`."""

    def __init__(self, compact: Compact, *, kernels: Any = KERNELS, like: "Looks | None" = None) -> None:
        """`like` was made for more rows of the same items."""
        self.compact, self.kernels = compact, kernels
        self.laid = laid_out(compact, like.laid if like else None)
        self.given = kernels.handed(self.laid)
        self.desks = [desk(compact)]
        self.places = [kernels.handed(self.desks[0])]
        self.marking = self.desks[0]._replace(failing=np.zeros(len(compact.rows), dtype=np.uint8))
        self.marking_place = kernels.handed(self.marking)
        self.bases: list[int] = [0]
        self.regions, self.used, self.used_runs = 1, len(compact.rows), 2

    def rows(self, node: Steps, *, least: int, most: int) -> tuple[int, Codes]:
        """
        The rows in classes of fewer than `least`, and what their labels cover of each item.

        Once there are more than `most` rows no more are counted, nor what they cover.
        """
        self.desks[0].node[:] = node
        region = self.region()
        lost = self.in_threads(region, least=least, most=most)
        return lost, self.desks[0].cover

    def failing(self, node: Steps, *, least: int) -> Mask:
        """Which combinations are in classes of fewer than `least` rows."""
        self.marking.node[:] = node
        self.marking.failing[:] = 0
        ask(self.marking, 0, begin=0, end=1, least=least, most=EVERY)
        self.kernels.look(self.given, self.marking_place)
        return self.marking.failing.astype(bool)

    def region(self) -> int:
        """The region from which the desk's node is looked at; made where it is missing."""
        while (region := int(self.kernels.find(self.given, self.places[0]))) < 0:
            self.provide(-region)
        return region

    def provide(self, needed: int) -> None:
        """Make what `find` found missing."""
        self.make_base() if needed == NEEDS_BASE else self.make_order()

    def in_threads(self, region: int, *, least: int, most: int) -> int:
        """Look at the desk's node from a region, by as many threads as there are processors where it is worth it."""
        cuts = self.cuts(region)
        for worker, (begin, end) in zip(self.at_node(len(cuts) - 1), pairwise(cuts), strict=True):
            ask(worker, region, begin=begin, end=end, least=least, most=most)
        if len(cuts) == 2:
            return int(self.kernels.look(self.given, self.places[0]))
        lost = list(
            pool().map(lambda place: self.kernels.look(self.given, place), self.places[: len(cuts) - 1])
        )
        self.desks[0].cover[:] = sum(worker.cover for worker in self.desks[: len(cuts) - 1])
        return int(sum(lost))

    def cuts(self, region: int) -> list[int]:
        """The runs at which each thread begins, of one label each at the desk's node; the last entry is their end."""
        first, runs, _, length, axis = self.laid.regions[region].tolist()
        if length < WORTH_THREADS or workers() < 2:
            return [0, runs]
        place = self.compact.axes[axis].place[self.desks[0].node[axis]]
        label = place[self.laid.runs_value[first : first + runs]]
        parts = np.flatnonzero(np.diff(label)) + 1
        starts = self.laid.runs_at[first : first + runs]
        targets = starts[0] + np.linspace(0, length, workers() + 1)[1:-1]
        near = (
            {int(parts[np.argmin(abs(starts[parts] - target))]) for target in targets}
            if len(parts)
            else set()
        )
        return [0, *sorted(near), runs]

    def at_node(self, count: int) -> list[Desk]:
        """So many desks at the node of the first."""
        while len(self.desks) < count:
            self.desks.append(desk(self.compact))
            self.places.append(self.kernels.handed(self.desks[-1]))
        for other in self.desks[1:count]:
            other.node[:] = self.desks[0].node
        return self.desks[:count]

    def make_base(self) -> None:
        """
        The base of the desk's node: the deciding axes as they are there, the others as fine as they come.

        By one axis after the other, so that bases on the way are shared; where one would not be much smaller
        than what it is made from, that one serves.
        """
        node = self.desks[0].node.copy()
        wanted = np.zeros_like(node)
        found = 0
        for axis in self.laid.deciding:
            wanted[axis] = node[axis]
            place = int((wanted[self.laid.deciding] * self.laid.deciding_strides).sum())
            if self.laid.base_of[place] < 0:
                self.laid.base_of[place] = self.joined(found, wanted) if node[axis] else found
            found = int(self.laid.base_of[place])
        self.desks[0].node[:] = node

    def joined(self, finer: int, node: Codes) -> int:
        """The base whose entries are the classes of another at a node, or that other."""
        self.desks[0].node[:] = node
        region = self.region_of(finer)
        length = int(self.laid.regions[region, LENGTH])
        if not self.room_for(length):
            return finer
        count, runs = self.joined_runs(region, most=int(SMALLER * length))
        if count < 0:
            return finer
        axis = int(self.laid.regions[region, AXIS])
        self.bases.append(self.add(count, runs, axis))
        self.laid.region_of[len(self.bases) - 1, axis] = self.bases[-1]
        return len(self.bases) - 1

    def region_of(self, base: int) -> int:
        """The best region of a base for the desk's node."""
        place = int((self.desks[0].node[self.laid.deciding] * self.laid.deciding_strides).sum())
        before, self.laid.base_of[place] = self.laid.base_of[place], base
        region = self.region()
        self.laid.base_of[place] = before
        return region

    def joined_runs(self, region: int, *, most: int) -> tuple[int, int]:
        """Write the classes of a region after all others; how many they are, and their runs. -1 if above `most`."""
        one = self.desks[0]
        ask(one, region, begin=0, end=int(self.laid.regions[region, RUNS]), least=0, most=most)
        one.asked[OUT], one.asked[OUT_RUN] = self.used, self.used_runs
        count = int(self.kernels.join(self.given, self.places[0]))
        runs = int(one.asked[OUT_RUN]) - self.used_runs
        if count >= 0:
            self.laid.runs_at[self.used_runs + runs] = self.used + count
        return count, runs

    def make_order(self) -> None:
        """Put a base in the order of an axis, both those that `find` has named."""
        base, axis = (int(self.desks[0].asked[entry]) for entry in (BASE, ALONG))
        source = self.bases[base]
        length = int(self.laid.regions[source, LENGTH])
        if not self.room_for(length):
            self.laid.region_of[base, axis] = source
            return
        one = self.desks[0]
        one.asked[[REGION, ALONG, OUT, OUT_RUN]] = source, axis, self.used, self.used_runs
        runs = int(self.kernels.arrange(self.given, self.places[0]))
        self.laid.region_of[base, axis] = self.add(length, runs, axis)

    def room_for(self, length: int) -> bool:
        return self.used + length <= len(self.laid.rows) and self.regions < MOST_REGIONS

    def add(self, length: int, runs: int, axis: int) -> int:
        """Note the region that was written after all others."""
        row = {FIRST_RUN: self.used_runs, RUNS: runs, START: self.used, LENGTH: length, AXIS: axis}
        for column, value in row.items():
            self.laid.regions[self.regions, column] = value
        self.used, self.used_runs, self.regions = (
            self.used + length,
            self.used_runs + runs + 1,
            self.regions + 1,
        )
        return self.regions - 1


def ask(worker: Desk, region: int, *, begin: int, end: int, least: int, most: int) -> None:
    worker.asked[[REGION, BEGIN, END, LEAST, MOST]] = region, begin, end, least, most


def desk(compact: Compact) -> Desk:
    """Room for one worker at a table."""
    axes, entries = len(compact.axes), len(compact.rows)
    slots = 16
    while slots < 2 * entries:
        slots *= 2
    return Desk(
        asked=np.zeros(9, dtype=np.int64),
        node=np.zeros(axes, dtype=np.int64),
        cover=np.zeros(axes, dtype=np.int64),
        failing=np.zeros(0, dtype=np.uint8),
        slots=np.empty((slots, 2), dtype=np.int64),
        key=np.empty(max(entries, 2 * max(axis.sizes[0] for axis in compact.axes) + 1), dtype=np.int64),
        member=np.empty(entries, dtype=np.int32),
        at=np.zeros(axes, dtype=np.int64),
    )


def laid_out(compact: Compact, like: Laid | None) -> Laid:
    """The combinations as the first region, in no order, with everything that a look at a node looks up."""
    by_axis = {name: getattr(like, name) for name in BY_AXIS} if like else None
    axes, entries = compact.axes, len(compact.rows)
    words = words_of(axes)
    codes = np.stack(compact.codes, axis=1)
    packed_codes = in_words(axes, words, codes)
    room = ROOM * entries
    laid_words = np.empty((len(words), room), dtype=packed_codes.dtype)
    laid_words[:, :entries] = packed_codes
    rows = np.empty(room, dtype=np.int32)
    rows[:entries] = compact.rows
    sizes = [axis.sizes[0] for axis in axes]
    deciding = sorted(range(len(sizes)), key=lambda axis: (-sizes[axis], axis))[:DECIDING]
    decided = [len(axes[axis].levels) for axis in deciding]
    runs_at, regions = (
        np.zeros(room + 2 * MOST_REGIONS, dtype=np.int64),
        np.zeros((MOST_REGIONS, 5), dtype=np.int64),
    )
    runs_at[1], regions[0, [RUNS, LENGTH]] = entries, (1, entries)
    return Laid(
        words=laid_words,
        rows=rows,
        runs_at=runs_at,
        runs_value=np.zeros_like(runs_at),
        regions=regions,
        region_of=np.full((MOST_REGIONS, len(axes)), -1, dtype=np.int64),
        base_of=np.full(math.prod(decided), -1, dtype=np.int64),
        deciding=np.array(deciding, dtype=np.int64),
        deciding_strides=np.array([math.prod(decided[place + 1 :]) for place in range(len(decided))], dtype=np.int64),
        alike=by_step(axes, alike(compact), np.float64),
        **(by_axis or of_axes(axes, words)),
    )  # fmt: skip


def words_of(axes: Sequence[Axis]) -> list[Word]:
    """The axes as words, all of whose partial keys add up to one number."""
    words, space = [], 1
    for together in packed(axes):
        shifts = [space]
        for axis in together:
            shifts.append(shifts[-1] * axes[axis].sizes[0])
        space = shifts.pop()
        words.append(Word(axes=tuple(together), size=space // shifts[0], shifts=tuple(shifts)))
    return words


def of_axes(axes: Sequence[Axis], words: Sequence[Word]) -> dict[str, Any]:
    """What is looked up by axis and by word, as fields of `Laid`."""
    found: dict[str, list[Any]] = {name: [] for name in ("tables", "table_at", "table_size")}
    word_of, times, over = (np.zeros(len(axes), dtype=np.int64) for _ in range(3))
    covers: list[list[Codes]] = [[] for _ in axes]
    for number, word in enumerate(words):
        steps = [len(axes[axis].levels) for axis in word.axes]
        sizes = [axes[axis].sizes[0] for axis in word.axes]
        found["table_at"].append(sum(map(len, found["tables"])))
        found["table_size"].append(word.size)
        found["tables"].append(key_tables(axes, word))
        for place, axis in enumerate(word.axes):
            word_of[axis], times[axis] = number, math.prod(steps[place + 1 :])
            over[axis] = math.prod(sizes[place + 1 :])
            value = np.arange(word.size) // over[axis] % sizes[place]
            covers[axis] = [cover[value] for cover in axes[axis].cover]
    return {
        "tables": np.concatenate(found["tables"]),
        "table_at": np.array(found["table_at"], dtype=np.int64),
        "table_size": np.array(found["table_size"], dtype=np.int64),
        "word_of": word_of,
        "times": times,
        "over": over,
        "covers": np.concatenate([cover for of_axis in covers for cover in of_axis]),
        "cover_at": by_step(axes, starts(covers), np.int64),
        "constant": by_step(axes, [[alike_cover(c) for c in axis.cover] for axis in axes], np.int64),
        "labels": np.concatenate([place for axis in axes for place in axis.place]),
        "label_at": by_step(axes, starts([axis.place for axis in axes]), np.int64),
        "ranks": np.concatenate([np.tile(nested_rank(axis), len(axis.levels)) for axis in axes]),
        "sizes": by_step(axes, [axis.sizes for axis in axes], np.int64),
    }


def key_tables(axes: Sequence[Axis], word: Word) -> Codes:
    """The partial key of each value of a word, for all steps of its axes one after the other."""
    table = np.zeros((1, 1), dtype=np.int64)
    for axis, shift in zip(word.axes, word.shifts, strict=True):
        more = np.stack(axes[axis].place) * shift
        table = (table[:, None, :, None] + more[None, :, None, :]).reshape(
            len(table) * len(more), table.shape[1] * more.shape[1]
        )
    return table.ravel()


def by_step(axes: Sequence[Axis], values: Sequence[Sequence[Any]], kind: Any) -> Any:
    """Numbers by axis and step in one array."""
    found = np.zeros((len(axes), max(len(axis.levels) for axis in axes)), dtype=kind)
    for axis, row in enumerate(values):
        found[axis, : len(row)] = row
    return found


def starts(arrays: Sequence[Sequence[Codes]]) -> list[list[int]]:
    """Where each array of each axis begins when all are put one after the other."""
    found: list[list[int]] = []
    length = 0
    for of_axis in arrays:
        found.append([])
        for values in of_axis:
            found[-1].append(length)
            length += len(values)
    return found


def alike_cover(cover: Codes) -> int:
    """What all labels cover, or 0 where they differ."""
    return int(cover[0]) if len(cover) and (cover == cover[0]).all() else 0


def alike(compact: Compact) -> list[list[float]]:
    """For each axis and step, how likely two combinations have the same label."""
    found = []
    for axis, codes in zip(compact.axes, compact.codes, strict=True):
        met = np.bincount(codes, minlength=axis.sizes[0])
        labels = [np.bincount(place, weights=met) / max(len(codes), 1) for place in axis.place]
        found.append([float(np.square(shares).sum()) for shares in labels])
    return found


def nested_rank(axis: Axis) -> Codes:
    """The place of each value of step 0 when values are sorted by their coarsest labels, then the finer ones."""
    rank = np.empty(axis.sizes[0], dtype=np.int64)
    rank[np.lexsort(axis.place)] = np.arange(axis.sizes[0])
    return rank
