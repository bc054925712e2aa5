"""
What a table discloses, in numbers: lines on its classes.

A metric measures and judges nothing; limits belong to the policy and meet it elsewhere. Metrics of one
sensitive item read its `Spread`: how its values fall over the classes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from workbench.errors import Unusable
from workbench.privacy.anonymity.classes import Classes, Codes, categories, number
from workbench.privacy.anonymity.diversity import (
    alpha_by_class,
    basic_beta_by_class,
    classes_with_harm,
    confidence_by_class,
    delta_by_class,
    enhanced_beta_by_class,
    entropy_l_by_class,
    equal_t_by_class,
    hierarchical_t_by_class,
    ordered_t_by_class,
    recursive_c_by_class,
    values_in_class,
)
from workbench.privacy.anonymity.hierarchies import Hierarchy
from workbench.privacy.anonymity.spread import Floats, Spread


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
    return largest(equal_t_by_class(spread), spread.rows)


def ordered_t(spread: Spread, *, order: Sequence[str]) -> float:
    """The largest distance of a class from the table when values stand in `order`: Li et al. (2007), section 4."""
    return largest(ordered_t_by_class(spread, order), spread.rows)


def hierarchical_t(spread: Spread, *, hierarchy: Hierarchy) -> float:
    """The largest distance of a class from the table over a hierarchy: Li et al. (2007), section 4."""
    return largest(hierarchical_t_by_class(spread, hierarchy), spread.rows)


def entropy_l(spread: Spread) -> float:
    """
    The largest l for which the table is entropy l-diverse, a real number; 0 for an empty table.

    Machanavajjhala et al. (2007), definition 4.1. Every value counts, missing among them.
    """
    return float(entropy_l_by_class(spread)[spread.rows > 0].min()) if spread.rows.any() else 0.0


def recursive_c(spread: Spread, *, l: int) -> float:  # noqa: E741 - the paper's letter
    """
    The table is recursive (c,l)-diverse for every c above this one; infinity where there is none.

    Machanavajjhala et al. (2007), definition 4.2. Every value counts, missing among them.
    """
    return largest(recursive_c_by_class(spread, l), spread.rows)


def alpha(spread: Spread) -> float:
    """
    The largest share of one harmful value in a class: with k the table is (alpha,k)-anonymous.

    Wong, Li, Fu and Wang (2006). Missing rows are part of the whole here; `max_confidence`
    leaves them out and is never less.
    """
    return largest(alpha_by_class(spread), spread.rows)


def basic_beta(spread: Spread) -> float:
    """The smallest beta for which the table is basic beta-like: Cao and Karras (2012)."""
    return largest(basic_beta_by_class(spread), spread.rows)


def enhanced_beta(spread: Spread) -> float:
    """The smallest beta for which the table is enhanced beta-like, or infinity: Cao and Karras (2012)."""
    return largest(enhanced_beta_by_class(spread), spread.rows)


def delta_disclosure(spread: Spread, *, absent_counts: bool = False) -> float:
    """
    The table is delta-disclosure private for every delta above this one.

    Brickell and Shmatikov (2008), in logarithms of base 2. A value that a class lacks is
    passed over as ARX does; with `absent_counts` it is infinitely far, as the definition says.
    """
    return largest(delta_by_class(spread, absent_counts=absent_counts), spread.rows)


def classification_penalty(spread: Spread) -> float:
    """
    The share of rows whose value is not the most frequent of their class; 0 for an empty table.

    Iyengar, "Transforming data to satisfy privacy constraints" (KDD 2002), the classification metric. Of
    values equally frequent one is the majority: two against two gives a half, not nothing.
    """
    if not spread.rows.any():
        return 0.0
    majority = np.maximum.reduceat(spread.count, spread.starts).sum()
    return float(1 - majority / spread.rows.sum())


def base_rate(spread: Spread) -> float:
    """
    The largest share of one harmful value among all recorded values: what a guess without the classes gets.

    Over the whole table that came in, as t and beta compare with.
    """
    total = spread.whole
    return float(total[spread.harmful].max(initial=0) / max(total[spread.recorded].sum(), 1))


def smallest_category(values: Any, *, households: Any) -> int:
    """The fewest distinct households behind one value of a column, missing among them; 0 for an empty column."""
    coded, homes = categories(values), categories(households)
    pairs, _ = number(coded.codes * max(homes.size, 1) + homes.codes)
    _, first = np.unique(pairs, return_index=True)
    return smallest(np.bincount(coded.codes[first], minlength=coded.size))


def smallest(counts: Codes) -> int:
    return int(counts.min()) if len(counts) else 0


def largest(values: Floats, rows: Codes) -> float:
    """The largest number of a class that has rows; 0 where none has."""
    return float(values[rows > 0].max(initial=0.0))
