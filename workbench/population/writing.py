"""Names and addresses in their official form, as the residents' register has them, and addresses in others."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from workbench.population.chance import Array
from workbench.population.names import OFFICIAL, SPACE, Names, names
from workbench.population.places import CHOME, CITY, towns
from workbench.population.world import World

OFFICIAL_ADDRESS, HYPHENS, FULL_WIDTH, HALF_WAY, NO_BUILDING = range(5)
BUILDINGS = tuple(
    kind + name
    for kind in ("コーポ", "メゾン", "ハイツ", "グランド", "サニー")
    for name in ("朝霧", "月見", "若鮎", "風花", "青嶺", "花筏")
)
ZERO_ONE = np.array(["0", "1"], dtype=object)
WIDE = str.maketrans("0123456789-", "０１２３４５６７８９－")


@dataclass(frozen=True)
class Writing:
    world: World

    @cached_property
    def table(self) -> Names:
        return names()

    def official_name(self, person: Array, phase: Array) -> Array:
        people, table = self.world.people, self.table
        surname, given = people.surname[person, phase], people.given[person]
        return join(
            table.surnames.text[surname], table.givens.text[given], latin=table.surnames.latin[surname]
        )

    def official_kana(self, person: Array, phase: Array) -> Array:
        people, table = self.world.people, self.table
        surname, given = people.surname[person, phase], people.given[person]
        return table.surnames.kana[surname, OFFICIAL] + SPACE + table.givens.kana[given, OFFICIAL]

    def address(self, home: Array, style: Array | int = OFFICIAL_ADDRESS) -> Array:
        """The address of each home in the given style."""
        return self._addresses[style, home]

    @cached_property
    def _addresses(self) -> Array:
        """Styles × homes."""
        rng = self.world.draw.rng("writing.addresses")
        homes = self.world.homes
        size = len(homes.family)
        lot = rng.integers(1, 31, size).astype(str).astype(object)
        house = rng.integers(1, 26, size).astype(str).astype(object)
        building = np.array(BUILDINGS, dtype=object)[rng.integers(0, len(BUILDINGS), size)]
        room = (rng.integers(1, 10, size) * 100 + rng.integers(1, 9, size)).astype(str).astype(object)
        flat = np.where(rng.random(size) < 0.45, " " + building + room, "")
        town = np.array([name for name, _ in towns()], dtype=object)[homes.block // len(CHOME)]
        chome = homes.block % len(CHOME)
        kanji = np.array(CHOME, dtype=object)[chome]
        short = (chome + 1).astype(str).astype(object) + "-" + lot + "-" + house
        wide = np.array([text.translate(WIDE) for text in short], dtype=object)
        official = CITY + town + kanji + lot + "番" + house + "号"
        by_style = {
            OFFICIAL_ADDRESS: official + flat,
            HYPHENS: CITY + town + short + flat,
            FULL_WIDTH: town + wide,
            HALF_WAY: CITY + town + kanji + lot + "-" + house + flat,
            NO_BUILDING: official,
        }
        return np.stack([by_style[style] for style in range(len(by_style))])


def join(surname: Array, given: Array, *, latin: Array) -> Array:
    return surname + np.where(latin, " ", SPACE) + given


def flag(values: Array) -> Array:
    """`1` and `0`, as the holders write yes and no."""
    return ZERO_ONE[values.astype(np.int8)]
