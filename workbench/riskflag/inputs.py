"""
What a model asks of the records it will score, and rows that prove an engine scores as this one does.

Both are made from the dictionary, the release's recoding and the model alone; the training part lends only
how often an item was missing. Golden rows are synthetic: every level, every edge from both sides, missing
and unseen values, in combinations drawn with the model's own digest as seed.
"""

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from workbench.riskflag.define import Definition
from workbench.riskflag.dictionary import NUMERIC, Entry
from workbench.riskflag.evaluate import digest_of
from workbench.riskflag.part import KEEP, Part
from workbench.scoring import contract, engine, recode
from workbench.scoring.model import Model
from workbench.scoring.recode import MISSING

MAX_UNSEEN = 0.05
UNSEEN_VALUE = "(a value nobody listed)"
GOLDEN_ROWS = 64
MOST_VALUES = 60


def input_contract(definition: Definition, model: Model, part: Part) -> dict[str, Any]:
    """The input contract of a model trained on `part`."""
    return {
        "schema": contract.SCHEMA,
        "id": definition.reference,
        "items": [item_contract(item, model, part) for item in model.items],
    }


def item_contract(item: str, model: Model, part: Part) -> dict[str, Any]:
    entry, recoding = part.dictionary[item], part.recoding(item)
    numeric = recoding["kind"] == "interval" or is_number(item, model)
    kind = (entry.kind if entry.kind in NUMERIC else "number") if numeric else "category"
    return {
        "name": item,
        "kind": kind,
        "unit": entry.unit,
        "minimum": entry.minimum if numeric else None,
        "maximum": entry.maximum if numeric else None,
        "levels": None if numeric else raw_levels(entry, recoding),
        "max_missing": missing_limit(part, item),
        "max_unseen": MAX_UNSEEN,
    }


def is_number(item: str, model: Model) -> bool:
    return any(feature.name == item and feature.edges is not None for feature in model.features)


def raw_levels(entry: Entry, recoding: Mapping[str, Any]) -> list[str] | None:
    """Every raw value the item may have; None where that is open."""
    if recoding["kind"] == "table":
        return list(recoding["map"])
    if entry.kind == "flag":
        return list(entry.values) or ["yes", "no"]
    return list(entry.values) or None


def missing_limit(part: Part, item: str) -> float:
    """Half as often again as in training, and five in a hundred: more means that a source failed."""
    label = part.recoding(item).get("missing", MISSING)
    column = part.frame[item]
    if label != MISSING:
        # The release joined missing values with others; how many there were cannot be told.
        return 1.0
    rate = float((column.isna() | (column == MISSING)).mean())
    return min(1.0, math.ceil(100 * (1.5 * rate + 0.05)) / 100)


def golden_rows(
    model: Model, recoding: Mapping[str, Any], items: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """
    Raw rows with their exact scores; None for a row that must be rejected.

    Each value of each item appears at least once.
    """
    values = {
        entry["name"]: raw_values(entry, model, recoding["items"].get(entry["name"], KEEP)) for entry in items
    }
    draw = random.Random(digest_of(model))  # noqa: S311  must repeat, protects nobody
    # Unseen values stand alone: a row with two would be rejected for either and prove nothing more.
    known = {name: [value for value in own if value != UNSEEN_VALUE] for name, own in values.items()}
    rows = [{name: draw.choice(own) for name, own in known.items()} for _ in range(GOLDEN_ROWS)]
    for name, own in values.items():
        rows += [{**draw.choice(rows[:GOLDEN_ROWS]), name: value} for value in own]
    table = pa.table({entry["name"]: typed(entry, rows) for entry in items})
    scored = engine.score(model, recode.apply_all(recoding, table))
    scores = [None if no else int(score) for score, no in zip(scored.scores, scored.rejected, strict=True)]
    return [{"row": row, "score": score} for row, score in zip(rows, scores, strict=True)]


def typed(entry: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> pa.Array:
    texts = [None if row[entry["name"]] is None else str(row[entry["name"]]) for row in rows]
    return contract.typed(entry, pa.array(texts, type=pa.string()))


def raw_values(entry: Mapping[str, Any], model: Model, recoding: Mapping[str, Any]) -> list[Any]:
    """The values worth trying: one for each label, both sides of each edge, missing, unseen."""
    if entry["kind"] == "category":
        return [*one_for_each_label(entry, recoding, model), UNSEEN_VALUE, None]
    edges = recoding.get("edges") or next(
        (feature.edges for feature in model.features if feature.name == entry["name"] and feature.edges), ()
    )
    step = 1 if entry["kind"] == "integer" else 0.25
    near = {value for edge in edges for value in (edge - step, edge, edge + step)}
    bounds = {bound for bound in (entry["minimum"], entry["maximum"]) if bound is not None} or {0.0}
    inside = sorted(value for value in near | bounds if min(bounds | near) <= value <= max(bounds | near))
    whole = entry["kind"] == "integer"
    return [*dict.fromkeys(math.floor(value) if whole else value for value in inside), None]


def one_for_each_label(entry: Mapping[str, Any], recoding: Mapping[str, Any], model: Model) -> list[str]:
    if recoding["kind"] == "table":
        first = {label: raw for raw, label in reversed(recoding["map"].items())}
        return list(first.values())[:MOST_VALUES]
    levels = next(
        (feature.levels for feature in model.features if feature.name == entry["name"] and feature.levels), ()
    )
    return list(entry["levels"] or levels or ["yes"])[:MOST_VALUES]
