"""The door to a kernel for who is not trained: closed when the session opens, and at each start after."""

from datetime import UTC, datetime

import pytest

from workbench.artifact.keys import KeyRing
from workbench.errors import Refused
from workbench.governance.keys import create_key
from workbench.governance.settings import adopt_policy
from workbench.governance.training import Kind, Trainings
from workbench.lab.opening import open_session as open_room
from workbench.lab.run import run_notebook


@pytest.fixture
def strict(office, state):
    adopt_policy(state, profile="strict", actor="sato")
    return office


def train(office, state):
    for person in ("oka", "mori"):
        create_key(office, state, f"person:{person}", actor="oka")
    trainings, keys, now = Trainings(office, state), KeyRing.of(office), datetime.now(UTC)
    trainings.train(
        "mori", Kind.GENERAL, on=now.date(), actor="oka", signer=keys.signer("person:oka"), now=now
    )
    trainings.undertake("mori", signer=keys.signer("person:mori"), now=now)


def refused(state):
    return [record for record in state.log.records() if record["event"] == "kernel.refused"]


def test_attack_a_session_without_training(strict, state):
    with pytest.raises(Refused, match="研修") as error:
        open_room(strict, state, analyst="mori", project="attendance")

    assert error.value.exit_code == 10
    assert refused(state)[-1]["details"]["protection"] == "training"


def test_with_training_the_session_opens(strict, state):
    train(strict, state)

    open_room(strict, state, analyst="mori", project="attendance").close()


def test_attack_a_kernel_in_a_session_that_outlasts_the_training(office, state, open_session, notebook):
    session = open_session(analyst="mori", project="attendance")
    adopt_policy(state, profile="strict", actor="sato")

    with pytest.raises(Refused, match="研修"):
        run_notebook(notebook("print(1)"), session, name="a.ipynb")

    assert "kernel.started" not in [record["event"] for record in state.log.records()]
    assert len(refused(state)) == 1
