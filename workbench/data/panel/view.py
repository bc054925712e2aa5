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


@dataclass(frozen=True)
class Sources:
    """The raw tables with the person of each row; rows that are not linked are not seen."""

    tables: Mapping[str, pd.DataFrame]
    links: Links
    years: tuple[int, ...]
    _linked: dict[str, pd.DataFrame] = field(default_factory=dict, repr=False)

    def has(self, *names: str) -> bool:
        return all(name in self.tables for name in names)

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self._linked:
            frame = needed(self.tables[name], name)
            person = self.links.person(frame, name)
            self._linked[name] = frame.assign(person=person)[person.notna()]
        return self._linked[name]


@dataclass(frozen=True)
class View:
    """
    `children` (fy, child_id, household_id, grade, birth, …) are the rows of the panel; `everyone`
    (fy, person, household, …) is who was registered on each index date; `columns` says how each is made.
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
        """`values` (by person and fy) of each child in the year `later` years on; missing without one."""
        found = values.rename_axis(["person", "fy"]).reindex(self._children_in(later))
        return pd.Series(found.array, index=self.children.index)

    def of_home(self, values: pd.Series) -> pd.Series:
        """`values` (by fy and household) of each child's household; missing without one."""
        wanted = pd.MultiIndex.from_frame(self.children[["fy", "household_id"]])
        return pd.Series(values.reindex(wanted).array, index=self.children.index)

    def is_among(self, who: pd.DataFrame, *, later: int = 0) -> pd.Series:
        """Whether each child stands in `who` (person, fy) in the year `later` years on."""
        there = pd.MultiIndex.from_frame(_dated(who)[["person", "fy"]])
        return pd.Series(self._children_in(later).isin(there), index=self.children.index)

    def has_member_among(self, who: pd.DataFrame) -> pd.Series:
        """Whether someone of the child's household stands in `who` (person, fy) on the index date."""
        at_home = self.everyone.merge(_dated(who)[["person", "fy"]].drop_duplicates(), on=["person", "fy"])
        there = pd.MultiIndex.from_frame(at_home[["fy", "household"]].drop_duplicates())
        wanted = pd.MultiIndex.from_frame(self.children[["fy", "household_id"]])
        return pd.Series(wanted.isin(there), index=self.children.index)

    def at_index(
        self, frame: pd.DataFrame, *, since: pd.Series, until: pd.Series | None = None
    ) -> pd.DataFrame:
        """The rows of `frame` whose spell covers an index date, with its `fy`; see `at_index`."""
        return at_index(frame, years=self.sources.years, since=since, until=until)

    def _children_in(self, later: int) -> pd.MultiIndex:
        fy = self.children["fy"].astype("int64") + later
        return pd.MultiIndex.from_arrays([self.children["child_id"], fy], names=["person", "fy"])


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


def yearly_sum(frame: pd.DataFrame, *, fy: pd.Series, values: pd.Series) -> pd.Series:
    """`values` summed by person and fy; missing where every value is."""
    known = _dated(pd.DataFrame({"person": frame["person"], "fy": fy, "value": values}))
    return known.groupby(["person", "fy"], sort=False)["value"].sum(min_count=1)


def yearly_last(frame: pd.DataFrame, column: str) -> pd.Series:
    """The last known value of a column by person and fy."""
    return _dated(frame.dropna(subset=[column])).groupby(["person", "fy"], sort=False)[column].last()


def true(values: pd.Series) -> pd.Series:
    """Whether a raw flag says yes; missing is not yes."""
    return values.isin(TRUE)


def yes_no(values: pd.Series, *, known: pd.Series | None = None) -> pd.Series:
    """yes or no where `known` (default: everywhere), missing elsewhere."""
    said = values.map({True: "yes", False: "no"}).astype(object)
    return said if known is None else said.where(known, None)


def _dated(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.dropna(subset=["fy"]).astype({"person": object, "fy": "int64"})
