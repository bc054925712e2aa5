"""Classes count people, whatever the frame looks like: its index, dtypes, unseen levels and spellings."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import Unusable
from workbench.privacy.anonymity.classes import Classes, categories, pack, without_suppressed
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
    "an index of several levels": lambda f: f.set_axis(pd.MultiIndex.from_product([["p"], range(5)])),
    "an index of dates": lambda f: f.set_axis(pd.date_range("2024-04-01", periods=5)[::-1]),
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


NOON = pd.Timestamp("2024-04-01 12:00", tz="UTC")
MOMENTS = {
    "mixed zones": pd.Series([NOON, NOON.tz_convert("Asia/Tokyo"), NOON.to_pydatetime()], dtype=object),
    "one zone": pd.Series([NOON, NOON]).dt.tz_convert("Asia/Tokyo"),
    "categories in a zone": pd.Series(pd.Categorical([NOON.tz_convert("Asia/Tokyo")])),
}


@pytest.mark.parametrize("values", MOMENTS.values(), ids=MOMENTS)
def test_one_moment_is_one_category_in_whatever_zone_it_is_told(values):
    assert categories(values).words == ("2024-04-01 12:00:00+00:00",)


def test_a_moment_without_a_zone_is_another_category():
    """Nobody knows where it was noon: taking it for UTC would be a guess that hides a class."""
    assert categories(pd.Series([NOON, NOON.tz_localize(None)], dtype=object)).size == 2


def test_a_date_of_numpy_reads_as_that_of_pandas():
    moment = np.datetime64("2024-04-01T12:00:00", "ns")

    assert categories(pd.Series([moment, pd.Timestamp(moment)], dtype=object)).words == (
        "2024-04-01 12:00:00",
    )


@pytest.mark.parametrize(
    "values",
    [
        pd.Series([2**53, 2**53 + 1]),
        pd.Series([2**53, 2**53 + 1], dtype=object),
        pd.Series([2**53, 2**53 + 1, None], dtype="Int64").iloc[:2],
        np.array([2**64 - 1, 2**64 - 2], dtype=np.uint64),
        pd.Series([2**70, 2**70 + 1], dtype=object),
    ],
    ids=["int64", "objects", "nullable", "uint64", "beyond 64 bits"],
)
def test_neighbouring_whole_numbers_stay_apart_however_large(values):
    """As floats they would be one, and two people alone would hide behind each other."""
    assert categories(values).size == 2


@pytest.mark.parametrize(
    "values",
    [
        pd.Series([True, False]),
        pd.Series([True, False], dtype="boolean"),
        pd.Series([True, False, True], dtype=object),
        pd.Series([np.bool_(True), "False"], dtype=object),
        pd.Series([True, False]).astype("category"),
        pd.Series(["True", "False"]),
    ],
)
def test_booleans_are_two_categories_in_every_dtype(values):
    assert categories(values).words == ("False", "True")


def test_negative_zero_of_a_float_column_is_zero():
    assert categories(pd.Series([0.0, -0.0])).words == ("0",)


def test_categories_are_in_sorted_order_whatever_the_order_of_rows():
    assert categories(["b", "a", None]).words == categories([None, "b", "a"]).words == ("(missing)", "a", "b")


def test_starred_rows_are_no_class():
    frame = pd.DataFrame({"area": ["a", "*", "*", "*"], "grade": [1, "*", "*", 2]})

    assert len(without_suppressed(frame, ["area", "grade"])) == 2
    assert len(without_suppressed(frame, ["area", "grade"], mark="1")) == 4


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
