"""
The model: a closed, data-only, integer table (`riskflag-ir/1`), and reading it from a stranger's file.

The compiled model is the model: evaluation runs on it, not on the estimator it came from. A score is the
base plus one integer for each feature, in milli-logits; it is not a probability. Nothing here loops,
allocates or calls on the file's word: sizes are bounded before anything is built.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import jsonschema

from workbench.errors import Unusable
from workbench.scoring import plain_json

SCHEMA = "riskflag-ir/1"
MAX_BYTES = 4_000_000
REJECT = "reject"

# Parts of the format that a later engine will read; naming them keeps "unknown" and "not yet" apart.
LATER = {
    "pairs": ("二次元の表", "two-way tables"),
    "rules": ("規則", "rules"),
    "trees": ("決定木", "trees"),
    "calibration": ("校正表", "calibration tables"),
}


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
    """An additive model. `eligible` and `excluded` map items to the recoded levels that decide."""

    name: str
    target: str
    unit: str
    base: int
    features: tuple[Feature, ...]
    threshold: Threshold
    eligible: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    excluded: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def items(self) -> tuple[str, ...]:
        """Every item the model reads, features first."""
        names = [feature.name for feature in self.features]
        return tuple(dict.fromkeys([*names, *self.eligible, *self.excluded]))

    def to_json(self) -> dict[str, Any]:
        """The plain data of the model file."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "target": self.target,
            "unit": self.unit,
            "scale": "milli-logit",
            "base": self.base,
            "features": [feature_to_json(feature) for feature in self.features],
            "threshold": threshold_to_json(self.threshold),
            "eligible": {item: list(levels) for item, levels in self.eligible.items()},
            "excluded": {item: list(levels) for item, levels in self.excluded.items()},
        }


def read(content: bytes) -> Model:
    """The model in `content`. Raises Unusable for anything but a closed additive model of bounded size."""
    return build(plain_json.read(content, name="model.json", max_bytes=MAX_BYTES))


def build(data: Any) -> Model:
    """The model that plain `data` describes, checked first."""
    refuse_later(data)
    for problem in jsonschema.Draft202012Validator(schema()).iter_errors(data):
        raise malformed(".".join(str(step) for step in list(problem.absolute_path)[:2]) or "model")
    features = tuple(build_feature(entry) for entry in data["features"])
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
    )


def build_feature(entry: Mapping[str, Any]) -> Feature:
    name, missing = entry["name"], whole(entry["missing"], place=entry["name"])
    if entry["type"] == "category":
        unseen = None if entry["unseen"] == REJECT else whole(entry["unseen"], place=name)
        points = tuple(whole(value, place=name) for value in entry["points"].values())
        return Feature(
            name=name, points=points, missing=missing, levels=tuple(entry["points"]), unseen=unseen
        )
    edges = tuple(float(edge) for edge in entry["edges"])
    points = tuple(whole(value, place=name) for value in entry["points"])
    if len(points) != len(edges) + 1 or any(a >= b for a, b in pairwise(edges)):
        raise malformed(name)
    return Feature(name=name, points=points, missing=missing, edges=edges)


def whole(value: Any, *, place: str) -> int:
    """`value`, an integer in the file and not 1.0: JSON Schema takes both for one."""
    if type(value) is not int:
        raise malformed(place)
    return value


def conditions(data: Mapping[str, list[str]]) -> Mapping[str, tuple[str, ...]]:
    return MappingProxyType({item: tuple(levels) for item, levels in data.items()})


def feature_to_json(feature: Feature) -> dict[str, Any]:
    if feature.levels is not None:
        return {
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


def refuse_later(data: Any) -> None:
    """Raise for a part this engine does not read, naming it, before the schema calls it malformed."""
    for key, (ja, en) in LATER.items():
        if isinstance(data, dict) and key in data:
            raise Unusable(
                ja=f"この判定モデルは{ja}（{key}）を含み、このスコアリングは加法モデルだけを読みます。対応する版を使ってください。",
                en=f"This model holds {en} ('{key}') and this engine reads additive models only; use a version that does.",
            )


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of the model file, as shipped."""
    content = resources.files(__package__).joinpath("schemas/model.schema.json").read_bytes()
    return dict(plain_json.read(content, name="model.schema.json"))


def malformed(place: str) -> Unusable:
    return Unusable(
        ja=f"model.json は「{place}」が riskflag-ir/1 の形ではありません。作成元から受け取り直してください。",
        en=f"model.json does not follow riskflag-ir/1 at '{place}'; obtain it again from where it was made.",
    )
