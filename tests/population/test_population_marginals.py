"""
Every share of the city is the one its parameter names, within 5 % or three standard errors.

The error counts people or households, not rows: one child's eleven years are not eleven children.
"""

from collections.abc import Iterator

import numpy as np
import pytest

from workbench.population.calendar import INDEX_DAYS, YEARS, fy_start
from workbench.population.city import City
from workbench.population.health import CERTIFICATES, DOSES
from workbench.population.structure import IN_PANEL, TYPES
from workbench.population.world import World

Row = tuple[str, float, float, float]


def share(name: str, happened: np.ndarray, expected: float, *, units: int | None = None) -> Row:
    return name, float(np.mean(happened)), expected, units or np.size(happened)


def households(truth: World) -> Iterator[Row]:
    p, kids, structure = truth.draw.params, truth.kids, truth.structure
    rows = kids.at_index() & IN_PANEL
    last = kids.at_index()[:, -1]
    grade = kids.grades()[:, -1][last]
    for band, expected in p["families.age_bands"].items():
        low, high = map(int, band.split("-"))
        yield share(f"age {band}", (grade >= low) & (grade <= high), expected)
    yield share("male", kids.male, p["families.male_share"])
    twins = kids.twin.sum() / 2 / (kids.size - kids.twin.sum() / 2)
    yield "births of twins", twins, p["families.twin_births"], kids.size
    children = structure.children[:, -1][structure.children[:, -1] > 0]
    for count, expected in p["families.children_per_household"].items():
        yield share(f"households of {count}", np.minimum(children, 3) == count, expected)
    types = structure.types[kids.family][rows]
    for name, expected in p["structure.types"].items():
        yield share(f"type {name}", types == TYPES.index(name), expected, units=truth.families.size)
    yield share("foreign", structure.foreign, p["structure.foreign_households"])
    age = (kids.birth - truth.families.mother_birth[kids.family]) / 365.25
    yield "mother's age at birth", age.mean(), p["families.mother_age_at_birth"]["mean"], np.inf
    yield share("teenage mothers", age < 20, p["families.teen_births"])


def moves(truth: World) -> Iterator[Row]:
    kids = truth.kids
    arrives, grades = truth.families.arrives[kids.family], kids.grades()
    came = (
        (arrives[:, None] >= INDEX_DAYS)
        & (arrives[:, None] < fy_start(YEARS + 1))
        & (kids.birth < arrives)[:, None]
    )
    known = YEARS >= 2013
    for group, expected in truth.draw["families.moves_between_cities"].items():
        low, high = map(int, group.split("-"))
        ages = (grades >= low) & (grades <= high) & known
        here = (kids.at_index() & ages).sum()
        # Siblings move together: a move is about one and a half children.
        yield f"moves in at {group}", (came & ages).sum() / here, expected, here / 1.6


def means(truth: World) -> Iterator[Row]:
    p, kids, money = truth.draw.params, truth.kids, truth.money
    rows = kids.at_index() & IN_PANEL
    of_child = {name: getattr(money, name)[kids.family][rows] for name in ("poor", "welfare", "allowance")}
    yield share("child poverty", of_child["poor"], p["money.child_poverty"], units=truth.families.size)
    yield share("welfare", of_child["welfare"], p["money.welfare"]["rate"], units=truth.families.size)
    single = truth.structure.single[kids.family][rows]
    paid = np.isin(of_child["allowance"][single], (1, 2))
    rule = p["money.child_rearing_allowance"]
    yield share("allowance of single parents", paid, rule["rate_of_single"], units=600)
    yield share("in full", of_child["allowance"][single][paid] == 1, rule["full_share"], units=350)
    pupils = rows & (kids.grades() >= 6) & (kids.grades() <= 14)
    aided = money.aid[kids.family][pupils] > 0
    yield share("school aid", aided, p["money.school_aid"]["rate"], units=truth.families.size)
    homes = (truth.structure.children > 0) & IN_PANEL
    for name in ("tax_arrears", "report_missing"):
        happened = getattr(money, name)[homes]
        yield share(name, happened, p[f"money.{name}"]["rate"], units=truth.families.size)
    yield share("tax exempt", money.exempt[homes], p["money.tax_exempt"], units=truth.families.size)
    silent = money.undeclared.any(axis=2)[money.present.any(axis=2)]
    yield share("undeclared", silent, p["money.tax_undeclared"], units=truth.families.size)


def bodies(truth: World) -> Iterator[Row]:
    p, kids, health = truth.draw.params, truth.kids, truth.health
    rows = kids.at_index() & IN_PANEL
    weight = p["health.birth_weight"]
    yield share("low birth weight", health.birth_weight < 2500, weight["low_share"])
    yield "birth weight", health.birth_weight[~kids.twin].mean(), weight["mean"], np.inf
    for column, name in enumerate(CERTIFICATES):
        held = (health.certificate_from[:, [column]] <= INDEX_DAYS) & (
            health.certificate_to[:, [column]] > INDEX_DAYS
        )
        yield share(
            f"certificate {name}", held[rows], p["health.certificates"][name]["rate"], units=kids.size
        )
    for column, (name, expected) in enumerate(p["health.checks"]["missed"].items()):
        yield share(f"missed check {name}", health.check_missed[:, column], expected)
    given_late = health.dose_given
    for column, (vaccine, dose, _) in enumerate(DOSES):
        due = (health.dose_due[:, column] >= kids.starts) & (health.dose_due[:, column] + 200 < kids.ends)
        due &= health.dose_due[:, column] + 200 < fy_start(2025)
        missed = given_late[due, column] > fy_start(2025)
        yield share(f"missed {vaccine}{dose}", missed, p["health.vaccination"]["missed"][f"{vaccine}{dose}"])


def schools(truth: World) -> Iterator[Row]:
    p, kids, school = truth.draw.params, truth.kids, truth.school
    pupil, grades = school.pupil, kids.grades()
    pupils = int(pupil.any(axis=1).sum())
    for grade, expected in p["school.truancy_by_grade"].items():
        cell = pupil & (grades == grade)
        yield share(f"non-attendance in grade {grade}", school.truant[cell], expected, units=pupils)
    for stage, low, high in (("elementary", 6, 11), ("junior_high", 12, 14)):
        cell = pupil & (grades >= low) & (grades <= high)
        yield share(f"bullied {stage}", school.bullied[cell], p["school.bullied"][stage], units=pupils)
    for age, expected in p["nursery.enrolled_by_age"].items():
        cell = kids.in_year() & (grades == age)
        yield share(f"at nursery at {age}", truth.nursery.enrolled[cell], expected, units=int(cell.sum() / 2))


def concerns(truth: World) -> Iterator[Row]:
    p, kids, care = truth.draw.params, truth.kids, truth.care
    rows = kids.at_index() & IN_PANEL
    families = truth.families.size
    yield share("violence at home", care.violence, p["care.violence"]["rate"])
    for grade, expected in p["care.carer_by_grade"].items():
        cell = kids.at_index() & (kids.grades() == grade)
        yield share(f"carers in grade {grade}", care.carer[cell], expected)
    rule = p["care.reports"]
    yield share("reports", care.reported[rows], rule["rate"], units=families * 2)
    happened = share(
        "what happened", care.harmed[rows], rule["rate"] * rule["true_per_report"], units=families * 2
    )
    yield happened
    yield share("custody", care.custody[care.reported], p["care.custody_of_reports"])
    yield share("consultations", care.consulted[rows], p["care.consultation"]["rate"], units=families)
    known = care.carer_known[rows & (kids.grades() >= 6)]
    assert 0.0005 < known.mean() < 0.005, "about 0.1 to 0.2 % of children are known carers"


CHAPTERS = (households, moves, means, bodies, schools, concerns)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.__name__)
def test_shares_are_those_of_the_parameters(chapter, town_truth: World):
    off = []
    for name, measured, expected, units in chapter(town_truth):
        error = np.sqrt(expected * (1 - expected) / units) if expected < 1 else 0
        if abs(measured - expected) > max(3 * error, 0.05 * expected):
            off.append(f"{name}: {measured:.4f}, not {expected:.4f}")

    assert not off


def noted(town: City) -> Iterator[Row]:
    """What stands in the tables themselves."""
    from workbench.population.params import Params

    p, tables = Params(), town.tables
    checks = tables["infant_check"]
    at_three = checks[(checks["check"] == "36m") & (checks["attended"] == "1")]
    caries = p["health.caries_at_three"]
    yield share("decayed teeth at three", (at_three["caries_n"] > 0).to_numpy(), caries["share"])
    for check, expected in p["health.development_concern"].items():
        seen = checks[(checks["check"] == check) & (checks["attended"] == "1")]["dev_concern"]
        yield share(f"concern at {check}", (seen == "1").to_numpy(), expected)
    attended = checks[checks["attended"] == "1"]
    for code, expected in p["health.check_result"].items():
        yield share(f"result {code}", (attended["result"] == code).to_numpy(), expected)
    pregnant, rule = tables["maternal"], p["health.pregnancy"]
    yield share("notice by week 11", (pregnant["notice_week"] <= 11).to_numpy(), rule["notice_by_week_11"])
    for item, name in (("epds_high", "depression_score_high"), ("visit_missed", "visit_missed")):
        asked = pregnant[item].dropna()
        yield share(item, (asked == "1").to_numpy(), rule[name])
    months = tables["childcare_month"]["absent_days"].to_numpy(dtype=float)
    yield "nursery absence", months.mean(), p["nursery.absent_days_a_month"]["mean"], np.inf
    pupils = len(tables["pupil"]["pupil_no"].unique())
    roll, special = tables["pupil"], p["school.special_class"]
    yield share("special class", (roll["sp_class"] == "1").to_numpy(), special["class"], units=pupils)
    yield share("resource room", (roll["tsukyu"] == "1").to_numpy(), special["resource_room"], units=pupils)
    health, rule = tables["school_health"].dropna(subset=["obesity"]), p["school.health_check"]
    yield share("obese", (health["obesity"] == "1").to_numpy(), rule["obese"], units=pupils)
    yield share("thin", (health["obesity"] == "3").to_numpy(), rule["thin"], units=pupils)
    survey = tables["school_survey"].dropna(subset=["fitness"])
    for letter, expected in p["school.survey"]["fitness"].items():
        yield share(f"fitness {letter}", (survey["fitness"] == letter).to_numpy(), expected, units=pupils)
    yield "achievement", survey["score_dev"].mean(), 50, np.inf
    cases = tables["consult"]
    reports = cases[cases["kind"] == "1"]
    for item, name in (("route", "route"), ("perpetrator", "perpetrator")):
        for code, expected in p[f"care.{name}"].items():
            yield share(f"{item} {code}", (reports[item] == code).to_numpy(), expected)


def test_the_tables_show_the_shares_too(town: City):
    off = [
        f"{name}: {measured:.4f}, not {expected:.4f}"
        for name, measured, expected, units in noted(town)
        if abs(measured - expected)
        > max(3 * np.sqrt(expected * (1 - expected) / units) if expected < 1 else 0, 0.05 * expected)
    ]

    assert not off


def test_achievement_spreads_by_ten_points(town: City):
    assert town.tables["school_survey"]["score_dev"].std() == pytest.approx(10, rel=0.08)


def test_a_child_registered_with_the_council_is_as_rare_as_it_should_be(town: City):
    registered = (town.truth_child_year["registered"] == "yes").mean()

    assert registered == pytest.approx(0.0135, rel=0.15)


def test_half_of_the_pupils_miss_two_days_and_the_mean_is_near_seven(town: City):
    absent = town.truth_child_year["absent_days"].dropna().astype(float)

    assert absent.median() == 2
    assert 5.5 < absent.mean() < 7.5
