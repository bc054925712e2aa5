"""
What a perfect linking and a perfect panel would say: a row per child and index date, for tests.

Features come from before the index date, targets from the FY that begins on it. `true_harmed` and
`true_carer` are what happened, whether or not anybody saw it.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from workbench.population.calendar import INDEX_DAYS, YEARS, fy_of
from workbench.population.chance import Array
from workbench.population.health import doses_missing
from workbench.population.places import places
from workbench.population.rows_school import Pupils
from workbench.population.school import LINE
from workbench.population.structure import IN_PANEL, TYPES
from workbench.population.tables import Table
from workbench.population.world import World

THREE_YEARS = 1096
NO_YES = np.array(["no", "yes"], dtype=object)
CARER_GRADES, TRUANCY_GRADES = (6, 17), (7, 14)


@dataclass(frozen=True)
class Truth:
    """Child × FY values gathered from the tables by their true owners."""

    world: World
    pupils: Pupils
    tables: dict[str, Table]

    @cached_property
    def child(self) -> Array:
        return np.nonzero(self.world.kids.at_index() & IN_PANEL)[0]

    @cached_property
    def column(self) -> Array:
        return np.nonzero(self.world.kids.at_index() & IN_PANEL)[1]

    @cached_property
    def family(self) -> Array:
        return self.world.kids.family[self.child]

    def owners(self, name: str) -> Array:
        """The child behind each row of a table (-1 where it is an adult's)."""
        return self.world.people.child[self.tables[name].owner]

    def by_fy(self, name: str, item: str) -> Array:
        """Children × YEARS of a yearly item (None where there is no row)."""
        frame, child = self.tables[name].frame, self.owners(name)
        grid = np.full((self.world.kids.size, len(YEARS)), None, dtype=object)
        grid[child, frame["fy"].to_numpy(dtype=np.int64) - YEARS[0]] = frame[item].to_numpy(
            dtype=object, na_value=None
        )
        return grid

    def any_in_fy(self, name: str, days: str, rows: Array) -> Array:
        """Children × YEARS: a row of `rows` dated in the FY."""
        child, when = self.owners(name)[rows], in_days(self.tables[name].frame[days][rows])
        grid = np.zeros((self.world.kids.size, len(YEARS)), dtype=bool)
        inside = (child >= 0) & (when >= INDEX_DAYS[0])
        grid[child[inside], fy_of(when[inside]) - YEARS[0]] = True
        return grid

    def at(self, grid: Array) -> Array:
        """This FY's value of each row."""
        return grid[self.child, self.column]

    def before(self, grid: Array) -> Array:
        """Last FY's value of each row."""
        return grid[self.child, self.column - 1]

    def year_counts(self, name: str) -> Array:
        """Children × YEARS of a count of the attendance table; -1 where not a pupil."""
        grid = np.full((self.world.kids.size, len(YEARS)), -1)
        grid[self.pupils.child, self.pupils.column] = self.pupils.counts[name].sum(axis=1)
        return grid

    @cached_property
    def pupil_before(self) -> Array:
        return self.before(self.year_counts("refused")) >= 0


def in_days(dates: pd.Series) -> Array:
    return dates.to_numpy(dtype="datetime64[D]").astype(np.int64)


def child_years(world: World, pupils: Pupils, tables: dict[str, Table]) -> pd.DataFrame:
    truth = Truth(world, pupils, tables)
    return pd.DataFrame(
        {
            **person_items(truth),
            **household_items(truth),
            **own_items(truth),
            **school_items(truth),
            **targets(truth),
        }
    )


def yes(values: Array, *, missing: Array | None = None) -> Array:
    text = NO_YES[values.astype(np.int8)]
    return text if missing is None else np.where(missing, None, text)


def whole(values: Array, *, missing: Array) -> pd.arrays.IntegerArray:
    return pd.arrays.IntegerArray(np.where(missing, 0, values).astype(np.int64), missing)


def person_items(truth: Truth) -> dict[str, object]:
    world, child, column, family = truth.world, truth.child, truth.column, truth.family
    person = world.people.of_child[child]
    block = world.homes.block[world.home_of(person, INDEX_DAYS[column])]
    return {
        "child_id": world.people.true_id(person),
        "family": family,
        "fy": YEARS[column],
        "grade": world.kids.grades()[child, column],
        "sex": np.where(world.kids.male[child], "male", "female").astype(object),
        "block": places()["block"].to_numpy()[block],
        "es_district": places()["es_district"].to_numpy()[block],
        "hh_type": np.array(TYPES, dtype=object)[world.structure.types[family, column]],
        "n_children": np.minimum(world.structure.children[family, column], 5),
        "foreign": yes(world.structure.foreign[family]),
        "moves_3y": truth.at(moves(truth)),
    }


def moves(truth: Truth) -> Array:
    """Children × YEARS: arrivals and moves in the three years up to the index date."""
    frame, child = truth.tables["resident_addr_hist"].frame, truth.owners("resident_addr_hist")
    rows = (child >= 0) & frame["reason"].isin(["1", "3"]).to_numpy()
    child, day = child[rows], in_days(frame["moved_on"][rows])
    grid = np.zeros((truth.world.kids.size, len(YEARS)), dtype=np.int64)
    for place, index in enumerate(INDEX_DAYS):
        recent = (day <= index) & (day > index - THREE_YEARS)
        grid[:, place] = np.bincount(child[recent], minlength=len(grid))
    return grid


def equivalent_income(truth: Truth, *, years_back: int) -> Array:
    """
    Rows: the declared income of the household's adults in an earlier (or this) FY, in 10,000 yen, by today's members.

    NaN where nobody has a tax row, or somebody did not declare.
    """
    money, family, now = truth.world.money, truth.family, truth.column
    then = now - years_back
    seen = money.present[family, now] & money.present[family, then]
    total = (money.disposable[family, then] * seen).sum(axis=1)
    silent = (money.undeclared[family, then] & seen).any(axis=1) | ~seen.any(axis=1)
    income = np.round(total / 10_000 / np.sqrt(truth.world.structure.members[family, now]), 1)
    return np.where(silent, np.nan, income)


def household_items(truth: Truth) -> dict[str, object]:
    world, family, column = truth.world, truth.family, truth.column
    money = world.money
    declared = (
        money.present[family, column]
        & money.present[family, column - 1]
        & ~money.undeclared[family, column - 1]
    )
    exempt = ((money.tax_class[family, column - 1] == 1) | ~declared).all(axis=1)
    return {
        "tax_exempt": yes(exempt, missing=~declared.any(axis=1)),
        "eq_income": equivalent_income(truth, years_back=1),
        "spa": yes(np.isin(money.allowance[family, column], (1, 2))),
        "welfare": yes(money.welfare[family, column]),
        "arrears": yes(owing(truth)),
    }


def owing(truth: Truth) -> Array:
    """Fees owed last FY by a member of today's household, or its city tax."""
    world = truth.world
    payers = np.zeros((world.people.size, len(YEARS)), dtype=bool)
    table = truth.tables["arrears"]
    payers[table.owner, table.frame["fy"].to_numpy(dtype=np.int64) - YEARS[0]] = True
    family, column, present = truth.family, truth.column, world.money.present
    owes = np.zeros(len(family), dtype=bool)
    main = np.argmax(world.money.disposable[family, column - 1], axis=1)
    taxes = world.money.tax_arrears[family, column - 1]
    for role in range(present.shape[2]):
        person = world.people.of_role[family, role]
        here = present[family, column, role] & (person >= 0)
        owes |= here & payers[person, column - 1]
        owes |= here & present[family, column - 1, role] & taxes & (main == role)
    return owes


def own_items(truth: Truth) -> dict[str, object]:
    world = truth.world
    consult = truth.tables["consult"].frame
    advice, report = (consult["kind"] == "2").to_numpy(), (consult["kind"] == "1").to_numpy()
    contacts = truth.tables["consult_contact"].frame
    about = pd.Series(advice, index=consult["case_id"]).loc[contacts["case_id"]].to_numpy()
    asked = truth.any_in_fy("consult", "accepted_on", advice) | truth.any_in_fy(
        "consult_contact", "contact_on", about
    )
    reports = truth.before(truth.by_fy("child_allowance", "report_missing"))
    missing = doses_missing(world.kids, world.health, arrives=world.kids.starts, days=INDEX_DAYS)
    return {
        "ca_report_missing": yes(reports == "1", missing=np.equal(reports, None)),
        "checks_missed": truth.at(world.health.missed_by(INDEX_DAYS)),
        "vac_missing": truth.at(missing),
        "disability": yes(truth.at(world.health.disabled(INDEX_DAYS))),
        "consulted": yes(truth.before(asked)),
        "reported": yes(truth.before(truth.any_in_fy("consult", "accepted_on", report))),
        "registered": yes(truth.at(registered(truth))),
    }


def registered(truth: Truth) -> Array:
    """Children × YEARS: registered with the regional council at the index date."""
    frame, child = truth.tables["consult"].frame, truth.owners("consult")
    rows = frame["registered_on"].notna().to_numpy() & (child >= 0)
    opens = in_days(frame["registered_on"][rows])
    closes = in_days(frame["closed_on"][rows].fillna("2060-01-01"))
    grid = np.zeros((truth.world.kids.size, len(YEARS)), dtype=bool)
    for place, index in enumerate(INDEX_DAYS):
        grid[child[rows][(opens <= index) & (index < closes)], place] = True
    return grid


def school_items(truth: Truth) -> dict[str, object]:
    none = ~truth.pupil_before
    total = sum(truth.before(truth.year_counts(name)) for name in ("refused", "sick", "other"))
    aid = truth.before(truth.by_fy("school_aid", "aid_class"))
    breakfast = truth.before(truth.by_fy("school_survey", "breakfast"))
    teeth = truth.before(truth.by_fy("school_health", "untreated_teeth"))
    school = truth.world.school
    return {
        "school_aid": yes(np.not_equal(aid, None), missing=none),
        "absent_days": whole(total, missing=none),
        "late_days": whole(truth.before(truth.year_counts("late")), missing=none),
        "nurse_visits": whole(truth.before(school.nurse), missing=none),
        "bullied": yes(truth.before(school.bullied), missing=none),
        "score_dev": truth.before(truth.by_fy("school_survey", "score_dev")).astype(float),
        "fitness": truth.before(truth.by_fy("school_survey", "fitness")),
        "breakfast_skipped": yes(np.isin(breakfast, ("3", "4")), missing=np.equal(breakfast, None)),
        "untreated_teeth": whole(np.where(np.equal(teeth, None), 0, teeth), missing=np.equal(teeth, None)),
        "absent_30d_now": yes(truth.before(truth.year_counts("refused")) >= LINE, missing=none),
    }


def targets(truth: Truth) -> dict[str, object]:
    world, family, column = truth.world, truth.family, truth.column
    grade = world.kids.grades()[truth.child, column]
    income = equivalent_income(truth, years_back=0)
    consult = truth.tables["consult"].frame
    report = truth.any_in_fy("consult", "accepted_on", (consult["kind"] == "1").to_numpy())
    opened = truth.any_in_fy("consult", "registered_on", consult["registered_on"].notna().to_numpy())
    refused = truth.at(truth.year_counts("refused"))
    open_to = truth.pupil_before & (refused >= 0) & (truth.before(truth.year_counts("refused")) < LINE)
    open_to &= (grade >= TRUANCY_GRADES[0]) & (grade <= TRUANCY_GRADES[1])
    cares = truth.at(truth.by_fy("carer_survey", "cares"))
    known = truth.any_in_fy("consult", "yc_known_on", consult["yc_known_on"].notna().to_numpy())
    known_before = truth.before(np.logical_or.accumulate(known, axis=1))
    silent = np.equal(cares, None) | known_before | (grade < CARER_GRADES[0])
    return {
        "poverty": yes(
            income < world.draw["money.poverty_line"],
            missing=np.isnan(income) | world.money.welfare[family, column],
        ),
        "abuse_report": yes(truth.at(report | opened), missing=truth.at(registered(truth))),
        "absent_30d_next_year": yes(refused >= LINE, missing=~open_to),
        "young_carer": yes(cares == "1", missing=silent),
        "true_harmed": yes(truth.at(world.care.harmed)),
        "true_carer": yes(truth.at(world.care.carer)),
    }
