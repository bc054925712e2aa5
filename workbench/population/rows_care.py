"""Tables of the child consultation desk, of disability support, and the young carer survey."""

import numpy as np

from workbench.population.calendar import END, INDEX_DAYS, NEVER, YEARS, iso
from workbench.population.care import CARER_GRADES
from workbench.population.chance import Array, choose
from workbench.population.people import MOTHER
from workbench.population.rows_infant import pregnancies, specified
from workbench.population.rows_money import wrong_numbers
from workbench.population.spelling import Spelling
from workbench.population.tables import RECORDED, Keys, Table, codes, integers, numbered, table
from workbench.population.world import World
from workbench.population.writing import Writing, flag

REPORT, ADVICE, EXPECTING = "1", "2", "3"
SURVEY_DAY = 228  # Mid-November, in days from 1 April.


def cases(world: World) -> dict[str, Array]:
    """Every case: whose it is, when accepted, and what followed (NEVER where it did not)."""
    kids, care, people = world.kids, world.care, world.people
    reports = np.nonzero(care.reported)
    newly_known = care.carer_known & ~np.hstack(
        [np.zeros((kids.size, 1), dtype=bool), care.carer_known[:, :-1]]
    )
    advice = np.nonzero(care.consulted | (newly_known & kids.at_index()))
    asked = advice_days(world)
    expecting = pregnancies(world)
    child, _, notice = expecting
    followed = specified(world, child) & (notice < END) & (notice >= INDEX_DAYS[0])
    child, notice = child[followed], notice[followed]
    mother = people.of_role[kids.family[child], MOTHER]
    size = [len(reports[0]), len(advice[0]), len(child)]
    never = [np.full(count, NEVER) for count in size]
    taken = care.registered[reports]
    rng = world.draw.rng("rows.custody")
    custody = care.report_day[reports] + rng.integers(0, 20, size[0])
    custody = np.where(care.custody[reports], np.minimum(custody, kids.ends[reports[0]] - 1), NEVER)
    return {
        "person": np.concatenate([people.of_child[reports[0]], people.of_child[advice[0]], mother]),
        "family": np.concatenate([kids.family[reports[0]], kids.family[advice[0]], kids.family[child]]),
        "kind": np.repeat(np.array([REPORT, ADVICE, EXPECTING], dtype=object), size),
        "accepted": np.concatenate([care.report_day[reports], asked[advice], notice + 14]),
        "class": np.concatenate([taken, np.zeros(size[1], dtype=int), np.full(size[2], 3)]),
        "opens": np.concatenate([np.where(taken > 0, care.opens[reports], NEVER), never[1], notice + 30]),
        "closes": np.concatenate(
            [np.where(taken > 0, care.closes[reports], NEVER), never[1], kids.birth[child] + 60]
        ),
        "custody": np.concatenate([custody, never[1], never[2]]),
        "known": np.concatenate(
            [never[0], np.where(newly_known[advice], asked[advice] + 10, NEVER), never[2]]
        ),
    }


def advice_days(world: World) -> Array:
    """Children × YEARS: the day the family would ask for advice."""
    kids = world.kids
    share = world.draw.rng("rows.advice").random((kids.size, len(YEARS)))
    low = np.maximum(INDEX_DAYS + 1, kids.starts[:, None])
    high = np.minimum(INDEX_DAYS + 350, kids.ends[:, None] - 12)
    return (low + np.floor(share * np.maximum(high - low, 0))).astype(np.int64)


def consult(world: World, writing: Writing) -> Table:
    """A row per case, in the order of acceptance."""
    draw, found = world.draw, cases(world)
    order = np.lexsort((found["person"], found["accepted"]))
    found = {name: values[order] for name, values in found.items()}
    size = len(order)
    spelling = Spelling(writing, "consult", found["person"], np.arange(size), size, found["accepted"])
    only_kana = draw.rng("noise.kana_only").random(size) < draw["noise.kana_only"]
    unborn = found["kind"] == EXPECTING
    return table(
        {
            "child_name": np.where(only_kana, None, spelling.name),
            "child_name_kana": spelling.kana,
            "child_birth_date": np.where(unborn, None, spelling.birth_date),
            "child_sex": np.where(unborn, None, spelling.sex),
            "address": spelling.address,
            **circumstances(world, found),
        },
        key="case_id",
        keys=numbered(draw, "C", size, digits=7),
        of=np.arange(size),
        owner=found["person"],
        by=(found["accepted"],),
    )


def circumstances(world: World, found: dict[str, Array]) -> dict[str, Array]:
    """What the desk noted about each case, as far as it is known when the records end."""
    draw, kind, size = world.draw, found["kind"], len(found["kind"])
    rng = draw.rng("rows.consult")
    violence = world.care.violence[found["family"]]
    # A child who sees violence between its parents is harmed psychologically (面前DV).
    abuse = choose(rng, draw["care.abuse_type"], size=size)
    abuse = np.where(violence & (rng.random(size) < 0.8), "1", abuse)
    asked = np.where(rng.random(size) < 0.6, "3", "4")
    route = np.select(
        [kind == REPORT, kind == EXPECTING], [choose(rng, draw["care.route"], size=size), "5"], asked
    )
    opens = before_end(found["opens"])
    registered = (found["class"] > 0) & (opens < NEVER)
    return {
        "accepted_on": iso(found["accepted"]),
        "kind": kind,
        "abuse_type": np.where(kind == REPORT, abuse, None),
        "route": route,
        "perpetrator": np.where(kind == REPORT, choose(rng, draw["care.perpetrator"], size=size), None),
        "yotai_class": codes(found["class"], missing=~registered),
        "registered_on": iso(opens),
        "closed_on": iso(np.where(registered, before_end(found["closes"]), NEVER)),
        "custody_on": iso(before_end(found["custody"])),
        "dv": flag(violence),
        "yc_known_on": iso(before_end(found["known"])),
    }


def before_end(days: Array) -> Array:
    """What is not yet known when the records end did not happen."""
    return np.where(days >= END, NEVER, days)


def consult_contact(world: World, cases_table: Table) -> Table:
    """Visits, calls and meetings in the half year after a case was accepted."""
    rng = world.draw.rng("rows.contacts")
    accepted = cases_table.frame["accepted_on"].to_numpy(dtype="datetime64[D]").astype(np.int64)
    count = 1 + rng.poisson(2.5, len(accepted))
    row = np.repeat(np.arange(len(accepted)), count)
    day = accepted[row] + rng.integers(0, 180, len(row))
    row, day = row[day < END], day[day < END]
    return table(
        {
            "contact_on": iso(day),
            "method": np.array(["1", "2", "3"], dtype=object)[rng.integers(0, 3, len(row))],
        },
        key="case_id",
        keys=Keys(cases_table.frame["case_id"].to_numpy(), np.arange(len(accepted))),
        of=row,
        owner=cases_table.owner[row],
        by=(day,),
    )


def disability(world: World, writing: Writing) -> Table:
    draw, kids, health = world.draw, world.kids, world.health
    child, kind = np.nonzero(health.certificate_from < np.minimum(kids.ends, END)[:, None])
    since = health.certificate_from[child, kind]
    until = np.minimum(health.certificate_to[child, kind], kids.ends[child])
    person = world.people.of_child[child]
    key = child * 8 + kind
    spelling = Spelling(writing, "disability", person, key, kids.size * 8, since)
    rng = draw.rng("rows.disability")
    grades = {0: ("1級", "2級", "3級", "4級"), 1: ("A", "B1", "B2"), 2: ("1級", "2級", "3級")}
    level = np.full(len(child), None, dtype=object)
    for code, names in grades.items():
        level = np.where(
            kind == code, np.array(names, dtype=object)[rng.integers(0, len(names), len(child))], level
        )
    unknown = (
        draw.rng("noise.number_missing_disability").random(len(child))
        < draw["noise.number_missing_disability"]
    )
    number = wrong_numbers(world, "disability", world.people.number_on(person, since), person)
    return table(
        {
            "person_no": np.where(unknown, None, number),
            "name": spelling.name,
            "name_kana": spelling.kana,
            "birth_date": spelling.birth_date,
            "kind": codes(kind + 1),
            "level": level,
            "spell_from": iso(since),
            "spell_to": iso(before_end(until)),
        },
        key="certificate_no",
        keys=numbered(draw, "S", len(child), digits=8),
        of=np.arange(len(child)),
        owner=person,
        by=(since,),
    )


def carer_survey(world: World, writing: Writing) -> Table:
    """Sent in November to every resident of grade 6 to 17; who cares does not always answer."""
    draw, kids = world.draw, world.kids
    asked = kids.at_index() & np.isin(kids.grades(), CARER_GRADES) & RECORDED
    asked &= kids.ends[:, None] > INDEX_DAYS + SURVEY_DAY
    column, child = np.nonzero(asked.T)
    person, day = world.people.of_child[child], INDEX_DAYS[column] + SURVEY_DAY
    silent = draw.rng("noise.carer_no_answer").random(len(child)) < draw["noise.carer_no_answer"]
    unknown = draw.rng("noise.number_missing_survey").random(len(child)) < draw["noise.number_missing_survey"]
    spelling = Spelling(writing, "carer_survey", person, np.arange(len(child)), len(child), day)
    return table(
        {
            "fy": integers(YEARS[column]),
            "person_no": np.where(unknown, None, world.people.number_on(person, day)),
            "name_kana": spelling.kana,
            "birth_date": spelling.birth_date,
            "cares": np.where(silent, None, flag(world.care.carer[child, column])),
        },
        key="answer_no",
        keys=numbered(draw, "Y", len(child), digits=8),
        of=np.arange(len(child)),
        owner=person,
        by=(column,),
    )
