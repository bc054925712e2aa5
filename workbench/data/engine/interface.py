"""What every engine does, so that one expression runs on each."""

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

if TYPE_CHECKING:
    from ibis.expr.types import Table


class Engine(Protocol):
    """An engine that runs, and what it has been given, while the block that made it lasts."""

    in_memory: bool
    """Whether what is fetched may be as large as the table."""

    def hold(self, table: pa.Table) -> "Table":
        """An Arrow table of this process, on the engine."""
        ...

    def read(self, place: Path | str) -> "Table":
        """A Parquet file, a folder of them, or an address that the engine itself reads."""
        ...

    def keep(self, rows: "Table") -> "Table":
        """The rows of an expression, computed once for whatever reads them."""
        ...

    def fetch(self, rows: "Table") -> pa.Table:
        """The rows of an expression, in this process."""
        ...
