"""ARX's hierarchy files: every separator and quotation, missing values, and its intervals, there and back."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import Unusable, Usage
from workbench.privacy.anonymity import arx, hierarchies
from workbench.privacy.anonymity.builders import interval
from workbench.privacy.anonymity.classes import categories
from workbench.privacy.anonymity.compact import axis
from workbench.privacy.anonymity.hierarchies import from_rows, read_csv, rows_of, written

CELL = st.text(st.sampled_from("ab;,\t\"' \n東京*"), min_size=1, max_size=6)


@given(
    raws=st.lists(CELL, min_size=1, max_size=8, unique=True), label=CELL, separator=st.sampled_from(";,\t|")
)
@settings(deadline=None)
def test_what_is_written_is_read_again_whatever_the_values_hold(raws, label, separator):
    """Separators, quotation marks, line breaks and blanks at either end are part of a value."""
    hierarchy = from_rows("x", [[raw, label, "*"] for raw in raws])

    assert read_csv("x", written(hierarchy, separator=separator), separator=separator) == hierarchy


def test_a_folder_of_another_separator_and_encoding_is_read_when_told_so(tmp_path):
    (tmp_path / "t_hierarchy_area.csv").write_bytes("北町,北\n南町,南\n".encode("cp932"))

    read = hierarchies.load(tmp_path, separator=",", encoding="cp932")

    assert rows_of(read["area"]) == [["北町", "北"], ["南町", "南"]]


@pytest.mark.parametrize("separator", ["", ";;", '"', "\n"])
def test_a_separator_is_one_character(separator):
    with pytest.raises(Usage):
        read_csv("x", "a;*\n", separator=separator)


def test_an_unknown_encoding_is_named(tmp_path):
    (tmp_path / "t_hierarchy_area.csv").write_text("a;*\n")

    with pytest.raises(Unusable, match="klingon"):
        hierarchies.load(tmp_path, encoding="klingon")


# --- Missing values -----------------------------------------------------------------------------------


@pytest.mark.parametrize("null", ["NULL", "null"])
def test_arx_s_null_row_labels_missing_values_and_the_word(null):
    ladder = from_rows("aid", [["yes", "any", "*"], [null, "none", "*"]])

    assert ladder.labels(["yes", null, "(missing)"], level=1) == ["any", "none", "none"]
    ladder.require_cover(categories(["yes", None, null]))
    assert written(ladder) == f"yes;any;*\n{null};none;*\n"


def test_a_missing_value_with_a_null_row_is_no_further_leaf():
    """ARX counts its rows; a table with missing values must lose the same."""
    ladder = from_rows("aid", [["yes", "any", "*"], ["no", "any", "*"], ["NULL", "none", "*"]])

    column = pd.Series(["yes", None])
    prepared, codes = axis(column, ladder, allowed=None, counted=2)

    assert prepared.leaves == 3
    assert prepared.cover[1][codes].tolist() == [2, 1]


def test_to_arx_a_missing_value_is_written_null():
    ladder = from_rows("aid", [["yes", "any", "*"], ["(missing)", "none", "*"]])

    assert arx.written(ladder) == "yes;any;*\nNULL;none;*\n"
    assert arx.written(ladder, separator=",") == "yes,any,*\nNULL,none,*\n"


# --- Intervals ----------------------------------------------------------------------------------------

AGES = [
    ["1", "[0, 5[", "[0, 10[", "*"],
    ["5", "[5, 10[", "[0, 10[", "*"],
    ["-1", "<0", "<0", "*"],
    ["80", ">=80", ">=80", "*"],
    ["NULL", "NULL", "NULL", "*"],
]


def test_a_table_of_arx_s_intervals_is_a_ladder():
    ladder = arx.as_intervals(from_rows("age", AGES))

    assert ladder.kind == "interval"
    assert ladder.levels[1]["edges"] == [0, 5, 10, 80]
    assert ladder.labels(["4", "12", "-7", "99", "(missing)"], level=1) == [
        "[0, 5[",
        "[10, 80[",
        "<0",
        ">=80",
        "NULL",
    ]


def test_a_table_of_arx_s_intervals_comes_back_as_it_was():
    table = from_rows("age", AGES)

    back = arx.written(arx.as_intervals(table), values=["1", "5", "-1", "80", None])

    assert sorted(back.splitlines()) == sorted(written(table).splitlines())


@given(width=st.integers(1, 9), times=st.integers(2, 5), values=st.lists(st.integers(-20, 200), min_size=1))
@settings(deadline=None)
def test_our_intervals_leave_for_arx_with_a_row_for_each_value(width, times, values):
    ladder = interval("age", minimum=0, maximum=100, widths=[width, width * times])

    table = read_csv("age", arx.written(ladder, values=values))

    for level in range(1, ladder.height + 1):
        words = [str(value) for value in values]
        assert table.labels(words, level=level) == ladder.labels(words, level=level)


BROKEN = {
    "another label": [["1", "young", "*"]],
    "overlap": [["1", "[0, 5[", "*"], ["4", "[3, 9[", "*"]],
    "a value outside its interval": [["10", "[0, 10[", "*"]],
    "no number": [["ten", "[0, 10[", "*"]],
    "do not nest": [["1", "[0, 5[", "[0, 7[", "*"], ["6", "[5, 10[", "[0, 7[", "*"]],
}


@pytest.mark.parametrize("rows", BROKEN.values(), ids=BROKEN)
def test_what_is_no_table_of_intervals_is_refused(rows):
    with pytest.raises(Unusable, match="age"):
        arx.as_intervals(from_rows("age", rows))
