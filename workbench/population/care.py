"""
Young carers, domestic violence, maltreatment and what of it is reported.

What happens and what is seen are kept apart: `harmed` is the truth, `reported` is what reached the city.
With `surveillance_bias` above 0 the families that offices, nurseries and schools see are reported more
readily, so a model can learn to see visibility instead of need.
"""

from dataclasses import dataclass

import numpy as np

from workbench.population.calendar import END, INDEX_DAYS, NEVER, YEARS
from workbench.population.chance import Array, Draw, bar, happens, persistent
from workbench.population.families import Families, Kids
from workbench.population.health import Health
from workbench.population.money import Money
from workbench.population.structure import IN_PANEL, Structure

REPORT_BANDS = {"0-2": (0, 2), "3-6": (3, 6), "7-12": (7, 12), "13-15": (13, 15), "16-17": (16, 17)}
CARER_GRADES = range(6, 18)
UNDER_PROTECTION, UNDER_SUPPORT = 1, 2


@dataclass(frozen=True)
class Care:
    """Children × YEARS, except `violence` and `masked` per family, and registrations from–to per child and FY."""

    violence: Array
    masked: Array
    carer: Array
    carer_known: Array
    harmed: Array
    reported: Array
    report_day: Array
    custody: Array
    registered: Array
    opens: Array
    closes: Array
    consulted: Array


def care(
    draw: Draw,
    families: Families,
    kids: Kids,
    structure: Structure,
    *,
    money: Money,
    health: Health,
    enrolled: Array,
) -> Care:
    present = kids.at_index()
    violence = domestic_violence(draw, families, structure)
    masked = violence & (structure.parted < NEVER) & (draw.rng("care.masked").random(families.size) < 0.5)
    carer = young_carers(draw, kids, structure, present=present)
    known = carer & (draw.rng("care.known").random(carer.shape) < draw["care.carer_known_share"])
    harmed = maltreated(draw, kids, structure, health, present=present, violence=violence)
    first = draw["care.reports"]["rate"] / (1 + draw["care.sibling_share"] * siblings(kids, present=present))
    reported = seen(draw, kids, harmed=harmed, money=money, present=present, enrolled=enrolled, rate=first)
    reported = with_siblings(draw, kids, reported=reported, present=present)
    days = report_days(draw, kids)
    registered, opens, closes = registrations(draw, kids, reported=reported, days=days, present=present)
    return Care(
        violence=violence,
        masked=masked,
        carer=carer,
        carer_known=np.maximum.accumulate(known, axis=1),
        harmed=harmed,
        reported=reported,
        report_day=days,
        custody=reported & (draw.rng("care.custody").random(carer.shape) < draw["care.custody_of_reports"]),
        registered=registered,
        opens=opens,
        closes=closes,
        consulted=consultations(draw, kids, structure, health, present=present),
    )


def domestic_violence(draw: Draw, families: Families, structure: Structure) -> Array:
    score = draw["care.violence"]["on_hardship"] * structure.hardship
    score = score + draw.rng("care.violence").logistic(size=families.size)
    return score > bar(score, share=draw["care.violence"]["rate"])


def young_carers(draw: Draw, kids: Kids, structure: Structure, *, present: Array) -> Array:
    slopes = draw["care.carer_on"]
    types = structure.types[kids.family]
    score = (
        slopes["hardship"] * structure.hardship[kids.family][:, None]
        + slopes["many_siblings"] * (structure.children[kids.family] >= 3)
        + slopes["single"] * structure.single[kids.family]
        + slopes["three_generation"] * (types == 3)
        + persistent(draw.rng("care.carer"), shape=present.shape, stays=slopes["stays"])
    )
    return happens(score, share=draw["care.carer_by_grade"], among=present, group=kids.grades())


def maltreated(
    draw: Draw, kids: Kids, structure: Structure, health: Health, *, present: Array, violence: Array
) -> Array:
    """The truth, at a multiple of what is reported, with the age profile of reports."""
    slopes, rule = draw["care.harm_on"], draw["care.reports"]
    score = (
        slopes["hardship"] * structure.hardship[kids.family][:, None]
        + slopes["violence"] * violence[kids.family][:, None]
        + slopes["vulnerability"] * health.vulnerability[:, None]
        + slopes["single"] * structure.single[kids.family]
        + slopes["missed_check"] * (health.missed_by(INDEX_DAYS) > 0)
        + slopes["disability"] * health.disabled(INDEX_DAYS)
        + persistent(draw.rng("care.harm"), shape=present.shape, stays=slopes["stays"])
    )
    return happens(
        score,
        share=shares_by_band(
            kids, present=present, rate=rule["rate"] * rule["true_per_report"], ages=rule["ages"]
        ),
        among=present,
        group=bands(kids),
    )


def bands(kids: Kids) -> Array:
    edges = [high for _, high in REPORT_BANDS.values()]
    return np.searchsorted(edges, np.clip(kids.grades(), 0, 17))


def shares_by_band(kids: Kids, *, present: Array, rate: float, ages: dict[str, float]) -> dict[int, float]:
    """The rate within each band that gives the overall rate and the bands' shares of all cases."""
    counted = bands(kids)[present & IN_PANEL]
    population = np.bincount(counted, minlength=len(REPORT_BANDS)) / len(counted)
    shares = np.array([ages[band] for band in REPORT_BANDS])
    return dict(enumerate(np.minimum(rate * shares / shares.sum() / np.maximum(population, 1e-9), 0.9)))


def seen(
    draw: Draw, kids: Kids, *, harmed: Array, money: Money, present: Array, enrolled: Array, rate: float
) -> Array:
    """Which of the harmed are reported: as many as the rate says; whom, depends on who is watched."""
    rule, strength = draw["care.reports"], draw["care.surveillance_bias"]
    visible = draw["care.visibility"]
    watched = visible["welfare"] * money.welfare[kids.family] + visible["enrolled"] * enrolled
    score = strength * watched + draw.rng("care.seen").logistic(size=harmed.shape)
    shares = shares_by_band(kids, present=present, rate=rate, ages=rule["ages"])
    group = bands(kids)
    reported = np.zeros(harmed.shape, dtype=bool)
    for band, share in shares.items():
        cell = harmed & (group == band)
        if cell.any():
            wanted = share * (present & (group == band)).sum() / cell.sum()
            reported[cell] = score[cell] > bar(score[cell], share=min(wanted, 1.0))
    return reported


def siblings(kids: Kids, *, present: Array) -> float:
    """How many sisters and brothers a child has on average."""
    counts = np.zeros((kids.family.max() + 1, present.shape[1]), dtype=np.int64)
    np.add.at(counts, kids.family, present.astype(np.int64))
    return float((counts[kids.family] - 1)[present].mean())


def with_siblings(draw: Draw, kids: Kids, *, reported: Array, present: Array) -> Array:
    """A sibling is often taken up with the child who was reported."""
    family = np.zeros((kids.family.max() + 1, reported.shape[1]), dtype=bool)
    np.logical_or.at(family, kids.family, reported)
    joins = draw.rng("care.siblings").random(reported.shape) < draw["care.sibling_share"]
    return reported | (family[kids.family] & joins & present)


def report_days(draw: Draw, kids: Kids) -> Array:
    """A day of each FY, the same for siblings, within the child's time here."""
    rng = draw.rng("care.days")
    share = rng.random((kids.family.max() + 1, len(YEARS)))[kids.family]
    low = np.maximum(INDEX_DAYS + 1, kids.starts[:, None])
    high = np.minimum(INDEX_DAYS + 364, kids.ends[:, None] - 1)
    return (low + np.floor(share * np.maximum(high - low, 0))).astype(np.int64)


def registrations(
    draw: Draw, kids: Kids, *, reported: Array, days: Array, present: Array
) -> tuple[Array, Array, Array]:
    """
    0 none, 1 under protection, 2 under support, by the FY of its report; the days it opens and closes.

    So many of the reports lead to a registration that the share of children registered is as given.
    """
    rng = draw.rng("care.registrations")
    rule = draw["care.registered"]
    length = (rng.gamma(2.0, rule["mean_years"] / 2, reported.shape) * 365.25).astype(np.int64) + 60
    opens = days + rng.integers(5, 40, reported.shape)
    closes = np.minimum(opens + length, kids.ends[:, None])
    stock = np.zeros(reported.shape)
    for column in np.nonzero(IN_PANEL)[0]:
        stock += (opens <= INDEX_DAYS[column]) & (INDEX_DAYS[column] < closes) & present[:, [column]]
    score = rng.logistic(size=reported.shape)
    share = rule["rate"] * (present & IN_PANEL).sum() / max(stock[reported].sum(), 1)
    threshold = bar(score[reported], share=min(share, 1.0), weights=np.maximum(stock[reported], 1e-3))
    taken = reported & (score > threshold) & (closes > opens + 20)
    kind = np.where(rng.random(reported.shape) < rule["protection_share"], UNDER_PROTECTION, UNDER_SUPPORT)
    return np.where(taken, kind, 0), opens, np.where(closes >= END, NEVER, closes)


def consultations(draw: Draw, kids: Kids, structure: Structure, health: Health, *, present: Array) -> Array:
    """Years in which the family sought advice about the child."""
    rule = draw["care.consultation"]
    score = (
        rule["on_hardship"] * structure.hardship[kids.family][:, None]
        + rule["on_vulnerability"] * health.vulnerability[:, None]
        + persistent(draw.rng("care.consultation"), shape=present.shape, stays=rule["stays"])
    )
    return happens(score, share=rule["rate"], among=present)
