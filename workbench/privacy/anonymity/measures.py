"""
What a generalised table has lost, in the measures of ARX, and what can be known of a node without looking.

Two kinds. A measure *by item* is a number for each quasi-identifier: what generalising it costs every row,
known beforehand for each level, and a surcharge for the suppressed rows; an aggregate makes them one. A
measure *of the table* needs the classes. Where a bound is given it holds for every table, and the reason
stands with it; a measure without one has its nodes looked at until none is left.

Differences from ARX: an item's loss is not cut to ten digits (only "rank" compares ten), and in the geometric mean
an item's weight is an exponent, where ARX multiplies by it, which changes no comparison.
"""

# ruff: noqa: ARG001 (the entries of a column of the table take the same)

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import Usage
from workbench.privacy.anonymity.classes import Codes
from workbench.privacy.anonymity.compact import Compact
from workbench.privacy.anonymity.kernels_plain import GEOMETRIC, LARGEST, LINEAR

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Score = float | tuple[float, ...]


@dataclass(frozen=True)
class Aggregate:
    """How the items' numbers become one: a sum the kernels know, the factor on each item, and what is shown of it."""

    kind: int
    share: Callable[[int], float]
    shown: Callable[[Any], Any]


def unchanged(value: Any) -> Any:
    return value


AGGREGATES = {
    "geometric": Aggregate(GEOMETRIC, lambda items: 1 / items, np.expm1),
    "arithmetic": Aggregate(LINEAR, lambda items: 1 / items, unchanged),
    "sum": Aggregate(LINEAR, lambda _: 1.0, unchanged),
    "maximum": Aggregate(LARGEST, lambda _: 1.0, unchanged),
    # The largest decides, then the second largest, and so on.
    "rank": Aggregate(LARGEST, lambda _: 1.0, unchanged),
}


@dataclass(frozen=True)
class Measure:
    """
    What the search makes small: a name of `MEASURES`, and how the items' numbers become one.

    `suppression` weighs generalising against suppressing rows as ARX's gsFactor: 0.5 treats them alike,
    below it suppression is cheaper, at 0 free; above it generalising is, at 1 free. `weights` by item.
    """

    name: str = "loss"
    aggregate: str | None = None
    suppression: float = 0.5
    weights: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name not in MEASURES or self.aggregate not in {None, *AGGREGATES}:
            raise Usage(
                ja=f"情報損失の尺度は {', '.join(MEASURES)}、集計は {', '.join(AGGREGATES)} から選んでください。",
                en=f"Choose a measure among {', '.join(MEASURES)} and an aggregate among {', '.join(AGGREGATES)}.",
            )
        weights = list(self.weights.values())
        if not 0 <= self.suppression <= 1 or any(not (math.isfinite(w) and w >= 0) for w in weights):
            raise Usage(
                ja="抑制の重みは 0 から 1、項目の重みは 0 以上の数で指定してください。",
                en="The weight of suppression is from 0 to 1, that of an item a number of at least 0.",
            )

    @property
    def of_items(self) -> float:
        """What generalising weighs."""
        return 1.0 if self.suppression <= 0.5 else 2 * (1 - self.suppression)

    @property
    def of_rows(self) -> float:
        """What suppressing weighs."""
        return min(2 * self.suppression, 1.0)

    @property
    def blind(self) -> bool:
        """Whether suppressing a row costs nothing, so that the optimum may be to suppress them all."""
        formula = MEASURES[self.name]
        return formula.blind or (isinstance(formula, ByItem) and self.of_rows == 0)


@dataclass(frozen=True)
class Look:
    """A table at a node: each combination's class, the rows of each class, and which classes are suppressed."""

    compact: Compact
    node: tuple[int, ...]
    member: Codes
    sizes: Codes
    failing: Mask

    @cached_property
    def combinations(self) -> Mask:
        """Which combinations are suppressed."""
        return self.failing[self.member]

    @property
    def suppressed(self) -> int:
        return int(self.sizes[self.failing].sum())

    @cached_property
    def lost_cover(self) -> Codes:
        """For each axis, the sum over suppressed rows of what their labels cover."""
        here = np.flatnonzero(self.combinations)
        rows = self.compact.rows[here]
        return np.array(
            [
                (rows * axis.cover[step][codes[here]]).sum()
                for axis, step, codes in zip(self.compact.axes, self.node, self.compact.codes, strict=True)
            ],
            dtype=np.int64,
        )

    @property
    def lost_labels(self) -> list[Codes]:
        """For each axis, how many suppressed rows have each of its labels."""
        here = np.flatnonzero(self.combinations)
        return [
            np.bincount(axis.place[step][codes[here]], weights=self.compact.rows[here])
            for axis, step, codes in zip(self.compact.axes, self.node, self.compact.codes, strict=True)
        ]

    @cached_property
    def area(self) -> Floats:
        """For each combination, how many combinations of leaves its labels cover."""
        area = np.ones(len(self.compact.rows))
        for axis, step, codes in zip(self.compact.axes, self.node, self.compact.codes, strict=True):
            area = area * axis.cover[step][codes]
        return area


@dataclass(frozen=True)
class ByItem:
    """
    A measure by item: what step s of an axis costs `alone`, and what the suppressed rows add.

    `lost` is for a surcharge that needs no more of the suppressed rows than how many there are and what their
    labels cover: what each of these rows adds at step s of an axis, and each leaf covered.
    A surcharge, where it is not negative, only grows when a node becomes finer and no suppressed row is saved.
    `refund` is the most that suppressing every row can take from what a step costs alone: nothing, if None.
    """

    usual: str
    alone: Callable[[Measure, Compact, int, int], float]
    surcharge: Callable[[Measure, Look], Floats]
    lost: Callable[[Measure, Compact, int, int], tuple[float, float]] | None = None
    refund: Callable[[Measure, float], float] | None = None
    blind: bool = False


@dataclass(frozen=True)
class OfTable:
    """
    A measure of the table: its `score` at a look, and bounds.

    `above` bounds the score of all coarser nodes, `below` that of all finer ones at which what the look
    suppresses is suppressed too. `before` bounds a node from the number of classes it can have at most.
    """

    score: Callable[[Look], float]
    above: Callable[[Look], float] | None = None
    below: Callable[[Look], float] | None = None
    before: Callable[[Compact, Floats], Floats] | None = None
    blind: bool = False


# --- By item ----------------------------------------------------------------------------------------------


def loss_alone(measure: Measure, compact: Compact, axis: int, step: int) -> float:
    """The share of its leaves that an item's labels cover, stretched so that raw values cost 0 and '*' costs 1."""
    g = measure.of_items
    cover = int((compact.met[axis] * compact.axes[axis].cover[step]).sum())
    return g * (cover - compact.total) / loss_unit(compact, axis, g)


def loss_unit(compact: Compact, axis: int, g: float) -> float:
    """What is stretched to 1, in rows times leaves; without end for an item of one value, which no label loses."""
    leaves = compact.axes[axis].leaves
    return compact.total * (leaves - g) if leaves > 1 else math.inf


def loss_of_lost(measure: Measure, compact: Compact, axis: int, step: int) -> tuple[float, float]:
    # A row costs g * share when it is kept and share + s * (1 - share) when it is suppressed.
    g, s = measure.of_items, measure.of_rows
    leaves, unit = compact.axes[axis].leaves, loss_unit(compact, axis, g)
    return (s * leaves / unit, (1 - s - g) / unit) if leaves > 1 else (s / compact.total, 0.0)


def precision_alone(measure: Measure, compact: Compact, axis: int, step: int) -> float:
    item = compact.axes[axis]
    return measure.of_items * item.levels[step] / item.height if item.height else 0.0


def precision_of_lost(measure: Measure, compact: Compact, axis: int, step: int) -> tuple[float, float]:
    return (measure.of_rows - precision_alone(measure, compact, axis, step)) / compact.total, 0.0


def precision_refund(measure: Measure, alone: float) -> float:
    """Where suppression is cheap, a suppressed row may cost less than a generalised one."""
    return max(alone - measure.of_rows, 0.0)


def height_alone(measure: Measure, compact: Compact, axis: int, step: int) -> float:
    return float(compact.axes[axis].levels[step])


def nothing_of_lost(measure: Measure, compact: Compact, axis: int, step: int) -> tuple[float, float]:
    return 0.0, 0.0


def entropy_alone(measure: Measure, compact: Compact, axis: int, step: int) -> float:
    """The bits that the labels leave open of the raw values."""
    return measure.of_items * compact.axes[axis].scatter[step]


def entropy_surcharge(measure: Measure, look: Look) -> Floats:
    """What the suppressed rows said: the bits of their labels. More rows, and finer labels, say more."""
    return np.array(
        [
            measure.of_rows * float((met * np.log2(look.suppressed / met)).sum())
            for met in (counts[counts > 0] for counts in look.lost_labels)
        ]
    )


def of_content(values: Floats, measure: Measure, compact: Compact) -> Floats:
    """Bits as a share of all that the items say."""
    whole = [measure.of_items * axis.content for axis in compact.axes]
    return np.array([value / all_ if all_ else 0.0 for value, all_ in zip(values, whole, strict=True)])


def normalised_alone(measure: Measure, compact: Compact, axis: int, step: int) -> float:
    item = compact.axes[axis]
    return item.scatter[step] / item.content if item.content else 0.0


def from_counts(
    lost: Callable[[Measure, Compact, int, int], tuple[float, float]],
) -> Callable[[Measure, Look], Floats]:
    """The surcharge at a look, from how many rows are suppressed and what they cover."""

    def surcharge(measure: Measure, look: Look) -> Floats:
        each = [lost(measure, look.compact, axis, step) for axis, step in enumerate(look.node)]
        return np.array(
            [
                look.suppressed * row + cover * leaf
                for (row, leaf), cover in zip(each, look.lost_cover, strict=True)
            ]
        )

    return surcharge


# --- Of the table -----------------------------------------------------------------------------------------


def average_class_size(look: Look) -> float:
    """Rows over classes; the suppressed rows, if any, are one class more."""
    kept = int(np.count_nonzero((look.sizes > 0) & ~look.failing))
    return look.compact.total / (kept + (look.suppressed > 0))


def average_of_all(look: Look) -> float:
    """With nothing suppressed. Coarser nodes have no more classes."""
    return look.compact.total / int(np.count_nonzero(look.sizes))


def discernibility(look: Look) -> float:
    """The square of each class, and the whole table for each suppressed row."""
    kept = look.sizes[~look.failing].astype(np.float64)
    return float((kept * kept).sum()) + float(look.compact.total) * look.suppressed


def squares(look: Look) -> float:
    """The square of each class, whether suppressed or not. Classes that merge have a larger one than they had."""
    sizes = look.sizes.astype(np.float64)
    return float((sizes * sizes).sum())


def discernibility_of_lost(look: Look) -> float:
    """What the suppressed rows cost, and one for each other row, which is in a class with itself at least."""
    return float(look.compact.total) * look.suppressed + (look.compact.total - look.suppressed)


def ambiguity(look: Look) -> float:
    """How many combinations of leaves each row may stand for: any, when it is suppressed."""
    return float((look.compact.rows * np.where(look.combinations, all_leaves(look.compact), look.area)).sum())


def ambiguity_alone(look: Look) -> float:
    return float((look.compact.rows * look.area).sum())


def ambiguity_of_lost(look: Look) -> float:
    """What the suppressed rows cost, and one for each other row, whose labels cover itself at least."""
    return all_leaves(look.compact) * look.suppressed + (look.compact.total - look.suppressed)


def all_leaves(compact: Compact) -> float:
    return math.prod(float(axis.leaves) for axis in compact.axes)


def divergence(look: Look) -> float:
    """How far the distribution of what leaves is from that of what came in; over rows, as ARX sums it."""
    rows = look.compact.rows
    met = rows > 0
    spread = np.where(
        look.combinations, look.suppressed / all_leaves(look.compact), look.sizes[look.member] / look.area
    )
    return float((rows[met] * rows[met] * np.log2(rows[met] / spread[met])).sum() / look.compact.total)


MEASURES: dict[str, ByItem | OfTable] = {
    # Iyengar, "Transforming data to satisfy privacy constraints" (KDD 2002).
    "loss": ByItem("geometric", loss_alone, from_counts(loss_of_lost), loss_of_lost),
    # Sweeney, "Achieving k-anonymity privacy protection using generalization and suppression" (2002), section 5.
    "precision": ByItem(
        "arithmetic", precision_alone, from_counts(precision_of_lost), precision_of_lost, precision_refund
    ),
    # Samarati, "Protecting respondents' identities in microdata release" (2001), definition 4.2.
    "height": ByItem("sum", height_alone, from_counts(nothing_of_lost), nothing_of_lost, blind=True),
    # Gionis and Tassa, "k-Anonymization with minimal loss of information" (2009), section 3: non-uniform entropy.
    "entropy": ByItem("sum", entropy_alone, entropy_surcharge),
    "entropy-monotone": ByItem(
        "sum", entropy_alone, from_counts(nothing_of_lost), nothing_of_lost, blind=True
    ),
    "normalised-entropy": ByItem(
        "arithmetic",
        normalised_alone,
        lambda measure, look: of_content(entropy_surcharge(measure, look), measure, look.compact),
    ),
    # Bayardo and Agrawal, "Data privacy through optimal k-anonymization" (ICDE 2005), section 2.2.
    "discernibility": OfTable(
        discernibility,
        above=squares,
        below=discernibility_of_lost,
        before=lambda compact, classes: compact.total * (compact.total / classes),
    ),
    "discernibility-monotone": OfTable(
        squares,
        above=squares,
        before=lambda compact, classes: compact.total * (compact.total / classes),
        blind=True,
    ),
    # LeFevre, DeWitt and Ramakrishnan, "Mondrian multidimensional k-anonymity" (ICDE 2006), section 5.1.
    "average-class-size": OfTable(
        average_class_size,
        above=average_of_all,
        before=lambda compact, classes: compact.total / (classes + 1),
    ),
    # Goldberger and Tassa, "Efficient anonymizations with enhanced utility" (2010), section 2.3.
    "ambiguity": OfTable(ambiguity, above=ambiguity_alone, below=ambiguity_of_lost),
    # Machanavajjhala et al., "l-diversity" (TKDD 2007), section 6.3.
    "kl-divergence": OfTable(divergence),
}
