"""What schools note about their pupils: health checks, visits to the nurse, the survey, bullying."""

import numpy as np
import pandas as pd

from workbench.population.calendar import INDEX_DAYS, YEARS, fy_of, iso
from workbench.population.chance import Array, bar, happens
from workbench.population.people import labelled
from workbench.population.rows_school import Pupils
from workbench.population.tables import Table, integers
from workbench.population.writing import flag

# Mean height in cm by grade, boys and girls.
HEIGHT = {
    True: (117.3, 123.1, 128.4, 133.9, 139.5, 146.0, 153.8, 160.8, 165.9),
    False: (116.3, 122.1, 127.9, 134.3, 141.1, 147.7, 152.4, 155.1, 156.4),
}
# Questions of the survey answered from 1 (good) to 4, and how far their answers lean to the bad side.
QUESTIONS = {"bedtime": 0.2, "self_esteem": 0.4, "school_fun": 0.0, "talk_to": -0.3}
SURVEY_DAYS = 190


def by_stage(pupils: Pupils, score: Array, shares: dict[str, float]) -> Array:
    """Where the score passes the bar of elementary or junior high school."""
    everyone = np.ones(len(score), dtype=bool)
    share = {0: shares["elementary"], 1: shares["junior_high"]}
    return happens(score, share=share, among=everyone, group=pupils.junior.astype(int))


def hardship_of(pupils: Pupils) -> Array:
    return pupils.world.structure.hardship[pupils.world.kids.family[pupils.child]]


def school_health(pupils: Pupils) -> Table:
    rule, rng = pupils.world.draw["school.health_check"], pupils.world.draw.rng("rows.school_health")
    hardship = hardship_of(pupils)
    size = len(hardship)
    late = 0.5 * hardship + rng.logistic(size=size)
    missed = late > bar(late, share=rule["missed"])
    bad = 0.45 * hardship + rng.logistic(size=pupils.world.kids.size)[pupils.child] + rng.logistic(size=size)
    decayed = by_stage(pupils, bad, rule["teeth"])
    teeth = np.where(decayed, np.minimum(rng.geometric(0.45, size), 12), 0)
    return pupils.table(
        {
            "fy": integers(YEARS[pupils.column]),
            "missed": flag(missed),
            **bodies(pupils, missed=missed),
            "untreated_teeth": integers(teeth, missing=missed),
        }
    )


def bodies(pupils: Pupils, *, missed: Array) -> dict[str, Array]:
    """
    Height, weight and build.

    A weight 20 % and more above the one expected at the height is obese, 20 % and more below is thin.
    """
    world, rule = pupils.world, pupils.world.draw["school.health_check"]
    rng, kids, size = world.draw.rng("rows.bodies"), world.kids, len(pupils.child)
    male, step = kids.male[pupils.child], pupils.grade - 6
    mean = np.where(male, np.array(HEIGHT[True])[step], np.array(HEIGHT[False])[step])
    height = np.round(mean * (1 + 0.042 * rng.standard_normal(kids.size)[pupils.child]), 1)
    steady, passing = rng.standard_normal(kids.size)[pupils.child], rng.standard_normal(size)
    build = 0.15 * hardship_of(pupils) + np.sqrt(0.8) * steady + np.sqrt(0.2) * passing
    obese, thin = build > bar(build, share=rule["obese"]), -build > bar(-build, share=rule["thin"])
    excess = np.select(
        [obese, thin], [0.21 + 0.12 * rng.random(size), -0.27 + 0.06 * rng.random(size)], 0.06 * build
    )
    weight = np.round(15.2 * (height / 100) ** 2.6 * (1 + excess), 1)
    return {
        "height": np.where(missed, np.nan, height),
        "weight": np.where(missed, np.nan, weight),
        "obesity": np.where(missed, None, np.select([obese, thin], ["1", "3"], "2").astype(object)),
    }


def days_at_school(pupils: Pupils, rows: Array, rng: np.random.Generator) -> Array:
    """A day of each row's FY between the spring and the spring holidays, while the child is here."""
    kids, column = pupils.world.kids, pupils.column[rows]
    low = np.maximum(INDEX_DAYS[column] + 8, kids.starts[pupils.child[rows]])
    high = np.minimum(INDEX_DAYS[column] + 355, kids.ends[pupils.child[rows]])
    return low + np.floor(rng.random(len(rows)) * np.maximum(high - low, 1)).astype(np.int64)


def nurse_visit(pupils: Pupils) -> Table:
    school, rng = pupils.world.school, pupils.world.draw.rng("rows.nurse")
    rows = np.repeat(np.arange(len(pupils.child)), school.nurse[pupils.child, pupils.column])
    day = days_at_school(pupils, rows, rng)
    strained = school.liability[pupils.child, pupils.column][rows] > 2.0
    chance = rng.random(len(rows)) * np.where(strained, 0.8, 1.0)
    reason = np.select([chance < 0.10, chance < 0.20, chance < 0.60], ["3", "4", "2"], "1").astype(object)
    return pupils.table({"visited_on": iso(day), "reason": reason}, row=rows, by=day)


def school_survey(pupils: Pupils) -> Table:
    """A pupil who stays away answers less often: what is missing is not missing at random."""
    world, at = pupils.world, (pupils.child, pupils.column)
    rng, size = world.draw.rng("rows.survey"), len(pupils.child)
    less = world.draw["noise.survey_missing_truant"] * world.school.truant[at]
    silent = rng.random(size) < world.draw["noise.survey_missing"] + less
    low = 0.4 * world.health.vulnerability[pupils.child] + 0.25 * world.school.liability[at]
    bad_days = world.draw["school.survey"]["bad_days"] * SURVEY_DAYS * np.exp(0.4 * low - 0.1)
    answers = {
        "fitness": fitness(pupils, rng),
        "breakfast": breakfast(pupils, rng),
        **{question: scale(rng, low + lean) for question, lean in QUESTIONS.items()},
    }
    return pupils.table(
        {
            "fy": integers(YEARS[pupils.column]),
            "score_dev": np.where(silent, np.nan, achievement(pupils, rng)),
            **{question: np.where(silent, None, answer) for question, answer in answers.items()},
            "mood_bad_days": integers(rng.poisson(bad_days), missing=silent),
        }
    )


def achievement(pupils: Pupils, rng: np.random.Generator) -> Array:
    """Scores of mean 50 and standard deviation 10; the gap of poor children widens with age (Minoh)."""
    world = pupils.world
    slope = world.draw["school.survey"]["score_on_hardship"] * np.where(pupils.grade >= 10, 1.2, 0.8)
    able = rng.standard_normal(world.kids.size)[pupils.child]
    weak = world.health.vulnerability[pupils.child]
    day = rng.standard_normal(len(pupils.child))
    return np.round(50 + slope * hardship_of(pupils) - 1.2 * weak + 8.0 * able + 4.7 * day, 1)


def fitness(pupils: Pupils, rng: np.random.Generator) -> Array:
    """A (best) to E."""
    shares = pupils.world.draw["school.survey"]["fitness"]
    weak = pupils.world.health.vulnerability[pupils.child]
    fit = -0.2 * hardship_of(pupils) - 0.2 * weak + rng.logistic(size=len(weak))
    edges = np.array([bar(fit, share=float(share)) for share in np.cumsum(list(shares.values()))[:-1]])
    return np.array(list(shares), dtype=object)[(fit[:, None] <= edges).sum(axis=1)]


def breakfast(pupils: Pupils, rng: np.random.Generator) -> Array:
    """1 every day, 2 mostly, 3 seldom, 4 never."""
    hungry = 0.6 * hardship_of(pupils) + rng.logistic(size=len(pupils.child))
    skips = by_stage(pupils, hungry, pupils.world.draw["school.survey"]["breakfast"])
    chance = rng.random(len(hungry))
    return np.select([skips & (chance < 0.7), skips, chance < 0.85], ["3", "4", "1"], "2").astype(object)


def scale(rng: np.random.Generator, low: Array) -> Array:
    """An answer from 1 (good) to 4."""
    step = np.searchsorted([0.3, 1.6, 2.9], low + 0.7 * rng.logistic(size=len(low)))
    return np.array(["1", "2", "3", "4"], dtype=object)[step]


def bullying(pupils: Pupils) -> Table:
    """An incident of each pupil known to have been bullied in the year."""
    rng = pupils.world.draw.rng("rows.bullying")
    rows = np.nonzero(pupils.world.school.bullied[pupils.child, pupils.column])[0]
    day = days_at_school(pupils, rows, rng)
    order = np.lexsort((rows, day))
    rows, day = rows[order], day[order]
    year = fy_of(day)
    running = pd.Series(year).groupby(year).cumcount().to_numpy() + 1
    kinds = np.array(["1", "2", "3", "4", "5"], dtype=object)
    return pupils.table(
        {
            "incident_no": labelled("", year, 4) + labelled("-", running, 5),
            "found_on": iso(day),
            "kind": kinds[np.searchsorted([0.55, 0.68, 0.88, 0.95], rng.random(len(rows)))],
        },
        row=rows,
        by=np.arange(len(rows)),
    )
