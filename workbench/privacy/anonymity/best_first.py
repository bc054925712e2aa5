"""
The search where the lattice is too large to be written out: best first, with a proved bound.

What is kept is not nodes but a frontier: each of its nodes stands for itself and everything coarser, and all
that is not settled is in one of these. The one of least bound is taken out. If it is known to fail, it can
only be left by going beyond the coarsest node that fails in some item, which skips all in between; else it is
looked at and replaced by the nodes one step coarser. The least bound in the frontier is one for all that is
left, so that the best found so far comes with its gap at any moment.
"""

import heapq
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from workbench.privacy.anonymity.compact import Compact
from workbench.privacy.anonymity.kernels import KERNELS
from workbench.privacy.anonymity.lattice import Finding, Limits, Progress, Standing, Steps, Stop, Table
from workbench.privacy.anonymity.measures import AGGREGATES, Measure
from workbench.privacy.anonymity.models import Model


class BestFirst(Table):
    """
    One search over a lattice of any size.

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
        self.frontier: list[tuple[float, Steps]] = []
        self.met: set[Steps] = set()
        self.failed: list[Steps] = []
        self.findings: dict[Steps, Finding] = {}
        self.ended_early = False

    def run(self, start: Steps | None = None) -> None:
        """Find the optimum, or until `stop`. `start` is looked at first: where an earlier search had come to."""
        self.go_down(start or self.top)
        self.add((0,) * len(self.shape))
        while self.frontier and not self.passes(self.frontier[0][0]):
            if self.stop is not None and self.stop(self.standing()):
                self.ended_early = True
                return
            for other in self.beyond(heapq.heappop(self.frontier)[1]):
                self.add(other)

    def beyond(self, node: Steps) -> Iterator[Steps]:
        """The nodes that stand for all that is coarser than `node` and not settled with it."""
        edge = self.edge_above(node)
        if edge is None and self.look_once(node).closes:
            edge = self.up_to_failing(node)
        for axis, step in enumerate(node):
            to = (step if edge is None else edge[axis]) + 1
            if to < self.shape[axis]:
                yield (*node[:axis], to, *node[axis + 1 :])

    def edge_above(self, node: Steps) -> Steps | None:
        """A node, at or above this one, that closes all finer ones; the coarsest of those known."""
        if not self.failed:
            return None
        above = np.flatnonzero((np.array(self.failed) >= node).all(axis=1))
        return max((self.failed[place] for place in above), key=sum, default=None)

    def up_to_failing(self, node: Steps) -> Steps:
        """A coarse node above a failing one that fails too: as far as doubled strides up all items go."""
        found, stride = node, 1
        while stride:
            up = tuple(min(step + stride, most) for step, most in zip(found, self.top, strict=True))
            if up != found and self.look_once(up).closes:
                found, stride = up, stride * 2
            else:
                stride //= 2
        for axis in sorted(range(len(node)), key=lambda axis: self.least[axis, found[axis]]):
            for step in range(self.top[axis], found[axis], -1):
                up = (*found[:axis], step, *found[axis + 1 :])
                if self.look_once(up).closes:
                    found = up
                    break
        self.failed.append(found)
        return found

    def go_down(self, node: Steps) -> None:
        """From a node that keeps the limits to one below it that is better than its neighbours below."""
        self.look_once(node)
        while self.best is not None and not (self.stop is not None and self.stop(self.standing())):
            at = self.best.node
            below = [(*at[:axis], step - 1, *at[axis + 1 :]) for axis, step in enumerate(at) if step]
            for other in below:
                self.look_once(other)
            if self.best.node == at:
                return

    def look_once(self, node: Steps) -> Finding:
        """What a look at the node tells; the second time from memory."""
        if node not in self.findings:
            self.findings[node] = self.look(node)
            if self.progress is not None:
                self.progress(self.standing())
        return self.findings[node]

    def add(self, node: Steps) -> None:
        """Put a node on the frontier, once, if it may hold something better than the best."""
        bound = self.least_of(node)
        if node not in self.met and not self.passes(bound):
            self.met.add(node)
            heapq.heappush(self.frontier, (bound, node))

    def least_of(self, node: Steps) -> float:
        """What neither the node nor anything coarser scores below."""
        if self.by_item is None:
            return 0.0
        # A refund may make a coarser step cheaper than a finer one.
        least = np.array([self.least[axis, step : self.shape[axis]].min() for axis, step in enumerate(node)])
        return float(self.kernels.aggregate(self.kind, least, self.weights))

    def passes(self, bound: float) -> bool:
        return bound > self.target if self.strict else bound >= self.target

    @property
    def bound(self) -> float:
        """What no node that keeps the limits scores below: the best, once the search has ended by itself."""
        key = min(self.frontier[0][0] if self.frontier else math.inf, self.reached_so_far)
        return float(AGGREGATES[self.aggregate].shown(key)) if self.by_item is not None else key

    def standing(self) -> Standing:
        return Standing(
            settled=self.looked_at,
            nodes=self.size,
            looked_at=self.looked_at,
            best=None if self.best is None else self.best.loss,
            bound=self.bound,
        )
