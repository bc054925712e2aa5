"""
Days, school years and grades.

A day is a whole number of days since 1970-01-01. FY y runs from 1 April y to 31 March y+1. A child's
cohort is the FY of the day before its birthday, because in Japan an age is reached on that day: the
child born on 1 April belongs to the older class.
"""

import numpy as np

BURN_IN = 2011  # Households and cases start here so that the first panel already has a past.
RECORDS = 2013  # The first FY whose yearly records are kept: the panel of 2014 looks back at it.
PANELS = range(2014, 2025)
LAST = 2024
YEARS = np.arange(BURN_IN, LAST + 1)
SCHOOL_MONTHS = 12
NEVER = np.int64(10**6)


def day(year: int, month: int, date: int) -> int:
    return int(np.datetime64(f"{year:04d}-{month:02d}-{date:02d}", "D").astype(np.int64))


_ORIGIN = day(1900, 1, 1)
_ALL = np.arange(_ORIGIN, day(2061, 1, 1)).astype("datetime64[D]")
_ISO = np.datetime_as_string(_ALL).astype(object)
_CALENDAR_YEAR = _ALL.astype("datetime64[Y]").astype(np.int64) + 1970
_MONTH = _ALL.astype("datetime64[M]").astype(np.int64) % 12 + 1
_FY = _CALENDAR_YEAR - (_MONTH < 4)
_STARTS = np.array([day(y, 4, 1) for y in range(1900, 2061)])


def fy_start(fy: np.ndarray | int) -> np.ndarray:
    """1 April of each FY."""
    return _STARTS[np.asarray(fy) - 1900]


def fy_of(days: np.ndarray) -> np.ndarray:
    return _FY[np.asarray(days) - _ORIGIN]


def cohort_of(birth: np.ndarray) -> np.ndarray:
    return fy_of(np.asarray(birth) - 1)


def grade(fy: np.ndarray, cohort: np.ndarray) -> np.ndarray:
    """School-year age at 1 April of `fy`: 0 to 17 for a child, 6 in the first class of school."""
    return fy - cohort - 1


def year_of(days: np.ndarray) -> np.ndarray:
    return _CALENDAR_YEAR[np.asarray(days) - _ORIGIN]


def iso(days: np.ndarray) -> np.ndarray:
    """`YYYY-MM-DD` strings; None where the day is NEVER."""
    days = np.asarray(days)
    never = days >= NEVER
    text = _ISO[np.where(never, 0, days) - _ORIGIN]
    text[never] = None
    return text


def month_names(fy: int | np.ndarray) -> np.ndarray:
    """The twelve months of each FY, April first, as `YYYY-MM`; shape (..., 12)."""
    first = np.asarray(fy)[..., None] * 12 + 3 + np.arange(SCHOOL_MONTHS)
    return MONTH_NAME[first - 1900 * 12]


MONTH_NAME = np.array([f"{y:04d}-{m:02d}" for y in range(1900, 2061) for m in range(1, 13)], dtype=object)
INDEX_DAYS = fy_start(YEARS)
# Families and children who were gone before the records began are not known to any holder.
START = int(fy_start(RECORDS))
END = int(fy_start(LAST + 1))  # The first day after the records.
