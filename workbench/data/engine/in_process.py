"""DuckDB in this process, on all its cores."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from workbench.data.engine.interface import Engine

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend
    from ibis.expr.types import Table


@contextmanager
def in_process(_: str) -> Iterator[Engine]:
    """
    DuckDB within WORKBENCH_MEMORY, such as 4GB; unset, the table is taken to fit in the machine's memory.

    What does not fit is written aside, to a folder that only its owner may read and that goes with the block.
    """
    import ibis

    with tempfile.TemporaryDirectory(prefix="workbench-") as aside:
        limit = os.environ.get("WORKBENCH_MEMORY")
        settings = {"memory_limit": limit} if limit else {}
        backend = ibis.duckdb.connect(
            temp_directory=aside,
            autoinstall_known_extensions=False,
            preserve_insertion_order=False,
            **settings,
        )
        try:
            yield InProcess(backend, in_memory=limit is None)
        finally:
            backend.disconnect()


@dataclass(frozen=True)
class InProcess:
    """One connection; all it keeps goes when it closes."""

    backend: "Backend"
    in_memory: bool
    numbers: Iterator[int] = field(default_factory=count)

    def hold(self, table: pa.Table) -> "Table":
        name = f"held{next(self.numbers)}"
        self.backend.con.register(name, table)
        return self.backend.table(name)

    def read(self, place: Path | str) -> "Table":
        path = Path(place).absolute()
        return self.backend.read_parquet(str(path / "**/*.parquet" if path.is_dir() else path))

    def keep(self, rows: "Table") -> "Table":
        return self.backend.create_table(f"kept{next(self.numbers)}", rows, temp=True)

    def fetch(self, rows: "Table") -> pa.Table:
        return rows.to_pyarrow()
