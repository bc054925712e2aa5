"""
The item register (データ項目台帳): every column that may enter, with its holder, its role and its reason.

A column that does not stand here is refused at the door. A register is one document with one digest; it
is written in YAML or JSON (register.schema.json) and read without running anything.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from workbench.artifact.canonical import canonical, sha256
from workbench.data.constraints import constraints_of
from workbench.data.item import Item, ItemRole, Kind
from workbench.data.register_document import check, read_document
from workbench.errors import NotFound, Unusable

__all__ = ["Item", "ItemRole", "Kind", "Register", "Table"]

SCHEMA = "workbench-register/1"
# What a table says of these holds for each of its items that does not say it itself. Each is needed: the
# guideline wants every item's holder, origin, purpose and reason (2.2, 3.1).
INHERITED = ("holder", "source_process", "original_purpose", "justification")


@dataclass(frozen=True)
class Table:
    """One table of a holder, or one derived from several. `constraints` say what its rows can never be."""

    name: str
    label: Mapping[str, str]
    items: tuple[Item, ...]
    constraints: tuple[Mapping[str, Any], ...] = ()

    def __getitem__(self, name: str) -> Item:
        return self.by_name[name]

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    @cached_property
    def by_name(self) -> dict[str, Item]:
        return {item.name: item for item in self.items}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.by_name)

    def of_role(self, *roles: ItemRole) -> tuple[str, ...]:
        """The names of the items with one of `roles`, in the register's order."""
        return tuple(item.name for item in self.items if item.role in roles)

    def to_json(self) -> dict[str, Any]:
        told = {"label": dict(self.label), "items": [item.to_json() for item in self.items]}
        return {**told, "constraints": list(self.constraints)} if self.constraints else told


@dataclass(frozen=True)
class Register:
    """The tables of one register. `digest` names its content, whatever the file's layout was."""

    tables: Mapping[str, Table]

    @classmethod
    def load(cls, path: Path) -> "Register":
        """Read a YAML or JSON file. Raises NotFound, Unusable naming the entry, Refused."""
        return cls.from_json(read_document(path))

    @classmethod
    def from_json(cls, document: Any) -> "Register":
        """Build from a document of the schema. Raises Unusable naming the entry that is wrong."""
        check(document)
        return cls({name: build_table(name, entry) for name, entry in document["tables"].items()})

    def __getitem__(self, table: str) -> Table:
        try:
            return self.tables[table]
        except KeyError:
            known = ", ".join(self.tables)
            raise NotFound(
                ja=f"その表はデータ項目台帳にありません。台帳にある表: {known}",
                en=f"The item register has no such table; it has: {known}.",
            ) from None

    def __contains__(self, table: str) -> bool:
        return table in self.tables

    def __iter__(self) -> Iterator[Table]:
        return iter(self.tables.values())

    @cached_property
    def digest(self) -> str:
        return sha256(canonical(self.to_json()))

    @property
    def size(self) -> int:
        """How many items the register has."""
        return sum(map(len, self))

    def to_json(self) -> dict[str, Any]:
        return {"schema": SCHEMA, "tables": {table.name: table.to_json() for table in self}}


def build_table(name: str, entry: Mapping[str, Any]) -> Table:
    items = tuple(build_item(name, {**inherited(entry), **item}) for item in entry["items"])
    twice = [item for item, count in Counter(item.name for item in items).items() if count > 1]
    if twice:
        raise Unusable(
            ja=f"データ項目台帳の表 {name} に同じ項目が二度あります: {', '.join(twice)}",
            en=f"Table '{name}' of the item register has an item twice: {', '.join(twice)}.",
        )
    constraints = tuple(entry.get("constraints", ()))
    expect_known(name, constraints, items={item.name for item in items})
    return Table(name=name, label=entry["label"], items=items, constraints=constraints)


def expect_known(table: str, constraints: Iterable[Mapping[str, Any]], *, items: set[str]) -> None:
    """Raise Unusable for a constraint on an item that the table has not."""
    strange = sorted({item for one in constraints_of(list(constraints)) for item in one.items} - items)
    if strange:
        raise Unusable(
            ja=f"データ項目台帳の表 {table} の制約に、表にない項目があります: {', '.join(strange)}",
            en=f"Constraints of table '{table}' name items it has not: {', '.join(strange)}.",
        )


def inherited(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {field: entry[field] for field in INHERITED if field in entry}


def build_item(table: str, entry: Mapping[str, Any]) -> Item:
    lacking = [field for field in INHERITED if field not in entry]
    if lacking:
        raise Unusable(
            ja=f"データ項目台帳の {table}.{entry['name']} に {', '.join(lacking)} がありません。項目か表に書いてください。",
            en=f"{table}.{entry['name']} of the item register lacks {', '.join(lacking)}; write it at the item or the table.",
        )
    fields = dict(entry)
    fields["role"], fields["kind"] = ItemRole(entry["role"]), Kind(entry["kind"])
    fields["harmful_values"] = tuple(entry.get("harmful_values", ()))
    if isinstance(entry.get("values"), list):
        fields["values"] = {code: {"ja": code, "en": code} for code in entry["values"]}
    return Item(**fields)
