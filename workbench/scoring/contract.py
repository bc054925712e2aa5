"""
The input contract: what a table must be before a model may score it (`riskflag-input/1`).

Each refusal is its own sentence and names the item, how many rows and which, never a value. Impossible values
refuse the whole batch: they mean that something upstream broke. A category the contract does not list
rejects its row only, up to the rate the contract allows.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from typing import Any

import jsonschema
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from workbench.errors import Unusable
from workbench.scoring import plain_json
from workbench.scoring.recode import as_array, spelled

SCHEMA = "riskflag-input/1"

# A spreadsheet runs a cell that starts with = + - @; a row's name needs none of them.
REFERENCE = re.compile(r"[0-9A-Za-z\u3041-\u9fff_][0-9A-Za-z\u3041-\u9fff_./\-]{0,99}")
WHOLE = re.compile(r"[+-]?[0-9]{1,18}(\.0+)?")
DECIMAL = re.compile(r"[+-]?([0-9]{1,18}(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Accepted:
    """
    A table that kept the contract: the contract's columns in their types, and what was seen on the way.

    `unseen` maps an item to the rows whose category the contract does not list; `missing` to its rate.
    """

    references: list[str]
    table: pa.Table
    unseen: Mapping[str, npt.NDArray[np.bool_]]
    missing: Mapping[str, float]


def read(content: bytes) -> dict[str, Any]:
    """The input contract in `content`, checked."""
    contract = plain_json.read(content, name="input.schema.json")
    for problem in jsonschema.Draft202012Validator(schema()).iter_errors(contract):
        raise malformed(".".join(str(step) for step in list(problem.absolute_path)[:2]) or "contract")
    if len({entry["name"] for entry in contract["items"]}) != len(contract["items"]):
        raise malformed("items")
    return dict(contract)


def accept(contract: Mapping[str, Any], table: pa.Table) -> Accepted:
    """The part of `table` the contract asks for. Raises Broken for the first rule that is broken."""
    holding = Holding(contract)
    accepted = holding.take(table)
    return replace(accepted, missing=holding.settle())


class Broken(Unusable):
    """Records that break their contract; `faults` are the rows, each by position, item and rule."""

    def __init__(self, *, ja: str, en: str, faults: "Sequence[Fault]" = ()) -> None:
        super().__init__(ja=ja, en=en)
        self.faults = tuple(faults)


@dataclass
class Fault:
    """One rule that rows break for one item: how many, and the places of the first of them, from 1."""

    rule: str
    item: str
    rows: int = 0
    positions: list[int] = field(default_factory=list)


# So many positions of each fault are kept: whoever mends a source needs the first, not the last million.
MOST_POSITIONS = 10_000
SHOWN = 5


@dataclass
class Holding:
    """
    The contract held against a table that comes piece by piece.

    `take` gives each piece in the contract's types, with nothing where a value broke a rule; `settle`
    raises for all of them together. Eight bytes for each row are kept, to know a reference that repeats.
    """

    contract: Mapping[str, Any]
    rows: int = 0
    missing: dict[str, int] = field(default_factory=dict)
    unseen: dict[str, int] = field(default_factory=dict)
    faults: dict[tuple[str, str], Fault] = field(default_factory=dict)
    hashes: list[npt.NDArray[np.int64]] = field(default_factory=list)

    def take(self, table: pa.Table) -> Accepted:
        """The next rows."""
        check_columns([self.contract["id"], *(entry["name"] for entry in self.contract["items"])], table)
        references = self._references(table.column(self.contract["id"]))
        columns: dict[str, pa.Array] = {}
        unseen: dict[str, npt.NDArray[np.bool_]] = {}
        for entry in self.contract["items"]:
            name = entry["name"]
            column, wrong = parsed(entry, as_array(table.column(name)))
            self._note("type", name, wrong)
            self._note("range", name, outside(entry, column))
            columns[name], unseen[name] = column, unlisted(entry, column)
            self._note("levels", name, unseen[name])
            self.missing[name] = self.missing.get(name, 0) + column.null_count - int(wrong.sum())
            self.unseen[name] = self.unseen.get(name, 0) + int(unseen[name].sum())
        self.rows += table.num_rows
        return Accepted(references=references, table=pa.table(columns), unseen=unseen, missing={})

    def settle(self) -> dict[str, float]:
        """The share missing of each item. Raises Broken for the first rule that is broken, with all its rows."""
        if self.rows == 0:
            raise Unusable(
                ja="入力に行がありません。抽出の条件を確かめてください。",
                en="The table has no rows; check how it was extracted.",
            )
        self._repeated()
        for rule in REFERENCE_RULES:
            self._raise_for(rule, self.contract["id"])
        for entry in self.contract["items"]:
            self._raise_for("type", entry["name"], kind=KINDS[entry["kind"]].ja, kind_en=entry["kind"])
            self._expect_rate("missing", entry, self.missing[entry["name"]])
            self._raise_for("range", entry["name"])
            self._expect_rate("levels", entry, self.unseen[entry["name"]])
        return {name: count / self.rows for name, count in self.missing.items()}

    def _references(self, column: Any) -> list[str]:
        """The rows' names: all present, all different, and harmless in a spreadsheet."""
        references = [spelled(raw) for raw in as_array(column).to_pylist()]
        name = self.contract["id"]
        self._note("empty", name, np.array([one is None for one in references], dtype=bool))
        unsafe = [one is not None and REFERENCE.fullmatch(one) is None for one in references]
        self._note("unsafe", name, np.array(unsafe, dtype=bool))
        # Python's own hash: keyed anew in each process, so that nobody can make two names meet on purpose.
        self.hashes.append(np.fromiter(map(hash, references), dtype=np.int64, count=len(references)))
        return ["" if one is None else one for one in references]

    def _repeated(self) -> None:
        every = np.concatenate(self.hashes)
        order = np.argsort(every, kind="stable")
        again = np.zeros(len(every), dtype=bool)
        again[order[1:]] = every[order[1:]] == every[order[:-1]]
        if ("empty", self.contract["id"]) not in self.faults:
            self.rows, rows = 0, self.rows
            self._note("repeated", self.contract["id"], again)
            self.rows = rows

    def _note(self, rule: str, item: str, wrong: npt.NDArray[np.bool_]) -> None:
        if wrong.any():
            fault = self.faults.setdefault((rule, item), Fault(rule, item))
            fault.rows += int(wrong.sum())
            room = MOST_POSITIONS - len(fault.positions)
            fault.positions += [int(place) + self.rows + 1 for place in np.flatnonzero(wrong)[:room]]

    def _raise_for(self, rule: str, item: str, **more: Any) -> None:
        fault = self.faults.get((rule, item))
        if fault is not None:
            raise self._broken(rule, item, rows=fault.rows, **more)

    def _expect_rate(self, rule: str, entry: Entry, count: int) -> None:
        rate, limit = count / self.rows, entry[f"max_{'missing' if rule == 'missing' else 'unseen'}"]
        if rate > limit:
            raise self._broken(rule, entry["name"], rows=count, rate=f"{rate:.1%}", limit=f"{limit:.1%}")

    def _broken(self, rule: str, item: str, **numbers: Any) -> Broken:
        ja, en = SENTENCES[rule]
        fault = self.faults.get((rule, item))
        shown = ", ".join(str(place) for place in fault.positions[:SHOWN]) if fault else ""
        more = ", …" if fault and fault.rows > SHOWN else ""
        return Broken(
            ja=ja.format(item=item, **numbers) + (f"（{shown}{more} 行目）" if shown else ""),
            en=en.format(item=item, **numbers) + (f" (row {shown}{more})" if shown else ""),
            faults=list(self.faults.values()),
        )


REFERENCE_RULES = ("empty", "repeated", "unsafe")
# What each rule says when it is broken: the item, how many rows, and what to do; never a value.
SENTENCES = {
    "empty": (
        "「{item}」が空の行が{rows}行あります。すべての行に参照番号を付けてください。",
        "'{item}' is empty in {rows} rows; give every row its reference.",
    ),
    "repeated": (
        "「{item}」が重複する行が{rows}行あります。一人一行にしてください。",
        "'{item}' repeats in {rows} rows; the table must have one row for each child.",
    ),
    "unsafe": (
        "「{item}」に表計算ソフトが式として実行しうる文字を含む行が{rows}行あります。英数字と _ . / - だけにしてください。",
        "'{item}' holds characters a spreadsheet could run in {rows} rows; use letters, digits and _ . / - only.",
    ),
    "type": (
        "項目「{item}」に{kind}として読めない値が{rows}行あります。元のデータを確かめてください。",
        "The item '{item}' is no {kind_en} in {rows} rows; check the source.",
    ),
    "missing": (
        "項目「{item}」の欠損が{rate}で、契約の上限{limit}を超えています。元のデータの抽出を確かめてください。",
        "The item '{item}' is missing in {rate} of rows, over the contract's {limit}; check how it was extracted.",
    ),
    # A number outside the contract's range: units or columns were mixed up.
    "range": (
        "項目「{item}」に範囲外の値が{rows}行あります。単位と元のデータを確かめてください。",
        "The item '{item}' is out of its range in {rows} rows; check its unit and its source.",
    ),
    "levels": (
        "項目「{item}」に契約にない区分が{rows}行（{rate}）あり、上限を超えています。コード表が変わっていないか確かめてください。",
        "The item '{item}' has categories the contract does not list in {rows} rows ({rate}), over its limit; check whether its code list has changed.",
    ),
}


def check_columns(names: list[str], table: pa.Table) -> None:
    for name in names:
        if name not in table.column_names:
            raise Unusable(
                ja=f"項目「{name}」がありません。この判定モデルの入力契約にある項目をすべて含めてください。",
                en=f"The item '{name}' is not in the table; provide every item of the model's input contract.",
            )


def typed(entry: Entry, column: pa.Array) -> pa.Array:
    """The column in the contract's type. Raises Broken where a value is something else."""
    values, wrong = parsed(entry, column)
    if wrong.any():
        ja, en = SENTENCES["type"]
        told = {"item": entry["name"], "rows": int(wrong.sum())}
        raise Broken(
            ja=ja.format(**told, kind=KINDS[entry["kind"]].ja), en=en.format(**told, kind_en=entry["kind"])
        )
    return values


def parsed(entry: Entry, column: pa.Array) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
    """
    The column in the contract's type, null where a value is something else, and the rows where it is.

    ASCII digits only, no infinity; for a category, 7, 7.0 and "7" are one.
    """
    kind = KINDS[entry["kind"]]
    encoded = column.dictionary_encode()
    texts = [spelled(raw) for raw in encoded.dictionary.to_pylist()]
    known = [text is not None and bool(kind.pattern.fullmatch(text)) for text in texts]
    values = [
        kind.parse(text) if good and text is not None else None
        for text, good in zip(texts, known, strict=True)
    ]
    bad = np.array([*(text is not None and not good for text, good in zip(texts, known, strict=True)), False])
    places = pc.fill_null(encoded.indices, len(values))
    return pa.array([*values, None], type=kind.type).take(places), bad[np.asarray(places)]


@dataclass(frozen=True)
class Kind:
    """How the values of a kind are spelled and read."""

    ja: str
    pattern: "re.Pattern[str]"
    parse: Callable[[str], Any]
    type: pa.DataType


KINDS = {
    "category": Kind("区分", re.compile(r"(?s).{1,1000}"), str, pa.string()),
    "integer": Kind("整数", WHOLE, lambda text: int(text.partition(".")[0]), pa.int64()),
    "number": Kind("数値", DECIMAL, float, pa.float64()),
}


def outside(entry: Entry, column: pa.Array) -> npt.NDArray[np.bool_]:
    """The rows whose number is outside the contract's range."""
    mask = np.zeros(len(column), dtype=bool)
    for bound, beyond in (("minimum", pc.less), ("maximum", pc.greater)):
        if entry.get(bound) is not None:
            mask |= np.asarray(pc.fill_null(beyond(column, entry[bound]), fill_value=False))
    return mask


def unlisted(entry: Entry, column: pa.Array) -> npt.NDArray[np.bool_]:
    """The rows whose category the contract does not list."""
    if entry.get("levels") is None:
        return np.zeros(len(column), dtype=bool)
    known = pc.is_in(column, value_set=pa.array([*entry["levels"], None], type=pa.string()))
    return ~np.asarray(known.to_numpy(zero_copy_only=False), dtype=bool)


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of an input contract, as shipped."""
    content = resources.files(__package__).joinpath("schemas/input.schema.json").read_bytes()
    return dict(plain_json.read(content, name="input.schema.json"))


def malformed(place: str) -> Unusable:
    return Unusable(
        ja=f"入力契約（input.schema.json）は「{place}」が riskflag-input/1 の形ではありません。作成元から受け取り直してください。",
        en=f"The input contract does not follow riskflag-input/1 at '{place}'; obtain it again from where it was made.",
    )
