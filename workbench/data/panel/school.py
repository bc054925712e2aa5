"""What schools recorded last year. A child who was no pupil then has no record, which is not a no."""

import pandas as pd

from workbench.data.panel.calendar import days, fiscal_year, fiscal_year_of_month
from workbench.data.panel.view import View, yearly_last, yearly_sum, yes_no

LONG_ABSENCE_DAYS = 30
BREAKFAST_SKIPPED = ("3", "4")


def pupil(view: View, *, later: int = -1) -> pd.Series:
    """Whether the child is on a pupil roll in the year `later` years on."""
    if not view.has("pupil"):
        return pd.Series(False, index=view.children.index)
    return view.is_among(view.table("pupil"), later=later)


def attendance(view: View, *, column: str, later: int = -1) -> pd.Series:
    """A column of the attendance book summed over a year; missing without a month of it."""
    if not view.has("attendance"):
        return view.missing.astype("Int64")
    book = view.table("attendance")
    count = yearly_sum(book, fy=fiscal_year_of_month(book["month"]), values=book[column])
    return view.of_child(count, later=later).astype("Int64")


def long_absence(view: View, *, later: int = -1) -> pd.Series:
    """Thirty days or more of 不登校 in the year `later` years on; missing without an attendance book."""
    absent = attendance(view, column="absent_nonattend", later=later)
    return yes_no((absent >= LONG_ABSENCE_DAYS).fillna(False).astype(bool), known=absent.notna())


def nurse_visits(view: View) -> pd.Series:
    """Visits to the nurse's office last year."""
    if not view.has("nurse_visit"):
        return view.missing.astype("Int64")
    visits = view.table("nurse_visit")
    one = pd.Series(1, index=visits.index, dtype="Int64")
    count = yearly_sum(visits, fy=fiscal_year(days(visits["visited_on"])), values=one)
    return view.of_child(count, later=-1).astype("Int64").fillna(0).where(view["pupil"])


def bullied(view: View) -> pd.Series:
    """Whether the school recognised the child as bullied last year."""
    if not view.has("bullying"):
        return view.missing
    incidents = view.table("bullying")
    found = incidents[["person"]].assign(fy=fiscal_year(days(incidents["found_on"])))
    return yes_no(view.is_among(found, later=-1), known=view["pupil"])


def last_year(view: View, *, table: str, column: str) -> pd.Series:
    """Last year's value of a yearly school table; missing without one."""
    if not view.has(table):
        return view.missing
    return view.of_child(yearly_last(view.table(table), column), later=-1)


def breakfast_skipped(view: View) -> pd.Series:
    """Whether the pupil answered last year to skip breakfast often or always."""
    breakfast = last_year(view, table="school_survey", column="breakfast")
    return yes_no(breakfast.isin(BREAKFAST_SKIPPED), known=breakfast.notna())
