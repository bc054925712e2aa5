"""Everything that is true of the city, gathered: what the holders' tables are then written from."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from workbench.population.care import Care, care
from workbench.population.chance import Array, Draw
from workbench.population.families import Families, Kids, settle
from workbench.population.health import Health, health
from workbench.population.homes import Homes, homes
from workbench.population.money import Money, money
from workbench.population.nursery import Nursery, nursery
from workbench.population.people import FATHER, GRANDFATHER, GRANDMOTHER, MOTHER, STEP, People, people
from workbench.population.school import School, school
from workbench.population.structure import CORESIDENT, Structure, household


@dataclass(frozen=True)
class World:
    draw: Draw
    families: Families
    kids: Kids
    structure: Structure
    homes: Homes
    money: Money
    health: Health
    school: School
    nursery: Nursery
    care: Care
    people: People

    @cached_property
    def settled(self) -> Array:
        """Grandparents who stay at their own address, whatever the family does."""
        elder = (self.people.role == GRANDFATHER) | (self.people.role == GRANDMOTHER)
        return elder & (self.structure.kind[self.people.family] == CORESIDENT)

    def home_of(self, persons: Array, days: Array) -> Array:
        """Where each person lives on a day."""
        family = self.people.family[persons]
        with_family = self.homes.at(family, days)
        return np.where(self.settled[persons], self.homes.grandparents_home[family], with_family)

    @cached_property
    def elders_head(self) -> Array:
        """Families of three generations where a grandparent heads the household."""
        return self.draw.rng("register.heads").random(self.families.size) < 0.6

    def head(self, families: Array, columns: Array) -> Array:
        """The head of each family's household at an index date (column of YEARS)."""
        of_role, types = self.people.of_role, self.structure.types[families, columns]
        phase = self.structure.phases[families, columns]
        elder = (types == 2) | (types == 4) | ((types == 3) & self.elders_head[families])
        grandfather, grandmother = of_role[families, GRANDFATHER], of_role[families, GRANDMOTHER]
        keeps = self.structure.mother_keeps[families]
        parent = np.where(
            (phase == 2) & keeps,
            of_role[families, STEP],
            np.where((phase == 1) & keeps, of_role[families, MOTHER], of_role[families, FATHER]),
        )
        return np.where(elder, np.where(grandfather >= 0, grandfather, grandmother), parent)

    def keeper(self, families: Array) -> Array:
        """The parent who stays with the children."""
        of_role = self.people.of_role
        return np.where(
            self.structure.mother_keeps[families], of_role[families, MOTHER], of_role[families, FATHER]
        )

    def phase_of(self, persons: Array, days: Array) -> Array:
        return self.structure.phase(self.people.family[persons], days)


def world(draw: Draw, *, children: int) -> World:
    """Draw the whole truth about a city with about `children` children."""
    families, kids = settle(draw, children=children)
    structure = household(draw, families, kids)
    places = homes(draw, families, structure)
    means = money(draw, families, kids, structure)
    bodies = health(draw, families, kids, structure)
    pupils = school(draw, kids, structure, homes=places, health=bodies)
    infants = nursery(draw, kids, structure, places)
    watched = pupils.pupil | infants.enrolled
    cared = care(draw, families, kids, structure, money=means, health=bodies, enrolled=watched)
    everyone = people(draw, families, kids, structure)
    return World(draw, families, kids, structure, places, means, bodies, pupils, infants, cared, everyone)
