"""
The raw store: the only opener of the home's raw tables.

A table and its receipt are one Parquet file, written aside and renamed, so that a reader meets the old
table or the whole new one and a receipt always belongs to its table.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from workbench.data.receipt import Receipt
from workbench.errors import NotFound, Unusable, Usage
from workbench.home import Home, clear_leftovers, write_atomically

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
RECEIPT = b"workbench-receipt"


class RawStore:
    """The raw and linked tables of a home, each under the name it has in the register."""

    def __init__(self, home: Home) -> None:
        self.folder = home.raw

    def put(self, table: str, frame: pd.DataFrame, receipt: Receipt) -> None:
        """Store `frame` as `table`, in the place of what was there; all of it or nothing."""
        path = self._path(table)
        content = pa.Table.from_pandas(frame, preserve_index=False)
        content = content.replace_schema_metadata(
            {
                **(content.schema.metadata or {}),
                RECEIPT: json.dumps(receipt.to_json(), sort_keys=True).encode(),
            }
        )
        written = pa.BufferOutputStream()
        pq.write_table(content, written, compression="zstd")
        clear_leftovers(self.folder)
        write_atomically(path, written.getvalue().to_pybytes())

    def get(self, table: str, *, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """The table, or some of its columns. Raises NotFound, Unusable when the file is damaged."""
        path = self._existing(table)
        try:
            return pq.read_table(path, columns=columns, partitioning=None).to_pandas()
        except (pa.ArrowException, OSError):
            raise damaged(table) from None

    def tables(self) -> tuple[str, ...]:
        """The names of the tables that are here, sorted."""
        return tuple(sorted(path.stem for path in self.folder.glob("[a-z]*.parquet")))

    def receipt(self, table: str) -> Receipt:
        """What was written down when the table was stored."""
        path = self._existing(table)
        try:
            return Receipt.from_json(json.loads(pq.read_schema(path).metadata[RECEIPT]))
        except (pa.ArrowException, OSError, KeyError, TypeError, ValueError):
            raise damaged(table) from None

    def remove(self, table: str) -> None:
        """Delete a table and its receipt."""
        self._existing(table).unlink()

    def _path(self, table: str) -> Path:
        if not NAME.fullmatch(table):
            raise Usage(
                ja="表の名前は英小文字・数字・下線で書きます。",
                en="A table's name is written in lower-case letters, digits and underscores.",
            )
        return self.folder / f"{table}.parquet"

    def _existing(self, table: str) -> Path:
        path = self._path(table)
        if not path.is_file():
            raise NotFound(
                ja="その表はまだ取り込まれていません。workbench data import で取り込んでください。",
                en="That table has not been taken in; import it with 'workbench data import'.",
            )
        return path


def damaged(table: str) -> Unusable:
    return Unusable(
        ja=f"保管されている表 {table} が壊れています。取り込み直してください。",
        en=f"The stored table '{table}' is damaged; import it again.",
    )
