"""interpret's explainable boosting machine: main effects, and pairs as two-way tables."""

from typing import Any

import numpy as np

from workbench.errors import Refused
from workbench.riskflag.compilers.compiled import MILLI, Compiled, Floats
from workbench.riskflag.compilers.linear import centred
from workbench.riskflag.design import Column, Design
from workbench.scoring.engine import Integers
from workbench.scoring.forms import LIMITS, Pair


def explainable_boosting(fitted: Any, design: Design) -> Compiled:
    """Each term's table, read at each place of its items; three items together are refused."""
    points = [np.zeros(len(shape.points) + 2, dtype=np.int64) for shape in design.shapes]
    pairs = []
    for features, scores in zip(fitted.term_features_, fitted.term_scores_, strict=True):
        columns = [design.columns[feature] for feature in features]
        bins = [
            bins_of(fitted, feature, column, scores.shape[axis], len(features))
            for axis, (feature, column) in enumerate(zip(features, columns, strict=True))
        ]
        table = whole_table(np.asarray(scores)[np.ix_(*bins)])
        if len(features) == 1:
            points[columns[0].item] += table
        elif len(features) == 2:
            rows = tuple(tuple(int(one) for one in row) for row in table)
            pairs.append(Pair(columns[0].item, columns[1].item, rows))
        else:
            raise too_many_together()
    if len(pairs) > LIMITS["pairs"] or sum(map(cells, pairs)) > LIMITS["cells_of_pairs"]:
        raise too_many_pairs()
    base = round(float(np.ravel(fitted.intercept_)[0]) * MILLI)
    found = centred(base, points, design)
    return Compiled(**{**vars(found), "pairs": tuple(pairs)})


def cells(pair: Pair) -> int:
    return len(pair.points) * len(pair.points[0])


def whole_table(logits: Floats) -> Integers:
    return np.asarray(np.rint(logits * MILLI), dtype=np.int64)


def bins_of(fitted: Any, feature: int, column: Column, size: int, depth: int) -> Integers:
    """The bin of each place: 0 is missing, the last is unknown. Terms of several items have coarser bins."""
    levels = fitted.bins_[feature]
    bins = levels[min(depth, len(levels)) - 1]
    missing = np.isnan(column.values)
    if isinstance(bins, dict):
        names = [str(int(value)) if not np.isnan(value) else "" for value in column.values]
        found = np.array([bins.get(name, size - 1) for name in names])
    else:
        found = 1 + np.searchsorted(bins, np.where(missing, 0.0, column.values), side="right")
    return np.where(missing, 0, found).astype(np.int64)


def too_many_together() -> Refused:
    return Refused(
        ja="三つ以上の項目を組み合わせた表は判定モデルに入りません。interactions には数か二項目の組だけを指定してください。",
        en="A table of three or more items together does not fit the model; give interactions a number, or pairs of two items.",
    )


def too_many_pairs() -> Refused:
    return Refused(
        ja=f"二次元の表が大きすぎます（{LIMITS['pairs']}組、{LIMITS['cells_of_pairs']:,}区画まで）。interactions を小さくしてください。",
        en=f"The two-way tables are too large (up to {LIMITS['pairs']} pairs and {LIMITS['cells_of_pairs']:,} cells); lower interactions.",
    )
