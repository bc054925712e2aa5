"""Each way in which holders write people differently: there at its rate, gone when its rate is 0."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from workbench.population.calendar import END, INDEX_DAYS, iso
from workbench.population.chance import Draw
from workbench.population.city import City
from workbench.population.params import Params, shipped
from workbench.population.spelling import SYSTEMS, Spelling, slipped
from workbench.population.world import World, world
from workbench.population.writing import Writing

NOISE = [name for name in shipped() if name.startswith("noise.")]
ITEMS = ("name", "kana", "birth_date", "sex", "address")


def quiet(**on: float) -> Params:
    """All noise off but what is named."""
    return Params(dict.fromkeys(NOISE, 0.0) | {f"noise.{name}": rate for name, rate in on.items()})


@pytest.fixture(scope="module")
def small() -> World:
    return world(Draw(seed=9, params=quiet()), children=1500)


def written(small: World, system: str, **on: float) -> dict[str, np.ndarray]:
    """What `system` says of everybody at the last index date, with only the named noise."""
    noisy = replace(small, draw=Draw(seed=9, params=quiet(**on)))
    everyone = np.arange(small.people.size)
    days = np.full(small.people.size, INDEX_DAYS[-1])
    spelling = Spelling(Writing(noisy), system, everyone, everyone, small.people.size, days)
    return {item: getattr(spelling, item) for item in ITEMS}


def test_without_noise_every_system_says_what_the_register_says(small: World):
    writing, everyone = Writing(small), np.arange(small.people.size)
    phase = small.phase_of(everyone, np.full(small.people.size, INDEX_DAYS[-1]))
    said = written(small, "maternal")

    assert (said["name"] == writing.official_name(everyone, phase)).all()
    assert (said["kana"] == writing.official_kana(everyone, phase)).all()
    assert (said["birth_date"] == iso(small.people.birth)).all()


# Noise, what it touches, the rate it is switched on with, and among whom it can strike.
STRIKES = {
    "gaiji": ("name", lambda small: ~small.people.foreign),
    "kana": ("kana", None),
    "birth_date": ("birth_date", None),
    "sex_missing": ("sex", None),
    "sex_wrong": ("sex", None),
    "address_notation": ("address", lambda small: ~small.care.masked[small.people.family]),
}


@pytest.mark.parametrize("noise", STRIKES)
def test_a_noise_touches_its_item_at_its_rate_and_no_other(noise, small: World):
    item, among = STRIKES[noise]
    plain, noisy = written(small, "maternal"), written(small, "maternal", **{noise: 0.4})
    where = np.ones(small.people.size, dtype=bool) if among is None else among(small)
    changed = {name: noisy[name] != plain[name] for name in ITEMS}

    # Some notations of a name or an address leave a particular one as it was.
    assert 0.2 < changed[item][where].mean() < 0.44
    assert not any(changed[name].any() for name in ITEMS if name != item)


def test_another_glyph_strikes_one_system_only(small: World):
    odd = [
        written(small, system, glyph_variant=1.0)["name"] != written(small, system)["name"]
        for system in SYSTEMS
    ]

    assert np.sum(odd, axis=0).max() == 1
    assert np.any(odd, axis=0).mean() > 0.2


def test_foreign_names_are_turned_written_in_kana_or_given_as_alias(small: World):
    plain, noisy = written(small, "maternal"), written(small, "maternal", foreign_name=1.0)
    changed = noisy["name"] != plain["name"]

    assert changed.any()
    assert small.people.foreign[changed].all()
    assert (noisy["name"] == noisy["kana"])[changed].any()


def test_an_old_surname_is_one_the_person_had(small: World):
    plain, noisy = written(small, "maternal"), written(small, "maternal", old_surname=1.0)
    changed = noisy["name"] != plain["name"]

    assert changed.any()
    assert (small.structure.parted[small.people.family[changed]] < INDEX_DAYS[-1]).all()


def test_an_old_address_is_where_the_family_lived_before(small: World):
    plain, noisy = written(small, "maternal"), written(small, "maternal", old_address=1.0)
    moved = (noisy["address"] != plain["address"]) & pd.notna(plain["address"])
    every = set(Writing(small).address(np.arange(len(small.homes.family))))

    assert moved.any()
    assert set(noisy["address"][moved]) <= every


def test_a_protected_address_stands_in_no_other_system(town: City):
    register = town.tables["resident"]
    link = town.truth_link.set_index(["source", "source_key"])["true_person_id"]
    protected = set(link["resident"].loc[register.loc[register["protected"] == "1", "person_no"]])
    rows = town.tables["pupil"]
    after = rows[(rows["fy"] == 2024) & link["pupil"].loc[rows["pupil_no"]].isin(protected).to_numpy()]

    assert protected
    assert after["address"].isna().all()


def test_old_systems_hold_only_what_cp932_can_write(town: City):
    for system, narrow in SYSTEMS.items():
        if narrow:
            for column in town.tables[system].select_dtypes(object):
                "".join(town.tables[system][column].dropna()).encode("cp932")


def test_a_date_slips_to_a_date():
    births = np.arange(0, 20_000, 13)
    for way in range(3):
        for step in (-1, 1):
            found = slipped(births, way=np.full(len(births), way), step=np.full(len(births), step))
            assert (found != births).all()
            assert iso(found).astype(bool).all()


def test_no_birth_slips_into_the_future(small: World):
    """A child born on the last day: a day off must not be tomorrow, which no intake would take."""
    last_day = replace(small.people, birth=np.full(small.people.size, END - 1))
    said = written(replace(small, people=last_day), "maternal", birth_date=1.0)["birth_date"]

    assert (said < iso([END])[0]).all()
    assert (said != iso([END - 1])[0]).any()


def test_two_numbers_and_wrong_numbers_are_as_rare_as_they_should_be(town: City):
    link = town.truth_link[town.truth_link["source"] == "resident"]
    two = link.groupby("true_person_id").size() > 1
    tax = town.tables["tax"].drop_duplicates("taxpayer_no")
    outside = ~tax["person_no"].isin(link["source_key"])

    assert 0.004 < two.mean() < 0.014
    assert outside.mean() == pytest.approx(0.05, abs=0.012)


def test_one_consultation_record_in_five_has_no_written_name(town: City):
    assert town.tables["consult"]["child_name"].isna().mean() == pytest.approx(0.2, abs=0.035)
