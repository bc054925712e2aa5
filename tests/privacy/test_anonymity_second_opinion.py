"""pycanon agrees with us wherever it is right, and is given only what it is right on."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.privacy.anonymity.classes import Classes
from workbench.privacy.anonymity.metrics import (
    distinct_l,
    k_children,
    k_households,
    plain_distinct_l,
    t_closeness,
)
from workbench.privacy.anonymity.second_opinion import second_opinion
from workbench.privacy.anonymity.spread import Spread

frames = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", None]),
        st.sampled_from([1, 2, None]),
        st.integers(0, 9),
        st.integers(0, 6),
        st.sampled_from(["yes", "no", None]),
    ),
    min_size=1,
    max_size=40,
).map(lambda rows: pd.DataFrame(rows, columns=["area", "grade", "child", "home", "aid"]))


@settings(max_examples=60, deadline=None)
@given(frame=frames, harmful=st.sampled_from([None, ("yes",), ("yes", "no"), ("(missing)",)]))
def test_pycanon_says_the_same(frame, harmful):
    said = second_opinion(
        frame,
        quasi_identifiers=["area", "grade"],
        sensitive={"aid": harmful},
        persons="child",
        households="home",
        closeness=["aid"],
    )
    classes = Classes.of(frame, ["area", "grade"], persons="child", households="home")

    assert said.k_children == k_children(classes)
    assert said.k_households == k_households(classes)
    assert said.distinct_l == {"aid": distinct_l(Spread.of(classes, frame["aid"], harmful=harmful))}
    assert said.t_closeness == {"aid": pytest.approx(t_closeness(Spread.of(classes, frame["aid"])))}


@settings(max_examples=30, deadline=None)
@given(frame=frames)
def test_pycanon_says_the_same_of_plain_distinct_l(frame):
    """Every value named, missing among them: nothing is exempt."""
    said = second_opinion(frame, quasi_identifiers=["area"], sensitive={"aid": ["yes", "no", "(missing)"]})

    spread = Spread.of(Classes.of(frame, ["area"]), frame["aid"])
    assert said.distinct_l["aid"] == plain_distinct_l(spread)


# name: (frame, the right k, the right l): each is a published fault of pycanon on input as it stands
FAULTS = {
    "missing quasi-identifiers are dropped": (
        pd.DataFrame({"area": ["x", "x", "x", None], "aid": ["yes", "no", "yes", "no"]}),
        1,
        1,
    ),
    "labels of the index are taken for positions": (
        pd.DataFrame({"area": ["x", "x", "y", "y"], "aid": ["yes", "yes", "no", "yes"]}, index=[0, 2, 1, 3]),
        2,
        1,
    ),
    "a filtered frame": (
        pd.DataFrame({"area": ["x", "x"], "aid": ["yes", "no"]}, index=[10, 20]),
        2,
        2,
    ),
    "an unobserved category": (
        pd.DataFrame(
            {
                "area": pd.Categorical(["x", "x"], categories=["x", "never"]),
                "aid": pd.Categorical(["yes", "no"]),
            }
        ),
        2,
        2,
    ),
    "missing among the sensitive values": (
        pd.DataFrame({"area": ["x", "x"], "aid": ["yes", None]}),
        2,
        2,
    ),
    "numbers": (pd.DataFrame({"area": [1.0, 1.0], "aid": [0, 1]}), 2, 2),
}


@pytest.mark.parametrize(("frame", "k", "l_"), FAULTS.values(), ids=FAULTS)
def test_pycanon_is_not_given_what_it_is_wrong_on(frame, k, l_):
    said = second_opinion(frame, quasi_identifiers=["area"], sensitive={"aid": None})

    assert (said.k_children, said.distinct_l) == (k, {"aid": l_})


def test_an_empty_table_has_k_0():
    said = second_opinion(
        pd.DataFrame({"area": [], "aid": []}),
        quasi_identifiers=["area"],
        sensitive={"aid": None},
        closeness=["aid"],
    )

    assert (said.k_children, said.k_households, said.distinct_l) == (0, None, {"aid": None})
    assert said.t_closeness == {"aid": 0}


def test_codes_are_asked_for_as_categories_not_as_ordered_numbers():
    """As numbers 1 and 3 would be twice as far apart as 1 and 2."""
    frame = pd.DataFrame({"area": ["x", "y", "z"], "code": [1, 2, 3]})
    said = second_opinion(frame, quasi_identifiers=["area"], closeness=["code"])

    assert said.t_closeness == {"code": pytest.approx(2 / 3)}


def test_a_sensitive_item_may_be_a_quasi_identifier_too():
    frame = pd.DataFrame({"foreign": ["yes", "yes", "no", "no"], "area": ["x"] * 4})
    said = second_opinion(frame, quasi_identifiers=["foreign", "area"], sensitive={"foreign": ["yes"]})

    assert said.distinct_l == {"foreign": 1}
    assert np.isclose(said.k_children, 2)
