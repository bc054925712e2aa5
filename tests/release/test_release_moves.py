"""The table of moves: every state, every move, and nothing else."""

import itertools

import pytest

from workbench.errors import Refused
from workbench.release.moves import FINAL, LABELS, MOVES, Action, State, after, diagram


def test_every_state_is_final_or_has_a_way_out():
    leaving = {state for state, _ in MOVES}

    assert leaving | FINAL == set(State)
    assert not leaving & FINAL


def test_every_state_can_be_reached_from_a_draft():
    reached = {State.DRAFT}
    for _ in State:
        reached |= {then for (state, _), (then, _) in MOVES.items() if state in reached}

    assert reached == set(State)


def test_every_action_is_somewhere_in_the_table():
    assert {action for _, action in MOVES} == set(Action)


def test_every_state_has_a_name_in_both_languages():
    assert set(LABELS) == set(State)


@pytest.mark.parametrize(("state", "action"), list(itertools.product(State, Action)))
def test_a_move_that_is_not_in_the_table_is_refused(state, action):
    if (state, action) in MOVES:
        assert after(state, action=action, request="R-1") is MOVES[state, action][0]
        return
    with pytest.raises(Refused, match="R-1"):
        after(state, action=action, request="R-1")


def test_admission_is_reached_only_through_review():
    into = {state for (state, _), (then, _) in MOVES.items() if then in (State.ADMITTING, State.ADMITTED)}

    assert into == {State.IN_REVIEW, State.ADMITTING}


def test_the_diagram_shows_every_move():
    assert len(diagram().splitlines()) == len(MOVES) + 1
