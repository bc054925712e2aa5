"""
A table reduced to its distinct combinations, on the engine that holds it.

One Ibis expression gives every row one number for its combination of quasi-identifiers; three counts of
that are all a report needs, however many rows there are: rows and values by combination, and distinct
persons and households by combination. The table stays on the engine; only what is distinct comes back, in
the order and with the spellings of `Classes.of` and `Spread.of`, which say the same of a frame in memory.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from workbench.data.engine import Opened, opened
from workbench.errors import Unusable
from workbench.privacy.anonymity.classes import (
    LARGEST_KEY,
    Classes,
    Codes,
    categories,
    require_columns,
)
from workbench.privacy.anonymity.counting import Fall, counting
from workbench.privacy.anonymity.spread import Spread, harmful_mask
from workbench.scoring.recode import MISSING

if TYPE_CHECKING:
    from ibis.expr.types import Column, Table


@dataclass(frozen=True)
class Reduced:
    """
    The classes of a table without its rows: one entry a class in each of `codes`, `rows`, `children`, `households`.

    `codes` are places in `words`, one of each for each of `items`. `falls` tells of each sensitive item how
    often which value occurs in which class.
    """

    items: tuple[str, ...]
    words: tuple[tuple[str, ...], ...]
    codes: tuple[Codes, ...]
    rows: Codes
    children: Codes
    households: Codes | None
    falls: Mapping[str, Fall]

    @property
    def classes(self) -> Classes:
        """The classes; `member` is empty, for the rows stayed on the engine."""
        return Classes(
            items=self.items,
            member=np.empty(0, dtype=np.int64),
            rows=self.rows,
            children=self.children,
            households=self.households,
        )

    def spread(self, item: str, *, harmful: Iterable[str] | None = None) -> Spread:
        """How the values of one of the sensitive items fall over the classes; `harmful` as in `Spread.of`."""
        fall = self.falls[item]
        harm = harmful_mask(fall.words, harmful)
        return Spread(
            classes=len(self.rows),
            in_class=fall.in_class,
            value=fall.value,
            count=fall.count,
            words=fall.words,
            harmful=harm,
            recorded=harm | (np.array(fall.words, dtype=object) != MISSING),
        )


def reduce(
    source: "Path | str | pa.Table | pd.DataFrame",
    quasi_identifiers: Sequence[str],
    *,
    persons: str | None = None,
    households: str | None = None,
    sensitive: Sequence[str] = (),
    engine: str | None = None,
) -> Reduced:
    """
    The distinct combinations of a table, with their counts.

    Items are named by column; without `persons` a row is a child. What is missing is a category of its own,
    among persons and households too. Raises what `workbench.data.engine.opened` does, and Unusable for
    a column that is not there exactly once.
    """
    if isinstance(source, pd.DataFrame):
        named = [*quasi_identifiers, *sensitive, *(who for who in (persons, households) if who)]
        source = plain_types(source, require_columns(source, dict.fromkeys(named)))
    with opened(source, engine=engine) as table:
        return reduce_opened(
            table, quasi_identifiers, persons=persons, households=households, sensitive=sensitive
        )


def reduce_opened(
    table: Opened,
    quasi_identifiers: Sequence[str],
    *,
    persons: str | None = None,
    households: str | None = None,
    sensitive: Sequence[str] = (),
) -> Reduced:
    """`reduce`, for a table that stands on its engine already."""
    items = require_columns(table, quasi_identifiers)
    who = {"person": persons, "household": households}
    who = {role: require_columns(table, [name])[0] for role, name in who.items() if name is not None}
    if sensitive:
        require_columns(table, sensitive)
    found = {name: Found.on(table, name) for name in dict.fromkeys([*items, *sensitive])}
    packing = Packing.of([found[name] for name in items])
    coded = code(table, found, packing=packing, sensitive=sensitive, who=who)
    counts = counting(coded, packing.spaces, engine=table.engine)
    keys, rows = counts.classes()
    people = {role: counts.distinct(role) for role in who}
    return Reduced(
        items=items,
        words=tuple(found[name].words for name in items),
        codes=packing.unpacked(keys),
        rows=rows,
        children=people.get("person", rows),
        households=people.get("household"),
        falls={name: counts.fall(f"value{n}", words=found[name].words) for n, name in enumerate(sensitive)},
    )


@dataclass(frozen=True)
class Found:
    """The values of an item that occur: `numbers`, on the engine, has the place of each in `words`."""

    name: str
    numbers: "Table"
    words: tuple[str, ...]

    @classmethod
    def on(cls, table: Opened, name: str) -> "Found":
        distinct = table.rows.select(raw=readable(table.rows[name])).distinct()
        raws = table.engine.fetch(distinct).column("raw").combine_chunks()
        coded = categories(as_in_source(raws, table.schema.field(name).type))
        numbers = pa.table({"raw": raws, "code": pa.array(coded.codes, type=pa.int32())})
        return cls(name=name, numbers=table.engine.hold(numbers), words=coded.words)

    @property
    def size(self) -> int:
        return len(self.words)


def readable(column: "Column") -> "Column":
    """
    The column with one value for everything that reads alike in `categories`, so that counting values counts words.

    Within one type of column that is what is missing (the empty string, NaN) and negative zero.
    """
    kind = column.type()
    if kind.is_string():
        return column.nullif("").nullif(MISSING)
    if kind.is_floating():
        wide = column.cast("float64")
        return wide.isnan().ifelse(None, wide + 0.0)
    if kind.is_nested() or kind.is_json():
        raise Unusable(
            ja=f"列「{column.get_name()}」は一つの値の列ではありません。文字列・数・日付の列にしてください。",
            en=f"Column '{column.get_name()}' does not hold single values; make it text, numbers or dates.",
        )
    shared = (kind.is_numeric, kind.is_boolean, kind.is_date, kind.is_timestamp, kind.is_binary)
    # Kinds that an engine has for itself, such as moments to the nanosecond, are told apart by their text.
    return column if any(is_kind() for is_kind in shared) else column.cast("string")


def as_in_source(raws: pa.Array, kind: pa.DataType) -> pd.Series:
    """Distinct values in the type of their source: an engine may keep time in another zone, as text or as a number."""
    return (raws.cast(kind) if pa.types.is_timestamp(kind) else raws).to_pandas(integer_object_nulls=True)


@dataclass(frozen=True)
class Packing:
    """How the codes of the quasi-identifiers make whole numbers of 62 bits: one, or as many as they need."""

    parts: tuple[tuple[Found, ...], ...]

    @classmethod
    def of(cls, items: Sequence[Found]) -> "Packing":
        parts: list[list[Found]] = [[]]
        for item in items:
            if math.prod(other.size for other in parts[-1]) * item.size > LARGEST_KEY:
                parts.append([])
            parts[-1].append(item)
        return cls(tuple(map(tuple, parts)))

    @property
    def spaces(self) -> dict[str, int]:
        """How many numbers each column of the key has."""
        return {f"key{n}": math.prod(item.size for item in part) for n, part in enumerate(self.parts)}

    def expressions(self, code_of: Mapping[str, "Column"]) -> dict[str, "Column"]:
        """The columns of the key, from a column of codes for each item."""
        return {
            column: sum(code_of[item.name].cast("int64") * step for item, step in steps(part))
            for column, part in zip(self.spaces, self.parts, strict=True)
        }

    def unpacked(self, keys: Sequence[Codes]) -> tuple[Codes, ...]:
        """The codes in such keys, one array for each item."""
        return tuple(
            key // step % item.size
            for key, part in zip(keys, self.parts, strict=True)
            for item, step in steps(part)
        )


def steps(part: Sequence[Found]) -> list[tuple[Found, int]]:
    """Each item of a key with what one step of its code adds; the first item weighs most."""
    return [(item, math.prod(later.size for later in part[n + 1 :])) for n, item in enumerate(part)]


def code(
    table: Opened,
    found: Mapping[str, Found],
    *,
    packing: Packing,
    sensitive: Sequence[str],
    who: Mapping[str, str],
) -> "Table":
    """Every row as the key of its combination, the codes of its sensitive values, its person and household."""
    numbers = {name: n for n, name in enumerate(found)}
    rows = table.rows
    joined = rows.select(
        **{f"raw{n}": readable(rows[name]) for name, n in numbers.items()},
        **{role: readable(rows[name]) for role, name in who.items()},
    )
    for name, n in numbers.items():
        values = found[name].numbers.select(**{f"found{n}": "raw", f"code{n}": "code"})
        joined = joined.join(values, joined[f"raw{n}"].identical_to(values[f"found{n}"]))
    code_of = {name: joined[f"code{n}"] for name, n in numbers.items()}
    return joined.select(
        **packing.expressions(code_of),
        **{f"value{n}": code_of[name] for n, name in enumerate(sensitive)},
        **{role: joined[role] for role in who},
    )


def plain_types(frame: pd.DataFrame, names: Iterable[str]) -> pa.Table:
    """The columns as every engine holds them: numbers and truth values as they are, all else as words."""
    return pa.table({name: plain_type(frame[name]) for name in names})


def plain_type(series: pd.Series) -> pa.Array:
    if series.dtype.kind in "biuf" and not isinstance(series.dtype, pd.SparseDtype):
        return pa.array(series, from_pandas=True)
    coded = categories(series)
    return pa.array(coded.words, type=pa.string()).take(pa.array(coded.codes))
