"""
Equivalence classes: the rows of a table that their quasi-identifiers cannot tell apart.

One pass reduces a table to its distinct combinations, with how many rows, children and households each
holds; every metric is a line on that. Two values are one category when they read alike (the spelling of
`workbench.scoring.recode`), so neither the index of a frame, nor its dtypes, nor levels that no row has,
nor the sign of zero, nor the zone in which a moment is told change a count.

A missing value is a category of its own here; `workbench.privacy.anonymity.missing` reads it the other way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.errors import Unusable, Usage
from workbench.scoring.recode import MISSING, spelled

Codes = NDArray[np.int64]
Who = str | Sequence[Any] | NDArray[Any] | pd.Series

# Room for one more factor below the sign bit of int64.
LARGEST_KEY = 2**62


@dataclass(frozen=True)
class Coded:
    """A column as places in its sorted, distinct words."""

    codes: Codes
    words: tuple[str, ...]

    @property
    def size(self) -> int:
        return len(self.words)


@dataclass(frozen=True)
class Classes:
    """
    The classes of a table: `member` gives each row's class, the rest is one entry a class.

    `children` counts distinct persons, or rows where the table names no person. `households` is None
    where the table names no household.
    """

    items: tuple[str, ...]
    member: Codes
    rows: Codes
    children: Codes
    households: Codes | None

    @classmethod
    def of(
        cls,
        frame: pd.DataFrame,
        quasi_identifiers: Sequence[str],
        *,
        persons: Who | None = None,
        households: Who | None = None,
    ) -> "Classes":
        """
        The classes of `frame`. `persons` and `households` are a column's name or one code for each row.

        A missing value is a category of its own. Dropping it would hide the smallest classes, which is
        the one mistake that matters here. A missing person or household counts as one and the same.
        """
        items = require_columns(frame, quasi_identifiers)
        coded = [categories(frame[item]) for item in items]
        member, count = number(pack([c.codes for c in coded], sizes=[c.size for c in coded])[0])
        rows = np.bincount(member, minlength=count)
        people = who(frame, persons)
        homes = who(frame, households)
        return cls(
            items=items,
            member=member,
            rows=rows,
            children=rows if people is None else distinct_by(member, people.codes, classes=count),
            households=None if homes is None else distinct_by(member, homes.codes, classes=count),
        )

    def __len__(self) -> int:
        return len(self.rows)


def without_suppressed(
    frame: pd.DataFrame, quasi_identifiers: Sequence[str], *, mark: str = "*"
) -> pd.DataFrame:
    """
    The rows that still say something: those in which some quasi-identifier does not read `mark`.

    Some tools leave suppressed rows in the table, starred out. Counted as a class they are a crowd that
    nobody hides in. Asked for, not done unasked: a table generalised to the top reads alike in every row.
    """
    items = require_columns(frame, quasi_identifiers)
    starred = np.ones(len(frame), dtype=bool)
    for item in items:
        coded = categories(frame[item])
        starred &= np.array([spelling == mark for spelling in coded.words], dtype=bool)[coded.codes]
    return frame[~starred]


def require_columns(frame: pd.DataFrame, names: Sequence[str]) -> tuple[str, ...]:
    """`names` as a tuple. Usage when there is none, Unusable for a column that is not there exactly once."""
    if not names:
        raise Usage(
            ja="準識別子を一つ以上指定してください。",
            en="Name at least one quasi-identifier.",
        )
    for name in names:
        if list(frame.columns).count(name) != 1:
            raise Unusable(
                ja=f"列「{name}」が表にちょうど一つありません。列名を確かめてください。",
                en=f"The table does not have exactly one column '{name}'; check the names of the columns.",
            )
    return tuple(names)


def who(frame: pd.DataFrame, given: Who | None) -> Coded | None:
    """The persons or households of the rows, by a column's name or one code for each row."""
    if given is None:
        return None
    values = frame[require_columns(frame, [given])[0]] if isinstance(given, str) else given
    if len(values) != len(frame):
        raise Unusable(
            ja=f"個人または世帯の符号が {len(values)} 件で、表の {len(frame)} 行と合いません。",
            en=f"{len(values)} codes of persons or households do not fit {len(frame)} rows.",
        )
    return categories(values)


def categories(values: Any) -> Coded:
    """The categories of a column: one for each spelling that occurs, missing among them, in sorted order."""
    places, raws = factorized(pd.Series(values))
    spellings = np.array([word(raw) for raw in raws] + [MISSING], dtype=object)
    # Raw values that read alike (1 and 1.0) come together here; the place -1 of a missing value is MISSING's.
    words, merged = np.unique(spellings, return_inverse=True)
    met = np.zeros(len(spellings), dtype=bool)
    met[places] = True
    seen = np.unique(merged[met])
    return Coded(codes=np.searchsorted(seen, merged)[places].astype(np.int64), words=tuple(words[seen]))


def in_common_words(one: Coded, other: Coded) -> tuple[Coded, Coded]:
    """Both columns as places in the words of either."""
    if one.words == other.words:
        return one, other
    words = tuple(sorted({*one.words, *other.words}))
    place = {spelling: number for number, spelling in enumerate(words)}
    moved = (
        np.array([place[spelling] for spelling in c.words], dtype=np.int64)[c.codes] for c in (one, other)
    )
    return Coded(codes=next(moved), words=words), Coded(codes=next(moved), words=words)


def numbered_together(
    one: pd.DataFrame, other: pd.DataFrame, items: Sequence[str]
) -> tuple[Codes, Codes, int]:
    """The combination of each row of both tables, numbered alike, and how many combinations there are."""
    coded = [in_common_words(categories(one[item]), categories(other[item])) for item in items]
    columns = [np.concatenate([here.codes, there.codes]) for here, there in coded]
    member, count = number(pack(columns, sizes=[here.size for here, _ in coded])[0])
    return member[: len(one)], member[len(one) :], count


def factorized(series: pd.Series) -> tuple[NDArray[Any], Sequence[Any]]:
    """Places and distinct raw values; the place of a missing value is -1."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        return series.cat.codes.to_numpy(), list(series.cat.categories)
    if series.dtype == object and pd.api.types.infer_dtype(series, skipna=True) != "string":
        # factorize takes 1, 1.0 and True for one value; their spellings differ.
        series = series.map(word)
    places, raws = pd.factorize(series)
    return places, list(raws)


def word(raw: Any) -> str:
    """How a value reads; MISSING for None, NaN, NaT and the empty string."""
    if isinstance(raw, np.datetime64):
        raw = pd.Timestamp(raw)
    plain = raw.item() if isinstance(raw, np.generic) else raw
    if plain is pd.NaT or plain is pd.NA:
        return MISSING
    spelling = spelled(plain)
    return MISSING if spelling is None else spelling


def pack(columns: Sequence[Codes], *, sizes: Sequence[int]) -> tuple[Codes, int]:
    """One integer for each combination of codes, and how many integers there could be."""
    key, space = np.zeros(len(columns[0]), dtype=np.int64), 1
    for codes, size in zip(columns, sizes, strict=True):
        if space * size > LARGEST_KEY:
            key, space = number(key)
        key, space = key * size + codes, space * size
    return key, space


def number(key: Codes) -> tuple[Codes, int]:
    """The keys that occur, numbered from 0 in rising order, and how many there are."""
    distinct, numbered = np.unique(key, return_inverse=True)
    return numbered.astype(np.int64), len(distinct)


def distinct_by(member: Codes, codes: Codes, *, classes: int) -> Codes:
    """How many different codes each class holds."""
    if not len(member):
        return np.zeros(classes, dtype=np.int64)
    size = int(codes.max()) + 1
    pairs = np.sort(member * size + codes)
    first = np.concatenate([[True], pairs[1:] != pairs[:-1]])
    return np.bincount(pairs[first] // size, minlength=classes)
