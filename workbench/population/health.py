"""Children's own vulnerability V, birth, disability, infant checks and vaccinations."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from workbench.population.calendar import END, INDEX_DAYS, NEVER, fy_start
from workbench.population.chance import Array, Draw, bar, happens
from workbench.population.families import Families, Kids
from workbench.population.structure import IN_PANEL, Structure

CERTIFICATES = ("physical", "intellectual", "mental", "development", "after_school", "special_allowance")
CHECKS = ("4m", "18m", "36m")
CHECK_DAYS = (125, 560, 1110)
CHECK_SPREAD = (14, 40, 40)
# Vaccine, dose, month of age when due (the MR second dose: the year before school).
DOSES = (
    *(("DPT", dose, month) for dose, month in enumerate((3, 4, 5, 18), 1)),
    *(("PCV", dose, month) for dose, month in enumerate((3, 4, 5, 15), 1)),
    ("BCG", 1, 6),
    *(("MR", dose, month) for dose, month in enumerate((12, 66), 1)),
    *(("VAR", dose, month) for dose, month in enumerate((13, 19), 1)),
)
TWINS_LOW = 0.7  # Share of twins under 2,500 g.
GRACE_DAYS = 183
MONTH_DAYS = 30.4375


@dataclass(frozen=True)
class Health:
    """Per child; `certificate_from`/`_to` by CERTIFICATES, checks by CHECKS, vaccinations by DOSES."""

    vulnerability: Array
    birth_weight: Array
    certificate_from: Array
    certificate_to: Array
    check_due: Array
    check_missed: Array
    check_kept: Array
    dose_due: Array
    dose_given: Array

    def disabled(self, days: Array) -> Array:
        """Children × days: any certificate or service on that day."""
        active = (self.certificate_from[:, :, None] <= days) & (days < self.certificate_to[:, :, None])
        return active.any(axis=1)

    def missed_by(self, days: Array) -> Array:
        """Children × days: checks known to be missed before the day."""
        counted = self.check_kept & self.check_missed
        return (counted[:, :, None] & (self.check_due[:, :, None] < days)).sum(axis=1)


def health(draw: Draw, families: Families, kids: Kids, structure: Structure) -> Health:
    vulnerability = draw.rng("health.vulnerability").standard_normal(kids.size)
    weight = birth_weights(draw, kids)
    since, until = certificates(draw, kids, structure, vulnerability=vulnerability, weight=weight)
    due, missed, kept = checks(draw, families, kids, structure)
    dose_due, given = vaccinations(draw, families, kids, structure)
    return Health(vulnerability, weight, since, until, due, missed, kept, dose_due, given)


def birth_weights(draw: Draw, kids: Kids) -> Array:
    """Grams; the spread follows from the mean and the share under 2,500 g. Twins are lighter."""
    rng = draw.rng("health.birth_weight")
    rule = draw["health.birth_weight"]
    twins = kids.twin.mean()
    alone = (rule["low_share"] - twins * TWINS_LOW) / (1 - twins)
    sd = (2500 - rule["mean"]) / ndtri(alone)
    grams = rng.normal(rule["mean"], sd, kids.size)
    grams -= np.where(kids.twin, rule["mean"] - 2500 + sd * ndtri(TWINS_LOW), 0)
    return np.clip(np.round(grams / 2) * 2, 600, 4990).astype(np.int64)


def certificates(
    draw: Draw, kids: Kids, structure: Structure, *, vulnerability: Array, weight: Array
) -> tuple[Array, Array]:
    """Children × CERTIFICATES: from and to; NEVER where there is none. One liability, own onset and bar each."""
    rng = draw.rng("health.certificates")
    slopes, rules = draw["health.disability_on"], draw["health.certificates"]
    liability = (
        slopes["hardship"] * structure.hardship[kids.family]
        + slopes["vulnerability"] * vulnerability
        + slopes["low_weight"] * (weight < 2500)
        + slopes["male"] * kids.male
        + np.sqrt(0.7) * rng.logistic(size=kids.size)
    )
    everyone = (kids.at_index() & IN_PANEL).sum()
    since = np.full((kids.size, len(CERTIFICATES)), NEVER)
    until = np.full((kids.size, len(CERTIFICATES)), NEVER)
    for column, name in enumerate(CERTIFICATES):
        rule = rules[name]
        low, high = rule["onset_years"]
        onset = kids.birth + (rng.uniform(low, high, kids.size) * 365.25).astype(np.int64)
        close = end_of_support(kids, rule["until_grade"])
        active = kids.at_index() & IN_PANEL & (onset[:, None] <= INDEX_DAYS) & (close[:, None] > INDEX_DAYS)
        score = liability + np.sqrt(0.3) * rng.logistic(size=kids.size)
        days = active.sum(axis=1)
        has = score > bar(score, share=rule["rate"] * everyone / days.sum(), weights=days)
        has &= (
            (onset < close) & (onset < kids.ends) & (onset < END) & (np.maximum(onset, kids.starts) < close)
        )
        since[has, column] = np.maximum(onset, kids.starts)[has]
        until[has, column] = close[has]
    return since, until


def end_of_support(kids: Kids, until_grade: int) -> Array:
    """The 1 April on which the child passes `until_grade`."""
    return fy_start(kids.cohort + 2 + until_grade)


def checks(draw: Draw, families: Families, kids: Kids, structure: Structure) -> tuple[Array, Array, Array]:
    """Children × CHECKS: the day due, missed or not, and whether this city has a record of it."""
    rng = draw.rng("health.checks")
    rule = draw["health.checks"]
    hardship = structure.hardship[kids.family]
    due = (
        kids.birth[:, None]
        + np.array(CHECK_DAYS)
        + rng.integers(-1, 2, (kids.size, 3)) * np.array(CHECK_SPREAD)
    )
    missed = np.zeros((kids.size, 3), dtype=bool)
    here = (families.arrives[kids.family][:, None] <= due) & (due < kids.ends[:, None]) & (due < END)
    before = np.zeros(kids.size)
    for column, name in enumerate(CHECKS):
        score = rule["on_hardship"] * hardship + rule["chain"][name] * before + rng.logistic(size=kids.size)
        missed[:, column] = happens(score, share=rule["missed"][name], among=np.ones(kids.size, dtype=bool))
        before = missed[:, column].astype(float)
    brought = (rng.random(kids.size) < 1 - draw["noise.checks_lost_on_moving_in"])[:, None]
    earlier = (due < families.arrives[kids.family][:, None]) & brought
    return due, missed, here | earlier


def vaccinations(draw: Draw, families: Families, kids: Kids, structure: Structure) -> tuple[Array, Array]:
    """Children × DOSES: the day due and the day given (NEVER where it was not, or not here)."""
    rng = draw.rng("health.vaccinations")
    rule = draw["health.vaccination"]
    due = kids.birth[:, None] + np.array([int(month * MONTH_DAYS) for _, _, month in DOSES])
    family = rule["on_hardship"] * structure.hardship[kids.family] + 1.6 * rng.logistic(size=kids.size)
    given = np.full(due.shape, NEVER)
    for column, (vaccine, dose, _) in enumerate(DOSES):
        rate = rule["missed"][f"{vaccine}{dose}"]
        missed = happens(
            family + rng.logistic(size=kids.size), share=rate, among=np.ones(kids.size, dtype=bool)
        )
        late = np.floor(rng.exponential(rule["delay_days"], kids.size)).astype(np.int64)
        when = due[:, column] + np.minimum(late, GRACE_DAYS - 5)
        here = (
            (when >= np.maximum(families.arrives[kids.family], kids.birth))
            & (when < kids.ends)
            & (when < END)
        )
        given[:, column] = np.where(~missed & here, when, NEVER)
    return due, given


def doses_missing(kids: Kids, health_of: Health, *, arrives: Array, days: Array) -> Array:
    """Children × days: doses whose grace ended in the child's time here with none given; at most six."""
    missing = np.zeros((kids.size, len(days)), dtype=np.int64)
    for column in range(len(DOSES)):
        due, given = health_of.dose_due[:, column], health_of.dose_given[:, column]
        owed = (due >= arrives)[:, None] & (due[:, None] + GRACE_DAYS <= days)
        missing += owed & (given[:, None] >= days)
    return np.minimum(missing, 6)
