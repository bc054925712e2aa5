"""Apache Spark, for a table that outgrows a machine."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from workbench.data.engine.interface import Engine
from workbench.errors import Unprotected

if TYPE_CHECKING:
    from ibis.backends.pyspark import Backend
    from ibis.expr.types import Table

SETTINGS = {
    # Times to the nanosecond would be refused; as whole numbers they count the same.
    "spark.sql.legacy.parquet.nanosAsLong": "true",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
# Where Spark's processes are this machine's own, nobody else is to reach them or read what they write aside.
LOCAL = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.authenticate": "true",
    "spark.network.crypto.enabled": "true",
    "spark.io.encryption.enabled": "true",
}


@contextmanager
def spark(master: str) -> Iterator[Engine]:
    """
    Spark at `master`; `spark` leaves that to its own configuration. Raises Unprotected where it is missing.

    The session lives as long as this process; what is kept there goes with the block.
    """
    expect_spark()
    import ibis
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("workbench").config(map=SETTINGS)
    if master != "spark":
        builder = builder.master(master)
    if master.startswith("local"):
        builder = builder.config(map=LOCAL)
    with ExitStack() as kept:
        yield Spark(ibis.pyspark.connect(builder.getOrCreate()), kept)


def expect_spark() -> None:
    """Raise Unprotected unless pyspark and a Java runtime are here."""
    java = Path(os.environ.get("JAVA_HOME", "/nowhere"), "bin/java").exists() or shutil.which("java")
    for there, what in ((find_spec("pyspark"), "pyspark"), (java, "Java")):
        if not there:
            raise Unprotected(
                ja=f"WORKBENCH_ENGINE は Spark ですが、{what} がありません。README の「大きな表」の手順で入れるか、duckdb にしてください。",
                en=f"WORKBENCH_ENGINE asks for Spark, but {what} is missing; install it as the README says under 'Large tables', or set duckdb.",
            )


@dataclass(frozen=True)
class Spark:
    """A session that other blocks may share, and what this block keeps there."""

    backend: "Backend"
    kept: ExitStack
    numbers: Iterator[int] = field(default_factory=count)

    def hold(self, table: pa.Table) -> "Table":
        name = f"held{next(self.numbers)}"
        self.backend._session.createDataFrame(table).createOrReplaceTempView(name)
        self.kept.callback(self.backend._session.catalog.dropTempView, name)
        return self.backend.table(name)

    def read(self, place: Path | str) -> "Table":
        return self.backend.read_parquet(str(place))

    def keep(self, rows: "Table") -> "Table":
        return self.kept.enter_context(rows.cache())
