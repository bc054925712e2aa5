"""Households, then their children: one unit, one loss, siblings in order, children as their household is."""

import numpy as np
import pandas as pd
import pytest

from workbench.data.constraints import broken, constraints_of
from workbench.errors import Unusable
from workbench.privacy.synthesis import dp_tree, households
from workbench.privacy.synthesis.columns import Column, bounded
from workbench.privacy.synthesis.interface import Task
from workbench.privacy.synthesis.synthesisers import loss_within

HOMES = {"welfare": Column(labels=("yes", "no")), "district": Column(labels=("north", "south"))}
CHILDREN = {
    "grade": Column(minimum=0, maximum=12),
    "age": Column(minimum=0, maximum=17),
    "birth_order": Column(minimum=1, maximum=9),
    "absent": Column(minimum=0, maximum=366),
    "aid": Column(labels=("yes", "no")),
}
CONSTRAINTS = constraints_of(
    [
        {"difference": {"of": "age", "from": "grade", "minimum": 5, "maximum": 6}},
        {"never": {"welfare": ["no"], "aid": ["yes"]}},
        {"siblings": {"order": "birth_order", "age": "age", "household": "home"}},
    ]
)


def tables(homes: int = 2000, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    draw = np.random.default_rng(seed)
    welfare = draw.random(homes) < 0.3
    parents = pd.DataFrame(
        {
            "home": np.arange(homes),
            "welfare": np.where(welfare, "yes", "no"),
            "district": draw.choice(["north", "south"], homes),
        }
    )
    home = np.repeat(np.arange(homes), np.where(welfare, 3, 1))
    grade = draw.integers(0, 13, len(home))
    children = pd.DataFrame(
        {
            "home": home,
            "grade": grade,
            "age": (grade + draw.integers(5, 7, len(home))).clip(0, 17),
            "absent": draw.poisson(np.where(welfare[home], 30, 3)),
            "aid": np.where(welfare[home] & (draw.random(len(home)) < 0.8), "yes", "no"),
        }
    )
    order = children.groupby("home")["age"].rank(method="first", ascending=False).astype(int)
    return parents, children.assign(birth_order=order)


def fitted(homes=None, *, epsilon: float = 5.0, most: int = 3, **more) -> households.Fitted:
    parents, children = tables() if homes is None else homes
    return households.fit(
        Task(frame=parents, columns=HOMES),
        Task(
            frame=children,
            columns=CHILDREN,
            targets=("aid",),
            most=most,
            loss=loss_within(epsilon),
            constraints=CONSTRAINTS,
            **more,
        ),
        key="home",
    )


@pytest.fixture(scope="module")
def made():
    return fitted().sample(1500, order=np.random.default_rng(0))


def test_children_are_as_their_household_is(made):
    homes, children = made
    joined = children.merge(homes, on="home")
    number = children.groupby("home").size().reindex(homes["home"]).fillna(0)
    absent = joined.groupby("welfare")["absent"].mean()

    assert absent["yes"] > 3 * absent["no"]
    assert number[(homes["welfare"] == "yes").to_numpy()].mean() > 2.5
    assert number[(homes["welfare"] == "no").to_numpy()].mean() < 1.5


def test_no_constraint_is_broken_across_the_two_tables(made):
    homes, children = made
    joined = children.merge(homes, on="home")

    assert not broken(joined, constraints=CONSTRAINTS).any()
    assert set(children["home"]) <= set(homes["home"])


def test_both_tables_lie_in_the_public_domain(made):
    homes, children = made

    pd.testing.assert_frame_equal(homes[list(HOMES)], bounded(homes, columns=HOMES))
    pd.testing.assert_frame_equal(children[list(CHILDREN)], bounded(children, columns=CHILDREN))


class Recorder:
    def __init__(self, told=None):
        self.calls, self.told, self.back = [], [], None if told is None else iter(told)

    def __call__(self, mechanism, exact, *, demonstration=None):
        self.calls.append((mechanism, np.array(exact, dtype=float)))
        choice = mechanism.kind is not dp_tree.Draw.GAUSSIAN
        self.told.append(next(self.back) if self.back else int(np.argmin(exact)) if choice else list(exact))
        return self.told[-1]


def of_nine(parents, children):
    """A household with two rows of its own and nine children."""
    more = pd.DataFrame([{"home": 999, "welfare": "yes", "district": "north"}] * 2)
    nine = pd.DataFrame([{"home": 999, "grade": 3, "age": 9, "absent": 366, "aid": "yes"}] * 9)
    return (parents, children), (pd.concat([parents, more]), pd.concat([children, nine]))


def of_nobody(parents, children):
    """A household row without a key, and sixty children whose household nobody knows."""
    parents, children = parents.astype({"home": object}), children.astype({"home": object})
    children.loc[children.index[:60], "home"] = None
    more = pd.DataFrame([{"home": None, "welfare": "yes", "district": "north"}])
    return (parents, children), (pd.concat([parents, more]), children)


@pytest.mark.parametrize("neighbours", [of_nine, of_nobody])
def test_attack_a_household_of_many_moves_either_table_beyond_its_noise(monkeypatch, neighbours):
    """In both tables what one household moves is covered."""
    calls = []
    for one in neighbours(*tables(300)):
        recorder = Recorder(calls[0].told if calls else None)
        monkeypatch.setattr(dp_tree, "draw", recorder)
        fitted(one)
        calls.append(recorder)

    moved = [
        (np.abs(a - b).max() if m.kind is dp_tree.Draw.GUMBEL_MIN else np.linalg.norm(a - b), m.sensitivity)
        for (m, a), (_, b) in zip(calls[0].calls, calls[1].calls, strict=True)
    ]
    assert [m for m, _ in calls[0].calls] == [m for m, _ in calls[1].calls]
    assert all(distance <= bound for distance, bound in moved)
    assert {bound for _, bound in moved} == {1, 3}
    spent = sum(mechanism.cost.rho for mechanism, _ in calls[0].calls)
    assert spent <= loss_within(5.0).at_most


def test_a_demonstration_repeats():
    one, other = (fitted(demonstration=b"x").sample(20, order=np.random.default_rng(0)) for _ in range(2))

    pd.testing.assert_frame_equal(one[1], other[1])


def test_an_item_of_both_tables_is_refused():
    parents, children = tables(10)

    with pytest.raises(Unusable):
        households.fit(
            Task(frame=parents, columns=HOMES),
            Task(frame=children, columns=CHILDREN | HOMES, loss=loss_within(1.0)),
            key="home",
        )
