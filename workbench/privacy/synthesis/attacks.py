"""
Three attacks on a synthetic table, one for each question of WP29 (Opinion 05/2014): singling out, linking, inferring.

The attacker has the synthetic table and knows some items of a child. Written here from the literature
(Giomi et al., PoPETs 2023, for the questions; the controls are our own); every attack is also made on
children whom the synthesiser never saw.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench.privacy.synthesis.chances import Hits, Risk, judged, judged_against, not_evaluable
from workbench.privacy.synthesis.columns import Columns
from workbench.privacy.synthesis.points import Points, encoded, numeric

Codes = np.ndarray[Any, np.dtype[np.float64]]
Predicate = tuple[tuple[int, str, float], ...]

ATTACKS = 1_500
PREDICATES = 2_000
# How many random predicates are tried for each that is kept, and of how many items they speak.
TRIES = 4
ITEMS = (3, 10)
BLOCK = 256
# Two squared distances this near are a tie; float32 tells no finer.
TIE = 1e-4


def draw(frame: pd.DataFrame, *, order: np.random.Generator, most: int = ATTACKS) -> pd.DataFrame:
    """At most `most` rows, in random order."""
    return frame.iloc[order.permutation(len(frame))[:most]].reset_index(drop=True)


# Singling out


def singling_out(
    source: pd.DataFrame,
    control: pd.DataFrame,
    synthetic: pd.DataFrame,
    *,
    columns: Columns,
    order: np.random.Generator,
) -> list[Risk]:
    """
    Sentences that are true of one synthetic row, by one item and by several: of how many children of the source?

    A sentence succeeds when it is true of exactly one child. What luck alone would give is known exactly:
    were the children of source and control shuffled, a sentence true of t of them would be true of one in the
    source with the hypergeometric chance. So no child of the control is wasted, and the two may differ in size.
    """
    made, real, other = (numbered(frame, columns=columns) for frame in (synthetic, source, control))
    kinds = {
        "singling_out:one": one_item_predicates(made, columns=columns),
        "singling_out:several": several_items_predicates(made, columns=columns, order=order),
    }
    found = []
    for name, predicates in kinds.items():
        chosen = [predicates[i] for i in order.permutation(len(predicates))[:PREDICATES]]
        counts = np.array([[matches(p, real), matches(p, other)] for p in chosen]).reshape(-1, 2)
        found.append(singled_out(name, counts, sizes=(len(source), len(control))))
    return found


def singled_out(name: str, counts: "np.ndarray[Any, np.dtype[np.int64]]", *, sizes: tuple[int, int]) -> Risk:
    """The risk of predicates that are true of so many children of the source and of the control."""
    from scipy.stats import hypergeom

    if not len(counts) or not all(sizes):
        return not_evaluable(name, attacks=len(counts))
    chance = hypergeom(sum(sizes), counts.sum(axis=1), sizes[0]).pmf(1)
    return judged_against(name, counts[:, 0] == 1, control=float(np.mean(chance)))


def numbered(frame: pd.DataFrame, *, columns: Columns) -> Codes:
    """The rows as numbers: a category's place among the register's labels; nan where nothing is known."""
    parts = []
    for name, column in columns.items():
        if column.is_category:
            codes = pd.Categorical(frame[name].astype("object"), categories=list(column.labels)).codes
            parts.append(np.where(codes < 0, np.nan, codes.astype(float)))
        else:
            parts.append(numeric(frame[name]))
    return np.column_stack(parts)


def one_item_predicates(made: Codes, *, columns: Columns) -> list[Predicate]:
    """Values that one synthetic row alone has, and the ends of each number."""
    found: list[Predicate] = []
    for place, column in enumerate(columns.values()):
        values, counts = np.unique(made[~np.isnan(made[:, place]), place], return_counts=True)
        found += [((place, "is", float(value)),) for value in values[counts == 1]]
        if not column.is_category and len(values):
            found += [((place, "least", float(values[-1])),), ((place, "most", float(values[0])),)]
    return found


def several_items_predicates(made: Codes, *, columns: Columns, order: np.random.Generator) -> list[Predicate]:
    """Random sentences about random synthetic rows that are true of no other synthetic row."""
    if not len(made) or made.shape[1] < 2:
        return []
    middle = np.array([np.nanmedian(c) if (~np.isnan(c)).any() else np.nan for c in made.T])
    category = [column.is_category for column in columns.values()]
    found: list[Predicate] = []
    for _ in range(TRIES * PREDICATES):
        row = made[order.integers(len(made))]
        items = order.permutation(made.shape[1])[: order.integers(*ITEMS)]
        predicate = tuple(
            (int(i), word(row[i], middle[i], is_category=category[i]), float(row[i]))
            for i in items
            if not np.isnan(row[i])
        )
        if len(predicate) > 1 and matches(predicate, made) == 1:
            found.append(predicate)
        if len(found) == PREDICATES:
            break
    return found


def word(value: float, middle: float, *, is_category: bool) -> str:
    """How a value is used: away from the middle, where fewer are."""
    return "is" if is_category else "least" if value > middle else "most"


TESTS = {"is": np.equal, "least": np.greater_equal, "most": np.less_equal}


def matches(predicate: Predicate, rows: Codes) -> int:
    """Of how many rows the predicate is true; the rows that are left grow few at once."""
    left = rows
    for place, test, value in predicate:
        left = left[TESTS[test](left[:, place], value)]
    return len(left)


# Linking


def linkability(
    source: pd.DataFrame,
    control: pd.DataFrame,
    synthetic: pd.DataFrame,
    *,
    columns: Columns,
    split: tuple[Sequence[str], Sequence[str]],
    name: str,
    order: np.random.Generator,
) -> Risk:
    """
    Two offices hold different items of the same children: does the synthetic table bring the halves together?

    It does for a child when a synthetic row is among the nearest of both halves.
    """
    if not all(split) or not len(synthetic):
        return not_evaluable(name, attacks=0)
    halves = [{item: columns[item] for item in half} for half in split]
    tries = [linked(draw(frame, order=order), synthetic, halves=halves) for frame in (source, control)]
    return judged(name, *tries)


def linked(children: pd.DataFrame, synthetic: pd.DataFrame, *, halves: Sequence[Columns]) -> Hits:
    made = [encoded(synthetic, columns=half) for half in halves]
    asked = [encoded(children, columns=half) for half in halves]
    return np.concatenate(
        [
            np.logical_and(
                *(nearest(part[rows], points) for part, points in zip(asked, made, strict=True))
            ).any(axis=1)
            for rows in blocks(len(children))
        ]
    )


def blocks(number: int) -> Iterator[slice]:
    return (slice(start, start + BLOCK) for start in range(0, number, BLOCK))


def squared_distances(points: Points, others: Points) -> Points:
    product = points @ others.T
    return np.asarray((points**2).sum(1)[:, None] + (others**2).sum(1)[None, :] - 2 * product)


def nearest(points: Points, others: Points) -> Hits:
    """A row for each point: which of the others are nearest to it, ties among them."""
    distances = squared_distances(points, others)
    return np.asarray(distances <= distances.min(axis=1, keepdims=True) + TIE)


# Inferring


def inference(
    source: pd.DataFrame,
    control: pd.DataFrame,
    synthetic: pd.DataFrame,
    *,
    columns: Columns,
    item: str,
    known: Sequence[str],
    name: str,
    order: np.random.Generator,
) -> Risk:
    """
    Who knows `known` of a child reads `item` off the nearest synthetic rows.

    As many children of each value are attacked: among all children the commonest value is guessed right
    nearly always, by everybody, and the children who could be harmed would not be seen.
    """
    aside = [other for other in known if other != item]
    if not aside or not len(synthetic):
        return not_evaluable(name, attacks=0)
    shapes = {other: columns[other] for other in aside}
    levels = levels_of(source, item=item, columns=columns)
    tries = []
    for frame in (source, control):
        children = balanced(frame, frame[item].astype("object"), levels=levels, order=order)
        tries.append(guessed(children, synthetic, columns=columns, shapes=shapes, item=item))
    return judged(name, *tries)


def levels_of(frame: pd.DataFrame, *, item: str, columns: Columns) -> list[str]:
    """The values of a category that somebody has; none for a number, whose children are drawn as they come."""
    column = columns[item]
    return [label for label in column.labels if bool((frame[item] == label).any())]


def balanced(
    frame: pd.DataFrame, values: "pd.Series[Any]", *, levels: Sequence[str], order: np.random.Generator
) -> pd.DataFrame:
    if not levels:
        return draw(frame[values.notna().to_numpy()], order=order)
    by_level = [frame[(values == level).to_numpy()] for level in levels]
    each = min([ATTACKS // len(levels), *(len(part) for part in by_level)])
    return pd.concat([draw(part, order=order, most=each) for part in by_level], ignore_index=True)


# A number is inferred when the guess is this near to it, as a share of it.
NEAR = 0.05


def guessed(
    children: pd.DataFrame, synthetic: pd.DataFrame, *, columns: Columns, shapes: Columns, item: str
) -> Hits:
    """Which children's value is that of most of the nearest synthetic rows (for a number, near their mean)."""
    if not len(children):
        return np.zeros(0, dtype=bool)
    points, made = encoded(children, columns=shapes), encoded(synthetic, columns=shapes)
    only = {item: columns[item]}
    told, actual = numbered(synthetic, columns=only)[:, 0], numbered(children, columns=only)[:, 0]
    table = values_table(told, size=len(columns[item].labels))
    found = []
    for rows in blocks(len(children)):
        near = nearest(points[rows], made).astype(np.float32)
        if columns[item].is_category:
            votes = near @ table
            found.append(np.argmax(votes, axis=1) == actual[rows])
        else:
            known = ~np.isnan(told)
            counts = near[:, known].sum(axis=1)
            mean = near[:, known] @ told[known].astype(np.float32) / np.maximum(counts, 1)
            gap = np.abs(mean - actual[rows])
            found.append((counts > 0) & (gap <= NEAR * np.maximum(np.abs(actual[rows]), 1)))
    return np.concatenate(found)


def values_table(told: Codes, *, size: int) -> Points:
    """One column a value, one row a synthetic row."""
    table = np.zeros((len(told), max(size, 1)), dtype=np.float32)
    held = ~np.isnan(told) & bool(size)
    table[np.flatnonzero(held), told[held].astype(int)] = 1
    return table


# Copies


def copies(
    source: pd.DataFrame,
    control: pd.DataFrame,
    synthetic: pd.DataFrame,
    *,
    columns: Columns,
    name: str,
    order: np.random.Generator,
) -> Risk:
    """Which children stand in the synthetic table with every item, and how many do so by chance."""
    made = set(spelled(synthetic, columns=columns))
    tries = [
        np.array([row in made for row in spelled(draw(frame, order=order), columns=columns)], dtype=bool)
        for frame in (source, control)
    ]
    return judged(name, *tries)


def anyones(
    everyone: pd.DataFrame,
    homes: "pd.Series[Any]",
    synthetic: pd.DataFrame,
    *,
    columns: Columns,
    name: str,
    order: np.random.Generator,
) -> Risk:
    """
    How many synthetic rows are some child's, learnt from or not, beyond what strangers have in common.

    Whether the table holds its own source more than others does not tell that it holds both. The control is
    real rows themselves: how many are also somebody's of another household.
    """
    owners: dict[bytes, set[Any]] = {}
    rows = spelled(everyone, columns=columns)
    for row, home in zip(rows, homes, strict=True):
        owners.setdefault(row, set()).add(home)
    chosen = order.permutation(len(rows))[:ATTACKS]
    made = spelled(draw(synthetic, order=order), columns=columns)
    return judged(
        name,
        np.array([row in owners for row in made], dtype=bool),
        np.array([len(owners[rows[place]]) > 1 for place in chosen], dtype=bool),
    )


def spelled(frame: pd.DataFrame, *, columns: Columns) -> list[bytes]:
    """Each row as bytes that are equal when every item is."""
    rows = np.nan_to_num(numbered(frame, columns=columns), nan=-1e9)
    return [row.tobytes() for row in np.ascontiguousarray(rows)]
