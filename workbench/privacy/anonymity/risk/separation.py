"""
How well each set of items tells rows apart: distinction and separation.

Motwani and Xu, "Efficient algorithms for masking and finding quasi-identifiers" (2007), section 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from workbench.privacy.anonymity.classes import Codes, categories, number, pack, require_columns


@dataclass(frozen=True)
class Separation:
    """
    What `items` alone tell apart.

    `distinction` is how many rows could be kept with all of them distinct, as a share of all; `separation`
    the share of the pairs of rows that differ. Both are 0 where there is no row, or no pair.
    """

    items: tuple[str, ...]
    distinction: float
    separation: float


def separations(frame: pd.DataFrame, items: Sequence[str], *, up_to: int) -> list[Separation]:
    """
    Every set of one to `up_to` items, those that separate most first.

    The work grows with the number of sets; each costs one sort of the distinct rows.
    """
    names = require_columns(frame, items)
    coded = [categories(frame[name]) for name in names]
    codes, sizes = [c.codes for c in coded], [c.size for c in coded]
    key = pack(codes, sizes=sizes)[0]
    _, first, rows = np.unique(key, return_index=True, return_counts=True)
    distinct = [column[first] for column in codes]
    found = []
    for size in range(1, up_to + 1):
        for chosen in combinations(range(len(names)), size):
            member, count = number(
                pack([distinct[place] for place in chosen], sizes=[sizes[place] for place in chosen])[0]
            )
            in_class = np.bincount(member, weights=rows, minlength=count).astype(np.int64)
            found.append(told_apart(tuple(names[place] for place in chosen), in_class))
    return sorted(found, key=lambda one: (-one.separation, -one.distinction, one.items))


def told_apart(items: tuple[str, ...], rows: Codes) -> Separation:
    """Distinction and separation of the items whose classes hold `rows`."""
    total = int(rows.sum())
    # In whole numbers: the squares of a few million rows are beyond what a float counts exactly.
    alike = int(rows @ (rows - 1))
    pairs = total * (total - 1)
    return Separation(
        items=items,
        distinction=len(rows) / total if total else 0.0,
        separation=(pairs - alike) / pairs if pairs else 0.0,
    )
