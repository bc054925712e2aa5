"""A motivated intruder's trial: certain claims, right and wrong, and how sure the rate is."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from workbench.errors import Unusable, Usage
from workbench.privacy.anonymity.risk.intruder import Trial, trial


def people(*rows: tuple) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["who", "area", "grade"])


def tried(released: pd.DataFrame, known: pd.DataFrame, *items: str) -> Trial:
    return trial(
        released,
        known,
        items or ["area", "grade"],
        released_persons=released["who"],
        known_persons=known["who"],
    )


RELEASED = people(("C1", "a", 1), ("C2", "a", 1), ("C3", "b", 1), ("C4", "b", 2))

# whom the intruder knows: (correct, wrong, guessed, unmatched)
KNOWN = {
    "a child alone in its class": ([("C4", "b", 2)], (1, 0, 0, 0)),
    "a child in a crowd": ([("C1", "a", 1)], (0, 0, 1 / 2, 0)),
    "somebody who is not in the table but looks like one who is": ([("C9", "b", 1)], (0, 1, 0, 0)),
    "somebody who looks like nobody in the table": ([("C9", "z", 9)], (0, 0, 0, 1)),
    "somebody outside who looks like a crowd": ([("C9", "a", 1)], (0, 0, 0, 0)),
    "a child known wrongly": ([("C1", "b", 2)], (0, 1, 0, 0)),
    "everybody": ([tuple(row) for row in RELEASED.to_numpy()], (2, 0, 1, 0)),
    "nobody": ([], (0, 0, 0, 0)),
}


@pytest.mark.parametrize(("known", "said"), KNOWN.values(), ids=KNOWN)
def test_what_the_intruder_finds(known, said):
    found = tried(RELEASED, people(*known))

    assert (found.correct, found.wrong, found.guessed, found.unmatched) == said
    assert found.tried == len(known)


def test_fewer_items_known_find_fewer_people():
    assert tried(RELEASED, RELEASED, "area").correct == 0
    assert tried(RELEASED, RELEASED, "grade").correct == 1
    assert tried(RELEASED, RELEASED, "area", "grade").correct == 2


def test_a_child_with_several_rows_is_one_candidate():
    released = people(("C1", "a", 1), ("C1", "a", 1), ("C1", "a", 1))

    assert tried(released, people(("C1", "a", 1))).correct == 1


def test_a_person_known_twice_is_tried_once():
    known = people(("C4", "b", 2), ("C4", "b", 2), ("C1", "a", 1))

    assert (tried(RELEASED, known).tried, tried(RELEASED, known).correct) == (2, 1)


def test_a_missing_value_is_matched_by_a_missing_one_only():
    released = people(("C1", None, 1), ("C2", "a", 1))

    assert tried(released, people(("C1", None, 1))).correct == 1
    assert tried(released, people(("C1", "b", 1))).unmatched == 1


def test_no_hit_in_ten_is_not_no_risk():
    """The upper end of the exact interval: 1 - 0.025^(1/10)."""
    found = Trial(items=("area",), tried=10, correct=0, wrong=0, guessed=0.0, unmatched=0)

    assert found.rate == 0
    assert (found.interval().low, found.interval().high) == (0, pytest.approx(1 - 0.025 ** (1 / 10)))


@pytest.mark.parametrize(("correct", "number"), [(0, 1), (1, 1), (3, 10), (10, 10), (5, 1000)])
def test_the_interval_is_clopper_and_pearsons(correct, number):
    said = Trial(("area",), number, correct, 0, 0.0, 0).interval(confidence=0.9)
    exact = stats.binomtest(correct, number).proportion_ci(confidence_level=0.9, method="exact")

    assert (said.low, said.high) == pytest.approx((exact.low, exact.high))


def test_who_tried_nobody_knows_nothing():
    found = tried(RELEASED, people())

    assert (found.rate, found.precision) == (0, None)
    assert (found.interval().low, found.interval().high) == (0, 1)


def test_precision_is_of_the_claims_made():
    known = people(("C4", "b", 2), ("C9", "b", 1), ("C1", "a", 1))

    assert tried(RELEASED, known).precision == 1 / 2


def test_tables_without_the_items_or_the_persons_are_refused():
    with pytest.raises(Unusable, match="area"):
        trial(RELEASED, pd.DataFrame({"x": [1]}), ["area"], released_persons=[1] * 4, known_persons=[1])
    with pytest.raises(Unusable):
        trial(RELEASED, RELEASED, ["area"], released_persons=[1], known_persons=[1] * 4)
    with pytest.raises(Usage):
        trial(RELEASED, RELEASED, [], released_persons=[1] * 4, known_persons=[1] * 4)


person = st.tuples(st.integers(0, 12), st.sampled_from("ab"), st.integers(0, 2))


@settings(max_examples=60, deadline=None)
@given(released=st.lists(person, max_size=15), known=st.lists(person, max_size=8, unique_by=lambda p: p[0]))
def test_the_trial_counts_what_a_loop_counts(released, known):
    found = tried(people(*released), people(*known))

    correct = wrong = unmatched = 0
    guessed = 0.0
    for who, *seen in known:
        among = {other for other, *there in released if there == seen}
        unmatched += not among
        correct += among == {who}
        wrong += len(among) == 1 and among != {who}
        guessed += 1 / len(among) if who in among and len(among) > 1 else 0
    assert (found.correct, found.wrong, found.unmatched) == (correct, wrong, unmatched)
    assert found.guessed == pytest.approx(guessed)
