"""How well sets of items tell rows apart."""

import gzip
from itertools import combinations
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import Usage
from workbench.privacy.anonymity.risk.separation import separations

ADULT = Path(__file__).parents[2] / "data_files" / "adult" / "adult.csv.gz"

# item: distinction, separation, as ARX 3.9.2 gives them for Adult
KNOWN = {
    "salary-class": (6.630860022544923e-05, 0.3739325606425852),
    "sex": (6.630860022544923e-05, 0.43828434814896455),
    "race": (0.0001657715005636231, 0.2510168705580825),
    "workclass": (0.00023208010078907233, 0.4384710833330085),
    "marital-status": (0.00023208010078907233, 0.6572008210359416),
    "occupation": (0.00046416020157814467, 0.8946220036154093),
    "education": (0.0005304688018035939, 0.8074379804137617),
    "native-country": (0.0013593263046217095, 0.16789461132116162),
    "age": (0.0023871096081161725, 0.9781172561484958),
}


def test_on_adult_single_items_separate_as_arx_says():
    with gzip.open(ADULT, "rt", encoding="utf-8") as file:
        frame = pd.read_csv(file, sep=";", dtype=str)
    said = {
        one.items[0]: (one.distinction, one.separation) for one in separations(frame, list(frame), up_to=1)
    }

    assert said == {item: pytest.approx(known, abs=1e-15) for item, known in KNOWN.items()}


# rows of (x, y): for each set of items its distinction and separation
TOLD = {
    ("aa", "ab", "bb"): {"x": (2 / 3, 2 / 3), "y": (2 / 3, 2 / 3), "xy": (1, 1)},
    ("aa", "aa"): {"x": (1 / 2, 0), "y": (1 / 2, 0), "xy": (1 / 2, 0)},
    ("ab",): {"x": (1, 0), "y": (1, 0), "xy": (1, 0)},
    (): {"x": (0, 0), "y": (0, 0), "xy": (0, 0)},
}


@pytest.mark.parametrize(("rows", "told"), TOLD.items())
def test_distinction_and_separation(rows, told):
    said = separations(pd.DataFrame([tuple(row) for row in rows], columns=["x", "y"]), ["x", "y"], up_to=2)

    assert {"".join(one.items): (one.distinction, one.separation) for one in said} == {
        items: pytest.approx(numbers) for items, numbers in told.items()
    }


def test_the_items_that_separate_most_come_first():
    frame = pd.DataFrame({"x": list("aabb"), "y": list("abcd"), "z": list("aaaa")})
    said = separations(frame, ["x", "y", "z"], up_to=1)

    assert [one.items for one in said] == [("y",), ("x",), ("z",)]


def test_no_item_is_no_question():
    with pytest.raises(Usage):
        separations(pd.DataFrame({"x": [1]}), [], up_to=1)


cells = st.sampled_from(["a", "b", None])


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.tuples(cells, cells, cells), min_size=2, max_size=15))
def test_separation_is_the_share_of_pairs_that_differ(rows):
    said = separations(pd.DataFrame(rows, columns=list("xyz"), dtype=object), list("xyz"), up_to=3)

    assert len(said) == 7
    for one in said:
        places = ["xyz".index(item) for item in one.items]
        seen = [tuple(row[place] for place in places) for row in rows]
        pairs = list(combinations(seen, 2))
        assert one.distinction == pytest.approx(len(set(seen)) / len(rows))
        assert one.separation == pytest.approx(sum(a != b for a, b in pairs) / len(pairs))
