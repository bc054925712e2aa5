"""Classes count people, whatever the frame looks like: its index, dtypes, unseen levels and spellings."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import Unusable
from workbench.privacy.anonymity.classes import Classes, categories, pack
from workbench.privacy.anonymity.metrics import k_children

PLAIN = pd.DataFrame({"area": ["A1", "A1", "A2", "A2", None], "grade": [1, 1, 2, 2, 3]})


def dressed_as_categories(frame: pd.DataFrame) -> pd.DataFrame:
    levels = pd.CategoricalDtype(["A0", "A1", "A2", "A3", "never seen"])
    return frame.assign(area=frame["area"].astype(levels), grade=frame["grade"].astype("category"))


# name: the same people, in another frame
DRESSES = {
    "a shuffled index": lambda f: f.set_axis([3, 0, 2, 1, 4]),
    "a filtered frame's index": lambda f: f.set_axis([10, 20, 30, 40, 50]),
    "an index of names": lambda f: f.set_axis(list("abcde")),
    "a repeated index": lambda f: f.set_axis([0] * 5),
    "categories, some unobserved": dressed_as_categories,
    "floats for whole numbers": lambda f: f.assign(grade=f["grade"].astype(float)),
    "nullable integers": lambda f: f.assign(grade=f["grade"].astype("Int64")),
    "numbers as text": lambda f: f.assign(grade=f["grade"].astype(str)),
    "mixed types": lambda f: f.assign(grade=pd.Series([1, "1", 2.0, "2", np.int64(3)], dtype=object)),
    "NaN for None": lambda f: f.assign(area=f["area"].fillna(np.nan)),
    "pandas' NA": lambda f: f.assign(area=f["area"].astype("string")),
    "the empty string": lambda f: f.assign(area=f["area"].fillna("")),
    "another order of columns": lambda f: f[["grade", "area"]],
}


@pytest.mark.parametrize("dress", DRESSES.values(), ids=DRESSES)
def test_the_frame_does_not_change_a_count(dress):
    """Each of these changes what some tool counts."""
    classes = Classes.of(dress(PLAIN), ["area", "grade"])

    assert sorted(classes.rows) == [1, 2, 2]
    assert k_children(classes) == 1


@pytest.mark.parametrize(
    "values",
    [
        [0.0, -0.0],
        [None, np.nan, pd.NA, pd.NaT, ""],
        ["(missing)", None],
        [7, 7.0, "7", np.float32(7)],
    ],
    ids=["negative zero", "every kind of missing", "the word for missing", "one number"],
)
def test_what_reads_alike_is_one_category(values):
    assert categories(pd.Series(values, dtype=object)).size == 1


def test_true_is_not_one():
    """Hashing takes True, 1 and 1.0 for one value; readers do not."""
    assert categories(pd.Series([True, 1, 1.0], dtype=object)).words == ("1", "True")


def test_negative_zero_of_a_float_column_is_zero():
    assert categories(pd.Series([0.0, -0.0])).words == ("0",)


def test_categories_are_in_sorted_order_whatever_the_order_of_rows():
    assert categories(["b", "a", None]).words == categories([None, "b", "a"]).words == ("(missing)", "a", "b")


def test_a_column_named_twice_is_unusable():
    with pytest.raises(Unusable, match="area"):
        Classes.of(pd.DataFrame([[1, 2]], columns=["area", "area"]), ["area"])


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(Unusable, match="nowhere"):
        Classes.of(PLAIN, ["area", "nowhere"])


def test_codes_of_persons_must_fit_the_rows():
    with pytest.raises(Unusable):
        Classes.of(PLAIN, ["area"], persons=["C1"])


def test_a_key_with_more_room_than_an_integer_still_tells_all_rows_apart():
    """Twelve columns of 1,000 values: 10^36 combinations, where 63 bits end at 10^19."""
    columns = [np.arange(1000)[::step] for step in [1, -1] * 6]

    key, _ = pack(columns, sizes=[1000] * 12)

    assert len(np.unique(key)) == 1000
    assert key.min() >= 0


words = st.sampled_from(["a", "b", None, "c"])
rows = st.lists(st.tuples(words, words, st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=30)


@given(rows=rows)
def test_classes_count_what_a_loop_counts(rows):
    frame = pd.DataFrame(rows, columns=["x", "y", "child", "home"])
    classes = Classes.of(frame, ["x", "y"], persons="child", households="home")

    met: dict[tuple, list] = {}
    for x, y, child, home in rows:
        met.setdefault((x, y), []).append((child, home))
    expected = sorted((len(m), len({c for c, _ in m}), len({h for _, h in m})) for m in met.values())
    assert sorted(zip(classes.rows, classes.children, classes.households, strict=True)) == expected
