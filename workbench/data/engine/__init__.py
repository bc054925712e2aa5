"""
Where a table is counted: DuckDB in this process, or Apache Spark where one machine is not enough.

WORKBENCH_ENGINE chooses: `duckdb` (when unset), `spark` for Spark as its own configuration says, or the
address of a Spark master. Who counts writes one Ibis expression and meets the same numbers on each; what an
engine's own message says of the data stays here. An engine that is asked for and not there is refused:
falling back in silence would fill one machine with what was meant for ten.
"""

from workbench.data.engine.interface import Engine
from workbench.data.engine.opening import Opened, Source, opened

__all__ = ["Engine", "Opened", "Source", "opened"]
