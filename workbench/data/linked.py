"""
The linked tables of a home: made from its raw tables, kept beside them.

`person_link` says whose each holder's number is; `child_year` is the panel. Both replace what was there
together with one event each in the log; what they were made from stands in their receipts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from workbench.audit import Event
from workbench.data.linking import Links, link
from workbench.data.linking.persons import OFFICIAL
from workbench.data.linking.sources import MOVES, REGISTER, SOURCES
from workbench.data.panel import child_year
from workbench.data.panel.needed import NEEDED
from workbench.data.raw import RawStore
from workbench.data.receipt import Receipt
from workbench.governance.people import FOUNDER, People
from workbench.home import Home
from workbench.state import State

PERSON_LINK, CHILD_YEAR, PLACES = "person_link", "child_year", "places"


@dataclass(frozen=True)
class Linked:
    """What was linked, and how: the raw tables, the links, the panel."""

    tables: Mapping[str, pd.DataFrame]
    links: Links
    child_year: pd.DataFrame


def link_tables(
    home: Home,
    state: State,
    *,
    places: pd.DataFrame | None = None,
    years: tuple[int, ...] | None = None,
    actor: str = FOUNDER,
) -> Linked:
    """
    Link the home's raw tables and store `person_link` and `child_year`.

    `places` (block, es_district) is the map of the city; without it the stored table `places`, if any.
    `years` are the index dates of the panel; by default every year with a recorded year before it.
    """
    People(state).expect_may(actor, "link")
    store = RawStore(home)
    names = [name for name in store.tables() if name in {REGISTER, MOVES, *SOURCES}]
    tables = {name: store.get(name, columns=looked_at(name, store.receipt(name).columns)) for name in names}
    if places is None and PLACES in store.tables():
        places = store.get(PLACES)
    links = link(tables)
    linked = Linked(tables, links, child_year(tables, links, years=years, places=places))
    made_from = {name: store.receipt(name).sha256 for name in names}
    for table, frame in ((PERSON_LINK, links.person_link), (CHILD_YEAR, linked.child_year)):
        receipt = Receipt(rows=len(frame), columns=tuple(frame.columns), sources=made_from)
        persons = int(frame[PERSON_COLUMN[table]].nunique())
        with state.transaction() as transaction:
            transaction.event(Event.TABLES_LINKED, actor=actor, table=table, rows=len(frame), persons=persons)
            store.put(table, frame, receipt)
    return linked


def looked_at(table: str, columns: Sequence[str]) -> list[str]:
    """The columns that linking, the panel and the report look at: the rest of a large table stays on disk."""
    key, describes = (SOURCES[table].key, SOURCES[table].describes) if table in SOURCES else (None, OFFICIAL)
    wanted = {key, *(describes or ()), *NEEDED.get(table, ()), *ALSO.get(table, ())}
    return [column for column in columns if column in wanted]


ALSO = {REGISTER: ("alias", "protected")}
PERSON_COLUMN = {PERSON_LINK: "person_id", CHILD_YEAR: "child_id"}
