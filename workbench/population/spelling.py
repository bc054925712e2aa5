"""
How each holder wrote a person down.

The register has the official form. Every other system has its own spelling of some people: another glyph,
another kana, an old surname or address, a slip in the birth date. Each noise of the parameter file is
drawn per holder's key, from a stream of its own, and is off at rate 0.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from workbench.population.calendar import END, iso
from workbench.population.chance import Array
from workbench.population.names import HALF_WIDTH, OFFICIAL, SPACE, STYLES, Part
from workbench.population.world import World
from workbench.population.writing import NO_BUILDING, OFFICIAL_ADDRESS, Writing, join

# Systems that write names down, and whether they can only hold CP932.
SYSTEMS = {
    "tax": True,
    "child_allowance": False,
    "sp_allowance": True,
    "welfare": True,
    "maternal": False,
    "infant_check": True,
    "childcare": False,
    "pupil": True,
    "consult": True,
    "disability": False,
    "med_subsidy": False,
    "arrears": True,
    "carer_survey": False,
}
UNCONVERTIBLE = ("〓", "□", "?")
SWAPPED, AS_KANA, AS_ALIAS = range(3)
DAY_FOR_MONTH, DAY_OFF, OTHER_ERA = range(3)


@dataclass(frozen=True)
class Spelling:
    """
    Rows as `system` had them on `days`; `key` < `keys` numbers the holder's keys.

    Rows of one key share its spelling, also across the tables of one system.
    """

    writing: Writing
    system: str
    person: Array
    key: Array
    keys: int
    days: Array

    @property
    def _world(self) -> World:
        return self.writing.world

    def _strikes(self, noise: str) -> Array:
        """Rows whose key the noise strikes."""
        draw = self._world.draw
        rng = draw.rng(f"noise.{noise}.{self.system}")
        return (rng.random(self.keys) < draw[f"noise.{noise}"])[self.key]

    def _which(self, noise: str, ways: int) -> Array:
        """In which of its ways the noise strikes a key, by row."""
        return self._world.draw.rng(f"noise.{noise}.{self.system}.way").integers(0, ways, self.keys)[self.key]

    @cached_property
    def _family(self) -> Array:
        return self._world.people.family[self.person]

    @cached_property
    def _phase(self) -> Array:
        """The phase whose surname the system has; a change sometimes arrives late."""
        world = self._world
        phase = world.phase_of(self.person, self.days)
        earliest = world.phase_of(self.person, world.people.start[self.person])
        late = self._strikes("old_surname") & (phase > earliest)
        return np.where(late, phase - 1, phase)

    @cached_property
    def _surname(self) -> Array:
        return self._world.people.surname[self.person, self._phase]

    @cached_property
    def _given(self) -> Array:
        return self._world.people.given[self.person]

    @cached_property
    def _odd(self) -> Array:
        """The people whose name this system, and no other, writes with another glyph."""
        draw, size = self._world.draw, self._world.people.size
        rng = draw.rng("noise.glyph_variant")
        strikes = rng.random(size) < draw["noise.glyph_variant"]
        return (strikes & (rng.integers(0, len(SYSTEMS), size) == list(SYSTEMS).index(self.system)))[
            self.person
        ]

    @cached_property
    def _foreign(self) -> Array:
        """SWAPPED, AS_KANA or AS_ALIAS where a foreign name is written another way, else -1."""
        latin = self.writing.table.surnames.latin[self._surname]
        return np.where(latin & self._strikes("foreign_name"), self._which("foreign_name", 3), -1)

    @cached_property
    def _alike(self) -> tuple["Spelling", Array]:
        """One row for each key and surname it has known, and where each row finds it: the rest repeats."""
        _, first, back = np.unique(self.key * 3 + self._phase, return_index=True, return_inverse=True)
        few = replace(self, person=self.person[first], key=self.key[first], days=self.days[first])
        return few, back

    @property
    def name(self) -> Array:
        few, back = self._alike
        return few._name[back]

    @property
    def kana(self) -> Array:
        few, back = self._alike
        return few._kana[back]

    @cached_property
    def _name(self) -> Array:
        table = self.writing.table
        narrow, latin = SYSTEMS[self.system], table.surnames.latin[self._surname]
        surname = written(table.surnames, self._surname, other=self._odd, narrow=narrow)
        other = self._odd & ~table.surnames.prone[self._surname]
        given = written(table.givens, self._given, other=other, narrow=narrow)
        name = join(self._unconverted(surname, latin=latin), given, latin=latin)
        aliases = self._world.people.alias_narrow if narrow else self._world.people.alias
        alias = aliases[self.person]
        ways = {
            SWAPPED: given + " " + surname,
            AS_KANA: self._kana,
            AS_ALIAS: np.where(np.equal(alias, None), name, alias),
        }
        for way, text in ways.items():
            name = np.where(self._foreign == way, text, name)
        return name

    def _unconverted(self, surname: Array, *, latin: Array) -> Array:
        """Surnames whose last character the system lost."""
        hit = np.nonzero(self._strikes("gaiji") & ~latin)[0]
        signs = np.array(UNCONVERTIBLE, dtype=object)[self._which("gaiji", len(UNCONVERTIBLE))[hit]]
        surname = surname.copy()
        surname[hit] = [text[:-1] for text in surname[hit]] + signs
        return surname

    @cached_property
    def _kana(self) -> Array:
        table = self.writing.table
        strikes = self._strikes("kana")
        way = self._which("kana", (STYLES - 1) * 3)
        style = np.where(strikes, way % (STYLES - 1) + 1, OFFICIAL)
        gap = np.where(strikes, np.array([SPACE, " ", ""], dtype=object)[way // (STYLES - 1)], SPACE)
        gap = np.where((style == HALF_WIDTH) & (gap == SPACE), " ", gap)
        surname, given = table.surnames.kana[self._surname, style], table.givens.kana[self._given, style]
        return np.where(self._foreign == SWAPPED, given + gap + surname, surname + gap + given)

    @cached_property
    def birth_date(self) -> Array:
        birth = self._world.people.birth[self.person]
        way = self._which("birth_date", 6)
        slip = slipped(birth, way=way % 3, step=np.where(way < 3, 1, -1))
        # No system takes a birth that is still to come: such a slip is not made.
        return iso(np.where(self._strikes("birth_date") & (slip < END), slip, birth))

    @cached_property
    def sex(self) -> Array:
        male = self._world.people.male[self.person] ^ self._strikes("sex_wrong")
        return np.where(self._strikes("sex_missing"), None, np.where(male, "1", "2").astype(object))

    @cached_property
    def address(self) -> Array:
        """None for a family whose address is protected (支援措置)."""
        world = self._world
        home = world.home_of(self.person, self.days)
        before = np.maximum(home - 1, 0)
        moved = (world.homes.family[before] == self._family) & (before < home) & ~world.settled[self.person]
        home = np.where(moved & self._strikes("old_address"), before, home)
        style = np.where(
            self._strikes("address_notation"),
            1 + self._which("address_notation", NO_BUILDING),
            OFFICIAL_ADDRESS,
        )
        masked = world.care.masked[self._family] & (world.structure.phase(self._family, self.days) > 0)
        return np.where(masked, None, self.writing.address(home, style))


def written(part: Part, ids: Array, *, other: Array, narrow: bool) -> Array:
    """The text of one half of a name, in its other glyph where asked, in a form the system can hold."""
    text, variant = (part.narrow, part.narrow_other) if narrow else (part.text, part.other)
    return np.where(other, variant[ids], text[ids])


def slipped(birth: Array, *, way: Array, step: Array) -> Array:
    """Day for month (a day off where that is no date), a day off, or another era."""
    dates = birth.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    date = (dates - months).astype(np.int64) + 1
    month = months.astype(np.int64) % 12 + 1
    year = months.astype("datetime64[Y]").astype(np.int64)
    turned = (
        (year * 12 + date - 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + month - 1
    )
    off = birth + step
    swapped = np.where((date <= 12) & (date != month), turned, off)
    era = other_era(year=year + 1970, months=months, date=date)
    return np.where(way == DAY_FOR_MONTH, swapped, np.where(way == DAY_OFF, off, era))


def other_era(*, year: Array, months: Array, date: Array) -> Array:
    """The same year number under the neighbouring era: 令和n as 平成n, 平成n as 昭和n; else a year off."""
    shift = np.where(year >= 2019, -30, np.where(year >= 1990, -63, np.where(year <= 1957, 1, -1)))
    moved = (months + shift * 12).astype("datetime64[D]").astype(np.int64)
    # The 29th to 31st do not exist in every month: such a slip stays within it.
    return moved + np.minimum(date, 28) - 1
