"""
The persons of the residents' register: who holds which numbers, and every way they have been described.

A person who leaves and comes back gets a second number. Two numbers are one person only when name,
reading, birth and sex all agree, no other number has them, and the two were never here at the same time.
The person is then called by the older number.
"""

import pandas as pd

from workbench.data.linking.compare import compared
from workbench.data.linking.normalise import date, fold
from workbench.data.linking.sources import Identity

OFFICIAL = Identity(
    number="person_no", name="name", kana="name_kana", birth="birth_date", sex="sex", address="address"
)
# 通称名 may be sent in place of the name, and a reading where a name is asked for.
ALSO_CALLED = (OFFICIAL._replace(name="alias", kana="alias"), OFFICIAL._replace(name="name_kana"))
SAME_PERSON = ["name", "kana", "birth", "sex"]
FOR_EVER = "9999-12-31"


def persons(resident: pd.DataFrame) -> pd.Series:
    """The person of each number of the register: number → person."""
    spells = compared(resident, OFFICIAL).assign(
        since=fold(resident["spell_from"], date), until=fold(resident["spell_to"], date).fillna(FOR_EVER)
    )
    stays = spells.groupby("number").agg(since=("since", "min"), until=("until", "max"))
    older = _older_numbers(spells, stays)
    number = pd.Series(stays.index, index=stays.index, name="person_id")
    return number.map(older).fillna(number)


def _older_numbers(spells: pd.DataFrame, stays: pd.DataFrame) -> pd.Series:
    """Second number → the older number of the same person."""
    held = spells[["number", *SAME_PERSON]].dropna().drop_duplicates().join(stays, on="number")
    alike = held.sort_values(["since", "number"]).groupby(SAME_PERSON, sort=False)
    ends = alike.agg(
        numbers=("number", "size"),
        older=("number", "first"),
        newer=("number", "last"),
        left=("until", "first"),
        came=("since", "last"),
    )
    again = ends[(ends["numbers"] == 2) & (ends["left"] < ends["came"])].drop_duplicates("newer", keep=False)
    return again.set_index("newer")["older"]


def described(resident: pd.DataFrame, moves: pd.DataFrame | None, person: pd.Series) -> pd.DataFrame:
    """Every description of each person, with `person`: names old and new, alias, each place lived at."""
    said = pd.concat(
        [compared(resident, identity) for identity in (OFFICIAL, *ALSO_CALLED)], ignore_index=True
    )
    said = said.assign(person=said["number"].map(person)).dropna(subset=["person"]).drop_duplicates()
    places = [said[["person", "place"]]]
    if moves is not None:
        places.append(_places(moves, person))
    lived = pd.concat(places, ignore_index=True).dropna().drop_duplicates()
    return said.drop(columns="place").drop_duplicates().merge(lived, on="person", how="left")


def _places(moves: pd.DataFrame, person: pd.Series) -> pd.DataFrame:
    places = compared(moves, Identity(number="person_no", address="address"))
    return places.assign(person=places["number"].map(person))[["person", "place"]]
