"""
What a table discloses, in numbers: lines on its classes.

A metric measures and judges nothing; limits belong to the policy and meet it elsewhere. Metrics of one
sensitive item read its `Spread`: how its values fall over the classes.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import Unusable
from workbench.privacy.anonymity.classes import Classes, Codes, categories, number
from workbench.scoring.recode import MISSING


def k_children(classes: Classes) -> int:
    """
    The fewest children in a class; 0 for an empty table.

    Samarati and Sweeney (1998), k-anonymity, counted in distinct persons.
    """
    return smallest(classes.children)


def k_households(classes: Classes) -> int:
    """The fewest distinct households in a class: five siblings are one family, and find each other at once."""
    if classes.households is None:
        raise Unusable(
            ja="世帯の列がないため、世帯数の k を数えられません。世帯の列を指定してください。",
            en="k cannot be counted in households without a column of households; name it.",
        )
    return smallest(classes.households)


def sample_uniques(classes: Classes) -> int:
    """How many children are alone in a class."""
    return int((classes.children == 1).sum())


def highest_class_risk(classes: Classes) -> float:
    """The chance of picking the right child in the smallest class: 1/k; 0 for an empty table."""
    return 1 / k_children(classes) if len(classes) else 0.0


def average_class_risk(classes: Classes) -> float:
    """
    The mean over rows of 1 / children in the row's class; 0 for an empty table.

    Over rows, not over classes: classes of 1 and 99 give 0.02, where a mean over classes says 0.505.
    """
    return float((classes.rows / classes.children).sum() / classes.rows.sum()) if len(classes) else 0.0


def share_below(classes: Classes, *, k: int) -> float:
    """The share of rows in a class of fewer than `k` children; 0 for an empty table."""
    return float(classes.rows[classes.children < k].sum() / classes.rows.sum()) if len(classes) else 0.0


# Counting over a whole space of keys beats sorting the keys while the space is not many times larger.
DENSE = 4


@dataclass(frozen=True)
class Spread:
    """
    How the values of one sensitive item fall over the classes: one entry for each class and value met.

    `harmful` marks the values whose disclosure harms; the others are the "don't care" set. `recorded`
    marks all but the missing value, and that too if it is named harmful. `classes` is how many there are.
    """

    classes: int
    in_class: Codes
    value: Codes
    count: Codes
    words: tuple[str, ...]
    harmful: NDArray[np.bool_]
    recorded: NDArray[np.bool_]

    @classmethod
    def of(cls, classes: Classes, values: Any, *, harmful: Iterable[str] | None = None) -> "Spread":
        """
        The spread of `values`, one for each row of the table of `classes`.

        `harmful` names values as they read. None means that nothing is known, so all values are harmful,
        the missing one excepted: it tells nothing.
        """
        return cls.over(classes.member, len(classes), values, harmful=harmful)

    @classmethod
    def over(cls, member: Codes, classes: int, values: Any, *, harmful: Iterable[str] | None) -> "Spread":
        """The spread of `values` when `member` gives each row's class."""
        coded = categories(values)
        met, count = np.unique(member * coded.size + coded.codes, return_counts=True)
        harm = harmful_mask(coded.words, harmful)
        return cls(
            classes=classes,
            in_class=met // max(coded.size, 1),
            value=met % max(coded.size, 1),
            count=count,
            words=coded.words,
            harmful=harm,
            recorded=harm | (np.array(coded.words, dtype=object) != MISSING),
        )

    def merged(self, into: Codes, classes: int) -> "Spread":
        """The spread when class c becomes part of class `into[c]`, of `classes` in all."""
        size = len(self.words)
        met, count = counted(into[self.in_class] * size + self.value, self.count, space=classes * size)
        return replace(self, classes=classes, in_class=met // size, value=met % size, count=count)


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


def plain_distinct_l(spread: Spread) -> int:
    """
    The fewest distinct values in a class, missing among them; 0 for an empty table.

    Machanavajjhala et al., "l-diversity" (2007), distinct l-diversity.
    """
    return smallest(values_in_class(spread))


def distinct_l(spread: Spread) -> int | None:
    """
    The fewest distinct values in a class that holds a harmful value; None when no class holds one.

    A class in which nobody has a harmful value is exempt: that all its children receive no public
    assistance may be known. After the "don't-care" values of Machanavajjhala et al. (2007), section 4,
    which are defined there for the entropy and recursive forms.
    """
    counts = values_in_class(spread)[classes_with_harm(spread)]
    return int(counts.min()) if len(counts) else None


def max_confidence(spread: Spread) -> float:
    """
    The largest share of one harmful value among the recorded values of a class; 0 when there is none.

    Missing rows do not dilute: who knows that the item is recorded for a child of this age leaves them out.
    """
    return float(confidence_by_class(spread).max(initial=0.0))


def t_closeness(spread: Spread) -> float:
    """
    The largest distance of a class's distribution from the table's: half the sum of absolute differences.

    Li, Li and Venkatasubramanian (2007), the earth mover's distance with equal ground distances.
    """
    total = np.bincount(spread.value, weights=spread.count, minlength=len(spread.words))
    overall = total / max(total.sum(), 1)
    size = np.bincount(spread.in_class, weights=spread.count, minlength=spread.classes)
    inside = spread.count / size[spread.in_class]
    # Values that a class lacks differ by their whole share; half the L1 distance is what it has too much.
    excess = np.maximum(inside - overall[spread.value], 0)
    return float(np.bincount(spread.in_class, weights=excess, minlength=spread.classes).max(initial=0.0))


def base_rate(spread: Spread) -> float:
    """The largest share of one harmful value among all recorded values: what a guess without the table gets."""
    total = np.bincount(spread.value, weights=spread.count, minlength=len(spread.words))
    return float(total[spread.harmful].max(initial=0.0) / max(total[spread.recorded].sum(), 1))


def smallest_category(values: Any, *, households: Any) -> int:
    """The fewest distinct households behind one value of a column, missing among them; 0 for an empty column."""
    coded, homes = categories(values), categories(households)
    pairs, _ = number(coded.codes * max(homes.size, 1) + homes.codes)
    _, first = np.unique(pairs, return_index=True)
    return smallest(np.bincount(coded.codes[first], minlength=coded.size))


def classes_with_harm(spread: Spread) -> NDArray[np.bool_]:
    """Which classes hold a harmful value."""
    return np.bincount(spread.in_class[spread.harmful[spread.value]], minlength=spread.classes) > 0


def confidence_by_class(spread: Spread) -> NDArray[np.float64]:
    """For each class, the largest share of one harmful value among its recorded values."""
    told = np.where(spread.recorded[spread.value], spread.count, 0)
    recorded = np.bincount(spread.in_class, weights=told, minlength=spread.classes)
    bad = spread.harmful[spread.value]
    confidence = np.zeros(spread.classes)
    np.maximum.at(confidence, spread.in_class[bad], spread.count[bad] / recorded[spread.in_class[bad]])
    return confidence


def values_in_class(spread: Spread) -> Codes:
    return np.bincount(spread.in_class, minlength=spread.classes)


def smallest(counts: Codes) -> int:
    return int(counts.min()) if len(counts) else 0
