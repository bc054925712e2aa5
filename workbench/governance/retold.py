"""
The state held against the log: who is who, and with which key, as their events tell it.

The tables of the state can be written by whoever reaches its file; the log cannot be, unnoticed. A role or
a key that no event gave is found here.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from workbench.audit import Event
from workbench.errors import Untrusted
from workbench.governance.people import Person

Record = Mapping[str, Any]


def people_otherwise(people: Iterable[Person], *, records: Iterable[Record]) -> list[str]:
    """The ids of people who are not, in role, section and key, what the log says of them; also who is missing."""
    told = people_told(records)
    found = {person.id: (str(person.role), person.section, person.public_key) for person in people}
    return sorted(id_ for id_ in told.keys() | found.keys() if told.get(id_) != found.get(id_))


def people_told(records: Iterable[Record]) -> dict[str, tuple[str, str, str | None]]:
    """Role, section and key of each person, from the events alone."""
    told: dict[str, tuple[str, str, str | None]] = {}
    for record in records:
        details = record["details"]
        if record["event"] == Event.PERSON_ADDED:
            told[details["person"]] = details["role"], details["section"], details.get("public")
        elif (
            record["event"] == Event.KEY_CREATED and (id_ := details["owner"].removeprefix("person:")) in told
        ):
            role, section, _ = told[id_]
            told[id_] = role, section, details["public"]
    return told


def expect_as_told(otherwise: Mapping[str, list[str]]) -> None:
    """Raise Untrusted, naming what differs, unless every table of the state is as the log tells it."""
    wrong = [f"{table}: {', '.join(names)}" for table, names in otherwise.items() if names]
    if wrong:
        raise Untrusted(
            ja=f"状態データベースの内容が監査ログと食い違います（{'、'.join(wrong)}）。状態をバックアップから戻し、監査責任者に連絡してください。",
            en=f"The state differs from the log ({'; '.join(wrong)}); restore it from a backup and tell the auditor.",
        )
