"""
An independent second opinion on k, distinct l and equal-distance t: pycanon's, on the same table.

pycanon (IFCA-Advanced-Computing, Apache-2.0) is right on clean input and wrong on some other: it drops
missing quasi-identifiers, takes labels of the index for positions, takes codes for ordered numbers, and
counts unobserved categories. So it is given strings only, missing as a category like any other, and rows numbered from 0. It knows neither
persons nor households; given one row for each pair of class and household, its k is k in households.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from workbench.privacy.anonymity.classes import Coded, Who, categories, require_columns, who
from workbench.scoring.recode import MISSING

# Names of columns that no register can have.
WHO, VALUE = "\0who", "\0value"


@dataclass(frozen=True)
class SecondOpinion:
    """
    pycanon's numbers. `distinct_l` is None for an item whose every class is exempt; k is 0 for an empty table.

    `t_closeness` holds the items it was asked for, with equal distances; 0 for an empty table.
    """

    k_children: int
    k_households: int | None
    distinct_l: Mapping[str, int | None]
    t_closeness: Mapping[str, float] = field(default_factory=dict)


def second_opinion(
    frame: pd.DataFrame,
    *,
    quasi_identifiers: Sequence[str],
    sensitive: Mapping[str, Sequence[str] | None] | None = None,
    persons: Who | None = None,
    households: Who | None = None,
    closeness: Sequence[str] = (),
) -> SecondOpinion:
    """
    What pycanon says of the retained rows. `sensitive` names the harmful values of each item, None for all.

    For distinct l it sees the classes that are not exempt: those with a harmful value. `closeness` names
    the items whose t is asked for, against these rows as the whole; it takes about a millisecond for each
    class and ten values, so it is asked for where a table has few classes.
    """
    items = list(require_columns(frame, quasi_identifiers))
    words = spelled_out(frame[items])
    homes = who(frame, households)
    return SecondOpinion(
        k_children=k_of(words, items, persons=who(frame, persons)),
        k_households=None if homes is None else k_of(words, items, persons=homes),
        distinct_l={
            item: distinct_l_of(words, items, frame[item], harmful=harmful)
            for item, harmful in (sensitive or {}).items()
        },
        t_closeness={item: t_of(words, items, frame[item]) for item in closeness},
    )


def spelled_out(frame: pd.DataFrame) -> pd.DataFrame:
    """The table as strings, missing as a category, rows numbered from 0."""
    coded = {name: categories(frame[name]) for name in frame}
    return pd.DataFrame(
        {
            name: np.array(column.words, dtype=object)[column.codes]
            for name, column in coded.items()
            if column.size
        },
        columns=list(frame),
    )


def k_of(words: pd.DataFrame, items: list[str], *, persons: Coded | None) -> int:
    """pycanon's k, each person or household once in a class."""
    from pycanon import anonymity

    rows = words if persons is None else words[~words.assign(**{WHO: persons.codes}).duplicated()]
    return int(anonymity.k_anonymity(rows.reset_index(drop=True), items)) if len(rows) else 0


def distinct_l_of(
    words: pd.DataFrame, items: list[str], values: Any, *, harmful: Sequence[str] | None
) -> int | None:
    """pycanon's distinct l over the classes with a harmful value."""
    from pycanon import anonymity

    table = with_values(words, values)
    bad = table[VALUE] != MISSING if harmful is None else table[VALUE].isin(list(harmful))
    met = table[bad.groupby([table[item] for item in items]).transform("any")].reset_index(drop=True)
    return int(anonymity.l_diversity(met, items, [VALUE])) if len(met) else None


def t_of(words: pd.DataFrame, items: list[str], values: Any) -> float:
    """pycanon's t with equal distances: of strings, so that codes are not taken for ordered numbers."""
    from pycanon import anonymity

    table = with_values(words, values)
    return float(anonymity.t_closeness(table, items, [VALUE])) if len(table) else 0.0


def with_values(words: pd.DataFrame, values: Any) -> pd.DataFrame:
    return words.assign(**{VALUE: spelled_out(pd.DataFrame({VALUE: values}))[VALUE].to_numpy()})
