"""The state keeps every change with its event: through kills, races, full disks and mixed-up homes."""

import errno
import shutil
import sqlite3
import threading
from multiprocessing import get_context

import pytest
import sqlalchemy as sa

from workbench.audit import Event
from workbench.errors import Untrusted, Unusable
from workbench.home import Home
from workbench.state import State, metadata, outbox, plain_failures

notes = sa.Table(
    "notes_of_the_tests",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("request", sa.Text, nullable=False),
)


def write_down(state: State, request: str) -> None:
    """A change and its event, in one transaction."""
    with state.transaction() as t:
        t.connection.execute(notes.insert().values(request=request))
        t.event(Event.REQUEST_WITHDRAWN, actor="sato", request=request)


def written(state: State) -> list[str]:
    with state.reading() as connection:
        return sorted(connection.execute(sa.select(notes.c.request)).scalars())


def logged(state: State) -> list[str]:
    return sorted(
        record["details"]["request"]
        for record in state.log.records()
        if record["event"] == Event.REQUEST_WITHDRAWN
    )


def test_a_change_and_its_event_arrive_together(home):
    state = State.open(home)

    write_down(state, "R-1")

    assert written(state) == logged(state) == ["R-1"]
    assert state.waiting() == []
    assert state.verify().records == 2
    assert state.log.records()[0]["details"] == {"identity": home.identity, "demonstration": False}


def fail_after_writing(state: State) -> None:
    with state.transaction() as t:
        t.connection.execute(notes.insert().values(request="never"))
        t.event(Event.REQUEST_WITHDRAWN, actor="sato", request="never")
        _ = 1 / 0


def test_a_change_that_fails_leaves_neither_row_nor_event(home):
    state = State.open(home)

    with pytest.raises(ZeroDivisionError):
        fail_after_writing(state)

    assert (written(state), logged(state), state.waiting()) == ([], [], [])


def test_a_write_without_its_event_is_not_committed(home):
    state = State.open(home)

    with pytest.raises(RuntimeError, match="without its event"), state.transaction() as t:
        t.connection.execute(notes.insert().values(request="R-1"))

    assert written(state) == []


def test_an_event_that_says_too_little_is_not_stored(home):
    state = State.open(home)

    with pytest.raises(ValueError, match="sha256"):
        state.record(Event.NOTEBOOK_EXPORTED, actor="sato", notebook="a.ipynb")

    assert (state.verify().records, state.waiting()) == (1, [])


def test_a_transaction_inside_another_is_a_bug_and_says_so(home):
    state = State.open(home)

    with pytest.raises(RuntimeError, match="already open"), state.transaction():
        state.record(Event.REQUEST_WITHDRAWN, actor="sato", request="R-1")


def test_nothing_is_written_through_a_reader(home):
    state = State.open(home)

    with pytest.raises(sa.exc.OperationalError), state.reading() as connection:
        connection.execute(notes.insert().values(request="R-1"))
    write_down(state, "R-2")

    assert written(state) == ["R-2"]


def test_a_kill_at_any_point_of_a_write_loses_and_doubles_no_event(tmp_path, kill_at_every_point):
    def prepare(point):
        home = Home.create(tmp_path / str(point))
        state = State.open(home)
        write_down(state, "R-0")
        state.close()
        return home

    def check(home):
        state = State.open(home)
        assert written(state) == logged(state) in (["R-0"], ["R-0", "R-1"])
        assert state.waiting() == []
        numbers = [record["outbox"] for record in state.log.records()]
        assert len(set(numbers)) == len(numbers) == state.verify().records
        state.close()

    points = kill_at_every_point(prepare, lambda home: write_down(State.open(home), "R-1"), check)

    assert points > 7


def decided_but_not_logged(home: Home) -> None:
    """A state killed between the commit and the log: two events wait."""
    state = State.open(home)
    state.drain = lambda: None
    write_down(state, "R-1")
    write_down(state, "R-2")
    state.close()


def test_a_kill_at_any_point_of_the_recovery_loses_and_doubles_no_event(tmp_path, kill_at_every_point):
    def prepare(point):
        home = Home.create(tmp_path / str(point))
        decided_but_not_logged(home)
        return home

    def check(home):
        state = State.open(home)
        assert written(state) == logged(state) == ["R-1", "R-2"]
        assert state.verify().records == 3
        state.close()

    points = kill_at_every_point(prepare, State.open, check)

    assert points > 7


def test_what_is_not_yet_in_the_log_is_visible(home):
    decided_but_not_logged(home)
    state = State.open(home)
    with state.log.locked(), state._writing() as connection:
        row = {"time": "t", "event": "request.withdrawn", "actor": "sato", "details": '{"request":"R-3"}'}
        connection.execute(outbox.insert().values(row))

    assert [event["details"] for event in state.waiting()] == [{"request": "R-3"}]


def test_a_log_put_back_to_an_earlier_moment_is_found(home):
    state = State.open(home)
    write_down(state, "R-1")
    shutil.copytree(home.audit, home.path / "earlier")
    write_down(state, "R-2")
    shutil.rmtree(home.audit)
    shutil.copytree(home.path / "earlier", home.audit)

    for act in (state.verify, lambda: State.open(home)):
        with pytest.raises(Untrusted, match="3 件あった"):
            act()


def test_a_state_put_back_to_an_earlier_moment_is_found(home):
    """Its next event would take a number the log holds already."""
    state = State.open(home)
    state.close()
    shutil.copy(home.path / "state.db", home.path / "earlier")
    write_down(state, "R-1")
    state.close()
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        (home.path / name).unlink(missing_ok=True)
    shutil.copy(home.path / "earlier", home.path / "state.db")

    with pytest.raises(Untrusted, match="古い可能性"):
        write_down(State.open(home), "R-2")


def test_the_state_of_another_home_is_refused(home, demonstration, monkeypatch):
    State.open(home).close()
    monkeypatch.setenv("WORKBENCH_STATE_URL", home.state_url)

    with pytest.raises(Untrusted, match="別のホーム"):
        State.open(demonstration)


def test_a_database_that_cannot_keep_writers_serial_is_refused(home, monkeypatch):
    monkeypatch.setenv("WORKBENCH_STATE_URL", "mysql+pymysql://localhost/x")

    with pytest.raises((Unusable, ModuleNotFoundError)):
        State.open(home)


def test_the_state_is_its_owners_alone(home):
    write_down(State.open(home), "R-1")

    modes = {path.name: path.stat().st_mode & 0o777 for path in home.path.glob("state.db*")}
    assert set(modes.values()) == {0o600}, modes


def test_every_commit_is_on_disk(home):
    with State.open(home).reading() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def write_until_full(state: State) -> None:
    for _ in range(50):
        write_down(state, "R-2" * 1000)


def test_a_full_disk_is_an_os_error_and_loses_nothing(home):
    state = State.open(home)
    write_down(state, "R-1")
    pages = state.engine.raw_connection().execute("PRAGMA page_count").fetchone()[0]
    sa.event.listen(state.engine, "checkout", lambda c, *_: c.execute(f"PRAGMA max_page_count={pages}"))

    with pytest.raises(OSError) as refused:  # noqa: PT011  the number is the point
        write_until_full(state)

    assert refused.value.errno == errno.ENOSPC
    assert State.open(home).verify().records == len(logged(State.open(home))) + 1


@pytest.mark.parametrize("code", [13, 4874])
def test_a_disk_too_full_to_open_the_state_reads_as_full_and_not_as_busy(code):
    met = sqlite3.OperationalError("disk I/O error")
    met.sqlite_errorcode = code

    with pytest.raises(OSError) as refused, plain_failures():  # noqa: PT011  the number is the point
        raise sa.exc.OperationalError("BEGIN", {}, met)

    assert refused.value.errno == errno.ENOSPC


class Account:
    """A balance that two writers may read before either writes, unless writers are serial."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.together = threading.Barrier(8)

    def take(self) -> None:
        self.together.wait()
        with self.state.transaction() as t:
            count = t.connection.execute(sa.select(sa.func.count()).select_from(notes)).scalar_one()
            if count < 3:
                t.connection.execute(notes.insert().values(request="taken"))
            t.event(Event.REQUEST_WITHDRAWN, actor="sato", request="R-1")


def race(state: State) -> int:
    """Eight threads that each take one of three; how many were taken."""
    account = Account(state)
    threads = [threading.Thread(target=account.take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert state.verify().records == 1 + 8
    return len(written(state))


def test_a_balance_is_not_spent_twice_by_a_race(home):
    assert race(State.open(home)) == 3


def open_and_write(path, number, together) -> None:
    together.wait()
    state = State.open(Home.open(path))
    for step in range(5):
        write_down(state, f"R-{number}-{step}")


def test_processes_that_open_a_new_home_at_once_make_one_state_and_one_chain(home):
    context = get_context("fork")
    together = context.Barrier(4)
    children = [
        context.Process(target=open_and_write, args=(home.path, number, together)) for number in range(4)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join()

    assert [child.exitcode for child in children] == [0] * 4
    state = State.open(home)
    assert len(written(state)) == 20
    assert written(state) == logged(state)
    assert state.verify().records == 21


@pytest.mark.slow
def test_postgresql_keeps_the_same_promises(postgresql, home, monkeypatch):
    monkeypatch.setenv("WORKBENCH_STATE_URL", postgresql)
    state = State.open(home)

    assert race(state) == 3
    with pytest.raises(sa.exc.InternalError), state.reading() as connection:
        connection.execute(notes.insert().values(request="R-1"))
    with pytest.raises(ZeroDivisionError):
        fail_after_writing(state)
    write_down(state, "after a gap in the numbers")
    state.close()

    again = State.open(home)
    assert "never" not in logged(again)
    assert again.verify().records == 10
    with pytest.raises(Untrusted, match="別のホーム"):
        State.open(Home.create(home.path.parent / "other"))


OLDER = """
CREATE TABLE budget_charge (
    id VARCHAR PRIMARY KEY, dataset VARCHAR NOT NULL, analyst VARCHAR NOT NULL,
    question VARCHAR NOT NULL, micro BIGINT NOT NULL, status VARCHAR NOT NULL
)
"""


def test_a_ledger_of_an_older_version_is_said_to_be_one(home):
    """Its rows say neither the year nor what for: nothing is charged to it, and nothing made up."""
    from workbench.privacy.dp import ledger_rows

    with sqlite3.connect(home.path / "state.db") as database:
        database.execute(OLDER)

    with pytest.raises(Unusable, match=ledger_rows.CHARGES.name) as refused:
        State.open(home)

    assert "workbench init" in refused.value.ja
    assert "workbench init" in refused.value.en


def test_a_table_with_more_columns_than_ours_is_read(home):
    State.open(home).close()
    with sqlite3.connect(home.path / "state.db") as database:
        database.execute("ALTER TABLE ground ADD COLUMN later TEXT")

    assert State.open(home).verify().records == 1
