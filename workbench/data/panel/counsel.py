"""Reports, counselling, registration with the regional council (要対協), and young carers."""

import pandas as pd

from workbench.data.panel.calendar import DAY, days, fiscal_year, index_dates
from workbench.data.panel.view import View, true, yes_no

REPORT, COUNSEL = "1", "2"
# 特定妊婦 (3) is the mother before the birth: her registration is not the child's.
REGISTERED_CHILD = ("1", "2")


def reported(view: View, *, later: int = -1) -> pd.Series:
    """Whether a report (虐待通告) was accepted in the year `later` years on."""
    if not view.has("consult"):
        return view.missing
    return yes_no(view.is_among(_accepted(view, kind=REPORT), later=later))


def consulted(view: View) -> pd.Series:
    """Whether counselling was accepted, or a contact of it made, last year."""
    if not view.has("consult"):
        return view.missing
    some = view.is_among(_accepted(view, kind=COUNSEL), later=-1)
    if view.has("consult_contact"):
        some |= view.is_among(_contacts(view), later=-1)
    return yes_no(some)


def registered(view: View) -> pd.Series:
    """Whether the child is registered as 要保護 or 要支援 on the index date."""
    if not view.has("consult"):
        return view.missing
    cases = _registrations(view)
    return yes_no(view.is_among(view.at_index(cases, since=cases["on"], until=cases["closed"])))


def newly_registered(view: View) -> pd.Series:
    """Whether a registration begins after the index date and within its year."""
    cases = _registrations(view).assign(fy=lambda rows: fiscal_year(rows["on"]))
    return view.is_among(cases[cases["on"] > index_dates(cases["fy"])])


def known_carer(view: View) -> pd.Series:
    """Whether the child was known as a young carer before the index date."""
    if not view.has("consult"):
        return pd.Series(False, index=view.children.index)
    known = view.table("consult").assign(on=lambda rows: days(rows["yc_known_on"])).dropna(subset=["on"])
    return view.is_among(view.at_index(known[["person"]], since=known["on"] + DAY))


def carer_answers(view: View, *, later: int = 0) -> pd.Series:
    """The child's own yes or no in the young-carer survey of the year; missing without an answer."""
    if not view.has("carer_survey"):
        return view.missing
    answers = view.table("carer_survey").dropna(subset=["cares"])
    yes = view.is_among(answers[true(answers["cares"])], later=later)
    return yes_no(yes, known=view.is_among(answers, later=later))


def _accepted(view: View, *, kind: str) -> pd.DataFrame:
    cases = view.table("consult").loc[lambda rows: rows["kind"] == kind]
    return cases[["person"]].assign(fy=fiscal_year(days(cases["accepted_on"])))


def _contacts(view: View) -> pd.DataFrame:
    """Contacts of counselling cases; following up a report is not counselling."""
    cases, contacts = view.table("consult"), view.table("consult_contact")
    counsel = contacts[contacts["case_id"].isin(cases.loc[cases["kind"] == COUNSEL, "case_id"])]
    return counsel[["person"]].assign(fy=fiscal_year(days(counsel["contact_on"])))


def _registrations(view: View) -> pd.DataFrame:
    cases = view.table("consult").loc[lambda rows: rows["yotai_class"].isin(REGISTERED_CHILD)]
    dated = cases[["person"]].assign(on=days(cases["registered_on"]), closed=days(cases["closed_on"]))
    return dated.dropna(subset=["on"])
