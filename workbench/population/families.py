"""
Who lives in the city, and when.

A *slot* is a life course of births. A family occupies it until it moves away; then another family with
children of about the same ages moves in, so that migration never empties or fills the city. Children are
known from birth or arrival until they leave with the family or finish the school year of their 18th birthday.
"""

from dataclasses import dataclass

import numpy as np

from workbench.population.calendar import (
    END,
    INDEX_DAYS,
    LAST,
    NEVER,
    START,
    YEARS,
    cohort_of,
    fy_start,
    grade,
)
from workbench.population.chance import Array, Draw, choose

FIRST_BIRTHS = np.arange(1988, LAST + 1)
MOVING = np.arange(1994, LAST + 1)
AGE_GROUPS = ("0-4", "5-9", "10-14", "15-17")
GROUP_OF_GRADE = np.repeat(np.arange(4), [5, 5, 5, 3])
CHILD_BANDS = ("0-2", "3-5", "6-8", "9-11", "12-14", "15-17")
NOBODY = 99


@dataclass(frozen=True)
class Slots:
    """Births of each slot as days, one row per slot, NEVER where there is none (twins share a day)."""

    births: Array


@dataclass(frozen=True)
class Families:
    """One entry per family that ever lived here with a child: days of arrival and leaving (NEVER: still here)."""

    arrives: Array
    leaves: Array
    first_birth: Array
    mother_birth: Array
    father_birth: Array
    size: int

    def here(self, days: Array) -> Array:
        """Families × days: whether the family lives in the city."""
        return (self.arrives[:, None] <= days) & (days < self.leaves[:, None])


@dataclass(frozen=True)
class Kids:
    """One entry per child, ordered by family and birth; `starts`/`ends` bound its life in the city's records."""

    family: Array
    birth: Array
    cohort: Array
    male: Array
    twin: Array
    order: Array
    starts: Array
    ends: Array
    size: int

    def grades(self) -> Array:
        """Children × YEARS: the grade at each index date."""
        return grade(YEARS[None, :], self.cohort[:, None])

    def at_index(self) -> Array:
        """Children × YEARS: in the city at the index date, born, and of grade 0 to 17."""
        grades = self.grades()
        inside = (self.starts[:, None] <= INDEX_DAYS) & (self.ends[:, None] > INDEX_DAYS)
        return inside & (grades >= 0) & (grades <= 17)

    def in_year(self) -> Array:
        """Children × YEARS: in the city on some day of the FY, newborns included."""
        finish = fy_start(YEARS + 1)
        inside = (self.starts[:, None] < finish) & (self.ends[:, None] > INDEX_DAYS)
        return inside & (self.grades() <= 17)


def settle(draw: Draw, *, children: int) -> tuple[Families, Kids]:
    """Families and children such that about `children` of them are here at the last index date."""
    slots = life_courses(draw, children=children)
    rng = draw.rng("families.occupants")
    slot, arrives, leaves = occupants(draw, slots)
    shift = np.where(arrives > slots.births[slot, 0], rng.integers(-45, 46, len(slot)), 0)
    births = slots.births[slot] + shift[:, None]
    births[slots.births[slot] == NEVER] = NEVER
    finish = fy_start(np.where(births == NEVER, LAST, cohort_of(np.minimum(births, END)) + 19))
    finish = finish - 1 - rng.integers(0, 21, births.shape)
    known = (births < leaves[:, None]) & (births < END) & (finish > np.maximum(arrives, START)[:, None])
    kept = known.any(axis=1)
    return assemble(
        draw,
        births=births[kept],
        known=known[kept],
        finish=finish[kept],
        arrives=arrives[kept],
        leaves=leaves[kept],
    )


def life_courses(draw: Draw, *, children: int) -> Slots:
    """Enough slots, in random order, to hold `children` of grade 0–17 at the last index date."""
    rng = draw.rng("families.slots")
    count = int(children * 1.6) + 200
    sizes = choose(rng, draw["families.completed_size"], size=count).astype(int)
    spacing = draw["families.birth_spacing_days"]
    minimum, mean, sd = spacing["minimum"], spacing["mean"], spacing["sd"]
    shape = ((mean - minimum) / sd) ** 2
    gaps = minimum + rng.gamma(shape, (mean - minimum) / shape, size=(count, 4))
    first = fy_start(first_birth_years(draw, size=count)) + rng.integers(0, 365, count)
    births = first[:, None] + np.hstack([np.zeros((count, 1)), np.cumsum(gaps, axis=1)]).astype(np.int64)
    births[np.arange(5)[None, :] >= sizes[:, None]] = NEVER
    twins = np.where(rng.random(births.shape) < draw["families.twin_births"], births, NEVER)
    births = np.hstack([births, twins])
    grades = grade(LAST, cohort_of(np.minimum(births, END + 400)))
    here = ((births <= INDEX_DAYS[-1]) & (grades <= 17)).sum(axis=1)
    return Slots(births=births[: int(np.searchsorted(np.cumsum(here), children)) + 1])


def first_birth_years(draw: Draw, *, size: int) -> Array:
    """FYs of first births, so that the children of the last panel have the age bands of the parameters."""
    bands = draw["families.age_bands"]
    per_grade = np.repeat([bands[band] / 3 for band in CHILD_BANDS], 3)
    cohorts = LAST - 1 - np.arange(18)
    # A first birth stands for children born on average a little later, hence the shift by that mean delay.
    delay = draw["families.mean_birth_delay_years"]
    weights = np.interp(FIRST_BIRTHS + delay, cohorts[::-1], per_grade[::-1])
    rng = draw.rng("families.first_birth")
    edges = np.cumsum(weights / weights.sum())
    return FIRST_BIRTHS[np.minimum(np.searchsorted(edges, rng.random(size)), len(FIRST_BIRTHS) - 1)]


def occupants(draw: Draw, slots: Slots) -> tuple[Array, Array, Array]:
    """For each family that passes through a slot: the slot, the day it arrives, the day it leaves."""
    rng = draw.rng("families.moves")
    youngest, counts = ages_by_year(slots)
    hazard = leaving_hazard(draw, youngest=youngest, counts=counts)
    chance = np.where(youngest == NOBODY, 0.0, np.append(hazard, [0.0])[np.minimum(youngest, 4)])
    slot, year = np.nonzero(rng.random(chance.shape) < chance)
    when = fy_start(MOVING[year]) + day_of_move(rng, size=len(slot))
    first = slots.births[:, 0] - rng.integers(200, 2500, len(slots.births))
    everyone = np.concatenate([np.arange(len(first)), slot])
    arrives = np.concatenate([first, when])
    order = np.lexsort((arrives, everyone))
    everyone, arrives = everyone[order], arrives[order]
    last = np.append(everyone[1:] != everyone[:-1], True)
    leaves = np.where(last, NEVER, np.append(arrives[1:], 0) - rng.integers(1, 10, len(arrives)))
    inside = (leaves > START) & (arrives < END) & (leaves > arrives + 30)
    return everyone[inside], arrives[inside], leaves[inside]


def ages_by_year(slots: Slots) -> tuple[Array, Array]:
    """Slots × MOVING: age group of the youngest child (NOBODY without one); and children by age group."""
    cohorts = cohort_of(np.minimum(slots.births, END + 400))
    youngest = np.full((len(cohorts), len(MOVING)), NOBODY)
    counts = np.zeros((len(cohorts), len(MOVING), 4), dtype=np.int8)
    for column, fy in enumerate(MOVING):
        grades = grade(fy, cohorts)
        child = (grades >= 0) & (grades <= 17) & (slots.births < NEVER)
        group = GROUP_OF_GRADE[np.clip(grades, 0, 17)]
        youngest[:, column] = np.where(child, group, NOBODY).min(axis=1)
        for g in range(4):
            counts[:, column, g] = (child & (group == g)).sum(axis=1)
    return youngest, counts


def leaving_hazard(draw: Draw, *, youngest: Array, counts: Array) -> Array:
    """
    The yearly hazard of a family by the age group of its youngest child.

    The rates are known per child; siblings move together, so the four hazards solve a linear system.
    """
    recent = slice(-12, None)
    seen = np.array([counts[:, recent][youngest[:, recent] == g].sum(axis=0, dtype=float) for g in range(4)])
    exposure = (seen / seen.sum(axis=0)).T
    rates = np.array([draw["families.moves_between_cities"][group] for group in AGE_GROUPS])
    return np.clip(np.linalg.solve(exposure, rates), 0, 0.5)


def day_of_move(rng: np.random.Generator, *, size: int) -> Array:
    """Day of the FY; almost half of all moves fall around the turn of the school year."""
    season = rng.random(size)
    spring = np.where(season < 0.25, rng.integers(345, 364, size), rng.integers(1, 21, size))
    return np.where(season < 0.45, spring, rng.integers(0, 364, size))


def assemble(
    draw: Draw, *, births: Array, known: Array, finish: Array, arrives: Array, leaves: Array
) -> tuple[Families, Kids]:
    first = births.min(axis=1)
    last = np.where(births == NEVER, -NEVER, births).max(axis=1)
    mother = mothers(draw, first=first, last=last, births=births)
    rng = draw.rng("families.people")
    gap = rng.normal(draw["families.father_older_years"], 4, len(first)) * 365.25
    father = np.minimum(mother - gap, first - 18.3 * 365.25).astype(np.int64)
    families = Families(arrives, leaves, first, mother, father, len(first))
    family, column = np.nonzero(known)
    birth = births[family, column]
    order = np.lexsort((column, birth, family))
    family, column, birth = family[order], column[order], birth[order]
    starts = np.maximum(arrives[family], birth)
    ends = np.minimum(leaves[family], finish[family, column])
    male = rng.random(len(family)) < draw["families.male_share"]
    place = np.arange(len(family)) - np.searchsorted(family, family)
    twin = paired(family, birth)
    kids = Kids(family, birth, cohort_of(birth), male, twin, place, starts, ends, len(family))
    return families, kids


def paired(family: Array, birth: Array) -> Array:
    """Children who share family and birthday with the child before or after them."""
    same = (family[1:] == family[:-1]) & (birth[1:] == birth[:-1])
    return np.append(same, False) | np.insert(same, 0, False)


def mothers(draw: Draw, *, first: Array, last: Array, births: Array) -> Array:
    """Mothers' birthdays: mean age at birth as given, some teenagers, nobody a mother before 18 or after 46."""
    rng = draw.rng("families.mothers")
    year = 365.25
    known = births < NEVER
    delay = ((births - first[:, None])[known].mean()) / year
    age = draw["families.mother_age_at_birth"]
    mean = age["mean"] - delay - 20
    shape = (mean / age["sd"]) ** 2
    at_first = 20.2 + rng.gamma(shape, mean / shape, len(first))
    teenagers = rng.random(len(first)) < draw["families.teen_births"] * known.sum() / len(first) / 1.15
    at_first = np.where(teenagers, rng.uniform(18.3, 19.9, len(first)), at_first)
    latest = 46 - (last - first) / year
    at_first = np.where(at_first > latest, np.maximum(latest - rng.uniform(0, 4, len(first)), 18.3), at_first)
    return (first - at_first * year).astype(np.int64)
