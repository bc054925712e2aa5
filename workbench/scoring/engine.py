"""
The engine: a recoded table and a model in, integers out.

Everything is int64, so that a score is the same on every machine, in every order and in every chunk.
A score is in milli-logits: it ranks, it is no probability.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from workbench.scoring.model import Capacity, Feature, Model, Threshold
from workbench.scoring.recode import MISSING, as_array, as_numbers, spelled

VERSION = "riskflag-engine/1"

Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Scored:
    """
    The scores of a table. `scores` is the model's base plus the row's contributions, exactly.

    `places` says which of the feature's points a row met: its index, -1 for missing, -2 for unseen.
    A row that met an unseen level whose rule is to reject is in `rejected`; its score means nothing.
    """

    scores: Integers
    contributions: Integers
    places: Integers
    rejected: Mask


def score(model: Model, table: pa.Table) -> Scored:
    """Score every row of a recoded `table`, which holds at least the model's features."""
    rows, width = table.num_rows, len(model.features)
    places = np.empty((rows, width), dtype=np.int64)
    contributions = np.empty((rows, width), dtype=np.int64)
    rejected = np.zeros(rows, dtype=bool)
    for column, feature in enumerate(model.features):
        places[:, column] = where(feature, table.column(feature.name))
        contributions[:, column] = points(feature, places[:, column])
        if feature.levels is not None and feature.unseen is None:
            rejected |= places[:, column] == UNSEEN_PLACE
    scores = contributions.sum(axis=1, dtype=np.int64) + np.int64(model.base)
    return Scored(scores=scores, contributions=contributions, places=places, rejected=rejected)


MISSING_PLACE, UNSEEN_PLACE = -1, -2


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
