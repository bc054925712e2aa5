"""
Where pycanon 1.3.6 is wrong, one test each: what it says, and what is right.

These are the only differences allowed between its numbers and ours. A fault that it mends fails here and
leaves the list.
"""

from math import exp, inf, log, log2

import numpy as np
import pandas as pd
import pytest
from pycanon import anonymity
from pycanon.anonymity.utils.aux_functions import read_file
from pycanon.metrics import average_rir, classification_metric

from workbench.privacy.anonymity import diversity, metrics
from workbench.privacy.anonymity.classes import Classes, without_suppressed
from workbench.privacy.anonymity.spread import Spread


def table(area, aid=None, **options) -> pd.DataFrame:
    """One row for each letter of `area`, with the letters of `aid` or a sequence of values."""
    columns = {"area": list(area)} if aid is None else {"area": list(area), "aid": list(aid)}
    return pd.DataFrame(columns, **options)


def spread(frame: pd.DataFrame) -> Spread:
    return Spread.of(Classes.of(frame, ["area"]), frame["aid"])


def k(frame: pd.DataFrame) -> int:
    return metrics.k_children(Classes.of(frame, ["area"]))


def test_1_it_drops_rows_with_a_missing_quasi_identifier_and_overstates_k():
    frame = pd.DataFrame({"area": ["x", "x", "x", None]})

    assert anonymity.k_anonymity(frame, ["area"]) == 3
    assert k(frame) == 1


def test_2_it_takes_labels_of_the_index_for_positions():
    frame = table("xxyy", "nnny", index=[0, 2, 1, 3])

    assert anonymity.l_diversity(frame, ["area"], ["aid"]) == 1
    assert anonymity.l_diversity(table("xxyy", "nyyn", index=[0, 2, 1, 3]), ["area"], ["aid"]) == 2
    assert metrics.plain_distinct_l(spread(table("xxyy", "yyny", index=[0, 2, 1, 3]))) == 1
    with pytest.raises(IndexError):
        anonymity.l_diversity(table("xx", "ny", index=[10, 20]), ["area"], ["aid"])
    assert metrics.plain_distinct_l(spread(table("xx", "ny", index=[10, 20]))) == 2


def test_3_its_recursive_c_takes_the_rarest_value_for_the_most_frequent():
    frame = table("x" * 1000, "a" * 998 + "bc")

    assert anonymity.recursive_c_l_diversity(frame, ["area"], ["aid"], False)[0] == 1
    assert metrics.recursive_c(spread(frame), l=3) == 998


@pytest.mark.parametrize("values", [2, 3, 4, 6, 7, 8, 10])
def test_4_its_entropy_l_is_cut_to_a_whole_number_and_one_too_low(values):
    frame = table("x" * values, "abcdefghij"[:values])

    assert anonymity.entropy_l_diversity(frame, ["area"], ["aid"]) == values - 1
    assert metrics.entropy_l(spread(frame)) == values


def test_5_its_enhanced_beta_is_not_value_by_value_and_so_always_there():
    """A gain of 9 on a share of 1/10 breaks -ln(1/10) whatever beta is."""
    frame = table("x" + "y" * 9, "abcdefghij")

    assert anonymity.enhanced_beta_likeness(frame, ["area"], ["aid"]) == pytest.approx(log(10))
    assert metrics.enhanced_beta(spread(frame)) == inf


def test_6_its_delta_passes_over_absent_values_and_is_in_other_logarithms():
    """Ours passes over them too unless told otherwise, and says so; base 2 as in ARX."""
    frame = table("xxyy", "aabb")

    assert anonymity.delta_disclosure(frame, ["area"], ["aid"]) == pytest.approx(log(2))
    assert metrics.delta_disclosure(spread(frame)) == pytest.approx(log2(2))
    assert metrics.delta_disclosure(spread(frame), absent_counts=True) == inf


def test_7_its_t_takes_codes_for_ordered_numbers_and_fails_on_what_it_does_not_know():
    codes = table("xyz", [1, 2, 3])
    assert anonymity.t_closeness(codes, ["area"], ["aid"]) == pytest.approx(1 / 2)
    assert metrics.t_closeness(spread(codes)) == pytest.approx(2 / 3)

    constant = table("xy", [1, 1])
    with pytest.raises(ZeroDivisionError):
        anonymity.t_closeness(constant, ["area"], ["aid"])
    assert metrics.t_closeness(spread(constant)) == metrics.ordered_t(spread(constant), order=["1"]) == 0

    missing = table("xxyy", [1.0, 2.0, 1.0, np.nan])
    assert anonymity.t_closeness(missing, ["area"], ["aid"]) == pytest.approx(1 / 4)
    placed = ["1", "2", "(missing)"]
    assert metrics.ordered_t(spread(missing), order=placed) == pytest.approx(1 / 8)

    for unknown in (pd.to_datetime(["2024-04-01", "2024-04-02"]), pd.Categorical([1, 2]), ["a", None]):
        other = pd.DataFrame({"area": ["x", "y"], "aid": unknown})
        with pytest.raises(ValueError, match="invalid"):
            anonymity.t_closeness(other, ["area"], ["aid"])
        assert metrics.t_closeness(spread(other)) == pytest.approx(1 / 2)


def test_8_its_average_risk_is_over_classes_not_over_people():
    frame = table("x" + "y" * 99)

    assert average_rir(frame, ["area"]) == pytest.approx(0.5 * (1 + 1 / 99))
    assert metrics.average_class_risk(Classes.of(frame, ["area"])) == pytest.approx(0.02)


def test_9_its_classification_metric_takes_every_value_of_a_tie_for_the_majority():
    frame = table("xxxx", "aabb")

    assert classification_metric(frame, frame, ["area"], ["aid"]) == 0
    assert metrics.classification_penalty(spread(frame)) == 0.5


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_10_it_counts_categories_that_nobody_has():
    frame = pd.DataFrame({"area": pd.Categorical(["x", "x"], categories=["x", "never"])})

    assert anonymity.k_anonymity(frame, ["area"]) == 0
    assert k(frame) == 2


def test_11_it_fails_on_no_rows_counts_starred_ones_and_reads_with_its_own_separator(tmp_path):
    empty = pd.DataFrame({"area": pd.Series([], dtype=str)})
    with pytest.raises(ValueError, match="empty"):
        anonymity.k_anonymity(empty, ["area"])
    assert k(empty) == 0

    starred = table("xxxxx***")
    assert anonymity.k_anonymity(starred, ["area"]) == 3
    assert k(without_suppressed(starred, ["area"])) == 5

    path = tmp_path / "table.csv"
    path.write_text("area;aid\nx;a\n", encoding="utf-8")
    assert list(read_file(path, sep=";").columns) == ["area;aid"]


def test_entropy_l_agrees_where_pycanon_does_not_cut():
    """The cut is all that differs: exp of the same entropy."""
    frame = table("xxxxyyyy", "aaabaabb")
    said = diversity.entropy_l_by_class(spread(frame))

    entropy = -(3 / 4 * log(3 / 4) + 1 / 4 * log(1 / 4))
    assert said == pytest.approx([exp(entropy), 2])
    assert anonymity.entropy_l_diversity(frame, ["area"], ["aid"]) == int(said.min())
