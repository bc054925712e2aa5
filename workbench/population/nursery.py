"""Nursery and kindergarten: who goes, where, from when to when."""

from dataclasses import dataclass

import numpy as np

from workbench.population.calendar import INDEX_DAYS, NEVER, fy_start
from workbench.population.chance import Array, Draw, happens
from workbench.population.families import Kids
from workbench.population.homes import Homes
from workbench.population.places import places
from workbench.population.structure import Structure

NURSERIES, KINDERGARTENS = 60, 20
SCHOOL_GRADE, CLASS_TWO_GRADE = 6, 3


@dataclass(frozen=True)
class Nursery:
    """`enrolled` is children × YEARS; the rest per child, `since` NEVER for those who never went here."""

    enrolled: Array
    facility: Array
    kindergarten: Array
    since: Array
    until: Array


def nursery(draw: Draw, kids: Kids, structure: Structure, homes: Homes) -> Nursery:
    """One facility per child, from the first year of enrolment until school or leaving the city."""
    rng = draw.rng("nursery")
    grades = kids.grades()
    here = kids.in_year() & (grades >= 0) & (grades < SCHOOL_GRADE)
    # One score per child for all years: as the rates rise with age, who once goes keeps going.
    score = np.repeat(
        0.3 * structure.single[kids.family].any(axis=1)[:, None] + rng.logistic(size=(kids.size, 1)),
        here.shape[1],
        axis=1,
    )
    enrolled = happens(score, share=draw["nursery.enrolled_by_age"], among=here, group=grades)
    enrolled = np.logical_or.accumulate(enrolled, axis=1) & here
    ever = enrolled.any(axis=1)
    first = np.argmax(enrolled, axis=1)
    since = np.maximum(INDEX_DAYS[first], kids.starts + rng.integers(10, 60, kids.size))
    until = np.minimum(fy_start(kids.cohort + 1 + SCHOOL_GRADE), kids.ends)
    ever &= since < until - 30
    late = grades[np.arange(kids.size), first] >= CLASS_TWO_GRADE
    kindergarten = late & (rng.random(kids.size) < draw["nursery.kindergarten_share_from_three"])
    block = homes.block[homes.at(kids.family, since)]
    district = places()["es_district"].str[1:].astype(int).to_numpy()[block] - 1
    facility = np.where(
        kindergarten, NURSERIES + district % KINDERGARTENS, district * 3 + rng.integers(0, 3, kids.size)
    )
    return Nursery(
        enrolled & ever[:, None],
        facility,
        kindergarten,
        np.where(ever, since, NEVER),
        np.where(ever, until, NEVER),
    )
