"""The split and the measures of a release, as laws and against counting by hand."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.privacy.anonymity.classes import Classes
from workbench.release import measures
from workbench.release.split import Part, apart, assign, families, held

KEY = bytes(32)
rows = st.lists(
    st.tuples(
        st.sampled_from("abcdefgh"), st.sampled_from(["1", "2", "3", "4", None]), st.integers(2020, 2023)
    ),
    min_size=1,
    max_size=40,
)


def frame_of(made):
    frame = pd.DataFrame(made, columns=["child", "home", "fy"])
    return frame.assign(target=np.where(frame["fy"] == 2023, None, "no"))


def split(frame, *, key=KEY, share=0.3, targets=("target",), time="fy"):
    return assign(
        frame, person="child", household="home", time=time, targets=targets, test_share=share, key=key
    )


@given(made=rows, key=st.binary(min_size=32, max_size=32))
@settings(deadline=None, max_examples=40)
def test_no_child_and_no_household_is_in_both_parts(made, key):
    frame = frame_of(made)
    part = split(frame, key=key)

    for who in ("child", "home"):
        known = frame[frame[who].notna()]
        held = {p: set(known.loc[part[known.index] == p, who]) for p in ("train", "test")}
        assert not held["train"] & held["test"]


@given(made=rows)
@settings(deadline=None, max_examples=40)
def test_test_is_later_than_train_and_both_have_a_known_target(made):
    frame = frame_of(made)
    part = split(frame)

    train, test = frame[part == "train"], frame[part == "test"]
    assert train["target"].notna().all()
    assert test["target"].notna().all()
    if len(train) and len(test):
        assert train["fy"].max() < test["fy"].min()


@given(made=rows, key=st.binary(min_size=32, max_size=32))
@settings(deadline=None, max_examples=40)
def test_the_split_is_a_function_of_rows_and_key(made, key):
    frame = frame_of(made)

    assert split(frame, key=key).equals(split(frame.copy(), key=key))


def test_a_child_who_moves_joins_both_households():
    frame = pd.DataFrame({"child": ["a", "a", "b", "c"], "home": ["1", "2", "2", "3"], "fy": 2020})

    groups = families(frame, person="child", household="home")

    assert groups[0] == groups[1] == groups[2] != groups[3]


def test_rows_without_a_household_do_not_belong_together():
    frame = pd.DataFrame({"child": ["a", "b"], "home": [None, None], "fy": 2020})

    assert len(set(families(frame, person="child", household="home"))) == 2


def test_a_table_without_persons_households_or_time_is_split_by_rows():
    frame = pd.DataFrame({"x": range(9000)})

    part = assign(frame, person=None, household=None, time=None, targets=(), test_share=1 / 3, key=KEY)

    assert set(part) == {Part.TRAIN, Part.TEST}
    assert 2700 < (part == Part.TEST).sum() < 3300


@pytest.mark.parametrize("share", [1e-12, 0.25, 1 - 1e-12])
def test_as_many_households_are_held_back_as_was_asked_for(share):
    frame = pd.DataFrame({"child": range(4000), "home": range(4000)})

    back = held(frame, person="child", household="home", test_share=share, key=KEY)

    assert abs(back.mean() - share) < 0.05


@given(made=rows, key=st.binary(min_size=32, max_size=32), gone=st.sampled_from(["1", "2", "3", "4"]))
@settings(deadline=None, max_examples=60)
def test_attack_a_household_that_comes_or_goes_moves_nobody_else(made, key, gone):
    """Whoever is learnt from is so whatever the others are: nothing about one is read off another's side."""
    frame = frame_of(made)
    drawn = {"person": "child", "household": "home", "test_share": 0.5, "key": key}
    others = frame["home"] != gone

    back = held(frame, **drawn)
    without = held(frame[others].reset_index(drop=True), **drawn)

    assert back[others].tolist() == without.tolist()


@given(made=rows, late=st.sampled_from([2022, 2024, 2042]))
@settings(deadline=None, max_examples=40)
def test_attack_a_household_of_another_year_moves_nobody_elses_years(made, late):
    """Where the charter names the period that is tested on, a row that came early moves no other into training."""
    frame = frame_of(made)
    stranger = pd.DataFrame([{"child": "z", "home": "9", "fy": late, "target": "yes"}])
    drawn = {"person": "child", "household": "home", "time": "fy", "targets": ("target",), "test_share": 0.3}

    alone = assign(frame, **drawn, key=KEY, period=2022)
    beside = assign(pd.concat([frame, stranger], ignore_index=True), **drawn, key=KEY, period=2022)

    assert alone.tolist() == beside[: len(frame)].tolist()
    assert set(frame.loc[alone == Part.TEST, "fy"]) <= {2022}
    assert (frame.loc[alone == Part.TRAIN, "fy"] < 2022).all()


@pytest.mark.parametrize("beside", [None, "x", 7.5])
def test_attack_how_the_others_are_written_moves_nobody(beside):
    """A number beside a missing one or a word is another type in the table, and the same household."""
    frame = pd.DataFrame({"child": range(300), "home": range(300)})
    longer = pd.DataFrame({"child": [*range(300), 300], "home": [*range(300), beside]})
    drawn = {"person": "child", "household": "home", "test_share": 0.5, "key": KEY}

    assert held(frame, **drawn).tolist() == held(longer, **drawn)[:300].tolist()


def test_a_child_who_moves_between_the_sides_is_learnt_from_and_not_tested_on():
    homes = [str(number) for number in range(40)]
    alone = pd.DataFrame({"child": homes, "home": homes, "fy": 2020, "target": "no"})
    drawn = {"person": "child", "household": "home"}
    back = held(alone, **drawn, test_share=0.5, key=KEY)
    learnt, tested = homes[list(back).index(False)], homes[list(back).index(True)]
    moved = pd.concat([alone, alone[alone["home"] == tested].assign(child=learnt)], ignore_index=True)

    part = split(moved, time=None, share=0.5)

    assert set(part[moved["home"] == learnt]) == {Part.TRAIN}
    assert set(part[moved["home"] == tested]) == {Part.OUTSIDE}
    assert part[: len(alone)][alone["home"] != tested].equals(
        split(alone, time=None, share=0.5)[alone["home"] != tested]
    )
    both = held(moved, **drawn, test_share=0.5, key=KEY)
    assert set(moved["home"][both & ~apart(moved, both, **drawn)]) == {tested}


def test_two_keys_split_differently():
    frame = pd.DataFrame({"child": range(100), "home": range(100), "fy": 2020, "target": "no"})

    assert not split(frame, time=None).equals(split(frame, time=None, key=bytes([1] * 32)))


# ---------------------------------------------------------------- order


def test_a_thousand_honest_shuffles_leave_no_trace():
    draw = np.random.default_rng(3)

    strongest = max(abs(trace) for _ in range(1000) for trace in measures.order_traces(draw.permutation(500)))

    assert strongest < 4.5


@pytest.mark.parametrize(
    "order",
    [
        np.arange(300),
        np.arange(300)[::-1],
        np.concatenate([np.arange(150, 300), np.arange(150)]),
        np.lexsort((np.arange(300), np.arange(300) % 4)),
    ],
)
def test_every_order_that_follows_the_source_leaves_a_trace(order):
    assert max(map(abs, measures.order_traces(order))) > 4


def test_too_few_rows_have_no_order():
    assert measures.order_traces(np.array([1, 0])) == (0.0, 0.0)


# ---------------------------------------------------------------- keys, loss, guesses


def release_of(**columns):
    """As much of a release as a measure reads."""
    frame = pd.DataFrame(columns)
    return SimpleNamespace(
        released=frame.drop(columns="person"),
        columns=[name for name in frame if name != "person"],
        persons=frame["person"],
        source=frame,
        origin=np.arange(len(frame)),
    )


def test_a_code_per_person_is_a_key_even_over_several_rows():
    people = [f"p{n // 3}" for n in range(30)]
    release = release_of(
        person=people, key=[f"k{p}" for p in people], year=[n % 3 for n in range(30)], sex="m"
    )

    assert measures.person_keys(release) == ["key"]


def test_a_key_for_most_people_is_a_key():
    people = [f"p{n}" for n in range(30)]
    release = release_of(person=people, key=[p if n > 8 else "none" for n, p in enumerate(people)])

    assert measures.person_keys(release) == ["key"]


@given(labels=st.lists(st.sampled_from("xyz"), min_size=1, max_size=30))
@settings(deadline=None, max_examples=40)
def test_loss_is_nothing_for_what_is_kept_and_everything_for_one_label(labels):
    release = release_of(person=range(len(labels)), item=labels)
    assert measures.loss("item", release) == 0.0

    release.released = release.released.assign(item="*")
    assert measures.loss("item", release) == (1.0 if len(set(labels)) > 1 else 0.0)


def test_loss_by_hand():
    """Four values; two of them joined: their rows cover a third of the way, the others nothing."""
    release = release_of(person=range(4), item=["a", "b", "c", "d"])
    release.released = pd.DataFrame({"item": ["ab", "ab", "c", "d"]})

    assert measures.loss("item", release) == pytest.approx((1 / 3 + 1 / 3) / 4)


def test_guesses_by_hand():
    frame = pd.DataFrame({"q": ["x"] * 4 + ["y"] * 4, "s": ["1", "1", "1", "2", "2", "2", "2", "1"]})
    classes = Classes.of(frame, ["q"])

    assert measures.guess_rates(frame["s"], classes) == (0.5, 0.75)
