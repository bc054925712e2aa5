"""
Neighbouring tables on purpose: a table, and the same table with one household more that means harm.

Differential privacy promises for every pair of neighbours; faults live where the data are odd. So the
household that comes or goes brings what a careful program forgets: no number, an infinite one, a number
that overflows, a category nobody had, a child twice, more children than may be counted, or no household.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

HOUSEHOLD, CHILD, YEAR = "household_id", "child_id", "fy"
# The year that is asked about, and the one before.
ASKED = 2024
# No household of the table has this name, nor any child.
STRANGER = "stranger"
# More than any bound on what a household contributes, and many more.
ROWS, CROWD = 5, 60


@dataclass(frozen=True)
class Pair:
    """Two tables that differ in one household, and what is odd about it."""

    name: str
    here: pd.DataFrame
    there: pd.DataFrame


def city(households: int = 24, *, seed: int = 0) -> pd.DataFrame:
    """
    A small table of children: `grade`, `absent` (whole), `score`, `hours` (not), `sex`, `district`, `note`.

    Households have one to five children, some children have none, values are missing here and there, the
    district "west" is empty, and the year before has the same children.
    """
    r = np.random.default_rng(seed)
    sizes = 1 + np.arange(households) % 5
    homes = np.repeat([f"h{number}" for number in range(households)], sizes).astype(object)
    rows = len(homes)
    homes[:: max(rows // 4, 1)] = None
    one_year = pd.DataFrame(
        {
            HOUSEHOLD: homes,
            CHILD: [f"c{number}" for number in range(rows)],
            YEAR: ASKED,
            "grade": r.integers(0, 12, rows),
            "absent": r.poisson(6, rows),
            "score": r.normal(50, 10, rows).round(1),
            "hours": r.exponential(2, rows),
            "sex": r.choice(["female", "male"], rows),
            "district": r.choice(["north", "south", "east"], rows),
            "note": r.choice(["a", "b", "c"], rows),
        }
    ).astype({"grade": "Int64", "absent": "Int64", "score": "Float64", "hours": "float64"})
    one_year.loc[r.random(rows) < 0.1, ["absent", "score", "sex"]] = pd.NA
    return pd.concat([one_year.assign(**{YEAR: ASKED - 1}), one_year], ignore_index=True)


def pairs(table: pd.DataFrame, *, thorough: bool = True) -> Iterator[Pair]:
    """
    `table` against itself with each hostile household more, and against itself without one of its own.

    A thorough audit puts the household first, in the middle and last, and against a table without rows.
    """
    places = {"middle": len(table) // 2} | ({"first": 0, "last": len(table)} if thorough else {})
    for name in HOSTILE:
        rows = household(table, name)
        for place, at in places.items():
            yield Pair(f"{name}, {place}", table, inserted(table, rows, at=at))
        if thorough:
            yield Pair(f"{name}, alone", table.iloc[:0], inserted(table.iloc[:0], rows, at=0))
    yield Pair("a text among numbers", table, text_among_numbers(table))
    homes = table[HOUSEHOLD].dropna()
    for name, gone in (("last household", homes.iloc[-1]), ("largest household", homes.mode()[0])):
        yield Pair(name, table, without(table, gone))


def text_among_numbers(table: pd.DataFrame) -> pd.DataFrame:
    """A household whose numbers are words makes every number of its column another type."""
    mixed = table.astype(object)
    rows = household(table, "plain").astype(object)
    for column in table.columns.drop([YEAR]):
        if pd.api.types.is_numeric_dtype(table[column]):
            rows[column] = "twelve"
    return inserted(mixed, rows, at=len(mixed))


def household(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """The rows of one hostile household, in the columns and types of `table`."""
    rows = table.dropna().iloc[:ROWS].copy()
    rows[HOUSEHOLD], rows[YEAR] = STRANGER, ASKED
    rows[CHILD] = [f"{STRANGER}{number}" for number in range(len(rows))]
    return HOSTILE[name](rows.reset_index(drop=True))


def inserted(table: pd.DataFrame, rows: pd.DataFrame, *, at: int) -> pd.DataFrame:
    # Column by column: pandas would choose other types for a column in which nothing is known.
    columns = {
        name: pd.Series([*values[:at], *rows[name], *values[at:]], dtype=values.dtype)
        for name, values in table.items()
    }
    return pd.DataFrame(columns)


def without(table: pd.DataFrame, household: str) -> pd.DataFrame:
    return table[~(table[HOUSEHOLD] == household).fillna(False)].reset_index(drop=True)


def numbers(value: float, *, whole: int | None) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """The same value in every number; `whole` in whole numbers, missing where None."""

    def make(rows: pd.DataFrame) -> pd.DataFrame:
        for column in rows.columns.drop([YEAR]):
            if pd.api.types.is_integer_dtype(rows[column]):
                rows[column] = pd.array([whole] * len(rows), dtype="Int64")
            elif pd.api.types.is_float_dtype(rows[column]):
                rows[column] = pd.Series(np.full(len(rows), value)).astype(rows[column].dtype)
        return rows

    return make


def texts(value: Any) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """The same value in every item that is a text."""

    def make(rows: pd.DataFrame) -> pd.DataFrame:
        found = [c for c in rows.columns.drop([HOUSEHOLD, CHILD]) if rows[c].dtype == object]
        return rows.assign(**{column: pd.Series([value] * len(rows), dtype=object) for column in found})

    return make


def crowd(rows: pd.DataFrame) -> pd.DataFrame:
    """More children in one household than any bound."""
    many = pd.concat([rows] * (CROWD // len(rows)), ignore_index=True)
    return many.assign(**{CHILD: [f"{STRANGER}{number}" for number in range(len(many))]})


def opposed(rows: pd.DataFrame) -> pd.DataFrame:
    """The crowd, at both ends of every number at once."""
    many = crowd(rows)
    for column in many.columns.drop([YEAR]):
        if pd.api.types.is_numeric_dtype(many[column]):
            ends = np.where(np.arange(len(many)) % 2, 10**6, -(10**6))
            many[column] = pd.Series(ends).astype(many[column].dtype)
    return many


def same_child(rows: pd.DataFrame) -> pd.DataFrame:
    """One child, in every row."""
    return crowd(rows.iloc[:1]).assign(**{CHILD: STRANGER})


def missing(rows: pd.DataFrame) -> pd.DataFrame:
    """Nothing is known of them but whose they are."""
    empty = rows.copy()
    for column in empty.columns.drop([HOUSEHOLD, CHILD, YEAR]):
        empty[column] = pd.Series([None] * len(rows), dtype=rows[column].dtype)
    return empty


def no_household(rows: pd.DataFrame) -> pd.DataFrame:
    """A child without a household is a household of its own."""
    return rows.iloc[:1].assign(**{HOUSEHOLD: pd.Series([None], dtype=object)})


# One line for each way to be odd; every question is asked about every one of them.
HOSTILE: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "plain": lambda rows: rows,
    "one child": lambda rows: rows.iloc[:1],
    "not a number": numbers(float("nan"), whole=None),
    "infinite": numbers(float("inf"), whole=2**63 - 1),
    "minus infinite": numbers(float("-inf"), whole=-(2**63)),
    "outlier": numbers(1e308, whole=2**62),
    "negative outlier": numbers(-1e308, whole=-(2**62)),
    "smallest number": numbers(5e-324, whole=0),
    "just past a whole number": numbers(2.0**53 + 2, whole=2**53 + 1),
    "new category": texts("a category nobody had"),
    "empty text": texts(""),
    "the word for missing": texts("(missing)"),
    "a text of control characters": texts("\x00\ud7ff\n\t'\""),
    "half a character": texts("\ud800"),
    "a very long text": texts("x" * 10_000),
    "empty group": lambda rows: rows.assign(district="west", sex="female"),
    "missing": missing,
    "many rows": crowd,
    "many rows, at both ends": opposed,
    "the same child many times": same_child,
    "no household": no_household,
    "another year": lambda rows: rows.assign(**{YEAR: ASKED - 1}),
    "no year": lambda rows: rows.assign(**{YEAR: 0}),
}
