"""
Rows that belong together: the members of a household, the years of one child.

Each row may hide among many and their combination among none: the only family with a girl of nine and twin
boys of three, the only child who was in class 3-2, then 4-1, then absent. Where a table keeps the
household or the child visible, as a code or as an order of rows, these are what it discloses.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.privacy.anonymity.classes import Classes, Codes, categories, number, pack
from workbench.privacy.anonymity.risk.individual import homes_of


@dataclass(frozen=True)
class Signatures:
    """
    How many owners (households, children) share each one's signature: one entry an owner.

    `rows` is how many rows each owner has.
    """

    sharing: Codes
    rows: Codes

    @property
    def owners(self) -> int:
        return len(self.sharing)

    @property
    def alone(self) -> int:
        """How many owners nobody shares the signature of."""
        return int(np.count_nonzero(self.sharing == 1))

    @property
    def share_alone(self) -> float:
        """The same as a share of all owners; 0 for an empty table."""
        return self.alone / self.owners if self.owners else 0.0

    @property
    def k(self) -> int:
        """The fewest owners of one signature; 0 for an empty table."""
        return int(self.sharing.min()) if self.owners else 0


def household_signatures(classes: Classes, households: Any) -> Signatures:
    """
    Households by the multiset of their members' classes, in whatever order the rows stand.

    A row without a household is taken for a household of one.
    """
    home = homes_of(households, rows=len(classes.member))
    return signatures(home, classes.member)


def trajectories(classes: Classes, persons: Any, *, years: Any) -> Signatures:
    """
    Children by their sequence of classes over the years: in which class in which year.

    `persons` and `years` have one entry for each row; a row without a person is a child of its own. Years
    count by their order as they read, and the same classes in other years are another trajectory.
    """
    when = categories(years)
    key, _ = pack([when.codes, classes.member], sizes=[when.size, max(len(classes), 1)])
    return signatures(homes_of(persons, rows=len(classes.member)), key)


def signatures(owner: Codes, element: Codes) -> Signatures:
    """Owners by the multiset of their elements; owners are numbered from 0 without a gap."""
    element = number(element)[0]
    order = np.lexsort((element, owner))
    rows = np.bincount(owner)
    first = np.cumsum(rows) - rows
    sorted_elements = element[order]
    # Owners of the same number of rows go through the same steps; others are told apart by it in the end.
    signature = np.zeros(len(rows), dtype=np.int64)
    for place in range(int(rows.max(initial=0))):
        going = np.flatnonzero(rows > place)
        step = sorted_elements[first[going] + place]
        signature[going] = number(paired(signature[going], step))[0]
    shared = number(paired(signature, rows))[0]
    return Signatures(sharing=np.bincount(shared)[shared] if len(shared) else shared, rows=rows)


def paired(one: Codes, other: Codes) -> Codes:
    return pack([one, other], sizes=[int(c.max(initial=0)) + 1 for c in (one, other)])[0]
