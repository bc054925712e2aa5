"""
The input contract: what a table must be before a model may score it (`riskflag-input/1`).

Each refusal is its own sentence and names the item and how many rows, never a value. Impossible values
refuse the whole batch: they mean that something upstream broke. A category the contract does not list
rejects its row only, up to the rate the contract allows.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
    """The part of `table` the contract asks for. Raises Unusable at the first rule that is broken."""
    names = [contract["id"], *(entry["name"] for entry in contract["items"])]
    check_columns(names, table)
    references = check_references(table.column(contract["id"]), name=contract["id"])
    columns: dict[str, pa.Array] = {}
    unseen: dict[str, npt.NDArray[np.bool_]] = {}
    missing: dict[str, float] = {}
    for entry in contract["items"]:
        column = typed(entry, as_array(table.column(entry["name"])))
        missing[entry["name"]] = check_missing(entry, column)
        check_range(entry, column)
        unseen[entry["name"]] = check_levels(entry, column)
        columns[entry["name"]] = column
    return Accepted(references=references, table=pa.table(columns), unseen=unseen, missing=missing)


def check_columns(names: list[str], table: pa.Table) -> None:
    for name in names:
        if name not in table.column_names:
            raise Unusable(
                ja=f"項目「{name}」がありません。この判定モデルの入力契約にある項目をすべて含めてください。",
                en=f"The item '{name}' is not in the table; provide every item of the model's input contract.",
            )
    if table.num_rows == 0:
        raise Unusable(
            ja="入力に行がありません。抽出の条件を確かめてください。",
            en="The table has no rows; check how it was extracted.",
        )


def check_references(column: Any, *, name: str) -> list[str]:
    """The rows' names: all present, all different, and harmless in a spreadsheet."""
    references = [spelled(raw) for raw in as_array(column).to_pylist()]
    empty = sum(reference is None for reference in references)
    if empty:
        raise Unusable(
            ja=f"「{name}」が空の行が{empty}行あります。すべての行に参照番号を付けてください。",
            en=f"'{name}' is empty in {empty} rows; give every row its reference.",
        )
    repeated = len(references) - len(set(references))
    if repeated:
        raise Unusable(
            ja=f"「{name}」が重複する行が{repeated}行あります。一人一行にしてください。",
            en=f"'{name}' repeats in {repeated} rows; the table must have one row for each child.",
        )
    unsafe = sum(REFERENCE.fullmatch(reference or "") is None for reference in references)
    if unsafe:
        raise Unusable(
            ja=f"「{name}」に表計算ソフトが式として実行しうる文字を含む行が{unsafe}行あります。英数字と _ . / - だけにしてください。",
            en=f"'{name}' holds characters a spreadsheet could run in {unsafe} rows; use letters, digits and _ . / - only.",
        )
    return [str(reference) for reference in references]


def typed(entry: Entry, column: pa.Array) -> pa.Array:
    """
    The column in the contract's type. Unusable where a value is something else.

    ASCII digits only, no infinity; for a category, 7, 7.0 and "7" are one.
    """
    kind = KINDS[entry["kind"]]
    encoded = column.dictionary_encode()
    texts = [spelled(raw) for raw in encoded.dictionary.to_pylist()]
    bad = [place for place, text in enumerate(texts) if text is not None and not kind.pattern.fullmatch(text)]
    if bad:
        rows = int(np.isin(np.asarray(pc.fill_null(encoded.indices, -1)), bad).sum())
        raise Unusable(
            ja=f"項目「{entry['name']}」に{kind.ja}として読めない値が{rows}行あります。元のデータを確かめてください。",
            en=f"The item '{entry['name']}' is no {entry['kind']} in {rows} rows; check the source.",
        )
    values = [None if text is None else kind.parse(text) for text in texts]
    return pa.array([*values, None], type=kind.type).take(pc.fill_null(encoded.indices, len(values)))


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


def check_missing(entry: Entry, column: pa.Array) -> float:
    """The share of missing values, which may not exceed the contract's."""
    rate = column.null_count / len(column)
    if rate > entry["max_missing"]:
        raise Unusable(
            ja=f"項目「{entry['name']}」の欠損が{rate:.1%}で、契約の上限{entry['max_missing']:.1%}を超えています。元のデータの抽出を確かめてください。",
            en=f"The item '{entry['name']}' is missing in {rate:.1%} of rows, over the contract's {entry['max_missing']:.1%}; check how it was extracted.",
        )
    return float(rate)


def check_range(entry: Entry, column: pa.Array) -> None:
    """A number outside the contract's range refuses the batch: units or columns were mixed up."""
    outside = 0
    if entry.get("minimum") is not None:
        outside += pc.sum(pc.less(column, entry["minimum"])).as_py() or 0
    if entry.get("maximum") is not None:
        outside += pc.sum(pc.greater(column, entry["maximum"])).as_py() or 0
    if outside:
        raise Unusable(
            ja=f"項目「{entry['name']}」に範囲外の値が{outside}行あります。単位と元のデータを確かめてください。",
            en=f"The item '{entry['name']}' is out of its range in {outside} rows; check its unit and its source.",
        )


def check_levels(entry: Entry, column: pa.Array) -> npt.NDArray[np.bool_]:
    """The rows whose category the contract does not list; too many of them refuse the batch."""
    if entry.get("levels") is None:
        return np.zeros(len(column), dtype=bool)
    known = pc.is_in(column, value_set=pa.array([*entry["levels"], None], type=pa.string()))
    unseen = ~np.asarray(known.to_numpy(zero_copy_only=False), dtype=bool)
    rate = float(unseen.mean())
    if rate > entry["max_unseen"]:
        raise Unusable(
            ja=f"項目「{entry['name']}」に契約にない区分が{int(unseen.sum())}行（{rate:.1%}）あり、上限を超えています。コード表が変わっていないか確かめてください。",
            en=f"The item '{entry['name']}' has categories the contract does not list in {int(unseen.sum())} rows ({rate:.1%}), over its limit; check whether its code list has changed.",
        )
    return unseen


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
