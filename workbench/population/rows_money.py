"""Tables of the tax, welfare and family-benefit offices."""

import numpy as np
import pandas as pd

from workbench.population.calendar import INDEX_DAYS, LAST, RECORDS, YEARS, iso
from workbench.population.chance import Array, bar, choose
from workbench.population.money import take_home
from workbench.population.people import labelled, scrambled
from workbench.population.spelling import Spelling
from workbench.population.structure import IN_PANEL
from workbench.population.tables import RECORDED, Spells, Table, codes, integers, numbered, spells_of, table
from workbench.population.world import World
from workbench.population.writing import Writing, flag


def tax(world: World, writing: Writing) -> Table:
    money, people, draw = world.money, world.people, world.draw
    family, column, role = np.nonzero(money.present & RECORDED[:, None])
    person = people.of_role[family, role]
    disposable, kind = money.disposable[family, column, role], money.tax_class[family, column, role]
    silent = money.undeclared[family, column, role]
    revenue, total, social, taxes = take_home(disposable, exempt=kind == 1)
    spelling = Spelling(writing, "tax", person, person, people.size, INDEX_DAYS[column])
    main = role == np.argmax(money.disposable[family, column], axis=1)
    outside = draw.rng("noise.outside_number").random(people.size) < draw["noise.outside_number"]
    number = people.number_on(person, INDEX_DAYS[column])
    other = labelled("", scrambled(np.arange(people.size), start=9 * 10**9, span=10**9 - 1), 10)[person]
    return table(
        {
            "fy": integers(YEARS[column]),
            "person_no": wrong_numbers(world, "tax", np.where(outside[person], other, number), person),
            "name": spelling.name,
            "name_kana": spelling.kana,
            "birth_date": spelling.birth_date,
            "revenue_total": integers(revenue, missing=silent),
            "income_total": integers(total, missing=silent),
            "social_insurance": integers(social, missing=silent),
            "taxes_total": integers(taxes, missing=silent),
            "tax_class": codes(kind, missing=silent),
            "undeclared": flag(silent),
            "tax_arrears": flag(money.tax_arrears[family, column] & main),
        },
        key="taxpayer_no",
        keys=numbered(draw, "Z", people.size, digits=8),
        of=person,
        owner=person,
        by=(column,),
    )


def wrong_numbers(world: World, system: str, number: Array, person: Array) -> Array:
    """A few people carry the resident's number of somebody else in this system."""
    people, draw = world.people, world.draw
    rng = draw.rng(f"noise.wrong_number.{system}")
    strikes = rng.random(people.size) < draw["noise.wrong_number"]
    somebody = rng.integers(0, people.size, people.size)
    return np.where(strikes[person], people.first_number[somebody][person], number)


def yearly(world: World, *, upto: dict[int, int]) -> tuple[Array, Array]:
    """Child and column of every FY in which a child in the city is within the grade of that year."""
    limit = np.array([upto[min(fy, LAST)] for fy in np.clip(YEARS, RECORDS, LAST)])
    inside = world.kids.in_year() & (world.kids.grades() <= limit) & RECORDED
    return np.nonzero(inside)


def child_allowance(world: World, writing: Writing) -> Table:
    """Until 2023 to the end of junior high school and under an income limit; from FY2024 to 18 without one."""
    people, kids, draw = world.people, world.kids, world.draw
    child, column = yearly(world, upto={fy: 17 if fy == LAST else 14 for fy in range(RECORDS, LAST + 1)})
    person, family = people.of_child[child], kids.family[child]
    income = world.money.income
    limit = np.exp(bar(np.log(income), share=0.04, weights=world.structure.children * IN_PANEL))
    none = np.where(
        YEARS[column] < LAST,
        income[family, column] > limit,
        draw.rng("rows.allowance").random(len(child)) < 0.01,
    )
    missing = world.money.report_missing[family, column] & ~none
    spelling = Spelling(writing, "child_allowance", person, person, people.size, INDEX_DAYS[column])
    days = np.maximum(INDEX_DAYS[column], kids.starts[child])
    return table(
        {
            "fy": integers(YEARS[column]),
            "person_no": wrong_numbers(world, "child_allowance", people.number_on(person, days), person),
            "name_kana": spelling.kana,
            "birth_date": spelling.birth_date,
            "receipt": flag(~none),
            "report_missing": flag(missing),
        },
        key="allowance_no",
        keys=numbered(draw, "K", people.size, digits=8),
        of=person,
        owner=person,
        by=(column,),
    )


def bounds(world: World) -> tuple[Array, Array]:
    """Days a family's spell may begin and must end: the city, and the phase the household is in."""
    families, structure = world.families, world.structure
    low = np.where(structure.phases == 0, families.arrives[:, None], structure.parted[:, None])
    low = np.where(structure.phases == 2, structure.joined[:, None], low)
    high = np.where(structure.phases == 0, structure.parted[:, None], structure.joined[:, None])
    high = np.where(structure.phases == 2, families.leaves[:, None], high)
    return np.maximum(low, families.arrives[:, None]), np.minimum(high, families.leaves[:, None])


def sp_allowance(world: World, writing: Writing) -> Table:
    draw, people = world.draw, world.people
    low, high = bounds(world)
    state = world.money.allowance.astype(np.int64)
    found = spells_of(state, rng=draw.rng("rows.sp_allowance"), low=low, high=high)
    person = world.keeper(found.entity)
    spelling = Spelling(writing, "sp_allowance", person, person, people.size, found.since)
    number = wrong_numbers(world, "sp_allowance", people.number_on(person, found.since), person)
    unknown = (
        draw.rng("noise.number_missing_allowance").random(people.size)
        < draw["noise.number_missing_allowance"]
    )
    reason = choose(draw.rng("rows.reason"), draw["money.allowance_reason"], size=world.families.size)
    reason = np.where(world.structure.unmarried, "2", np.where(reason == "2", "1", reason))
    return table(
        {
            "person_no": np.where(unknown[person], None, number),
            "name": spelling.name,
            "name_kana": spelling.kana,
            "birth_date": spelling.birth_date,
            "status": codes(found.state),
            "reason": reason[found.entity],
            **period(found),
        },
        key="certificate_no",
        keys=numbered(draw, "J", people.size, digits=7),
        of=person,
        owner=person,
        by=(found.since,),
    )


def period(found: Spells) -> dict[str, Array]:
    return {"spell_from": iso(found.since), "spell_to": iso(found.until)}


def welfare(world: World, writing: Writing) -> Table:
    """A case per household and head: when the head changes a new case is opened."""
    draw, people = world.draw, world.people
    low, high = bounds(world)
    state = world.money.welfare * (1 + world.structure.phases)
    found = spells_of(state, rng=draw.rng("rows.welfare"), low=low, high=high)
    head = world.head(found.entity, found.column)
    spelling = Spelling(writing, "welfare", head, head, people.size, found.since)
    kind = choose(draw.rng("rows.welfare_type"), draw["money.welfare_type"], size=len(head))
    single = world.structure.single[found.entity, found.column]
    return table(
        {
            "head_name": spelling.name,
            "head_name_kana": spelling.kana,
            "head_birth_date": spelling.birth_date,
            "address": full_width(spelling.address),
            "welfare_type": np.where(single, "1", np.where(kind == "1", "3", kind)),
            **period(found),
        },
        key="case_no",
        keys=numbered(draw, "W", len(head), digits=6),
        of=np.arange(len(head)),
        owner=head,
        by=(found.since,),
    )


WIDE = str.maketrans("0123456789- ", "０１２３４５６７８９－　")


def full_width(text: Array) -> Array:
    """As the oldest systems store addresses: every digit in full width."""
    return pd.Series(text, dtype=object).str.translate(WIDE).to_numpy()


def arrears(world: World, writing: Writing) -> Table:
    """Who owes school lunch, childcare or water fees, per FY."""
    draw, people, kids = world.draw, world.people, world.kids
    of = {
        "lunch": ("1", world.school.pupil),
        "childcare": ("2", world.nursery.enrolled),
        "water": ("3", world.kids.at_index()),
    }
    family, column, kind = [], [], []
    for name, (code, concerned) in of.items():
        owing = np.zeros(world.money.welfare.shape, dtype=bool)
        np.logical_or.at(owing, kids.family, concerned & kids.at_index())
        where = np.nonzero(owing & world.money.arrears[name] & RECORDED)
        family.append(where[0])
        column.append(where[1])
        kind.append(np.full(len(where[0]), code, dtype=object))
    families, columns, kinds = np.concatenate(family), np.concatenate(column), np.concatenate(kind)
    payer = world.head(families, columns)
    key = payer * 3 + kinds.astype(int) - 1
    spelling = Spelling(writing, "arrears", payer, key, people.size * 3, INDEX_DAYS[columns] + 180)
    return table(
        {
            "fy": integers(YEARS[columns]),
            "kind": kinds,
            "payer_name": spelling.name,
            "payer_name_kana": spelling.kana,
            "address": full_width(spelling.address),
            "months": integers(np.minimum(draw.rng("rows.arrears").geometric(0.3, len(key)), 12)),
        },
        key="arrears_no",
        keys=numbered(draw, "T", people.size * 3, digits=8),
        of=key,
        owner=payer,
        by=(columns,),
    )


def med_subsidy(world: World, writing: Writing) -> Table:
    draw, people, kids = world.draw, world.people, world.kids
    child, column = yearly(world, upto=dict.fromkeys(range(RECORDS, LAST + 1), 14))
    person, family = people.of_child[child], kids.family[child]
    rng, rule = draw.rng("rows.visits"), draw["health.medical_visits"]
    mean = np.where(kids.grades()[child, column] < 6, rule["preschool"], rule["school"])
    often = rng.gamma(2.0, 0.5, kids.size)[child] * np.exp(0.15 * world.health.vulnerability[child] - 0.01)
    spelling = Spelling(writing, "med_subsidy", person, person, people.size, INDEX_DAYS[column])
    days = np.maximum(INDEX_DAYS[column], kids.starts[child])
    return table(
        {
            "fy": integers(YEARS[column]),
            "person_no": wrong_numbers(world, "med_subsidy", people.number_on(person, days), person),
            "name_kana": spelling.kana,
            "birth_date": spelling.birth_date,
            "med_visits": integers(rng.poisson(mean * often)),
            "dental_visits": integers(rng.poisson(rule["dental"], len(child))),
            "med_sp": flag(np.isin(world.money.allowance[family, column], (1, 2))),
        },
        key="subsidy_no",
        keys=numbered(draw, "M", people.size, digits=8),
        of=person,
        owner=person,
        by=(column,),
    )
