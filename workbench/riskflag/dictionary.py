"""What an admitted table's items mean: the dictionary that comes with the dataset, as a notebook needs it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from workbench.errors import Refused

NOT_RECORDED = {"ja": "記録なし", "en": "not recorded"}
IDENTIFIER = "direct_identifier"
NUMERIC = ("integer", "number")


@dataclass(frozen=True)
class Entry:
    """
    One item: its words, its kind, the values it can take, the office it comes from.

    `after_index` marks what happens only after the index date.
    """

    name: str
    label: Mapping[str, str]
    kind: str
    role: str
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    minimum: float | None = None
    maximum: float | None = None
    unit: str | None = None
    holder: str = ""
    after_index: bool = False

    def value_label(self, value: str, *, language: str) -> str:
        """The words for a value; the value itself where the dictionary has none."""
        words = {**YES_NO, **self.values} if self.kind == "flag" else self.values
        return words[value][language] if value in words else value


YES_NO = {"yes": {"ja": "あり", "en": "yes"}, "no": {"ja": "なし", "en": "no"}}


@dataclass(frozen=True)
class Dictionary:
    """The items of a dataset by name. `targets` are dated after the index date and predict nothing."""

    entries: Mapping[str, Entry]
    targets: tuple[str, ...] = ()

    @classmethod
    def of(cls, data: Mapping[str, Any], *, targets: tuple[str, ...] = ()) -> "Dictionary":
        """From a dictionary.json: its `items` are a list with names, or a mapping from names."""
        items = data["items"]
        listed = (
            [{**entry, "name": name} for name, entry in items.items()]
            if isinstance(items, Mapping)
            else items
        )
        entries = {entry["name"]: entry_of(entry) for entry in listed}
        return cls(entries=entries, targets=tuple(data.get("targets", ())) or targets)

    def __getitem__(self, name: str) -> Entry:
        if name not in self.entries:
            raise Refused(
                ja=f"項目「{name}」はこのデータセットの項目表にありません。dataset.dictionary で項目名を確かめてください。",
                en=f"The item '{name}' is not in this dataset's dictionary; see dataset.dictionary for the names.",
            )
        return self.entries[name]

    def __contains__(self, name: str) -> bool:
        return name in self.entries


def entry_of(data: Mapping[str, Any]) -> Entry:
    def number(name: str) -> float | None:
        bound = data.get(name)
        return float(bound) if isinstance(bound, int | float) else None

    values = data.get("values") or {}
    if not isinstance(values, Mapping):
        values = {str(value): {"ja": str(value), "en": str(value)} for value in values}
    return Entry(
        name=data["name"],
        label=data.get("label") or {"ja": data["name"], "en": data["name"]},
        kind=data["kind"],
        role=data["role"],
        values=values,
        minimum=number("minimum"),
        maximum=number("maximum"),
        unit=data.get("unit"),
        holder=str(data.get("holder", "")),
        after_index=data.get("after_index") is True,
    )
