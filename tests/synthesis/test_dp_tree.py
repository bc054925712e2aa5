"""
The target-aware tree: each look's sensitivity on neighbours, the purse, the public cells, what it learns.

Neighbours differ by one household. What was drawn for one table is played back for the other, so that any
difference in the calls is a leak, and the exact values are compared in the distance their noise was made for.
"""

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from workbench.data.constraints import broken, constraints_of
from workbench.errors import Unusable
from workbench.privacy.dp.accounting import Budget, holds
from workbench.privacy.dp.noise import Draw
from workbench.privacy.synthesis import dp_tree, private_tree, tree_model
from workbench.privacy.synthesis.cells import cells_of
from workbench.privacy.synthesis.columns import Column, bounded
from workbench.privacy.synthesis.interface import Task
from workbench.privacy.synthesis.synthesisers import DELTA, fit, loss_within, synthesise
from workbench.privacy.synthesis.tree_model import Tree

COLUMNS = {
    "age": Column(minimum=0, maximum=17),
    "absent": Column(minimum=0, maximum=366, cuts=(10, 30)),
    "score": Column(minimum=20, maximum=80, whole=False),
    "district": Column(labels=("north", "south", "west")),
    "welfare": Column(labels=("yes", "no")),
    "flag": Column(labels=("yes", "no")),
    "carer": Column(labels=("yes", "no")),
}
TARGETS = ("flag", "carer")


def children(households: int = 400, seed: int = 0) -> pd.DataFrame:
    """Children whose target follows from absence and welfare, and whose absence follows from the district."""
    draw = np.random.default_rng(seed)
    home = np.repeat(np.arange(households), draw.integers(1, 4, households))
    rows = len(home)
    district = draw.choice(["north", "south", "west"], rows)
    absent = draw.poisson(np.where(district == "west", 25, 4))
    welfare = draw.random(rows) < 0.15
    flag = draw.random(rows) < 0.05 + 0.4 * (absent > 20) + 0.2 * welfare
    return pd.DataFrame(
        {
            "age": pd.array(draw.integers(0, 18, rows), dtype="Int64"),
            "absent": pd.array(absent, dtype="Int64"),
            "score": draw.normal(50, 10, rows).clip(20, 80),
            "district": district,
            "welfare": np.where(welfare, "yes", "no"),
            "flag": np.where(flag, "yes", "no"),
            "carer": np.where(draw.random(rows) < 0.1, "yes", "no"),
            "home": home,
        }
    )


def task(frame: pd.DataFrame, *, epsilon: float = 1.0, most: int = 2, **more) -> Task:
    return Task(
        frame=frame[list(COLUMNS)].reset_index(drop=True),
        columns=COLUMNS,
        targets=TARGETS,
        households=frame["home"].reset_index(drop=True),
        most=most,
        loss=loss_within(epsilon),
        **more,
    )


class Recorder:
    """Stands in the place of the one door: notes every call, and plays back what another table was told."""

    def __init__(self, told=None):
        self.calls, self.told = [], [] if told is None else list(told)
        self.back = iter(self.told) if told is not None else None

    def __call__(self, mechanism, exact, *, demonstration=None):
        self.calls.append((mechanism, tuple(exact)))
        if self.back is not None:
            return next(self.back)
        generator = np.random.default_rng(len(self.calls))
        noisy = np.array(exact) + np.rint(generator.normal(0, mechanism.scale, len(exact)))
        answer = int(noisy.argmin()) if mechanism.kind is Draw.GUMBEL_MIN else noisy.astype(int).tolist()
        self.told.append(answer)
        return answer


def recorded(monkeypatch, given_task: Task, told=None) -> Recorder:
    recorder = Recorder(told)
    monkeypatch.setattr(dp_tree, "draw", recorder)
    private_tree.tree(given_task)
    return recorder


# Households that try to move what they should not: many children, all alike; nobody known; beyond every range.
ADVERSARIES = {
    "ten alike": pd.DataFrame([{"age": 3, "absent": 366, "district": "west", "welfare": "yes", "flag": "yes", "carer": "yes"}] * 10),
    "unknown": pd.DataFrame([dict.fromkeys(COLUMNS)] * 2),
    "beyond": pd.DataFrame([{"age": 10**12, "absent": float("inf"), "score": float("nan"), "district": "a name"}] * 3),
    "text for numbers": pd.DataFrame([{"age": "seventeen", "absent": "", "score": "NaN"}] * 2),
}  # fmt: skip


def neighbours(adversary: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    table = children(60)
    more = adversary.reindex(columns=list(COLUMNS)).astype(object).assign(home=10_000)
    return table, pd.concat([table.astype(object), more], ignore_index=True)


def furthest(calls, others) -> list[tuple[float, float]]:
    """For each draw: how far the exact values of two tables are apart in the noise's distance, and the bound."""
    found = []
    for (mechanism, exact), (_, other) in zip(calls, others, strict=True):
        apart = np.abs(np.array(exact, dtype=float) - np.array(other, dtype=float))
        distance = apart.max() if mechanism.kind is Draw.GUMBEL_MIN else np.sqrt((apart**2).sum())
        found.append((float(distance), mechanism.sensitivity))
    return found


@pytest.mark.parametrize("name", ADVERSARIES)
@pytest.mark.parametrize("most", [1, 2])
def test_attack_a_household_moves_what_is_drawn_or_how(monkeypatch, name, most):
    """The same looks in the same order for both tables, and none moves by more than its noise covers."""
    table, more = neighbours(ADVERSARIES[name])

    one = recorded(monkeypatch, task(table, most=most))
    other = recorded(monkeypatch, task(more, most=most), told=one.told)

    assert [(m, len(e)) for m, e in one.calls] == [(m, len(e)) for m, e in other.calls]
    assert all(distance <= bound for distance, bound in furthest(one.calls, other.calls))
    assert max(distance for distance, _ in furthest(one.calls, other.calls)) > 0


def test_attack_rows_beyond_the_bound_are_learnt_from(monkeypatch):
    """Without bounding a household of ten alike moves a count by ten: the test above would see it."""
    table, more = neighbours(ADVERSARIES["ten alike"])
    one = recorded(monkeypatch, task(table))
    unbound = task(more.assign(home=None))
    other = recorded(monkeypatch, unbound, told=one.told)

    assert max(distance - bound for distance, bound in furthest(one.calls, other.calls)) > 0


@pytest.mark.parametrize("epsilon", [0.1, 1, 10])
def test_what_all_looks_cost_is_within_the_promise(monkeypatch, epsilon):
    """By the privacy maps of the measurements, summed, and turned into (ε, δ) by another module."""
    wanted = task(children(60), epsilon=epsilon)
    recorder = recorded(monkeypatch, wanted)

    spent = sum(mechanism.cost.rho for mechanism, _ in recorder.calls)

    assert 0.99 * wanted.loss.amount < spent <= wanted.loss.at_most
    assert holds(Budget(int(epsilon * 1e6), 3 * int(DELTA * 1e15)), {wanted.loss: 1})


def test_attack_a_look_more_than_was_paid_for():
    purse = dp_tree.Purse(0.02, most=1)
    scale = purse.scale(share=1.0, looks=1)
    purse.counts(np.array([1, 2]), scale=scale)

    with pytest.raises(AssertionError):
        purse.counts(np.array([1, 2]), scale=scale)


def test_attack_noise_repeats_with_the_seed():
    """A seed decides the sample; were it to decide the noise, two tables' difference would show through."""
    table = children(60)
    same = dict(columns=COLUMNS, targets=TARGETS, method="dp-tree", epsilon=1.0, rows=50, seed=1)  # noqa: C408

    assert not synthesise(table[list(COLUMNS)], **same).equals(synthesise(table[list(COLUMNS)], **same))


def test_a_demonstration_repeats_and_its_bytes_decide():
    def made(source: bytes) -> pd.DataFrame:
        fitted = fit("dp-tree", task(children(60), demonstration=source))
        return fitted.sample(50, order=np.random.default_rng(0))

    pd.testing.assert_frame_equal(made(b"one"), made(b"one"))
    assert not made(b"one").equals(made(b"two"))


# ------------------------------------------------------------------ public cells, whatever the data

anything = st.one_of(
    st.none(),
    st.integers(-(10**9), 10**9),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=3),
    st.sampled_from(["yes", "no", "north"]),
)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.fixed_dictionaries(dict.fromkeys(COLUMNS, anything)), max_size=6))
def test_rows_lie_in_the_public_domain_whatever_the_data(rows):
    frame = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)

    made = synthesise(frame, columns=COLUMNS, targets=TARGETS, method="dp-tree", epsilon=1.0, rows=40, seed=3)

    assert list(made.columns) == list(COLUMNS)
    pd.testing.assert_frame_equal(made, bounded(made, columns=COLUMNS))
    for name, column in COLUMNS.items():
        present = made[name].dropna()
        assert (
            present.isin(column.labels).all()
            if column.labels
            else present.between(column.minimum, column.maximum).all()
        )


def test_adding_a_household_never_changes_the_schema():
    tables = [frame for adversary in ADVERSARIES.values() for frame in neighbours(adversary)]
    schemas = {
        tuple(fit("dp-tree", task(one)).sample(30, order=np.random.default_rng(0)).dtypes.items())
        for one in tables
    }

    assert len(schemas) == 1


@pytest.mark.parametrize("name", COLUMNS)
def test_a_value_comes_back_in_the_cell_it_was_put_in(name):
    cell = cells_of(COLUMNS)[name]
    codes = np.repeat(np.arange(len(cell)), 50)

    back = cell.encode(cell.decode(codes, order=np.random.default_rng(0)))

    # A number rounded to its tenth may step over the edge of its interval.
    assert (np.abs(back - codes) <= (0 if COLUMNS[name].whole else 1)).all()


def test_cells_follow_from_the_register_alone():
    cells = cells_of(COLUMNS)

    assert cells["absent"].edges == (0, 10, 30, 50, 70, 100, 150, 200, 300, 366)
    assert len(cells["age"]) == 18 + 1
    assert {len(cells[name]) for name in ("flag", "carer", "welfare")} == {3}


def test_a_number_without_a_range_cannot_be_cut():
    with pytest.raises(Unusable):
        cells_of({"income": Column(minimum=0)})


# ------------------------------------------------------------------ what it learns


@pytest.fixture(scope="module")
def learnt() -> pd.DataFrame:
    return fit("dp-tree", task(children(4000), epsilon=3.0)).sample(8000, order=np.random.default_rng(1))


def test_each_target_keeps_its_share_and_what_goes_with_it(learnt):
    real = children(4000)
    for target in TARGETS:
        assert (learnt[target] == "yes").mean() == pytest.approx((real[target] == "yes").mean(), abs=0.03)
    rates = [
        table.groupby("welfare")["flag"].agg(lambda flag: (flag == "yes").mean()) for table in (real, learnt)
    ]
    assert rates[1]["yes"] - rates[1]["no"] == pytest.approx(rates[0]["yes"] - rates[0]["no"], abs=0.08)


def test_what_items_add_to_each_other_beyond_the_target_is_kept(learnt):
    often = learnt[learnt["flag"] == "no"].groupby("district")["absent"].mean()

    assert often["west"] > 2 * often["north"]


def test_the_number_of_rows_is_noisy_and_near():
    counts = {fit("dp-tree", task(children(400))).rows for _ in range(4)}

    assert len(counts) > 1
    assert all(abs(count - 700) < 250 for count in counts)


def test_without_targets_the_tree_stands_on_the_items_alone():
    made = synthesise(
        children()[list(COLUMNS)], columns=COLUMNS, method="dp-tree", epsilon=5.0, rows=500, seed=1
    )

    assert set(made["district"].dropna()) == {"north", "south", "west"}


def test_too_many_combinations_of_targets_are_refused():
    columns = {f"t{n}": Column(labels=("a", "b", "c")) for n in range(8)}
    frame = pd.DataFrame({name: ["a", "b"] for name in columns})

    with pytest.raises(Unusable):
        synthesise(frame, columns=columns, targets=list(columns), method="dp-tree", epsilon=1.0, seed=1)


def test_a_private_method_without_a_loss_is_refused():
    with pytest.raises(Unusable):
        synthesise(children()[list(COLUMNS)], columns=COLUMNS, method="dp-tree", seed=1)


CONSTRAINTS = constraints_of(
    [
        {"never": {"age": {"maximum": 5}, "absent": "present"}},
        {"never": {"district": ["north"], "welfare": ["yes"]}},
    ]
)


@pytest.mark.parametrize("epsilon", [0.1, 3])
def test_a_constraint_is_never_broken(epsilon):
    """The source breaks them in many rows; the made rows do not. (Noise enough leaves a tree none that does.)"""
    asked = task(children(), epsilon=epsilon, constraints=CONSTRAINTS, demonstration=b"repeats")
    fitted = fit("dp-tree", asked)
    made = fitted.sample(700, order=np.random.default_rng(0))

    assert len(made) == 700
    assert not broken(made, constraints=CONSTRAINTS).any()


def test_constraints_that_nothing_can_keep_are_said_to_be_so():
    never = constraints_of([{"never": {"flag": ["yes", "no"]}}, {"never": {"flag": "missing"}}])

    with pytest.raises(Unusable):
        fit("dp-tree", task(children(), constraints=never)).sample(10, order=np.random.default_rng(0))


# ------------------------------------------------------------------ the model's laws

counts = arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(2, 6)), elements=st.floats(-50, 50))


@given(counts, st.floats(1, 100))
def test_projected_counts_can_exist_and_are_the_nearest(noisy, total):
    totals = np.full(len(noisy), total)
    found = tree_model.projected(noisy, total=totals)

    assert (found >= 0).all()
    assert found.sum(axis=1) == pytest.approx(totals)
    # No step towards another such point brings it nearer to the noisy counts.
    other = np.full_like(noisy, total / noisy.shape[1])
    assert (((noisy - found) * (other - found)).sum(axis=1) <= 1e-6 * (1 + np.abs(noisy).sum())).all()


@given(counts)
def test_shrinking_stays_between_what_was_seen_and_what_was_expected(noisy):
    towards = np.zeros_like(noisy)

    assert (np.abs(tree_model.shrunk(noisy, towards=towards, noise=3.0)) <= np.abs(noisy)).all()
    assert (
        np.abs(tree_model.shrunk(noisy, towards=towards, noise=0.0)) >= np.abs(noisy) * (1 - 1e-9) - 1e-6
    ).all()


def some_tree(seed: int = 0) -> Tree:
    draw = np.random.default_rng(seed)

    def chances(*shape: int) -> np.ndarray:
        table = draw.random(shape) ** 3
        return table / table.sum(axis=-1, keepdims=True)

    given_ = {"a": chances(2, 3), "b": chances(2, 3, 2), "c": chances(2, 2, 3), "d": chances(2, 3, 2)}
    return Tree(chances(2), {"a": None, "b": "a", "c": "b", "d": "a"}, given_)


def joint(tree: Tree) -> np.ndarray:
    """The chance of every class and combination of cells, by going through all of them."""
    g = tree.given
    return np.einsum("k,ka,kab,kbc,kad->kabcd", tree.chances, g["a"], g["b"], g["c"], g["d"])


@pytest.mark.parametrize("fixed", [(), ("c",), ("a", "d"), ("b",), ("d", "c"), ("a", "b", "c", "d")])
def test_sampling_given_some_items_is_sampling_from_the_conditional(fixed):
    tree, rows = some_tree(), 40_000
    whole = joint(tree).sum(axis=0)
    order = np.random.default_rng(1)
    held = SimpleNamespace(a=2, b=1, c=0, d=1)
    codes = {name: np.full(rows, getattr(held, name)) for name in fixed}

    _, made = tree_model.sample(tree, rows, order=order, fixed=codes)

    place = tuple(getattr(held, name) if name in fixed else slice(None) for name in "abcd")
    expected = whole[place] / whole[place].sum()
    free = [name for name in "abcd" if name not in fixed]
    if free:
        found = np.zeros(expected.shape)
        np.add.at(found, tuple(made[name] for name in free), 1 / rows)
        assert np.abs(found - expected).sum() < 0.05
    assert all((made[name] == codes[name]).all() for name in fixed)


@given(st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=8))
def test_every_item_has_its_place_parents_first(pairs):
    names = [str(n) for n in range(6)]
    forest = []
    group = {name: name for name in names}
    for one, other in pairs:
        if group[str(one)] != group[str(other)]:
            forest.append((str(one), str(other)))
            old = group[str(other)]
            group = {name: group[str(one)] if of == old else of for name, of in group.items()}
    parents = tree_model.rooted(names, forest)

    assert set(parents) == set(names)
    seen = set()
    for item, parent in parents.items():
        assert parent is None or parent in seen
        seen.add(item)
    assert sum(parent is not None for parent in parents.values()) == len(forest)


def test_a_rare_class_borrows_how_items_go_together_from_the_common_one():
    """Twenty rows cannot tell an association through noise of 30; ten thousand of the other class can."""
    parent = np.array([[5000.0, 5000.0], [10.0, 10.0]])
    item = np.array([[5000.0, 5000.0], [10.0, 10.0]])
    exact = np.array([[[4500.0, 500.0], [500.0, 4500.0]], [[9.0, 1.0], [1.0, 9.0]]])
    noise = np.random.default_rng(0).normal(0, 30, exact.shape)

    chances = tree_model.conditional(exact + noise, item=item, parent=parent, noise=30.0)

    assert chances[1, 0, 0] > 0.75
    assert chances[1, 1, 1] > 0.75


def test_the_tree_spans_all_items_once(monkeypatch):
    recorder = recorded(monkeypatch, task(children(60)))
    choices = [len(exact) for mechanism, exact in recorder.calls if mechanism.kind is Draw.GUMBEL_MIN]
    items = len(COLUMNS) - len(TARGETS)

    assert len(choices) == items - 1
    assert choices[0] == len(list(itertools.combinations(range(items), 2)))


@pytest.mark.parametrize("beside", [None, "x", 7.5])
def test_attack_how_other_households_are_written_changes_nothing_for_one(beside):
    homes = np.repeat(np.arange(60), 5)
    alone = dp_tree.bounded(pd.Series(homes), most=2, entropy=1)
    together = dp_tree.bounded(pd.Series([*homes, beside]), most=2, entropy=1)

    assert alone.tolist() == together[:300].tolist()
