"""
The search: the node of the lattice that loses least and keeps every limit.

Every combination of levels is a node; all are considered, few are looked at. Three things spare the rest,
and none can miss the optimum:

- the loss of generalising alone is a sum over items and bounds a node's loss from below: nodes are met in
  the order of that bound, and the search ends when it passes the best loss found;
- rows that fail at a node fail at every finer node: beyond a limit, all finer nodes are closed;
- such rows cost 1 instead of their share, which raises the bound of all finer nodes.

Before a node, the end of the cheapest way up from it is looked at: if that one fails, it closes most of what
lies below. (Half way up, as Flash does it, took two to three times as many looks on Adult.)
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from workbench.errors import Usage
from workbench.privacy.anonymity.classes import Codes
from workbench.privacy.anonymity.compact import Compact
from workbench.privacy.anonymity.criteria import Criteria, Mask, inherited, others
from workbench.privacy.anonymity.loss import MEANS, Floats

Node = tuple[int, ...]
Progress = Callable[[int, int], None]

LARGEST_LATTICE = 5_000_000
OVERALL = "overall"


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
    """What a node was found to be. `failing` tells the combinations that would be suppressed."""

    node: Node
    failing: Mask
    suppressed: int
    loss: float
    losses: tuple[float, ...]
    excesses: tuple[Excess, ...]

    @property
    def distance(self) -> tuple[float, float]:
        """How far from keeping every limit; the loss among equals."""
        return max((excess.share - excess.limit for excess in self.excesses), default=0.0), self.loss


class Search:
    """One search over one table. `best` is the optimum, or None; `nearest` the least bad node looked at."""

    def __init__(
        self,
        compact: Compact,
        *,
        criteria: Criteria,
        limits: Limits,
        mean: str = "geometric",
        progress: Progress | None = None,
    ) -> None:
        self.compact, self.criteria, self.limits = compact, criteria, limits
        self.mean, self.progress = MEANS[mean], progress
        self.size = math.prod(compact.shape)
        require_manageable(self.size)
        self.alone = [
            np.array([(loss[codes] * compact.rows).sum() / compact.total for loss in axis.loss])
            for axis, codes in zip(compact.axes, compact.codes, strict=True)
        ]
        self.bound: Floats = np.broadcast_to(self.mean(np.ix_(*self.alone)), compact.shape)
        self.closed = np.zeros(compact.shape, dtype=bool)
        self.witnesses = np.empty((0, len(compact.axes)), dtype=np.int64)
        self.surcharges: Floats = np.empty((0, len(compact.axes)))
        self.best: Verdict | None = None
        self.nearest: Verdict | None = None
        self.looked_at = 0

    def run(self) -> None:
        """Find the optimum: afterwards every node was looked at, is closed, or is bounded by the best loss."""
        for place in np.argsort(self.bound, axis=None, kind="stable"):
            node = tuple(int(step) for step in np.unravel_index(place, self.compact.shape))
            if self.beaten(self.bound[node]):
                return
            while self.is_open(node):
                self.look(self.up_from(node))

    def is_open(self, node: Node) -> bool:
        """Whether this node may still be the optimum."""
        return not self.closed[node] and not self.beaten(self.lower_bound(node))

    def beaten(self, bound: float) -> bool:
        return self.best is not None and bound >= self.best.loss

    def lower_bound(self, node: Node) -> float:
        """The least a node can lose: generalising alone, and what fails at a coarser node that was looked at."""
        coarser = (self.witnesses >= node).all(axis=1)
        surcharge = self.surcharges[coarser].max(axis=0, initial=0.0)
        return float(self.mean(self.alone_at(node) + surcharge))

    def up_from(self, node: Node) -> Node:
        """The next node to look at: the end of the cheapest way up from here through open nodes."""
        while above := [
            n for n in self.successors(node) if not self.closed[n] and not self.beaten(self.bound[n])
        ]:
            node = min(above, key=lambda n: (self.bound[n], n))
        return node

    def successors(self, node: Node) -> list[Node]:
        """The nodes one step coarser in one item."""
        return [
            (*node[:i], node[i] + 1, *node[i + 1 :])
            for i, steps in enumerate(self.compact.shape)
            if node[i] + 1 < steps
        ]

    def look(self, node: Node) -> None:
        """Group the table at `node` and draw every conclusion."""
        self.looked_at += 1
        member, count = self.compact.classes(node)
        failing = inherited(self.compact, member, count, self.criteria)
        verdict = self.verdict(node, failing[member])
        self.witnesses = np.vstack([self.witnesses, node])
        self.surcharges = np.vstack([self.surcharges, verdict.losses - self.alone_at(node)])
        self.closed[node] = True
        if verdict.excesses:
            self.closed[tuple(slice(0, step + 1) for step in node)] = True
        else:
            failing |= others(self.compact, member, count, self.criteria)
            verdict = self.verdict(node, failing[member])
        self.keep(verdict)
        if self.progress is not None:
            self.progress(int(self.closed.sum()), self.size)

    def verdict(self, node: Node, failing: Mask) -> Verdict:
        """What suppressing `failing` at `node` costs and which limits it breaks."""
        losses = self.losses(node, np.flatnonzero(failing))
        return Verdict(
            node=node,
            failing=failing,
            suppressed=int(self.compact.rows[failing].sum()),
            loss=float(self.mean(losses)),
            losses=tuple(losses),
            excesses=tuple(self.excesses(failing)),
        )

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
            if self.best is None or verdict.loss < self.best.loss:
                self.best = verdict
        elif self.nearest is None or verdict.distance < self.nearest.distance:
            self.nearest = verdict

    def losses(self, node: Node, failing: Codes) -> Floats:
        """Each item's loss: of generalising alone, and up to 1 for each row of a failing combination."""
        # Sums, never dot products: BLAS adds in an order that depends on the machine, and the same seed must
        # give the same bytes.
        rows = self.compact.rows[failing]
        surcharge = [
            (rows * (1 - axis.loss[step][codes[failing]])).sum()
            for axis, step, codes in zip(self.compact.axes, node, self.compact.codes, strict=True)
        ]
        return self.alone_at(node) + np.array(surcharge) / self.compact.total

    def alone_at(self, node: Node) -> Floats:
        return np.array([alone[step] for alone, step in zip(self.alone, node, strict=True)])


def require_manageable(size: int) -> None:
    if size > LARGEST_LATTICE:
        raise Usage(
            ja=f"一般化の組合せが {size:,} 通りあり、上限 {LARGEST_LATTICE:,} を超えます。"
            "準識別子を減らすか、段の範囲を狭めてください。",
            en=f"There are {size:,} combinations of levels, more than {LARGEST_LATTICE:,}; "
            "name fewer quasi-identifiers or narrow their levels.",
        )
