"""
What can never be, whatever the data say: the register's constraints on the items of a table.

A preschooler has no days absent from school; a grade goes with an age; of two siblings the first-born is the
older. Constraints are public. Synthetic rows keep them, and a real row that breaks one points to an error in
the source.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from workbench.errors import Unusable

if TYPE_CHECKING:
    import pandas as pd

Rows = np.ndarray[Any, np.dtype[np.bool_]]
PRESENT, MISSING = "present", "missing"


class Constraint(Protocol):
    """`items` are those it speaks of; `broken` tells which rows of a frame with these items break it."""

    @property
    def items(self) -> tuple[str, ...]: ...

    def broken(self, frame: "pd.DataFrame") -> Rows: ...


@dataclass(frozen=True)
class Range:
    """A condition on a number; an end that is None is open."""

    minimum: float | None = None
    maximum: float | None = None

    def holds(self, values: "pd.Series[Any]") -> Rows:
        return self.contains(numeric(values))

    def contains(self, numbers: "np.ndarray[Any, np.dtype[np.float64]]") -> Rows:
        low = -np.inf if self.minimum is None else self.minimum
        high = np.inf if self.maximum is None else self.maximum
        return np.asarray((numbers >= low) & (numbers <= high))


@dataclass(frozen=True)
class Among:
    """A condition on a category: one of these values."""

    values: frozenset[str]

    def holds(self, values: "pd.Series[Any]") -> Rows:
        return values.astype("object").astype(str).isin(self.values).to_numpy() & values.notna().to_numpy()


@dataclass(frozen=True)
class Known:
    """A condition on whether there is a value."""

    known: bool

    def holds(self, values: "pd.Series[Any]") -> Rows:
        return np.asarray(values.notna().to_numpy() == self.known)


Condition = Range | Among | Known


@dataclass(frozen=True)
class Never:
    """A structural zero: no row fulfils all these conditions."""

    conditions: Mapping[str, Condition]

    @property
    def items(self) -> tuple[str, ...]:
        return tuple(self.conditions)

    def broken(self, frame: "pd.DataFrame") -> Rows:
        held = [condition.holds(frame[item]) for item, condition in self.conditions.items()]
        return np.asarray(np.logical_and.reduce(held))


@dataclass(frozen=True)
class Difference:
    """`item` minus `other` lies in the range, where both are known: a grade against an age."""

    item: str
    other: str
    allowed: Range

    @property
    def items(self) -> tuple[str, ...]:
        return (self.item, self.other)

    def broken(self, frame: "pd.DataFrame") -> Rows:
        apart = numeric(frame[self.item]) - numeric(frame[self.other])
        return np.asarray(~np.isnan(apart) & ~self.allowed.contains(apart))


def numeric(values: "pd.Series[Any]") -> "np.ndarray[Any, np.dtype[np.float64]]":
    import pandas as pd

    return pd.to_numeric(values, errors="coerce").astype("Float64").to_numpy(float, na_value=np.nan)


@dataclass(frozen=True)
class Siblings:
    """
    Within a household, children counted by `order` from 1 have falling (never rising) `age`.

    Needs the household's column to be judged; `numbered` makes it true.
    """

    order: str
    age: str
    household: str

    @property
    def items(self) -> tuple[str, ...]:
        return (self.order, self.age, self.household)

    def broken(self, frame: "pd.DataFrame") -> Rows:
        """The rows whose place among their siblings is not that of their age."""
        import pandas as pd

        order, age = numeric(frame[self.order]), numeric(frame[self.age])
        home = frame[self.household].to_numpy()
        elder = pd.DataFrame({"home": home, "order": order, "age": age, "row": np.arange(len(frame))})
        elder = elder.dropna().sort_values(["home", "order"], kind="stable")
        before = elder.groupby("home", sort=False)[["order", "age"]].shift()
        wrong = (elder["age"] > before["age"]) | (elder["order"] == before["order"])
        found = np.zeros(len(frame), dtype=bool)
        found[elder.loc[wrong, "row"].to_numpy()] = True
        return found

    def numbered(self, frame: "pd.DataFrame") -> "pd.DataFrame":
        """The same rows, each child's place among its siblings counted by age."""
        age = frame[self.age].astype("Float64").fillna(-np.inf)
        place = age.groupby(frame[self.household]).rank(method="first", ascending=False)
        return frame.assign(**{self.order: place.astype("Int64")})


def constraints_of(entries: Sequence[Mapping[str, Any]]) -> list[Constraint]:
    """The constraints of a register's table. Raises Unusable for an entry that is none."""
    return [read(number, entry) for number, entry in enumerate(entries, start=1)]


def read(number: int, entry: Mapping[str, Any]) -> Constraint:
    forms = {"never": never, "difference": difference, "siblings": siblings}
    try:
        ((form, said),) = entry.items()
        return forms[form](said)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Unusable(
            ja=f"データ項目台帳の制約（{number} 番目）を読めません。never・difference・siblings のいずれかで書いてください。",
            en=f"Constraint {number} of the item register cannot be read; write never, difference or siblings.",
        ) from None


def never(said: Mapping[str, Any]) -> Never:
    if not said:
        raise ValueError
    return Never({item: condition(value) for item, value in said.items()})


def difference(said: Mapping[str, Any]) -> Difference:
    return Difference(
        said["of"], said["from"], range_of({key: said[key] for key in said if key not in ("of", "from")})
    )


def siblings(said: Mapping[str, Any]) -> Siblings:
    return Siblings(**said)


def condition(said: Any) -> Condition:
    if said in (PRESENT, MISSING):
        return Known(said == PRESENT)
    return range_of(said) if isinstance(said, Mapping) else Among(frozenset(map(str, list(said))))


def range_of(said: Mapping[str, Any]) -> Range:
    if not said or not set(said) <= {"minimum", "maximum"}:
        raise ValueError
    return Range(**{name: float(bound) for name, bound in said.items()})


def within(constraints: Sequence[Constraint], *, items: Sequence[str]) -> list[Constraint]:
    """Those that speak of these items alone: a release without an item cannot break what is said of it."""
    return [one for one in constraints if set(one.items) <= set(items)]


def broken(frame: "pd.DataFrame", *, constraints: Sequence[Constraint]) -> Rows:
    """The rows that break any of the constraints."""
    found = np.zeros(len(frame), dtype=bool)
    for one in constraints:
        found |= one.broken(frame)
    return found
