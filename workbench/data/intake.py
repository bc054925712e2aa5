"""
Intake: what a holder sends becomes a typed table with a receipt, or is refused in one sentence.

The order is of caution: the file's name and header are searched for numbers of persons before anything is
named, cells before they are read, and nothing is stored before all of it has been read. No sentence quotes
a cell.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from workbench.data.columns import Column, Encoded, read_column
from workbench.data.extract import Source, open_source
from workbench.data.header import ForbiddenNumber, forbidden, match_header
from workbench.data.individual_number import mentions, scan
from workbench.data.item import Item, Kind
from workbench.data.raw import RawStore
from workbench.data.receipt import Receipt
from workbench.errors import Refused, Unusable
from workbench.home import Home

if TYPE_CHECKING:
    from workbench.state import State

__all__ = ["Receipt", "import_extract", "read_extract"]

NUMBERS = frozenset({Kind.INTEGER, Kind.NUMBER})


def import_extract(
    home: Home, state: "State", *, table: str, path: Path, actor: str | None = None
) -> Receipt:
    """
    Take a holder's file in as `table` of the register in force, in the place of what was there.

    A file that is refused or unusable leaves the store as it was, and its refusal in the log.
    """
    # Whoever reads a plain file, outside any home, waits for neither the state nor the log.
    from workbench.audit import Event
    from workbench.data.registers import Registers
    from workbench.governance.people import FOUNDER, People

    actor = actor or FOUNDER
    People(state).expect_may(actor, "import")
    register = Registers(state).current()
    items = register[table].items
    try:
        frame, receipt = read_extract(path, items, register=register.digest)
    except (Refused, Unusable) as error:
        state.record(Event.EXTRACT_REFUSED, actor=actor, table=table, rule=getattr(error, "rule", "unusable"))
        raise
    with state.transaction() as transaction:
        transaction.event(
            Event.EXTRACT_IMPORTED,
            actor=actor,
            table=table,
            rows=receipt.rows,
            columns=len(receipt.columns),
            sha256=receipt.sha256,
        )
        RawStore(home).put(table, frame, receipt)
    return receipt


def read_extract(
    path: Path, items: Sequence[Item], *, register: str | None = None
) -> tuple[pd.DataFrame, Receipt]:
    """
    Read CSV or Parquet as the register's items say.

    Flags are "yes" and "no", categories and codes text, dates ISO text, integers Int64, numbers float64;
    missing is missing. Raises NotFound, Unusable, Refused.
    """
    if mentions(path.name):
        raise ForbiddenNumber(
            ja="ファイル名に個人番号と見られる番号があります。ファイル名を変え、番号を使わないでください。",
            en="The file's name holds what reads as an Individual Number; rename it and do not use such a number.",
        )
    source = open_source(path)
    positions = match_header(source.header, items)
    columns = read_columns(source, items=items, positions=positions)
    frame = as_frame(columns)
    return frame, Receipt(
        rows=len(frame),
        columns=tuple(columns),
        encoding=source.encoding,
        separator=source.separator,
        sha256=source.sha256,
        normalised=dict(sorted(sum((column.notes for column in columns.values()), Counter()).items())),
        empty_columns=tuple(name for name, column in columns.items() if column.is_empty),
        register=register,
    )


def read_columns(source: Source, *, items: Sequence[Item], positions: dict[str, int]) -> dict[str, Column]:
    cells = source.read()
    if not cells.num_rows:
        raise Unusable(
            ja="見出しだけで、データの行がありません。保有元に送り直してもらってください。",
            en="The file has a header and no data row; ask its holder to send it again.",
        )
    encoded = {item.name: Encoded.of(cells.column(positions[item.name])) for item in items}
    for item in items:
        numeric = item.kind in NUMBERS or positions[item.name] in source.numeric
        refuse_numbers(encoded[item.name], item=item, numeric=numeric)
    return {item.name: read_column(encoded[item.name], item=item) for item in items}


def refuse_numbers(encoded: Encoded, *, item: Item, numeric: bool) -> None:
    """Refuse the column when a cell holds a number that must never enter."""
    for marked, ja, en in forbidden(scan(encoded.distinct, numeric=numeric)):
        count = encoded.count(marked)
        raise ForbiddenNumber(
            ja=f"列 {item.name} に{ja}と見られる番号が {count} 件あります。取り込みません。番号を除いて送り直してもらってください。",
            en=f"Column '{item.name}' holds what reads as {en} in {count} cells; nothing is taken in. Have the file sent without it.",
        )


def as_frame(columns: dict[str, Column]) -> pd.DataFrame:
    table = pa.table({name: column.values for name, column in columns.items()})
    return table.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
