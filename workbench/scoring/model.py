"""
The model: a closed, data-only, integer table (`riskflag-ir/1`), and reading it from a stranger's file.

The compiled model is the model: evaluation runs on it, not on the estimator it came from. A score is the
base plus integers: one for each feature, pair of features, rule that holds and tree. It ranks; it is not a
probability. Nothing here loops, allocates or calls on the file's word: sizes are bounded before anything
is built.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import resources
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import jsonschema

from workbench.errors import Unusable
from workbench.scoring import forms_json, plain_json
from workbench.scoring.forms import LIMITS, Calibration, Malformed, Pair, Routing, Rule, Tree

SCHEMA = "riskflag-ir/1"
MAX_BYTES = 4_000_000
REJECT = "reject"


@dataclass(frozen=True)
class Feature:
    """One item's points. A number has edges; a category has levels; `points` follows either in order."""

    name: str
    points: tuple[int, ...]
    missing: int
    levels: tuple[str, ...] | None = None
    edges: tuple[float, ...] | None = None
    unseen: int | None = None  # None rejects the row

    @property
    def places(self) -> tuple[str, ...]:
        """The names of the points, in order: the levels, or the numbers of the intervals."""
        return (
            self.levels if self.levels is not None else tuple(str(place) for place in range(len(self.points)))
        )


@dataclass(frozen=True)
class Capacity:
    """How many can be visited: so many of ten thousand children, or so many children."""

    per_10000: int | None = None
    children: int | None = None

    def of(self, count: int) -> int:
        """The places there are for `count` children; a part of a place is no place."""
        if self.children is not None:
            return min(self.children, count)
        return count * (self.per_10000 or 0) // 10_000


@dataclass(frozen=True)
class Threshold:
    """The lowest score of a candidate, the places there are, and what happens to equal scores at the end."""

    score: int
    capacity: Capacity
    tie_rule: str  # "leave_out": equal scores that do not all fit stay out; "take_in": they all come in


@dataclass(frozen=True)
class Model:
    """
    Points for features, and beside them pairs, rules and trees on the places of the same features.

    `eligible` and `excluded` map items to the recoded levels that decide. Of the rules every one that holds
    counts, or with `first_rule_only` the first. `calibration` says what a score stands for where the score
    itself is not in milli-logits, or was calibrated; it changes no ranking.
    """

    name: str
    target: str
    unit: str
    base: int
    features: tuple[Feature, ...]
    threshold: Threshold
    eligible: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    excluded: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    pairs: tuple[Pair, ...] = ()
    rules: tuple[Rule, ...] = ()
    first_rule_only: bool = False
    trees: tuple[Tree, ...] = ()
    calibration: Calibration | None = None

    @property
    def items(self) -> tuple[str, ...]:
        """Every item the model reads, features first."""
        names = [feature.name for feature in self.features]
        return tuple(dict.fromkeys([*names, *self.eligible, *self.excluded]))

    @property
    def terms(self) -> tuple[str, ...]:
        """What contributes to a score: the features, then the rules."""
        rules = (f"rule:{number}" for number in range(1, len(self.rules) + 1))
        return (*(feature.name for feature in self.features), *rules)

    @property
    def form(self) -> str:
        """What it mainly is: `trees`, `rules` or `additive`."""
        return "trees" if self.trees else "rules" if self.rules else "additive"

    @property
    def by_place(self) -> bool:
        """Whether anything speaks of the places of levels, so that their order matters."""
        return bool(self.pairs or self.rules or self.trees)

    @cached_property
    def routings(self) -> tuple[Routing, ...]:
        """The trees, made ready for many rows."""
        places = [len(feature.points) for feature in self.features]
        return tuple(Routing.of(tree, places) for tree in self.trees)

    def to_json(self) -> dict[str, Any]:
        """The plain data of the model file. Forms the model does not have are not in it."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "target": self.target,
            "unit": self.unit,
            "scale": "milli-logit",
            "base": self.base,
            "features": [feature_to_json(feature, ordered=self.by_place) for feature in self.features],
            "threshold": threshold_to_json(self.threshold),
            "eligible": {item: list(levels) for item, levels in self.eligible.items()},
            "excluded": {item: list(levels) for item, levels in self.excluded.items()},
            **forms_to_json(self),
        }


def read(content: bytes) -> Model:
    """The model in `content`. Raises Unusable for anything but a closed model of bounded size."""
    return build(plain_json.read(content, name="model.json", max_bytes=MAX_BYTES))


def build(data: Any) -> Model:
    """The model that plain `data` describes, checked first."""
    for problem in jsonschema.Draft202012Validator(outline()).iter_errors(data):
        raise malformed(".".join(str(step) for step in list(problem.absolute_path)[:2]) or "model")
    ordered = bool({"pairs", "rules", "trees"} & set(data))
    features = tuple(build_feature(entry, ordered=ordered) for entry in data["features"])
    if len({feature.name for feature in features}) != len(features):
        raise malformed("features")
    threshold = data["threshold"]
    return Model(
        name=data["name"],
        target=data["target"],
        unit=data["unit"],
        base=whole(data["base"], place="base"),
        features=features,
        threshold=Threshold(
            score=whole(threshold["score"], place="threshold"),
            capacity=Capacity(**threshold["capacity"]),
            tie_rule=threshold["tie_rule"],
        ),
        eligible=conditions(data["eligible"]),
        excluded=conditions(data["excluded"]),
        **build_forms(data, features),
    )


def forms_to_json(model: Model) -> dict[str, Any]:
    names = [feature.name for feature in model.features]
    forms: dict[str, Any] = {
        "pairs": [forms_json.pair_to_json(pair, names) for pair in model.pairs],
        "trees": [forms_json.tree_to_json(tree) for tree in model.trees],
    }
    if model.rules:
        rules = [forms_json.rule_to_json(rule, names) for rule in model.rules]
        forms["rules"] = {"apply": "first" if model.first_rule_only else "every", "list": rules}
    if model.calibration is not None:
        forms["calibration"] = forms_json.calibration_to_json(model.calibration)
    return {name: form for name, form in forms.items() if form}


def build_forms(data: Mapping[str, Any], features: tuple[Feature, ...]) -> dict[str, Any]:
    """What a model has beside its features. Raises Unusable for what does not fit them."""
    names = [feature.name for feature in features]
    places = [len(feature.points) for feature in features]
    rules = data.get("rules", {"apply": "every", "list": []})
    try:
        check_sums(data)
        trees = tuple(forms_json.build_tree(each, places) for each in data.get("trees", ()))
        forms_json.expect(sum(tree.words(places) for tree in trees) <= LIMITS["words"], "trees")
        return {
            "pairs": tuple(forms_json.build_pair(each, names, places) for each in data.get("pairs", ())),
            "rules": tuple(forms_json.build_rule(each, names, places) for each in rules["list"]),
            "first_rule_only": rules["apply"] == "first",
            "trees": trees,
            "calibration": forms_json.build_calibration(data["calibration"])
            if "calibration" in data
            else None,
        }
    except Malformed as place:
        raise malformed(str(place)) from None


def check_sums(data: Mapping[str, Any]) -> None:
    """Raise Malformed where single forms are small enough and all of them together are not."""
    nodes = sum(len(tree["points"]) for tree in data.get("trees", ()))
    cells = sum(len(pair["points"]) * max(map(width, pair["points"])) for pair in data.get("pairs", ()))
    forms_json.expect(nodes <= LIMITS["nodes"], "trees")
    forms_json.expect(cells <= LIMITS["cells_of_pairs"], "pairs")


def width(row: Any) -> int:
    return len(row) if isinstance(row, list) else 0


def build_feature(entry: Mapping[str, Any], *, ordered: bool) -> Feature:
    """A feature; where places matter (`ordered`) the file must say in which order its levels stand."""
    name, missing = entry["name"], whole(entry["missing"], place=entry["name"])
    if entry["type"] == "category":
        unseen = None if entry["unseen"] == REJECT else whole(entry["unseen"], place=name)
        levels = levels_of(entry, ordered=ordered)
        points = tuple(whole(entry["points"][level], place=name) for level in levels)
        return Feature(name=name, points=points, missing=missing, levels=levels, unseen=unseen)
    edges = tuple(float(edge) for edge in entry["edges"])
    points = tuple(whole(value, place=name) for value in entry["points"])
    if len(points) != len(edges) + 1 or any(a >= b for a, b in pairwise(edges)):
        raise malformed(name)
    return Feature(name=name, points=points, missing=missing, edges=edges)


def levels_of(entry: Mapping[str, Any], *, ordered: bool) -> tuple[str, ...]:
    """The levels in their order. The keys of an object have none: canonical JSON sorts them."""
    if ordered != ("levels" in entry):
        raise malformed(entry["name"])
    levels = tuple(entry.get("levels", entry["points"]))
    if len(levels) != len(entry["points"]) or set(levels) != set(entry["points"]):
        raise malformed(entry["name"])
    return levels


def whole(value: Any, *, place: str) -> int:
    """`value`, an integer in the file and not 1.0: JSON Schema takes both for one."""
    if type(value) is not int:
        raise malformed(place)
    return value


def conditions(data: Mapping[str, list[str]]) -> Mapping[str, tuple[str, ...]]:
    return MappingProxyType({item: tuple(levels) for item, levels in data.items()})


def feature_to_json(feature: Feature, *, ordered: bool) -> dict[str, Any]:
    if feature.levels is not None:
        return {
            **({"levels": list(feature.levels)} if ordered else {}),
            "name": feature.name,
            "type": "category",
            "points": dict(zip(feature.levels, feature.points, strict=True)),
            "missing": feature.missing,
            "unseen": REJECT if feature.unseen is None else feature.unseen,
        }
    return {
        "name": feature.name,
        "type": "number",
        "edges": list(feature.edges or ()),
        "points": list(feature.points),
        "missing": feature.missing,
    }


def threshold_to_json(threshold: Threshold) -> dict[str, Any]:
    capacity = threshold.capacity
    places = (
        {"per_10000": capacity.per_10000} if capacity.children is None else {"children": capacity.children}
    )
    return {"score": threshold.score, "capacity": places, "tie_rule": threshold.tie_rule}


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of the model file, as shipped."""
    content = resources.files(__package__).joinpath("schemas/model.schema.json").read_bytes()
    return dict(plain_json.read(content, name="model.schema.json"))


@cache
def outline() -> dict[str, Any]:
    """The schema without the rule for each single number of the long lists, which `forms_json` checks."""
    shape = copy.deepcopy(schema())
    long = [shape["$defs"][form]["properties"] for form in ("tree", "calibration")]
    for entries in (*long[0].values(), *long[1].values(), shape["$defs"]["pair"]["properties"]["points"]):
        del entries["items"]
    return shape


def malformed(place: str) -> Unusable:
    return Unusable(
        ja=f"model.json は「{place}」が riskflag-ir/1 の形ではありません。作成元から受け取り直してください。",
        en=f"model.json does not follow riskflag-ir/1 at '{place}'; obtain it again from where it was made.",
    )
