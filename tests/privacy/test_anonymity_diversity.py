"""What each model of diversity says of one class: counted by hand, by the definitions, and as ARX counts."""

from itertools import pairwise
from math import exp, inf, log, log2

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from workbench.errors import Unusable, Usage
from workbench.privacy.anonymity import diversity, metrics
from workbench.privacy.anonymity.classes import Classes
from workbench.privacy.anonymity.hierarchies import from_ladder, from_rows
from workbench.privacy.anonymity.spread import Spread


def spread_of(*texts: str, **options) -> Spread:
    """One class for each text, one row for each letter; '.' is a missing value."""
    rows = [(place, None if c == "." else c) for place, text in enumerate(texts) for c in text]
    frame = pd.DataFrame(rows, columns=["x", "value"])
    return Spread.of(Classes.of(frame, ["x"]), frame["value"], **options)


# classes: what the function says of each of them
ENTROPY = {
    ("a",): [1],
    ("ab",): [2],
    ("abc",): [3],
    ("aabbcc", "abcdefg"): [3, 7],
    ("aaab",): [4 / 3**0.75],
    ("aa.",): [3 / 2 ** (2 / 3)],
    ("a", "ab"): [1, 2],
}


@pytest.mark.parametrize(("classes", "said"), ENTROPY.items())
def test_entropy_l_is_a_real_number(classes, said):
    assert diversity.entropy_l_by_class(spread_of(*classes)) == pytest.approx(said)


@pytest.mark.parametrize("values", range(1, 41))
@pytest.mark.parametrize("times", [1, 3, 7])
def test_entropy_l_of_a_uniform_class_is_exactly_its_number_of_values(values, times):
    """Rounding that leaves 2.9999999999999996 would fail a class that is 3-diverse."""
    frame = pd.DataFrame({"value": list(range(values)) * times})
    spread = Spread.of(Classes.of(frame.assign(x=1), ["x"]), frame["value"])

    assert diversity.entropy_l_by_class(spread).tolist() == [values]


# (classes, l): which are not entropy l-diverse
LITTLE = {
    (("aaab", "abcd", "aabb"), 2): [True, False, False],
    (("aaab",), 1.75): [False],
    (("aaab",), 1.76): [True],
    (("abc",), 3): [False],
    (("aabbcc",), 3): [True],
    (("a", "ab"), 1): [False, False],
}


@pytest.mark.parametrize(("asked", "said"), LITTLE.items())
def test_on_the_limit_entropy_is_decided_as_arx_decides(asked, said):
    """Two each of three values are 3-diverse by definition; ARX's rounding, like ours here, says they are not."""
    classes, least = asked

    assert diversity.too_little_entropy(spread_of(*classes), least).tolist() == said


def test_a_class_that_no_row_is_in_has_too_little_entropy():
    spread = spread_of("ab", "cd").merged(np.array([2, 0]), 3)

    assert diversity.too_little_entropy(spread, 1.5).tolist() == [False, True, False]


# (classes, l): r1 / (r_l + …) of each class
RECURSIVE = {
    (("aaab",), 2): [3],
    (("aaab",), 1): [3 / 4],
    (("aaab",), 3): [inf],
    (("aaabbc",), 2): [1],
    (("aaabbc",), 3): [3],
    (("aaabbcd", "ab", "aabb"), 2): [3 / 4, 1, 1],
    (("aa.b",), 2): [1],
    (("a" * 998 + "bc",), 3): [998],
}


@pytest.mark.parametrize(("asked", "said"), RECURSIVE.items())
def test_recursive_c_takes_the_most_frequent_value_for_r1(asked, said):
    classes, least = asked

    assert diversity.recursive_c_by_class(spread_of(*classes), least) == pytest.approx(said)


def test_recursive_c_of_an_l_below_1_is_no_question():
    with pytest.raises(Usage):
        diversity.recursive_c_by_class(spread_of("ab"), 0)


EQUAL_T = {
    ("ab", "ab"): [0, 0],
    ("aa", "bb"): [1 / 2, 1 / 2],
    ("aa", "abbb"): [1 / 2, 1 / 4],
    ("aaa", "."): [1 / 4, 3 / 4],
}


@pytest.mark.parametrize(("classes", "said"), EQUAL_T.items())
def test_equal_t_is_half_the_sum_of_differences(classes, said):
    assert diversity.equal_t_by_class(spread_of(*classes)) == pytest.approx(said)


ORDERED_T = {
    ("ab", "ab"): [0, 0],
    ("a", "b"): [1 / 2, 1 / 2],
    ("a", "b", "c"): [1 / 2, 1 / 3, 1 / 2],
    ("ac", "bb"): [1 / 4, 1 / 4],
    ("aa",): [0],
}


@pytest.mark.parametrize(("classes", "said"), ORDERED_T.items())
def test_ordered_t_moves_shares_along_the_order(classes, said):
    letters = sorted(set("".join(classes)))

    assert diversity.ordered_t_by_class(spread_of(*classes), letters) == pytest.approx(said)


def test_ordered_t_gives_the_numbers_of_its_paper():
    """Salaries 3k to 11k: {3, 4, 5} is at 0.375, {6, 8, 11} at 0.167."""
    frame = pd.DataFrame({"x": list("AAABBBCCC"), "salary": [3, 4, 5, 6, 8, 11, 7, 9, 10]})
    spread = Spread.of(Classes.of(frame, ["x"]), frame["salary"])
    order = diversity.numeric_order(spread.words)

    assert order == [str(salary) for salary in range(3, 12)]
    assert diversity.ordered_t_by_class(spread, order)[:2] == pytest.approx([0.375, 1 / 6], abs=1e-12)


def test_the_order_must_place_every_value_that_occurs_and_may_name_others():
    spread = spread_of("ab", "a.")

    assert diversity.ordered_t_by_class(spread, ["0", "a", "b", "(missing)", "z"]) == pytest.approx(
        [1 / 8] * 2
    )
    with pytest.raises(Unusable, match="1 個"):
        diversity.ordered_t_by_class(spread, ["a", "b"])


def test_codes_of_categories_have_no_numeric_order():
    with pytest.raises(Unusable):
        diversity.numeric_order(["1", "B"])
    assert diversity.numeric_order(["(missing)", "10", "9", "-1.5"]) == ["-1.5", "9", "10", "(missing)"]


ILLS = from_rows(
    "ill",
    [
        ["a", "stomach", "inner", "*"],
        ["b", "stomach", "inner", "*"],
        ["c", "lung", "inner", "*"],
        ["d", "skin", "outer", "*"],
    ],
)

# a and b meet 1/3 up, a and c 2/3, a and d at the top.
HIERARCHICAL_T = {
    ("ab", "ab"): [0, 0],
    ("a", "b"): [1 / 6, 1 / 6],
    ("a", "c"): [1 / 3, 1 / 3],
    ("a", "d"): [1 / 2, 1 / 2],
    ("aa", "bd"): [1 / 4 * 1 / 3 + 1 / 4, 1 / 4 * 1 / 3 + 1 / 4],
    ("ad", "bc"): [1 / 4 * 1 / 3 + 1 / 4, 1 / 4 * 1 / 3 + 1 / 4],
}


@pytest.mark.parametrize(("classes", "said"), HIERARCHICAL_T.items())
def test_hierarchical_t_moves_shares_through_the_tree(classes, said):
    assert diversity.hierarchical_t_by_class(spread_of(*classes), ILLS) == pytest.approx(said)


def test_a_hierarchy_without_one_root_has_one_above_it():
    flat = from_rows("ill", [["a", "inner"], ["b", "inner"], ["d", "outer"]])

    # a and b meet 1/2 up, a and d at the root that is not written down.
    assert diversity.hierarchical_t_by_class(spread_of("a", "b"), flat) == pytest.approx([1 / 4] * 2)
    assert diversity.hierarchical_t_by_class(spread_of("a", "d"), flat) == pytest.approx([1 / 2] * 2)


def test_a_ladder_of_intervals_is_a_tree_too():
    ages = from_ladder(
        "age",
        [
            {"edges": [5, 10], "labels": ["-4", "5-9", "10-"]},
            {"edges": [5], "labels": ["-4", "5-"]},
            {"edges": [], "labels": ["*"]},
        ],
    )

    # 6 and 7 meet 1/3 up; 6 and 3 at the top.
    assert diversity.hierarchical_t_by_class(spread_of("6", "7"), ages) == pytest.approx([1 / 6] * 2)
    assert diversity.hierarchical_t_by_class(spread_of("6", "3"), ages) == pytest.approx([1 / 2] * 2)


def test_a_value_that_the_hierarchy_misses_is_not_passed_over():
    with pytest.raises(Unusable, match="ill"):
        diversity.hierarchical_t_by_class(spread_of("az"), ILLS)


# classes: ARX's delta (base 2, absent values passed over), and the definition's
DELTA = {
    ("ab", "ab"): ([0, 0], [0, 0]),
    ("aa", "bb"): ([1, 1], [inf, inf]),
    ("aaab", "b"): ([log2(8 / 5), log2(5 / 2)], [log2(8 / 5), inf]),
    ("aaab", "bbba"): ([1, 1], [1, 1]),
}


@pytest.mark.parametrize(("classes", "said"), DELTA.items())
def test_delta_is_the_largest_log_ratio(classes, said):
    spread = spread_of(*classes)
    arx, defined = said

    assert diversity.delta_by_class(spread) == pytest.approx(arx)
    assert diversity.delta_by_class(spread, absent_counts=True) == pytest.approx(defined)


# classes: basic beta, enhanced beta. The gain of a value whose share q is 1/2 may be at most ln 2 = 0.69.
BETA = {
    ("ab", "ab"): ([0, 0], [0, 0]),
    ("aab", "abb"): ([1 / 3, 1 / 3], [1 / 3, 1 / 3]),
    ("aa", "bb"): ([1, 1], [inf, inf]),
    ("a", "b" * 9): ([9, 1 / 9], [inf, inf]),
    ("ab", "ac", "bcdefghijk"): ([2.5, 2.5, 0.4], [inf, inf, 0.4]),
    ("aa",): ([0], [0]),
}


@pytest.mark.parametrize(("classes", "said"), BETA.items())
def test_beta_is_the_largest_relative_gain(classes, said):
    spread = spread_of(*classes)
    basic, enhanced = said

    assert diversity.basic_beta_by_class(spread) == pytest.approx(basic)
    assert diversity.enhanced_beta_by_class(spread) == pytest.approx(enhanced)


def test_enhanced_beta_is_value_by_value():
    """The gain of 9 on a value of share 1/10 breaks -ln(1/10) = 2.30 at every beta."""
    spread = spread_of("a", "bcdefghij")

    assert log(10) < 9
    assert diversity.enhanced_beta_by_class(spread)[0] == inf


# classes, harmful: alpha (missing rows dilute), confidence (they do not)
ALPHA = {
    (("yyn", "nn"), None): ([2 / 3, 1], [2 / 3, 1]),
    (("yyn", "nn"), "y"): ([2 / 3, 0], [2 / 3, 0]),
    (("y..",), "y"): ([1 / 3], [1]),
    (("..",), None): ([0], [0]),
}


@pytest.mark.parametrize(("asked", "said"), ALPHA.items())
def test_alpha_is_the_largest_share_of_one_harmful_value(asked, said):
    classes, harmful = asked
    spread = spread_of(*classes, harmful=harmful)

    assert diversity.alpha_by_class(spread) == pytest.approx(said[0])
    assert diversity.confidence_by_class(spread) == pytest.approx(said[1])


# function: what it says of a class that no row is in
WORST = {
    "values": (diversity.values_in_class, 0),
    "entropy": (diversity.entropy_l_by_class, 0),
    "recursive": (lambda s: diversity.recursive_c_by_class(s, 2), inf),
    "equal": (diversity.equal_t_by_class, inf),
    "ordered": (lambda s: diversity.ordered_t_by_class(s, "abcd"), inf),
    "hierarchical": (lambda s: diversity.hierarchical_t_by_class(s, ILLS), inf),
    "delta": (diversity.delta_by_class, inf),
    "basic": (diversity.basic_beta_by_class, inf),
    "enhanced": (diversity.enhanced_beta_by_class, inf),
    "alpha": (diversity.alpha_by_class, 1),
}


@pytest.mark.parametrize(("function", "worst"), WORST.values(), ids=WORST)
def test_a_class_that_no_row_is_in_passes_no_limit(function, worst):
    """Merging leaves numbers free: 0 and 2 become 3, 1 becomes 1, of five."""
    spread = spread_of("ab", "cd", "abc").merged(np.array([3, 1, 3]), 5)
    said = function(spread)

    assert [said[free] for free in (0, 2, 4)] == [worst] * 3
    assert said[1] == pytest.approx(function(spread_of("abcab", "cd"))[1])
    assert said[3] == pytest.approx(function(spread_of("abcab", "cd"))[0])


@pytest.mark.parametrize("function", [f for f, _ in WORST.values()], ids=WORST)
def test_an_empty_table_has_no_classes_to_ask(function):
    assert len(function(Spread.of(Classes.of(pd.DataFrame({"x": []}), ["x"]), []))) == 0


def test_what_is_left_of_a_table_is_compared_with_all_that_came_in():
    """Suppressing all of class b would else make class a as the table, and close to it."""
    left = spread_of("aa", reference=list("aabb"))

    assert diversity.equal_t_by_class(left) == pytest.approx([1 / 2])
    assert diversity.ordered_t_by_class(left, "ab") == pytest.approx([1 / 2])
    assert diversity.hierarchical_t_by_class(left, ILLS) == pytest.approx([1 / 6])
    assert diversity.basic_beta_by_class(left) == pytest.approx([1])
    assert diversity.delta_by_class(left) == pytest.approx([1])
    assert diversity.delta_by_class(left, absent_counts=True).tolist() == [inf]
    assert diversity.equal_t_by_class(left.merged(np.array([0]), 1)) == pytest.approx([1 / 2])


def test_a_value_that_never_came_in_is_an_infinite_gain():
    left = spread_of("ac", reference=list("aabb"))

    assert diversity.basic_beta_by_class(left).tolist() == [inf]
    assert diversity.equal_t_by_class(left) == pytest.approx([1 / 2])


tables = st.lists(st.text("abcd", min_size=1, max_size=6), min_size=1, max_size=4)


@settings(max_examples=40, deadline=None)
@given(classes=tables)
def test_every_function_says_what_its_definition_says(classes):
    spread = spread_of(*classes)
    everyone = "".join(classes)
    share = {v: everyone.count(v) / len(everyone) for v in sorted(set(everyone))}
    for place, members in enumerate(classes):
        inside = {v: members.count(v) / len(members) for v in share}
        present = [v for v in share if inside[v]]
        counts = sorted((members.count(v) for v in present), reverse=True)
        gain = {v: (inside[v] - share[v]) / share[v] for v in share}
        bound = all(gain[v] <= -log(share[v]) + 1e-12 for v in share if gain[v] > 0)
        said = {
            "entropy": diversity.entropy_l_by_class(spread)[place],
            "recursive": diversity.recursive_c_by_class(spread, 2)[place],
            "equal": diversity.equal_t_by_class(spread)[place],
            "ordered": diversity.ordered_t_by_class(spread, list(share))[place],
            "hierarchical": diversity.hierarchical_t_by_class(spread, ILLS)[place],
            "delta": diversity.delta_by_class(spread)[place],
            "basic": diversity.basic_beta_by_class(spread)[place],
            "enhanced": diversity.enhanced_beta_by_class(spread)[place],
            "alpha": diversity.alpha_by_class(spread)[place],
        }
        assert said == pytest.approx(
            {
                "entropy": exp(-sum(inside[v] * log(inside[v]) for v in present)),
                "recursive": counts[0] / sum(counts[1:]) if len(counts) > 1 else inf,
                "equal": moved(inside, share, lambda a, b: float(a != b)),
                "ordered": moved(inside, share, ordered_distance(list(share))),
                "hierarchical": moved(inside, share, tree_distance),
                "delta": max(abs(log2(inside[v] / share[v])) for v in present),
                "basic": max(gain.values()),
                "enhanced": max(gain.values()) if bound else inf,
                "alpha": max(inside.values()),
            },
            abs=1e-9,
        )


def moved(here: dict, there: dict, distance) -> float:
    """The earth mover's distance, as the linear program that defines it."""
    values = list(here)
    cost = [distance(a, b) for a in values for b in values]
    leaves = [[float(a == v) for a in values for _ in values] for v in values]
    arrives = [[float(b == v) for _ in values for b in values] for v in values]
    solved = linprog(cost, A_eq=leaves + arrives, b_eq=[*here.values(), *there.values()])
    return solved.fun


def ordered_distance(order: list):
    return lambda a, b: abs(order.index(a) - order.index(b)) / max(len(order) - 1, 1)


def tree_distance(a: str, b: str) -> float:
    meeting = (level for level in range(4) if len(set(ILLS.labels([a, b], level=level))) == 1)
    return next(meeting) / 3


@settings(max_examples=20, deadline=None)
@given(classes=tables)
def test_a_table_is_as_good_as_its_worst_class(classes):
    spread = spread_of(*classes)
    order = sorted(set("".join(classes)))

    assert metrics.entropy_l(spread) == diversity.entropy_l_by_class(spread).min()
    assert metrics.ordered_t(spread, order=order) == diversity.ordered_t_by_class(spread, order).max()
    assert metrics.basic_beta(spread) <= metrics.enhanced_beta(spread)
    assert metrics.max_confidence(spread) == metrics.alpha(spread)
    assert all(a <= b for a, b in pairwise(metrics.recursive_c(spread, l=d) for d in (1, 2, 3)))
