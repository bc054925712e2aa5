"""Fiscal years, index dates and school-year ages: the panel's sense of time."""

import numpy as np
import pandas as pd

from workbench.data.linking.normalise import date, fold

DAY = pd.Timedelta(days=1)


def index_date(fy: int) -> pd.Timestamp:
    """The first day of the fiscal year: what lies before it may be a feature, what follows a target."""
    return pd.Timestamp(year=fy, month=4, day=1)


def days(values: pd.Series) -> pd.Series:
    """Days from dates or ISO text; what is no day is missing."""
    return pd.to_datetime(fold(values, date))


def fiscal_year(day: pd.Series) -> pd.Series:
    """The fiscal year of each day, April to March; missing for a missing day."""
    return (day.dt.year - (day.dt.month < 4)).astype("Int64")


def fiscal_year_of_month(month: pd.Series) -> pd.Series:
    """The fiscal year of each month, written 2014-04 or as a day of it."""
    return fiscal_year(pd.to_datetime(fold(month.astype(object), lambda text: f"{str(text)[:7]}-01")))


def grade(birth: pd.Series, fy: pd.Series) -> pd.Series:
    """
    The school-year age on the index date: 6 enters elementary school.

    Who is born on 1 April belongs to the year before (年齢計算ニ関スル法律; 学校教育法 第17条).
    """
    return fy.astype("Int64") - fiscal_year(birth - DAY) - 1


def index_dates(fy: pd.Series) -> pd.Series:
    """The index date of each fiscal year of a column."""
    return pd.to_datetime(fy.map({year: index_date(int(year)) for year in fy.dropna().unique()}))


def months_after(day: pd.Series, months: int) -> pd.Series:
    """The same day some months later; the last of the month where it has no such day."""
    first = day.to_numpy().astype("datetime64[M]")
    into = day.to_numpy().astype("datetime64[D]") - first.astype("datetime64[D]")
    later = first + months
    last = (later + 1).astype("datetime64[D]") - 1
    return pd.Series(np.minimum(later.astype("datetime64[D]") + into, last), index=day.index).astype(
        day.dtype
    )
