"""Where each family lived, and since when: arrival, moves within the city, moves that a change brings."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from workbench.population.calendar import INDEX_DAYS, NEVER, YEARS
from workbench.population.chance import Array, Draw
from workbench.population.families import Families
from workbench.population.places import places
from workbench.population.structure import CORESIDENT, Structure

BLOCKS_NEARBY = 4


@dataclass(frozen=True)
class Homes:
    """
    Every place a family lived at: sorted by family and day, so that an address is a search.

    `grandparents_home` is by family the home of grandparents who take a parent in, the same before.
    """

    family: Array
    since: Array
    block: Array
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


def homes(draw: Draw, families: Families, structure: Structure) -> Homes:
    """First homes, moves within the city, and moves that parting or joining brings."""
    rng = draw.rng("homes")
    moved, since = moves(draw, rng, families, structure)
    owner = np.concatenate([np.arange(families.size), moved])
    day = np.concatenate([families.arrives, since])
    order = np.lexsort((day, owner))
    owner, day = owner[order], day[order]
    stays = draw["structure.moves_within_block_area"]
    block = wander(rng, owner=owner, home=structure.home_block, stays=stays)
    single_from = np.minimum(np.maximum(structure.parted, families.arrives), NEVER - 1)
    everyone = np.arange(families.size)
    found = Homes(owner, day, block, everyone)
    return replace(found, grandparents_home=found.at(everyone, single_from))


def moves(
    draw: Draw, rng: np.random.Generator, families: Families, structure: Structure
) -> tuple[Array, Array]:
    """Family and day of every move within the city."""
    hardship = draw["structure.moving_on_hardship"] * structure.hardship
    chance = draw["structure.moves_within_city"] * np.exp(hardship)
    family, year = np.nonzero(rng.random((families.size, len(YEARS))) < chance[:, None])
    when = INDEX_DAYS[year] + rng.integers(1, 364, len(year))
    # Living with the grandparents ends only when a new couple moves out.
    free = (structure.kind[family] != CORESIDENT) | (structure.phase(family, when) != 1)
    family, when = family[free], when[free]
    to_grandparents = np.nonzero(structure.kind == CORESIDENT)[0]
    joining = np.nonzero(structure.joined < NEVER)[0]
    moved = np.concatenate([family, to_grandparents, joining])
    since = np.concatenate([when, structure.parted[to_grandparents], structure.joined[joining]])
    here = (since > families.arrives[moved] + 30) & (since < families.leaves[moved])
    return moved[here], since[here]


def wander(rng: np.random.Generator, *, owner: Array, home: Array, stays: float) -> Array:
    """The block of each home: the first is the family's; later ones are near it or anywhere."""
    step = rng.integers(-BLOCKS_NEARBY, BLOCKS_NEARBY + 1, len(owner))
    near = np.clip(home[owner] + step, 0, len(places()) - 1)
    far = home[rng.integers(0, len(home), len(owner))]
    first = np.append(True, owner[1:] != owner[:-1])
    return np.where(first, home[owner], np.where(rng.random(len(owner)) < stays, near, far))
