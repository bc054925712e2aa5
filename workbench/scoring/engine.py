"""
The engine: a recoded table and a model in, integers out.

Everything is int64, so that a score is the same on every machine, in every order and in every chunk.
A score is in milli-logits: it ranks, it is no probability.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from workbench.scoring import forms_json
from workbench.scoring.forms import Routing, Rule
from workbench.scoring.model import Capacity, Feature, Model, Threshold
from workbench.scoring.recode import MISSING, as_array, as_numbers, spelled

VERSION = "riskflag-engine/1"

Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

MISSING_PLACE, UNSEEN_PLACE = forms_json.MISSING_PLACE, forms_json.UNSEEN_PLACE


@dataclass(frozen=True)
class Scored:
    """
    The scores of a table. `scores` is the model's base plus the row's contributions, exactly.

    `contributions` has a column for each of the model's terms: the features, then the rules. What a tree
    says is told of the items it asked on the row's path, what a pair says half of either item.
    `places` says which of the feature's points a row met: its index, -1 for missing, -2 for unseen.
    A row that met an unseen level whose rule is to reject is in `rejected`; its score means nothing.
    """

    scores: Integers
    contributions: Integers
    places: Integers
    rejected: Mask


def score(model: Model, table: pa.Table) -> Scored:
    """Score every row of a recoded `table`, which holds at least the model's features."""
    rows = table.num_rows
    places = np.empty((rows, len(model.features)), dtype=np.int64)
    # Rows lie beside each other: every form below adds to one term of many rows at once.
    contributions = np.zeros((len(model.terms), rows), dtype=np.int64)
    rejected = np.zeros(rows, dtype=bool)
    for column, feature in enumerate(model.features):
        places[:, column] = where(feature, table.column(feature.name))
        contributions[column] = points(feature, places[:, column])
        if feature.levels is not None and feature.unseen is None:
            rejected |= places[:, column] == UNSEEN_PLACE
    for start in range(0, rows if has_more(model) else 0, CHUNK):
        part = slice(start, start + CHUNK)
        add_forms(model, places[part], contributions[:, part])
    scores = contributions.sum(axis=0, dtype=np.int64) + np.int64(model.base)
    return Scored(scores=scores, contributions=contributions.T, places=places, rejected=rejected)


# Rows whose places fit into the processor's cache; no score depends on it.
CHUNK = 1 << 14


def has_more(model: Model) -> bool:
    return bool(model.pairs or model.rules or model.trees)


def add_forms(model: Model, places: Integers, contributions: Integers) -> None:
    """Add what pairs, trees and rules say of the rows at `places`."""
    for pair in model.pairs:
        both = np.array(pair.points, dtype=np.int64)[places[:, pair.first], places[:, pair.second]]
        # Whole numbers: an odd point goes to the first item.
        contributions[pair.second] += both // 2
        contributions[pair.first] += both - both // 2
    lines = np.ascontiguousarray(places.T)
    for routing in model.routings:
        add_tree(routing, lines, contributions)
    for term, (rule, holds) in enumerate(zip(model.rules, holding(model, places), strict=True)):
        contributions[len(model.features) + term] = holds * np.int64(rule.points)


def add_tree(routing: Routing, lines: Integers, contributions: Integers) -> None:
    leaves = routing.leaves(lines)
    for item, said in zip(routing.items, routing.contributions, strict=True):
        contributions[item] += said[leaves]


def holding(model: Model, places: Integers) -> list[Mask]:
    """For each rule the rows it counts for."""
    free = np.ones(len(places), dtype=bool)
    found = []
    for rule in model.rules:
        holds = free & fulfilled(rule, places)
        free = free & ~holds if model.first_rule_only else free
        found.append(holds)
    return found


def fulfilled(rule: Rule, places: Integers) -> Mask:
    mask = np.ones(len(places), dtype=bool)
    for condition in rule.conditions:
        mask &= np.isin(places[:, condition.item], condition.places)
    return mask


def cells(model: Model, places: Integers) -> Iterator[tuple[str, Integers]]:
    """
    By what the model tells rows apart: for each form its name, and a number for each row at `places`.

    Rows with the same number are one to that form: equal points of an item or a pair, a leaf, a rule that holds.
    """
    for column, feature in enumerate(model.features):
        yield feature.name, points(feature, places[:, column])
    for pair in model.pairs:
        name = " × ".join(model.features[one].name for one in (pair.first, pair.second))
        yield name, np.array(pair.points, dtype=np.int64)[places[:, pair.first], places[:, pair.second]]
    for number, routing in enumerate(model.routings, start=1):
        yield f"tree:{number}", routing.leaves(places.T)
    names = model.terms[len(model.features) :]
    for name, holds in zip(names, holding(model, places), strict=True):
        yield name, holds.astype(np.int64)


def milli_logits(model: Model, scores: Integers) -> Integers:
    """What scores say as log-odds, in thousandths: through the model's calibration, if it has one."""
    return scores if model.calibration is None else model.calibration.of(scores)


def where(feature: Feature, column: Any) -> Integers:
    """The place of each value among the feature's points; MISSING_PLACE or UNSEEN_PLACE for no place."""
    return (
        where_level(feature, as_array(column))
        if feature.edges is None
        else where_number(feature, as_array(column))
    )


def where_level(feature: Feature, column: pa.Array) -> Integers:
    known = {level: place for place, level in enumerate(feature.levels or ())}
    encoded = column.dictionary_encode()
    # A label the release gave to missing values is missing, unless the model has points for it by name.
    known.setdefault(MISSING, MISSING_PLACE)
    places = [
        MISSING_PLACE if (level := spelled(raw)) is None else known.get(level, UNSEEN_PLACE)
        for raw in encoded.dictionary.to_pylist()
    ]
    found = np.array([*places, MISSING_PLACE], dtype=np.int64)
    return found[indices(encoded, otherwise=len(places))]


def where_number(feature: Feature, column: pa.Array) -> Integers:
    numbers = as_numbers(column)
    found = np.searchsorted(np.asarray(feature.edges, dtype=np.float64), numbers, side="right").astype(
        np.int64
    )
    found[~np.isfinite(numbers)] = MISSING_PLACE
    return found


def indices(encoded: pa.DictionaryArray, *, otherwise: int) -> Integers:
    """The dictionary indices of an encoded column, `otherwise` where a value is null."""
    filled = pc.fill_null(encoded.indices.cast(pa.int64()), otherwise)
    return np.asarray(filled.to_numpy(zero_copy_only=False), dtype=np.int64)


def points(feature: Feature, places: Integers) -> Integers:
    """The points at `places`; a rejected place counts 0, which nobody reads."""
    # Negative places count from the end: -1 is missing, -2 unseen.
    table = np.array([*feature.points, feature.unseen or 0, feature.missing], dtype=np.int64)
    return np.asarray(table[places], dtype=np.int64)


def eligible(model: Model, table: pa.Table) -> Mask:
    """Who may be a candidate at all: every condition known to hold, no exclusion known to hold."""
    mask = np.ones(table.num_rows, dtype=bool)
    for item, levels in model.eligible.items():
        mask &= among(table.column(item), levels)
    for item, levels in model.excluded.items():
        mask &= ~among(table.column(item), levels)
    return mask


def among(column: Any, levels: tuple[str, ...]) -> Mask:
    encoded = as_array(column).dictionary_encode()
    found = np.array([*(spelled(raw) in levels for raw in encoded.dictionary.to_pylist()), False], dtype=bool)
    return np.asarray(found[indices(encoded, otherwise=len(found) - 1)], dtype=bool)


def candidates(scores: Integers, threshold: Threshold) -> Mask:
    """
    Who is a candidate: at or above the threshold, and within the places there are.

    Equal scores are never parted: where those at the end do not all fit, the tie rule leaves all of
    them out or takes all of them in. The order of the rows cannot matter.
    """
    return scores >= max(threshold.score, lowest(scores, threshold.capacity, tie_rule=threshold.tie_rule))


def lowest(scores: Integers, capacity: Capacity, *, tie_rule: str) -> int:
    """The lowest score that still has a place; above every score when there is no place at all."""
    places = capacity.of(len(scores))
    if not len(scores) or places == 0:
        return int(scores.max()) + 1 if len(scores) else 0
    if places >= len(scores):
        return int(scores.min())
    descending = np.sort(scores)[::-1]
    last, next_in_line = int(descending[places - 1]), int(descending[places])
    if last > next_in_line or tie_rule == "take_in":
        return last
    return last + 1
