"""
Which tables speak of persons, under whose number, and in which columns: one row per table.

`key` is the holder's own number. A table that uses the numbers of another (`numbers_of`) is linked with
it: the school's logs through the pupil roll, a vaccination through the infant checks. What a table tells
about the person is named by field; a field it does not have is not compared.
"""

from dataclasses import dataclass
from typing import NamedTuple

REGISTER, MOVES = "resident", "resident_addr_hist"


class Identity(NamedTuple):
    """The columns in which a table describes a person; None where it does not."""

    number: str | None = None
    name: str | None = None
    kana: str | None = None
    birth: str | None = None
    sex: str | None = None
    address: str | None = None


@dataclass(frozen=True)
class Source:
    """A holder's table: its key, whose numbers the key belongs to, and how it describes a person."""

    key: str
    describes: Identity | None = None
    numbers_of: str | None = None


NAMED = Identity(name="name", kana="name_kana", birth="birth_date")
READ = Identity(kana="name_kana", birth="birth_date")

SOURCES = {
    "tax": Source("taxpayer_no", NAMED._replace(number="person_no")),
    "child_allowance": Source("allowance_no", READ._replace(number="person_no")),
    "sp_allowance": Source("certificate_no", NAMED._replace(number="person_no")),
    "welfare": Source(
        "case_no",
        Identity(name="head_name", kana="head_name_kana", birth="head_birth_date", address="address"),
    ),
    "maternal": Source(
        "boshi_no",
        Identity(name="mother_name", kana="mother_name_kana", birth="mother_birth_date", address="address"),
    ),
    "infant_check": Source("infant_no", NAMED._replace(sex="sex", address="address")),
    "vaccine": Source("infant_no", READ, numbers_of="infant_check"),
    "childcare": Source("child_no", NAMED._replace(address="address")),
    "childcare_month": Source("child_no", numbers_of="childcare"),
    "pupil": Source("pupil_no", NAMED._replace(sex="sex", address="address")),
    "school_aid": Source("pupil_no", Identity(name="name"), numbers_of="pupil"),
    "attendance": Source("pupil_no", numbers_of="pupil"),
    "school_health": Source("pupil_no", numbers_of="pupil"),
    "nurse_visit": Source("pupil_no", numbers_of="pupil"),
    "school_survey": Source("pupil_no", numbers_of="pupil"),
    "bullying": Source("pupil_no", numbers_of="pupil"),
    "consult": Source(
        "case_id",
        Identity(
            name="child_name",
            kana="child_name_kana",
            birth="child_birth_date",
            sex="child_sex",
            address="address",
        ),
    ),
    "consult_contact": Source("case_id", numbers_of="consult"),
    "disability": Source("certificate_no", NAMED._replace(number="person_no")),
    "med_subsidy": Source("subsidy_no", READ._replace(number="person_no")),
    "arrears": Source("arrears_no", Identity(name="payer_name", kana="payer_name_kana", address="address")),
    "carer_survey": Source("answer_no", READ._replace(number="person_no")),
}

OWNERS = tuple(table for table, source in SOURCES.items() if source.numbers_of is None)


def owner(table: str) -> str:
    """The table whose numbers `table` uses."""
    return SOURCES[table].numbers_of or table


def describing(table: str) -> tuple[str, ...]:
    """The tables that use the numbers of `table` and describe the person, itself first."""
    sharing = (table, *(other for other, source in SOURCES.items() if source.numbers_of == table))
    return tuple(name for name in sharing if SOURCES[name].describes)
