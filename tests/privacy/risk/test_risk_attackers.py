"""Prosecutor, journalist and marketer: what each may hope for."""

import gzip
from pathlib import Path

import pandas as pd
import pytest

from workbench.privacy.anonymity.classes import Classes
from workbench.privacy.anonymity.metrics import (
    average_class_risk,
    highest_class_risk,
    k_children,
    share_below,
)
from workbench.privacy.anonymity.population import Matched
from workbench.privacy.anonymity.risk.attackers import journalist, marketer, prosecutor

ADULT = Path(__file__).parents[2] / "data_files" / "adult" / "adult.csv.gz"


def letters(text: str) -> pd.DataFrame:
    return pd.DataFrame({"area": list(text)})


# table: highest, lowest, success, share of rows above 1/3
PROSECUTED = {
    "a": (1, 1, 1, 1),
    "aab": (1, 1 / 2, 2 / 3, 1),
    "aaabbb": (1 / 3, 1 / 3, 1 / 3, 0),
    "a" * 9 + "b": (1, 1 / 9, 2 / 10, 1 / 10),
    "": (0, 0, 0, 0),
}


@pytest.mark.parametrize(("table", "said"), PROSECUTED.items())
def test_the_prosecutor_chooses_among_the_class(table, said):
    attack = prosecutor(Classes.of(letters(table), ["area"]))

    assert (attack.highest, attack.lowest, attack.success, attack.at_risk(above=1 / 3)) == pytest.approx(said)


def test_the_prosecutor_is_what_the_metrics_of_classes_say():
    classes = Classes.of(letters("aaabbc"), ["area"])
    attack = prosecutor(classes)

    assert attack.highest == highest_class_risk(classes) == 1 / k_children(classes)
    assert attack.success == average_class_risk(classes)
    assert attack.at_risk(above=1 / 3) == share_below(classes, k=3)


# table, population: the journalist's highest and success, which is the marketer's expectation
LOOKED_FOR = {
    ("aab", "aaaabb"): (1 / 2, (2 / 4 + 1 / 2) / 3),
    ("ab", "ab"): (1, 1),
    ("ab", "a" * 10 + "b" * 5): (1 / 5, (1 / 10 + 1 / 5) / 2),
    ("", "ab"): (0, 0),
}


@pytest.mark.parametrize(("tables", "said"), LOOKED_FOR.items())
def test_the_journalist_chooses_among_the_population(tables, said):
    table, population = tables
    matched = Matched.of(letters(table), letters(population), ["area"])

    assert (journalist(matched).highest, journalist(matched).success) == pytest.approx(said)
    assert marketer(matched) == journalist(matched).success


def test_the_journalist_has_no_number_without_a_population():
    """Another tool hands out the prosecutor's number as his, whatever population is stated."""
    with pytest.raises(AttributeError):
        journalist(Classes.of(letters("aab"), ["area"]))


def test_the_journalist_is_never_stronger_than_the_prosecutor():
    matched = Matched.of(letters("aabbc"), letters("aaabbccc"), ["area"])
    weaker, stronger = journalist(matched), prosecutor(matched.classes)

    assert (weaker.chance <= stronger.chance).all()
    assert weaker.success < stronger.success


def test_years_of_one_child_do_not_lower_its_risk():
    frame = pd.DataFrame({"area": ["a", "a", "a"], "child": ["C1", "C1", "C2"]})

    assert prosecutor(Classes.of(frame, ["area"], persons="child")).highest == 1 / 2


def test_on_adult_the_prosecutor_says_what_arx_says():
    """Known answers of ARX 3.9.2: highest, lowest, average, share of records above 0.2."""
    with gzip.open(ADULT, "rt", encoding="utf-8") as file:
        frame = pd.read_csv(file, sep=";", dtype=str)
    attack = prosecutor(Classes.of(frame, list(frame.columns)))

    assert (attack.highest, attack.lowest) == (1, 0.022222222222222223)
    assert attack.success == pytest.approx(0.6465751607983555, abs=1e-15)
    assert attack.at_risk(above=0.2) == pytest.approx(0.7781314236456468, abs=1e-15)
