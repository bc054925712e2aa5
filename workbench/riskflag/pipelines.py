"""
Pipelines of scikit-learn with their own preprocessing, carried exactly.

The preprocessing is fitted as it is written and then asked, item by item, what it makes of every level and of
every number. A number's intervals are found by halving between float64 neighbours, down to the one at which
the estimator's own comparison changes, float32 and all; so no threshold is moved. What does not fall into
intervals (a linear model on a scaled amount) has an interval for each whole number, or is refused. In the
end the estimator must say the same of the training rows from the places as it does from the rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from workbench.errors import Refused
from workbench.riskflag.binning import is_number, levels_of
from workbench.riskflag.design import Column, Design
from workbench.riskflag.part import Part
from workbench.scoring import engine, recode
from workbench.scoring.model import Feature
from workbench.scoring.recode import MISSING, spelled

Floats = npt.NDArray[np.float64]
Keys = npt.NDArray[np.int64]
# What the preprocessing makes of some rows of one item: a row of numbers or answers for each.
Pattern = Callable[[Floats], npt.NDArray[Any]]

MOST_EDGES = 1000
FURTHEST = 1e15
NEVER_MET = "(a level nobody has)"
SAME = 1e-9
# Neighbours so many float64 apart: enough that scaling keeps them apart, far less than any unit.
NEAR = 1 << 20


def frame_of(part: Part, items: Sequence[str]) -> pd.DataFrame:
    """The rows as a pipeline reads them: numbers as float64, everything else as text; NaN where missing."""
    table = part.table(items)
    columns = {}
    for item in items:
        column = recode.as_array(table.column(item))
        columns[item] = recode.as_numbers(column) if is_number(part, item) else texts(column)
    return pd.DataFrame(columns, columns=list(items))


def texts(column: pa.Array) -> npt.NDArray[Any]:
    spelt = [spelled(raw) for raw in column.to_pylist()]
    return np.array([np.nan if one in (None, MISSING) else one for one in spelt], dtype=object)


def design_of(pipeline: Any, part: Part, items: Sequence[str]) -> Design:
    """The design of a fitted `pipeline`. Raises Refused where places cannot carry what it does."""
    frame, last = frame_of(part, items), pipeline[-1]
    asked = Asked(pipeline[:-1], frame, questions_of(last))
    found = [item_of(asked, part, item) for item in items]
    shapes = tuple(shape for shape, _ in found)
    table = part.table(items)
    places = [engine.where(shape, table.column(shape.name)) for shape in shapes]
    design = Design(shapes, np.stack(places, axis=1), merged([columns for _, columns in found]))
    refuse_difference(last, design, asked.transformed(frame))
    return design


@dataclass(frozen=True)
class Asked:
    """The preprocessing, asked of one item at a time; the others stay as in the first row."""

    preprocessing: Any
    frame: pd.DataFrame
    questions: Callable[[Floats], npt.NDArray[Any]]

    def transformed(self, frame: pd.DataFrame) -> Floats:
        found = self.preprocessing.transform(frame) if len(self.preprocessing.steps) else frame.to_numpy()
        dense = found.toarray() if hasattr(found, "toarray") else found
        return np.asarray(dense, dtype=np.float64)

    def of(self, item: str, values: Sequence[Any]) -> Floats:
        """The columns of rows that differ in `item` alone."""
        rows = pd.concat([self.frame.iloc[[0]]] * len(values), ignore_index=True)
        kind = object if self.frame[item].dtype == object else np.float64
        rows[item] = np.array(values, dtype=kind)
        return self.transformed(rows)

    def pattern(self, item: str) -> Pattern:
        """What the estimator's questions make of an item's numbers."""
        return lambda values: self.questions(self.of(item, values))


def item_of(asked: Asked, part: Part, item: str) -> tuple[Feature, list[Floats]]:
    """The shape of an item, and what each column holds at its places."""
    if is_number(part, item):
        edges = edges_of(asked, part, item)
        shape = Feature(item, (0,) * (len(edges) + 1), 0, edges=tuple(edges))
        below = np.nextafter(edges[0], -np.inf) if edges else first_known(asked.frame[item])
        probes: list[Any] = [below, *edges]
        unseen = np.nan
    else:
        levels = levels_of(part, item, recode.as_array(part.table([item]).column(item)))
        shape = Feature(item, (0,) * len(levels), 0, levels=levels, unseen=0)
        probes, unseen = list(levels), NEVER_MET
    known = asked_safely(asked, item, probes)
    if known is None:
        raise level_not_met(item)
    told_unseen = asked_safely(asked, item, [unseen])
    told_missing = asked_safely(asked, item, [np.nan])
    if told_missing is None:
        raise missing_not_read(item)
    if told_unseen is None:
        shape, told_unseen = replace(shape, unseen=None), np.zeros_like(told_missing)
    return shape, list(np.concatenate([known, told_unseen, told_missing]).T)


def asked_safely(asked: Asked, item: str, values: Sequence[Any]) -> Floats | None:
    """What the preprocessing makes of `values`; None where it does not take them."""
    try:
        return asked.of(item, values)
    except ValueError:
        return None


def first_known(column: "pd.Series[Any]") -> float:
    known = column.dropna()
    return float(known.iloc[0]) if len(known) else 0.0


def merged(values: Sequence[Sequence[Any]]) -> tuple[Column, ...]:
    """
    The columns, each of the one item it follows.

    A column of several items would be found out when the estimator is asked again of the training rows.
    """
    columns = []
    for place in range(len(values[0])):
        ranges = [spread(own[place]) for own in values]
        item = int(np.argmax(ranges))
        columns.append(Column(item, np.asarray(values[item][place], dtype=np.float64)))
    return tuple(columns)


def spread(values: Floats) -> bool:
    """Whether a column differs at all over an item's places."""
    filled = np.where(np.isnan(values), np.inf, values)
    return bool((filled != filled[0]).any())


def edges_of(asked: Asked, part: Part, item: str) -> list[float]:
    """The numbers at which an answer changes, each exactly the first float64 that is answered otherwise."""
    known = np.unique(asked.frame[item].dropna().to_numpy(dtype=np.float64))
    points = np.unique(np.clip([-FURTHEST, *known, FURTHEST], -FURTHEST, FURTHEST))
    pattern = asked.pattern(item)
    try:
        edges = changes(pattern, points) if is_in_steps(pattern, known) else None
    except ValueError:
        # The library's own sentence would name the numbers; a step that knows single numbers has no intervals.
        raise not_in_intervals(item) from None
    if edges is not None:
        return edges
    whole = whole_numbers(part, item, known)
    if whole is None:
        raise not_in_intervals(item)
    return whole


def is_in_steps(pattern: Pattern, known: Floats) -> bool:
    """Whether most numbers are answered as their near neighbours; where not, the search need not find out."""
    if not len(known):
        return True
    beside = known + NEAR * np.spacing(known)
    return bool(equal(pattern(known), pattern(beside)).mean() > 0.5)


def whole_numbers(part: Part, item: str, known: Floats) -> list[float] | None:
    """An edge at each whole number the item may have; None where it is no whole number, or has too many."""
    entry = part.dictionary[item]
    if entry.kind != "integer" or entry.minimum is None or entry.maximum is None:
        return None
    if entry.maximum - entry.minimum >= MOST_EDGES or (known != np.floor(known)).any():
        return None
    # The first interval is below all of them, so that every other begins with the number it stands for.
    return [float(one) for one in range(int(entry.minimum), int(entry.maximum) + 1)]


def changes(pattern: Pattern, points: Floats) -> list[float] | None:
    """
    Where a step function changes between `points`; None for one with more steps than a model holds.

    Between two points with different answers the first value that is answered otherwise is found by halving;
    from there on again, until the second point's answer is met.
    """
    edges: set[float] = set()
    lows, highs = points[:-1], points[1:]
    while len(lows):
        left, right = pattern(lows), pattern(highs)
        apart = ~equal(left, right)
        lows, highs, left = lows[apart], highs[apart], left[apart]
        if len(edges) + len(lows) > MOST_EDGES:
            return None
        found = halved(pattern, lows, highs, left)
        edges.update(found.tolist())
        lows, highs = found[found < highs], highs[found < highs]
    return sorted(edges)


def halved(pattern: Pattern, lows: Floats, highs: Floats, left: npt.NDArray[Any]) -> Floats:
    """For each pair the first float64 above the lower that is not answered as it."""
    below, above = key(lows), key(highs)
    while len(below) and (above - below > 1).any():
        middle = below + (above - below) // 2
        same = equal(pattern(number(middle)), left)
        below, above = np.where(same, middle, below), np.where(same, above, middle)
    return number(above)


def equal(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which rows are the same, NaN like NaN."""
    return np.asarray(((one == other) | ((one != one) & (other != other))).all(axis=1))  # noqa: PLR0124


LOWEST = np.int64(-(2**63))


def key(numbers: Floats) -> Keys:
    """Whole numbers in the order of the float64 they stand for, neighbours beside each other."""
    bits = (np.asarray(numbers, dtype=np.float64) + 0.0).view(np.int64)
    return np.where(bits < 0, LOWEST - bits, bits)


def number(keys: Keys) -> Floats:
    """The float64 that `key` made whole."""
    return np.where(keys < 0, LOWEST - keys, keys).view(np.float64)


def questions_of(last: Any) -> Callable[[Floats], npt.NDArray[Any]]:
    """What an estimator asks of its columns: trees their thresholds, all others the numbers themselves."""
    thresholds = thresholds_of(last)
    if thresholds is None:
        return lambda rows: rows
    columns = np.array([column for column, _, _ in thresholds], dtype=np.int64)
    limits = np.array([limit for _, limit, _ in thresholds])
    single = bool(thresholds) and thresholds[0][2]

    def answers(rows: Floats) -> npt.NDArray[Any]:
        values = rows[:, columns]
        read = values.astype(np.float32) if single else values
        # Missing is an answer of its own.
        return np.where(np.isnan(values), 2, read <= limits)

    return answers


def thresholds_of(last: Any) -> list[tuple[int, float, bool]] | None:
    """Column, threshold, and whether it is compared in float32; None for an estimator without thresholds."""
    if hasattr(last, "calibrated_classifiers_"):
        return thresholds_of(last.calibrated_classifiers_[0].estimator)
    if hasattr(last, "_predictors"):
        nodes = [one.nodes for (one,) in last._predictors]
        found = {
            (int(node["feature_idx"]), float(node["num_threshold"]), False)
            for own in nodes
            for node in own[own["is_leaf"] == 0]
        }
        return sorted(found)
    trees = [last] if hasattr(last, "tree_") else list(np.ravel(getattr(last, "estimators_", [])))
    if not trees:
        return None
    return sorted(
        {
            (int(column), float(limit), True)
            for one in trees
            for column, limit in zip(one.tree_.feature, one.tree_.threshold, strict=True)
            if column >= 0
        }
    )


def refuse_difference(last: Any, design: Design, rows: Floats) -> None:
    """Raise Refused unless the last step says the same of the places as of the rows."""
    said, told = (last.predict_proba(each)[:, 1] for each in (rows, design.matrix))
    if np.abs(said - told).max(initial=0) > SAME:
        raise Refused(
            ja="前処理が項目ごとの区間や区分に分けられず、判定モデルに入りません。ColumnTransformer で項目ごとに OneHotEncoder・OrdinalEncoder・KBinsDiscretizer・SimpleImputer・尺度の変換を使ってください。",
            en="The preprocessing does not come apart into intervals and levels of single items, so the model cannot hold it; use OneHotEncoder, OrdinalEncoder, KBinsDiscretizer, SimpleImputer or scalers on each item in a ColumnTransformer.",
        )


def not_in_intervals(item: str) -> Refused:
    return Refused(
        ja=f"「{item}」は値ごとに点数が変わり、{MOST_EDGES:,}以下の区間に分けられないため判定モデルに入りません。KBinsDiscretizer で区間にするか、前処理なしの LogisticRegression() を渡してください。",
        en=f"'{item}' has points of its own for every value and does not come apart into {MOST_EDGES:,} intervals; put it into intervals with KBinsDiscretizer, or hand in LogisticRegression() without preprocessing.",
    )


def level_not_met(item: str) -> Refused:
    return Refused(
        ja=f"「{item}」には学習の行に現れない区分があり、前処理が受け付けません。OneHotEncoder(handle_unknown='ignore') か OrdinalEncoder(handle_unknown='use_encoded_value', unknown_value=-1) を使ってください。",
        en=f"'{item}' has levels that no training row has, and the preprocessing does not take them; use OneHotEncoder(handle_unknown='ignore') or OrdinalEncoder(handle_unknown='use_encoded_value', unknown_value=-1).",
    )


def missing_not_read(item: str) -> Refused:
    return Refused(
        ja=f"「{item}」が欠損のとき、このパイプラインは計算できません。SimpleImputer(add_indicator=True) を前に置いてください。",
        en=f"The pipeline cannot read '{item}' where it is missing; put SimpleImputer(add_indicator=True) before it.",
    )
