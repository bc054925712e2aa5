"""Differentially private tables as the checks see them: the published cells, the ledger, the source."""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from workbench.data.register import Item, ItemRole, Kind
from workbench.errors import Unusable
from workbench.governance.charter import Project
from workbench.privacy.dp.ledger import Ledger, naive
from workbench.privacy.dp.questions import MICRO, Histogram, Number, Source
from workbench.release.requests import Request
from workbench.release.room import Room
from workbench.release.staged import DICTIONARY

TABLES = "tables.json"
QUESTIONS = "questions.json"
CHARGED = "charged.json"


def ledger_name(project: Project) -> str:
    """The name under which the budget of a project's source is kept, and asked for in a notebook."""
    return f"{project.source.replace('_', '-')}-raw"


def source_from(published: Mapping[str, Any], *, project: Project) -> Source:
    """What may be asked, from the published questions; the unit's column is the room's to know."""
    unit = project.household or project.person
    if unit is None:
        raise Unusable(
            ja="事業計画に世帯も人もないため、質問に答えられません。",
            en="The charter names neither household nor person, so no question can be answered.",
        )
    return Source(
        name=published["source"],
        items=published["items"],
        year=published["year"],
        household=unit,
        rows_per_household=published["rows_per_household"],
        year_item=project.time,
        numbers={name: Number(**bounds) for name, bounds in published.get("numbers", {}).items()},
        open=published.get("open", ()),
    )


def public_bounds(item: Item) -> dict[str, Any] | None:
    """The register's range of a number; None for an item without one, or with one too wide to count in."""
    if item.kind not in (Kind.INTEGER, Kind.NUMBER) or item.minimum is None or item.maximum is None:
        return None
    whole = item.kind is Kind.INTEGER
    bounds: dict[str, Any] = {"minimum": item.minimum, "maximum": item.maximum, "whole": whole}
    try:
        Number(**bounds)
    except Unusable:
        return None
    return bounds


def is_open(item: Item) -> bool:
    """Whether the item is a code without a public list, which identifies nobody by itself."""
    return item.kind is Kind.CODE and item.role is not ItemRole.DIRECT_IDENTIFIER


@dataclass(frozen=True)
class Tables:
    """A bundle of tables in its staging folder; `asked` and `past` as those of `Rows`."""

    bundle: Path
    evidence: Path
    room: Room
    asked: Request | None = None
    past: tuple[str, ...] | None = None

    @cached_property
    def listed(self) -> list[dict[str, Any]]:
        """Each table: file, items, millionths of epsilon, margin, cells."""
        return list(json.loads((self.bundle / TABLES).read_bytes())["tables"])

    @cached_property
    def source(self) -> Source:
        published = json.loads((self.bundle / QUESTIONS).read_bytes())
        return source_from(published, project=self.room.project)

    @cached_property
    def micro(self) -> int:
        """What all tables together cost."""
        return sum(int(table["epsilon_micro"]) for table in self.listed)

    @property
    def expected(self) -> set[str]:
        """The files that belong to such a release."""
        return {TABLES, QUESTIONS, DICTIONARY, *(str(table["file"]) for table in self.listed)}

    def question(self, table: Mapping[str, Any]) -> Histogram:
        by, item = ([None, *table["items"]])[-2:]
        return Histogram(item, epsilon=table["epsilon_micro"] / MICRO, by=by)

    def cells(self, table: Mapping[str, Any]) -> list[tuple[str, ...]]:
        """The public cells of a table."""
        return self.question(table).cells(self.source)

    def read(self, table: Mapping[str, Any]) -> tuple[list[str], list[tuple[str, ...]], list[int]]:
        """A published file: header, cells, counts. Raises Unusable for anything else."""
        text = (self.bundle / str(table["file"])).read_bytes().decode("utf-8-sig")
        header, *rows = list(csv.reader(io.StringIO(text))) or [[]]
        try:
            return header, [tuple(row[:-1]) for row in rows], [int(row[-1]) for row in rows]
        except (ValueError, IndexError):
            raise Unusable(
                ja="集計表のファイルが壊れています。作り直してください。",
                en="A file of the tables is damaged; prepare it again.",
            ) from None

    @cached_property
    def charged(self) -> int:
        """What the ledger says this release was charged, in millionths."""
        release = json.loads((self.evidence / CHARGED).read_bytes())["release"]
        return naive(Ledger(self.room.state).losses(self.source.name, analyst=f"release:{release}"))
