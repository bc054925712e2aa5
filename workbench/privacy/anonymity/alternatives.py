"""
Three recipes to choose from: what a table loses against how many of its rows it deletes.

Each point is an optimum, found for one limit on suppression; the points on the curve are those that no other
beats in both. Three of them are offered: the one that deletes nobody, or as few as can be; the one that loses
least; and between them the one where the curve bends most. Values only: drawing is the caller's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from workbench.privacy.anonymity.lattice import OVERALL, Limits
from workbench.privacy.anonymity.search import Anonymised, NoneSatisfies, Suppressed, anonymise

# Shares of rows that may go: what an office would consider, and two ends to see the curve.
SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)


@dataclass(frozen=True)
class Point:
    """One optimum: the limit on suppression it was found for, what it loses and deletes, and its levels."""

    limit: float
    loss: float
    suppressed: Mapping[str, Suppressed]
    classes: int
    levels: Mapping[str, int]
    bound: float

    @property
    def deleted(self) -> float:
        """The share of rows that are suppressed."""
        return self.suppressed[OVERALL].share


@dataclass(frozen=True)
class Alternatives:
    """The curve, from the point that deletes least; and up to three of its points, offered in that order."""

    curve: tuple[Point, ...]
    offered: tuple[Point, ...]


def alternatives(
    *args: Any, limits: Limits, shares: Sequence[float] = SHARES, **asked: Any
) -> Alternatives | NoneSatisfies:
    """
    The recipes for what `anonymise` is asked, with each of `shares` as limit on suppression up to that of `limits`.

    Limits on subgroups hold at every point. NoneSatisfies, of the largest share, where there is no point at
    all. Raises what `anonymise` raises.
    """
    allowed = sorted({share for share in shares if share < limits.overall} | {limits.overall})
    found = [anonymise(*args, limits=replace(limits, overall=share), **asked) for share in allowed]
    points = [
        point(one, limit) for one, limit in zip(found, allowed, strict=True) if isinstance(one, Anonymised)
    ]
    if not points:
        last = found[-1]
        if isinstance(last, Anonymised):
            raise RuntimeError("an optimum is a point")
        return last
    curve = unbeaten(points)
    return Alternatives(curve=curve, offered=three(curve))


def point(found: Anonymised, limit: float) -> Point:
    return Point(
        limit=limit,
        loss=found.loss,
        suppressed=found.suppressed,
        classes=len(found.classes),
        levels=found.levels,
        bound=found.bound,
    )


def unbeaten(points: Sequence[Point]) -> tuple[Point, ...]:
    """The points that no other beats both in what they delete and in what they lose, by what they delete."""
    curve: list[Point] = []
    for one in sorted(points, key=lambda p: (p.deleted, p.loss, p.limit)):
        if not curve or one.loss < curve[-1].loss:
            curve.append(one)
    return tuple(curve)


def three(curve: Sequence[Point]) -> tuple[Point, ...]:
    """Both ends of the curve and the point farthest from the line between them; all, where there are no more."""
    if len(curve) <= 3:
        return tuple(curve)
    first, last = curve[0], curve[-1]
    bend = max(curve[1:-1], key=distance_from(first, last))
    return first, bend, last


def distance_from(first: Point, last: Point) -> Callable[[Point], float]:
    """How far below the line between two points a third is, each scale running from one to the other."""
    width, height = last.deleted - first.deleted, first.loss - last.loss

    def below(point: Point) -> float:
        return (first.loss - point.loss) / height - (point.deleted - first.deleted) / width

    return below
