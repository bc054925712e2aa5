"""
Grouping the combinations of a table at a node of the lattice: the class of each.

Items are packed into a few words, so that a combination's key at a node is a sum of three or four look-ups. A
node is not grouped from the combinations but from a *base*: the classes of a finer node, at which only the
items of most values are generalised, as far as at the node; nodes looked at one after the other mostly have
their base in common.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.privacy.anonymity.classes import LARGEST_KEY, Codes
from workbench.privacy.anonymity.compact import Axis, Compact
from workbench.privacy.anonymity.kernels import KERNELS

Mask = NDArray[np.bool_]
Steps = Sequence[int]

# A word's table of partial keys should stay in the innermost cache; there is one for each steps of its axes.
LARGEST_WORD, MOST_STEPS = 1024, 64
# Items by which bases are made: more give smaller bases, which are shared by fewer nodes.
DECIDING = 3
# A base is kept if it has no more than this share of the classes it was made from.
SMALLER = 0.6
# How many combinations all bases may have, in tables of the search.
ROOM = 4


@dataclass(frozen=True)
class Word:
    """Neighbouring axes read as one number below `size`; `shifts` are what one label more of each adds to a key."""

    axes: tuple[int, ...]
    size: int
    shifts: tuple[int, ...]


@dataclass(frozen=True)
class Base:
    """The classes of a node, one entry each; `member` gives each combination's class."""

    node: tuple[int, ...]
    member: Codes
    codes: NDArray[np.int32]
    words: list[NDArray[np.uint16]]
    rows: Codes

    def __len__(self) -> int:
        return len(self.rows)


class Grouping:
    """The combinations of one table, ready to be grouped at any node."""

    def __init__(self, compact: Compact, *, kernels: Any = KERNELS) -> None:
        self.compact, self.kernels = compact, kernels
        self.combinations = len(compact.rows)
        self.chapters = chapters(compact.axes)
        self.tables: dict[tuple[int, int, tuple[int, ...]], Codes] = {}
        sizes = [axis.sizes[0] for axis in compact.axes]
        self.deciding = sorted(range(len(sizes)), key=lambda axis: (-sizes[axis], axis))[:DECIDING]
        self.offsets = [np.cumsum([0, *(word.size for word in words)]) for words in self.chapters]
        bottom = (0,) * len(sizes)
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
        return Base(bottom, every, codes, self.in_words(codes), self.compact.rows)

    def joined(self, node: tuple[int, ...], finer: Base, member: Codes, count: int) -> Base:
        """The classes of `finer` put together by `member`."""
        rows = np.bincount(member, weights=finer.rows, minlength=count).astype(np.int64)
        some = np.empty(count, dtype=np.int64)
        some[member] = np.arange(len(member))
        codes = finer.codes[some]
        return Base(node, member[finer.member], codes, self.in_words(codes), rows)

    def in_words(self, codes: NDArray[np.int32]) -> list[NDArray[np.uint16]]:
        return [in_words(self.compact.axes, words, codes) for words in self.chapters]


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
    """Neighbouring axes put together while their values, multiplied, are few, and so are their steps."""
    words: list[list[int]] = []
    size, steps = LARGEST_WORD + 1, 1
    for number, axis in enumerate(axes):
        if size * axis.sizes[0] > LARGEST_WORD or steps * len(axis.levels) > MOST_STEPS:
            words.append([])
            size, steps = 1, 1
        words[-1].append(number)
        size *= axis.sizes[0]
        steps *= len(axis.levels)
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
