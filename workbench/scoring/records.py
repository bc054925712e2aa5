"""
Reading the records to score: Parquet, or CSV in UTF-8 or CP932, a piece at a time.

A CSV's cells stay text until the input contract gives them a type: guessing would turn the reference
"00123" into a number. Nothing of a file's content enters a message. The file is copied once, to where nobody
else writes, and its digest is that of the copy: what was read is what was digested, however large it is.
"""

import codecs
import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from workbench.errors import NotFound, Unusable

BLOCK = 1 << 20
ROWS = 1 << 16
# More rows than Japan has people are no table of its children: a few bytes of Parquet can claim them.
MOST_ROWS = 100_000_000
UTF8, CP932 = "utf-8", "cp932"


@dataclass(frozen=True)
class Records:
    """A copy of the records: its digest, and its rows piece by piece."""

    file: BinaryIO
    suffix: str
    digest: str

    def chunks(self) -> Iterator[pa.Table]:
        """The rows in tables of at most ROWS, at least one of them; Unusable where they are no table."""
        self.file.seek(0)
        try:
            yield from READERS[self.suffix](self.file)
        except (pa.ArrowException, OSError, ValueError):
            raise Unusable(
                ja="入力ファイルを表として読めません。途中で切れていないか、文字コードと列数を確かめてください。",
                en="The records cannot be read as a table; check that the file is whole, its encoding and its columns.",
            ) from None


@contextmanager
def opened(path: Path) -> Iterator[Records]:
    """The records at `path`, as they are now. Raises NotFound, and Unusable for another kind of file."""
    if not path.is_file():
        raise NotFound(
            ja="スコアリングの入力ファイルがありません。パスを確かめてください。",
            en="The records to score are not there; check the path.",
        )
    with path.open("rb") as source, tempfile.TemporaryFile() as copy:
        yield copied(source, copy, suffix=path.suffix.lower())


def copied(source: BinaryIO, copy: BinaryIO, *, suffix: str) -> Records:
    if suffix not in READERS:
        raise Unusable(
            ja="入力は .csv か .parquet のファイルにしてください。",
            en="The records must be a .csv or a .parquet file.",
        )
    digest = hashlib.sha256()
    while block := source.read(BLOCK):
        digest.update(block)
        copy.write(block)
    copy.flush()
    return Records(copy, suffix, digest.hexdigest())


def read(content: bytes, *, suffix: str) -> pa.Table:
    """The whole table in `content`; `suffix` (.csv, .parquet) says how to read it."""
    return pa.concat_tables(copied(BytesIO(content), BytesIO(), suffix=suffix).chunks())


def read_csv(file: BinaryIO) -> Iterator[pa.Table]:
    encoding = encoding_of(file)
    options = pyarrow.csv.ReadOptions(encoding=encoding, block_size=4 * BLOCK)
    names = header(file, options)
    refuse_repeated(names)
    texts = pyarrow.csv.ConvertOptions(
        column_types={name: pa.string() for name in names}, strings_can_be_null=True, null_values=[""]
    )
    reader = pyarrow.csv.open_csv(unclosed(file), read_options=options, convert_options=texts)
    yield reader.schema.empty_table()
    for batch in reader:
        yield from pieces(pa.Table.from_batches([batch]))


def header(file: BinaryIO, options: pyarrow.csv.ReadOptions) -> list[str]:
    with pyarrow.csv.open_csv(unclosed(file), read_options=options) as reader:
        names: list[str] = reader.schema.names
    return names


def unclosed(file: BinaryIO) -> pa.PythonFile:
    """The file from its start, for a reader that closes what it is given."""
    file.seek(0)
    return pa.PythonFile(Kept(file), mode="r")


class Kept:
    """A file that stays open when its reader is done with it."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        """Nothing: it is read again."""


def encoding_of(file: BinaryIO) -> str:
    """UTF-8 where all of the file is; else CP932, or UnicodeDecodeError where it is in neither."""
    for encoding in (UTF8, CP932):
        decoder = codecs.getincrementaldecoder(encoding)()
        file.seek(0)
        try:
            while block := file.read(BLOCK):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            if encoding == CP932:
                raise
        else:
            return encoding
    raise AssertionError


def read_parquet(file: BinaryIO) -> Iterator[pa.Table]:
    parquet = pyarrow.parquet.ParquetFile(unclosed(file))
    if parquet.metadata.num_rows > MOST_ROWS:
        raise Unusable(
            ja=f"入力の行数が上限（{MOST_ROWS:,} 行）を超えています。抽出の条件を確かめてください。",
            en=f"The records have more than {MOST_ROWS:,} rows; check how they were extracted.",
        )
    refuse_repeated(parquet.schema_arrow.names)
    yield parquet.schema_arrow.empty_table()
    for batch in parquet.iter_batches(batch_size=ROWS):
        yield pa.Table.from_batches([batch])


def pieces(table: pa.Table) -> Iterator[pa.Table]:
    yield from (table.slice(start, ROWS) for start in range(0, table.num_rows, ROWS))


def refuse_repeated(names: list[str]) -> None:
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise Unusable(
            ja=f"同じ名前の列が{len(repeated)}組あります。列名を一つずつにしてください。",
            en=f"{len(repeated)} column names appear more than once; name every column once.",
        )


READERS = {".csv": read_csv, ".parquet": read_parquet}
