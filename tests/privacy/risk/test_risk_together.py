"""Rows that belong together: each may hide among many, and all of them among none."""

from collections import Counter

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import Unusable
from workbench.privacy.anonymity.classes import Classes
from workbench.privacy.anonymity.metrics import k_children
from workbench.privacy.anonymity.risk.together import household_signatures, trajectories


def letters(text: str) -> Classes:
    return Classes.of(pd.DataFrame({"grade": list(text)}), ["grade"])


def codes(text: str) -> list[str | None]:
    return [None if c == "." else c for c in text]


# classes, households: households, how many are alone, the smallest crowd
FAMILIES = {
    ("aabb", "HHII"): (2, 2, 1),
    ("abab", "HHII"): (2, 0, 2),
    ("abba", "HHII"): (2, 0, 2),
    ("aaab", "HHIJ"): (3, 3, 1),
    ("aab", "HHI"): (2, 2, 1),
    ("aa", ".."): (2, 0, 2),
    ("aaa", "HH."): (2, 2, 1),
    ("", ""): (0, 0, 0),
}


@pytest.mark.parametrize(("asked", "said"), FAMILIES.items())
def test_households_by_the_classes_of_their_members(asked, said):
    classes, homes = asked
    found = household_signatures(letters(classes), codes(homes))

    assert (found.owners, found.alone, found.k) == said


def test_a_family_may_be_alone_where_every_child_is_one_of_many():
    """k = 3 for each child; only one family has a child of each grade."""
    classes = letters("aaabbb")
    found = household_signatures(classes, codes("HIJHKL"))

    assert k_children(classes) == 3
    assert (found.alone, found.share_alone) == (1, 1 / 5)


def test_two_children_of_one_class_are_not_one():
    found = household_signatures(letters("aab"), codes("HHI"))

    assert sorted(found.rows) == [1, 2]
    assert found.alone == 2


# classes, children, years: children, alone, the smallest crowd
YEARS = {
    ("aaaa", "CCDD", "1212"): (2, 0, 2),
    ("aaab", "CCDD", "1212"): (2, 2, 1),
    ("abba", "CCDD", "1212"): (2, 2, 1),
    ("abba", "CCDD", "1221"): (2, 0, 2),
    ("aa", "CD", "12"): (2, 2, 1),
    ("aaa", "CCD", "121"): (2, 2, 1),
    ("aa", "..", "11"): (2, 0, 2),
    ("", "", ""): (0, 0, 0),
}


@pytest.mark.parametrize(("asked", "said"), YEARS.items())
def test_children_by_their_classes_over_the_years(asked, said):
    classes, children, years = asked
    found = trajectories(letters(classes), codes(children), years=list(years))

    assert (found.owners, found.alone, found.k) == said


def test_years_give_away_whom_a_single_year_hides():
    """In each year half the children are in each class; every path through three years is taken once."""
    paths = ["aaa", "aab", "aba", "abb", "baa", "bab", "bba", "bbb"]
    frame = pd.DataFrame([(c, y, path[y]) for c, path in enumerate(paths) for y in range(3)])
    classes = Classes.of(frame, [1, 2], persons=frame[0])
    found = trajectories(Classes.of(frame, [2]), frame[0], years=frame[1])

    assert k_children(classes) == 4
    assert found.alone == 8


def test_households_must_fit_the_rows():
    with pytest.raises(Unusable):
        household_signatures(letters("ab"), ["H"])


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 6), st.integers(0, 2)), max_size=25))
def test_signatures_are_the_multisets_that_a_loop_collects(rows):
    classes = letters("".join(grade for grade, _, _ in rows))
    members: dict[int, list] = {}
    years: dict[int, list] = {}
    for grade, owner, year in rows:
        members.setdefault(owner, []).append(grade)
        years.setdefault(owner, []).append((year, grade))
    for found, collected in (
        (household_signatures(classes, [o for _, o, _ in rows]), members),
        (trajectories(classes, [o for _, o, _ in rows], years=[y for *_, y in rows]), years),
    ):
        crowd = Counter(tuple(sorted(held)) for held in collected.values())
        assert sorted(found.sharing) == sorted(crowd[tuple(sorted(held))] for held in collected.values())
