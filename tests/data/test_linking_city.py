"""Linking and the panel on a synthetic city, whose truth is known."""

from dataclasses import dataclass

import pandas as pd
import pytest

from workbench.data.linkage_quality import linkage_quality
from workbench.data.linking import Links, compare, link
from workbench.data.linking.sources import OWNERS
from workbench.data.panel import COLUMNS, TARGETS, child_year
from workbench.population import City, generate
from workbench.population.places import places

RECALL, PRECISION = 0.98, 0.997
# Where a source has few records, one missed record is several thousandths.
RECALL_OF_A_SOURCE = 0.95


@dataclass(frozen=True)
class LinkedCity:
    city: City
    links: Links
    truth: dict
    panel: pd.DataFrame


def linked(city: City) -> LinkedCity:
    links = link(city.tables)
    truth = linkage_quality(city.tables, links, truth=city.truth_link)["truth"]
    return LinkedCity(city, links, truth, child_year(city.tables, links, places=places()))


@pytest.fixture(scope="module")
def tiny() -> LinkedCity:
    return linked(generate("tiny", 11))


@pytest.fixture(scope="module")
def city() -> LinkedCity:
    return linked(generate("city", 11))


def expect_the_target(truth: dict) -> None:
    for measured in (truth["overall"], truth["without_number"]):
        assert measured["recall"] >= RECALL
        assert measured["precision"] >= PRECISION
    for source in truth["sources"].values():
        assert source["recall"] >= RECALL_OF_A_SOURCE
        assert source["precision"] >= PRECISION


def test_recall_and_precision_reach_the_target_on_the_default_noise(tiny):
    expect_the_target(tiny.truth)


@pytest.mark.slow
def test_recall_and_precision_reach_the_target_in_a_whole_city(city):
    """A city has namesakes born on one day, which a small town has not."""
    expect_the_target(city.truth)


def test_every_source_of_the_city_is_linked(tiny):
    assert set(tiny.truth["sources"]) == set(OWNERS)


def test_second_numbers_are_joined_and_never_those_of_two_persons(tiny):
    register = tiny.truth["register"]

    assert register["correct"] == register["joined"]
    assert register["joined"] >= 0.9 * register["second"]


def test_foreign_families_are_linked_as_well_as_others(tiny):
    foreign = tiny.truth["subgroups"]["foreign"]

    assert foreign["yes"]["recall"] >= foreign["no"]["recall"] - 0.02


def test_twins_are_never_taken_for_each_other(tiny):
    """Every number of a child with a sibling of the same birth and household is its own."""
    resident = tiny.city.tables["resident"]
    people = resident.drop_duplicates("person_no")
    twins = people[people.duplicated(["household_no", "birth_date"], keep=False)]
    true_of = tiny.city.truth_link.set_index(["source", "source_key"])["true_person_id"]
    links = tiny.links.person_link
    of_twins = links[links["person_id"].isin(twins["person_no"])]
    wanted = true_of.loc[list(zip(of_twins["source"], of_twins["source_key"], strict=True))].to_numpy()

    assert len(of_twins) > 100
    assert (true_of["resident"].loc[of_twins["person_id"]].to_numpy() == wanted).all()


def test_without_the_normaliser_the_target_is_missed(tiny, monkeypatch):
    """The fault that the normaliser mends: texts compared as they were written."""
    as_written = {
        field: (part, lambda text: str(text) or None) for field, (part, _) in compare.FIELDS.items()
    }
    monkeypatch.setattr("workbench.data.linking.compare.FIELDS", as_written)
    truth = linkage_quality(tiny.city.tables, link(tiny.city.tables), truth=tiny.city.truth_link)["truth"]

    assert truth["without_number"]["recall"] < RECALL


# Doses and checks that no linked record tells of are unknown to us, whatever the truth is.
MISSING_ON_PURPOSE = {"vac_missing", "checks_missed"}
NUMBERS = {"eq_income": 0.11, "score_dev": 0.01}
AGREEMENT = 0.998


def beside_the_truth(linked_city: LinkedCity) -> pd.DataFrame:
    true_of = linked_city.city.truth_link.query("source == 'resident'").set_index("source_key")[
        "true_person_id"
    ]
    ours = linked_city.panel.assign(child_id=linked_city.panel["child_id"].map(true_of))
    return linked_city.city.truth_child_year.merge(ours, on=["child_id", "fy"], suffixes=("_true", ""))


@pytest.mark.parametrize(
    "column", [name for name in COLUMNS if name not in ("child_id", "household_id", "fy")]
)
def test_the_panel_is_what_a_perfect_linking_would_say(tiny, column):
    both = beside_the_truth(tiny)
    ours, true = both[column], both[f"{column}_true"]
    if pd.api.types.is_numeric_dtype(true) or column in NUMBERS:
        ours, true = ours.astype("float64"), true.astype("float64")
        equal = (ours - true).abs() <= NUMBERS.get(column, 0)
    else:
        equal = ours == true
    known = ours.notna() & true.notna()

    assert (ours.notna() & true.isna()).sum() == 0
    assert equal[known].mean() >= AGREEMENT
    if column not in MISSING_ON_PURPOSE:
        assert (known | true.isna()).mean() >= AGREEMENT


def test_every_child_of_the_truth_is_in_the_panel_once(tiny):
    panel = tiny.panel

    assert not panel.duplicated(["child_id", "fy"]).any()
    assert len(beside_the_truth(tiny)) == len(tiny.city.truth_child_year)


# Per table, the column that dates a row, and those that tell of something later than the row's own date.
EVENTS = {
    "infant_check": "due_date",
    "vaccine": "given_on",
    "nurse_visit": "visited_on",
    "bullying": "found_on",
    "consult": "accepted_on",
    "consult_contact": "contact_on",
}
SPELLS = {
    "resident": ("spell_from", ["spell_to"]),
    "resident_addr_hist": ("moved_on", []),
    "sp_allowance": ("spell_from", ["spell_to"]),
    "welfare": ("spell_from", ["spell_to"]),
    "disability": ("spell_from", ["spell_to"]),
    "childcare": ("spell_from", ["spell_to"]),
}
LATER_DATES = {
    "consult": ["registered_on", "closed_on", "custody_on", "yc_known_on"],
    "infant_check": ["check_date"],
}


def as_known_on(tables: dict[str, pd.DataFrame], fy: int) -> dict[str, pd.DataFrame]:
    """The tables as they were on the morning of 1 April: nothing in them is dated later."""
    index = f"{fy}-04-01"
    return {name: _known(frame, name=name, index=index, fy=fy) for name, frame in tables.items()}


def _known(frame: pd.DataFrame, *, name: str, index: str, fy: int) -> pd.DataFrame:
    since, ends = SPELLS.get(name, (None, LATER_DATES.get(name, [])))
    if since:
        frame = frame[frame[since] <= index]
    if name in EVENTS:
        frame = frame[frame[EVENTS[name]] < index]
    if "fy" in frame:
        frame = frame[frame["fy"] < fy]
    if "month" in frame:
        frame = frame[frame["month"] < index[:7]]
    return frame.assign(**{column: frame[column].where(frame[column] <= index, None) for column in ends})


@pytest.mark.parametrize("fy", [2015, 2019, 2024])
def test_no_feature_knows_what_is_dated_after_its_index_date(tiny, fy):
    """With every later record taken away, each feature is the same, and no target is left."""
    then = child_year(as_known_on(tiny.city.tables, fy), tiny.links, years=(fy,), places=places())
    features = [column for column in COLUMNS if column not in TARGETS]
    now = tiny.panel[tiny.panel["fy"] == fy].reset_index(drop=True)

    pd.testing.assert_frame_equal(then[features], now[features], check_dtype=False)
    assert "yes" not in set(then[[*TARGETS]].stack())


def test_the_table_above_dates_every_table_of_the_city(tiny):
    """A new table that nobody dated would slip through the test above."""
    undated = {
        name
        for name, frame in tiny.city.tables.items()
        if name not in EVENTS and name not in SPELLS and not {"fy", "month"} & set(frame)
    }

    assert undated <= {"maternal"}


def test_linking_is_the_same_every_time(tiny):
    again = link(tiny.city.tables)

    pd.testing.assert_frame_equal(again.person_link, tiny.links.person_link)
    pd.testing.assert_series_equal(again.person_of_number, tiny.links.person_of_number)
