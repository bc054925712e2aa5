"""Families that could exist: births, mothers, guardians, households, and nothing outside their time."""

import numpy as np
import pandas as pd

from workbench.population.calendar import INDEX_DAYS, NEVER, cohort_of, day, grade
from workbench.population.city import City
from workbench.population.world import World

YEAR = 365.25


def days(column: pd.Series) -> np.ndarray:
    return column.to_numpy(dtype="datetime64[D]").astype(np.int64)


def test_the_child_born_on_the_first_of_april_belongs_to_the_older_class():
    births = np.array([day(2018, 3, 31), day(2018, 4, 1), day(2018, 4, 2)])

    assert grade(2024, cohort_of(births)).tolist() == [6, 6, 5]


def test_no_mother_is_less_than_fifteen_years_older_than_her_child(town_truth: World):
    kids = town_truth.kids
    age = (kids.birth - town_truth.families.mother_birth[kids.family]) / YEAR

    assert age.min() >= 15
    assert age.max() < 48


def test_siblings_are_nine_months_apart_or_twins(town_truth: World):
    kids = town_truth.kids
    gaps = np.diff(kids.birth)[np.diff(kids.family) == 0]

    assert ((gaps == 0) | (gaps >= 270)).all()
    assert (gaps == 0).any()


def test_every_child_has_an_adult_in_its_household_at_every_index_date(town: City):
    rows = town.tables["resident"].merge(
        town.truth_link[town.truth_link["source"] == "resident"], left_on="person_no", right_on="source_key"
    )
    since, until = days(rows["spell_from"]), days(rows["spell_to"].fillna("2060-01-01"))
    born = days(rows["birth_date"])
    years = town.truth_child_year
    for fy, index in zip(range(2014, 2025), INDEX_DAYS[3:], strict=True):
        here = rows[(since <= index) & (index < until)]
        adult = (index - born[here.index]) / YEAR >= 18
        children = here["true_person_id"].isin(years.loc[years["fy"] == fy, "child_id"]).to_numpy()
        with_adult = here.loc[adult, "household_no"].unique()

        assert children.sum() == (years["fy"] == fy).sum()
        assert here.loc[children, "household_no"].isin(with_adult).all()
        assert not here["true_person_id"].duplicated().any()


def test_every_household_has_one_head(town: City):
    rows = town.tables["resident"]
    since, until = days(rows["spell_from"]), days(rows["spell_to"].fillna("2060-01-01"))
    for index in INDEX_DAYS[3:]:
        here = rows[(since <= index) & (index < until)]
        heads = (here["relation"] == "01").groupby(here["household_no"]).sum()

        assert (heads == 1).all()


def test_nobody_is_recorded_before_birth(town: City):
    rows = town.tables["resident"]

    assert (days(rows["spell_from"]) >= days(rows["birth_date"])).all()
    assert (days(rows["spell_to"].dropna()) > days(rows.loc[rows["spell_to"].notna(), "spell_from"])).all()


def test_addresses_are_of_towns_that_do_not_exist(town: City):
    rows = town.tables["resident"]

    assert rows["address"].str.startswith("青葉野市").all()
    assert rows["postal_code"].str.fullmatch(r"000-0\d{3}").all()


def test_the_district_raises_or_lowers_hardship_of_all_its_families(town_truth: World):
    from workbench.population.places import places

    structure = town_truth.structure
    district = places()["es_district"].to_numpy()[structure.home_block]
    means = pd.Series(structure.hardship).groupby(district).mean()

    assert 0.2 < means.std() < 0.55


def test_parting_moves_one_parent_out_and_leaves_the_other_with_the_children(town_truth: World):
    people, structure, families = town_truth.people, town_truth.structure, town_truth.families
    parting = (structure.parted > families.arrives + 40) & (
        structure.parted < np.minimum(families.leaves, NEVER) - 40
    )
    keeps = structure.mother_keeps[parting]
    mothers, fathers = (people.of_role[parting, role] for role in (0, 1))
    leaver = np.where(keeps, fathers, mothers)
    keeper = np.where(keeps, mothers, fathers)

    assert parting.sum() > 50
    assert (people.end[leaver] == structure.parted[parting]).all()
    assert (people.end[keeper] > structure.parted[parting]).all()
