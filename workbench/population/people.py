"""
The people of the families: who they are, what they are called in which phase, which number they carry.

Everyone gets a true id; only truth tables use it. A resident who came back after a short time away has two
resident's numbers, as happens in real registers.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from workbench.population.calendar import END, INDEX_DAYS, NEVER, RECORDS, fy_start, year_of
from workbench.population.chance import Array, Draw, between
from workbench.population.families import Families, Kids
from workbench.population.names import LANGUAGE_SHARES, LANGUAGES, SPACE, Names, names
from workbench.population.structure import CORESIDENT, GRANDPARENTS, Structure

MOTHER, FATHER, STEP, GRANDFATHER, GRANDMOTHER, CHILD = range(6)
MAJORITY = 6640  # A little more than eighteen years, in days.
COHORTS = ((1963, "senior"), (1996, "parent"), (2011, "child"), (9999, "small"))


@dataclass(frozen=True)
class People:
    """
    One entry per person; `start`/`end` bound its time in the city's register.

    `surname` is by phase (people × 3). `second_from` is the day the second number begins (NEVER for most),
    `away_from` the day the person left for a short while before that.
    """

    family: Array
    role: Array
    child: Array
    male: Array
    birth: Array
    start: Array
    end: Array
    surname: Array
    given: Array
    alias: Array
    alias_narrow: Array
    foreign: Array
    first_number: Array
    second_number: Array
    away_from: Array
    second_from: Array
    of_child: Array
    of_role: Array
    size: int

    @cached_property
    def true_ids(self) -> Array:
        return labelled("P", np.arange(self.size), 7)

    def true_id(self, people: Array) -> Array:
        return self.true_ids[people]

    def number_on(self, people: Array, days: Array) -> Array:
        return np.where(
            days >= self.second_from[people], self.second_number[people], self.first_number[people]
        )


def labelled(prefix: str, numbers: Array, width: int) -> Array:
    """`prefix` and the number, zero-filled, as strings."""
    # Formatting one by one is four times as fast as numpy's own string functions.
    return np.array([f"{prefix}{number:0{width}d}" for number in np.asarray(numbers).tolist()], dtype=object)


def scrambled(numbers: Array, *, start: int, span: int) -> Array:
    """Distinct numbers in [start, start + span) that give away no order; `span` must not divide by the prime."""
    return start + (np.asarray(numbers, dtype=np.int64) * 2_654_435_761 + 40_503) % span


def people(draw: Draw, families: Families, kids: Kids, structure: Structure) -> People:
    spans = adult_spans(draw, families, structure)
    family, role, start, end, birth, male = [], [], [], [], [], []
    for code in range(CHILD):
        lives = np.nonzero(spans[code][0] < spans[code][1])[0]
        family.append(lives)
        role.append(np.full(len(lives), code))
        start.append(spans[code][0][lives])
        end.append(spans[code][1][lives])
        birth.append(adult_births(draw, families, code)[lives])
        male.append(is_male(code, structure)[lives])
    everyone = {
        "family": np.concatenate([*family, kids.family]),
        "role": np.concatenate([*role, np.full(kids.size, CHILD)]),
        "start": np.concatenate([*start, kids.starts]),
        "end": np.concatenate([*end, kids.ends]),
        "birth": np.concatenate([*birth, kids.birth]),
        "male": np.concatenate([*male, kids.male]),
    }
    # True ids follow a random order: nothing about the family can be read from them.
    size = len(everyone["family"])
    order = draw.rng("people.order").permutation(size)
    everyone = {name: values[order] for name, values in everyone.items()}
    child = np.concatenate([np.full(size - kids.size, -1), np.arange(kids.size)])[order]
    return dressed(draw, structure, families, size=size, child=child, everyone=everyone)


def adult_spans(draw: Draw, families: Families, structure: Structure) -> list[tuple[Array, Array]]:
    """For each adult role, first and last day in the register by family (empty where there is nobody)."""
    arrives, leaves, parted, joined = families.arrives, families.leaves, structure.parted, structure.joined
    raised = structure.kind == GRANDPARENTS
    keeps = structure.mother_keeps
    nobody = np.zeros(families.size, dtype=np.int64)
    until_parted = np.minimum(leaves, np.maximum(parted, nobody))
    # Parents who grew up here are no children of the register: the couple enters it when both are of age.
    of_age = np.maximum(families.mother_birth, families.father_birth) + MAJORITY
    couple_from = np.maximum(arrives, of_age)
    mother = (couple_from, np.where(raised, nobody, np.where(keeps, leaves, until_parted)))
    father = (couple_from, np.where(raised, nobody, np.where(keeps, until_parted, leaves)))
    step = (np.maximum(joined, arrives), np.where(joined < leaves, leaves, nobody))
    with_family = structure.kind > CORESIDENT
    # Grandparents who take a parent in have lived here before; they stay when the family goes.
    waiting = (structure.kind == CORESIDENT) & (parted < leaves) & (joined > arrives)
    long_ago = arrives - draw.rng("people.grandparents").integers(1000, 8000, families.size)
    since = np.where(waiting & (parted > arrives), long_ago, couple_from)
    until = np.where(with_family, leaves, np.where(waiting, NEVER, nobody))
    grandfather = (since, np.where(structure.grandfather, until, nobody))
    grandmother = (since, np.where(structure.grandmother, until, nobody))
    return [mother, father, step, grandfather, grandmother]


def adult_births(draw: Draw, families: Families, role: int) -> Array:
    rng = draw.rng(f"people.birth.{role}")
    older = (rng.normal(28.5, 3.5, families.size) * 365.25).astype(np.int64)
    by_role = {
        MOTHER: families.mother_birth,
        FATHER: families.father_birth,
        STEP: families.mother_birth + rng.integers(-2500, 1500, families.size),
        GRANDFATHER: families.father_birth - older,
        GRANDMOTHER: families.father_birth - older + rng.integers(-300, 1400, families.size),
    }
    return np.minimum(by_role[role], families.first_birth - MAJORITY - 30)


def is_male(role: int, structure: Structure) -> Array:
    same = np.ones(len(structure.kind), dtype=bool)
    by_role = {
        MOTHER: ~same,
        FATHER: same,
        STEP: structure.mother_keeps,
        GRANDFATHER: same,
        GRANDMOTHER: ~same,
    }
    return by_role[role]


def dressed(
    draw: Draw,
    structure: Structure,
    families: Families,
    *,
    size: int,
    child: Array,
    everyone: dict[str, Array],
) -> People:
    """Names and numbers for everyone."""
    family, role, male, birth = (everyone[name] for name in ("family", "role", "male", "birth"))
    table = names()
    language = draw.rng("people.language").choice(len(LANGUAGES), families.size, p=LANGUAGE_SHARES)
    language = np.where(structure.foreign, language, -1)
    surname = surnames(draw, structure, table, language=language, family=family, role=role)
    given = givens(draw, table, language=language[family], male=male, birth=birth, family=family)
    alias = aliases(draw, table, structure, family=family, male=male, birth=birth)
    away, second = short_absences(draw, start=everyone["start"], end=everyone["end"])
    of_child, of_role = indices(family=family, role=role, child=child, families=families.size)
    numbers = np.arange(size)
    return People(
        child=child,
        surname=surname,
        given=given,
        alias=alias[0],
        alias_narrow=alias[1],
        foreign=structure.foreign[family],
        first_number=labelled("", scrambled(numbers, start=10**9, span=7 * 10**9), 10),
        second_number=labelled("", scrambled(numbers, start=8 * 10**9, span=9 * 10**8), 10),
        away_from=away,
        second_from=second,
        of_child=of_child,
        of_role=of_role,
        size=size,
        **everyone,
    )


def indices(*, family: Array, role: Array, child: Array, families: int) -> tuple[Array, Array]:
    """The person of each child, and of each adult role by family (-1 for nobody)."""
    of_child = np.empty((child >= 0).sum(), dtype=np.int64)
    of_child[child[child >= 0]] = np.nonzero(child >= 0)[0]
    of_role = np.full((families, CHILD), -1)
    adults = role < CHILD
    of_role[family[adults], role[adults]] = np.nonzero(adults)[0]
    return of_child, of_role


def surnames(
    draw: Draw, structure: Structure, table: Names, *, language: Array, family: Array, role: Array
) -> Array:
    """People × 3 phases. Divorce gives most mothers, and the children with them, her own name back."""
    rng = draw.rng("people.surnames")
    count = len(structure.kind)
    own = {who: table.draw_surnames(rng, "JP", size=count) for who in ("father", "mother", "step")}
    for code, name in enumerate(LANGUAGES):
        here = np.nonzero(language == code)[0]
        for surname in own.values():
            surname[here] = table.draw_surnames(rng, name, size=len(here))
    foreign = structure.foreign
    back = structure.unmarried | (rng.random(count) < 0.6)
    own["mother"] = np.where(foreign & (rng.random(count) < 0.3), own["father"], own["mother"])
    keeps = structure.mother_keeps
    after = np.where(keeps & back, own["mother"], own["father"])
    with_step = np.where(keeps, own["step"], own["father"])
    alike = np.stack([own["father"], after, with_step], axis=1)
    by_role = {
        MOTHER: np.where(foreign[:, None], own["mother"][:, None], alike),
        FATHER: np.repeat(own["father"][:, None], 3, axis=1),
        STEP: np.repeat(np.where(foreign, own["step"], with_step)[:, None], 3, axis=1),
        GRANDFATHER: np.repeat(
            np.where((structure.kind == CORESIDENT) & keeps, own["mother"], own["father"])[:, None], 3, axis=1
        ),
        CHILD: np.where(foreign[:, None], own["father"][:, None], alike),
    }
    by_role[GRANDMOTHER] = by_role[GRANDFATHER]
    found = np.empty((len(family), 3), dtype=np.int64)
    for code, by_phase in by_role.items():
        found[role == code] = by_phase[family[role == code]]
    return found


def givens(draw: Draw, table: Names, *, language: Array, male: Array, birth: Array, family: Array) -> Array:
    """A given name of the person's time and language; in a family nobody shares one (a few tries)."""
    rng = draw.rng("people.givens")
    found = np.full(len(birth), -1)
    again = np.ones(len(birth), dtype=bool)
    for _ in range(6):
        found[again] = one_given(
            rng, table, language=language[again], male=male[again], year=year_of(birth[again])
        )
        order = np.lexsort((found, family))
        same = (np.diff(family[order]) == 0) & (np.diff(found[order]) == 0)
        again = np.zeros(len(birth), dtype=bool)
        again[order[1:][same]] = True
        if not again.any():
            break
    return found


def one_given(rng: np.random.Generator, table: Names, *, language: Array, male: Array, year: Array) -> Array:
    cohort = np.searchsorted([limit for limit, _ in COHORTS], year, side="right")
    found = np.full(len(year), -1)
    for sex, is_sex in (("m", male), ("f", ~male)):
        for code, (_, name) in enumerate(COHORTS):
            cell = np.nonzero(is_sex & (cohort == code) & (language < 0))[0]
            found[cell] = table.draw_givens(rng, (name, sex), size=len(cell))
        for code, name in enumerate(LANGUAGES):
            cell = np.nonzero(is_sex & (language == code))[0]
            found[cell] = table.draw_givens(rng, (name, sex), size=len(cell))
    return found


def aliases(
    draw: Draw, table: Names, structure: Structure, *, family: Array, male: Array, birth: Array
) -> tuple[Array, Array]:
    """The Japanese name (通称名) that two fifths of foreign families use; None for everyone else. Also as CP932 has it."""
    rng = draw.rng("people.aliases")
    uses = structure.foreign & (rng.random(len(structure.kind)) < 0.4)
    surname = table.draw_surnames(rng, "JP", size=len(structure.kind))[family]
    given = one_given(rng, table, language=np.full(len(birth), -1), male=male, year=year_of(birth))
    full = table.surnames.text[surname] + SPACE + table.givens.text[given]
    narrow = table.surnames.narrow[surname] + SPACE + table.givens.narrow[given]
    return np.where(uses[family], full, None), np.where(uses[family], narrow, None)


def short_absences(draw: Draw, *, start: Array, end: Array) -> tuple[Array, Array]:
    """
    Who left for some weeks and came back under a new number: the day of leaving and of coming back.

    Never across 1 April, so that nobody is missing at an index date because of it.
    """
    rng = draw.rng("people.absences")
    size = len(start)
    low, high = np.maximum(start, fy_start(RECORDS)), np.minimum(end, END)
    fy = RECORDS + np.floor(rng.random(size) * (INDEX_DAYS[-1] - fy_start(RECORDS)) / 365.25).astype(int)
    away = fy_start(fy) + between(rng, np.full(size, 30), np.full(size, 290))
    back = away + between(rng, np.full(size, 10), np.full(size, 41))
    goes = (rng.random(size) < draw["noise.two_numbers"] * 1.65) & (away > low + 40) & (back < high - 40)
    return np.where(goes, away, NEVER), np.where(goes, back, NEVER)
