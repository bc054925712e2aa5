"""
The rules at work: vectorised joins of what a source says with what the register says.

Over-linking puts another child's record on a child; under-linking leaves a value missing. The first is
worse, so whatever is not certain stays unlinked.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from workbench.data.linking.compare import FIELDS, field
from workbench.data.linking.rules import RULES, Rule

LINKED = ["key", "person", "rule"]
# Years between the same figures of two eras (平成 and 令和 30, 昭和 and 平成 63), and a year off.
ERA_SLIPS = (30, 63, 1)


class Register:
    """
    The descriptions of the register's persons as numbers: each distinct text of a field has one.

    A rule sees of them only what it compares, each distinct combination once.
    """

    def __init__(self, descriptions: pd.DataFrame, places: pd.DataFrame) -> None:
        """From what `persons.descriptions` and `persons.places` gathered."""
        fields = {name: field(descriptions, name) for name in FIELDS if name != "place"}
        named = pd.DataFrame({**fields, "person": descriptions["person"]}).drop_duplicates()
        described = named.merge(places, on="person", how="left")
        self.persons = pd.Index(described["person"].unique(), dtype=object)
        self.texts = {name: pd.Index(described[name].dropna().unique(), dtype=object) for name in FIELDS}
        rows = {name: self.number(described[name], of=name) for name in FIELDS}
        rows["person"] = self.persons.get_indexer(described["person"])
        self._rows = pd.DataFrame({**rows, "born": pd.to_datetime(described["birth"]).to_numpy()})
        self._seen: dict[tuple[str, ...], pd.DataFrame] = {}

    def number(self, texts: pd.Series, *, of: str) -> np.ndarray:
        """The texts of a field as numbers; -1 for what is missing or unknown to the register."""
        return self.texts[of].get_indexer(texts).astype(np.int32)

    def seen_by(self, rule: Rule) -> pd.DataFrame:
        columns = ("person", *rule.equal, *(["born"] if rule.alike else []))
        if columns not in self._seen:
            self._seen[columns] = distinct(self._rows, columns, known=rule.equal)
        return self._seen[columns]


def match(
    said: pd.DataFrame, register: Register, *, source: str, rules: Sequence[Rule] = RULES
) -> pd.DataFrame:
    """Link each key of `said` (from `records`) to at most one person of the register: key, person, rule."""
    found = [pd.DataFrame(columns=LINKED, dtype=object)]
    for rule in rules:
        if source in rule.tables and len(said):
            said = numbered(said, register, rule=rule)
            pairs = alone(candidates(said, register, rule=rule))
            said = said[~said["key"].isin(pairs["key"])]
            found.append(pairs.assign(person=register.persons[pairs["person"]], rule=rule.name))
    return pd.concat(found, ignore_index=True)[LINKED]


def numbered(said: pd.DataFrame, register: Register, *, rule: Rule) -> pd.DataFrame:
    """`said` with what the rule compares. Made when first asked for: few records reach the later rules."""
    fields = [name for name in rule.equal if f"{name}_no" not in said]
    made = {f"{name}_no": register.number(field(said, name), of=name) for name in fields}
    if rule.alike and "born" not in said:
        made["born"] = pd.to_datetime(field(said, "birth"))
    return said.assign(**made)


def candidates(said: pd.DataFrame, register: Register, *, rule: Rule) -> pd.DataFrame:
    """Every key and person that the rule finds the same. What is missing is never the same."""
    equal = list(rule.equal)
    compared = pd.DataFrame({"key": said["key"], **{name: said[f"{name}_no"] for name in equal}})
    if rule.alike:
        compared["born"] = said["born"]
    left = distinct(compared, tuple(compared), known=rule.equal)
    pairs = left.merge(register.seen_by(rule), on=equal, suffixes=("", "_register"))
    if rule.alike:
        pairs = pairs[ALIKE[rule.alike](pairs["born"], pairs["born_register"])]
    return pairs[["key", "person"]].drop_duplicates()


def distinct(rows: pd.DataFrame, columns: tuple[str, ...], *, known: tuple[str, ...]) -> pd.DataFrame:
    """The distinct rows of `columns` whose `known` columns all hold something."""
    return rows.loc[(rows[list(known)] >= 0).all(axis=1), list(columns)].drop_duplicates()


def alone(pairs: pd.DataFrame) -> pd.DataFrame:
    """The pairs whose key has one candidate only. Twins of one reading are two, and neither is linked."""
    return pairs[~pairs["key"].duplicated(keep=False)]


def birth_slip(one: pd.Series, other: pd.Series) -> pd.Series:
    """The day beside it, day and month swapped, or the day in another year of ERA_SLIPS; not the day itself."""
    same_year, same_month = one.dt.year == other.dt.year, one.dt.month == other.dt.month
    swapped = same_year & ~same_month & (one.dt.day == other.dt.month) & (one.dt.month == other.dt.day)
    era = (one.dt.year - other.dt.year).abs().isin(ERA_SLIPS) & same_month & (one.dt.day == other.dt.day)
    return ((one - other).abs().dt.days == 1) | swapped | era


def birth_unknown(one: pd.Series, _: pd.Series) -> pd.Series:
    """The source does not give a birth; where it gives one, a rule that compares it decides."""
    return one.isna()


ALIKE = {"birth_slip": birth_slip, "birth_unknown": birth_unknown}
