"""One town for all tests of the population, and the truth it was written from."""

import pytest

from workbench.population.chance import Draw
from workbench.population.city import City, generate
from workbench.population.params import Params
from workbench.population.world import World, world

SEED = 5


@pytest.fixture(scope="session")
def town() -> City:
    return generate("town", SEED)


@pytest.fixture(scope="session")
def town_truth() -> World:
    """The truth behind `town`: the same seed draws it again."""
    draw = Draw(seed=SEED, params=Params())
    return world(draw, children=draw["profiles.children"]["town"])
