"""Special uniques: which rows few items make unique, and which items do."""

from itertools import combinations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import Usage
from workbench.privacy.anonymity.risk.special import special_uniques, weight_of


def table(*rows: str, items: str = "xyz") -> pd.DataFrame:
    """One row for each word, one item for each letter; '.' is a missing value."""
    return pd.DataFrame(
        [[None if c == "." else c for c in row] for row in rows], columns=list(items), dtype=object
    )


def found(frame: pd.DataFrame, *, up_to: int) -> dict[str, int]:
    said = special_uniques(frame, list(frame.columns), up_to=up_to)
    return {"".join(items): count for items, count in said.found.items()}


# rows, up to: the minimal sets of items and how many rows each makes unique
FOUND = {
    (("aaa", "aab", "aac"), 3): {"z": 3},
    (("aaa", "aaa", "aaa"), 3): {},
    (("aaa", "aab", "aba", "abb"), 3): {"yz": 4},
    (("aaa", "aab", "aba", "abb", "baa", "bab", "bba", "bbb"), 3): {"xyz": 8},
    (("aaa", "aab", "aba", "abb", "baa", "bab", "bba", "bbb"), 2): {},
    (("aaa", "aaa", "baa"), 3): {"x": 1},
    (("aaa", "aaa", ".aa"), 3): {"x": 1},
    (("aa.", "ab.", "ba."), 3): {"x": 1, "y": 1, "xy": 1},
}


@pytest.mark.parametrize(("asked", "said"), FOUND.items())
def test_minimal_uniques(asked, said):
    rows, up_to = asked

    assert found(table(*rows), up_to=up_to) == said


def test_a_row_alone_on_one_item_is_not_counted_again_on_larger_sets():
    """That it is alone on x and y too says nothing new: x gave it away."""
    said = special_uniques(table("aaa", "aab", "aba", "abb", "caa"), list("xyz"), up_to=3)

    assert said.found == {("x",): 1, ("y", "z"): 3, ("x", "y", "z"): 1}
    assert said.rows == 5


# size, items, up to: Elliot's weight, the product of (items - i)
WEIGHTS = {
    (1, 4, 3): 3 * 2 * 1,
    (2, 4, 3): 2 * 1,
    (3, 4, 3): 1,
    (1, 8, 3): 7 * 6 * 5,
    (1, 3, 3): 2 * 1,
    (3, 3, 3): 1,
    (1, 1, 1): 1,
}


@pytest.mark.parametrize(("asked", "said"), WEIGHTS.items())
def test_the_fewer_items_make_a_row_unique_the_more_it_weighs(asked, said):
    size, items, up_to = asked

    assert weight_of(size, items=items, up_to=up_to) == said


def test_scores_stand_in_the_order_of_the_rows_whatever_their_index():
    frame = table("aaa", "baa", "aaa", "aab").set_axis(list("pqrs"))
    said = special_uniques(frame, list("xyz"), up_to=2)

    # Both are alone on one of three items: (3 - 1) * (3 - 2).
    assert said.score.tolist() == [0, 2, 0, 2]
    assert said.contribution["x"].tolist() == [0, 1, 0, 0]
    assert said.contribution["z"].tolist() == [0, 0, 0, 1]
    assert said.contributions() == {"x": 0.5, "y": 0, "z": 0.5}


def test_contributions_weigh_the_sets_an_item_is_in():
    """The last row is alone on x, for (4 - 1) (4 - 2) (4 - 3); the others on x and y, for (4 - 2) (4 - 3)."""
    said = special_uniques(table("aaaa", "abaa", "aaba", "abba", "acaa", items="wxyz"), list("wxyz"), up_to=3)

    assert said.found == {("x",): 1, ("x", "y"): 4}
    assert said.score.tolist() == [2, 2, 2, 2, 6]
    assert said.contribution["y"].tolist() == [1, 1, 1, 1, 0]
    assert said.contributions() == pytest.approx({"w": 0, "x": 1, "y": 8 / 14, "z": 0})


def test_no_row_has_a_score_where_none_is_alone():
    said = special_uniques(table("aaa", "aaa"), list("xyz"))

    assert (said.rows, said.alone, said.pairs) == (0, 0, 1)
    assert said.contributions() == {"x": 0, "y": 0, "z": 0}
    assert said.dis_score(fraction=0.1).tolist() == [0, 0]


def test_dis_scores_share_out_the_chance_that_a_match_is_right():
    """Two alone and one pair at a tenth: 0.2 / (0.2 + 1.8) = 0.1 on average over those alone."""
    said = special_uniques(table("aaa", "aaa", "baa", "abb"), list("xyz"), up_to=3)
    scores = said.dis_score(fraction=0.1)

    assert (said.alone, said.pairs) == (2, 1)
    assert scores[:2].tolist() == [0, 0]
    assert scores[2:].mean() == pytest.approx(0.1)
    assert said.dis_score(fraction=1)[2:].max() <= 1


def test_the_whole_population_makes_every_match_right():
    said = special_uniques(table("aaa", "aab"), list("xyz"))

    assert said.dis_score(fraction=1).tolist() == [1, 1]


@pytest.mark.parametrize("fraction", [0, -0.1, 1.1])
def test_a_sampling_fraction_is_a_share(fraction):
    with pytest.raises(Usage):
        special_uniques(table("aaa"), list("xyz")).dis_score(fraction=fraction)


def test_no_items_and_no_size_are_no_question():
    with pytest.raises(Usage):
        special_uniques(table("aaa"), [])
    with pytest.raises(Usage):
        special_uniques(table("aaa"), ["x"], up_to=0)


def test_an_empty_table_has_no_uniques():
    assert found(table(), up_to=3) == {}


cells = st.sampled_from("ab.")


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(st.tuples(cells, cells, cells, cells), max_size=12), up_to=st.integers(1, 4))
def test_minimal_uniques_are_those_of_the_definition(rows, up_to):
    frame = table(*("".join(row) for row in rows), items="wxyz")
    said = special_uniques(frame, list("wxyz"), up_to=up_to)

    def alone(row, places):
        return sum(all(row[p] == other[p] for p in places) for other in rows) == 1

    counts: dict[tuple, int] = {}
    scores = [0] * len(rows)
    for number, row in enumerate(rows):
        for size in range(1, up_to + 1):
            for places in combinations(range(4), size):
                smaller = [s for n in range(1, size) for s in combinations(places, n)]
                if alone(row, places) and not any(alone(row, s) for s in smaller):
                    name = tuple("wxyz"[p] for p in places)
                    counts[name] = counts.get(name, 0) + 1
                    scores[number] += weight_of(size, items=4, up_to=up_to)
    assert said.found == counts
    assert said.score.tolist() == scores
