"""What each metric of anonymity says, on tables small enough to count by hand."""

import inspect
from typing import get_type_hints

import pandas as pd
import pytest

from workbench.errors import Unusable, Usage
from workbench.privacy.anonymity import metrics
from workbench.privacy.anonymity.classes import Classes
from workbench.privacy.anonymity.metrics import smallest_category
from workbench.privacy.anonymity.spread import Spread


def test_every_metric_has_a_spec(metrics_with_a_spec):
    numbers = (int, float, int | None)
    measuring = {
        name
        for name, function in inspect.getmembers(metrics, inspect.isfunction)
        if function.__module__ == metrics.__name__
        and get_type_hints(function)["return"] in numbers
        and {Classes, Spread} & set(get_type_hints(function).values())
    }

    assert measuring == metrics_with_a_spec


def test_k_is_the_smallest_class(spec):
    spec(
        """
        grade* | area*
        3      | A1
        3      | A1
        4      | A1
        4      | A1
        4      | A1
        """,
        k_children=2,
        sample_uniques=0,
        highest_class_risk=1 / 2,
        average_class_risk=2 / 5,
        share_below=2 / 5,
    )


def test_a_missing_value_is_a_category_of_its_own_and_not_dropped(spec):
    """pandas groups without missing keys unless told otherwise: this table would have k = 2."""
    spec(
        """
        age*  | area* | illness!
        20-29 | A1    | flu
        20-29 | A1    | flu
        20-29 |       | asthma
        """,
        k_children=1,
        sample_uniques=1,
        average_class_risk=2 / 3,
        plain_distinct_l=1,
    )


def test_with_one_quasi_identifier_a_lone_missing_value_is_alone(spec):
    spec(
        """
        area* | fitness
        A1    | A
        A1    | A
        A1    | A
              | A
        """,
        k_children=1,
    )


def test_siblings_are_one_household(spec):
    """Five children of one family are no crowd to hide in."""
    spec(
        """
        grade* | home~
        3      | H1
        3      | H1
        3      | H1
        3      | H1
        3      | H1
        """,
        k_children=5,
        k_households=1,
    )


def test_children_whose_household_is_missing_count_as_one_household(spec):
    spec(
        """
        grade* | home~
        3      | H1
        3      |
        3      |
        """,
        k_children=3,
        k_households=2,
    )


def test_three_years_of_one_child_are_one_child(spec):
    spec(
        """
        area* | child@
        A1    | C1
        A1    | C1
        A1    | C1
        A1    | C2
        """,
        k_children=2,
        average_class_risk=1 / 2,
        share_below=1,
    )


def test_average_risk_is_over_rows_not_over_classes(spec):
    """Classes of 1 and 9 children: 2 classes over 10 rows, not the mean of 1 and 1/9."""
    spec("area* | x\nA1 | y\n" + "A2 | y\n" * 9, average_class_risk=0.2, sample_uniques=1, share_below=0.1)


def test_a_class_in_which_all_receive_assistance_discloses_it(spec):
    spec(
        """
        area* | welfare!
        A1    | yes
        A1    | yes
        A2    | yes
        A2    | no
        """,
        harmful=["yes"],
        plain_distinct_l=1,
        distinct_l=1,
        max_confidence=1,
        base_rate=3 / 4,
    )


def test_a_class_in_which_nobody_receives_assistance_is_exempt(spec):
    """That a child's family receives none may be known; only 'yes' harms."""
    spec(
        """
        area* | welfare!
        A1    | no
        A1    | no
        A2    | yes
        A2    | no
        """,
        harmful=["yes"],
        plain_distinct_l=1,
        distinct_l=2,
        max_confidence=1 / 2,
        base_rate=1 / 4,
    )


def test_where_no_class_holds_a_harmful_value_distinct_l_has_nothing_to_say(spec):
    spec(
        """
        area* | welfare!
        A1    | no
        A1    |
        """,
        harmful=["yes"],
        distinct_l=None,
        max_confidence=0,
        base_rate=0,
        plain_distinct_l=2,
    )


def test_with_no_value_named_every_value_is_harmful(spec):
    """Unknown means no: an exemption has to be asked for."""
    spec(
        """
        area* | welfare!
        A1    | no
        A1    | no
        A2    | yes
        A2    | no
        """,
        distinct_l=1,
        max_confidence=1,
        base_rate=3 / 4,
    )


def test_missing_rows_do_not_dilute_confidence(spec):
    """School aid is not recorded before school; who knows the child goes to school leaves those rows out."""
    spec(
        """
        area* | aid!
        A1    | yes
        A1    | yes
        A1    |
        A1    |
        A1    |
        """,
        harmful=["yes"],
        max_confidence=1,
        distinct_l=2,
    )


def test_missing_named_as_harmful_counts_among_the_recorded(spec):
    spec("area* | aid!\nA1 | yes\nA1 |\nA1 |", harmful=["(missing)"], max_confidence=2 / 3, distinct_l=2)


def test_confidence_is_of_one_value_not_of_several_together(spec):
    spec("area* | income!\nA1 | low\nA1 | lowest\nA1 | high", harmful=["low", "lowest"], max_confidence=1 / 3)


def test_t_closeness_is_half_the_sum_of_differences_from_the_whole(spec):
    """The whole: 1/2 yes. A1: all yes, at distance 1/2. A2: 1/4 yes, at 1/4."""
    spec(
        """
        area* | welfare!
        A1    | yes
        A1    | yes
        A2    | yes
        A2    | no
        A2    | no
        A2    | no
        """,
        t_closeness=1 / 2,
    )


def test_t_closeness_of_a_single_class_is_nothing(spec):
    spec("area* | welfare!\nA1 | yes\nA1 | no", t_closeness=0)


def test_every_model_of_diversity_on_one_table(spec):
    """The whole: no 1/2, some 1/4, yes 1/4. A1 has all of 'no', A2 none of it."""
    spec(
        """
        area* | aid!
        A1    | no
        A1    | no
        A2    | some
        A2    | yes
        """,
        harmful=["yes", "some"],
        entropy_l=1,
        recursive_c=float("inf"),
        t_closeness=1 / 2,
        ordered_t=3 / 8,
        hierarchical_t=1 / 2,
        alpha=1 / 2,
        basic_beta=1,
        enhanced_beta=float("inf"),
        delta_disclosure=1,
    )


def test_every_model_of_diversity_on_a_table_whose_classes_are_alike(spec):
    spec(
        """
        area* | aid!
        A1    | no
        A1    | no
        A1    | no
        A1    | yes
        A2    | no
        A2    | no
        A2    | no
        A2    | yes
        """,
        entropy_l=4 / 3**0.75,
        recursive_c=3,
        t_closeness=0,
        ordered_t=0,
        hierarchical_t=0,
        alpha=3 / 4,
        basic_beta=0,
        enhanced_beta=0,
        delta_disclosure=0,
    )


def test_of_values_equally_frequent_one_is_the_majority(spec):
    spec(
        """
        area* | aid!
        A1    | no
        A1    | yes
        A2    | no
        A2    | no
        A2    | no
        A2    | yes
        """,
        classification_penalty=2 / 6,
    )


def test_by_its_definition_delta_is_infinite_where_a_class_lacks_a_value(table):
    read = table("area* | aid!\nA1 | no\nA1 | yes\nA2 | no\nA2 | no")
    spread = Spread.of(read.classes, read.frame["aid"])

    assert metrics.delta_disclosure(spread) == pytest.approx(1)
    assert metrics.delta_disclosure(spread, absent_counts=True) == float("inf")


def test_an_empty_table_has_k_0_and_no_risk():
    classes = Classes.of(pd.DataFrame({"area": []}), ["area"], households=[])
    spread = Spread.of(classes, [])

    assert (
        metrics.k_children(classes) == metrics.k_households(classes) == metrics.sample_uniques(classes) == 0
    )
    assert metrics.highest_class_risk(classes) == metrics.average_class_risk(classes) == 0
    assert metrics.share_below(classes, k=5) == 0
    assert metrics.plain_distinct_l(spread) == 0
    assert metrics.distinct_l(spread) is None
    assert metrics.classification_penalty(spread) == 0
    assert metrics.entropy_l(spread) == metrics.recursive_c(spread, l=2) == metrics.enhanced_beta(spread) == 0
    assert metrics.max_confidence(spread) == metrics.t_closeness(spread) == metrics.base_rate(spread) == 0


def test_the_smallest_category_is_counted_in_households_missing_among_them():
    values = ["a", "a", "a", "b", None, None]
    homes = ["H1", "H2", "H3", "H1", "H1", "H2"]

    assert smallest_category(values, households=homes) == 1
    assert smallest_category(values[:3] + values[4:], households=homes[:3] + homes[4:]) == 2
    assert smallest_category([], households=[]) == 0


def test_k_in_households_is_refused_where_none_are_named(table):
    read = table("area*\nA1\nA1")

    with pytest.raises(Unusable):
        metrics.k_households(read.classes)


def test_no_quasi_identifier_is_no_question():
    """Empty means no: with nothing to tell rows apart every table would look safe."""
    with pytest.raises(Usage):
        Classes.of(pd.DataFrame({"area": ["A1"]}), [])
