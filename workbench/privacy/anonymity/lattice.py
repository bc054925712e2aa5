"""
The search: the node of the lattice that loses least and keeps every limit.

Every combination of levels is a node; all are considered, few are looked at. What spares the rest, and none
of it can miss the optimum:

- what a node costs with nothing suppressed is known without looking, for a measure by item: nodes are met in
  that order, and the search ends when it passes the best found;
- rows that fail a sticky model at a node fail at every finer node: beyond a limit, all finer nodes are closed;
- such rows cost more than when they are kept, which raises the bound of all finer nodes;
- a measure of the table gives bounds of its own (`measures.OfTable`).

Before a node, a node on the cheapest way up from it is looked at: if that one fails, it closes most of what
lies below. How far up is learnt on the way: further than any node that could be better still, as long as such
looks settle what they are for. (To the end of what could be better took half as many looks more on Adult, half
way up, as Flash does it, two to three times as many.)
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from workbench.privacy.anonymity.classes import Codes
from workbench.privacy.anonymity.compact import Compact
from workbench.privacy.anonymity.grouping import Grouping, Mask
from workbench.privacy.anonymity.kernels import KERNELS
from workbench.privacy.anonymity.kernels_plain import aggregate
from workbench.privacy.anonymity.layout import FURTHER, FURTHEST, NEAREST
from workbench.privacy.anonymity.looks import Looks, can_lay
from workbench.privacy.anonymity.measures import AGGREGATES, MEASURES, ByItem, Floats, Look, Measure, Score
from workbench.privacy.anonymity.models import Model, Node
from workbench.privacy.anonymity.walk import walked

Steps = tuple[int, ...]

# Beyond this many nodes the lattice is not written out (`best_first`).
LARGEST_LATTICE = 10_000_000
OVERALL = "overall"
# A rank compares as many digits as ARX does: below, losses that are equal differ by rounding.
DIGITS = 10


@dataclass(frozen=True)
class Limits:
    """
    The largest share of rows that may be suppressed, overall and in each subgroup.

    A subgroup is one true or false for each row: a policy subgroup, or the positives of a target.
    """

    overall: float
    subgroup: float = 1.0
    subgroups: Mapping[str, Mask] = field(default_factory=dict)


@dataclass(frozen=True)
class Excess:
    """A limit that a node breaks: the share suppressed in a group, and the share allowed."""

    group: str
    share: float
    limit: float


@dataclass(frozen=True)
class Verdict:
    """
    What a node was found to be. `failing` tells the combinations that would be suppressed.

    `losses` is one number an item, for a measure by item. `key` orders verdicts, `score` is what is told.
    """

    node: Steps
    failing: Mask
    suppressed: int
    key: tuple[float, ...]
    score: Score
    losses: tuple[float, ...]
    excesses: tuple[Excess, ...]

    @property
    def loss(self) -> float:
        """The score as one number: of a rank the largest item's."""
        return self.score[0] if isinstance(self.score, tuple) else self.score

    @property
    def distance(self) -> tuple[float, tuple[float, ...]]:
        """How far from keeping every limit; the score among equals."""
        return max((excess.share - excess.limit for excess in self.excesses), default=0.0), self.key


@dataclass(frozen=True)
class Standing:
    """How far a search is: nodes settled of all, the best score so far, and what none can be below."""

    settled: int
    nodes: int
    looked_at: int
    best: float | None
    bound: float


Progress = Callable[[Standing], None]
Stop = Callable[[Standing], bool]


class Table:
    """
    A table, what its classes must give and what its measure is: everything that is true of one node at a time.

    `best` is the best verdict that keeps every limit, `nearest` the least bad of the others.
    """

    def __init__(
        self,
        compact: Compact,
        *,
        models: Sequence[Model],
        limits: Limits,
        measure: Measure,
        kernels: Any = KERNELS,
    ) -> None:
        self.compact, self.models, self.limits, self.measure = compact, tuple(models), limits, measure
        self.kernels = kernels
        self.formula = MEASURES[measure.name]
        self.shape = np.array(compact.shape, dtype=np.int64)
        self.size = math.prod(compact.shape)
        self.allowed = math.floor(limits.overall * compact.total + 1e-9)
        self.best: Verdict | None = None
        self.nearest: Verdict | None = None
        self.looked_at = 0

    @cached_property
    def grouping(self) -> Grouping:
        return Grouping(self.compact, kernels=self.kernels)

    @cached_property
    def looks(self) -> Looks:
        return Looks(self.compact, kernels=self.kernels)

    @cached_property
    def by_item(self) -> ByItem | None:
        return self.formula if isinstance(self.formula, ByItem) else None

    @cached_property
    def aggregate(self) -> str:
        return self.measure.aggregate or (self.by_item.usual if self.by_item else "sum")

    @cached_property
    def kind(self) -> int:
        return AGGREGATES[self.aggregate].kind

    @cached_property
    def strict(self) -> bool:
        """Whether nodes with the bound of the best may still be better: where its first number decides no tie."""
        return self.aggregate == "rank"

    @cached_property
    def weights(self) -> Floats:
        """The weight of each axis, the largest being one, times its share in the aggregate."""
        given = np.array([self.measure.weights.get(axis.item, 1.0) for axis in self.compact.axes])
        shares: Floats = given / given.max() * AGGREGATES[self.aggregate].share(len(given))
        return shares

    @cached_property
    def alone(self) -> Floats:
        """What each step of each axis costs with nothing suppressed; one row an axis."""
        table = np.zeros((len(self.shape), int(self.shape.max())))
        if self.by_item is not None:
            for axis, steps in enumerate(self.shape):
                for step in range(steps):
                    table[axis, step] = self.by_item.alone(self.measure, self.compact, axis, step)
        return table

    @cached_property
    def least(self) -> Floats:
        """What each step costs at least, whatever is suppressed."""
        refund = self.by_item and self.by_item.refund
        if not refund:
            return self.alone
        most = self.allowed / self.compact.total
        back = [[refund(self.measure, float(cost)) for cost in row] for row in self.alone]
        return self.alone - most * np.array(back)

    @cached_property
    def of_lost(self) -> tuple[Floats, Floats]:
        """What each suppressed row adds at each step of each axis, and each leaf that its label covers."""
        found = np.zeros((2, *self.alone.shape))
        if self.by_item is not None and self.by_item.lost is not None:
            for axis, steps in enumerate(self.shape):
                for step in range(steps):
                    found[:, axis, step] = self.by_item.lost(self.measure, self.compact, axis, step)
        return found[0], found[1]

    @cached_property
    def telling(self) -> tuple[Model, ...]:
        """The models that can fail: not that of households where the table names none."""
        nobody = self.compact.households is None
        return tuple(model for model in self.models if not (nobody and model.name == "k-households"))

    @cached_property
    def quick(self) -> bool:
        """Whether the number of rows of small classes, and their cover, are all there is to know of a node."""
        return (
            [model.name for model in self.telling] == ["k"]
            and self.compact.persons is None
            and not self.compact.groups
            and self.by_item is not None
            and self.by_item.lost is not None
            and can_lay(self.compact)
        )

    @cached_property
    def least_rows(self) -> int:
        return math.ceil(self.telling[0].limit)

    @cached_property
    def top(self) -> Steps:
        return tuple(steps - 1 for steps in self.compact.shape)

    @cached_property
    def only_joining(self) -> bool:
        """Whether, nothing being allowed to go, a node that fails closes all finer ones."""
        return self.allowed == 0 and all(model.rule.joins for model in self.models)

    @cached_property
    def countable(self) -> bool:
        """
        Whether a finer node suppresses no fewer rows, though perhaps others.

        With rules of the table over sticky ones: what is left at the finer node is in no more classes when
        they join, and what is not left there is enough to suppress. Persons met in several rows break it.
        """
        of_class = [model for model in self.models if not model.rule.of_table]
        return all(model.sticky for model in of_class) and self.compact.persons is None

    def verdict(self, node: Steps, failing: Mask, losses: Floats | None, score: float) -> Verdict:
        """What suppressing `failing` at `node` costs and which limits it breaks."""
        key, shown = ((score,), score) if losses is None else self.keyed(losses)
        return Verdict(
            node=node,
            failing=failing,
            suppressed=int(self.compact.rows[failing].sum()),
            key=key,
            score=shown,
            losses=() if losses is None else tuple(float(loss) for loss in losses),
            excesses=tuple(self.excesses(failing)),
        )

    def keyed(self, losses: Floats) -> tuple[tuple[float, ...], Score]:
        """The aggregate of the items' losses: as it is compared, and as it is told."""
        if self.strict:
            ranked = ranking(losses, self.weights)
            return ranked, ranked
        key = float(aggregate(self.kind, losses, self.weights))
        return (key,), float(AGGREGATES[self.aggregate].shown(key))

    @property
    def reached_so_far(self) -> float:
        """The number of the best that bounds are compared with."""
        return math.inf if self.best is None else self.best.key[0]

    @property
    def target(self) -> float:
        """What a bound must be below. The numbers of a rank are cut: a bound in the digits lost may still tie."""
        return self.reached_so_far + (10.0**-DIGITS if self.strict else 0.0)

    def excesses(self, failing: Mask) -> list[Excess]:
        """The limits that suppressing `failing` breaks."""
        groups = {OVERALL: (self.compact.rows, self.limits.overall)}
        groups |= {name: (rows, self.limits.subgroup) for name, rows in self.compact.groups.items()}
        broken = []
        for name, (rows, limit) in groups.items():
            suppressed, total = int(rows[failing].sum()), int(rows.sum())
            if suppressed > math.floor(limit * total + 1e-9):
                broken.append(Excess(group=name, share=suppressed / total, limit=limit))
        return broken

    def keep(self, verdict: Verdict) -> None:
        """Remember the best that keeps every limit; until there is one, the nearest to it."""
        if not verdict.excesses:
            if self.best is None or verdict.key < self.best.key:
                self.best = verdict
        elif self.nearest is None or verdict.distance < self.nearest.distance:
            self.nearest = verdict

    def alone_at(self, node: Steps) -> Floats:
        return self.alone[np.arange(len(node)), list(node)]

    def look(self, node: Steps) -> "Finding":
        """Group the table at `node`, keep its verdict, and say what follows for other nodes."""
        self.looked_at += 1
        return self.look_quickly(node) if self.quick else self.look_fully(node)

    def look_quickly(self, node: Steps) -> "Finding":
        """A look where only rows are counted, which ends as soon as too many fail."""
        rows, cover = self.looks.rows(node, least=self.least_rows, most=self.allowed)
        if rows > self.allowed:
            if node == self.top:
                self.keep(self.judged_quickly(node))
            return Finding(closes=True)
        steps = np.arange(len(node)), list(node)
        of_row, of_leaf = self.of_lost
        surcharge = rows * of_row[steps] + cover * of_leaf[steps]
        if self.best is None or self.keyed(self.alone[steps] + surcharge)[0] < self.best.key:
            self.keep(self.judged_quickly(node))
        return Finding(surcharge=surcharge)

    def judged_quickly(self, node: Steps) -> Verdict:
        """The verdict on a node whatever the limits allow, where only rows are counted."""
        rows, cover = self.looks.rows(node, least=self.least_rows, most=self.compact.total)
        steps = np.arange(len(node)), list(node)
        of_row, of_leaf = self.of_lost
        losses = self.alone[steps] + (rows * of_row[steps] + cover * of_leaf[steps])
        return self.verdict(node, self.looks.failing(node, least=self.least_rows), losses, 0.0)

    def look_fully(self, node: Steps) -> "Finding":
        """A look that asks every model in turn: the sticky ones, the others, those of the table."""
        here = self.classes_at(node)
        self.ask(here, sticky=True)
        sticky = self.look_at(node, here)
        finding = self.finding(sticky)
        if self.excesses(sticky.combinations):
            self.keep(self.judged(sticky))
            return replace(finding, closes=True)
        self.ask(here, sticky=False)
        final = self.look_at(node, here)
        self.keep(self.judged(final))
        over = final.suppressed > self.allowed
        return replace(finding, closes=over and (self.only_joining or self.countable))

    def classes_at(self, node: Steps) -> Node:
        """The classes of a node, of which none fails yet."""
        member, count = self.grouping.classes(node)
        return Node.of(self.compact, member, count, steps=node if self.measure.name == "loss" else None)

    def ask(self, here: Node, *, sticky: bool) -> None:
        """Ask the models that are sticky, or the others, those of the table last."""
        for model in sorted(self.models, key=lambda model: model.rule.of_table):
            if model.sticky == sticky:
                here.failing |= model.rule.fails(model, here)

    def failing_at(self, node: Steps) -> Mask:
        """The combinations in classes that fail at a node."""
        if self.quick:
            return self.looks.failing(node, least=self.least_rows)
        here = self.classes_at(node)
        for sticky in (True, False):
            self.ask(here, sticky=sticky)
        return here.failing[here.member]

    def look_at(self, node: Steps, here: Node) -> Look:
        return Look(self.compact, node, here.member, here.sizes, here.failing & (here.sizes > 0))

    def judged(self, look: Look) -> Verdict:
        if isinstance(self.formula, ByItem):
            losses = self.alone_at(look.node) + self.formula.surcharge(self.measure, look)
            return self.verdict(look.node, look.combinations, losses, 0.0)
        return self.verdict(look.node, look.combinations, None, self.formula.score(look))

    def finding(self, sticky: Look) -> "Finding":
        """What a look tells of other nodes, from the rows that fail there too."""
        if isinstance(self.formula, ByItem):
            return Finding(surcharge=self.formula.surcharge(self.measure, sticky))
        return Finding(
            above=self.formula.above(sticky) if self.formula.above else None,
            below=self.formula.below(sticky) if self.formula.below else None,
        )


@dataclass(frozen=True)
class Finding:
    """
    What a look tells of other nodes.

    `surcharge` is what its suppressed rows add to every finer node, by axis; `above` and `below` bound the
    score of all coarser and all finer nodes; `closes` says that no finer node keeps the limits.
    """

    surcharge: Floats | None = None
    above: float | None = None
    below: float | None = None
    closes: bool = False


class Search(Table):
    """
    One search over a lattice that is written out.

    After `run`, `best` is the optimum, or None where no node keeps the limits; unless `stop` ended it early,
    when `bound` says what no node can be below.
    """

    def __init__(
        self,
        compact: Compact,
        *,
        models: Sequence[Model],
        limits: Limits,
        measure: Measure | None = None,
        progress: Progress | None = None,
        stop: Stop | None = None,
        kernels: Any = KERNELS,
    ) -> None:
        super().__init__(compact, models=models, limits=limits, measure=measure or Measure(), kernels=kernels)
        self.progress, self.stop = progress, stop
        self.strides = np.array([math.prod(compact.shape[axis + 1 :]) for axis in range(len(self.shape))])
        self.bounds = np.ascontiguousarray(self.first_bounds())
        self.closed = np.zeros(self.size, dtype=bool)
        self.witnesses = np.zeros((64, len(self.shape)), dtype=np.int64)
        self.surcharges = np.zeros((64, len(self.shape)))
        self.known, self.settled, self.reached = 0, 0, 0
        self.reach = 1.0
        self.scratch = np.zeros(len(self.shape))
        self.order: Codes = np.argsort(self.guess(), kind="stable")
        self.ended_early = False

    def run(self, start: Steps | None = None) -> None:
        """
        Find the optimum: afterwards every node was looked at, is closed, or is bounded by the best.

        `start` is looked at first: the node an earlier search had come to.
        """
        if self.quick and not self.strict and hasattr(self.kernels, "walk_on"):
            walked(self, start)
            return
        if start is not None:
            self.learn(start)
        self.reached = self.next(0)
        while self.reached < self.size:
            place = int(self.order[self.reached])
            node = np.array(np.unravel_index(place, self.compact.shape), dtype=np.int64)
            while self.is_open(place, node):
                if self.stop is not None and self.stop(self.standing()):
                    self.ended_early = True
                    return
                end = node.copy()
                self.kernels.up_from(
                    end, self.shape, self.strides, self.bounds, self.closed, self.goal(place), self.strict
                )
                self.learn(tuple(end.tolist()))
                self.adapt(settled=not self.is_open(place, node))
            self.reached = self.next(self.reached + 1)

    def goal(self, place: int) -> float:
        """Up to what bound to go for a node."""
        low = float(self.bounds[place])
        return math.inf if self.best is None else low + self.reach * (self.target - low)

    def adapt(self, *, settled: bool) -> None:
        """Go further up when a look has settled what it was for, less far when it has not."""
        self.reach = min(self.reach * FURTHER, FURTHEST) if settled else max(self.reach / FURTHER, NEAREST)

    def next(self, place: int) -> int:
        return int(
            self.kernels.next_open(place, self.order, self.bounds, self.closed, self.target, self.strict)
        )

    def first_bounds(self) -> Floats:
        """What is known of each node before any is looked at."""
        if self.by_item is not None:
            return over_all(self.least, self.compact.shape, self.kind, self.weights).ravel()
        if self.formula.before is None:  # type: ignore[union-attr]
            return np.zeros(self.size)
        return self.formula.before(self.compact, self.most_classes()).ravel()  # type: ignore[union-attr]

    def most_classes(self) -> Floats:
        """How many classes each node can have at most: that its labels make, that have rows."""
        most = np.ones(1)
        for axis in self.compact.axes:
            most = np.multiply.outer(most, np.array(axis.sizes, dtype=np.float64))
        return np.minimum(most, np.count_nonzero(self.compact.rows))

    def guess(self) -> Floats:
        """In which order nodes are met: by their bound, or where it says too little by what items cover."""
        if self.by_item is not None:
            return self.bounds
        cover = [
            [float((self.compact.rows * c[codes]).sum()) / axis.leaves for c in axis.cover]
            for axis, codes in zip(self.compact.axes, self.compact.codes, strict=True)
        ]
        table = np.zeros((len(self.shape), int(self.shape.max())))
        for axis, row in enumerate(cover):
            table[axis, : len(row)] = row
        return over_all(table, self.compact.shape, AGGREGATES["sum"].kind, np.ones(len(self.shape))).ravel()

    def is_open(self, place: int, node: Codes) -> bool:
        """Whether this node may still be the optimum."""
        if self.closed[place] or self.passes(float(self.bounds[place])):
            return False
        if self.by_item is None or self.best is None:
            return True
        least = self.kernels.floor(
            node,
            self.kind,
            self.weights,
            self.least,
            self.witnesses,
            self.surcharges,
            self.known,
            self.scratch,
        )
        if self.strict:
            return ranking(self.scratch, self.weights) < self.best.key
        return not self.passes(float(least))

    def passes(self, bound: float) -> bool:
        return bound > self.target if self.strict else bound >= self.target

    def learn(self, node: Steps) -> None:
        """Look at `node` and draw every conclusion."""
        finding = self.look(node)
        at = np.array(node, dtype=np.int64)
        place = int((at * self.strides).sum())
        if finding.surcharge is not None and not finding.closes and finding.surcharge.any():
            self.remember(node, finding.surcharge)
        if finding.above is not None:
            self.kernels.raise_above(at, self.shape, self.strides, finding.above, self.bounds)
        if finding.closes:
            self.settled += int(self.kernels.close_below(at, self.strides, self.closed))
        elif finding.below is not None:
            view = self.bounds.reshape(self.compact.shape)[tuple(slice(0, step + 1) for step in node)]
            np.maximum(view, finding.below, out=view)
        if not self.closed[place]:
            self.closed[place] = True
            self.settled += 1
        if self.progress is not None:
            self.progress(self.standing())

    def remember(self, node: Steps, surcharge: Floats) -> None:
        """Keep what the suppressed rows of a node add to all finer ones."""
        if self.known == len(self.witnesses):
            self.witnesses = np.vstack([self.witnesses, np.zeros_like(self.witnesses)])
            self.surcharges = np.vstack([self.surcharges, np.zeros_like(self.surcharges)])
        self.witnesses[self.known] = node
        self.surcharges[self.known] = np.maximum(surcharge, 0)
        self.known += 1

    @property
    def bound(self) -> float:
        """What no node that keeps the limits scores below: the best, once the search has ended by itself."""
        return self.bound_with(self.reached_so_far)

    def bound_with(self, best: float) -> float:
        """The same where the best so far is given as it is compared."""
        left = self.order[self.reached :]
        # Those by item are in the order of their bounds.
        left = left[:1] if self.by_item is not None else left[~self.closed[left]]
        return self.shown(min(float(self.bounds[left].min(initial=math.inf)), best))

    def shown(self, key: float) -> float:
        return float(AGGREGATES[self.aggregate].shown(key)) if self.by_item is not None else key

    def standing(self, best: float | None = None) -> Standing:
        """How far the search is; `best` is the best so far where no verdict is made on it yet."""
        key = self.reached_so_far if best is None else best
        return Standing(
            settled=self.settled,
            nodes=self.size,
            looked_at=self.looked_at,
            best=None if key == math.inf else self.shown(key),
            bound=self.bound_with(key),
        )


def over_all(table: Floats, shape: Sequence[int], kind: int, weights: Floats) -> Floats:
    """The aggregate at every node of what the steps of each axis cost."""
    combine: Any = np.maximum if kind == AGGREGATES["maximum"].kind else np.add
    one = np.log1p(table) if kind == AGGREGATES["geometric"].kind else table
    total = np.zeros(1)
    for axis, steps in enumerate(shape):
        total = combine.outer(total, weights[axis] * one[axis, :steps])
    return total


def ranking(losses: Floats, weights: Floats) -> tuple[float, ...]:
    """The items' weighted losses, the largest first, cut to the digits that count."""
    cut = np.floor(losses * 10**DIGITS + 1e-3) / 10**DIGITS
    return tuple(sorted((float(value) for value in cut * weights), reverse=True))


def within(seconds: float) -> Stop:
    """Stop after so many seconds from now, once there is something to show."""
    end = time.monotonic() + seconds
    return lambda standing: standing.best is not None and time.monotonic() > end
