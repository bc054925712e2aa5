"""The residents' register: one row per person and spell, and the history of addresses."""

import numpy as np
import pandas as pd

from workbench.population.calendar import END, NEVER, iso
from workbench.population.chance import Array
from workbench.population.people import (
    CHILD,
    FATHER,
    GRANDFATHER,
    GRANDMOTHER,
    MOTHER,
    STEP,
    People,
)
from workbench.population.places import places
from workbench.population.structure import CORESIDENT, GRANDPARENTS, THREE_GENERATION
from workbench.population.tables import Table, numbered
from workbench.population.world import World
from workbench.population.writing import Writing, flag

HEAD, SPOUSE, CHILD_OF_HEAD, CHILDS_SPOUSE, GRANDCHILD, FATHER_OF, MOTHER_OF = (
    f"{n:02d}" for n in range(1, 8)
)
MOVED_IN, BORN, MOVED, CHANGED = "1", "2", "3", "4"
MOVED_OUT, CHANGED_OUT = "1", "2"


def spells(world: World) -> dict[str, Array]:
    """Rows as arrays: person, phase, since, until, second (is it the second number)."""
    people, structure = world.people, world.structure
    keeper = np.where(structure.mother_keeps, MOTHER, FATHER)[people.family]
    split = (people.role == CHILD) | (people.role == keeper)
    parted, joined = structure.parted[people.family], structure.joined[people.family]
    edges = [np.full(people.size, -NEVER), parted, joined, np.full(people.size, NEVER + 1)]
    alone = structure.phase(people.family, people.start)
    pieces = []
    for phase in range(3):
        low = np.where(split, np.maximum(people.start, edges[phase]), people.start)
        high = np.where(split, np.minimum(people.end, edges[phase + 1]), people.end)
        here = np.nonzero((low < high) & (split | (alone == phase)))[0]
        low, high, away, back = low[here], high[here], people.away_from[here], people.second_from[here]
        pieces.append((here, phase, low, np.minimum(high, away), False))
        pieces.append((here, phase, np.maximum(low, back), high, True))
    person = np.concatenate([piece[0] for piece in pieces])
    rows = {
        "person": person,
        "phase": np.concatenate([np.full(len(piece[0]), piece[1]) for piece in pieces]),
        "since": np.concatenate([piece[2] for piece in pieces]),
        "until": np.concatenate([piece[3] for piece in pieces]),
        "second": np.concatenate([np.full(len(piece[0]), piece[4]) for piece in pieces]),
    }
    real = (rows["since"] < rows["until"]) & (rows["since"] < END)
    order = np.lexsort((rows["since"][real], rows["person"][real]))
    return {name: values[real][order] for name, values in rows.items()}


def resident(world: World, writing: Writing) -> Table:
    people, homes = world.people, world.homes
    rows = spells(world)
    person, family = rows["person"], world.people.family[rows["person"]]
    last_day = np.minimum(rows["until"], END) - 1
    home = world.home_of(person, last_day)
    number = np.where(rows["second"], people.second_number[person], people.first_number[person])
    frame = pd.DataFrame(
        {
            "person_no": number,
            "household_no": household_numbers(
                world, family=family, role=people.role[person], phase=rows["phase"]
            ),
            "name": writing.official_name(person, rows["phase"]),
            "name_kana": writing.official_kana(person, rows["phase"]),
            "alias": people.alias[person],
            "birth_date": iso(people.birth[person]),
            "sex": np.where(people.male[person], "1", "2").astype(object),
            "relation": relations(world, person=person, phase=rows["phase"]),
            "foreign": flag(people.foreign[person]),
            "protected": flag(world.care.masked[family] & (rows["phase"] > 0)),
            "postal_code": places()["postal_code"].to_numpy()[homes.block[home]],
            "address": writing.address(home),
            "block_code": places()["block"].to_numpy()[homes.block[home]],
            "spell_from": iso(rows["since"]),
            "reason_in": reasons_in(people, rows),
            "spell_to": iso(np.where(rows["until"] >= END, NEVER, rows["until"])),
            "reason_out": reasons_out(people, rows),
        }
    )
    return Table(frame, "person_no", person)


def reasons_in(people: People, rows: dict[str, Array]) -> Array:
    person, since = rows["person"], rows["since"]
    born = (since == people.birth[person]) & (people.role[person] == CHILD)
    came = (since == people.start[person]) | (since == people.second_from[person])
    return np.where(born, BORN, np.where(came, MOVED_IN, CHANGED)).astype(object)


def reasons_out(people: People, rows: dict[str, Array]) -> Array:
    person, until = rows["person"], rows["until"]
    left = (until == people.end[person]) | (until == people.away_from[person])
    return np.where(until >= END, None, np.where(left, MOVED_OUT, CHANGED_OUT))


def household_numbers(world: World, *, family: Array, role: Array, phase: Array) -> Array:
    """The couple's (or everybody's) household, the grandparents' one, or that of a new couple."""
    elder = (role == GRANDFATHER) | (role == GRANDMOTHER)
    with_parents = (world.structure.kind[family] == CORESIDENT) & (elder | (phase == 1))
    which = np.where(with_parents, 1, np.where((phase == 2) & ~elder, 2, 0))
    return numbered(world.draw, "", world.families.size * 3, digits=9).text[family * 3 + which]


def relations(world: World, *, person: Array, phase: Array) -> Array:
    """Relation to the head: the father or new husband heads a couple, a grandfather the rest where there is one."""
    people, structure = world.people, world.structure
    family, role = people.family[person], people.role[person]
    kind = structure.kind[family]
    elder = (kind == GRANDPARENTS) | ((kind == THREE_GENERATION) & world.elders_head[family])
    elder |= (kind == CORESIDENT) & ((phase == 1) | (role == GRANDFATHER) | (role == GRANDMOTHER))
    couple = np.isin(phase, (0, 2)) & ~elder
    man_heads = np.where(phase == 2, structure.mother_keeps[family], False)
    no_grandfather = ~structure.grandfather[family]
    by_role = {
        MOTHER: np.where(
            elder & (kind == CORESIDENT),
            CHILD_OF_HEAD,
            np.where(elder, CHILDS_SPOUSE, np.where(couple, SPOUSE, HEAD)),
        ),
        FATHER: np.where(elder, CHILD_OF_HEAD, HEAD),
        STEP: np.where(man_heads, HEAD, SPOUSE),
        GRANDFATHER: np.where(elder, HEAD, FATHER_OF),
        GRANDMOTHER: np.where(elder, np.where(no_grandfather, HEAD, SPOUSE), MOTHER_OF),
        CHILD: np.where(elder, GRANDCHILD, CHILD_OF_HEAD),
    }
    found = np.empty(len(person), dtype=object)
    for code, relation in by_role.items():
        found[role == code] = relation[role == code]
    return found


def address_history(world: World, writing: Writing) -> Table:
    """Arrival or birth, every move, and the return of those who were away."""
    people, homes = world.people, world.homes
    everyone = np.arange(people.size)
    born = (people.start == people.birth) & (people.role == CHILD)
    mover, home = moves(world)
    back = np.nonzero(people.second_from < NEVER)[0]
    person = np.concatenate([everyone, mover, back])
    day = np.concatenate([people.start, homes.since[home], people.second_from[back]])
    reason = np.concatenate(
        [np.where(born, BORN, MOVED_IN), np.full(len(mover), MOVED), np.full(len(back), MOVED_IN)]
    )
    order = np.lexsort((day, person))
    order = order[day[order] < END]
    person, day, reason = person[order], day[order], reason[order].astype(object)
    place = world.home_of(person, day)
    frame = pd.DataFrame(
        {
            "person_no": people.number_on(person, day),
            "moved_on": iso(day),
            "reason": reason,
            "block_code": places()["block"].to_numpy()[homes.block[place]],
            "address": writing.address(place),
        }
    )
    return Table(frame, "person_no", person)


def moves(world: World) -> tuple[Array, Array]:
    """Everybody's moves with the family: person and the home moved to, within the person's time here."""
    people, homes = world.people, world.homes
    movers = np.nonzero(~world.settled)[0]
    first = homes.first[people.family[movers]]
    count = np.append(homes.first[1:], len(homes.family))[people.family[movers]] - first
    who = np.repeat(movers, count)
    # The homes of a family stand together: count on from its first.
    home = np.repeat(first - (np.cumsum(count) - count), count) + np.arange(count.sum())
    during = (homes.since[home] > people.start[who]) & (homes.since[home] < people.end[who])
    return who[during], home[during]
