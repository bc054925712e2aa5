"""Visits in families: brothers and sisters share a door, and no count of children is found by subtraction."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from workbench.riskflag import families
from workbench.riskflag.flag import RiskFlag
from workbench.scoring import engine

FLAG = RiskFlag("school-attendance", target="absent_30d_next_year", capacity=0.1)


@pytest.fixture(scope="module")
def fitted(train):
    return FLAG.fit(train, LogisticRegression(), features=["absent_days", "school_aid", "grade"])


def counted(fitted, test, homes, *, min_cell=10):
    return families.counted(
        fitted.model, FLAG, train=fitted.part, test=test, homes=pd.Series(homes), min_cell=min_cell
    )


def test_a_family_is_visited_once_however_many_of_its_children_are_candidates(fitted, test):
    homes = np.arange(len(test)) // 2
    found = counted(fitted, test, homes)

    scores = engine.score(fitted.model, test.table(fitted.model.items)).scores
    flagged = engine.candidates(scores, fitted.model.threshold)
    positive = (test.frame["absent_30d_next_year"] == "yes").to_numpy()
    visited, hit = set(homes[flagged]), set(homes[flagged & positive])
    missed = set(homes[positive]) - visited
    assert found["found_of_100"] == round(100 * len(hit) / len(visited))
    assert found["missed_of_100"] == round(100 * len(missed) / len(set(homes[positive])))
    assert found["visits_for_100_children"] == round(100 * len(visited) / flagged.sum()) < 100


def test_children_alone_are_families_of_one(fitted, test):
    assert counted(fitted, test, np.arange(len(test)))["visits_for_100_children"] == 100


def test_attack_few_families_behind_a_figure(fitted, make_part):
    few = counted(fitted, make_part("test", rows=300, seed=4), np.arange(300))

    assert few == {"found_of_100": None, "missed_of_100": None, "visits_for_100_children": None}
