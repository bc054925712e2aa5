"""
Builders of hierarchies: from public cut points, a tree, a table of places, an order, or a code's places.

Each gives a `Hierarchy`, so what they make is the recoding that the release and the scorer apply. None of
them looks at a table of persons: whoever hands in values or cut points knows where they come from
(`suggestion` is the module that reads them off a column, and says so). The last level is always '*'.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pandas as pd

from workbench.errors import Usage
from workbench.privacy.anonymity.classes import word
from workbench.privacy.anonymity.hierarchies import Hierarchy, faulty, from_ladder, from_rows

TOP = "*"
Tree = Mapping[str, Any] | Sequence[Any]


def interval(
    item: str, *, minimum: float, maximum: float, widths: Sequence[float], whole: bool = True
) -> Hierarchy:
    """
    Intervals of equal width from `minimum`, one level for each of `widths`, each a multiple of the one before.

    An interval holds its lower edge. What lies outside has labels of its own, 'under …' and '… or more';
    the last interval of every level ends where the widest that holds `maximum` does. `whole` writes '5-9',
    else '[5, 10)'. Raises Usage where the widths do not nest or make a thousand intervals or more.
    """
    low, high = Decimal(str(minimum)), Decimal(str(maximum))
    steps = [Decimal(str(width)) for width in widths]
    nests = all(fine > 0 and coarse % fine == 0 for fine, coarse in itertools.pairwise(steps))
    if not steps or steps[0] <= 0 or not nests or low > high:
        raise bad_intervals(item)
    reach = ((high - low) // steps[-1] + 1) * steps[-1]
    if reach / steps[0] >= MOST:
        raise bad_intervals(item)
    edges = [[float(low + width * place) for place in range(int(reach / width) + 1)] for width in steps]
    return from_edges(item, edges, whole=whole)


def bad_intervals(item: str) -> Usage:
    return Usage(
        ja=f"項目「{item}」の区間は、最小が最大以下、幅は正で一つ前の幅の倍数、区間は {MOST} 個までにしてください。",
        en=f"Intervals of '{item}' need a minimum not above the maximum, positive widths each a multiple of "
        f"the one before, and at most {MOST} of them.",
    )


# A level of the recoding has at most a thousand edges.
MOST = 1000


def from_edges(item: str, levels: Sequence[Sequence[float]], *, whole: bool = True) -> Hierarchy:
    """
    Intervals between given edges, one list of rising edges a level, finest first; then '*'.

    Raises Unusable for an edge that the level below lacks.
    """
    ladder = [
        {"edges": [number(edge) for edge in edges], "labels": named(edges, whole=whole)} for edges in levels
    ]
    return from_ladder(item, [*ladder, {"edges": [], "labels": [TOP], "missing": TOP}])


def named(edges: Sequence[float], *, whole: bool) -> list[str]:
    between = [
        (closed(low, high) if whole else f"[{number(low)}, {number(high)})")
        for low, high in itertools.pairwise(edges)
    ]
    return [f"under {number(edges[0])}", *between, f"{number(edges[-1])} or more"] if edges else [TOP]


def closed(low: float, high: float) -> str:
    """Whole numbers from `low` to below `high`."""
    return str(number(low)) if high - low == 1 else f"{number(low)}-{number(high - 1)}"


def number(value: float) -> int | float:
    """As it is written: 5, not 5.0."""
    return int(value) if float(value).is_integer() else float(value)


def tree(item: str, branches: Tree) -> Hierarchy:
    """
    A tree of names: `{"Asia": {"East": ["JP", "KR"]}, "Europe": ["FR"]}`.

    A leaf that hangs higher than others stands for itself on the levels between. Raises Unusable where a
    leaf stands twice, or a name stands on one level for two things.
    """
    paths = list(climbed(branches))
    depth = max((len(path) for path in paths), default=0)
    return from_rows(item, [[*[path[0]] * (depth - len(path)), *path, TOP] for path in paths])


def climbed(branches: Tree) -> Iterator[list[str]]:
    """Each leaf with the names above it, nearest first."""
    if not isinstance(branches, Mapping):
        yield from ([word(leaf)] for leaf in branches)
        return
    for name, below in branches.items():
        yield from ([*path, str(name)] for path in climbed(below))


def area(item: str, places: pd.DataFrame, *, columns: Sequence[str]) -> Hierarchy:
    """
    The ladder of places in a table such as municipal code → district → city → prefecture, then '*'.

    `columns` go from the item's own codes to the coarsest. The table may list a place once for each of its
    parts. Raises Unusable for a column that is missing or a place that lies in two.
    """
    missing = [name for name in columns if name not in places.columns]
    if missing or not columns:
        raise faulty(
            item,
            ja=f"に使う列が場所の表にありません（{'、'.join(missing)}）",
            en=f"asks for columns that the table of places lacks ({', '.join(missing)})",
        )
    rows = places[list(columns)].drop_duplicates()
    return from_rows(item, [[*map(word, row), TOP] for row in rows.itertuples(index=False)])


def order(item: str, values: Sequence[Any], *, fan_out: Sequence[int]) -> Hierarchy:
    """
    Values in their order, grouped by `fan_out`: (3, 2) joins three neighbours, then two of these groups.

    A group is named by its first and last value, and the last group of a level may be smaller. Raises
    Usage for a fan-out below 2, Unusable for a value that stands twice.
    """
    if not fan_out or min(fan_out) < 2:
        raise Usage(
            ja=f"項目「{item}」の束ねる数は 2 以上で指定してください。",
            en=f"The fan-out of '{item}' is 2 or more.",
        )
    words = [word(value) for value in values]
    sizes = [size for size in itertools.accumulate(fan_out, lambda a, b: a * b) if size < len(words)]
    return from_rows(
        item,
        [[raw, *(group(words, place, size=size) for size in sizes), TOP] for place, raw in enumerate(words)],
    )


def group(words: Sequence[str], place: int, *, size: int) -> str:
    first = place // size * size
    held = words[first : first + size]
    return held[0] if len(held) == 1 else f"{held[0]} … {held[-1]}"


def redaction(
    item: str,
    values: Sequence[Any],
    *,
    side: str = "right",
    mask: str = "*",
    levels: Sequence[int] | None = None,
) -> Hierarchy:
    """
    Codes with their characters masked one by one from the `side`, until nothing is left.

    `levels` says how many characters are masked on each level (1, 2, … unless given). A shorter code is
    taken to be as long as the longest, its end masked first, so that no length shows once a character is
    masked. Raises Usage for another side, mask or levels that do not rise.
    """
    words = [word(value) for value in values]
    longest = max(map(len, words), default=0)
    masked = list(range(1, longest) if levels is None else levels)
    if side not in SIDES or len(mask) != 1 or any(a >= b for a, b in itertools.pairwise([0, *masked])):
        raise Usage(
            ja=f"項目「{item}」の伏せ字は、右（right）か左（left）から、一文字の記号で、段ごとに多くしてください。",
            en=f"'{item}' is masked from the right or the left, with one character, more on each level.",
        )
    return from_rows(
        item,
        [[raw, *(SIDES[side](raw, longest, many, mask) for many in masked), TOP] for raw in words],
    )


def from_right(raw: str, longest: int, many: int, mask: str) -> str:
    return raw.ljust(longest, mask)[: longest - many] + mask * many


def from_left(raw: str, longest: int, many: int, mask: str) -> str:
    return mask * many + raw.rjust(longest, mask)[many:]


SIDES = {"right": from_right, "left": from_left}
