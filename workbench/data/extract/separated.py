"""Text separated by commas, semicolons or tabs, read by Arrow; every cell stays the text it was."""

import csv
import io
from functools import partial

import pyarrow as pa
from pyarrow import csv as arrow_csv

from workbench.data.extract.shape import Source
from workbench.data.extract.text import Text
from workbench.errors import Unusable

SEPARATORS = (",", ";", "\t")
BLOCK = 8 << 20


def open_separated(text: Text, *, sha256: str) -> Source:
    """The header of separated text; the separator is the one that parts the header most."""
    content = text.content.strip("\r\n") + "\n"
    if content.count('"') % 2:
        # An unclosed quote would swallow every row after it into one cell.
        raise unreadable()
    headers = {separator: first_record(content, separator) for separator in SEPARATORS}
    separator = max(SEPARATORS, key=lambda candidate: len(headers[candidate]))
    return Source(
        header=tuple(headers[separator]),
        encoding=text.encoding,
        separator=separator,
        sha256=sha256,
        read=partial(read_cells, content, separator=separator, columns=len(headers[separator])),
    )


def first_record(content: str, separator: str) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(content[:BLOCK], newline=""), delimiter=separator))
    except (csv.Error, StopIteration):
        raise unreadable() from None


def read_cells(content: str, *, separator: str, columns: int) -> pa.Table:
    """Every cell as text. Raises Unusable for ragged rows, with their count and the first."""
    ragged: list[arrow_csv.InvalidRow] = []

    def skip(row: arrow_csv.InvalidRow) -> str:
        ragged.append(row)
        return "skip"

    parse = arrow_csv.ParseOptions(
        delimiter=separator,
        newlines_in_values='"' in content,
        ignore_empty_lines=columns > 1,
        invalid_row_handler=skip,
    )
    table = parse_blocks(content.encode("utf-8"), columns=columns, parse=parse)
    if ragged:
        raise ragged_rows(content, separator=separator, columns=columns)
    return table


def parse_blocks(encoded: bytes, *, columns: int, parse: arrow_csv.ParseOptions) -> pa.Table:
    names = [str(position) for position in range(columns)]
    as_text = arrow_csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
    )
    # A record longer than a block is read with the whole text as one block.
    for block in (BLOCK, len(encoded) + 1):
        options = arrow_csv.ReadOptions(column_names=names, skip_rows_after_names=1, block_size=block)
        try:
            return arrow_csv.read_csv(pa.py_buffer(encoded), options, parse, as_text)
        except pa.ArrowInvalid:
            continue
    # Arrow's own sentence may quote the row, so it is not passed on.
    raise unreadable()


def ragged_rows(content: str, *, separator: str, columns: int) -> Unusable:
    records = csv.reader(io.StringIO(content, newline=""), delimiter=separator)
    ragged = [row for row, record in enumerate(records) if record and len(record) != columns]
    first = ragged[0] if ragged else 1
    return Unusable(
        ja=f"列の数が見出しの {columns} 列と違う行が {max(len(ragged), 1)} 行あります（最初はデータ {first} 行目）。保有元に書き出し直してもらってください。",
        en=f"{max(len(ragged), 1)} rows do not have the header's {columns} columns (first at data row {first}); have the holder write the file again.",
    )


def unreadable() -> Unusable:
    return Unusable(
        ja="CSV として読めません。引用符の閉じ忘れがないか、保有元で書き出し直してもらってください。",
        en="The file does not read as CSV; have the holder write it again and look for a quote that is not closed.",
    )
