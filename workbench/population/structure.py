"""
Who brings the children up: hardship, the shape of the household, and how it changes.

A family is a couple, or passes through a phase with one parent (alone, or with the grandparents), or
lives in three generations, or the grandparents bring the children up. Phase 0 is the couple, phase 1 one
parent, phase 2 a new couple. Hardship H raises the chance of being one parent (dictionary, section 4).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from workbench.population.calendar import INDEX_DAYS, NEVER, PANELS, YEARS
from workbench.population.chance import Array, Draw, bar
from workbench.population.families import Families, Kids
from workbench.population.places import places

TYPES = ("two_parents", "one_adult", "single_coresident", "three_generation", "other")
COUPLE, ONE_ADULT, CORESIDENT, THREE_GENERATION, GRANDPARENTS = range(5)
IN_PANEL = np.isin(YEARS, list(PANELS))


@dataclass(frozen=True)
class Structure:
    """`kind` is what the family is in phase 1 (or always); `parted` and `joined` are the days of its changes."""

    hardship: Array
    home_block: Array
    kind: Array
    parted: Array
    joined: Array
    unmarried: Array
    mother_keeps: Array
    grandfather: Array
    grandmother: Array
    foreign: Array
    children: Array

    def phase(self, families: Array, days: Array) -> Array:
        return (days >= self.parted[families]).astype(int) + (days >= self.joined[families])

    @cached_property
    def phases(self) -> Array:
        """Families × YEARS: the phase at the index date."""
        everyone = np.arange(len(self.kind))[:, None]
        return self.phase(everyone, INDEX_DAYS[None, :])

    @cached_property
    def types(self) -> Array:
        """Families × YEARS: index into TYPES at the index date."""
        kind = self.kind[:, None]
        passing = (kind == ONE_ADULT) | (kind == CORESIDENT)
        return np.where(passing & (self.phases != 1), COUPLE, kind)

    @cached_property
    def single(self) -> Array:
        return (self.types == ONE_ADULT) | (self.types == CORESIDENT)

    @cached_property
    def grandparents(self) -> Array:
        """Families × YEARS: grandparents in the household."""
        with_them = (self.types == CORESIDENT) | (self.types >= THREE_GENERATION)
        return with_them * (self.grandfather.astype(int) + self.grandmother)[:, None]

    @cached_property
    def parents(self) -> Array:
        return np.array([2, 1, 1, 2, 0])[self.types]

    @cached_property
    def members(self) -> Array:
        """Families × YEARS: people in the household at the index date."""
        return self.parents + self.grandparents + self.children


def household(draw: Draw, families: Families, kids: Kids) -> Structure:
    hardship, block = hardships(draw, families)
    children = per_family(kids, families, kids.at_index())
    parted, joined, unmarried = changes(draw, families)
    kind = kinds(draw, hardship=hardship, children=children, parted=parted, joined=joined)
    passing = (kind == ONE_ADULT) | (kind == CORESIDENT)
    rng = draw.rng("structure.people")
    grandfather = rng.random(families.size) < 0.72
    grandmother = ~grandfather | (rng.random(families.size) < 0.85)
    return Structure(
        hardship=hardship,
        home_block=block,
        kind=kind,
        parted=np.where(passing, parted, NEVER),
        joined=np.where(passing, joined, NEVER),
        unmarried=unmarried & passing,
        mother_keeps=(rng.random(families.size) < draw["structure.mother_keeps"])
        | (unmarried & passing)
        | (parted < last_birth(kids, families)),
        grandfather=grandfather,
        grandmother=grandmother,
        foreign=rng.random(families.size) < draw["structure.foreign_households"],
        children=children,
    )


def per_family(kids: Kids, families: Families, where: Array) -> Array:
    """Families × YEARS: how many of the family's children are in `where` (children × YEARS)."""
    counts = np.zeros((families.size, where.shape[1]), dtype=np.int64)
    np.add.at(counts, kids.family, where.astype(np.int64))
    return counts


def last_birth(kids: Kids, families: Families) -> Array:
    """The day the youngest was born: a mother of later children does not leave before."""
    found = np.zeros(families.size, dtype=np.int64)
    np.maximum.at(found, kids.family, kids.birth)
    return found


def hardships(draw: Draw, families: Families) -> tuple[Array, Array]:
    """H ~ N(0,1), part of it shared by the block's elementary district; and each family's first block."""
    rng = draw.rng("structure.hardship")
    blocks = len(places())
    weights = rng.gamma(draw["structure.block_weight_shape"], 1.0, blocks)
    block = rng.choice(blocks, families.size, p=weights / weights.sum())
    sd = draw["structure.district_effect_sd"]
    district = places()["es_district"].str[1:].astype(int).to_numpy() - 1
    effect = rng.normal(0, sd, district.max() + 1)
    effect -= effect.mean()
    own = rng.standard_normal(families.size) * np.sqrt(1 - sd**2)
    hardship = effect[district[block]] + own
    return (hardship - hardship.mean()) / hardship.std(), block


def changes(draw: Draw, families: Families) -> tuple[Array, Array, Array]:
    """For every family, when it would part and join again if it is one that does."""
    rng = draw.rng("structure.changes")
    size = families.size
    unmarried = rng.random(size) < draw["structure.unmarried_share"]
    after = (rng.gamma(1.6, draw["structure.years_to_parting"] / 1.6, size) * 365.25).astype(np.int64)
    parted = np.where(unmarried, 0, families.first_birth + 100 + after)
    single_from = np.maximum(parted, families.first_birth)
    again = rng.random(size) < draw["structure.new_partner_share"]
    later = ((1 + rng.exponential(draw["structure.years_to_new_partner"], size)) * 365.25).astype(np.int64)
    return parted, np.where(again, single_from + later, NEVER), unmarried


def kinds(draw: Draw, *, hardship: Array, children: Array, parted: Array, joined: Array) -> Array:
    """
    What each family is, so that the share of children in each type over the eleven panels is as given.

    Each type in turn is solved among the families that are none of the earlier ones. A family that
    parts counts only with the children and panels of its phase with one parent.
    """
    rng = draw.rng("structure.kinds")
    alone = (parted[:, None] <= INDEX_DAYS) & (joined[:, None] > INDEX_DAYS)
    counted = children * IN_PANEL
    total = counted.sum()
    kind = np.zeros(len(hardship), dtype=int)
    shares, slopes = draw["structure.types"], draw["structure.type_on_hardship"]
    for code in (ONE_ADULT, CORESIDENT, THREE_GENERATION, GRANDPARENTS):
        score = slopes[TYPES[code]] * hardship + rng.logistic(size=len(hardship))
        weight = (counted * alone if code in (ONE_ADULT, CORESIDENT) else counted).sum(axis=1)
        free = kind == COUPLE
        reachable = weight[free].sum()
        threshold = bar(score[free], share=shares[TYPES[code]] * total / reachable, weights=weight[free])
        kind[free & (score > threshold)] = code
    return kind
