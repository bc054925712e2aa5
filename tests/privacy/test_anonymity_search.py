"""The search finds what trying every combination finds, and never a table that breaks a limit."""

import itertools
import math
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from workbench.errors import NotFound, Unusable, Usage
from workbench.privacy.anonymity.classes import Classes
from workbench.privacy.anonymity.criteria import Sensitive
from workbench.privacy.anonymity.hierarchies import from_ladder, from_rows
from workbench.privacy.anonymity.lattice import Limits
from workbench.privacy.anonymity.metrics import distinct_l, k_children, k_households, max_confidence
from workbench.privacy.anonymity.search import Anonymised, NoneSatisfies, anonymise
from workbench.privacy.anonymity.spread import Spread

LADDERS = {
    "area": from_rows(
        "area", [["a", "north", "*"], ["b", "north", "*"], ["c", "south", "*"], ["d", "south", "*"]]
    ),
    "sex": from_rows("sex", [["f", "*"], ["m", "*"]]),
    "days": from_ladder(
        "days",
        [
            {"edges": [1, 5], "labels": ["0", "1-4", "5+"]},
            {"edges": [5], "labels": ["0-4", "5+"]},
            {"edges": [], "labels": ["*"]},
        ],
    ),
}
ITEMS = list(LADDERS)
HARMFUL = ["yes"]

people = st.lists(
    st.fixed_dictionaries(
        {
            "area": st.sampled_from(["a", "b", "c", "d", None]),
            "sex": st.sampled_from(["f", "m"]),
            "days": st.sampled_from([0, 1, 4, 5, 9, None]),
            "child": st.integers(0, 15),
            "home": st.integers(0, 9),
            "aid": st.sampled_from(["yes", "no", "no", None]),
            "group": st.booleans(),
        }
    ),
    min_size=1,
    max_size=40,
)
tasks = st.fixed_dictionaries(
    {
        "k": st.integers(1, 4),
        "k_households": st.integers(1, 3),
        "distinct_l": st.integers(1, 3),
        "max_confidence": st.sampled_from([0.3, 0.5, 0.8, 1.0]),
        "overall": st.sampled_from([0.0, 0.1, 0.3, 1.0]),
        "subgroup": st.sampled_from([0.0, 0.2, 1.0]),
        "mean": st.sampled_from(["geometric", "arithmetic"]),
    }
)


def run(rows: list[dict], task: dict) -> Anonymised | NoneSatisfies:
    frame = pd.DataFrame(rows)
    return anonymise(
        frame.drop(columns="group"),
        hierarchies=LADDERS,
        quasi_identifiers=ITEMS,
        k=task["k"],
        k_households=task["k_households"],
        persons="child",
        households="home",
        sensitive={
            "aid": Sensitive(
                harmful=HARMFUL, distinct_l=task["distinct_l"], max_confidence=task["max_confidence"]
            )
        },
        limits=Limits(
            overall=task["overall"], subgroup=task["subgroup"], subgroups={"group": frame["group"].to_numpy()}
        ),
        mean=task["mean"],
    )


# --- The same, by trying everything, in plain Python ---------------------------------------------------


def label(item: str, level: int, value: str | float | None) -> str:
    """Written out by hand, so that it shares nothing with the recoding."""
    if level == LADDERS[item].height:
        return "*"
    if pd.isna(value):
        return "missing"
    if item == "area" and level == 1:
        return "north" if value in "ab" else "south"
    if item == "days" and level:
        return {1: ["0", "1-4", "5+"], 2: ["0-4", "0-4", "5+"]}[level][(value >= 1) + (value >= 5)]
    return str(value)


def fails(members: list[dict], task: dict) -> bool:
    values = [row["aid"] for row in members]
    recorded = [value for value in values if value is not None]
    harm = recorded.count("yes")
    return (
        len({row["child"] for row in members}) < task["k"]
        or len({row["home"] for row in members}) < task["k_households"]
        or (harm > 0 and len(set(values)) < task["distinct_l"])
        or (harm > 0 and harm / len(recorded) > task["max_confidence"])
    )


def share(item: str, level: int, value: object, rows: list[dict]) -> float:
    """The share of the item's leaves that the value's label covers, stretched to 0 … 1."""
    observed = {row[item] for row in rows}
    leaves = (
        observed
        if item == "days"
        else {*(set("abcd") if item == "area" else set("fm")), *({None} & observed)}
    )
    if len(leaves) < 2:
        return 0.0
    covered = sum(label(item, level, leaf) == label(item, level, value) for leaf in leaves)
    return (covered / len(leaves) - 1 / len(leaves)) / (1 - 1 / len(leaves))


def lost(rows: list[dict], node: dict, bad: set[int], mean: str) -> float:
    per_item = [
        sum(1.0 if i in bad else share(item, level, row[item], rows) for i, row in enumerate(rows))
        / len(rows)
        for item, level in node.items()
    ]
    if mean == "arithmetic":
        return sum(per_item) / len(per_item)
    return math.prod(1 + loss for loss in per_item) ** (1 / len(per_item)) - 1


def try_everything(rows: list[dict], task: dict) -> float | None:
    """The least loss of all nodes that keep every limit."""
    best = None
    for levels in itertools.product(*(range(LADDERS[item].height + 1) for item in ITEMS)):
        node = dict(zip(ITEMS, levels, strict=True))
        classes = defaultdict(list)
        for i, row in enumerate(rows):
            classes[tuple(label(item, level, row[item]) for item, level in node.items())].append(i)
        bad = {i for members in classes.values() if fails([rows[i] for i in members], task) for i in members}
        group = [i for i, row in enumerate(rows) if row["group"]]
        kept_limits = len(bad) <= task["overall"] * len(rows) + 1e-9
        kept_limits &= sum(i in bad for i in group) <= task["subgroup"] * len(group) + 1e-9
        if kept_limits:
            loss = lost(rows, node, bad, task["mean"])
            best = loss if best is None else min(best, loss)
    return best


SPOILED = [  # an exempt class that a bad neighbour spoils: at l = 3 suppression grows with generalising
    *(
        {"area": "a", "sex": "f", "days": 0, "child": i, "home": i, "aid": "no", "group": False}
        for i in range(3)
    ),
    {"area": "b", "sex": "f", "days": 0, "child": 4, "home": 4, "aid": "yes", "group": True},
]
PLAIN = {"k": 1, "k_households": 1, "distinct_l": 3, "max_confidence": 1.0, "overall": 0.3, "subgroup": 1.0}


@settings(max_examples=80, deadline=None)
@given(rows=people, task=tasks)
@example(rows=SPOILED, task={**PLAIN, "mean": "geometric"})
def test_no_node_loses_less_than_the_one_found(rows, task):
    found, expected = run(rows, task), try_everything(rows, task)

    assert isinstance(found, NoneSatisfies) == (expected is None)
    if isinstance(found, Anonymised):
        assert found.loss == pytest.approx(expected, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(rows=people, task=tasks)
def test_what_leaves_keeps_every_limit(rows, task):
    """Measured on the table that leaves, by the metrics of the report."""
    found = run(rows, task)
    if isinstance(found, NoneSatisfies) or not len(found.frame):
        return

    kept = pd.DataFrame(rows)[found.kept]
    classes = Classes.of(found.frame, ITEMS, persons=kept["child"], households=kept["home"])
    spread = Spread.of(classes, found.frame["aid"], harmful=HARMFUL)
    assert k_children(classes) >= task["k"]
    assert k_households(classes) >= task["k_households"]
    assert (distinct_l(spread) or task["distinct_l"]) >= task["distinct_l"]
    assert max_confidence(spread) <= task["max_confidence"]


# --- Attacks ------------------------------------------------------------------------------------------


def city(rare: int, *, common: int = 97) -> pd.DataFrame:
    """Common children alike in each of two areas, and a few rare ones who are alone in theirs."""
    rows = [{"area": "ac"[i % 2], "sex": "f", "single": "no"} for i in range(common)]
    rows += [{"area": "bd"[i % 2], "sex": "m", "single": "yes"} for i in range(rare)]
    return pd.DataFrame(rows)


def deleted_among_single_parents(*, subgroup: float) -> float:
    frame = city(3)
    found = anonymise(
        frame,
        hierarchies=LADDERS,
        quasi_identifiers=["area", "sex"],
        k=5,
        limits=Limits(
            overall=0.05, subgroup=subgroup, subgroups={"single": (frame["single"] == "yes").to_numpy()}
        ),
    )
    assert found.suppressed["overall"].share <= 0.05
    return found.suppressed["single"].share


def test_an_average_hides_who_is_deleted():
    """3 % of all rows is within the limit, and is every child of a single parent."""
    assert deleted_among_single_parents(subgroup=1.0) == 1.0
    assert deleted_among_single_parents(subgroup=0.05) == 0.0


def test_a_large_family_is_not_a_crowd():
    """Six siblings, alike in everything, give k = 6 in children and 1 in households."""
    frame = pd.DataFrame({"area": ["a"] * 6 + ["b"] * 30, "home": [0] * 6 + list(range(1, 31))})
    ask = {"hierarchies": LADDERS, "quasi_identifiers": ["area"], "k": 5, "limits": Limits(overall=0.0)}

    in_children = anonymise(frame[["area"]], **ask)
    in_households = anonymise(frame, **ask, households="home")

    assert in_children.levels == {"area": 0}
    assert in_households.levels == {"area": 1}


def test_a_child_met_in_three_years_is_not_three_children():
    frame = pd.DataFrame({"area": ["a"] * 6 + ["b"] * 30, "child": [0, 1] * 3 + list(range(2, 32))})
    ask = {"hierarchies": LADDERS, "quasi_identifiers": ["area"], "k": 5, "limits": Limits(overall=0.0)}

    assert anonymise(frame, **ask, persons="child").levels == {"area": 1}


def test_missing_values_hide_nobody():
    """The one row without an area is a class of one."""
    frame = pd.DataFrame({"area": ["a"] * 5 + [None], "sex": ["f"] * 6})
    found = anonymise(
        frame, hierarchies=LADDERS, quasi_identifiers=["area", "sex"], k=2, limits=Limits(overall=0.5)
    )

    assert list(found.kept) == [True] * 5 + [False]


def test_where_an_item_is_generalised_away_a_missing_value_is_too():
    """Told apart from '*', it would be the one thing left to see."""
    frame = pd.DataFrame({"area": ["a"] * 5 + [None] * 5, "sex": ["f"] * 10})
    found = anonymise(
        frame, hierarchies=LADDERS, quasi_identifiers=["area", "sex"], k=8, limits=Limits(overall=0.0)
    )

    assert set(found.frame["area"]) == {"*"}


def test_a_class_where_all_have_the_harmful_value_does_not_leave():
    frame = pd.DataFrame({"area": ["a"] * 5 + ["b"] * 20, "aid": ["yes"] * 5 + ["no"] * 20})
    found = anonymise(
        frame,
        hierarchies=LADDERS,
        quasi_identifiers=["area"],
        k=5,
        sensitive={"aid": Sensitive(harmful=["yes"], distinct_l=2)},
        limits=Limits(overall=0.5),
    )

    assert set(found.frame["aid"]) == {"no"} or found.levels["area"] > 0


def test_persons_and_households_do_not_leave_with_the_table():
    frame = pd.DataFrame({"child": range(6), "home": range(6), "area": ["a"] * 6})
    found = anonymise(
        frame,
        hierarchies=LADDERS,
        quasi_identifiers=["area"],
        k=5,
        persons="child",
        households="home",
        limits=Limits(overall=0.0),
    )

    assert list(found.frame.columns) == ["area"]
    assert list(found.spec["items"]) == ["area"]
    assert list(found.frame.index) == list(range(6))


# --- What a caller may ask ----------------------------------------------------------------------------


def test_a_fixed_item_is_generalised_before_anything_is_measured():
    """The harmful value is named as it leaves: the lowest band, not an amount."""
    frame = pd.DataFrame({"area": ["a"] * 6 + ["b"] * 6, "days": [9] * 6 + [0, 1] * 3})
    found = anonymise(
        frame,
        hierarchies=LADDERS,
        quasi_identifiers=["area"],
        k=5,
        fixed={"days": 2},
        sensitive={"days": Sensitive(harmful=["5+"], distinct_l=2)},
        limits=Limits(overall=0.0),
    )

    assert found.levels == {"area": 1}
    assert set(found.frame["days"]) == {"0-4", "5+"}
    assert found.spec["items"]["days"]["edges"] == [5]


def test_levels_can_be_narrowed():
    frame = pd.DataFrame({"area": ["a"] * 9, "sex": ["f"] * 9})
    found = anonymise(
        frame,
        hierarchies=LADDERS,
        quasi_identifiers=["area", "sex"],
        k=2,
        levels={"area": (1, 1)},
        limits=Limits(overall=0.0),
    )

    assert found.levels == {"area": 1, "sex": 0}
    assert set(found.frame["area"]) == {"north"}


def test_when_nothing_satisfies_the_nearest_node_and_the_broken_limits_are_told():
    frame = city(3)
    found = anonymise(
        frame,
        hierarchies=LADDERS,
        quasi_identifiers=["area", "sex"],
        k=5,
        levels={"sex": (0, 0)},
        limits=Limits(
            overall=0.05, subgroup=0.05, subgroups={"single": (frame["single"] == "yes").to_numpy()}
        ),
    )

    assert isinstance(found, NoneSatisfies)
    assert [excess.group for excess in found.broken] == ["single"]
    assert found.broken[0].share == 1.0
    assert "'single'" in found.refusal().en
    assert "single" in found.refusal().ja


def test_the_nearest_node_is_not_the_coarsest_where_a_finer_one_deletes_less():
    """Together 8 of 14 have the harmful value; apart, only the half where all have it has to go."""
    frame = pd.DataFrame({"area": ["a"] * 6 + ["c"] * 8, "aid": ["yes"] * 6 + ["yes"] * 2 + ["no"] * 6})
    found = anonymise(
        frame,
        hierarchies=LADDERS,
        quasi_identifiers=["area"],
        k=2,
        sensitive={"aid": Sensitive(harmful=["yes"], max_confidence=0.5)},
        limits=Limits(overall=0.1),
    )

    assert isinstance(found, NoneSatisfies)
    assert found.levels == {"area": 0}
    assert found.suppressed["overall"].rows == 6


def test_progress_is_told_and_ends_within_the_lattice():
    told: list[tuple[int, int]] = []
    anonymise(
        city(9),
        hierarchies=LADDERS,
        quasi_identifiers=["area", "sex"],
        k=5,
        limits=Limits(overall=0.0),
        progress=lambda settled, nodes: told.append((settled, nodes)),
    )

    assert told
    assert all(0 < settled <= nodes == 6 for settled, nodes in told)


def test_the_order_of_rows_changes_neither_levels_nor_who_is_suppressed():
    frame = city(5)
    shuffled = frame.sample(frac=1, random_state=7)
    ask = {
        "hierarchies": LADDERS,
        "quasi_identifiers": ["area", "sex"],
        "k": 4,
        "limits": Limits(overall=0.05),
    }

    one, other = anonymise(frame, **ask), anonymise(shuffled, **ask)

    assert (one.levels, one.loss) == (other.levels, other.loss)
    assert (one.kept[shuffled.index] == other.kept).all()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"quasi_identifiers": ["height"]}, Unusable),
        ({"quasi_identifiers": ["single"]}, NotFound),
        ({"quasi_identifiers": []}, Usage),
        ({"levels": {"area": (0, 7)}}, Usage),
        ({"limits": Limits(overall=0.1, subgroups={"s": np.ones(3, dtype=bool)})}, Usage),
        ({"limits": Limits(overall=0.1, subgroups={"s": np.ones(100)})}, Usage),
        ({"fixed": {"single": 1}}, NotFound),
    ],
    ids=[
        "no such column",
        "no hierarchy",
        "no item",
        "no such level",
        "a short mask",
        "no mask",
        "fixed without",
    ],
)
def test_what_cannot_be_asked_is_said(change, error):
    ask = {"hierarchies": LADDERS, "quasi_identifiers": ["area"], "k": 2, "limits": Limits(overall=0.1)}

    with pytest.raises(error):
        anonymise(city(3), **{**ask, **change})


@pytest.mark.parametrize(
    "asked", [{"quasi_identifiers": ["area"]}, {"quasi_identifiers": ["sex"], "fixed": {"area": 1}}]
)
def test_a_value_without_a_label_is_unusable_and_not_quoted(asked):
    """Recoded as unseen, all such values would look alike and make a class of their own."""
    frame = pd.DataFrame({"area": ["a"] * 9 + ["nowhere"], "sex": ["f"] * 10})

    with pytest.raises(Unusable, match="10 行目") as caught:
        anonymise(frame, **{"hierarchies": LADDERS, "k": 2, "limits": Limits(overall=0.5), **asked})
    assert "nowhere" not in caught.value.ja + caught.value.en


def test_an_empty_table_is_unusable():
    with pytest.raises(Unusable):
        anonymise(
            city(3).head(0), hierarchies=LADDERS, quasi_identifiers=["area"], k=2, limits=Limits(overall=0.1)
        )


def test_too_many_combinations_are_refused_before_any_is_tried():
    tall = {f"item{i}": from_rows(f"item{i}", [["x", *"abcdefghi"], ["y", *"abcdefghi"]]) for i in range(8)}
    frame = pd.DataFrame({name: ["x", "y"] for name in tall})

    with pytest.raises(Usage, match="100,000,000"):
        anonymise(frame, hierarchies=tall, quasi_identifiers=list(tall), k=2, limits=Limits(overall=0.1))
