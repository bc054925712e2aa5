"""Checks, vaccinations and disability support, as known before the index date."""

import pandas as pd

from workbench.data.panel.calendar import days, index_dates, months_after
from workbench.data.panel.view import View, true, yes_no

# Doses and the month of age they are due (予防接種実施規則, simplified to the dictionary's schedule).
SCHEDULE = {
    ("DPT", 1): 3,
    ("DPT", 2): 4,
    ("DPT", 3): 5,
    ("DPT", 4): 18,
    ("PCV", 1): 3,
    ("PCV", 2): 4,
    ("PCV", 3): 5,
    ("PCV", 4): 15,
    ("BCG", 1): 6,
    ("MR", 1): 12,
    ("MR", 2): 66,
    ("VAR", 1): 13,
    ("VAR", 2): 19,
}
# Months of age at which an infant is checked.
CHECKS = (4, 18, 36)
# A dose half a year late is missing, not merely late.
NONE, GRACE = pd.Timedelta(0), pd.Timedelta(days=183)
MOST_DOSES_MISSING = 6
MOST_CHECKS_MISSED = 3


def checks_missed(view: View) -> pd.Series:
    """Infant checks due before the index date and not attended; missing for who had to be checked here
    and has no linked record of it."""
    if not view.has("infant_check"):
        return view.missing.astype("Int64")
    checks = view.table("infant_check").assign(due=lambda rows: days(rows["due_date"]))
    absent = checks["attended"].notna() & ~true(checks["attended"])
    missed = checks[absent & checks["due"].notna()].drop_duplicates(["person", "check", "due"])
    rows = view.children[["person", "fy"]].reset_index(names="row")
    pairs = rows.merge(missed[["person", "due"]], on="person")
    before = pairs[pairs["due"] < index_dates(pairs["fy"])]
    count = before.groupby("row").size().reindex(view.children.index, fill_value=0)
    checked = pd.concat([_fell_due_here(view, month) for month in CHECKS], axis=1).any(axis=1)
    known = ~checked | _has_infant_record(view)
    return count.clip(upper=MOST_CHECKS_MISSED).astype("Int64").where(known)


def vaccinations_missing(view: View) -> pd.Series:
    """Doses that fell due while the child lived here and were not given half a year later; missing for
    who has such doses and no linked record of them."""
    if not view.has("vaccine"):
        return view.missing.astype("Int64")
    given = _given(view.table("vaccine"))
    count = pd.Series(0, index=view.children.index, dtype="Int64")
    for (vaccine, dose), month in SCHEDULE.items():
        on = pd.to_datetime(view.children["person"].map(given.get((vaccine, dose), {})))
        count += (_fell_due_here(view, month, grace=GRACE) & ~(on < view["index_date"])).astype("Int64")
    return count.clip(upper=MOST_DOSES_MISSING).where((count == 0) | _has_infant_record(view))


def disability(view: View) -> pd.Series:
    """Whether a certificate or a disability support is in force on the index date."""
    if not view.has("disability"):
        return view.missing
    held = view.table("disability")
    since, until = days(held["spell_from"]), days(held["spell_to"])
    return yes_no(view.is_among(view.at_index(held[["person"]], since=since, until=until)))


def _given(vaccine: pd.DataFrame) -> dict[tuple[str, int], pd.Series]:
    """The first day each dose was given, by person."""
    doses = vaccine.assign(on=days(vaccine["given_on"]), dose=pd.to_numeric(vaccine["dose"]))
    first = doses.dropna(subset=["on"]).groupby(["vaccine", "dose", "person"])["on"].min()
    return {dose: days_of.droplevel([0, 1]) for dose, days_of in first.groupby(level=[0, 1])}


def here_since(view: View) -> pd.Series:
    """The day each child was first registered here."""
    resident = view.table("resident")
    since = days(resident["spell_from"]).groupby(resident["person"]).min()
    return view.children["person"].map(since)


def _has_infant_record(view: View) -> pd.Series:
    """Whether a check or a dose of before the index date is linked to the child at all."""
    dated = {"infant_check": "due_date", "vaccine": "given_on"}
    seen = [
        pd.Series(days(view.table(table)[column]).array, index=view.table(table)["person"])
        for table, column in dated.items()
        if view.has(table)
    ]
    first = pd.concat(seen).groupby(level=0).min()
    return view.children["person"].map(first) < view["index_date"]


def _fell_due_here(view: View, month: int, *, grace: pd.Timedelta = NONE) -> pd.Series:
    """Whether the child came here before that month of age, and the grace was over on the index date."""
    due = months_after(view.children["birth"], month)
    return (due >= view["here_since"]) & (due + grace <= view["index_date"])
