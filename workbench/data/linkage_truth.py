"""
Recall and precision of the links, where the truth is known.

A number counts towards recall when its person is in the register at all; every link counts towards
precision. Trivial links are kept apart: the logs follow their roll and are not counted again, the
register's own numbers are counted by themselves, and `without_number` leaves out what 宛名番号 linked.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from workbench.data.linking import Links
from workbench.data.linking.normalise import code, fold
from workbench.data.linking.rules import RULES
from workbench.data.linking.sources import OWNERS, REGISTER
from workbench.errors import Unusable

COLUMNS = ("source", "source_key", "true_person_id")


Report = dict[str, Any]
Group = Callable[[pd.DataFrame, pd.Series], pd.Series]


@dataclass(frozen=True)
class Truth:
    """`judged`: one row per number, with true and linked person, rule, and the subgroups of the person."""

    judged: pd.DataFrame
    numbers: pd.DataFrame

    @classmethod
    def of(cls, links: Links, truth: pd.DataFrame, *, register: pd.DataFrame) -> "Truth":
        """Lay the truth beside the links. Raises Unusable for a table of another shape."""
        truth = expect_truth(truth)
        # The logs share the numbers of their roll: nothing is judged twice.
        truth = truth.loc[truth["source"].isin([REGISTER, *OWNERS]), [*COLUMNS]]
        truth = truth.assign(source_key=fold(truth["source_key"], code))
        true_of = truth[truth["source"] == REGISTER].set_index("source_key")["true_person_id"]
        true_of = true_of[~true_of.index.duplicated()]
        judged = truth.merge(links.person_link, on=["source", "source_key"], how="outer")
        linked_to = judged["person_id"].map(true_of)
        judged = judged.assign(
            findable=judged["true_person_id"].isin(true_of),
            linked=judged["person_id"].notna(),
            correct=linked_to.notna() & (linked_to == judged["true_person_id"]),
        )
        return cls(judged.join(_subgroups(register, true_of), on="true_person_id"), _numbers(links, true_of))

    def report(self, sources: Sequence[str]) -> Report:
        """Recall and precision overall, by source, by rule and by subgroup; the register by itself."""
        judged = self.judged[self.judged["source"].isin(sources)]
        number_rules = [rule.name for rule in RULES if "number" in rule.equal]
        subgroups = {name: judged.groupby(name, sort=True) for name in SUBGROUPS}
        return {
            "overall": _measure(judged),
            "without_number": _measure(judged[~judged["rule"].isin(number_rules)]),
            "sources": {name: _measure(judged[judged["source"] == name]) for name in sources},
            "rules": {name: _measure(rows) for name, rows in judged.groupby("rule", sort=True)},
            "subgroups": {
                name: {str(group): _measure(rows) for group, rows in groups}
                for name, groups in subgroups.items()
            },
            "register": self._register(),
        }

    def _register(self) -> Report:
        """Second numbers: how many there are, how many were joined, how many of these rightly."""
        return {name: int(self.numbers[name].sum()) for name in ("second", "joined", "correct")}


def expect_truth(truth: pd.DataFrame) -> pd.DataFrame:
    """The truth table, once it has the columns of one. Raises Unusable with their names."""
    if absent := [column for column in COLUMNS if column not in truth]:
        raise Unusable(
            ja=f"真値表に列 {', '.join(absent)} がありません。{', '.join(COLUMNS)} の列を持つ表を指定してください。",
            en=f"The truth table lacks {', '.join(absent)}; give one with columns {', '.join(COLUMNS)}.",
        )
    return truth


def _measure(judged: pd.DataFrame) -> Report:
    findable, linked = int(judged["findable"].sum()), int(judged["linked"].sum())
    correct = int(judged["correct"].sum())
    return {
        "findable": findable,
        "linked": linked,
        "correct": correct,
        "recall": _share(correct, findable),
        "precision": _share(correct, linked),
    }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 5) if whole else None


def _numbers(links: Links, true_of: pd.Series) -> pd.DataFrame:
    own = pd.Series(links.person_of_number.index, dtype=object)
    joined = pd.Series(links.person_of_number.to_numpy(), dtype=object)
    person = own.map(true_of)
    return pd.DataFrame(
        {
            "second": person.duplicated(),
            "joined": joined != own,
            "correct": (joined != own) & (joined.map(true_of) == person),
        }
    )


def _subgroups(register: pd.DataFrame, true_of: pd.Series) -> pd.DataFrame:
    """What is known of each true person from the register, for the fairness of linking."""
    person = fold(register["person_no"], code).map(true_of)
    return pd.DataFrame({name: of(register, person) for name, of in SUBGROUPS.items()})


def _ever(column: str) -> Group:
    def of(register: pd.DataFrame, person: pd.Series) -> pd.Series:
        return register[column].isin(("1", "yes")).groupby(person).any().map({True: "yes", False: "no"})

    return of


def _several(column: str) -> Group:
    def of(register: pd.DataFrame, person: pd.Series) -> pd.Series:
        return (register[column].groupby(person).nunique() > 1).map({True: "yes", False: "no"})

    return of


SUBGROUPS = {
    "foreign": _ever("foreign"),
    "address_protected": _ever("protected"),
    "renamed": _several("name"),
    "moved": _several("address"),
    "came_back": _several("person_no"),
}
