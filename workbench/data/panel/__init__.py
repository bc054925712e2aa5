"""
The linked table `child_year`: one row per child and fiscal year.

A feature is made only of what is dated before the index date (1 April), a target only of the year that
begins there. A table that is absent, or that could not hold a record of the child (school books of a
preschooler), gives a missing value, never a no. The codes in child_id and household_id serve linking
and splitting in the coordinating room and are never released.
"""

from collections.abc import Mapping
from functools import partial

import pandas as pd

from workbench.data.linking import Links
from workbench.data.panel import counsel, health, households, money, school, targets
from workbench.data.panel.calendar import index_dates
from workbench.data.panel.view import Column, Sources, View
from workbench.errors import Unusable

# Column of child_year → how it is made, in the order of the table.
COLUMNS: dict[str, Column] = {
    "child_id": households.child_id,
    "household_id": lambda view: view.children["household_no"],
    "fy": lambda view: view.children["fy"].astype("Int64"),
    "grade": lambda view: view.children["grade"],
    "sex": households.sex,
    "block": households.block,
    "es_district": households.elementary_district,
    "hh_type": households.household_type,
    "n_children": households.number_of_children,
    "foreign": households.foreign,
    "moves_3y": households.moves,
    "tax_exempt": money.tax_exempt,
    "eq_income": money.equivalised_income,
    "spa": money.allowance_for_single_parents,
    "school_aid": money.school_aid,
    "welfare": money.welfare,
    "ca_report_missing": money.report_missing,
    "arrears": money.arrears,
    "checks_missed": health.checks_missed,
    "vac_missing": health.vaccinations_missing,
    "absent_days": partial(school.attendance, column="absent_days"),
    "late_days": partial(school.attendance, column="late"),
    "nurse_visits": school.nurse_visits,
    "bullied": school.bullied,
    "score_dev": partial(school.last_year, table="school_survey", column="score_dev"),
    "fitness": partial(school.last_year, table="school_survey", column="fitness"),
    "breakfast_skipped": school.breakfast_skipped,
    "untreated_teeth": partial(school.last_year, table="school_health", column="untreated_teeth"),
    "disability": health.disability,
    "consulted": counsel.consulted,
    "reported": counsel.reported,
    "registered": counsel.registered,
    "absent_30d_now": school.long_absence,
    "poverty": targets.poverty,
    "abuse_report": targets.abuse_report,
    "absent_30d_next_year": targets.absent_30d_next_year,
    "young_carer": targets.young_carer,
}
TARGETS = ("poverty", "abuse_report", "absent_30d_next_year", "young_carer")
# Made for the columns above and not shown.
STEPS: dict[str, Column] = {
    "pupil": school.pupil,
    "index_date": lambda view: index_dates(view.children["fy"]),
    "here_since": health.here_since,
}


def child_year(
    tables: Mapping[str, pd.DataFrame],
    links: Links,
    *,
    years: tuple[int, ...] | None = None,
    places: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """
    The panel of the index dates of `years`; by default of every year with a recorded year before it.

    `places` tells the elementary-school district of each block (columns block, es_district); without it
    the district is missing. Records that are not linked are not seen.
    """
    made = view(tables, links, years=years, places=places)
    return pd.DataFrame({column: made[column] for column in COLUMNS})


def view(
    tables: Mapping[str, pd.DataFrame],
    links: Links,
    *,
    years: tuple[int, ...] | None = None,
    places: pd.DataFrame | None = None,
) -> View:
    """The columns of `child_year`, each made when it is asked for."""
    sources = Sources(tables, links, years=years or recorded_years(tables))
    everyone = households.everyone(sources)
    return View(households.children(everyone), everyone, sources, places, {**COLUMNS, **STEPS})


def recorded_years(tables: Mapping[str, pd.DataFrame]) -> tuple[int, ...]:
    """The fiscal years of the yearly tables, but for the first: it has no year before it."""
    recorded = [frame["fy"].dropna() for frame in tables.values() if "fy" in frame]
    if not recorded:
        raise Unusable(
            ja="年度 (fy) のある表がなく、基準日を決められません。年度のある表を取り込んでください。",
            en="No table has a fiscal year (fy), so there is no index date; import a yearly table.",
        )
    every = pd.concat(recorded).astype("int64")
    return tuple(range(int(every.min()) + 1, int(every.max()) + 1))
