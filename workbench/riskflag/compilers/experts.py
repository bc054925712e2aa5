"""Rule lists and scorecards, as their experts wrote them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from workbench.errors import Refused
from workbench.riskflag.compilers.compiled import Compiled, Floats, calibration, log_odds, nothing_from
from workbench.riskflag.design import Design
from workbench.riskflag.expert import MISSING, Points, RuleList, Scorecard, is_range
from workbench.scoring.engine import Integers
from workbench.scoring.forms import Condition, Rule
from workbench.scoring.forms_json import LARGEST_POINTS, MISSING_PLACE
from workbench.scoring.model import Feature

# Rows that a rate must stand on.
LEAST_ROWS = 100


def rule_list(given: RuleList, design: Design) -> Compiled:
    """The rules, their conditions as places."""
    where = {shape.name: index for index, shape in enumerate(design.shapes)}
    rules = tuple(
        Rule(
            tuple(
                Condition(where[item], places_of(design.shapes[where[item]], asked))
                for item, asked in rule.asks.items()
            ),
            bounded(rule.points, rule.ja),
            {"ja": rule.ja, "en": rule.en},
        )
        for rule in given.rules
    )
    places = [len(shape.points) for shape in design.shapes]
    return Compiled(base=0, points=nothing_from(places), rules=rules, first_rule_only=given.apply == "first")


def scorecard(given: Scorecard, design: Design) -> Compiled:
    """The points of each item's places. What is unseen counts nothing."""
    points = tuple(points_of(shape, row) for shape, row in zip(design.shapes, given.rows, strict=True))
    return Compiled(base=0, points=points)


def points_of(shape: Feature, row: Points) -> Integers:
    if isinstance(row.points, Mapping):
        for level in row.points:
            place_of(shape, level)
        own = [row.points.get(level, 0) for level in shape.places]
    else:
        own = list(row.points)
    return np.array(
        [*(bounded(one, shape.name) for one in own), 0, bounded(row.missing, shape.name)], dtype=np.int64
    )


def bounded(points: int, place: str) -> int:
    if abs(points) > LARGEST_POINTS:
        raise Refused(
            ja=f"「{place}」の点数が大きすぎます（±{LARGEST_POINTS:,}まで）。",
            en=f"The points of '{place}' are too large (up to {LARGEST_POINTS:,} either way).",
        )
    return points


def places_of(shape: Feature, asked: Any) -> tuple[int, ...]:
    """The places a condition asks for."""
    if is_range(asked):
        return intervals(shape, *asked)
    return tuple(
        sorted(MISSING_PLACE if level == MISSING else place_of(shape, level) for level in set(asked))
    )


def intervals(shape: Feature, low: float | None, high: float | None) -> tuple[int, ...]:
    """The intervals from `low` until before `high`, which are among the item's edges."""
    if shape.edges is None:
        raise Refused(
            ja=f"「{shape.name}」は区分の項目です。条件は [区分] の形で書いてください。",
            en=f"'{shape.name}' has levels; write its condition as [level, ...].",
        )
    first = 0 if low is None else shape.edges.index(float(low)) + 1
    behind = len(shape.points) if high is None else shape.edges.index(float(high)) + 1
    if first >= behind:
        raise Refused(
            ja=f"「{shape.name}」の条件に当てはまる値がありません。(以上, 未満) の順に書いてください。",
            en=f"No value fulfils the condition of '{shape.name}'; write it as (from, below).",
        )
    return tuple(range(first, behind))


def place_of(shape: Feature, level: str) -> int:
    if shape.levels is None or level not in shape.levels:
        raise Refused(
            ja=f"「{shape.name}」に指定の区分はありません。データセットの区分（一般化後の値）か、数値なら (以上, 未満) で書いてください。",
            en=f"'{shape.name}' has no such level; use the dataset's own levels, or (from, below) for a number.",
        )
    return shape.levels.index(level)


def observed(found: Compiled, scores: Integers, labels: Any) -> Compiled:
    """What an expert's points stand for: how often the target was met from each score up to the next, never falling."""
    from sklearn.isotonic import IsotonicRegression

    starts = starts_of(scores)
    block = np.searchsorted(starts, scores, side="right") - 1
    rows, hits = np.bincount(block), np.bincount(block, weights=labels.astype(float))
    # Half a child on either side: no rate is 0 or 1.
    rates = IsotonicRegression().fit_transform(
        np.arange(len(rows)), (hits + 0.5) / (rows + 1), sample_weight=rows
    )

    def said(at: Integers) -> Floats:
        return log_odds(rates[np.clip(np.searchsorted(starts, at, side="right") - 1, 0, None)])

    low, high = found.bounds()
    return replace(
        found, calibration=calibration(said, low=min(low, int(starts[0])), high=max(high, int(starts[-1])))
    )


def starts_of(scores: Integers) -> Integers:
    """The scores at which a block of enough rows begins."""
    values, counts = np.unique(scores, return_counts=True)
    starts, inside = [], LEAST_ROWS
    for value, count in zip(values, counts, strict=True):
        if inside >= LEAST_ROWS and int(counts[values >= value].sum()) >= LEAST_ROWS:
            starts.append(int(value))
            inside = 0
        inside += int(count)
    return np.array(starts or [int(values[0])], dtype=np.int64)
