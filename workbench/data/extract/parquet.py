"""Parquet: its columns as text, so that one way of reading serves every format."""

import io
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from workbench.data.extract.shape import Source
from workbench.errors import Unusable

PARQUET = b"PAR1"


def open_parquet(content: bytes, *, sha256: str) -> Source:
    """The columns of a Parquet file. Raises Unusable when it is cut or of another format."""
    try:
        # The low-level reader keeps two columns of one name apart; the dataset reader would not.
        file = pq.ParquetFile(io.BytesIO(content))
        schema = file.schema_arrow
    except (pa.ArrowException, OSError):
        raise broken() from None
    return Source(
        header=tuple(schema.names),
        encoding="parquet",
        separator=None,
        sha256=sha256,
        read=partial(read_cells, file),
        numeric=frozenset(index for index, field in enumerate(schema) if is_number(field.type)),
    )


def is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def read_cells(file: pq.ParquetFile) -> pa.Table:
    try:
        table = file.read()
    except (pa.ArrowException, OSError):
        raise broken() from None
    columns = [
        as_text(column, name=name) for name, column in zip(table.column_names, table.columns, strict=True)
    ]
    return pa.Table.from_arrays(columns, names=[str(position) for position in range(len(columns))])


def as_text(column: pa.ChunkedArray, *, name: str) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):
        column = whole_numbers(column)
    try:
        text = column.cast(pa.string())
    except (pa.ArrowException, ValueError):
        raise wrong_type(name) from None
    if pa.types.is_binary(column.type) or pc.any(pc.match_substring(text, "\0")).as_py():
        raise wrong_type(name)
    return text


def whole_numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Floats that are all whole, as systems write a column of counts with gaps, become integers."""
    # Zero has one sign here, or it would count as two values.
    column = pc.if_else(pc.is_nan(column), None, pc.add(column, pa.scalar(0, column.type)))
    try:
        return column.cast(pa.int64())
    except pa.ArrowException:
        return column


def wrong_type(name: str) -> Unusable:
    return Unusable(
        ja=f"Parquet の列 {name} は文字列・数・日付として読めません。型を直して書き出し直してもらってください。",
        en=f"Parquet column '{name}' does not read as text, number or date; have it written again with such a type.",
    )


def broken() -> Unusable:
    return Unusable(
        ja="Parquet ファイルが途中で切れているか壊れています。保有元に送り直してもらってください。",
        en="The Parquet file is cut short or damaged; ask its holder to send it again.",
    )
