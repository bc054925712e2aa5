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
    # Spark's own log quotes what it fails on.
    "spark.log.level": "OFF",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
LOOPBACK = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
# Within one process Spark makes the secret itself; a cluster's is its administrator's to give.
AUTHENTICATED = {
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
    if master.startswith("local"):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    import ibis
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("workbench").config(map=settings(master))
    with ExitStack() as kept:
        yield Spark(ibis.pyspark.connect(builder.getOrCreate()), kept)


def settings(master: str) -> dict[str, str]:
    """What is set for a master: where Spark runs on this machine, it listens on the loopback only."""
    chosen = SETTINGS if master == "spark" else {**SETTINGS, "spark.master": master}
    if master == "local" or master.startswith("local["):
        return {**chosen, **LOOPBACK, **AUTHENTICATED}
    return {**chosen, **LOOPBACK} if master.startswith("local-cluster[") else chosen


def expect_spark() -> None:
    """Raise Unprotected unless pyspark and a Java runtime are here."""
    java = Path(os.environ.get("JAVA_HOME", "/nowhere"), "bin/java").exists() or shutil.which("java")
    for there, what in ((find_spec("pyspark"), "pyspark"), (java, "Java")):
        if not there:
            raise Unprotected(
                ja=f"WORKBENCH_ENGINE は Spark ですが、{what} がありません。make spark で入れるか、duckdb にしてください。",
                en=f"WORKBENCH_ENGINE asks for Spark, but {what} is missing; install it with 'make spark', or set duckdb.",
            )


@dataclass(frozen=True)
class Spark:
    """A session that other blocks may share, and what this block keeps there."""

    backend: "Backend"
    kept: ExitStack
    in_memory: bool = False
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

    def fetch(self, rows: "Table") -> pa.Table:
        # Ibis goes by way of pandas, where a whole number beside a missing value becomes a float.
        return self.backend._session.sql(self.backend.compile(rows)).toArrow()
