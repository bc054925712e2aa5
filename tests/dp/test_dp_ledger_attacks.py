"""What is tried against the ledger: races, kills, other names, amounts that are none, replays, old years, its rows."""

import json
import math
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from datetime import date

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from workbench.cli import workbench
from workbench.errors import NotFound, Refused, Untrusted, Unusable
from workbench.governance.people import People, Person, Role
from workbench.home import Home
from workbench.privacy.dp.accounting import Budget
from workbench.privacy.dp.ledger import Ledger
from workbench.privacy.dp.ledger_rows import CHARGES
from workbench.privacy.dp.loss import FEMTO, MICRO, Loss
from workbench.privacy.dp.terms import Use
from workbench.release import budgets
from workbench.state import State

pytestmark = pytest.mark.attack

QUESTION = {"kind": "histogram", "item": "sex", "by": None, "epsilon": "0.3"}
PROCESSES, THREADS = 4, 50
DAY = date(2026, 11, 23)


@pytest.fixture
def home(tmp_path):
    return Home.create(tmp_path / "home")


def opened(home, **kwargs) -> Ledger:
    return Ledger(State.open(home), **kwargs)


def charge(ledger, loss=None, *, analyst="aoki", purpose="attendance", use=Use.QUESTION) -> bool:
    """Whether the charge was taken; anything but a refusal is raised."""
    try:
        with ledger.charge(
            "raw",
            loss=loss or Loss.pure(0.3),
            analyst=analyst,
            purpose=purpose,
            question=QUESTION,
            use=use,
        ):
            return True
    except Refused:
        return False


def granted(home, micro=MICRO, femto=0) -> Ledger:
    ledger = opened(home)
    ledger.grant("raw", micro=micro, femto=femto, granted_by="workbench")
    return ledger


# ------------------------------------------------------------------ races


def at_once(ledger, asks: int) -> list[bool]:
    """Threads that meet at a barrier and ask."""
    barrier, paid = threading.Barrier(asks), list[bool]()

    def ask() -> None:
        barrier.wait()
        paid.append(charge(ledger))

    threads = [threading.Thread(target=ask) for _ in range(asks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return paid


def ask_at_once(home, go, told) -> None:
    ledger = opened(home)
    go.wait()
    told.put(at_once(ledger, THREADS))


def die_first(home, go, place) -> None:
    """Ask before everybody else, and be killed (kill -9) at `place` while they all ask."""

    def die(*_, **__) -> None:
        go.set()
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(Ledger, place, die)
    charge(opened(home))


def race(home, *, dies=None) -> int:
    """Two hundred threads in four processes ask for 0.3 of 1.0: how many are answered."""
    granted(home)
    context = multiprocessing.get_context("fork")
    go, told = context.Event(), context.Queue()
    children = [context.Process(target=ask_at_once, args=(home, go, told)) for _ in range(PROCESSES)]
    if dies is not None:
        children.append(context.Process(target=die_first, args=(home, go, dies)))
    for child in children:
        child.start()
    if dies is None:
        go.set()
    paid = [told.get(timeout=500) for _ in range(PROCESSES)]
    for child in children:
        child.join()
    codes = [child.exitcode for child in children]
    assert codes == [0] * PROCESSES + [-signal.SIGKILL] * (dies is not None)
    assert [len(answers) for answers in paid] == [THREADS] * PROCESSES
    return sum(map(sum, paid))


def reserved(home) -> int:
    """The charges that were neither settled nor kept."""
    with State.open(home).reading() as connection:
        query = sa.select(sa.func.count()).where(CHARGES.c.status == "reserved")
        return int(connection.execute(query).scalar_one())


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def database(request, monkeypatch):
    """Both databases, one after the other."""
    if request.param == "postgresql":
        monkeypatch.setenv("WORKBENCH_STATE_URL", request.getfixturevalue("postgresql"))


@pytest.mark.slow
@pytest.mark.parametrize("again", range(2))
def test_attack_two_hundred_threads_in_four_processes_race(database, home, again):
    assert race(home) == 3
    assert opened(home).balance("raw").remaining == 100_000
    assert opened(home).otherwise(State.open(home).log.records()) == []


# `_warn` is inside the transaction that takes the charge; `_close` is after it, and after the answer.
@pytest.mark.slow
@pytest.mark.parametrize("dies", ["_warn", "_close"])
def test_attack_a_process_is_killed_in_the_middle_of_the_race(database, home, dies):
    """A charge that was taken stays taken, and one that was not leaves nothing behind."""
    answered = race(home, dies=dies)

    assert (answered, reserved(home)) == ((3, 0) if dies == "_warn" else (2, 1))
    assert opened(home).balance("raw").remaining == 100_000
    assert opened(home).otherwise(State.open(home).log.records()) == []


def test_attack_forty_threads_race_for_the_last_of_the_budget(home):
    granted(home)

    assert sum(at_once(opened(home), 40)) == 3


def test_attack_two_officers_race_to_grant_beyond_the_policy(home):
    """Each grant is within it; together they are not."""
    state, barrier, taken = State.open(home), threading.Barrier(12), list[bool]()

    def grant() -> None:
        barrier.wait()
        try:
            budgets.grant(State.open(home), "raw", epsilon=0.3, delta=0, by="workbench")
            taken.append(True)
        except Refused:
            taken.append(False)

    threads = [threading.Thread(target=grant) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(taken) == 3
    assert Ledger(state).balance("raw").granted == 900_000


# ------------------------------------------------------------------ failures and kills


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit, MemoryError])
def test_attack_a_question_made_to_fail_is_not_free(home, failure):
    ledger = granted(home)

    def ask() -> None:
        with ledger.charge(
            "raw", loss=Loss.pure(0.3), analyst="aoki", purpose="attendance", question=QUESTION
        ):
            raise failure

    with pytest.raises(failure):
        ask()

    assert ledger.balance("raw").remaining == 700_000
    assert State.open(home).log.records()[-1]["event"] == "question.kept"


def test_attack_failing_questions_use_up_the_budget_like_any_other(home):
    ledger, answered = granted(home), 0
    for _ in range(5):
        try:
            with ledger.charge(
                "raw", loss=Loss.pure(0.3), analyst="aoki", purpose="attendance", question=QUESTION
            ):
                answered += 1
                raise ZeroDivisionError
        except (Refused, ZeroDivisionError):
            continue

    assert answered == 3


def test_attack_a_kill_between_charge_and_answer_refunds_nothing(home):
    granted(home)
    script = f"""
import os, pathlib
from workbench.home import Home
from workbench.privacy.dp.ledger import Ledger
from workbench.privacy.dp.loss import Loss
from workbench.state import State
with Ledger(State.open(Home.open(pathlib.Path({str(home.path)!r})))).charge(
    "raw", loss=Loss.pure(0.3), analyst="aoki", purpose="attendance", question={QUESTION!r}
):
    os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", script]).returncode == -9

    assert opened(home).balance("raw").remaining == 700_000
    assert opened(home).otherwise(State.open(home).log.records()) == []


# ------------------------------------------------------------------ more than one's own


def test_attack_two_analysts_compare_notes(home):
    """
    One asks about everybody, the other about everybody but one family: the difference is paid for once.

    The budget is the dataset's, so what the two hold together never exceeds it, whatever their shares.
    """
    ledger = granted(home)
    for name in ("aoki", "baba"):
        ledger.share("raw", budget=Budget(700_000), analyst=name, granted_by="workbench")

    paid = [charge(ledger, analyst=name) for name in ("aoki", "baba") * 3]

    assert paid == [True, True, True, False, False, False]


@pytest.mark.parametrize("other", ["AOKI", "aoki ", "", "release:aoki", "baba"])
def test_attack_another_name_is_not_another_budget(home, other):
    ledger = granted(home)
    ledger.share("raw", budget=Budget(300_000), analyst="aoki", granted_by="workbench")
    assert charge(ledger)

    assert not charge(ledger, analyst=other)


@pytest.mark.parametrize("other", ["poverty", "", "attendance "])
def test_attack_another_purpose_is_not_another_budget(home, other):
    ledger = granted(home)
    ledger.share("raw", budget=Budget(300_000), purpose="attendance", granted_by="workbench")
    assert charge(ledger)

    assert not charge(ledger, purpose=other)


def test_attack_another_use_is_not_another_budget(home):
    ledger = granted(home)

    assert [charge(ledger, use=use) for use in Use] == [True, True, True, False, False]


def test_attack_a_request_is_replayed(home):
    """The same question is another draw of noise, and averaging its answers would undo it: each is paid for."""
    ledger = granted(home)

    assert [charge(ledger) for _ in range(4)] == [True, True, True, False]
    assert ledger.balance("raw").naive == 900_000


def test_attack_thousands_of_crumbs(home):
    """Many questions of nearly nothing are composed, not forgotten."""
    ledger, crumb = granted(home, femto=FEMTO // 10**4), Loss.pure(0.05)
    most = ledger.how_many_more("raw", crumb, analyst="aoki", purpose="attendance")

    assert most > 20  # more than their sum would allow
    assert sum(charge(ledger, crumb) for _ in range(most + 5)) == most
    assert not charge(ledger, crumb)
    assert ledger.balance("raw").spent <= MICRO


def test_attack_an_analyst_grants_and_shares(home):
    people, ledger = People(State.open(home)), granted(home)
    people.add(Person(f"p-{Role.MANAGER}", "P", Role.MANAGER, "section"))
    for role in set(Role) - {Role.MANAGER}:
        people.add(Person(f"p-{role}", "P", role, "section"), actor=f"p-{Role.MANAGER}")

    for role in set(Role) - {Role.COORDINATOR}:
        with pytest.raises(Refused):
            ledger.grant("raw", micro=1, granted_by=f"p-{role}")
        with pytest.raises(Refused):
            ledger.share("raw", budget=Budget(1), analyst="aoki", granted_by=f"p-{role}")


# ------------------------------------------------------------------ amounts that are none

NO_AMOUNTS = [0, -1, 1.5, math.nan, math.inf, -math.inf, 2**63, 10**400, True, "1", None]


@pytest.mark.parametrize("micro", NO_AMOUNTS)
def test_attack_a_grant_or_share_of_no_amount(home, micro):
    ledger = granted(home)

    with pytest.raises(Unusable):
        ledger.grant("raw", micro=micro, granted_by="workbench")
    with pytest.raises(Unusable):
        ledger.share("raw", budget=Budget(micro), analyst="aoki", granted_by="workbench")
    assert ledger.balance("raw").granted == MICRO


@pytest.mark.parametrize("femto", [-1, 0.5, math.nan, FEMTO, 2**63, True, "1", None])
def test_attack_a_grant_of_no_delta(home, femto):
    ledger = granted(home)

    with pytest.raises(Unusable):
        ledger.grant("raw", micro=1, femto=femto, granted_by="workbench")


@pytest.mark.parametrize("epsilon", [-1, 0, math.nan, math.inf, -math.inf, 1e300, 1.000001])
def test_attack_a_grant_beyond_the_policy_or_of_no_amount(home, epsilon):
    with pytest.raises((Refused, Unusable)):
        budgets.grant(State.open(home), "raw", epsilon=epsilon, by="workbench")

    with pytest.raises(NotFound):
        opened(home).balance("raw")


@pytest.mark.parametrize("loss", [Loss.pure(1000), Loss.zcdp(1000, 0.5), Loss.approximate(1, 0.999999)])
def test_attack_a_loss_that_overflows_the_sums(home, loss):
    ledger = granted(home, femto=FEMTO // 10**6)

    assert not any(charge(ledger, loss) for _ in range(3))
    assert ledger.balance("raw").spent == 0


def test_attack_a_delta_is_slipped_into_a_budget_without_one(home):
    ledger = granted(home)

    assert not charge(ledger, Loss.approximate(0.1, 1e-15))
    assert not charge(ledger, Loss.zcdp(0.0001))


# ------------------------------------------------------------------ years


def test_attack_the_budget_of_last_year_is_used_up_in_april(home):
    opened(home, on=DAY).grant("raw", micro=MICRO, granted_by="workbench")

    with pytest.raises(NotFound):
        charge(opened(home, on=date(2027, 4, 1)))


def test_attack_the_clock_is_put_back(home):
    """Last year's budget is what last year left of it, and this year's is not made larger."""
    for day in (DAY, date(2027, 4, 1)):
        opened(home, on=day).grant("raw", micro=MICRO, granted_by="workbench")
    assert [charge(opened(home, on=DAY)) for _ in range(3)] == [True] * 3

    assert not charge(opened(home, on=DAY))
    assert opened(home, on=date(2027, 4, 1)).balance("raw").remaining == MICRO
    with pytest.raises(NotFound):
        charge(opened(home, on=date(2025, 4, 1)))


# ------------------------------------------------------------------ the rows themselves


def run(home, *arguments, expect=0) -> str:
    result = CliRunner(env={"WORKBENCH_HOME": str(home.path), "WORKBENCH_LANG": "en"}).invoke(
        workbench, list(arguments)
    )
    found = getattr(result.exception, "exit_code", 1) if result.exception else 0
    assert found == expect, (result.output, result.exception)
    return result.exception.en if expect else result.output


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM budget_charge WHERE id = (SELECT min(id) FROM budget_charge)",
        "UPDATE budget_charge SET micro = 1",
        "UPDATE budget_charge SET year = 2000",
        "UPDATE budget_grant SET micro = 9000000",
        "INSERT INTO budget_charge SELECT 'x', dataset, year, analyst, purpose, use, question, kind, micro,"
        " femto, status FROM budget_charge LIMIT 1",
    ],
)
def test_attack_who_reaches_the_database_changes_the_ledger(home, statement):
    ledger = granted(home)
    charge(ledger)
    charge(ledger)
    run(home, "audit", "verify")

    with sqlite3.connect(home.path / "state.db") as connection:
        connection.execute(statement)
    connection.close()

    assert "budgets: raw" in run(home, "audit", "verify", expect=11)


def test_attack_a_charge_is_swapped_for_a_cheaper_question(home):
    """The question's text is held by its digest."""
    charge(granted(home))

    with sqlite3.connect(home.path / "state.db") as connection:
        connection.execute("UPDATE budget_charge SET question = ?", (json.dumps({"kind": "count"}),))
    connection.close()

    assert "budgets: raw" in run(home, "audit", "verify", expect=11)


def test_attack_a_backup_of_the_database_is_put_back_to_have_the_budget_again(home):
    """What was spent since then is in the log, and nothing more is answered before the two agree."""
    charge(granted(home))
    backup = home.path.parent / "backup.db"
    with sqlite3.connect(home.path / "state.db") as live, sqlite3.connect(backup) as copy:
        live.backup(copy)
    charge(opened(home))
    charge(opened(home))

    with sqlite3.connect(backup) as copy, sqlite3.connect(home.path / "state.db") as live:
        copy.backup(live)

    with pytest.raises(Untrusted, match="監査ログ"):
        charge(opened(home))
    assert opened(home).balance("raw").remaining == 700_000  # as the backup has it: one charge


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM budget_charge",
        "UPDATE budget_charge SET micro = 1",
        "UPDATE budget_charge SET year = 2000",
        "UPDATE budget_charge SET dataset = 'other'",
        "UPDATE budget_grant SET micro = 9000000",
        "INSERT INTO budget_grant SELECT 'x', dataset, year, 9000000, femto, terms, granted_by FROM budget_grant",
    ],
)
def test_attack_nothing_is_answered_from_a_ledger_that_was_changed(home, statement):
    charge(granted(home))

    with sqlite3.connect(home.path / "state.db") as connection:
        connection.execute(statement)
    connection.close()

    with pytest.raises(Untrusted):
        charge(opened(home))
