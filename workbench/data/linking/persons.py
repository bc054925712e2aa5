"""
The persons of the residents' register: who holds which numbers, and every way they have been described.

A person who leaves and comes back gets a second number. Two numbers are one person only when name,
reading, birth and sex all agree, no other number has them, and the two were never here at the same time.
The person is then called by the older number.
"""

import pandas as pd

from workbench.data.linking.compare import description, field
from workbench.data.linking.normalise import date, fold
from workbench.data.linking.sources import Identity

OFFICIAL = Identity(
    number="person_no", name="name", kana="name_kana", birth="birth_date", sex="sex", address="address"
)
# 通称名 may be sent in place of the name; and the reading of a name in letters, where a name is asked for.
ALIAS = OFFICIAL._replace(name="alias", kana="alias")
READ_AS_NAME = OFFICIAL._replace(name="name_kana")
IN_LETTERS = "[A-Za-zＡ-Ｚａ-ｚ]"
SAME_PERSON = ["name", "kana", "birth", "sex"]


def persons(resident: pd.DataFrame) -> pd.Series:
    """The person of each number of the register: number → person."""
    described = description(resident, OFFICIAL)
    spells = pd.DataFrame({name: field(described, name) for name in ["number", *SAME_PERSON]}).assign(
        since=pd.to_datetime(fold(resident["spell_from"], date)),
        until=pd.to_datetime(fold(resident["spell_to"], date)).fillna(pd.Timestamp.max),
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


def descriptions(resident: pd.DataFrame, person: pd.Series) -> pd.DataFrame:
    """Every name a person has been described by, old and new, alias and reading: with `person`."""
    official = description(resident, OFFICIAL)
    in_letters = official["name"].str.contains(IN_LETTERS, na=False)
    said = [official, description(resident[in_letters], READ_AS_NAME)]
    if "alias" in resident:
        said.append(description(resident[resident["alias"].notna()], ALIAS))
    return _of_person(pd.concat(said, ignore_index=True), person).drop(columns="address").drop_duplicates()


def places(resident: pd.DataFrame, moves: pd.DataFrame | None, person: pd.Series) -> pd.DataFrame:
    """Every place a person has lived at: `person` and `place`."""
    lived = [description(resident, OFFICIAL)]
    if moves is not None:
        lived.append(description(moves, OFFICIAL))
    at = _of_person(pd.concat(lived, ignore_index=True)[["number", "address"]].drop_duplicates(), person)
    return at.assign(place=field(at, "place"))[["person", "place"]].dropna().drop_duplicates()


def _of_person(described: pd.DataFrame, person: pd.Series) -> pd.DataFrame:
    return described.assign(person=field(described, "number").map(person)).dropna(subset=["person"])
