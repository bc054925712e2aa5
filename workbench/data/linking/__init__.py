"""
Linking the holders' tables: whose record is this?

Every holder writes under its own number. `link` finds, by the rules of rules.py in sight, which person
of the residents' register each number belongs to. What no rule can say for certain stays unlinked: a
record put on the wrong child is worse than a value that is missing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from workbench.data.linking.compare import keys, records
from workbench.data.linking.matching import Register, match
from workbench.data.linking.normalise import code, fold
from workbench.data.linking.persons import descriptions, persons, places
from workbench.data.linking.sources import MOVES, OWNERS, REGISTER, SOURCES, describing, owner
from workbench.errors import Unusable

COLUMNS = ["source", "source_key", "person_id", "rule"]


@dataclass(frozen=True)
class Links:
    """
    Who each holder's number is: `person_link` has source, source_key, person_id and rule.

    `person_of_number` is the register's own: number → person. `said` is how each number of a source is
    described where it first appears, for the report on quality.
    """

    person_link: pd.DataFrame
    person_of_number: pd.Series
    said: Mapping[str, pd.DataFrame]

    def person(self, frame: pd.DataFrame, table: str) -> pd.Series:
        """The person of each row of `frame`, a table of that name; None where it is not linked."""
        if table in (REGISTER, MOVES):
            return fold(frame["person_no"], code).map(self.person_of_number)
        link = self.person_link[self.person_link["source"] == owner(table)]
        return keys(frame, table).map(link.set_index("source_key")["person_id"])


def link(tables: Mapping[str, pd.DataFrame], *, progress: Callable[[str], None] | None = None) -> Links:
    """Link every known table that is there. Raises Unusable without the residents' register."""
    if REGISTER not in tables:
        raise Unusable(
            ja="住民記録 (resident) の表がありません。先に取り込んでください。",
            en="The residents' register (table resident) is not there; import it first.",
        )
    person = persons(tables[REGISTER])
    resident, moves = tables[REGISTER], tables.get(MOVES)
    register = Register(descriptions(resident, person), places(resident, moves, person))
    found, said = [], {}
    for source in OWNERS:
        if any(table in tables for table in describing(source)):
            if progress:
                progress(source)
            described = records(tables, source)
            found.append(match(described, register, source=source).assign(source=source).sort_values("key"))
            said[source] = described.drop_duplicates("key", ignore_index=True)
    return Links(_person_link(found), person, said)


def _person_link(found: list[pd.DataFrame]) -> pd.DataFrame:
    together = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=["key", "person"])
    named = together.rename(columns={"key": "source_key", "person": "person_id"})
    return named.reindex(columns=COLUMNS).astype(object)


__all__ = ["SOURCES", "Links", "link"]
