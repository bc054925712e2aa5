"""
What every column of the panel is made from: the children, everyone registered, and the linked tables.

`view["welfare"]` gives a column, made once; so a target can rest on a feature.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pandas as pd

from workbench.data.linking import Links
from workbench.data.panel.calendar import index_date
from workbench.data.panel.needed import needed

TRUE = ("1", "yes")


class Sources:
    """
    The raw tables with the person of each row, as a number; rows that are not linked are not seen.

    `persons` has the codes of the persons, in order: a person's number is its place there.
    """

    def __init__(self, tables: Mapping[str, pd.DataFrame], links: Links, *, years: tuple[int, ...]) -> None:
        self.tables, self.links, self.years = tables, links, years
        self.persons = pd.Index(sorted(set(links.person_of_number)), dtype=object)
        self._linked: dict[str, pd.DataFrame] = {}

    def has(self, *names: str) -> bool:
        return all(name in self.tables for name in names)

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self._linked:
            frame = needed(self.tables[name], name)
            person = self.persons.get_indexer(self.links.person(frame, name))
            self._linked[name] = frame.assign(person=person)[person >= 0]
        return self._linked[name]


@dataclass(frozen=True)
class View:
    """
    `children` (fy, person, household, grade, birth, …) are the rows of the panel; `everyone` (the same
    columns) is who was registered on each index date; `columns` says how each column is made.
    """

    children: pd.DataFrame
    everyone: pd.DataFrame
    sources: Sources
    places: pd.DataFrame | None
    columns: "Mapping[str, Column]"
    _made: dict[str, pd.Series] = field(default_factory=dict, repr=False)

    def __getitem__(self, column: str) -> pd.Series:
        if column not in self._made:
            self._made[column] = self.columns[column](self)
        return self._made[column]

    def has(self, *names: str) -> bool:
        return self.sources.has(*names)

    def table(self, name: str) -> pd.DataFrame:
        return self.sources[name]

    @property
    def missing(self) -> pd.Series:
        """A column about which nothing is known."""
        return pd.Series(None, index=self.children.index, dtype=object)

    def of_child(self, values: pd.Series, *, later: int = 0) -> pd.Series:
        """`values` (by person `in_year`) of each child in the year `later` years on; missing without one."""
        wanted = in_year(self.children["person"], self.children["fy"] + later)
        return pd.Series(values.reindex(wanted).array, index=self.children.index)

    def of_home(self, values: pd.Series) -> pd.Series:
        """`values` (by household `in_year`) of each child's household; missing without one."""
        wanted = in_year(self.children["household"], self.children["fy"])
        return pd.Series(values.reindex(wanted).array, index=self.children.index)

    def is_among(self, who: pd.DataFrame, *, later: int = 0) -> pd.Series:
        """Whether each child stands in `who` (person, fy) in the year `later` years on."""
        return in_year(self.children["person"], self.children["fy"] + later).isin(_years_of(who))

    def has_member_among(self, who: pd.DataFrame) -> pd.Series:
        """Whether someone of the child's household stands in `who` (person, fy) on the index date."""
        member = in_year(self.everyone["person"], self.everyone["fy"]).isin(_years_of(who))
        homes = in_year(self.everyone["household"], self.everyone["fy"])
        return in_year(self.children["household"], self.children["fy"]).isin(homes[member])

    def at_index(
        self, frame: pd.DataFrame, *, since: pd.Series, until: pd.Series | None = None
    ) -> pd.DataFrame:
        """The rows of `frame` whose spell covers an index date, with its `fy`; see `at_index`."""
        return at_index(frame, years=self.sources.years, since=since, until=until)


Column = Callable[[View], pd.Series]


def at_index(
    frame: pd.DataFrame, *, years: tuple[int, ...], since: pd.Series, until: pd.Series | None = None
) -> pd.DataFrame:
    """The rows whose spell covers an index date, once per year, with `fy`. The day of `until` is outside."""
    covering = []
    for fy in years:
        here = since <= index_date(fy)
        if until is not None:
            here &= until.isna() | (until > index_date(fy))
        covering.append(frame[here].assign(fy=fy))
    return pd.concat(covering, ignore_index=True)


def in_year(who: pd.Series, fy: pd.Series) -> pd.Series:
    """One number for a person or household in a fiscal year: what yearly values are looked up by."""
    return who.astype("int64") * 10_000 + fy.astype("int64")


def yearly_sum(frame: pd.DataFrame, *, fy: pd.Series, values: pd.Series) -> pd.Series:
    """`values` summed by person `in_year`; missing where every value is."""
    known = fy.notna()
    return values[known].groupby(in_year(frame["person"][known], fy[known]), sort=False).sum(min_count=1)


def yearly_last(frame: pd.DataFrame, column: str) -> pd.Series:
    """The last known value of a column by person `in_year`."""
    known = frame.dropna(subset=["fy", column])
    return known[column].groupby(in_year(known["person"], known["fy"]), sort=False).last()


def true(values: pd.Series) -> pd.Series:
    """Whether a raw flag says yes; missing is not yes."""
    return values.isin(TRUE)


def yes_no(values: pd.Series, *, known: pd.Series | None = None) -> pd.Series:
    """yes or no where `known` (default: everywhere), missing elsewhere."""
    said = values.map({True: "yes", False: "no"}).astype(object)
    return said if known is None else said.where(known, None)


def _years_of(who: pd.DataFrame) -> pd.Series:
    known = who.dropna(subset=["fy"])
    return in_year(known["person"], known["fy"])
