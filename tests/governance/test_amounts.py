"""How much a person is shown in a day: counted before it is shown, over sessions, restarts and kills."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from workbench.audit import Event
from workbench.errors import Refused, Untrusted
from workbench.governance.amounts import LIMIT, WARNING, Meter, amounts, otherwise
from workbench.governance.keys import create_key
from workbench.governance.people import People, Person, Role
from workbench.governance.signed_settings import sign_setting, signed_settings, today
from workbench.state import State

THRESHOLD, MOST = 100_000, 300_000
NOON = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)  # in Tokyo


@pytest.fixture
def state(home):
    state = State.open(home)
    People(state).add(Person("oka", "Oka", Role.MANAGER, "section"))
    create_key(home, state, "person:oka", actor="oka")
    for name, value in ((WARNING, THRESHOLD), (LIMIT, MOST)):
        signed(home, state, name, value)
    yield state
    state.close()


def signed(home, state, name, value):
    review_by = today() + timedelta(days=30)
    sign_setting(home, state, name, value=value, review_by=review_by, actor="oka", reason="as agreed")


@pytest.fixture
def meter(home, state):
    """A meter of one session of mori's; another person, session or clock where given."""

    def make(session="s1", *, person="mori", now=lambda: NOON):
        return Meter(home, state, person=person, session=session, now=now)

    return make


def told(state, event):
    return [record["details"] for record in state.log.of_kind(event)]


def test_the_threshold_itself_does_not_warn_and_one_byte_more_does(meter, state):
    mine = meter()

    assert mine.charge(THRESHOLD) is None
    assert told(state, Event.OUTPUT_WARNED) == []
    assert "設定値" in mine.charge(1).ja
    [warned] = told(state, Event.OUTPUT_WARNED)
    assert warned == {
        "session": "s1",
        "person": "mori",
        "day": "2026-04-01",
        "bytes": THRESHOLD + 1,
        "threshold": THRESHOLD,
        "setting": WARNING,
        "version": 1,
        "to": ["oka"],
    }


def test_it_is_said_once_for_each_time_the_threshold_is_passed(meter, state):
    mine = meter()
    said = [mine.charge(30_000) is not None for _ in range(10)]

    assert said == [False, False, False, True, False, False, True, False, False, False]
    assert [one["bytes"] for one in told(state, Event.OUTPUT_WARNED)] == [120_000, 210_000]


def test_where_nothing_can_be_said_it_is_said_with_the_next_output(meter, state):
    mine = meter()

    assert mine.charge(THRESHOLD + 1, can_say=False) is None
    assert len(told(state, Event.OUTPUT_WARNED)) == 1
    assert mine.charge(1) is not None
    assert len(told(state, Event.OUTPUT_WARNED)) == 1


def test_attack_a_new_session_to_begin_again_from_nothing(meter, state):
    first = meter()
    first.charge(60_000)
    first.close()

    second = meter("s2")
    assert second.amount().bytes == 60_000
    assert second.charge(40_000) is None
    assert second.charge(1) is not None


def test_attack_two_sessions_at_once_to_share_the_amount(meter, state):
    one, other = meter(), meter("s2")
    for _ in range(4):
        one.charge(20_000)
        other.charge(20_000)

    assert one.amount().bytes - 160_000 <= THRESHOLD // 50 + 4_000
    assert len(told(state, Event.OUTPUT_WARNED)) == 1


def test_attack_many_threads_at_once(meter, state):
    mine, refused = meter(), []

    def show():
        for _ in range(20):
            try:
                mine.charge(2_000)
            except Refused:
                refused.append(1)

    threads = [threading.Thread(target=show) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(refused) == (8 * 20 * 2_000 - MOST) // 2_000
    assert mine.amount().bytes == MOST


def test_attack_killing_the_session_so_that_what_was_shown_is_forgotten(meter, home, state, tmp_path):
    """What is counted on disk after a kill is never less than what was shown."""
    import os
    import signal

    shown = tmp_path / "shown"
    child = os.fork()
    if child == 0:
        with shown.open("wb", buffering=0) as file:
            mine = Meter(home, State.open(home), person="mori", session="s", now=lambda: NOON)
            for _ in range(40):
                mine.charge(1_000)
                file.write(b"x" * 1_000)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)

    counted = meter("s2").amount().bytes
    assert 40_000 == shown.stat().st_size <= counted <= 44_000


def test_above_the_limit_nothing_is_shown_and_no_code_runs(meter, home, state):
    mine = meter()
    mine.charge(MOST - 1_000)
    with pytest.raises(Refused, match="上限"):
        mine.charge(1_001)
    with pytest.raises(Refused):
        mine.charge(1_001)

    assert mine.amount().bytes == MOST - 1_000
    assert len(told(state, Event.OUTPUT_STOPPED)) == 1
    assert mine.why_not_more() is not None
    # The manager may sign for more; the session goes on.
    signed(home, state, LIMIT, 2 * MOST)
    assert mine.why_not_more() is None
    mine.charge(1_001)
    assert mine.amount().bytes == MOST + 1


def test_the_days_are_the_municipalitys(meter, state):
    now = datetime(2026, 4, 1, 14, 59, tzinfo=UTC)  # 23:59 in Tokyo
    mine = meter(now=lambda: now)
    mine.charge(90_000)
    now += timedelta(minutes=2)

    assert mine.amount().bytes == 0
    assert mine.charge(90_000) is None
    assert mine.amount().day == "2026-04-02"
    with state.reading() as connection:
        rows = connection.execute(sa.select(amounts.c.day, amounts.c.bytes).order_by(amounts.c.day)).all()
    assert rows[0] == ("2026-04-01", 90_000)


def test_people_are_counted_apart(meter):
    meter().charge(THRESHOLD)

    assert meter("s2", person="abe").charge(THRESHOLD) is None


def test_a_closed_session_counts_what_was_shown_and_no_more(meter, state):
    mine = meter()
    mine.charge(1)
    mine.close()
    mine.close()

    assert meter("s2").amount().bytes == 1
    assert [one["bytes"] for one in told(state, Event.OUTPUT_METERED)][-1] == 1


def test_small_outputs_are_few_writes(meter, state):
    mine = meter()
    for _ in range(1_000):
        mine.charge(50)

    assert len(told(state, Event.OUTPUT_METERED)) < 15


def test_attack_setting_the_count_back_in_the_database(meter, state):
    mine = meter()
    mine.charge(90_000)
    mine.close()
    assert otherwise(state, state.log.records()) == []
    for change in (amounts.update().values(bytes=1), amounts.delete()):
        with state.engine.begin() as connection:
            connection.execute(change)
        assert otherwise(state, state.log.records()) == ["mori 2026-04-01"]


def test_attack_a_forged_threshold_while_a_session_runs(meter, state):
    """What does not hold is not replaced by a number of the table: nothing is shown."""
    mine = meter()
    mine.charge(1)
    with state.engine.begin() as connection:
        connection.execute(signed_settings.update().values(envelope=b"{}"))

    with pytest.raises(Untrusted):
        mine.charge(90_000)


def test_the_meter_for_the_page(meter):
    mine = meter()
    mine.charge(THRESHOLD + 1)
    shown = mine.amount().to_json()

    assert (shown["shown"], shown["limit"], shown["most"]) == (THRESHOLD + 1, THRESHOLD, MOST)
    assert (shown["warned"], shown["stopped"]) == (True, False)
    assert shown["settings"][WARNING]["signed_by"] == "oka"
    assert set(shown["notice"]) == {"ja", "en"}
