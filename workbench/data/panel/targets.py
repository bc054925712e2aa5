"""The four targets: what happens in the year that begins on the index date. Missing when not eligible."""

import pandas as pd

from workbench.data.panel import counsel, money, school
from workbench.data.panel.view import View, yes_no

YOUNGEST_CARER = 6
PUPILS_WITH_A_YEAR_BEFORE = (7, 14)


def poverty(view: View) -> pd.Series:
    """Income of the year below the poverty line; who is on 生活保護 is known already."""
    income = money.equivalised_income(view, later=0)
    return yes_no(income < money.POVERTY_LINE, known=income.notna() & (view["welfare"] != "yes"))


def abuse_report(view: View) -> pd.Series:
    """A report or a new registration in the year; who is registered is known already."""
    if not view.has("consult"):
        return view.missing
    report = counsel.reported(view, later=0) == "yes"
    return yes_no(report | counsel.newly_registered(view), known=view["registered"] == "no")


def absent_30d_next_year(view: View) -> pd.Series:
    """Thirty days of 不登校 in the year, of pupils of both years who were not absent so long before."""
    after = school.long_absence(view, later=0)
    both_years = view["pupil"] & school.pupil(view, later=0)
    grades = view.children["grade"].between(*PUPILS_WITH_A_YEAR_BEFORE).astype(bool)
    return after.where(both_years & grades & (view["absent_30d_now"] == "no"), None)


def young_carer(view: View) -> pd.Series:
    """The child's own answer in the year; who is known already and who did not answer is missing."""
    old_enough = (view.children["grade"] >= YOUNGEST_CARER).astype(bool)
    return counsel.carer_answers(view).where(old_enough & ~counsel.known_carer(view), None)
