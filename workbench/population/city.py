"""
The synthetic city 青葉野市: everything invented, its rates from cited public statistics.

`generate` gives the holders' raw tables as an intake would read them, and the truth behind them, which is
for tests alone. The same profile, seed and parameters give the same tables.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from workbench.errors import Usage
from workbench.population import register_rows, rows_care, rows_infant, rows_money, rows_notes, rows_school
from workbench.population.chance import Draw
from workbench.population.params import Params
from workbench.population.tables import Table
from workbench.population.truth import latent, links
from workbench.population.truth_years import child_years
from workbench.population.world import World, world
from workbench.population.writing import Writing

Progress = Callable[[str], None]


@dataclass(frozen=True)
class City:
    """Raw tables by name, and their keys; `parameters` is the digest of the rates. `truth_*` is for tests."""

    profile: str
    seed: int
    parameters: str
    tables: dict[str, pd.DataFrame]
    keys: dict[str, str]
    truth_link: pd.DataFrame
    truth_latent: pd.DataFrame
    truth_child_year: pd.DataFrame


def generate(
    profile: str, seed: int, params: Mapping[str, Any] | None = None, progress: Progress | None = None
) -> City:
    """
    Build the city of a profile (tiny, town, city, large).

    `params` replaces rates by name, as in params.yaml; `progress` is told the name of each table as it is made.
    """
    draw = Draw(seed=seed, params=Params(params))
    sizes = draw["profiles.children"]
    if profile not in sizes:
        raise Usage(
            ja=f"プロファイル {profile} はありません。{', '.join(sizes)} から選んでください。",
            en=f"There is no profile {profile}; choose one of {', '.join(sizes)}.",
        )
    tell = progress or (lambda _: None)
    tell("people")
    truth = world(draw, children=sizes[profile])
    pupils = rows_school.Pupils(truth)
    tables = {}
    for name, table in raw_tables(truth, pupils):
        tell(name)
        tables[name] = table
    tell("truth")
    return City(
        profile=profile,
        seed=seed,
        parameters=draw.params.digest,
        tables={name: table.frame for name, table in tables.items()},
        keys={name: table.key for name, table in tables.items()},
        truth_link=links(truth, tables),
        truth_latent=latent(truth),
        truth_child_year=child_years(truth, pupils, tables),
    )


def raw_tables(truth: World, pupils: rows_school.Pupils) -> Iterator[tuple[str, Table]]:
    """Each holder's table in turn."""
    writing = Writing(truth)
    yield "resident", register_rows.resident(truth, writing)
    yield "resident_addr_hist", register_rows.address_history(truth, writing)
    yield "tax", rows_money.tax(truth, writing)
    yield "child_allowance", rows_money.child_allowance(truth, writing)
    yield "sp_allowance", rows_money.sp_allowance(truth, writing)
    yield "welfare", rows_money.welfare(truth, writing)
    yield "maternal", rows_infant.maternal(truth, writing)
    yield "infant_check", rows_infant.infant_check(truth, writing)
    yield "vaccine", rows_infant.vaccine(truth, writing)
    yield "childcare", rows_infant.childcare(truth, writing)
    yield "childcare_month", rows_infant.childcare_month(truth)
    yield "pupil", rows_school.pupil(pupils, writing)
    yield "school_aid", rows_school.school_aid(pupils, writing)
    yield "attendance", rows_school.attendance(pupils)
    yield "school_health", rows_notes.school_health(pupils)
    yield "nurse_visit", rows_notes.nurse_visit(pupils)
    yield "school_survey", rows_notes.school_survey(pupils)
    yield "bullying", rows_notes.bullying(pupils)
    consult = rows_care.consult(truth, writing)
    yield "consult", consult
    yield "consult_contact", rows_care.consult_contact(truth, consult)
    yield "disability", rows_care.disability(truth, writing)
    yield "med_subsidy", rows_money.med_subsidy(truth, writing)
    yield "arrears", rows_money.arrears(truth, writing)
    yield "carer_survey", rows_care.carer_survey(truth, writing)
