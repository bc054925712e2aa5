"""
The search driven by compiled code, where rows are all that is counted: no return to Python for each node.

It looks at the same nodes, in the same order, as `Search.run` does, from the same kernels. It comes back for
what it has no room or no base for, for a look that is worth several threads, and to be told whether to stop.
"""

from typing import TYPE_CHECKING

import numpy as np

from workbench.privacy.anonymity.layout import (
    ALLOWED,
    BEST,
    DONE,
    KIND,
    KNOWN,
    LEFT,
    LOOK,
    LOOKED,
    LOST,
    NEEDS_BASE,
    NEEDS_LOOK,
    NEEDS_ORDER,
    NEEDS_ROOM,
    PAUSED,
    PHASE,
    REACH,
    REACHED,
    REGION,
    ROWS,
    SETTLED,
    TARGET,
    THREADED,
    Walk,
)  # fmt: skip
from workbench.privacy.anonymity.looks import WORTH_THREADS

if TYPE_CHECKING:
    from workbench.privacy.anonymity.lattice import Search, Standing, Steps

# So many nodes before Python may answer an interrupt.
AT_ONCE = 32


def walked(search: "Search", start: "Steps | None") -> None:
    """Run a search to its end, or until it is to stop."""
    looks, kernels = search.looks, search.kernels
    walk = begun(search, start)
    given = kernels.handed(walk)
    while (came_back := int(kernels.walk_on(looks.given, looks.places[0], given))) != DONE:
        if came_back == PAUSED:
            standing = standing_of(search, walk) if search.progress or search.stop else None
            if standing and search.progress and walk.numbers[LOOKED]:
                search.progress(standing)
            if standing and search.stop and search.stop(standing):
                search.ended_early = True
                break
            walk.numbers[LEFT] = AT_ONCE if standing is None else 1
        elif came_back == NEEDS_ROOM:
            walk = with_more_room(walk)
            given = kernels.handed(walk)
        elif came_back == NEEDS_LOOK:
            walk.numbers[LOST] = looks.in_threads(
                int(looks.desks[0].asked[REGION]), least=search.least_rows, most=search.allowed
            )
        elif came_back in {NEEDS_BASE, NEEDS_ORDER}:
            looks.provide(came_back)
    ended(search, walk)


def begun(search: "Search", start: "Steps | None") -> Walk:
    """A walk that has seen nothing yet."""
    axes = len(search.shape)
    numbers, reals = np.zeros(12, dtype=np.int64), np.array([np.inf, search.reach])
    numbers[[ALLOWED, ROWS, KIND, THREADED, BEST]] = (
        search.allowed,
        search.least_rows,
        search.kind,
        WORTH_THREADS,
        -1,
    )
    of_row, of_leaf = search.of_lost
    walk = Walk(
        shape=search.shape,
        strides=search.strides,
        bound=search.bounds,
        closed=search.closed.view(np.uint8),
        order=search.order,
        weights=search.weights,
        alone=search.alone,
        least=search.least,
        of_row=of_row,
        of_leaf=of_leaf,
        seen=search.witnesses,
        surcharges=search.surcharges,
        from_node=np.zeros(axes, dtype=np.int64),
        to_node=np.zeros(axes, dtype=np.int64),
        sums=search.scratch,
        numbers=numbers,
        reals=reals,
    )
    if start is not None:
        walk.from_node[:] = walk.to_node[:] = start
        numbers[PHASE] = LOOK
    return walk


def with_more_room(walk: Walk) -> Walk:
    """The same walk with room for as many nodes more."""
    return walk._replace(
        seen=np.vstack([walk.seen, np.zeros_like(walk.seen)]),
        surcharges=np.vstack([walk.surcharges, np.zeros_like(walk.surcharges)]),
    )


def standing_of(search: "Search", walk: Walk) -> "Standing":
    search.reached, search.settled, search.looked_at = (
        int(walk.numbers[entry]) for entry in (REACHED, SETTLED, LOOKED)
    )
    return search.standing(float(walk.reals[TARGET]))


def ended(search: "Search", walk: Walk) -> None:
    """Tell the search what the walk found."""
    standing = standing_of(search, walk)
    search.known, search.reach = int(walk.numbers[KNOWN]), float(walk.reals[REACH])
    best = int(walk.numbers[BEST])
    if search.progress and not search.ended_early and walk.numbers[LOOKED]:
        search.progress(standing)
    node = (
        search.top if best < 0 else tuple(int(step) for step in np.unravel_index(best, search.compact.shape))
    )
    search.keep(search.judged_quickly(node))
