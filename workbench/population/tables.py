"""What a holder's table is before it is sent: rows, the holder's key, and whose key each one really is."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.population.calendar import END, INDEX_DAYS, LAST, NEVER, RECORDS, YEARS, fy_start
from workbench.population.chance import Array, Draw
from workbench.population.people import labelled, scrambled

DIGITS = np.array([str(digit) for digit in range(10)], dtype=object)
RECORDED = YEARS >= RECORDS


@dataclass(frozen=True)
class Table:
    """`owner` is the person behind each row; only the truth tables use it."""

    frame: pd.DataFrame
    key: str
    owner: Array


@dataclass(frozen=True)
class Keys:
    """A holder's own keys: what is printed, and their order."""

    text: Array
    rank: Array


def numbered(draw: Draw, prefix: str, count: int, *, digits: int) -> Keys:
    """`count` distinct keys that tell nothing: the prefix and a number of that many digits, dealt out at random."""
    dealt = draw.rng(f"keys.{prefix}").permutation(count)
    number = scrambled(dealt, start=10 ** (digits - 1), span=8 * 10 ** (digits - 1))
    return Keys(labelled(prefix, number, digits), number)


def table(
    columns: Mapping[str, object],
    *,
    key: str,
    keys: Keys,
    of: Array,
    owner: Array,
    by: tuple[Array, ...] = (),
) -> Table:
    """
    A table in the order a holder prints it: by `by` (most important first), then by key.

    `of` is the number of each row's key, which becomes the first column; `owner` the person of each row.
    """
    order = np.lexsort((keys.rank[of], *reversed(by)))
    frame = pd.DataFrame({key: keys.text[of], **columns}).take(order).reset_index(drop=True)
    return Table(frame, key, owner[order])


def integers(values: Array, *, missing: Array | None = None) -> pd.arrays.IntegerArray:
    """A nullable whole-number column."""
    mask = np.zeros(len(values), dtype=bool) if missing is None else missing
    return pd.arrays.IntegerArray(np.where(mask, 0, values).astype(np.int64), mask)


def codes(values: Array, *, missing: Array | None = None) -> Array:
    """Codes 0 to 9 as strings, None where missing."""
    text = DIGITS[np.asarray(values)]
    return text if missing is None else np.where(missing, None, text)


@dataclass(frozen=True)
class Spells:
    """Runs of one state: whose, in which state, from and to (NEVER: still)."""

    entity: Array
    state: Array
    since: Array
    until: Array
    column: Array


def spells_of(state: Array, *, rng: np.random.Generator, low: Array, high: Array) -> Spells:
    """
    Spells from states at index dates (entities × YEARS, 0 none). A change happens on a day of the year before.

    `low` and `high` (by entity and column of the beginning) bound the days.
    """
    before = np.hstack([np.zeros((len(state), 1), dtype=state.dtype), state[:, :-1]])
    changes = INDEX_DAYS - rng.integers(0, 364, state.shape)
    entity, column = np.nonzero((state != before) & (state > 0))
    alike = state != np.hstack([state[:, 1:], np.zeros((len(state), 1), dtype=state.dtype)])
    ends = np.where(alike, np.arange(state.shape[1]), state.shape[1])
    last = np.minimum.accumulate(ends[:, ::-1], axis=1)[:, ::-1][entity, column]
    beyond = np.minimum(last + 1, state.shape[1] - 1)
    until = np.where(last + 1 < state.shape[1], changes[entity, beyond], NEVER)
    until = np.minimum(until, high[entity, np.minimum(last, state.shape[1] - 1)])
    since = np.maximum(changes[entity, column], low[entity, column])
    return Spells(entity, state[entity, column], since, np.where(until >= END, NEVER, until), column)


def months_between(since: Array, until: Array) -> tuple[Array, Array]:
    """For each row the months it covers (from its first day to its last): row index and months since 1900-01."""
    first = month_number(np.maximum(since, fy_start(RECORDS)))
    last = month_number(np.minimum(until, fy_start(LAST + 1)) - 1)
    count = np.maximum(last - first + 1, 0)
    row = np.repeat(np.arange(len(count)), count)
    return row, np.repeat(first, count) + np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)


def month_number(days: Array) -> Array:
    return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) + 70 * 12
