"""
A column of text made into a column of values, as the register says.

Each distinct text is read once, however many cells hold it; a fault says how many cells have it and which
data row is the first, never what the cell held.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.data.cells import Cell, Fault, Wrong, read_cell
from workbench.data.item import Item, Kind
from workbench.errors import Unusable

TYPES = {Kind.INTEGER: pa.int64(), Kind.NUMBER: pa.float64()}
KIND_WORDS = {
    Kind.FLAG: ("有無", "a yes/no flag"),
    Kind.INTEGER: ("整数", "a whole number"),
    Kind.NUMBER: ("数値", "a number"),
    Kind.DATE: ("日付", "a date"),
}


@dataclass(frozen=True)
class Encoded:
    """A column as its distinct texts and, for each cell, which of them it holds."""

    distinct: pa.Array
    cells: np.ndarray

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> "Encoded":
        filled = pc.fill_null(column.cast(pa.string()), "")
        encoded = pc.dictionary_encode(filled.combine_chunks())
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.combine_chunks()
        return cls(encoded.dictionary, np.asarray(encoded.indices))

    def count(self, of_distinct: np.ndarray) -> int:
        """How many cells hold one of the marked distinct texts."""
        return int(of_distinct[self.cells].sum())

    def first_row(self, of_distinct: np.ndarray) -> int:
        """The first data row, from 1, that holds one of the marked distinct texts."""
        return int(of_distinct[self.cells].argmax()) + 1


@dataclass(frozen=True)
class Column:
    """The values of one item, how many cells were normalised and how, and whether nothing is there."""

    values: pa.Array
    notes: Counter[str]
    is_empty: bool


def read_column(encoded: Encoded, *, item: Item) -> Column:
    """The column's values in the item's type. Raises Unusable with the count and the first row."""
    read = [try_cell(text, item) for text in encoded.distinct.to_pylist()]
    refuse_faults(encoded, read, item=item)
    cells = [cell for cell in read if isinstance(cell, Cell)]
    values = pa.array([cell.value for cell in cells], type=TYPES.get(item.kind, pa.string()))
    return Column(
        values=values.take(pa.array(encoded.cells)),
        notes=count_notes(encoded, cells),
        is_empty=values.null_count == len(values),
    )


def try_cell(text: str, item: Item) -> Cell | Fault:
    try:
        return read_cell(text, item)
    except Wrong as wrong:
        return wrong.fault


def count_notes(encoded: Encoded, cells: list[Cell]) -> Counter[str]:
    occurrences = np.bincount(encoded.cells, minlength=len(cells))
    notes: Counter[str] = Counter()
    for cell, count in zip(cells, occurrences.tolist(), strict=True):
        if cell.note:
            notes[cell.note.value] += count
    return notes


def refuse_faults(encoded: Encoded, read: list[Cell | Fault], *, item: Item) -> None:
    """Raise for the fault that comes first in the file."""
    faulty = np.array([isinstance(cell, Fault) for cell in read], dtype=bool)
    if not faulty.any():
        return
    row = encoded.first_row(faulty)
    fault = read[encoded.cells[row - 1]]
    alike = np.array([cell is fault for cell in read], dtype=bool)
    raise fault_found(
        Fault(fault),
        item=item,
        cells=encoded.count(alike),
        kinds=int(alike.sum()),
        row=encoded.first_row(alike),
    )


def fault_found(fault: Fault, *, item: Item, cells: int, kinds: int, row: int) -> Unusable:
    ja_kind, en_kind = KIND_WORDS.get(item.kind, ("区分", "a category"))
    ja, en = FAULT_SENTENCES[fault]
    words = {"column": item.name, "cells": cells, "kinds": kinds, "row": row, "range": range_of(item)}
    return Unusable(ja=ja.format(**words, kind=ja_kind), en=en.format(**words, kind=en_kind))


def range_of(item: Item) -> str:
    low = "" if item.minimum is None else f"{item.minimum} "
    return f"{low}–" + ("" if item.maximum is None else f" {item.maximum}")


FAULT_SENTENCES = {
    Fault.WRONG_TYPE: (
        "列 {column} の {cells} 件を{kind}として読めません（最初はデータ {row} 行目）。"
        "保有元で直すか、台帳の kind を確かめてください。",
        "Column '{column}' has {cells} cells that do not read as {kind} (first at data row {row}); "
        "have the holder correct them, or check the item's kind in the register.",
    ),
    Fault.IMPOSSIBLE_DATE: (
        "列 {column} に存在しない日付が {cells} 件あります（最初はデータ {row} 行目）。元号と年月日を保有元で確かめてください。",
        "Column '{column}' has {cells} dates that never were (first at data row {row}); "
        "have the holder check era, year, month and day.",
    ),
    Fault.OUT_OF_RANGE: (
        "列 {column} の {cells} 件が台帳の範囲 {range} の外です（最初はデータ {row} 行目）。"
        "保有元で直すか、台帳の範囲を確かめてください。",
        "Column '{column}' has {cells} cells outside the register's range {range} (first at data row {row}); "
        "have the holder correct them, or check the range.",
    ),
    Fault.UNKNOWN_CATEGORY: (
        "列 {column} に台帳にない区分が {kinds} 種類、{cells} 件あります（最初はデータ {row} 行目）。"
        "区分を台帳の values に加えるか、値が開いている項目なら kind を code にしてください。",
        "Column '{column}' has {kinds} categories that the register does not list, in {cells} cells "
        "(first at data row {row}); add them to the item's values, or make an open-ended item a code.",
    ),
}
