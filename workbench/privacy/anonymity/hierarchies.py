"""
Generalisation hierarchies: for each item, a ladder from its raw values to '*'.

A level is an item of the recoding (`riskflag-recode/1`), so what the search tries is what the release and
the scorer apply. Files: ARX's CSV form (`;`, one column a level, raw value first) for tables of values,
JSON for ladders of intervals. Levels must nest: two values alike on one level stay alike above it.
A missing value stays a category of its own until the level where everything is alike.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from workbench.errors import NotFound, Unusable, Usage
from workbench.privacy.anonymity.classes import Coded
from workbench.scoring import recode
from workbench.scoring.recode import MISSING, UNSEEN

LADDER = "workbench-hierarchy/1"
INFIX = "_hierarchy_"
SEPARATOR = ";"
# With or without the mark that Excel writes.
ENCODING = "utf-8-sig"
# How ARX writes a missing value, in any case.
NULL = "NULL"


@dataclass(frozen=True)
class Origin:
    """Where a ladder comes from, in words. Not `public` means that its cuts or words were read off the data."""

    public: bool
    ja: str
    en: str


@dataclass(frozen=True)
class Hierarchy:
    """
    One item's ladder; `levels[0]` is the raw value, each level an item of the recoding.

    `origin` is None for a ladder that somebody declared. It says nothing about how values are recoded, so
    two ladders that differ in it alone are equal.
    """

    item: str
    kind: Literal["table", "interval"]
    levels: tuple[Mapping[str, Any], ...]
    origin: Origin | None = field(default=None, compare=False)

    @property
    def height(self) -> int:
        """How many steps it can be generalised."""
        return len(self.levels) - 1

    def recode(self, level: int) -> dict[str, Any]:
        """The item of the recoding that generalises to `level`."""
        return dict(self.levels[level])

    def labels(self, words: Sequence[str], *, level: int) -> list[str]:
        """What each word (as it reads; MISSING for missing) becomes on `level`; UNSEEN where it is not in the ladder."""
        item = self.levels[level]
        if item["kind"] == "keep":
            return list(words)
        raws = [None if spelling == MISSING else spelling for spelling in words]
        return [str(label) for label in recode.apply(item, raws).to_pylist()] if raws else []

    def leaves(self, observed: Iterable[str]) -> list[str]:
        """The finest values: those of the table, or of a ladder of intervals those observed; missing if observed."""
        if self.kind == "interval":
            return sorted(set(observed))
        known = self.levels[0]["map"]
        # A missing value that a row of the table stands for is that row's.
        absent = set() if self.levels[0].get("missing") in known else {MISSING} & set(observed)
        return sorted({*known, *absent})

    def require_cover(self, column: Coded) -> None:
        """Raise Unusable, naming the first row and never the value, if the ladder misses a value of the column."""
        level = 0 if self.kind == "table" else self.height
        missed = np.array([label == UNSEEN for label in self.labels(column.words, level=level)], dtype=bool)
        if missed.any():
            rows = np.flatnonzero(missed[column.codes])
            raise Unusable(
                ja=f"項目「{self.item}」の {rows[0] + 1} 行目（全 {len(rows)} 行）の値が階層表にありません。"
                "階層表にその値の行を加えるか、表の値を直してください。",
                en=f"The hierarchy of '{self.item}' misses the value of row {rows[0] + 1} ({len(rows)} rows in "
                "all); add a row for it to the hierarchy or correct the table.",
            )


def from_rows(item: str, rows: Sequence[Sequence[str]]) -> Hierarchy:
    """
    A table: one row for each raw value, then its label on each level.

    A row '(missing)' labels missing values. So does a row 'NULL', which stands for that word too. Raises
    Unusable for a table that is no hierarchy (see `check_rows`).
    """
    check_rows(item, rows)
    width = len(rows[0])
    absent = min(
        (row for row in rows if row[0] == MISSING or row[0].upper() == NULL),
        key=lambda row: row[0] != MISSING,
        default=None,
    )
    levels = []
    for level in range(width):
        mapping = {row[0]: row[level] for row in rows if row[0] != MISSING}
        levels.append({"kind": "table", "map": mapping, **missing_at(mapping.values(), absent, level=level)})
    return Hierarchy(item=item, kind="table", levels=tuple(levels))


def missing_at(labels: Iterable[str], absent: Sequence[str] | None, *, level: int) -> dict[str, str]:
    """The label of missing values on a level, where it is not MISSING."""
    if absent is not None:
        return {"missing": absent[level]}
    # Where everything is alike, a missing value is too: told apart, it would be all that is left to see.
    alike = set(labels)
    return {"missing": alike.pop()} if level and len(alike) == 1 else {}


def check_rows(item: str, rows: Sequence[Sequence[str]]) -> None:
    """Raise Unusable for a table that is empty, ragged, repeats a raw value, has blanks, or does not nest."""
    if not rows or len(rows[0]) < 2:
        raise faulty(item, ja="に行または段がありません", en="has no row or no level")
    met: set[str] = set()
    for place, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            raise faulty(
                item, ja=f"の {place} 行目の列数が 1 行目と違います", en=f"has another width in row {place}"
            )
        if not all(row):
            raise faulty(item, ja=f"の {place} 行目に空欄があります", en=f"has a blank in row {place}")
        if row[0] in met:
            raise faulty(
                item,
                ja=f"の {place} 行目の値は前の行にもあります",
                en=f"has in row {place} a value of an earlier row",
            )
        met.add(row[0])
    for level in range(len(rows[0]) - 1):
        require_function(item, [(row[level], row[level + 1]) for row in rows], level=level)


def require_function(item: str, steps: Iterable[tuple[str, str]], *, level: int) -> None:
    """Raise Unusable if two values alike on `level` differ on the next."""
    above: dict[str, str] = {}
    for place, (label, coarser) in enumerate(steps, start=1):
        if above.setdefault(label, coarser) != coarser:
            raise faulty(
                item,
                ja=f"は段 {level} で同じ値が段 {level + 1} で分かれます（{place} 行目）",
                en=f"splits on level {level + 1} what is alike on level {level} (row {place})",
            )


def from_ladder(item: str, ladder: Sequence[Mapping[str, Any]]) -> Hierarchy:
    """Intervals: each level has rising `edges` and one label more; label i holds edges[i-1] <= x < edges[i]."""
    levels: list[dict[str, Any]] = [{"kind": "keep"}]
    for place, step in enumerate(ladder, start=1):
        if set(step) - {"edges", "labels", "missing"} or not {"edges", "labels"} <= set(step):
            raise faulty(
                item, ja=f"の段 {place} に必要な欄がありません", en=f"lacks a field on level {place}"
            )
        labels = step["labels"]
        absent = None if "missing" not in step else [step["missing"]] * (place + 1)
        levels.append(
            {
                "kind": "interval",
                "edges": step["edges"],
                "labels": labels,
                **missing_at(labels, absent, level=place),
            }
        )
    if len(levels) == 1:
        raise faulty(item, ja="に段がありません", en="has no level")
    for level in levels[1:]:
        recode.check({"schema": recode.SCHEMA, "items": {item: level}})
    # The raw value is finer than any interval: it has, so to speak, every edge.
    finer = set(levels[1]["edges"])
    for place, level in enumerate(levels[1:], start=1):
        check_nested(item, finer, level, level=place)
        finer = set(level["edges"])
    return Hierarchy(item=item, kind="interval", levels=tuple(levels))


def check_nested(item: str, finer: set[float], step: Mapping[str, Any], *, level: int) -> None:
    """Raise Unusable unless every edge of `step` is one of the finer level, and each label is given once."""
    if set(step["edges"]) - finer or len(set(step["labels"])) != len(step["labels"]):
        raise faulty(
            item,
            ja=f"の段 {level} の区切りが一つ細かい段にないか、同じ名前が二度あります",
            en=f"has an edge on level {level} that the finer level lacks, or gives a label twice",
        )


def load(
    folder: Path, *, table: str = "*", separator: str = SEPARATOR, encoding: str = ENCODING
) -> dict[str, Hierarchy]:
    """
    The hierarchies in `folder`, by item: files `TABLE_hierarchy_ITEM.csv` and `.json`.

    `table` chooses among several tables; `separator` and `encoding` are those of the CSV files. An item
    with two files is Unusable, a folder without any NotFound.
    """
    found: dict[str, Hierarchy] = {}
    for path in sorted(folder.glob(f"{table}{INFIX}*")):
        if path.suffix not in SUFFIXES:
            continue
        hierarchy = read(path, separator=separator, encoding=encoding)
        if hierarchy.item in found:
            raise faulty(hierarchy.item, ja="のファイルが二つあります", en="has two files")
        found[hierarchy.item] = hierarchy
    if not found:
        raise NotFound(
            ja=f"{folder} に階層ファイル（…{INFIX}項目名.csv または .json）がありません。",
            en=f"There is no hierarchy file (…{INFIX}ITEM.csv or .json) in {folder}.",
        )
    return found


def read(path: Path, *, separator: str = SEPARATOR, encoding: str = ENCODING) -> Hierarchy:
    """
    The hierarchy in a file; the item's name is what follows `_hierarchy_`.

    A CSV is ARX's: no header, a row for each raw value, fields quoted with `"` where they need it. JSON is
    always UTF-8. Raises Unusable for another encoding and for what is no hierarchy.
    """
    item = path.stem.partition(INFIX)[2]
    is_csv = path.suffix == ".csv"
    try:
        text = path.read_bytes().decode(encoding if is_csv else ENCODING)
    except (UnicodeDecodeError, LookupError):
        name = "UTF-8" if encoding == ENCODING or not is_csv else encoding
        raise faulty(
            item, ja=f"のファイルが {name} として読めません", en=f"cannot be read as {name}"
        ) from None
    return read_csv(item, text, separator=separator) if is_csv else read_json(item, text)


def read_csv(item: str, text: str, *, separator: str = SEPARATOR) -> Hierarchy:
    """The hierarchy in the text of a CSV; empty lines are no rows."""
    if len(separator) != 1 or separator in '"\r\n':
        raise Usage(
            ja="区切り文字は一文字で指定してください（引用符と改行は使えません）。",
            en="A separator is one character, neither a quotation mark nor a line break.",
        )
    # newline="": a line break within quotation marks is part of the value.
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        rows = [row for row in lines if row]
    except csv.Error:
        raise faulty(
            item,
            ja=f"の {lines.line_num} 行目の引用符が閉じていません",
            en=f"has quotation marks that do not match in line {lines.line_num}",
        ) from None
    return from_rows(item, rows)


def read_json(item: str, text: str) -> Hierarchy:
    try:
        content = json.loads(text)
        if content["schema"] != LADDER or content["item"] != item:
            raise ValueError
        ladder = [dict(step) for step in content["levels"]]
        origin = origin_of(content)
    except (ValueError, KeyError, TypeError):
        raise faulty(item, ja="のファイルの形が正しくありません", en="is not a well-formed file") from None
    return replace(from_ladder(item, ladder), origin=origin)


def origin_of(content: Mapping[str, Any]) -> Origin | None:
    if "origin" not in content:
        return None
    origin = Origin(**content["origin"])
    if not (type(origin.public) is bool and isinstance(origin.ja, str) and isinstance(origin.en, str)):
        raise TypeError
    return origin


SUFFIXES = (".csv", ".json")


def written(hierarchy: Hierarchy, *, separator: str = SEPARATOR) -> str:
    """The text of the hierarchy's file: CSV for a table, JSON for intervals."""
    return (
        as_csv(rows_of(hierarchy), separator=separator) if hierarchy.kind == "table" else as_json(hierarchy)
    )


def rows_of(hierarchy: Hierarchy) -> list[list[str]]:
    """The rows of a table, as `from_rows` takes them."""
    levels = hierarchy.levels
    rows = [[level["map"][raw] for level in levels] for raw in levels[0]["map"]]
    absent = levels[0].get("missing")
    return rows if absent is None or absent in levels[0]["map"] else [*rows, [x["missing"] for x in levels]]


def as_csv(rows: Iterable[Sequence[str]], *, separator: str = SEPARATOR) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=separator, lineterminator="\n").writerows(rows)
    return out.getvalue()


def as_json(hierarchy: Hierarchy) -> str:
    ladder = [{key: value for key, value in level.items() if key != "kind"} for level in hierarchy.levels[1:]]
    steps = ",\n".join("    " + json.dumps(step, ensure_ascii=False) for step in ladder)
    item = json.dumps(hierarchy.item, ensure_ascii=False)
    # A file of cuts that were read off the data goes on saying so.
    origin = hierarchy.origin and json.dumps(vars(hierarchy.origin), ensure_ascii=False)
    said = f'  "origin": {origin},\n' if origin else ""
    return f'{{\n  "schema": "{LADDER}",\n  "item": {item},\n{said}  "levels": [\n{steps}\n  ]\n}}\n'


def faulty(item: str, *, ja: str, en: str) -> Unusable:
    return Unusable(
        ja=f"項目「{item}」の階層{ja}。階層ファイルを直してください。",
        en=f"The hierarchy of '{item}' {en}; correct its file.",
    )
