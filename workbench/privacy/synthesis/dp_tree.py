"""
A target-aware tree with differential privacy: every look at the data, each with its proof.

What a risk flag needs first is how each item goes with the target, then what the items add to each other
beyond it. So the budget buys, in this order: the targets, every item with them, a spanning tree over the
items by how much two depend on each other beyond the targets, and the counts along the tree. It is a relative
of PrivBayes (Zhang et al. 2014) and MST (McKenna et al. 2021) with the targets in every count.

The unit is a household. At most `most` of its rows are learnt from, so adding or removing a household adds or
removes at most `most` rows, each in one cell of any table of counts: such a table changes by at most `most` in
L1, and in L2, with equality when all rows are alike. Losses are added up in zero-concentrated differential
privacy (Bun and Steinke 2016, lemma 1.7); each is taken from the purse before the draw.
"""

import hashlib
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from workbench.errors import Unusable
from workbench.privacy.dp.noise import Draw, Mechanism, draw
from workbench.privacy.synthesis.cells import Cells, Codes
from workbench.privacy.synthesis.tree_model import (
    Counts,
    Tree,
    conditional,
    independent,
    projected,
    rooted,
    sample,
    shrunk,
)
from workbench.scoring.recode import spelled

# What each look takes of the whole loss: the targets, items with the targets, the tree, counts along it.
SHARES = {"targets": 0.04, "items": 0.26, "tree": 0.2, "edges": 0.5}
# A class that noise alone could have made is no class; more classes than this leave too few rows in each.
SIGMAS = 3.0
CLASSES = 12
MOST_TARGET_CELLS = 4096


@dataclass(frozen=True)
class Coded:
    """A table in public cells: the code of every row, for the targets and for the other items."""

    cells: Mapping[str, Cells]
    targets: tuple[str, ...]
    codes: Mapping[str, Codes]

    @classmethod
    def of(cls, frame: pd.DataFrame, *, cells: Mapping[str, Cells], targets: Sequence[str]) -> "Coded":
        return cls(cells, tuple(targets), {name: cell.encode(frame[name]) for name, cell in cells.items()})

    @property
    def items(self) -> list[str]:
        return [name for name in self.cells if name not in self.targets]

    @property
    def target_shape(self) -> tuple[int, ...]:
        return tuple(len(self.cells[target]) for target in self.targets)

    def counted(self, *codes: tuple[Codes, int]) -> "np.ndarray[Any, Any]":
        """
        How many rows fall in each combination of cells; each argument is codes and how many there are.

        Sensitivity: a row is in one combination, so `most` rows more or fewer change it by at most `most` in L2.
        """
        shape = [size for _, size in codes]
        if not shape:
            return np.array([self.rows])
        place = np.ravel_multi_index([one for one, _ in codes], shape)
        return np.bincount(place, minlength=math.prod(shape)).reshape(shape)

    @property
    def rows(self) -> int:
        return len(next(iter(self.codes.values())))


@dataclass
class Purse:
    """
    What may be lost in all, in zCDP; every draw pays before it is made.

    `most` is how many rows a household adds to a table. `demonstration` is for demonstration homes only.
    """

    rho: float
    most: int
    demonstration: bytes | None = None
    left: Fraction = field(init=False)
    number: "itertools.count[int]" = field(init=False, default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.left = Fraction(self.rho)

    def scale(self, *, share: float, looks: int) -> float:
        """
        The scale for each of `looks` looks that share a part of the whole loss.

        A Gaussian of this scale costs most² / (2 scale²), and so does a choice by the exponential mechanism
        with Gumbel noise of this scale, whose epsilon is 2 most / scale (Cesar and Rogers 2021, lemma 3.4).
        The hair on top keeps rounding from costing more than there is.
        """
        return self.most / math.sqrt(2 * self.rho * share / looks) * (1 + 1e-9)

    def counts(self, exact: "np.ndarray[Any, Any]", *, scale: float) -> Counts:
        """A table of counts with discrete Gaussian noise."""
        noisy = self._draw(Mechanism(Draw.GAUSSIAN, scale, self.most), exact.ravel().tolist())
        return np.array(noisy, dtype=np.float64).reshape(exact.shape)

    def highest(self, scores: list[int], *, scale: float) -> int:
        """The place of one of the highest scores; none of them moves by more than `most` with a household."""
        lowest = Mechanism(Draw.GUMBEL_MIN, scale, self.most)
        return int(self._draw(lowest, [-score for score in scores]))

    def _draw(self, mechanism: Mechanism, exact: list[int]) -> Any:
        cost = Fraction(mechanism.cost.rho)
        if cost > self.left:
            raise AssertionError("a look would cost more than is left of the loss")
        self.left -= cost
        seed = None
        if self.demonstration is not None:
            seed = hashlib.sha256(self.demonstration + str(next(self.number)).encode()).digest()
        return draw(mechanism, exact, demonstration=seed)


@dataclass(frozen=True)
class Fitted:
    """
    What was learnt, all of it noisy: the tree, what the targets are in each class, how many rows.

    `labels` holds the chance of each combination of the targets' cells (flat) in each class.
    """

    cells: Mapping[str, Cells]
    targets: tuple[str, ...]
    tree: Tree
    labels: Counts
    rows: int

    def sample(
        self, rows: int, *, order: np.random.Generator, fixed: Mapping[str, Codes] | None = None
    ) -> dict[str, Codes]:
        """The cells of `rows` rows; `fixed` holds those of items that are known for each row."""
        from workbench.privacy.synthesis.tree_model import drawn

        classes, made = sample(self.tree, rows, order=order, fixed=fixed)
        if self.targets:
            flat = drawn(self.labels[classes], order=order)
            shape = tuple(len(self.cells[target]) for target in self.targets)
            made |= dict(zip(self.targets, np.unravel_index(flat, shape), strict=True))
        return made


def fit(coded: Coded, purse: Purse) -> Fitted:
    """
    Learn the table within the purse.

    The rows of a household must have been bounded to `purse.most` before. Raises Unusable where the targets
    have more combinations than can be counted.
    """
    flat, classes, labels = classed(coded, purse)
    members = classes[flat]
    totals, items = counted_items(coded, purse, members, number=len(labels))
    edges = tree_edges(coded, purse, members, items)
    parents = rooted(coded.items, edges)
    given = along(coded, purse, members, parents=parents, items=items)
    tree = Tree(totals / totals.sum(), parents, given)
    return Fitted(coded.cells, coded.targets, tree, labels, max(1, round(float(totals.sum()))))


def classed(coded: Coded, purse: Purse) -> tuple[Codes, Codes, Counts]:
    """
    The combinations of the targets' cells that stand out of the noise become classes.

    Returns each row's combination, the class of each combination, and the chance of each combination within
    its class. One look: a table of counts, L2 sensitivity `most`. What follows from it is post-processing; a
    combination without a class of its own joins the class that agrees with it in most targets.
    """
    shape = coded.target_shape
    size = math.prod(shape)
    if size > MOST_TARGET_CELLS:
        raise Unusable(
            ja=f"困難の項目の組合せが {size} 通りあります。{MOST_TARGET_CELLS} 以下になるよう項目を減らしてください。",
            en=f"The targets have {size} combinations; name fewer targets, for at most {MOST_TARGET_CELLS}.",
        )
    codes = [coded.codes[target] for target in coded.targets]
    flat = np.ravel_multi_index(codes, shape) if shape else np.zeros(coded.rows, dtype=np.int64)
    scale = purse.scale(share=SHARES["targets"], looks=1)
    noisy = purse.counts(coded.counted((flat, size)), scale=scale)
    kept = np.argsort(-noisy, kind="stable")[:CLASSES]
    kept = np.sort(kept[(noisy[kept] > SIGMAS * scale) | (kept == noisy.argmax())])
    counts = projected(noisy, total=np.array(max(noisy.sum(), 1.0)))
    classes = nearest(shape, kept=kept, counts=counts)
    labels = np.zeros((len(kept), size))
    labels[classes, np.arange(size)] = counts
    return flat, classes, labels / labels.sum(axis=1, keepdims=True)


def nearest(shape: tuple[int, ...], *, kept: Codes, counts: Counts) -> Codes:
    """For each combination the kept one that agrees in most targets; of several, the rarest."""
    size = math.prod(shape)
    if not shape:
        return np.zeros(1, dtype=np.int64)
    every = np.stack(np.unravel_index(np.arange(size), shape), axis=1)
    agree = (every[:, None, :] == every[kept][None, :, :]).sum(axis=2)
    rarity = 1 - counts[kept] / (counts[kept].max() + 1)
    return np.asarray((agree + 0.5 * rarity).argmax(axis=1), dtype=np.int64)


def counted_items(
    coded: Coded, purse: Purse, members: Codes, *, number: int
) -> tuple[Counts, dict[str, Counts]]:
    """
    Rows in each class, and for every item the counts (class, cell), made consistent.

    One look for each item: a table of counts, L2 sensitivity `most`.
    """
    scale = purse.scale(share=SHARES["items"], looks=max(1, len(coded.items)))
    noisy = {
        item: purse.counts(
            coded.counted((members, number), (coded.codes[item], len(coded.cells[item]))), scale=scale
        )
        for item in coded.items
    }
    sizes = np.array([len(coded.cells[item]) for item in coded.items])
    # Every table tells the classes' sizes anew; the mean with the least variance weighs by cells.
    sums = np.array([table.sum(axis=1) for table in noisy.values()])
    totals = np.maximum((sums / sizes[:, None]).sum(axis=0) / (1 / sizes).sum(), 1.0)
    items = {}
    for item, table in noisy.items():
        pooled = projected(table.sum(axis=0), total=totals.sum())
        prior = totals[:, None] * pooled / pooled.sum()
        items[item] = projected(shrunk(table, towards=prior, noise=scale), total=totals)
    return totals, items


def tree_edges(
    coded: Coded, purse: Purse, members: Codes, items: Mapping[str, Counts]
) -> list[tuple[str, str]]:
    """
    A spanning tree over the items, edge by edge, by how much two depend on each other beyond the targets.

    One look for each edge: a choice among whole scores that each move by at most `most` with a household
    (see `dependence`). Which edges are candidates follows from the edges chosen before.
    """
    names = coded.items
    looks = max(1, len(names) - 1)
    scale = purse.scale(share=SHARES["tree"], looks=looks)
    blur = purse.scale(share=SHARES["edges"], looks=looks)
    scores = {
        pair: dependence(coded, members, pair, items=items, blur=blur)
        for pair in itertools.combinations(names, 2)
    }
    group = {name: name for name in names}
    edges: list[tuple[str, str]] = []
    for _ in range(len(names) - 1):
        open_ = [pair for pair in scores if group[pair[0]] != group[pair[1]]]
        one, other = open_[purse.highest([scores[pair] for pair in open_], scale=scale)]
        edges.append((one, other))
        joined = group[other]
        group = {name: group[one] if of == joined else of for name, of in group.items()}
    return edges


def dependence(
    coded: Coded, members: Codes, pair: tuple[str, str], *, items: Mapping[str, Counts], blur: float
) -> int:
    """
    How far the counts of two items in each class are from what independence within the class would give.

    The score is sum |counts - expected| - penalty, in whole numbers. Expected and penalty are made of noisy
    counts alone, so for two tables they are the same, and by the triangle inequality the score moves by no
    more than the counts do in L1: `most`. The penalty is what chance and the noise of the coming look would
    give two items that do not depend on each other; without it the items with most cells would win.
    """
    one, other = pair
    expected = np.rint(independent(items[other], items[one]))
    exact = coded.counted(
        (members, len(expected)),
        (coded.codes[one], len(coded.cells[one])),
        (coded.codes[other], len(coded.cells[other])),
    )
    chance = np.minimum(2 * expected, np.sqrt(2 * expected / math.pi)).sum()
    noise = min(blur * math.sqrt(2 / math.pi) * expected.size, expected.sum())
    return int(np.abs(exact - expected.astype(np.int64)).sum()) - round(chance + noise)


def along(
    coded: Coded,
    purse: Purse,
    members: Codes,
    *,
    parents: Mapping[str, str | None],
    items: Mapping[str, Counts],
) -> dict[str, Counts]:
    """
    For every item its chances given class and parent, from counts along the tree.

    One look for each edge: a table of counts, L2 sensitivity `most`.
    """
    scale = purse.scale(share=SHARES["edges"], looks=max(1, len(parents) - 1))
    given = {}
    for item, parent in parents.items():
        own = items[item]
        if parent is None:
            given[item] = own / own.sum(axis=1, keepdims=True)
            continue
        exact = coded.counted(
            (members, len(own)),
            (coded.codes[parent], len(coded.cells[parent])),
            (coded.codes[item], len(coded.cells[item])),
        )
        noisy = purse.counts(exact, scale=scale)
        given[item] = conditional(noisy, item=own, parent=items[parent], noise=scale)
    return given


def bounded(units: "pd.Series[Any]", *, most: int, entropy: int) -> "np.ndarray[Any, Any]":
    """
    Which rows are learnt from: at most `most` of each unit, by chance; a row without a unit is its own.

    Which of a unit's rows are chosen follows from `entropy`, the unit's name and how many rows it has: adding
    or removing another unit changes nothing for it.
    """
    # As texts, missing ones too: beside a missing number pandas writes every number otherwise.
    told = [None if missing else spelled(raw) for raw, missing in zip(units, units.isna(), strict=True)]
    alone = np.array([text is None for text in told], dtype=bool)
    units = pd.Series([text or "" for text in told], dtype=object)
    place = units.groupby(units, sort=False).cumcount()
    key = hashlib.sha256(str(entropy).encode()).hexdigest()[:16]
    chance = pd.util.hash_array((units + "/" + place.astype(str)).to_numpy(object), hash_key=key)
    rank = pd.Series(chance).groupby(units, sort=False).rank(method="first")
    return np.asarray((rank <= most).to_numpy() | alone, dtype=bool)
