"""Joined releases: who still hides among whom. Each table is a small town one can count by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import Unusable
from workbench.privacy.anonymity.composition import ABSENT, Joined, View


def view(classes, *, persons=None, households=None, periods=None):
    """A release in which the person at place i is in classes[i]; None: left out."""
    held = [place for place, name in enumerate(classes) if name is not None]
    names = sorted({classes[place] for place in held})

    def of(column):
        return None if column is None else [column[place] for place in held]

    return View(
        persons=of(persons or [f"P{place}" for place in range(len(classes))]),
        member=np.array([names.index(classes[place]) for place in held], dtype=np.int64),
        households=of(households),
        periods=of(periods),
    )


def test_two_releases_of_five_isolate_the_one_who_is_alone_in_both():
    """Fifteen children; five in each class of either release, and one pair of classes holds a single child."""
    first = view(list("aaaaabbbbbccccc"))
    second = view(list("yxxxxxyyyyzzzzz"))

    joined = Joined.of(second, [first])

    assert joined.k_children == 1
    lowered = joined.lowered_children(5)
    assert sorted(joined.classes.children[lowered]) == [1, 1, 4, 4]
    assert joined.people_in(lowered) == 10
    assert not joined.is_difference(lowered)


def test_the_same_classes_again_tell_nothing_new():
    first = view(list("aaaaabbbbb"))

    joined = Joined.of(view(list("xxxxxyyyyy")), [first, first])

    assert joined.k_children == 5
    assert not joined.lowered_children(5).any()


def test_a_release_below_k_by_itself_is_not_the_joins_doing():
    """The same small class twice: its own check says so; the join adds nothing."""
    joined = Joined.of(view(list("aabbbbb")), [view(list("aabbbbb"))])

    assert joined.k_children == 2
    assert not joined.lowered_children(5).any()


def test_difference_the_two_who_were_left_out_of_one_release_are_found_by_subtraction():
    first = view([*"aaaaa", None, None])
    second = view(list("xxxxxxx"))

    joined = Joined.of(second, [first])

    lowered = joined.lowered_children(5)
    assert joined.people_in(lowered) == 2
    assert joined.is_difference(lowered)
    # Whichever of the two releases came first.
    assert Joined.of(first, [second]).people_in(Joined.of(first, [second]).lowered_children(5)) == 2


def test_siblings_are_one_household():
    """Six children remain, of two households."""
    homes = ["H1"] * 3 + ["H2"] * 3 + [f"H{number}" for number in range(3, 13)]
    first = view([*"aaaaaaaaaaa", *[None] * 5], households=homes)
    second = view([*"xxxxxx", *[None] * 5, *"xxxxx"], households=homes)

    joined = Joined.of(second, [first])

    assert not joined.lowered_children(5).any()
    assert joined.lowered_households(5).sum() == 1
    assert joined.k_households == 2


def test_disjoint_parts_do_not_join():
    """Train and test hold different records: in a class of one, absent from the other."""
    first = view([*"aaaaa", None, None, None, None, None])
    second = view([None, None, None, None, None, *"aaaaa"])

    joined = Joined.of(second, [first])

    assert joined.k_children == 5
    assert joined.shared(1) == 0
    assert not joined.lowered_children(5).any()


def test_three_releases_isolate_whom_no_two_do():
    eight = [(a, b, c) for a in "01" for b in "01" for c in "01"]
    town = [person for person in eight for _ in range(3)]
    one, two, three = (view([person[place] for person in town]) for place in range(3))

    assert Joined.of(three, [one]).k_children == 6
    assert Joined.of(three, [one, two]).k_children == 3


def test_a_child_is_one_child_over_years():
    """Five rows of one child are no crowd, and another year's row is another record."""
    persons = ["P1"] * 3 + ["P2", "P3", "P4", "P5", "P6"]
    periods = ["2021", "2022", "2023", "2021", "2021", "2021", "2021", "2021"]
    first = view(list("aaaaaaaa"), persons=persons, periods=periods)
    second = view([*"xxx", *"xxxxx"], persons=persons, periods=["2022", "2023", "2024", *["2022"] * 5])

    joined = Joined.of(second, [first])

    # P1's 2022 and 2023 are in both releases, and alone there.
    assert joined.k_children == 1
    assert joined.people_in(joined.lowered_children(5)) == 1


def test_a_release_without_periods_joins_persons():
    first = view(list("aab"), persons=["P1", "P1", "P2"], periods=["2021", "2022", "2021"])
    second = view(list("xx"), persons=["P1", "P2"])

    joined = Joined.of(second, [first])

    assert len(joined.persons) == 2
    assert joined.k_children == 1


def test_over_years_the_classes_of_all_rows_of_a_child_are_one_thing_told():
    persons = [f"P{number}" for number in range(5)] * 2
    both = view([*"aaaaa", *"bbbbb"], persons=persons)

    assert Joined.of(both, [both]).k_children == 5
    assert (Joined.of(both, [view([*"aaaa"], persons=persons[:4])]).told[:, 0] != ABSENT).all()


def test_every_value_of_a_joined_class_may_be_one():
    """Two classes of mixed values, whose intersection holds the harmful one only."""
    first = view(list("aaaabbbb"))
    second = view(list("xxyyxxyy"))
    welfare = ["yes", "yes", "no", "no", "no", "no", "no", "yes"]

    joined = Joined.of(second, [first])
    fresh = joined.narrowed(new_tells=True, earlier_tell=True)

    assert fresh.all()
    assert joined.diversity(0, welfare, harmful=["yes"], among=fresh) == (1, 1.0)
    assert joined.diversity(0, welfare, harmful=["never"], among=fresh) == (None, 0.0)


def test_what_is_not_narrowed_is_not_judged_again():
    first = view(list("aaaa"))
    fresh = Joined.of(first, [first]).narrowed(new_tells=True, earlier_tell=True)

    assert not fresh.any()


def test_an_item_of_the_earlier_release_is_told_more_finely_by_a_finer_one():
    """The new release does not hold the item, and its smaller classes cut the earlier ones."""
    joined = Joined.of(view(list("xxyy")), [view(list("aaaa"))])

    assert joined.narrowed(new_tells=False, earlier_tell=True).all()
    assert not joined.narrowed(new_tells=True, earlier_tell=False).any()


def test_codes_that_do_not_fit_the_rows_are_unusable():
    with pytest.raises(Unusable):
        View(persons=["P1"], member=np.array([0, 0]))


def by_hand(releases):
    """For each person, how many are told the same of by all; the set semantics, one person at a time."""
    told = list(zip(*releases, strict=True))
    return [told.count(one) for one in told if any(name is not None for name in one)]


towns = st.integers(1, 12).flatmap(
    lambda people: st.lists(
        st.lists(st.sampled_from(["a", "b", None]), min_size=people, max_size=people), min_size=2, max_size=4
    )
)


@given(towns)
def test_the_join_counts_as_one_would_by_hand(releases):
    views = [view(classes) for classes in releases]

    joined = Joined.of(views[0], views[1:])

    assert joined.k_children == min(by_hand(releases), default=0)


@given(towns)
def test_a_further_release_never_adds_to_the_crowd(releases):
    """Whom the earlier releases hold, hides among no more people when another is known too."""
    fewer, more = by_hand(releases[:-1]), Joined.of(view(releases[-1]), [view(c) for c in releases[:-1]])

    assert not fewer or more.k_children <= min(fewer)


@given(towns)
def test_the_order_of_the_releases_changes_no_joined_class(releases):
    views = [view(classes) for classes in releases]

    there, back = Joined.of(views[0], views[1:]), Joined.of(views[-1], views[:-1][::-1])

    assert sorted(there.classes.children) == sorted(back.classes.children)
