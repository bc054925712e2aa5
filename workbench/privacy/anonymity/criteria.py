"""
Which classes of a node may not leave: too few children or households, too little diversity, too sure a guess.

The numbers come from the caller. The definitions are those of `metrics`, so that what the search keeps is
what the report measures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.privacy.anonymity.classes import Codes, distinct_by
from workbench.privacy.anonymity.compact import Compact, Pairs
from workbench.privacy.anonymity.diversity import classes_with_harm, confidence_by_class, values_in_class
from workbench.privacy.anonymity.spread import Spread

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Sensitive:
    """
    What a class must give for one sensitive item.

    `harmful` names the values that harm (None: all). A class that holds one needs `distinct_l` distinct
    values, and none of them may make up more than `max_confidence` of those recorded.
    """

    harmful: Sequence[str] | None = None
    distinct_l: int = 1
    max_confidence: float = 1.0


@dataclass(frozen=True)
class Criteria:
    """What every class that leaves must give. `households` counts only where the table names households."""

    k: int
    households: int
    sensitive: Mapping[str, Sensitive] = field(default_factory=dict)


def inherited(compact: Compact, member: Codes, count: int, criteria: Criteria) -> Mask:
    """
    The classes that fail a criterion which a class never loses by growing.

    Whatever fails these at a node fails them at every finer node, on which the search's short cuts stand.
    """
    rows = np.bincount(member, weights=compact.rows, minlength=count)
    failing = (rows > 0) & (rows < criteria.k)
    for people, least in ((compact.persons, criteria.k), (compact.households, criteria.households)):
        if people is not None:
            failing |= too_few(people, member, rows, failing, least=least)
    for item, wanted in criteria.sensitive.items():
        if grows(compact.spreads[item], wanted):
            failing |= too_uniform(compact.spreads[item].merged(member, count), wanted)
    return failing


def others(compact: Compact, member: Codes, count: int, criteria: Criteria) -> Mask:
    """The classes that fail a criterion which a class can lose by growing: a bad neighbour spoils it."""
    failing = np.zeros(count, dtype=bool)
    for item, wanted in criteria.sensitive.items():
        spread = compact.spreads[item]
        if wanted.max_confidence < 1 or not grows(spread, wanted):
            here = spread.merged(member, count)
            failing |= confidence_by_class(here) > wanted.max_confidence
            failing |= too_uniform(here, wanted)
    return failing


def too_few(people: Pairs, member: Codes, rows: NDArray[Any], failing: Mask, *, least: int) -> Mask:
    """The classes with fewer than `least` distinct persons or households."""
    # A class with more rows than `least` people can have holds enough of them: only the rest is counted.
    unsure = (rows > 0) & (rows < least * people.most) & ~failing
    asked = unsure[member[people.combination]]
    here = member[people.combination[asked]]
    return unsure & (distinct_by(here, people.who[asked], classes=len(rows)) < least)


def grows(spread: Spread, wanted: Sensitive) -> bool:
    """
    Whether a class that has `distinct_l` keeps it whatever joins.

    Above 2 a class without a harmful value, exempt as it is, loses by joining one that has one and too
    few values. At 2 the harmless and the harmful value are the two.
    """
    return wanted.distinct_l <= 2 or bool(spread.harmful.all())


def too_uniform(spread: Spread, wanted: Sensitive) -> Mask:
    return classes_with_harm(spread) & (values_in_class(spread) < wanted.distinct_l)
