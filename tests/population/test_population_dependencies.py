"""What hangs together in the city, and what a model could wrongly learn from it."""

import numpy as np
import pandas as pd
import pytest

from workbench.population.calendar import INDEX_DAYS
from workbench.population.chance import Draw
from workbench.population.city import City, generate
from workbench.population.params import Params
from workbench.population.structure import IN_PANEL
from workbench.population.world import World, world

# Data dictionary, section 4.
ODDS_RATIOS = {
    "report|single": 3.3,
    "report|welfare": 5.5,
    "report|missed check": 3.2,
    "truancy|aid": 1.7,
    "truancy|disability": 3.5,
    "carer|single": 3.0,
}


def odds_ratio(outcome: np.ndarray, exposed: np.ndarray) -> float:
    table = pd.crosstab(exposed, outcome).to_numpy(dtype=float)
    return table[1, 1] * table[0, 0] / (table[1, 0] * table[0, 1])


def odds_ratios(truth: World) -> dict[str, float]:
    kids, care, school = truth.kids, truth.care, truth.school
    rows = kids.at_index() & IN_PANEL
    older, pupils = rows & (kids.grades() >= 6), rows & school.pupil
    single = truth.structure.single[kids.family]
    disabled, missed = truth.health.disabled(INDEX_DAYS), truth.health.missed_by(INDEX_DAYS) > 0
    pairs = {
        "report|single": (care.reported, single, rows),
        "report|welfare": (care.reported, truth.money.welfare[kids.family], rows),
        "report|missed check": (care.reported, missed, rows),
        "truancy|aid": (school.truant, truth.money.aid[kids.family] > 0, pupils),
        "truancy|disability": (school.truant, disabled, pupils),
        "carer|single": (care.carer, single, older),
    }
    return {
        name: odds_ratio(outcome[where], exposed[where]) for name, (outcome, exposed, where) in pairs.items()
    }


def test_risks_hang_together_as_they_should_in_a_town(town_truth: World):
    """A town has too few reports for the city's tolerance; the order of magnitude must be right."""
    for name, found in odds_ratios(town_truth).items():
        assert ODDS_RATIOS[name] / 2 < found < ODDS_RATIOS[name] * 2, name


@pytest.mark.slow
def test_odds_ratios_of_the_city_are_within_a_third_of_the_dictionary():
    truth = world(Draw(seed=11, params=Params()), children=30_000)

    assert odds_ratios(truth) == {name: pytest.approx(ratio, rel=0.35) for name, ratio in ODDS_RATIOS.items()}


def test_one_adult_means_poverty_more_often(town_truth: World):
    kids, structure = town_truth.kids, town_truth.structure
    rows = kids.at_index() & IN_PANEL
    poor, types = town_truth.money.poor[kids.family][rows], structure.types[kids.family][rows]

    assert 0.30 < poor[types == 1].mean() < 0.52
    assert 0.07 < poor[types != 1].mean() < 0.11


def reported_share(bias: int) -> tuple[float, float]:
    """The share of harmed children who are reported: of families on welfare, and of the others."""
    draw = Draw(seed=3, params=Params({"care.surveillance_bias": bias, "care.sibling_share": 0.0}))
    truth = world(draw, children=6000)
    watched = truth.money.welfare[truth.kids.family] & truth.care.harmed
    rest = ~truth.money.welfare[truth.kids.family] & truth.care.harmed
    return truth.care.reported[watched].mean(), truth.care.reported[rest].mean()


def test_without_surveillance_bias_families_on_welfare_are_reported_like_others():
    watched, rest = reported_share(0)

    assert watched == pytest.approx(rest, abs=0.12)


def test_surveillance_makes_families_on_welfare_more_visible_at_the_same_harm():
    watched, rest = reported_share(2)

    assert watched > rest + 0.2


def test_a_user_changes_a_rate_and_the_city_follows():
    draw = Draw(
        seed=3,
        params=Params(
            {
                "money.child_poverty": 0.2,
                "care.reports": {
                    "rate": 0.03,
                    "true_per_report": 2.0,
                    "ages": {"0-2": 1, "3-6": 1, "7-12": 1, "13-15": 1, "16-17": 1},
                },
            }
        ),
    )
    truth = world(draw, children=2000)
    rows = truth.kids.at_index() & IN_PANEL

    assert truth.money.poor[truth.kids.family][rows].mean() == pytest.approx(0.2, abs=0.005)
    assert truth.care.reported[rows].mean() == pytest.approx(0.03, abs=0.003)


def test_onset_of_non_attendance_is_about_two_per_cent(town: City):
    onset = town.truth_child_year["absent_30d_next_year"].dropna() == "yes"

    assert 0.015 < onset.mean() < 0.032


@pytest.mark.slow
def test_the_city_is_recognisable_in_detail_and_not_in_outline():
    """
    Section 9.8 of the dictionary: fine quasi-identifiers single out more than four children in five; the
    coarsest leave nobody in a class of fewer than five.
    """
    city = generate("city", 11)
    last = city.truth_child_year.query("fy == 2024").merge(city.truth_latent, on="child_id")
    fine = last.assign(month=last["birth_date"].str[:7])
    fine = fine.groupby(["month", "sex", "block", "hh_type", "n_children"])["child_id"].transform("size")
    coarse = last.assign(
        stage=pd.cut(last["grade"], [-1, 5, 11, 14, 17]).astype(str),
        single=last["hh_type"].isin(["one_adult", "single_coresident"]),
    )
    coarse = coarse.groupby(["stage", "sex", "single"])["child_id"].transform("size")

    assert (fine == 1).mean() > 0.8
    assert coarse.min() >= 5
