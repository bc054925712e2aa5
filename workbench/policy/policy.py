"""
A policy: named thresholds, each with its unit, its bounds and its source.

Profiles come with the workbench; a municipality's override file changes values within their bounds and
names a source for each change. What was overridden is part of the policy, and of its digest.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

import rfc8785

from workbench.errors import NotFound, Unusable
from workbench.policy.reading import read_text, read_yaml

Value = bool | int | float
FOLDER = Path(__file__).parent
PROFILES = ("standard", "strict")
SCHEMA = "workbench-policy/1"
OVERRIDE_SCHEMA = "workbench-policy-override/1"
LANGUAGES = {"ja", "en"}


@dataclass(frozen=True)
class Threshold:
    """
    One number of the policy, where it comes from, and whether this municipality changed it.

    `stricter` says which way protects more. `weakened`: the change protects less than the profile does.
    """

    id: str
    value: Value
    unit: str
    stricter: Literal["higher", "lower"]
    minimum: Value
    maximum: Value
    label: Mapping[str, str]
    source: Mapping[str, str]
    overridden: bool = False
    weakened: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "value": self.value,
            "unit": self.unit,
            "label": dict(self.label),
            "source": dict(self.source),
            "stricter": self.stricter,
            "overridden": self.overridden,
            "weakened": self.weakened,
        }


@dataclass(frozen=True)
class Policy:
    """The thresholds in force under one profile."""

    profile: str
    thresholds: Mapping[str, Threshold]

    def __getitem__(self, name: str) -> Any:
        """The value of a threshold; an unknown name is a bug of the caller."""
        return self.thresholds[name].value

    @property
    def overrides(self) -> dict[str, Threshold]:
        """What differs from the profile, by name."""
        return {name: threshold for name, threshold in self.thresholds.items() if threshold.overridden}

    @property
    def weakened(self) -> list[str]:
        """The names of the thresholds that protect less than the profile does."""
        return [name for name, threshold in self.thresholds.items() if threshold.weakened]

    @cached_property
    def digest(self) -> str:
        """One digest over profile, values, sources and overrides."""
        return hashlib.sha256(rfc8785.dumps(self.to_json())).hexdigest()

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "profile": self.profile,
            "thresholds": {name: threshold.to_json() for name, threshold in self.thresholds.items()},
        }


def load(profile: str = "standard", override: Path | None = None) -> Policy:
    """
    The policy of a profile, with the changes of an override file.

    Raises Unusable, naming the threshold, for an unknown one, a wrong type, a value out of bounds or a
    change without a source.
    """
    if profile not in PROFILES:
        raise NotFound(
            ja=f"方針の種類は {'、'.join(PROFILES)} のいずれかです。",
            en=f"The policy profiles are {', '.join(PROFILES)}.",
        )
    policy = Policy(profile, dict(builtin(profile)))
    return parse_override(read_text(override), policy, name=override.name) if override else policy


@cache
def builtin(profile: str) -> dict[str, Threshold]:
    """The thresholds of a profile as shipped; read once."""
    written = read_yaml(read_text(FOLDER / f"{profile}.yaml"), name=profile)
    if "extends" not in written:
        return {name: threshold(name, fields) for name, fields in written["thresholds"].items()}
    base = builtin(written["extends"])
    return base | {name: replace(base[name], **fields) for name, fields in written["thresholds"].items()}


def threshold(name: str, fields: Mapping[str, Any]) -> Threshold:
    bounds = {"minimum": False, "maximum": True} if fields["unit"] == "flag" else {}
    return Threshold(id=name, **{**bounds, **fields})


def parse_override(text: str, policy: Policy, *, name: str) -> Policy:
    """`policy` with the changes written in `text`; the file `name` is for the error's sentence."""
    written = read_yaml(text, name=name)
    changes = written.get("thresholds")
    if written.get("schema") != OVERRIDE_SCHEMA or written.keys() != {"schema", "thresholds"}:
        raise wrong_shape(name)
    if not isinstance(changes, dict) or not changes:
        raise wrong_shape(name)
    changed = {key: overridden(policy, str(key), change) for key, change in changes.items()}
    return Policy(policy.profile, {**policy.thresholds, **changed})


def overridden(policy: Policy, name: str, change: Any) -> Threshold:
    """The threshold after one change, or Unusable with its name."""
    if name not in policy.thresholds:
        raise refused_change(name, ja="この名前の基準はありません", en="there is no such threshold")
    if not isinstance(change, dict) or change.keys() != {"value", "source"}:
        raise refused_change(name, ja="value と source を書いてください", en="give its value and its source")
    before = policy.thresholds[name]
    if not same_type(change["value"], before.value):
        raise refused_change(
            name, ja=f"値の型が違います（単位 {before.unit}）", en=f"its type is wrong (unit {before.unit})"
        )
    # Not a number lies between no bounds, so it is refused here too.
    if not before.minimum <= change["value"] <= before.maximum:
        raise refused_change(
            name,
            ja=f"値は {before.minimum} から {before.maximum} までです",
            en=f"it must lie between {before.minimum} and {before.maximum}",
        )
    value = type(before.value)(change["value"])
    return replace(
        before,
        value=value,
        source=source(name, change["source"]),
        overridden=True,
        weakened=value != before.value and (value < before.value) == (before.stricter == "higher"),
    )


def same_type(value: Any, before: Value) -> bool:
    """A flag is no number, and a number of people is whole."""
    if isinstance(before, bool) or isinstance(value, bool):
        return isinstance(before, bool) and isinstance(value, bool)
    if isinstance(before, int):
        return isinstance(value, int)
    return isinstance(value, int | float)


def source(name: str, written: Any) -> dict[str, str]:
    """Where a changed value comes from, in both languages; a single text serves for both."""
    texts = {"ja": written, "en": written} if isinstance(written, str) else written
    if not isinstance(texts, dict) or texts.keys() != LANGUAGES:
        raise no_source(name)
    if not all(isinstance(text, str) and text.strip() for text in texts.values()):
        raise no_source(name)
    if not all(is_unicode(text) for text in texts.values()):
        raise refused_change(
            name,
            ja="根拠（source）に文字として成り立たない符号があります",
            en="its source holds a code that is no character",
        )
    return texts


def is_unicode(text: str) -> bool:
    """Half of a surrogate pair can be written in YAML, but is no text: it can be neither stored nor shown."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def no_source(name: str) -> Unusable:
    return refused_change(
        name,
        ja="変更の根拠（source）を書いてください",
        en="say where the change comes from (source)",
    )


def refused_change(name: str, *, ja: str, en: str) -> Unusable:
    shown = name[:60].encode("utf-8", "replace").decode()
    return Unusable(
        ja=f"方針の変更 {shown}：{ja}。workbench policy show で基準の一覧を確かめてください。",
        en=f"Policy override {shown}: {en}; see 'workbench policy show' for the thresholds.",
    )


def wrong_shape(name: str) -> Unusable:
    return Unusable(
        ja=f"{name} は schema: {OVERRIDE_SCHEMA} と thresholds を持つファイルにしてください。",
        en=f"{name} must hold schema: {OVERRIDE_SCHEMA} and thresholds.",
    )
