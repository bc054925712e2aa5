"""Opening a table on the engine that WORKBENCH_ENGINE names."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.dataset as arrow_dataset

from workbench.data.engine.in_process import in_process
from workbench.data.engine.interface import Engine
from workbench.data.engine.spark import spark
from workbench.data.extract import open_source
from workbench.errors import NotFound, Unusable, Usage

if TYPE_CHECKING:
    from ibis.expr.types import Table

Source = Path | str | pa.Table

ENGINES: dict[str, Callable[[str], AbstractContextManager[Engine]]] = {
    "duckdb": in_process,
    "spark": spark,
}
# How the address of a Spark master begins.
MASTERS = ("local", "spark://", "yarn", "k8s://")

# Whose exceptions may quote a value of the data.
FOREIGN = {"duckdb", "_duckdb", "ibis", "pyarrow", "pyspark", "py4j"}


@dataclass(frozen=True)
class Opened:
    """A table on an engine; `schema` has the types of its source, which an engine may hold otherwise."""

    rows: "Table"
    schema: pa.Schema
    engine: Engine

    @property
    def columns(self) -> list[str]:
        return list(self.schema.names)


@contextmanager
def opened(source: Source, *, engine: str | None = None) -> Iterator[Opened]:
    """
    `source` on an engine, by default the one WORKBENCH_ENGINE names, while the block lasts.

    `source` is a Parquet file or a folder of them, a file of separated text (every cell is text), an address
    that Spark reads, or an Arrow table. Raises NotFound and Unusable for a source that does not read, Usage
    for an engine that is not known, Unprotected for one that is not installed.
    """
    name = engine or os.environ.get("WORKBENCH_ENGINE") or "duckdb"
    with own_words():
        source = in_memory(source)
        with connected(name) as running:
            table = placed(source, running)
            if table.rows.columns != tuple(table.columns):
                raise Unusable(
                    ja="表に、名が同じか大文字と小文字だけが違う列があります。列名を直してください。",
                    en="The table has columns whose names are equal but for case; rename them.",
                )
            yield table


def connected(name: str) -> AbstractContextManager[Engine]:
    """The engine of that name. Raises Usage for another."""
    if name in ENGINES:
        return ENGINES[name](name)
    if name.startswith(MASTERS):
        return spark(name)
    raise Usage(
        ja=f"WORKBENCH_ENGINE の「{name}」が分かりません。duckdb、spark、または Spark のマスターの所在を指定してください。",
        en=f"WORKBENCH_ENGINE names '{name}', which is no engine; give duckdb, spark or the address of a Spark master.",
    )


def in_memory(source: Source) -> Source:
    """Separated text as its cells; the rest as it is."""
    if isinstance(source, pa.Table) or "://" in str(source):
        return source
    path = Path(source)
    if not path.exists():
        raise NotFound(
            ja=f"表 {path.name} がありません。場所を確かめてください。",
            en=f"There is no table {path.name}; check where it is.",
        )
    if path.is_dir() or path.suffix.lower() == ".parquet":
        return path
    text = open_source(path)
    return text.read().rename_columns(list(text.header))


def placed(source: Source, engine: Engine) -> Opened:
    if isinstance(source, pa.Table):
        return Opened(engine.hold(source), source.schema, engine)
    rows = engine.read(source)
    if "://" in str(source):
        return Opened(rows, rows.schema().to_pyarrow(), engine)
    return Opened(rows, arrow_dataset.dataset(source, format="parquet", partitioning="hive").schema, engine)


@contextmanager
def own_words() -> Iterator[None]:
    """An engine's message may quote a value; what leaves the block is our own sentence."""
    try:
        yield
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in FOREIGN:
            raise
        kind = type(error).__name__
        raise Unusable(
            ja=f"表を計数エンジンで読めませんでした（{kind}）。ファイルが壊れていないか、列の型が文字列・数・日付かを確かめてください。",
            en=f"The engine could not read the table ({kind}); check that the file is whole and its columns are text, numbers or dates.",
        ) from None
