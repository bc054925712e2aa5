"""
Nursery and school: who attends where, non-attendance, and what teachers and nurses note.

Non-attendance: .45 H + .85 V + .55 disability + .25 one parent, solved per grade. Absence, lateness and
visits to the nurse carry some of the same liability, so that they can announce it.
"""

from dataclasses import dataclass

import numpy as np

from workbench.population.calendar import INDEX_DAYS, YEARS
from workbench.population.chance import Array, Draw, bar, happens, persistent
from workbench.population.families import Kids
from workbench.population.health import Health
from workbench.population.homes import Homes
from workbench.population.places import places
from workbench.population.structure import Structure

SCHOOL_DAYS = np.array([16, 19, 22, 14, 4, 20, 21, 20, 16, 16, 18, 16])
YEAR_DAYS = int(SCHOOL_DAYS.sum())
LINE = 30  # Days of a year from which non-attendance is recorded (MEXT).
ELEMENTARY, JUNIOR_HIGH = range(6, 12), range(12, 15)
NO_SCHOOL = -1
JUNIOR_HIGH_CODE = 100


@dataclass(frozen=True)
class School:
    """
    Children × YEARS. `school` is NO_SCHOOL outside the city's schools, 0–19 elementary, 100–109 junior high.

    `refused` counts planned days of non-attendance; `truant` is whether they reach the line.
    """

    school: Array
    truant: Array
    liability: Array
    refused: Array
    sick: Array
    other: Array
    late: Array
    early: Array
    nurse: Array
    bullied: Array

    @property
    def pupil(self) -> Array:
        return self.school != NO_SCHOOL


def school(draw: Draw, kids: Kids, structure: Structure, *, homes: Homes, health: Health) -> School:
    attended = schools(draw, kids, homes)
    pupil = attended != NO_SCHOOL
    disabled = health.disabled(INDEX_DAYS)
    score = liability(draw, kids, structure, health, disabled=disabled)
    rates = draw["school.truancy_by_grade"]
    truant = happens(score, share=rates, among=pupil, group=kids.grades())
    margin = score - bars(score, pupil=pupil, truant=truant, grades=kids.grades())
    counts = counted(draw, kids, structure, health, margin=margin, truant=truant)
    rng = draw.rng("school.bullying")
    hurt = 0.35 * health.vulnerability[:, None] + 0.5 * disabled + rng.logistic(size=score.shape)
    stage = np.where(kids.grades() <= ELEMENTARY[-1], 0, 1)
    rate = draw["school.bullied"]
    bullied = happens(hurt, share={0: rate["elementary"], 1: rate["junior_high"]}, among=pupil, group=stage)
    return School(school=attended, truant=truant, liability=score, bullied=bullied, **counts)


def schools(draw: Draw, kids: Kids, homes: Homes) -> Array:
    """The district's school, kept after a move within the city by some; private pupils have none here."""
    rng = draw.rng("school.places")
    table = places()
    elementary = table["es_district"].str[1:].astype(int).to_numpy() - 1
    junior = table["jh_district"].str[1:].astype(int).to_numpy() - 1 + JUNIOR_HIGH_CODE
    grades, here = kids.grades(), kids.in_year()
    private = {stage: rng.random(kids.size) < rate for stage, rate in draw["school.private"].items()}
    transfers = rng.random(kids.size) < draw["school.transfers_after_move"]
    attended = np.full(grades.shape, NO_SCHOOL)
    for column in range(len(YEARS)):
        day = np.maximum(INDEX_DAYS[column], kids.starts)
        block = homes.block[homes.at(kids.family, day)]
        before = attended[:, column - 1] if column else np.full(kids.size, NO_SCHOOL)
        for stage, near, span in (
            ("elementary", elementary, ELEMENTARY),
            ("junior_high", junior, JUNIOR_HIGH),
        ):
            enrolled = here[:, column] & np.isin(grades[:, column], span) & ~private[stage]
            # Someone who comes with less than two weeks left of the year is enrolled from April.
            enrolled &= kids.starts < INDEX_DAYS[column] + 350
            enrolled &= kids.ends > INDEX_DAYS[column] + 14
            stays = (before >= JUNIOR_HIGH_CODE) == (stage == "junior_high")
            stays &= (before != NO_SCHOOL) & ~transfers
            attended[:, column] = np.where(
                enrolled, np.where(stays, before, near[block]), attended[:, column]
            )
    return attended


def liability(draw: Draw, kids: Kids, structure: Structure, health: Health, *, disabled: Array) -> Array:
    slopes = draw["school.truancy_on"]
    noise = persistent(draw.rng("school.truancy"), shape=disabled.shape, stays=slopes["stays"])
    return (
        slopes["hardship"] * structure.hardship[kids.family][:, None]
        + slopes["vulnerability"] * health.vulnerability[:, None]
        + slopes["disability"] * disabled
        + slopes["single"] * structure.single[kids.family]
        + noise
    )


def bars(score: Array, *, pupil: Array, truant: Array, grades: Array) -> Array:
    """The bar each pupil's score was held against (that of its grade)."""
    found = np.zeros(score.shape)
    for grade in range(ELEMENTARY[0], JUNIOR_HIGH[-1] + 1):
        cell = pupil & (grades == grade)
        if cell.any():
            found[grades == grade] = bar(score[cell], share=truant[cell].mean())
    return found


def counted(
    draw: Draw, kids: Kids, structure: Structure, health: Health, *, margin: Array, truant: Array
) -> dict[str, Array]:
    """Days and visits of the year. Near the line some days are refused without reaching it."""
    rng = draw.rng("school.counts")
    shape = margin.shape
    rule = draw["school.counts"]
    hardship = structure.hardship[kids.family][:, None]
    weak = health.vulnerability[:, None]
    near = np.clip(1 + margin / 2.2, 0, 1)
    refused = np.where(
        truant,
        LINE + 4 + rng.exponential(rule["refused_beyond_line"], shape),
        rng.gamma(0.8, 20 * near**3, shape),
    )
    refused = np.where(truant, np.minimum(refused, YEAR_DAYS - 4), np.minimum(refused, LINE - 3))
    own = rng.gamma(1.1, 1 / 1.1, (shape[0], 1))
    return {
        "refused": np.floor(refused).astype(np.int64),
        "sick": rng.poisson(rule["sick_mean"] * own * np.exp(0.15 * weak + 0.08 * hardship - 0.015), shape),
        "other": rng.poisson(rule["other_mean"], shape),
        "late": rng.poisson(
            rule["late_mean"] * own * np.exp(0.3 * hardship + 0.45 * np.clip(margin + 3, 0, 4) - 0.46)
        ),
        "early": rng.poisson(rule["early_mean"] * own * np.exp(0.25 * np.clip(margin + 3, 0, 4) - 0.2)),
        "nurse": rng.poisson(
            rule["nurse_mean"]
            * rng.gamma(1.2, 1 / 1.2, shape)
            * np.exp(0.3 * weak + 0.3 * np.clip(margin + 3, 0, 4) - 0.3)
        ),
    }


def monthly(rng: np.random.Generator, *, refused: Array) -> Array:
    """
    Rows × 12: non-attendance by month, never more than the month's school days, adding up exactly.

    Long absences lie in one stretch of the year at a steady rate; short ones are scattered.
    """
    rate = np.where(
        refused >= LINE, rng.uniform(0.6, 1.0, len(refused)), rng.uniform(0.05, 0.6, len(refused))
    )
    length = np.clip(refused / rate, refused, YEAR_DAYS)
    begins = rng.random(len(refused)) * (YEAR_DAYS - length)
    edges = np.concatenate([[0], np.cumsum(SCHOOL_DAYS)])
    inside = np.clip(edges[None, :] - begins[:, None], 0, length[:, None])
    share = inside / np.maximum(length, 1e-9)[:, None]
    return np.diff(np.floor(share * refused[:, None] + 0.5).astype(np.int64), axis=1)
