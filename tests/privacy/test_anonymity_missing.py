"""A missing quasi-identifier is a category of its own, or could be anything; the report shows the worse."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import Usage
from workbench.privacy.anonymity.classes import Classes
from workbench.privacy.anonymity.missing import candidates, k_in_both_readings

# rows of (area, grade): k as own category, k as wildcard
READINGS = {
    "nothing missing": ([("a", 1), ("a", 1), ("b", 2), ("b", 2)], 2, 2),
    "a lone missing value": ([("a", 1), ("a", 1), (None, 1)], 1, 3),
    "a missing value fits only what agrees elsewhere": ([("a", 1), ("a", 1), (None, 2)], 1, 1),
    "two missing values fit each other": ([("a", None), (None, 2), ("b", 1)], 1, 1),
    "all missing fits everything": ([("a", 1), ("b", 2), (None, None)], 1, 2),
    "every value missing": ([(None, None)] * 3, 3, 3),
}


@pytest.mark.parametrize(("rows", "own", "wild"), READINGS.values(), ids=READINGS)
def test_k_in_both_readings(rows, own, wild):
    said = k_in_both_readings(pd.DataFrame(rows, columns=["area", "grade"], dtype=object), ["area", "grade"])

    assert (said.own_category, said.wildcard, said.worse) == (own, wild, min(own, wild))


def test_fitting_is_no_equivalence():
    """(a, missing) fits (a, 1) and (a, 2), which do not fit each other: there is no class to count in."""
    frame = pd.DataFrame([("a", 1), ("a", 2), ("a", None)], columns=["area", "grade"])

    assert sorted(candidates(frame, ["area", "grade"]).rows) == [2, 2, 3]


def test_an_empty_table_has_k_0_in_both_readings():
    said = k_in_both_readings(pd.DataFrame({"area": []}), ["area"])

    assert (said.own_category, said.wildcard) == (0, 0)


def test_without_quasi_identifiers_there_is_no_question():
    with pytest.raises(Usage):
        candidates(pd.DataFrame({"area": ["a"]}), [])


def test_the_same_child_in_several_rows_is_never_counted_twice():
    frame = pd.DataFrame(
        [("a", "C1", "H1"), ("a", "C1", "H1"), (None, "C1", "H1"), (None, "C2", "H1")],
        columns=["area", "child", "home"],
    )
    said = candidates(frame, ["area"], persons="child", households="home")

    assert said.rows.tolist() == [4, 4]
    assert said.children.tolist() == [2, 2]
    assert said.households.tolist() == [1, 1]


cells = st.sampled_from(["a", "b", None])
tables = st.lists(st.tuples(cells, cells, cells, st.integers(0, 9)), min_size=1, max_size=25)


@settings(max_examples=50, deadline=None)
@given(rows=tables)
def test_a_row_could_be_every_row_that_a_loop_finds(rows):
    frame = pd.DataFrame(rows, columns=["x", "y", "z", "child"], dtype=object)
    classes = Classes.of(frame, ["x", "y", "z"], persons="child")
    said = candidates(frame, ["x", "y", "z"], persons="child")

    for place, row in enumerate(rows):
        fits = [other for other in rows if agree(row[:3], other[:3])]
        own = classes.member[place]
        assert said.rows[own] == len(fits)
        assert said.children[own] == len({child for *_, child in fits})
        assert classes.rows[own] <= said.rows[own]
        assert classes.children[own] <= said.children[own]


@settings(max_examples=50, deadline=None)
@given(rows=tables)
def test_what_the_rows_that_fit_say_is_what_a_loop_finds(rows):
    """Each class beside the values of all rows it could be; compared with the table, each row of it once."""
    frame = pd.DataFrame(rows, columns=["x", "y", "z", "days"], dtype=object)
    classes = Classes.of(frame, ["x", "y", "z"])
    spread = candidates(frame, ["x", "y", "z"]).spread(frame["days"])

    told = {
        (int(c), spread.words[v]): int(n)
        for c, v, n in zip(spread.in_class, spread.value, spread.count, strict=True)
    }
    expected = {
        (int(classes.member[place]), value): count
        for place, row in enumerate(rows)
        for value, count in Counter(str(o[3]) for o in rows if agree(row[:3], o[:3])).items()
    }
    assert told == expected
    assert list(zip(spread.in_class, spread.value, strict=True)) == sorted(
        zip(spread.in_class, spread.value, strict=True)
    )
    assert dict(zip(spread.words, spread.whole, strict=True)) == Counter(str(row[3]) for row in rows)


def test_people_met_in_many_patterns_are_counted_a_few_classes_at_a_time(monkeypatch):
    from workbench.privacy.anonymity import missing

    draw = np.random.default_rng(4)
    frame = pd.DataFrame(draw.integers(0, 3, (60, 3)), columns=["x", "y", "z"]).astype(object)
    frame = frame.mask(draw.random((60, 3)) < 0.3, None).assign(home=draw.integers(0, 12, 60))
    whole = candidates(frame, ["x", "y", "z"], households="home").households
    monkeypatch.setattr(missing, "ROOM", 7)

    assert candidates(frame, ["x", "y", "z"], households="home").households.tolist() == whole.tolist()


def agree(one, other) -> bool:
    return all(a is None or b is None or a == b for a, b in zip(one, other, strict=True))
