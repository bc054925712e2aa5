"""Where each family lived, and since when: arrival, moves within the city, moves that a change brings."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from workbench.population.calendar import INDEX_DAYS, NEVER, YEARS
from workbench.population.chance import Array, Draw
from workbench.population.families import Families
from workbench.population.places import places
from workbench.population.structure import CORESIDENT, Structure


@dataclass(frozen=True)
class Homes:
    """Every place a family lived at: sorted by family and day, so that an address is a search."""

    family: Array
    since: Array
    reason: Array
    block: Array
    number: Array
    grandparents_home: Array

    @cached_property
    def _keys(self) -> Array:
        return self.family * np.int64(10**7) + self.since + 10**6

    def at(self, families: Array, days: Array) -> Array:
        """Index of the home a family lives in on a day (its first home for days before)."""
        found = np.searchsorted(self._keys, families * np.int64(10**7) + days + 10**6, side="right") - 1
        return np.maximum(found, self.first[families])

    @cached_property
    def first(self) -> Array:
        return np.searchsorted(self.family, np.arange(self.family[-1] + 1))


ARRIVED, MOVED = "1", "3"


def homes(draw: Draw, families: Families, structure: Structure) -> Homes:
    """First homes, moves within the city, and moves that parting or joining brings."""
    rng = draw.rng("homes")
    everyone = np.arange(families.size)
    chance = draw["structure.moves_within_city"] * np.exp(
        draw["structure.moving_on_hardship"] * structure.hardship
    )
    moving = rng.random((families.size, len(YEARS))) < chance[:, None]
    family, year = np.nonzero(moving)
    when = INDEX_DAYS[year] + rng.integers(1, 364, len(year))
    to_grandparents = np.nonzero((structure.kind == CORESIDENT) & (structure.parted > families.arrives))[0]
    joining = np.nonzero((structure.joined < families.leaves) & (structure.joined > families.arrives))[0]
    moved = np.concatenate([family, to_grandparents, joining])
    since = np.concatenate([when, structure.parted[to_grandparents], structure.joined[joining]])
    # Living with the grandparents ends only when a new couple moves out.
    fixed = (structure.kind[family] == CORESIDENT) & (structure.phase(family, when) == 1)
    keep = np.concatenate([~fixed, np.ones(len(to_grandparents) + len(joining), dtype=bool)])
    keep &= (since > families.arrives[moved] + 30) & (since < families.leaves[moved])
    keep &= ~((structure.parted[moved] == 0) & (since == 0))
    moved, since = moved[keep], since[keep]
    owner = np.concatenate([everyone, moved])
    day = np.concatenate([families.arrives, since])
    order = np.lexsort((day, owner))
    owner, day = owner[order], day[order]
    block = wander(
        rng, owner=owner, home=structure.home_block, stays=draw["structure.moves_within_block_area"]
    )
    reason = np.where(order < families.size, ARRIVED, MOVED)
    number = np.arange(len(owner))
    return settle_with_grandparents(families, structure, Homes(owner, day, reason, block, number, everyone))


def wander(rng: np.random.Generator, *, owner: Array, home: Array, stays: float) -> Array:
    """The block of each home: the first is the family's; later ones are near or anywhere."""
    blocks = len(places())
    near = np.clip(home[owner] + rng.integers(-4, 5, len(owner)), 0, blocks - 1)
    far = home[rng.integers(0, len(home), len(owner))]
    first = np.append(True, owner[1:] != owner[:-1])
    return np.where(first, home[owner], np.where(rng.random(len(owner)) < stays, near, far))


def settle_with_grandparents(families: Families, structure: Structure, every: Homes) -> Homes:
    """Give the phase with the grandparents one address: theirs, the same before the family came."""
    everyone = np.arange(families.size)
    single_from = np.maximum(structure.parted, families.arrives)
    here = every.at(everyone, np.where(single_from < NEVER, single_from, families.arrives))
    return Homes(every.family, every.since, every.reason, every.block, every.number, here)
