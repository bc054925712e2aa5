"""
The rules at work: vectorised joins of what a source says with what the register says.

Over-linking puts another child's record on a child; under-linking leaves a value missing. The first is
worse, so whatever is not certain stays unlinked.
"""

from collections.abc import Sequence

import pandas as pd

from workbench.data.linking.rules import RULES, Rule

LINKED = ["key", "person", "rule"]
# Years between the same figures of two eras (平成 and 令和 30, 昭和 and 平成 63), and a year off.
ERA_SLIPS = (30, 63, 1)


def match(
    said: pd.DataFrame, register: pd.DataFrame, *, source: str, rules: Sequence[Rule] = RULES
) -> pd.DataFrame:
    """Link each key of `said` (from `records`) to at most one person of `register`: key, person, rule."""
    found = [pd.DataFrame(columns=LINKED, dtype=object)]
    for rule in rules:
        if source in rule.tables and len(said):
            pairs = alone(candidates(said, register, rule=rule)).assign(rule=rule.name)
            said = said[~said["key"].isin(pairs["key"])]
            found.append(pairs)
    return pd.concat(found, ignore_index=True)[LINKED]


def candidates(said: pd.DataFrame, register: pd.DataFrame, *, rule: Rule) -> pd.DataFrame:
    """Every key and person that the rule finds the same. What is missing is never the same."""
    equal = list(rule.equal)
    fields = [*equal, "birth"] if rule.alike and "birth" not in equal else equal
    left = said[["key", *fields]].dropna(subset=equal).drop_duplicates()
    right = register[["person", *fields]].dropna(subset=equal).drop_duplicates()
    pairs = left.merge(right, on=equal, suffixes=("", "_register"))
    if rule.alike:
        pairs = pairs[ALIKE[rule.alike](pairs["birth"], pairs["birth_register"])]
    return pairs[["key", "person"]].drop_duplicates()


def alone(pairs: pd.DataFrame) -> pd.DataFrame:
    """The pairs whose key has one candidate only. Twins of one reading are two, and neither is linked."""
    return pairs[~pairs["key"].duplicated(keep=False)]


def birth_slip(one: pd.Series, other: pd.Series) -> pd.Series:
    """The day beside it, day and month swapped, or the same day in another era or a year off; not the day itself."""
    known = one.notna() & other.notna()
    a, b = (pd.to_datetime(birth.where(known), errors="coerce") for birth in (one, other))
    beside = (a - b).abs().dt.days == 1
    swapped = (a.dt.year == b.dt.year) & (a.dt.day == b.dt.month) & (a.dt.month == b.dt.day) & (a != b)
    era = (a.dt.year - b.dt.year).abs().isin(ERA_SLIPS) & (a.dt.month == b.dt.month) & (a.dt.day == b.dt.day)
    return known & (beside | swapped | era)


def birth_unknown(one: pd.Series, _: pd.Series) -> pd.Series:
    """The source does not give a birth; where it gives one, a rule that compares it decides."""
    return one.isna()


ALIKE = {"birth_slip": birth_slip, "birth_unknown": birth_unknown}
