"""
Reading the records to score: Parquet, or CSV in UTF-8 or CP932.

A CSV's cells stay text until the input contract gives them a type: guessing would turn the reference
"00123" into a number. Nothing of a file's content enters a message.
"""

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from workbench.errors import NotFound, Unusable


def read(content: bytes, *, suffix: str) -> pa.Table:
    """The table in `content`; `suffix` (.csv, .parquet) says how to read it."""
    if suffix not in READERS:
        raise Unusable(
            ja="入力は .csv か .parquet のファイルにしてください。",
            en="The records must be a .csv or a .parquet file.",
        )
    try:
        table = READERS[suffix](content)
    except (pa.ArrowException, OSError, ValueError):
        raise Unusable(
            ja="入力ファイルを表として読めません。途中で切れていないか、文字コードと列数を確かめてください。",
            en="The records cannot be read as a table; check that the file is whole, its encoding and its columns.",
        ) from None
    repeated = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
    if repeated:
        raise Unusable(
            ja=f"同じ名前の列が{len(repeated)}組あります。列名を一つずつにしてください。",
            en=f"{len(repeated)} column names appear more than once; name every column once.",
        )
    return table


def content_of(path: Path) -> bytes:
    """The bytes of the file at `path`."""
    if not path.is_file():
        raise NotFound(
            ja="スコアリングの入力ファイルがありません。パスを確かめてください。",
            en="The records to score are not there; check the path.",
        )
    return path.read_bytes()


def read_csv(content: bytes) -> pa.Table:
    text = decoded(content)
    header = pyarrow.csv.open_csv(io.BytesIO(text)).schema.names
    return pyarrow.csv.read_csv(
        io.BytesIO(text),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types={name: pa.string() for name in header},
            strings_can_be_null=True,
            null_values=[""],
        ),
    )


def decoded(content: bytes) -> bytes:
    """The content in UTF-8 without a mark; UnicodeDecodeError when it is in neither encoding."""
    try:
        return content.decode("utf-8-sig").encode()
    except UnicodeDecodeError:
        return content.decode("cp932").encode()


def read_parquet(content: bytes) -> pa.Table:
    return pyarrow.parquet.read_table(io.BytesIO(content))


READERS = {".csv": read_csv, ".parquet": read_parquet}
