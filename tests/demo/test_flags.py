"""The demonstration's four flags are definitions that hold, in neutral words, of the city's own register."""

import pytest

from workbench.data.panel import TARGETS
from workbench.demo.flags import FLAGS, GROUPS, flags
from workbench.demo.releases import FEATURES, QUASI
from workbench.population.documents import register
from workbench.riskflag.dictionary import Dictionary


@pytest.fixture(scope="module")
def dictionary():
    items = [item.to_json() for item in register()["child_year"]]
    return Dictionary.of({"items": items})


def test_each_target_of_the_city_has_a_flag():
    assert sorted(flag.target for flag, _ in flags().values()) == sorted(TARGETS)


@pytest.mark.parametrize("name", FLAGS)
def test_a_flag_holds_and_says_what_only_people_can_tell(name, dictionary):
    flag, features = flags()[name]

    flag.check_features(features, dictionary=dictionary)
    assert all(
        flag.outcome[language] and flag.decided[language] and flag.contact[language]
        for language in ("ja", "en")
    )
    assert flag.practice
    assert flag.review_on
    assert set(features) | set(GROUPS) <= {*QUASI, *FEATURES}


def test_every_outcome_of_the_year_is_dated_after_the_index_date(dictionary):
    after = {name for name, entry in dictionary.entries.items() if entry.after_index}

    assert after == set(TARGETS)


def test_what_may_be_expected_of_reports_is_said():
    flag, _ = flags()["family-support"]

    assert "約 8 人" in flag.outcome["ja"]
    assert "about 8 of 100" in flag.outcome["en"]
