"""
Pairs, rules, trees and calibration as plain data, and back, checked.

The schema says which keys there are and how many entries at most. What it cannot say is checked here, and
so is every number: a checker of schemas takes seconds for a forest, and takes 1.0 for a whole number.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from workbench.scoring.forms import LIMITS, Calibration, Condition, Malformed, Pair, Rule, Tree

LARGEST_POINTS = 10_000_000
LARGEST_SCORE = 40_000_000_000
MISSING_PLACE, UNSEEN_PLACE = -1, -2

# Where a form names an item, it is its place among the model's features; `places` has as many entries.
Names = Sequence[str]
Places = Sequence[int]
Data = Mapping[str, Any]


def pair_to_json(pair: Pair, names: Names) -> dict[str, Any]:
    return {
        "items": [names[pair.first], names[pair.second]],
        "points": [list(row) for row in pair.points],
    }


def build_pair(data: Data, names: Names, places: Places) -> Pair:
    first, second = (index_of(name, names, "pairs") for name in data["items"])
    rows = tuple(wholes(row, "pairs", most=LARGEST_POINTS) for row in lists(data["points"], "pairs"))
    expect(first != second, "pairs")
    expect(len(rows) == places[first] + 2 and {len(row) for row in rows} == {places[second] + 2}, "pairs")
    return Pair(first, second, rows)


def rule_to_json(rule: Rule, names: Names) -> dict[str, Any]:
    return {
        "if": [{"item": names[each.item], "places": list(each.places)} for each in rule.conditions],
        "points": rule.points,
        "words": dict(rule.words),
    }


def build_rule(data: Data, names: Names, places: Places) -> Rule:
    conditions = []
    for each in data["if"]:
        item = index_of(each["item"], names, "rules")
        conditions.append(Condition(item, some_places(each["places"], places[item], "rules")))
    (points,) = wholes([data["points"]], "rules", most=LARGEST_POINTS)
    return Rule(tuple(conditions), points, {language: data["words"][language] for language in ("ja", "en")})


TREE = {
    "item": "items",
    "left_of": "left_of",
    "missing_left": "missing_left",
    "left": "left",
    "right": "right",
    "points": "points",
}


def tree_to_json(tree: Tree) -> dict[str, Any]:
    plain = {key: list(getattr(tree, field)) for key, field in TREE.items()}
    plain["left_of"] = [one if isinstance(one, int) else list(one) for one in tree.left_of]
    return plain


def build_tree(data: Data, places: Places) -> Tree:
    size = len(data["points"])
    expect(all(len(data[key]) == size for key in TREE) and size >= 3, "trees")
    expect(set(map(type, data["missing_left"])) == {bool}, "trees")
    tree = Tree(
        items=wholes(data["item"], "trees", least=-1, most=len(places) - 1),
        left_of=tuple(
            one if type(one) is int else tuple(lists([one], "trees")[0]) for one in data["left_of"]
        ),
        missing_left=tuple(data["missing_left"]),
        left=wholes(data["left"], "trees", least=0, most=size - 1),
        right=wholes(data["right"], "trees", least=0, most=size - 1),
        points=wholes(data["points"], "trees", most=LARGEST_POINTS),
    )
    check_shape(tree)
    for node, item in enumerate(tree.items):
        check_node(tree, node, 0 if item < 0 else places[item])
    return tree


def check_shape(tree: Tree) -> None:
    """Raise Malformed unless each node but the root hangs on exactly one node before it, and none too deep."""
    depths = [0] * len(tree.items)
    hanging = []
    for node, item in enumerate(tree.items):
        if item >= 0:
            for child in (tree.left[node], tree.right[node]):
                expect(child > node, "trees")
                hanging.append(child)
                depths[child] = depths[node] + 1
    expect(sorted(hanging) == list(range(1, len(tree.items))), "trees")
    expect(max(depths) <= LIMITS["depth"] and tree.points[0] == 0, "trees")


def check_node(tree: Tree, node: int, places: int) -> None:
    """Raise Malformed unless a leaf asks nothing and another node asks for places there are."""
    asked = tree.left_of[node]
    if tree.items[node] < 0:
        rest = (asked, tree.missing_left[node], tree.left[node], tree.right[node])
        expect(rest == (0, False, 0, 0), "trees")
    elif isinstance(asked, int):
        expect(0 <= asked <= places, "trees")
    else:
        some_places(asked, places, "trees")
        expect(not tree.missing_left[node], "trees")


def calibration_to_json(calibration: Calibration) -> dict[str, Any]:
    return {"scores": list(calibration.scores), "values": list(calibration.values)}


def build_calibration(data: Data) -> Calibration:
    scores = wholes(data["scores"], "calibration", most=LARGEST_SCORE)
    values = wholes(data["values"], "calibration", most=LARGEST_POINTS)
    expect(len(values) == len(scores) + 1, "calibration")
    expect(all(a < b for a, b in pairwise(scores)), "calibration")
    expect(all(a <= b for a, b in pairwise(values)), "calibration")
    return Calibration(scores, values)


def expect(holds: bool, place: str) -> None:
    if not holds:
        raise Malformed(place)


def index_of(name: str, names: Names, place: str) -> int:
    expect(name in names, place)
    return names.index(name)


def wholes(values: Any, place: str, *, most: int, least: int | None = None) -> tuple[int, ...]:
    """`values`, all of them integers in the file, not 1.0 and not true, and within the bounds."""
    expect(isinstance(values, list | tuple) and set(map(type, values)) <= {int}, place)
    least = -most if least is None else least
    expect(not values or (min(values) >= least and max(values) <= most), place)
    return tuple(values)


def lists(values: Any, place: str) -> list[list[Any]]:
    expect(isinstance(values, list) and all(isinstance(each, list) for each in values), place)
    return list(values)


def some_places(values: Any, places: int, place: str) -> tuple[int, ...]:
    """At least one place of an item, rising, among those it has."""
    found = wholes(values, place, least=UNSEEN_PLACE, most=places - 1) if places else ()
    expect(bool(found) and all(a < b for a, b in pairwise(found)), place)
    return found
