"""Income, allowances and debts of the household, as known before the index date."""

import numpy as np
import pandas as pd

from workbench.data.panel.calendar import days
from workbench.data.panel.view import View, in_year, true, yearly_last, yes_no

YEN_PER_MAN = 10_000
# 等価可処分所得, man-yen: half the national median of 2021 (国民生活基礎調査 2022).
POVERTY_LINE = 127
TAX_EXEMPT = "1"
PAID = ("1", "2")


def equivalised_income(view: View, *, later: int = -1) -> pd.Series:
    """
    Disposable income over the root of the household's size, man-yen, of the tax year `later` years on.

    Members are those of the index date. Missing without a declaration in the household, or when a
    member did not declare: an income that is partly unknown is not a low income.
    """
    if not view.has("tax"):
        return pd.Series(np.nan, index=view.children.index)
    tax = view.table("tax").dropna(subset=["fy"])
    disposable = (tax["revenue_total"] - tax["social_insurance"] - tax["taxes_total"]).astype("Float64")
    declared = tax[["person", "fy"]].assign(disposable=disposable, undeclared=true(tax["undeclared"]))
    homes = _homes(view, declared, later=later)
    members = view.everyone.groupby(in_year(view.everyone["household"], view.everyone["fy"])).size()
    income = homes["disposable"].sum(min_count=1) / YEN_PER_MAN / np.sqrt(members)
    known = income.mask(homes["undeclared"].any())
    return view.of_home(known).astype("float64").round(1)


def tax_exempt(view: View) -> pd.Series:
    """Whether every member who declared last year is exempt; missing when none did."""
    if not view.has("tax"):
        return view.missing
    tax = view.table("tax").dropna(subset=["fy", "tax_class"])
    liable = tax[["person", "fy"]].assign(liable=tax["tax_class"] != TAX_EXEMPT)
    liables = view.of_home(_homes(view, liable, later=-1)["liable"].sum())
    return yes_no(liables == 0, known=liables.notna())


def allowance_for_single_parents(view: View) -> pd.Series:
    """Whether a member receives 児童扶養手当, in full or in part, on the index date."""
    if not view.has("sp_allowance"):
        return view.missing
    certificates = view.table("sp_allowance")
    return _held_at_home(view, certificates[certificates["status"].isin(PAID)])


def welfare(view: View) -> pd.Series:
    """Whether the household is on 生活保護 on the index date."""
    return _held_at_home(view, view.table("welfare")) if view.has("welfare") else view.missing


def arrears(view: View) -> pd.Series:
    """Whether a member was in arrears last year, with fees or with tax; a no needs both sources."""
    behind = []
    if view.has("arrears"):
        behind.append(view.table("arrears"))
    if view.has("tax"):
        behind.append(view.table("tax").loc[lambda tax: true(tax["tax_arrears"])])
    if not behind:
        return view.missing
    last_year = pd.concat([rows[["person", "fy"]] for rows in behind])
    some = view.has_member_among(last_year.assign(fy=last_year["fy"] + 1))
    return yes_no(some, known=some | view.has("arrears", "tax"))


def report_missing(view: View) -> pd.Series:
    """Whether last year's 現況届 of the child allowance was not handed in; missing without an allowance."""
    if not view.has("child_allowance"):
        return view.missing
    last = view.of_child(yearly_last(view.table("child_allowance"), "report_missing"), later=-1)
    return yes_no(true(last), known=last.notna())


def school_aid(view: View) -> pd.Series:
    """Whether the pupil received 就学援助 last year; missing for who was no pupil."""
    if not view.has("school_aid"):
        return view.missing
    return yes_no(view.is_among(view.table("school_aid"), later=-1), known=view["pupil"])


def _held_at_home(view: View, spells: pd.DataFrame) -> pd.Series:
    held = view.at_index(spells[["person"]], since=days(spells["spell_from"]), until=days(spells["spell_to"]))
    return yes_no(view.has_member_among(held))


def _homes(view: View, yearly: pd.DataFrame, *, later: int) -> "pd.api.typing.DataFrameGroupBy":
    """The rows of `yearly` of the year `later` years on, by the household of the index date."""
    everyone = view.everyone
    home = in_year(everyone["household"], everyone["fy"])
    home.index = in_year(everyone["person"], everyone["fy"] + later)
    rows = yearly.assign(home=in_year(yearly["person"], yearly["fy"]).map(home)).dropna(subset=["home"])
    return rows.groupby(rows["home"].astype("int64"), sort=False)
