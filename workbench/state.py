"""
The state of a home: tables in SQLite (or PostgreSQL for a team), and the outbox of the log.

Every write is a transaction that names its event; the event is stored with the change and drained to the
log as soon as the change is committed. A kill between the two loses nothing and doubles nothing: the next
open drains what is waiting, and the log knows the outbox numbers it holds.

Writers are serial (BEGIN IMMEDIATE; one advisory lock on PostgreSQL), so outbox numbers are committed in
their order and a balance that was read stays true until it is written.
"""

import errno
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rfc8785
import sqlalchemy as sa

from workbench.audit import Event, Log, Verified
from workbench.audit.events import missing_details
from workbench.audit.kept import KeptLog, open_log
from workbench.audit.log import Entry, now
from workbench.audit.verifying import older_than_known
from workbench.errors import Untrusted, Unusable, WorkbenchError
from workbench.home import Home

metadata = sa.MetaData()

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("time", sa.Text, nullable=False),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("details", sa.Text, nullable=False),
    # A number that was drained is never given again.
    sqlite_autoincrement=True,
)

# One row: whose state this is, and how many records its log is known to have.
ground = sa.Table(
    "ground",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("identity", sa.Text, nullable=False),
    sa.Column("records", sa.Integer, nullable=False),
)

# Any constant will do: it names the lock that makes writers serial on PostgreSQL.
WRITERS = 0x776F726B
BUSY_SECONDS = 60
# SQLITE_FULL, and SQLITE_IOERR_SHMSIZE: no room for the file its readers and writers share.
DISK_FULL: dict[str, set[int | str]] = {"sqlite_errorcode": {13, 4874}, "sqlstate": {"53100"}}
# A statement of ours that is wrong, or a write through a reader: a bug, and no failure of the database.
OUR_FAULTS = {1, 8}
# What SQLite takes for a database in memory, which the next command would not find.
NO_FILE = (None, "", ":memory:")


class Transaction:
    """A write in progress: its connection, and the events it will leave in the log."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection
        self.events = 0

    def event(self, event: Event, *, actor: str, **details: Any) -> None:
        """Store an event with this change; it reaches the log when, and only when, the change commits."""
        lacking = missing_details(event, details)
        if lacking:
            raise ValueError(f"{event} needs {', '.join(lacking)}")
        row = {"time": now(), "event": str(event), "actor": actor, "details": rfc8785.dumps(details).decode()}
        self.connection.execute(outbox.insert().values(row))
        self.events += 1


class State:
    """The tables of one home and its log. Open it once per process and hand it on."""

    def __init__(self, engine: sa.Engine, log: Log | KeptLog) -> None:
        self.engine = engine
        self.log = log
        self._known: set[str] = set()
        self._thread = threading.local()

    @classmethod
    def open(cls, home: Home) -> "State":
        """The state of `home`, its tables made where missing and its outbox drained."""
        state = cls(engine_for(home), open_log(home))
        state._claim(home)
        state.drain()
        return state

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """
        A write. It commits when the block ends, and its events are in the log before this returns.

        The block must name at least one event. Transactions are not nested.
        """
        if getattr(self._thread, "writing", False):
            raise RuntimeError("a transaction is already open in this thread")
        self._thread.writing = True
        try:
            with self._writing() as connection:
                transaction = Transaction(connection)
                yield transaction
                if not transaction.events:
                    raise RuntimeError("a write without its event")
        finally:
            self._thread.writing = False
        self.drain()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A consistent view for reading; nothing can be written through it."""
        self._create_tables()
        with plain_failures(), self.engine.connect() as connection:
            reader = connection.execution_options(reading=True)
            with reader.begin():
                yield reader

    def record(self, event: Event, *, actor: str, **details: Any) -> None:
        """An event that changes no table; it is in the log, on disk, when this returns."""
        if getattr(self._thread, "writing", False):
            raise RuntimeError("a transaction is already open in this thread")
        self.log.append(event, actor, details)

    def waiting(self) -> list[dict[str, Any]]:
        """The events that are decided and not yet in the log, oldest first."""
        with self.reading() as connection:
            rows = connection.execute(sa.select(outbox).order_by(outbox.c.id)).mappings()
            return [{**row, "details": json.loads(row["details"])} for row in rows]

    def drain(self) -> None:
        """Move what is waiting to the log. Raises Untrusted when the log is older than this state."""
        # Two drains at once would still write each event once; holding the log spares the second the search.
        with self.log.locked():
            # In this order: others may append, and note it here, between the two.
            known = self._known_records()
            count = self.log.count
            if count < known:
                raise older_than_known(count, known)
            waiting = self.waiting()
            if waiting:
                count = self._write_down(waiting)
            if count > known:
                self._strike_off(through=waiting[-1]["id"] if waiting else 0, records=count)

    def verify(
        self, *, at_least: int = 0, keep: Callable[[dict[str, Any]], object] | None = None
    ) -> Verified:
        """
        Verify the log, and that it is no older than this state, nor than `at_least` records.

        `keep` is handed each record that holds, oldest first.
        """
        return self.log.verify(at_least=max(at_least, self._known_records()), keep=keep)

    def close(self) -> None:
        """Let go of the database's connections."""
        self.engine.dispose()

    def _write_down(self, rows: Sequence[Mapping[str, Any]]) -> int:
        """Append what waits, with one flush; how many records the log has then."""
        entries = [
            Entry(Event(row["event"]), row["actor"], row["details"], row["id"], row["time"]) for row in rows
        ]
        count = 0
        for answer in self.log.append_all(entries):
            if isinstance(answer, WorkbenchError):
                raise answer
            count = answer
        return count

    def _known_records(self) -> int:
        with self.reading() as connection:
            return int(connection.execute(sa.select(ground.c.records)).scalar_one())

    def _strike_off(self, *, through: int, records: int) -> None:
        with self._writing() as connection:
            connection.execute(outbox.delete().where(outbox.c.id <= through))
            connection.execute(ground.update().where(ground.c.records < records).values(records=records))

    def _claim(self, home: Home) -> None:
        """Make this state the home's, or refuse a state that belongs to another home."""
        with self._writing() as connection:
            owner = connection.execute(sa.select(ground.c.identity)).scalar_one_or_none()
            if owner is None:
                # A log with records had a state; a new one would forget people, votes and budgets.
                if self.log.count > 0:
                    raise lost_state()
                connection.execute(ground.insert().values(id=1, identity=home.identity, records=0))
                Transaction(connection).event(
                    Event.HOME_CREATED,
                    actor="workbench",
                    identity=home.identity,
                    demonstration=home.is_demonstration,
                )
            elif owner != home.identity:
                raise another_home()

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        self._create_tables()
        with plain_failures(), self.engine.begin() as connection:
            yield connection

    def _create_tables(self) -> None:
        """Make the tables of every package that has been imported since the last look."""
        if metadata.tables.keys() <= self._known:
            return
        with plain_failures(), self.engine.begin() as connection:
            metadata.create_all(connection)
            expect_our_shape(connection)
        self._known = set(metadata.tables)


def expect_our_shape(connection: sa.Connection) -> None:
    """
    Raise Unusable where a table lacks a column of ours: another version made it.

    Nothing is added to it here. What an older ledger does not say (whose year, for what, how much of delta)
    cannot be made up, and its rows would not be those that the log tells of.
    """
    found = sa.inspect(connection).get_multi_columns(filter_names=list(metadata.tables))
    columns = {name: {column["name"] for column in listed} for (_, name), listed in found.items()}
    other = sorted(
        name for name, table in metadata.tables.items() if not set(table.columns.keys()) <= columns[name]
    )
    if other:
        raise other_version(other)


def engine_for(home: Home) -> sa.Engine:
    """The engine of the home's state, its transactions serial for writers."""
    try:
        url = sa.make_url(home.state_url)
        engine = sa.create_engine(url, connect_args=CONNECT.get(url.get_backend_name(), {}))
    except (sa.exc.ArgumentError, ImportError, ValueError):
        raise no_such_database() from None
    if engine.dialect.name not in BEGIN:
        raise no_such_database()
    if engine.dialect.name == "sqlite":
        if engine.url.database in NO_FILE:
            raise no_such_database()
        keep_private(Path(str(engine.url.database)))
        sa.event.listen(engine, "connect", prepare_sqlite)
    sa.event.listen(engine, "begin", BEGIN[engine.dialect.name])
    return engine


def keep_private(database: Path) -> None:
    """Create the file for its owner only; SQLite gives its companions the same mode."""
    os.close(os.open(database, os.O_RDWR | os.O_CREAT, 0o600))


def prepare_sqlite(connection: Any, _: Any) -> None:
    # The driver would open transactions by itself, and too late: BEGIN is ours, below.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


def begin_sqlite(connection: sa.Connection) -> None:
    reading = connection.get_execution_options().get("reading")
    connection.exec_driver_sql("PRAGMA query_only=" + ("ON" if reading else "OFF"))
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def begin_postgresql(connection: sa.Connection) -> None:
    if connection.get_execution_options().get("reading"):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    else:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS})")


# A database that does not answer is told of, not waited for: seconds.
CONNECT = {"postgresql": {"connect_timeout": 10}}
BEGIN = {"sqlite": begin_sqlite, "postgresql": begin_postgresql}


@contextmanager
def plain_failures() -> Iterator[None]:
    """A full disk is one failure, whoever meets it first; a database that cannot be used is one sentence."""
    try:
        yield
    except sa.exc.OperationalError as error:
        if any(getattr(error.orig, name, None) in codes for name, codes in DISK_FULL.items()):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
        if getattr(error.orig, "sqlite_errorcode", None) in OUR_FAULTS:
            raise
        raise out_of_reach() from None
    except sa.exc.DatabaseError as error:
        # The kinds below this one are of statements; SQLite uses the bare kind for a file that is damaged.
        if type(error) is not sa.exc.DatabaseError:
            raise
        raise damaged_state() from None


def another_home() -> Untrusted:
    return Untrusted(
        ja="この状態データベースは別のホームのものです。WORKBENCH_STATE_URL を確かめてください。",
        en="This state belongs to another home; check WORKBENCH_STATE_URL.",
    )


def lost_state() -> Untrusted:
    return Untrusted(
        ja="監査ログには記録がありますが、このホームの状態データベースがありません。バックアップから状態を戻してください。",
        en="The log of this home holds records but its state is gone; restore the state from a backup.",
    )


def damaged_state() -> Unusable:
    return Unusable(
        ja="状態データベースが壊れているか、データベースではありません。バックアップから状態を戻してください。",
        en="The state is damaged or is no database; restore it from a backup.",
    )


def other_version(tables: Sequence[str]) -> Unusable:
    named = ", ".join(tables[:5])
    return Unusable(
        ja=f"状態データベースの表（{named}）は、ワークベンチの別の版が作った形です。作った版で開くか、workbench init で新しいホームを作り、データを取り込み直してください。",
        en=f"Tables of the state ({named}) are of another version of the workbench; open it with the version that made it, or make a new home with 'workbench init' and import the data again.",
    )


def out_of_reach() -> Unusable:
    return Unusable(
        ja="状態データベースを開けないか、使用中です。WORKBENCH_STATE_URL とデータベースの稼働を確かめてください。",
        en="The state cannot be opened or is busy; check WORKBENCH_STATE_URL and that its database runs.",
    )


def no_such_database() -> Unusable:
    return Unusable(
        ja="WORKBENCH_STATE_URL には、使える SQLite のファイルか PostgreSQL を指定してください。",
        en="WORKBENCH_STATE_URL must name a file of SQLite or PostgreSQL, with what connects to it installed.",
    )
