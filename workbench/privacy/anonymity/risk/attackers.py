"""
The three attackers of the literature, and what each may hope for.

The prosecutor knows that somebody is in the table, the journalist only that they are in the population,
the marketer wants as many as possible and does not mind errors. A journalist is weaker only by the
population, so without a table of it there is no journalist's number here: the prosecutor's is not his.

El Emam and Dankar, "Protecting privacy using k-anonymity", JAMIA 15(5), 2008; Dankar and El Emam, "A
method for evaluating marketer re-identification risk", PAIS 2010.
"""

from dataclasses import dataclass

import numpy as np

from workbench.privacy.anonymity.classes import Classes, Codes
from workbench.privacy.anonymity.population import Matched
from workbench.privacy.anonymity.spread import Floats


@dataclass(frozen=True)
class Attack:
    """The chance of finding the right child: for each class, beside its rows."""

    chance: Floats
    rows: Codes

    @property
    def highest(self) -> float:
        """The chance for the row that is found most easily; 0 for an empty table."""
        return float(self.chance.max(initial=0.0))

    @property
    def lowest(self) -> float:
        """The chance for the row that is hidden best; 0 for an empty table."""
        return float(self.chance.min()) if len(self.chance) else 0.0

    @property
    def success(self) -> float:
        """The share of all rows that an attack on each of them would find; 0 for an empty table."""
        return float(self.chance @ self.rows / self.rows.sum()) if len(self.rows) else 0.0

    def at_risk(self, *, above: float) -> float:
        """The share of rows whose chance is above a limit; 0 for an empty table."""
        return float(self.rows[self.chance > above].sum() / self.rows.sum()) if len(self.rows) else 0.0


def prosecutor(classes: Classes) -> Attack:
    """Who knows that a child is in the table chooses among the children of its class."""
    return Attack(chance=1 / np.asarray(classes.children, dtype=np.float64), rows=classes.rows)


def journalist(matched: Matched) -> Attack:
    """Who knows only the population chooses among its children of that class."""
    return Attack(chance=1 / np.asarray(matched.population, dtype=np.float64), rows=matched.classes.rows)


def marketer(matched: Matched) -> float:
    """
    The share of rows found when everybody in the population is linked to the table, a guess for each.

    Each class of f rows and F residents gives f / F of them, one of Dankar and El Emam's expectations.
    """
    return journalist(matched).success
