"""
The matching rules, strongest first: what is compared, and which tables the rule serves.

A rule links a number when every field it compares is present on both sides and equal, and when that
points at exactly one person of the register: two candidates link nobody. A number linked by one rule is
not offered to the next. No rule links on a place alone, because families share it, nor on the holder's
copy of 宛名番号 alone, because a number is sometimes another person's.
"""

from dataclasses import dataclass

BY_NUMBER = ("tax", "child_allowance", "sp_allowance", "disability", "med_subsidy", "carer_survey")
NAMED_AND_BORN = (
    "tax",
    "sp_allowance",
    "disability",
    "welfare",
    "maternal",
    "infant_check",
    "childcare",
    "pupil",
    "consult",
)
READ_AND_BORN = (*NAMED_AND_BORN, "child_allowance", "med_subsidy", "carer_survey")
BORN_AND_PLACED = ("welfare", "maternal", "infant_check", "childcare", "pupil", "consult")
PLACED = (*BORN_AND_PLACED, "arrears")


@dataclass(frozen=True)
class Rule:
    """What must be equal; `alike` names a further condition on the pair; `tables` it serves."""

    name: str
    equal: tuple[str, ...]
    tables: tuple[str, ...]
    alike: str | None = None


RULES = (
    Rule("number_birth_reading", ("number", "birth", "kana"), BY_NUMBER),
    Rule("number_reading", ("number", "kana"), BY_NUMBER),
    Rule("number_reading_any_order", ("number", "sounds"), BY_NUMBER),
    Rule("name_reading_birth", ("name", "kana", "birth"), NAMED_AND_BORN),
    Rule("reading_birth_place", ("kana", "birth", "place"), BORN_AND_PLACED),
    Rule("reading_birth", ("kana", "birth"), READ_AND_BORN),
    Rule("name_birth", ("name", "birth"), NAMED_AND_BORN),
    # After the names: a number taken from the other twin agrees with the birth as well.
    Rule("number_birth", ("number", "birth"), BY_NUMBER),
    Rule("reading_any_order_birth", ("sounds", "birth"), READ_AND_BORN),
    Rule("name_any_order_birth", ("words", "birth"), NAMED_AND_BORN),
    Rule("given_birth_place", ("given", "birth", "place"), BORN_AND_PLACED),
    Rule("reading_place_slip", ("kana", "place"), BORN_AND_PLACED, alike="birth_slip"),
    Rule("name_place_slip", ("name", "place"), BORN_AND_PLACED, alike="birth_slip"),
    Rule("name_reading_slip", ("name", "kana"), NAMED_AND_BORN, alike="birth_slip"),
    Rule("name_reading_place", ("name", "kana", "place"), PLACED, alike="birth_unknown"),
    Rule("reading_place", ("kana", "place"), PLACED, alike="birth_unknown"),
    Rule("name_place", ("name", "place"), PLACED, alike="birth_unknown"),
)
