"""
A tree of items given a class: what was measured of a table, made consistent, and sampled.

Nothing here sees data. It gets noisy counts and public cells, so it may look at them as often as it likes:
post-processing costs no privacy. Two ideas carry it. Noisy counts are shrunk towards what is known already,
by as much as their own noise asks for (James and Stein 1961); and they are projected on the counts that can
exist, none below zero and with the right total, instead of being cut off at zero, which would add rows.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.privacy.synthesis.cells import Codes

Counts = np.ndarray[Any, np.dtype[np.float64]]

RAKINGS = 12
TINY = 1e-9


@dataclass(frozen=True)
class Tree:
    """
    A class, and a tree over the items within each class.

    `chances[k]` is the chance of class k. `parents` gives each item its parent, None for the root, parents
    before children. `given` holds for the root (class, cell) and for every other item (class, parent's
    cell, cell), each row summing to one.
    """

    chances: Counts
    parents: Mapping[str, str | None]
    given: Mapping[str, Counts]

    def children(self, item: str) -> Iterator[str]:
        return (name for name, parent in self.parents.items() if parent == item)


def sample(
    tree: Tree, rows: int, *, order: np.random.Generator, fixed: Mapping[str, Codes] | None = None
) -> tuple[Codes, dict[str, Codes]]:
    """
    Draw the class and the cells of `rows` rows, from the root to the leaves.

    `fixed` gives some items' cells for each row (those of its household): the rest is drawn from what the
    tree says given them, exactly, by messages from the leaves to the root (Pearl 1988).
    """
    fixed = fixed or {}
    upward = {item: messages(tree, item, fixed=fixed) for item in roots(tree)} if fixed else {}
    heard = {name: message for found in upward.values() for name, message in found.items()}
    classes = drawn(class_weights(tree, rows, heard=heard), order=order)
    made: dict[str, Codes] = {}
    for item, parent in tree.parents.items():
        if item in fixed:
            made[item] = fixed[item]
            continue
        table = tree.given[item]
        weights = table[classes] if parent is None else table[classes, made[parent]]
        for child in tree.children(item) if heard else ():
            weights = weights * heard[child][np.arange(rows), classes]
        made[item] = drawn(weights, order=order)
    return classes, made


def roots(tree: Tree) -> list[str]:
    return [item for item, parent in tree.parents.items() if parent is None]


def messages(tree: Tree, item: str, *, fixed: Mapping[str, Codes]) -> dict[str, Counts]:
    """
    How likely what is fixed at and below each item is: (row, class, parent's cell), (row, class) at the root.
    """
    found: dict[str, Counts] = {}
    for child in tree.children(item):
        found |= messages(tree, child, fixed=fixed)
    below = np.ones(())
    for child in tree.children(item):
        below = below * found[child]
    table = tree.given[item]
    if item in fixed:
        rows = np.arange(len(fixed[item]))
        here = np.moveaxis(table[..., fixed[item]], -1, 0)
        under = below[rows, :, fixed[item]] if below.ndim else np.ones((len(rows), len(tree.chances)))
        message = here * (under if here.ndim == 2 else under[:, :, None])
    elif not below.ndim:
        message = np.ones((1, *table.shape[:-1]))
    else:
        message = np.einsum("ka,nka->nk" if table.ndim == 2 else "kba,nka->nkb", table, below)
    rows_of = next(iter(fixed.values())).shape[0]
    found[item] = np.broadcast_to(message, (rows_of, *message.shape[1:]))
    return found


def class_weights(tree: Tree, rows: int, *, heard: Mapping[str, Counts]) -> Counts:
    weights = np.broadcast_to(tree.chances, (rows, len(tree.chances)))
    for item in roots(tree):
        if item in heard:
            weights = weights * heard[item]
    return weights


def drawn(weights: Counts, *, order: np.random.Generator) -> Codes:
    """One cell for each row of weights; where all are zero, any cell."""
    weights = weights + TINY * (weights.sum(axis=1, keepdims=True) <= 0)
    upto = np.cumsum(weights, axis=1)
    found = (order.random(len(upto))[:, None] * upto[:, -1:] >= upto).sum(axis=1)
    return np.minimum(found, weights.shape[1] - 1).astype(np.int64)


def shrunk(noisy: Counts, *, towards: Counts, noise: float, axes: int = 1) -> Counts:
    """
    The noisy counts drawn towards `towards`, by as much as their noise asks for.

    A positive-part James-Stein estimator for Gaussian noise of standard deviation `noise`, for each table of
    the last `axes` axes: where counts and expectation differ no more than noise does, the expectation stays.
    As much as noise reaches in one of forty tables counts as noise, so a small table is not believed lightly.
    """
    apart = noisy - towards
    last = tuple(range(-axes, 0))
    cells = math.prod(noisy.shape[axis] for axis in last)
    likely = (cells + 2 * math.sqrt(2 * cells)) * noise**2
    trust = 1 - likely / np.maximum((apart**2).sum(axis=last, keepdims=True), TINY)
    return towards + np.maximum(trust, 0) * apart


def projected(counts: Counts, *, total: Counts) -> Counts:
    """
    The nearest counts, in each last-axis row, that are not below zero and sum to `total`.

    The Euclidean projection on a simplex (Duchi et al. 2008); with Gaussian noise the likeliest such counts.
    """
    ordered = -np.sort(-counts, axis=-1)
    excess = np.cumsum(ordered, axis=-1) - total[..., None]
    ranks = np.arange(1, counts.shape[-1] + 1)
    kept = np.maximum((ordered * ranks > excess).sum(axis=-1, keepdims=True), 1)
    cut = np.take_along_axis(excess, kept - 1, axis=-1) / kept
    return np.maximum(counts - cut, 0)


def independent(one: Counts, other: Counts) -> Counts:
    """Expected counts (class, other's cell, one's cell) were the two items independent within each class."""
    total = np.maximum(one.sum(axis=1), TINY)
    return np.einsum("ka,kb->kba", one, other) / total[:, None, None]


def conditional(noisy: Counts, *, item: Counts, parent: Counts, noise: float) -> Counts:
    """
    The chance of each cell of an item given class and parent's cell, from noisy counts (class, parent, item).

    `item` and `parent` are their counts (class, cell). Three steps, from what many rows tell to what few
    do: independence within the class; the association of the two over all classes together, fitted to each
    class's counts, so that a rare class borrows how items go together from the common one; the class's own.
    """
    expected = independent(item, parent)
    classes = len(noisy)
    together = expected.sum(axis=0)
    pooled = shrunk(noisy.sum(axis=0), towards=together, noise=noise * math.sqrt(classes), axes=2)
    pooled = projected(pooled, total=together.sum(axis=-1))
    prior = raked(expected * (pooled / np.maximum(together, TINY)), item=item, parent=parent)
    own = projected(shrunk(noisy, towards=prior, noise=noise, axes=2), total=parent) if classes > 1 else prior
    return normalised(own, otherwise=item[:, None, :])


def raked(counts: Counts, *, item: Counts, parent: Counts) -> Counts:
    """Fitted to both margins in turn (Deming and Stephan 1940); associations stay as they are."""
    for _ in range(RAKINGS):
        counts = counts * (parent / np.maximum(counts.sum(axis=2), TINY))[:, :, None]
        counts = counts * (item / np.maximum(counts.sum(axis=1), TINY))[:, None, :]
    return counts


def normalised(counts: Counts, *, otherwise: Counts) -> Counts:
    """Rows that sum to one; a row without counts is as `otherwise`, and without that all cells alike."""
    counts = np.where(counts.sum(axis=-1, keepdims=True) > TINY, counts, otherwise)
    counts = np.where(counts.sum(axis=-1, keepdims=True) > TINY, counts, 1.0)
    return counts / counts.sum(axis=-1, keepdims=True)


def rooted(items: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, str | None]:
    """Each item with its parent, parents first: the edges as seen from the first item of each tree."""
    parents: dict[str, str | None] = {}
    for start in items:
        waiting: list[tuple[str, str | None]] = [] if start in parents else [(start, None)]
        while waiting:
            item, parent = waiting.pop()
            parents[item] = parent
            others = [a if b == item else b for a, b in edges if item in (a, b)]
            waiting += [(other, item) for other in others if other not in parents]
    return parents
