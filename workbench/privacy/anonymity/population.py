"""
A table beside the population it was drawn from: for a municipality, its resident register.

Both are cut into classes by the same items at the same generalisation, so what other tools estimate is
counted here. A population that does not hold everybody in the table is refused: a count against it would
be wrong, and nobody could tell in which direction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.errors import Unusable
from workbench.privacy.anonymity.classes import (
    Classes,
    Codes,
    Who,
    distinct_by,
    numbered_together,
    require_columns,
    who,
)


@dataclass(frozen=True)
class Matched:
    """
    The classes of a table, and how many children of the population each class stands for.

    `population` has one entry for each class of `classes`; `unseen` counts the population's classes of
    which the table has nobody, and `residents` all its children.
    """

    classes: Classes
    population: Codes
    unseen: int
    residents: int

    @classmethod
    def of(
        cls,
        frame: pd.DataFrame,
        population: pd.DataFrame,
        quasi_identifiers: Sequence[str],
        *,
        persons: Who | None = None,
        population_persons: Who | None = None,
    ) -> "Matched":
        """
        `frame` beside `population`; both need the columns `quasi_identifiers`, generalised alike.

        Unusable where the population has fewer children in a class than the table.
        """
        items = require_columns(frame, quasi_identifiers)
        require_columns(population, items)
        classes = Classes.of(frame, items, persons=persons)
        here, there, count = numbered_together(frame, population, items)
        people = who(population, population_persons)
        residents = np.bincount(there, minlength=count)
        if people is not None:
            residents = distinct_by(there, people.codes, classes=count)
        place = np.zeros(len(classes), dtype=np.int64)
        place[classes.member] = here
        require_whole(classes, residents[place])
        return cls(
            classes=classes,
            population=residents[place],
            unseen=int(np.count_nonzero(residents)) - len(classes),
            residents=len(population) if people is None else people.size,
        )


def require_whole(classes: Classes, population: Codes) -> None:
    """Raise Unusable where the population has fewer children in a class than the table."""
    short = population < classes.children
    if short.any():
        rows = int(classes.rows[short].sum())
        raise Unusable(
            ja=f"母集団の表に、公開する表の {rows} 行に当たる人が足りません。同じ粒度に一般化した、全員を含む母集団（住民基本台帳など）を指定してください。",
            en=f"The population lacks people for {rows} rows of the table; name a population that holds everybody "
            "in it, such as the resident register, generalised alike.",
        )


def k_map(matched: Matched) -> int:
    """
    The fewest children of the population that a row of the table could be; 0 for an empty table.

    Sweeney, "Computational disclosure control" (2001), k-map; exact, where others estimate.
    """
    return int(matched.population.min(initial=matched.residents)) if len(matched.classes) else 0


def delta_presence(matched: Matched) -> tuple[float, float]:
    """
    The least and the largest chance that a child of the population is in the table, seen from outside.

    Nergiz, Atzori and Clifton, "Hiding the presence of individuals from shared databases" (SIGMOD 2007),
    delta-presence: the table is (least, largest)-present. (0, 0) for an empty table.
    """
    if not len(matched.classes):
        return 0.0, 0.0
    present = matched.classes.children / matched.population
    return 0.0 if matched.unseen else float(present.min()), float(present.max())
