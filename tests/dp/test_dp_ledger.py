"""The ledger cannot be raced, and forgets nothing."""

import subprocess
import sys
import threading

import pytest

from workbench.errors import Refused
from workbench.home import Home
from workbench.privacy.dp.ledger import Ledger
from workbench.privacy.dp.questions import MICRO
from workbench.state import State

QUESTION = {"kind": "histogram", "item": "sex", "by": None, "epsilon": "0.3"}


@pytest.fixture
def home(tmp_path):
    return Home.create(tmp_path / "home")


def charge(ledger: Ledger, *, micro: int = 300_000, analyst: str = "aoki") -> bool:
    try:
        with ledger.charge("raw", micro=micro, analyst=analyst, question=QUESTION):
            return True
    except Refused:
        return False


def test_attack_many_threads_race_for_the_last_of_the_budget(home):
    """Forty threads meet at a barrier and ask for 0.3 of 1.0: three are paid."""
    state = State.open(home)
    Ledger(state).grant("raw", micro=MICRO, granted_by="workbench")
    barrier, paid = threading.Barrier(40), []

    def ask() -> None:
        barrier.wait()
        paid.append(charge(Ledger(state)))

    threads = [threading.Thread(target=ask) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(paid) == 3


def test_attack_two_analysts_compare_notes(home):
    """The budget is the dataset's: another name is not another budget."""
    ledger = Ledger(State.open(home))
    ledger.grant("raw", micro=400_000, granted_by="workbench")

    assert [charge(ledger, analyst=name) for name in ("aoki", "baba")] == [True, False]


def test_attack_a_kill_between_charge_and_answer_refunds_nothing(home):
    ledger = Ledger(State.open(home))
    ledger.grant("raw", micro=MICRO, granted_by="workbench")
    killed = f"""
import os, pathlib
from workbench.home import Home
from workbench.privacy.dp.ledger import Ledger
from workbench.state import State
with Ledger(State.open(Home.open(pathlib.Path({str(home.path)!r})))).charge(
    "raw", micro=300_000, analyst="aoki", question={QUESTION!r}
):
    os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", killed]).returncode == -9

    assert Ledger(State.open(home)).balance("raw").remaining == 700_000


@pytest.mark.parametrize("micro", [0, -1])
def test_attack_a_charge_of_nothing_or_less(home, micro):
    ledger = Ledger(State.open(home))
    ledger.grant("raw", micro=MICRO, granted_by="workbench")

    assert not charge(ledger, micro=micro)


def test_every_charge_is_in_the_log(home):
    state = State.open(home)
    ledger = Ledger(state)
    ledger.grant("raw", micro=MICRO, granted_by="workbench")
    charge(ledger)

    events = [record["event"] for record in state.log.records()]
    assert events[-3:] == ["budget.granted", "question.reserved", "question.settled"]
