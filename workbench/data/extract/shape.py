"""What every format gives: a header, and on demand every cell as text."""

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class Source:
    """
    An opened extract. `read` gives the cells as text, its columns named "0", "1", … by position.

    `numeric` are the positions whose numbers have lost their leading zeros.
    """

    header: tuple[str, ...]
    encoding: str
    separator: str | None
    sha256: str
    read: Callable[[], pa.Table]
    numeric: frozenset[int] = frozenset()
