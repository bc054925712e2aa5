"""
What a model may hold beside the points of its items: pairs, rules, trees and a calibration table.

All of them look at the *places* of the items and at nothing else: -1 is missing, -2 is unseen, 0 and up are
the levels or intervals in order. So no threshold is compared with a value here, and none can be moved by
another machine's arithmetic. Everything is finite by its shape: a tree's nodes point only forwards, each
is reached from one other, and the sizes are those of LIMITS.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

# How large a model may be. The schema states the first six; the others are sums it cannot state.
LIMITS = {
    "features": 300,
    "pairs": 300,
    "rules": 500,
    "trees": 1000,
    "nodes_of_a_tree": 4001,
    "steps": 10_000,
    "cells_of_pairs": 200_000,
    "nodes": 100_000,
    # What the trees take when made ready: a word for each place of each item a tree asks, 64 leaves a word.
    "words": 8_000_000,
    # What a person could follow, and a database's parser too.
    "depth": 60,
}
LEAVES_OF_A_WORD = 64


class Malformed(ValueError):
    """The plain data has no such form; its text is the place, in our own words."""


@dataclass(frozen=True)
class Pair:
    """Points for two items together: a row for each place of the first, unseen and missing last."""

    first: int
    second: int
    points: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Condition:
    """An item stands at one of these places."""

    item: int
    places: tuple[int, ...]


@dataclass(frozen=True)
class Rule:
    """Points for rows that fulfil all conditions, with the words an expert gave it in both languages."""

    conditions: tuple[Condition, ...]
    points: int
    words: Mapping[str, str]


@dataclass(frozen=True)
class Tree:
    """
    A tree in arrays, the root first. `items` is -1 at a leaf.

    `left_of[node]` are the places that go left. `points` are those of each node: a row's score is its leaf's,
    and what a question contributes is the difference of a node to the one before. The root has 0.
    """

    items: tuple[int, ...]
    left_of: tuple["int | tuple[int, ...]", ...]
    missing_left: tuple[bool, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    points: tuple[int, ...]

    @cached_property
    def leaves(self) -> tuple[int, ...]:
        """The leaves from left to right."""
        return tuple(node for node, _ in self.walk() if self.items[node] < 0)

    def words(self, places: Sequence[int]) -> int:
        """How many words its routing takes."""
        leaves = sum(item < 0 for item in self.items)
        asked = {item for item in self.items if item >= 0}
        return -(-leaves // LEAVES_OF_A_WORD) * sum(places[item] + 2 for item in asked)

    def walk(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Every node with the nodes above it, the left before the right."""
        waiting: list[tuple[int, tuple[int, ...]]] = [(0, ())]
        while waiting:
            node, above = waiting.pop()
            yield node, above
            if self.items[node] >= 0:
                below = (*above, node)
                waiting += [(self.right[node], below), (self.left[node], below)]

    def goes_left(self, node: int, places: int) -> npt.NDArray[np.bool_]:
        """Which of an item's `places` go left at `node`; the last two are unseen and missing."""
        asked = self.left_of[node]
        mask = np.zeros(places + 2, dtype=bool)
        if isinstance(asked, int):
            mask[: min(asked, places)] = True
            mask[-1] = self.missing_left[node]
        else:
            mask[list(asked)] = True
        return mask


@dataclass(frozen=True)
class Calibration:
    """What a score says, in milli-logits: `values` of the interval of `scores` it falls into. It never falls."""

    scores: tuple[int, ...]
    values: tuple[int, ...]

    def of(self, scores: Integers) -> Integers:
        """The value of each score."""
        steps = np.searchsorted(np.asarray(self.scores, dtype=np.int64), scores, side="right")
        found: Integers = np.asarray(self.values, dtype=np.int64)[steps]
        return found


@dataclass(frozen=True)
class Routing:
    """
    A tree made ready for many rows: for each item it asks, the leaves that each place leaves open, as bits.

    The leaf of a row is the first that all its places leave open (Lucchese et al., QuickScorer, SIGIR 2015):
    no loop over the depth, and the same few whole-number operations for every row.
    """

    items: tuple[int, ...]
    open: tuple[Words, ...]  # for each item: words, places + 2
    contributions: tuple[Integers, ...]  # for each item: what each leaf says of it

    @classmethod
    def of(cls, tree: Tree, places: Sequence[int]) -> "Routing":
        """The routing of `tree`, whose items have so many `places`."""
        number = {leaf: index for index, leaf in enumerate(tree.leaves)}
        items = tuple(sorted({item for item in tree.items if item >= 0}))
        words = -(-len(number) // LEAVES_OF_A_WORD)
        still = {item: np.full((words, places[item] + 2), ~np.uint64(0)) for item in items}
        said = {item: np.zeros(len(number), dtype=np.int64) for item in items}
        for node, above in tree.walk():
            for asked, then in pairwise((*above, node)):
                if tree.items[node] < 0:
                    said[tree.items[asked]][number[node]] += tree.points[then] - tree.points[asked]
            if tree.items[node] >= 0:
                first, behind = spans(tree, node, number)
                item = tree.items[node]
                right = ~tree.goes_left(node, places[item])
                still[item][:, right] &= without(first, behind, words)[:, np.newaxis]
        return cls(items, tuple(still.values()), tuple(said.values()))

    def leaves(self, places: Integers) -> Integers:
        """The number of each row's leaf, from the left; `places` has a line for each of the model's items."""
        found = np.zeros(places.shape[1], dtype=np.int64)
        # The first word that has a bit decides, so it is looked at last.
        for word in reversed(range(len(self.open[0]))):
            left = self.open[0][word][places[self.items[0]]]
            for item, words in zip(self.items[1:], self.open[1:], strict=True):
                left &= words[word][places[item]]
            # The bits below the lowest are those that taking one away borrows.
            lowest = np.bitwise_count(~left & (left - np.uint64(1)))
            found = np.where(left != 0, word * LEAVES_OF_A_WORD + lowest.astype(np.int64), found)
        return found


def spans(tree: Tree, node: int, number: Mapping[int, int]) -> tuple[int, int]:
    """The leaves on the left of a node: the first, and the one behind the last."""
    first, behind = tree.left[node], tree.right[node]
    while tree.items[first] >= 0:
        first = tree.left[first]
    while tree.items[behind] >= 0:
        behind = tree.left[behind]
    return number[first], number[behind]


def without(first: int, behind: int, words: int) -> Words:
    """All bits but those from `first` until before `behind`."""
    mask = ~(((1 << behind) - 1) ^ ((1 << first) - 1))
    return np.array(
        [(mask >> (LEAVES_OF_A_WORD * word)) & 0xFFFFFFFFFFFFFFFF for word in range(words)], dtype=np.uint64
    )
