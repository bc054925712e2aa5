"""Laws that hold for every table: what generalising, joining classes and moving rows can and cannot do."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.privacy.anonymity import diversity, metrics
from workbench.privacy.anonymity.classes import Classes
from workbench.privacy.anonymity.missing import k_in_both_readings
from workbench.privacy.anonymity.population import Matched, k_map
from workbench.privacy.anonymity.risk.attackers import journalist, prosecutor
from workbench.privacy.anonymity.spread import Spread

ITEMS = ["area", "grade"]
rows = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", None]),
        st.sampled_from([1, 2, 3, None]),
        st.integers(0, 11),
        st.integers(0, 5),
        st.sampled_from(["yes", "no", "some", None]),
    ),
    min_size=1,
    max_size=30,
)
# A coarser label for each area; missing may join another or stay what it is.
coarser = st.fixed_dictionaries({area: st.sampled_from(["p", "q", None]) for area in ("a", "b", "c", None)})


def framed(people) -> pd.DataFrame:
    return pd.DataFrame(people, columns=[*ITEMS, "child", "home", "aid"], dtype=object)


def generalised(frame: pd.DataFrame, labels) -> pd.DataFrame:
    return frame.assign(area=[labels[None if pd.isna(area) else area] for area in frame["area"]])


def classes_of(frame: pd.DataFrame) -> Classes:
    return Classes.of(frame, ITEMS, persons="child", households="home")


@settings(max_examples=60, deadline=None)
@given(people=rows, labels=coarser)
def test_generalising_never_lowers_k_where_nobody_is_suppressed(people, labels):
    fine = framed(people)
    coarse = generalised(fine, labels)
    before, after = classes_of(fine), classes_of(coarse)

    assert metrics.k_children(after) >= metrics.k_children(before)
    assert metrics.k_households(after) >= metrics.k_households(before)
    assert metrics.sample_uniques(after) <= metrics.sample_uniques(before)
    assert metrics.average_class_risk(after) <= metrics.average_class_risk(before) + 1e-12
    assert prosecutor(after).highest <= prosecutor(before).highest


@settings(max_examples=40, deadline=None)
@given(people=rows, labels=coarser)
def test_generalising_table_and_population_alike_never_lowers_k_map(people, labels):
    everyone = framed(people)
    table = everyone.iloc[::2]
    before = Matched.of(table, everyone, ITEMS)
    after = Matched.of(generalised(table, labels), generalised(everyone, labels), ITEMS)

    assert k_map(after) >= k_map(before)
    assert journalist(after).highest <= journalist(before).highest


def test_suppressing_a_row_can_lower_k():
    """Why the law says: where nobody is suppressed."""
    frame = framed([("a", 1, child, child, "no") for child in range(3)])

    assert metrics.k_children(classes_of(frame)) == 3
    assert metrics.k_children(classes_of(frame.iloc[1:])) == 2


# measures that the worse of two classes bounds when they join, and whether low or high is worse
CONVEX = {
    "values": (diversity.values_in_class, min),
    "entropy": (diversity.entropy_l_by_class, min),
    "recursive": (lambda s: diversity.recursive_c_by_class(s, 2), max),
    "equal": (diversity.equal_t_by_class, max),
    "ordered": (lambda s: diversity.ordered_t_by_class(s, ["no", "some", "yes", "(missing)"]), max),
    "basic beta": (diversity.basic_beta_by_class, max),
    "enhanced beta": (diversity.enhanced_beta_by_class, max),
    "alpha": (diversity.alpha_by_class, max),
}


@pytest.mark.parametrize(("measure", "worse"), CONVEX.values(), ids=CONVEX)
@settings(max_examples=25, deadline=None)
@given(people=rows)
def test_classes_that_join_are_no_worse_than_the_worst_of_them(measure, worse, people):
    frame = framed(people)
    spread = Spread.of(classes_of(frame), frame["aid"], harmful=["yes", "no", "some", "(missing)"])
    joined = spread.merged(np.zeros(spread.classes, dtype=np.int64), 1)
    worst, together = worse(measure(spread)), float(measure(joined)[0])

    slack = 1e-9 if np.isfinite(worst) else 0
    assert together >= worst - slack if worse is min else together <= worst + slack


def test_delta_that_passes_over_absent_values_can_grow_when_classes_join():
    """No law: a class of one value is at log2 of its share, and joining brings in a rarer one."""
    frame = pd.DataFrame({"x": list("AAAAAAAABCCCCCCC"), "aid": list("nnnnnnnnynnynnyy")})
    spread = Spread.of(Classes.of(frame, ["x"]), frame["aid"])
    apart = diversity.delta_by_class(spread)
    joined = diversity.delta_by_class(spread.merged(np.array([0, 0, 1]), 2))

    assert joined[0] > apart[0]


@settings(max_examples=40, deadline=None)
@given(people=rows, order=st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_no_number(people, order):
    frame = framed(people)
    places = list(range(len(people)))
    order.shuffle(places)
    moved = frame.iloc[places]

    assert numbers(moved) == pytest.approx(numbers(frame))


def numbers(frame: pd.DataFrame) -> dict[str, float]:
    classes = classes_of(frame)
    spread = Spread.of(classes, frame["aid"])
    return {
        "k": metrics.k_children(classes),
        "households": metrics.k_households(classes),
        "uniques": metrics.sample_uniques(classes),
        "average": metrics.average_class_risk(classes),
        "below": metrics.share_below(classes, k=3),
        "l": metrics.plain_distinct_l(spread),
        "entropy": metrics.entropy_l(spread),
        "t": metrics.t_closeness(spread),
        "beta": metrics.basic_beta(spread),
        "delta": metrics.delta_disclosure(spread),
        "penalty": metrics.classification_penalty(spread),
        "wildcard": k_in_both_readings(frame, ITEMS).wildcard,
    }


@settings(max_examples=60, deadline=None)
@given(people=rows)
def test_the_numbers_of_a_table_are_those_of_their_definitions(people):
    frame = framed(people)
    groups: dict[tuple, list] = {}
    for area, grade, child, home, aid in people:
        groups.setdefault((area, grade), []).append((child, home, aid))
    children = [len({child for child, *_ in group}) for group in groups.values()]
    total = len(people)
    share = {aid: [row[4] for row in people].count(aid) / total for aid in {row[4] for row in people}}
    inside = [
        {aid: [a for *_, a in group].count(aid) / len(group) for aid in {a for *_, a in group}}
        for group in groups.values()
    ]
    risks = [len(group) / c for group, c in zip(groups.values(), children, strict=True)]
    said = numbers(frame)
    said.pop("wildcard")

    assert said == pytest.approx(
        {
            "k": min(children),
            "households": min(len({home for _, home, _ in group}) for group in groups.values()),
            "uniques": children.count(1),
            "average": sum(risks) / total,
            "below": sum(len(g) for g, c in zip(groups.values(), children, strict=True) if c < 3) / total,
            "l": min(len(shares) for shares in inside),
            "entropy": min(np.exp(-sum(p * np.log(p) for p in shares.values())) for shares in inside),
            "t": max(sum(abs(shares.get(a, 0) - share[a]) for a in share) / 2 for shares in inside),
            "beta": max(max((shares[a] - share[a]) / share[a] for a in shares) for shares in inside),
            "delta": max(max(abs(np.log2(shares[a] / share[a])) for a in shares) for shares in inside),
            "penalty": 1
            - sum(max(s.values()) * len(g) for s, g in zip(inside, groups.values(), strict=True)) / total,
        },
        abs=1e-9,
    )
