"""
How the values of one sensitive item fall over the classes of a table.

Every measure of diversity is a line on a `Spread`: it is small where the table is large, and merges
without going back to the rows when classes join.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.privacy.anonymity.classes import Classes, Codes, categories, in_common_words
from workbench.scoring.recode import MISSING

Floats = NDArray[np.float64]

# Counting over a whole space of keys beats sorting the keys while the space is not many times larger.
DENSE = 4


@dataclass(frozen=True)
class Spread:
    """
    One entry for each class and value met, in rising order of class, then of value.

    `harmful` marks the values whose disclosure harms; the others are the "don't care" set. `recorded`
    marks all but the missing value, and that too if it is named harmful. `classes` is how many there are.
    `reference` counts each value in the whole table that came in; None: in these classes together.
    """

    classes: int
    in_class: Codes
    value: Codes
    count: Codes
    words: tuple[str, ...]
    harmful: NDArray[np.bool_]
    recorded: NDArray[np.bool_]
    reference: Codes | None = None

    @classmethod
    def of(
        cls, classes: Classes, values: Any, *, harmful: Iterable[str] | None = None, reference: Any = None
    ) -> "Spread":
        """
        The spread of `values`, one for each row of the table of `classes`.

        `harmful` names values as they read. None means that nothing is known, so all values are harmful,
        the missing one excepted: it tells nothing. `reference` is the item's column in the whole table
        that came in, for a table from which rows were suppressed: what t, delta and beta compare with.
        """
        return cls.over(classes.member, len(classes), values, harmful=harmful, reference=reference)

    @classmethod
    def over(
        cls,
        member: Codes,
        classes: int,
        values: Any,
        *,
        harmful: Iterable[str] | None,
        reference: Any = None,
    ) -> "Spread":
        """The spread of `values` when `member` gives each row's class."""
        coded = categories(values)
        whole = None if reference is None else categories(reference)
        if whole is not None:
            coded, whole = in_common_words(coded, whole)
        size = max(coded.size, 1)
        met, count = np.unique(member * size + coded.codes, return_counts=True)
        harm = harmful_mask(coded.words, harmful)
        return cls(
            classes=classes,
            in_class=met // size,
            value=met % size,
            count=count,
            words=coded.words,
            harmful=harm,
            recorded=harm | (np.array(coded.words, dtype=object) != MISSING),
            reference=None if whole is None else np.bincount(whole.codes, minlength=coded.size),
        )

    def merged(self, into: Codes, classes: int) -> "Spread":
        """The spread when class c becomes part of class `into[c]`, of `classes` in all."""
        size = max(len(self.words), 1)
        met, count = counted(into[self.in_class] * size + self.value, self.count, space=classes * size)
        return replace(
            self,
            classes=classes,
            in_class=met // size,
            value=met % size,
            count=count,
            reference=self.whole,
        )

    def relabelled(self, labels: Codes, words: tuple[str, ...]) -> "Spread":
        """The spread when value v reads `words[labels[v]]`. Nothing is taken for harmless."""
        size = max(len(words), 1)
        key = self.in_class * size + labels[self.value]
        met, count = counted(key, self.count, space=self.classes * size)
        every = np.ones(len(words), dtype=bool)
        return Spread(
            classes=self.classes,
            in_class=met // size,
            value=met % size,
            count=count,
            words=words,
            harmful=every,
            recorded=every,
            reference=np.bincount(labels, weights=self.whole, minlength=len(words)).astype(np.int64),
        )

    @cached_property
    def rows(self) -> Codes:
        """How many rows each class has; 0 for a class that is not met."""
        return np.bincount(self.in_class, weights=self.count, minlength=self.classes).astype(np.int64)

    @cached_property
    def total(self) -> Codes:
        """How often each value occurs in these classes."""
        return np.bincount(self.value, weights=self.count, minlength=len(self.words)).astype(np.int64)

    @property
    def whole(self) -> Codes:
        """How often each value occurs in the whole table that came in."""
        return self.total if self.reference is None else self.reference

    @cached_property
    def overall(self) -> Floats:
        """The share of each value in the whole table that came in."""
        return np.asarray(self.whole / max(self.whole.sum(), 1))

    @cached_property
    def inside(self) -> Floats:
        """For each entry, the share of its value in its class."""
        return self.count / self.rows[self.in_class]

    @cached_property
    def starts(self) -> Codes:
        """The first entry of each class that is met."""
        return np.flatnonzero(np.diff(self.in_class, prepend=-1))


def counted(key: Codes, weights: Codes, *, space: int) -> tuple[Codes, Codes]:
    """The keys met, all below `space`, and the sum of their weights."""
    if space > DENSE * len(key) + 1024:
        met, key = np.unique(key, return_inverse=True)
        return met, np.bincount(key, weights=weights).astype(np.int64)
    sums = np.bincount(key, weights=weights, minlength=space)
    met = np.flatnonzero(sums)
    return met, sums[met].astype(np.int64)


def harmful_mask(words: Iterable[str], harmful: Iterable[str] | None) -> NDArray[np.bool_]:
    """Which of `words` harm; with nothing named, all but the missing value."""
    named = None if harmful is None else set(harmful)
    return np.array(
        [spelling != MISSING if named is None else spelling in named for spelling in words], dtype=bool
    )
