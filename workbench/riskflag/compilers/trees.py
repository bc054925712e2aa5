"""
Trees: one, a forest, boosted.

At every node the estimator's own comparison is made once for each place of the item, in the estimator's own
precision (float32 for scikit-learn's trees, float64 for histogram boosting), and what is kept is which
places went left. So the compiled tree asks the same question of every row, and no number is compared later.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.errors import Refused
from workbench.riskflag.compilers.compiled import (
    MILLI,
    Compiled,
    Floats,
    calibration,
    log_odds,
    nothing_from,
)
from workbench.riskflag.design import Column, Design
from workbench.scoring.engine import Integers
from workbench.scoring.forms import LIMITS, Tree

Mask = npt.NDArray[np.bool_]

# A forest's score is its mean share of votes in ten-millionths: a thousand trees round by 0.005 % of it.
VOTES = 10_000_000


@dataclass(frozen=True)
class Grown:
    """A fitted tree: children, -1 at a leaf; rows; what a leaf says; which places go left at a node."""

    left: Integers
    right: Integers
    rows: Floats
    says: Floats
    item: Callable[[int], int]
    goes_left: Callable[[int], Mask]


def single(fitted: Any, design: Design) -> Compiled:
    """One tree: its leaves are the log-odds of their shares."""
    tree = fitted.tree_
    return compiled([grown(tree, log_odds(shares(tree)), design)], design)


def forest(fitted: Any, design: Design) -> Compiled:
    """The mean of the trees' shares, and a table of what it says as log-odds."""
    voted = votes(fitted.estimators_, design)
    low, high = voted.bounds()
    table = calibration(lambda scores: log_odds(scores / VOTES), low=low, high=high)
    return Compiled(**{**vars(voted), "calibration": table})


def votes(estimators: Sequence[Any], design: Design) -> Compiled:
    """The mean share of these trees, in votes."""
    each = VOTES / len(estimators)
    trees = [grown(one.tree_, shares(one.tree_) * each, design) for one in estimators]
    found = compiled(trees, design)
    return Compiled(**{**vars(found), "seen": lambda scores: scores / VOTES})


def boosted(fitted: Any, design: Design) -> Compiled:
    """Gradient boosting: the start, and each tree at its learning rate."""
    rate = fitted.learning_rate * MILLI
    trees = [grown(one.tree_, one.tree_.value[:, 0, 0] * rate, design) for one in fitted.estimators_[:, 0]]
    start = fitted._raw_predict_init(np.zeros((1, len(design.columns))))[0, 0]
    return compiled(trees, design, start=float(start) * MILLI)


def histogram(fitted: Any, design: Design) -> Compiled:
    """Histogram boosting, its categories and its directions for missing values."""
    known, place_of = fitted._bin_mapper.make_known_categories_bitsets()
    columns = as_boosted(fitted, design)
    trees = [grown_of_histogram(one, known, place_of, columns) for (one,) in fitted._predictors]
    start = float(np.ravel(fitted._baseline_prediction)[0])
    return compiled(trees, design, start=start * MILLI)


def as_boosted(fitted: Any, design: Design) -> list[Column]:
    """The columns as histogram boosting turns them before it grows: categories first, by their order."""
    if fitted._preprocessor is None:
        return list(design.columns)
    encoder = fitted._preprocessor.named_transformers_["encoder"]
    coded = [column for column in design.columns if column.coded]
    numbered = [
        replace(column, values=ordinal(column.values, known))
        for column, known in zip(coded, encoder.categories_, strict=True)
    ]
    return [*numbered, *(column for column in design.columns if not column.coded)]


def ordinal(values: Floats, known: Floats) -> Floats:
    """The place of each value among those met in training; NaN for one that was not."""
    place = {float(value): float(index) for index, value in enumerate(known)}
    return np.array([place.get(float(value), np.nan) for value in values])


def shares(tree: Any) -> Floats:
    """The share of the target at each node."""
    value = tree.value[:, 0, :]
    return np.asarray(value[:, 1] / value.sum(axis=1), dtype=np.float64)


def grown(tree: Any, says: Floats, design: Design) -> Grown:
    columns, features, thresholds = design.columns, tree.feature, tree.threshold
    missing = tree.missing_go_to_left

    def goes_left(node: int) -> Mask:
        # scikit-learn's trees read every value as float32 and compare it with a float64.
        values = columns[features[node]].values.astype(np.float32)
        return np.where(np.isnan(values), bool(missing[node]), values <= thresholds[node])

    return Grown(
        left=tree.children_left,
        right=tree.children_right,
        rows=tree.weighted_n_node_samples,
        says=says,
        item=lambda node: columns[features[node]].item,
        goes_left=goes_left,
    )


def grown_of_histogram(predictor: Any, known: Any, place_of: Any, columns: Sequence[Column]) -> Grown:
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(bool)

    def goes_left(node: int) -> Mask:
        here = nodes[node]
        values = columns[here["feature_idx"]].values
        if here["is_categorical"]:
            left = in_bits(predictor.raw_left_cat_bitsets[here["bitset_idx"]], values)
            told = in_bits(known[place_of[here["feature_idx"]]], values)
        else:
            left, told = values <= here["num_threshold"], ~np.isnan(values)
        return np.where(told, left, bool(here["missing_go_to_left"]))

    return Grown(
        left=np.where(leaf, -1, nodes["left"].astype(np.int64)),
        right=np.where(leaf, -1, nodes["right"].astype(np.int64)),
        rows=nodes["count"].astype(np.float64),
        says=nodes["value"] * MILLI,
        item=lambda node: columns[nodes[node]["feature_idx"]].item,
        goes_left=goes_left,
    )


def in_bits(bits: Any, values: Floats) -> Mask:
    """Whether each value is a number whose bit is set; a category has a number below 256."""
    whole = np.where(np.isnan(values), 0, values).astype(np.int64)
    return ~np.isnan(values) & ((bits[whole // 32] >> (whole % 32)) & 1).astype(bool)


def compiled(trees: Sequence[Grown], design: Design, *, start: float = 0.0) -> Compiled:
    """The forms of these trees. A tree's mean over its rows goes to the base: contributions are around it."""
    base, found = start, []
    for tree in trees:
        writer = Writer(tree, design)
        base += writer.root
        if len(writer.items) > 1:
            found.append(writer.tree())
    if not found:
        raise nothing_learnt()
    if len(found) > LIMITS["trees"] or sum(len(tree.items) for tree in found) > LIMITS["nodes"]:
        raise too_large()
    places = [len(shape.points) for shape in design.shapes]
    if sum(tree.words(places) for tree in found) > LIMITS["words"]:
        raise too_large()
    return Compiled(base=round(base), points=nothing_from(places), trees=tuple(found))


@dataclass
class Writer:
    """Writes one tree in the arrays of the format, the root first; a question with one answer is left out."""

    grown: Grown
    design: Design
    items: list[int] = field(default_factory=list)
    left_of: list[int | tuple[int, ...]] = field(default_factory=list)
    missing_left: list[bool] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    points: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.means = means(self.grown)
        # Whole, so that a leaf is the root and its own points exactly as the estimator's rounded once.
        self.root = round(float(self.means[0]))
        self.write(0, depth=0)
        if len(self.items) > LIMITS["nodes_of_a_tree"]:
            raise too_large()

    def write(self, node: int, *, depth: int) -> int:
        """Write what begins at `node` and return where."""
        while (only := self.only_child(node)) is not None:
            node = only
        if depth > LIMITS["depth"]:
            raise too_large()
        here = len(self.items)
        self.items.append(-1)
        self.left_of.append(0)
        self.missing_left.append(False)
        self.left.append(0)
        self.right.append(0)
        self.points.append(round(float(self.means[node])) - self.root if here else 0)
        if self.grown.left[node] >= 0:
            item = self.grown.item(node)
            self.items[here] = item
            number = self.design.shapes[item].edges is not None
            self.left_of[here], self.missing_left[here] = asked(self.grown.goes_left(node), number=number)
            self.left[here] = self.write(int(self.grown.left[node]), depth=depth + 1)
            self.right[here] = self.write(int(self.grown.right[node]), depth=depth + 1)
        return here

    def only_child(self, node: int) -> int | None:
        """Where every place goes, if all go to one side."""
        if self.grown.left[node] < 0:
            return None
        left = self.grown.goes_left(node)
        if left.all():
            return int(self.grown.left[node])
        return None if left.any() else int(self.grown.right[node])

    def tree(self) -> Tree:
        arrays = (self.items, self.left_of, self.missing_left, self.left, self.right, self.points)
        return Tree(*map(tuple, arrays))


def means(grown: Grown) -> Floats:
    """What a leaf says, and at every node above the mean of its rows: children stand behind their parents."""
    found = np.array(grown.says, dtype=np.float64)
    for node in reversed(range(len(found))):
        if (left := grown.left[node]) >= 0:
            both = [left, grown.right[node]]
            found[node] = np.average(found[both], weights=grown.rows[both])
    return found


def asked(left: Mask, *, number: bool) -> tuple[int | tuple[int, ...], bool]:
    """A question in the format's words: the first so many intervals and missing or not; or these places."""
    *known, _unseen, missing = left.tolist()
    below = sum(known)
    if number and known == [True] * below + [False] * (len(known) - below):
        return below, missing
    last = len(left)
    places = (place if place < last - 2 else place - last for place in np.flatnonzero(left).tolist())
    return tuple(sorted(places)), False


def too_large() -> Refused:
    return Refused(
        ja=f"木が多すぎるか深すぎて、判定モデルに入りません（木{LIMITS['trees']}本、節{LIMITS['nodes']:,}個、深さ{LIMITS['depth']}まで）。max_depth か n_estimators を小さく、min_samples_leaf を大きくしてください。",
        en=f"There are too many trees, or they are too deep, for the model (up to {LIMITS['trees']} trees, {LIMITS['nodes']:,} nodes, depth {LIMITS['depth']}); lower max_depth or n_estimators, or raise min_samples_leaf.",
    )


def nothing_learnt() -> Refused:
    return Refused(
        ja="どの木も枝分かれせず、誰も区別できません。min_samples_leaf を小さくするか、項目を増やしてください。",
        en="No tree asks anything, so nobody is told apart; lower min_samples_leaf or add items.",
    )
