"""
Counting coded rows: what a table is reduced to, from one number for the combination of each row.

`OnEngine` counts where the rows are and brings back what is distinct. `Here` brings the numbers and sorts
them, which on one machine is several times quicker than grouping, as long as they fit in memory. Both say
the same, in rising order of the key.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.data.engine import Engine
from workbench.privacy.anonymity.classes import LARGEST_KEY, Codes, number, pack

if TYPE_CHECKING:
    from ibis.expr.types import Table


@dataclass(frozen=True)
class Fall:
    """Which of an item's `words` occurs in which class, and how often: one entry for each pair, in rising order."""

    words: tuple[str, ...]
    in_class: Codes
    value: Codes
    count: Codes


class Counting(Protocol):
    """The counts of coded rows, of which each column of a key has its space of numbers."""

    def classes(self) -> tuple[list[Codes], Codes]:
        """The keys that occur, column by column, and how many rows have each."""
        ...

    def distinct(self, column: str) -> Codes:
        """How many different values of a column each class has, the missing one among them."""
        ...

    def fall(self, column: str, *, words: tuple[str, ...]) -> Fall:
        """How the values of a column, places in `words`, fall over the classes."""
        ...


def counting(rows: "Table", spaces: Mapping[str, int], *, engine: Engine) -> Counting:
    """The quicker way that is open: in memory for one machine and a key of one number, else on the engine."""
    if engine.in_memory and len(spaces) == 1:
        [(key, space)] = spaces.items()
        return Here(engine.fetch(rows), key, space)
    return OnEngine(engine.keep(rows), spaces, engine)


@dataclass(frozen=True)
class OnEngine:
    """Each count is a grouping on the engine."""

    rows: "Table"
    spaces: Mapping[str, int]
    engine: Engine

    def classes(self) -> tuple[list[Codes], Codes]:
        return self.counted(self.rows, list(self.spaces), sizes=list(self.spaces.values()))

    def distinct(self, column: str) -> Codes:
        pairs = self.rows.select(*self.spaces, column).distinct()
        return self.counted(pairs, list(self.spaces), sizes=list(self.spaces.values()))[1]

    def fall(self, column: str, *, words: tuple[str, ...]) -> Fall:
        sizes = [*self.spaces.values(), len(words)]
        (*keys, value), count = self.counted(self.rows, [*self.spaces, column], sizes=sizes)
        changes = [np.diff(key, prepend=key[:1]) != 0 for key in keys]
        return Fall(words, np.cumsum(np.logical_or.reduce(changes)), value, count)

    def counted(self, rows: "Table", by: Sequence[str], *, sizes: Sequence[int]) -> tuple[list[Codes], Codes]:
        met = self.engine.fetch(rows.group_by(by).aggregate(count=rows.count()))
        found = [whole(met, column) for column in by]
        order = np.argsort(pack(found, sizes=sizes)[0])
        return [codes[order] for codes in found], whole(met, "count")[order]


@dataclass(frozen=True)
class Here:
    """The coded rows are in memory; each count is a sort of whole numbers."""

    rows: pa.Table
    key: str
    space: int

    @cached_property
    def keys(self) -> Codes:
        return whole(self.rows, self.key)

    def classes(self) -> tuple[list[Codes], Codes]:
        key, count = runs(np.sort(self.keys))
        return [key], count

    def distinct(self, column: str) -> Codes:
        codes, size = short_codes(self.rows.column(column))
        pairs, _ = runs(self.paired(codes, size=size))
        return runs(pairs // size)[1]

    def fall(self, column: str, *, words: tuple[str, ...]) -> Fall:
        size = max(len(words), 1)
        pairs, count = runs(self.paired(whole(self.rows, column), size=size))
        key = pairs // size
        return Fall(words, np.cumsum(np.diff(key, prepend=key[:1]) != 0), pairs - key * size, count)

    def paired(self, codes: Codes, *, size: int) -> Codes:
        """Key and code of each row as one number, sorted."""
        keys = self.keys if self.space * size <= LARGEST_KEY else number(self.keys)[0]
        pairs = keys * size
        pairs += codes
        pairs.sort()
        return pairs


def runs(rising: Codes) -> tuple[Codes, Codes]:
    """The different numbers of a sorted array, and how often each occurs."""
    if not len(rising):
        return rising, np.zeros(0, dtype=np.int64)
    starts = np.concatenate([[0], np.flatnonzero(rising[1:] != rising[:-1]) + 1])
    return rising[starts], np.diff(starts, append=len(rising))


def short_codes(column: pa.ChunkedArray) -> tuple[Codes, int]:
    """A number for each value, and a bound on the numbers; missing is a value."""
    if pa.types.is_signed_integer(column.type) and not column.null_count and len(column):
        values = whole_column(column)
        least, most = int(values.min()), int(values.max())
        # Numbers of persons given in turn are short already; others are worth a dictionary.
        if most - least < 4 * len(values) + 1024:
            return values - least, most - least + 1
    encoded = column.combine_chunks().dictionary_encode()
    places = pc.fill_null(encoded.indices, len(encoded.dictionary))
    return places.to_numpy(zero_copy_only=False).astype(np.int64), len(encoded.dictionary) + 1


def whole(table: pa.Table, column: str) -> Codes:
    return whole_column(table.column(column))


def whole_column(column: pa.ChunkedArray) -> Codes:
    return column.to_numpy().astype(np.int64, copy=False)
