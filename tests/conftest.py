"""What tests of several areas share: homes, and a process that is killed at every point of its work."""

import os
import pwd
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from workbench.audit.append_only import mark
from workbench.home import Home

# Calls after which something is, or may be, on disk. The kill comes just before the call.
POINTS = frozenset(
    {
        f"posix.{name}"
        for name in (
            *("fsync", "fdatasync", "replace", "rename", "link", "unlink", "mkdir", "rmdir", "chmod"),
            *("write", "pwrite", "ftruncate"),
        )
    }
    | {"BufferedWriter.write", "BufferedRandom.write", "BufferedRandom.truncate", "Connection.commit"}
)


def called(function: object) -> str:
    """The name of a built-in function with that of its module or type."""
    of = getattr(function, "__self__", None)
    return f"{getattr(of, '__name__', type(of).__name__)}.{getattr(function, '__name__', '')}"


def killed(action: Callable[[], object], *, point: int) -> bool:
    """Run `action` in a child that is killed (kill -9) before its `point`-th call that touches the disk."""
    child = os.fork()
    if child == 0:
        reached = 0

        def watch(_: object, event: str, function: object) -> None:
            nonlocal reached
            if event == "c_call" and called(function) in POINTS:
                reached += 1
                if reached == point:
                    os.kill(os.getpid(), signal.SIGKILL)

        code = 1
        try:
            sys.setprofile(watch)
            action()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0, "the child failed by itself"
    return os.WIFSIGNALED(status)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test named after an attack is one of the battery: `make attack`."""
    for item in items:
        if item.name.startswith("test_attack_"):
            item.add_marker(pytest.mark.attack)


@pytest.fixture(scope="session", autouse=True)
def everything_can_be_removed(tmp_path_factory):
    """Rooms that tests killed leave their workspaces mounted, and real homes' logs are marked append-only."""
    yield
    for log in tmp_path_factory.getbasetemp().rglob("audit/log.jsonl"):
        mark(log, on=False)
    base = f"{tmp_path_factory.getbasetemp()}/"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        place = line.split()[4]
        if place.startswith(base):
            subprocess.run(["umount", place], check=False)


@pytest.fixture
def kill_at_every_point():
    """`kill_at_every_point(prepare, act, check)`: a fresh `prepare(n)` for each point of `act`."""

    def run(prepare, act, check) -> int:
        for point in range(1, 1000):
            ground = prepare(point)
            survived = not killed(lambda g=ground: act(g), point=point)
            check(ground)
            if survived:
                return point
        raise AssertionError("the work never ended")

    return run


@pytest.fixture
def home(tmp_path) -> Home:
    """A real home: its randomness is the operating system's."""
    return Home.create(tmp_path / "home")


@pytest.fixture
def demonstration(tmp_path) -> Home:
    """A demonstration home."""
    return Home.create(tmp_path / "demonstration", seed=7)


@pytest.fixture(autouse=True)
def without_the_testers_settings(monkeypatch):
    """Whoever runs the tests may have a home, a language or a passphrase of their own."""
    for name in ("HOME", "LANG", "STATE_URL", "KEY_PASSPHRASE", "PERSON", "ENGINE", "MEMORY", "SANDBOX"):
        monkeypatch.delenv(f"WORKBENCH_{name}", raising=False)


@contextmanager
def running_postgresql(folder: Path) -> Iterator[str]:
    """A private server on a socket in `folder`; yields its address. `make slow` sees to the package."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    folder.chmod(0o777)
    as_user = []
    if os.geteuid() == 0:
        names = [
            name for name in ("postgres", "nobody") if name in {entry.pw_name for entry in pwd.getpwall()}
        ]
        as_user = ["setpriv", f"--reuid={names[0]}", "--clear-groups", "--"]
    data = folder / "data"

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [*as_user, programs[-1] / program, *arguments], check=True, cwd="/", capture_output=True
        )

    run("initdb", "-D", str(data), "-U", "workbench", "--auth=trust", "--no-sync")
    # Room for four processes of a race, each with a pool of its own.
    options = f"-k {folder} -h '' -c max_connections=200"
    run("pg_ctl", "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start")
    try:
        yield f"postgresql+psycopg://workbench@/postgres?host={folder}"
    finally:
        run("pg_ctl", "-D", str(data), "-m", "immediate", "stop")


@pytest.fixture(scope="session")
def postgresql_server():
    # A socket's path is short by law, and its parents must be open to the server's user.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, running_postgresql(Path(folder)) as address:
        yield address


@pytest.fixture
def postgresql(postgresql_server):
    """The address of a new database."""
    import sqlalchemy as sa

    name = f"d{secrets.token_hex(6)}"
    engine = sa.create_engine(postgresql_server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return postgresql_server.replace("/postgres?", f"/{name}?")


@pytest.fixture(scope="session")
def databases():
    """Run a query on a pyarrow table called `records`, in each database; rows come back as dicts by column `n`."""
    return {"duckdb": in_duckdb, "sqlite": in_sqlite}


def in_duckdb(query, records):
    import duckdb

    connection = duckdb.connect()
    connection.register("records", records)
    return sorted(connection.sql(query).to_arrow_table().to_pylist(), key=lambda row: row["n"])


def in_sqlite(query, records):
    import sqlite3

    import pyarrow as pa

    connection = sqlite3.connect(":memory:")
    kinds = ["TEXT" if pa.types.is_string(field.type) else "NUMERIC" for field in records.schema]
    columns = ", ".join(f'"{name}" {kind}' for name, kind in zip(records.column_names, kinds, strict=True))
    connection.execute(f"CREATE TABLE records ({columns})")
    marks = ", ".join("?" * records.num_columns)
    rows = [tuple(row.values()) for row in records.to_pylist()]
    connection.executemany(f"INSERT INTO records VALUES ({marks})", rows)
    cursor = connection.execute(query)
    names = [each[0] for each in cursor.description]
    return sorted((dict(zip(names, row, strict=True)) for row in cursor), key=lambda row: row["n"])
