"""The log in a process of its own: append is the only verb, an answer means it is on disk, kills lose nothing."""

import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from workbench.audit import Event, Log
from workbench.audit.append_only import is_append_only, mark
from workbench.audit.keeper import Keeper, listen
from workbench.audit.kept import KeptLog, open_log, reach
from workbench.audit.log import Entry
from workbench.audit.wire import SOCKET, short_path
from workbench.errors import Refused, Unprotected, Untrusted, Unusable
from workbench.governance.log_process import UID, running, serving_alone
from workbench.state import State

ROOT = os.geteuid() == 0
NOBODY = 65534
as_root = pytest.mark.skipif(not ROOT, reason="only root can become another user")


@contextlib.contextmanager
def keeping(home, **settings):
    """The home's log kept by a thread of this process."""
    given = {"admitted": frozenset({os.getuid()})} | settings
    keeper = Keeper(Log.of(home), listen(home.path / SOCKET, everybody=True), **given)
    thread = threading.Thread(target=keeper.run)
    thread.start()
    try:
        yield keeper
    finally:
        keeper.stop()
        thread.join()
        (home.path / SOCKET).unlink()


@pytest.fixture
def kept(home):
    with keeping(home):
        yield open_log(home)


def withdraw(log, number: int, *, outbox: int = 0) -> None:
    log.append(Event.REQUEST_WITHDRAWN, "sato", {"request": f"R-{number}"}, outbox)


def requests(home) -> list[str]:
    records = Log.of(home).records()
    return [r["details"]["request"] for r in records if r["event"] == Event.REQUEST_WITHDRAWN]


def test_what_is_appended_is_in_the_log_with_who_the_system_says_it_was(kept, home):
    withdraw(kept, 1)

    record = Log.of(home).records()[-1]
    assert record["details"] == {"request": "R-1"}
    assert record["peer"] == {"uid": os.getuid(), "pid": os.getpid(), "socket": True}
    assert kept.count == record["seq"] == 2


def talk(home) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(10)
    with short_path(home.path / SOCKET) as name:
        connection.connect(name)
    return connection


GOOD = {"event": "request.withdrawn", "actor": "a", "details": {"request": "R"}, "outbox": 0, "time": None}
NOT_AN_APPEND = {
    "nothing": b"",
    "no JSON": b"read",
    "another verb": b'{"verb":"read","from":1}',
    "truncate": b'{"truncate":0}',
    "two verbs": json.dumps(GOOD | {"verb": "delete"}).encode(),
    "a number of its own": json.dumps(GOOD | {"seq": 1}).encode(),
    "a peer of its own": json.dumps(GOOD | {"peer": {"uid": 0}}).encode(),
    "an unknown event": json.dumps(GOOD | {"event": "log.erased"}).encode(),
    "too little": json.dumps(GOOD | {"details": {}}).encode(),
    "details that are none": json.dumps(GOOD | {"details": []}).encode(),
    "an actor that is none": json.dumps(GOOD | {"actor": 1}).encode(),
    "a negative number": json.dumps(GOOD | {"outbox": -1}).encode(),
    "a truth for a number": json.dumps(GOOD | {"outbox": True}).encode(),
    "not a number": json.dumps(GOOD | {"details": {"request": float("nan")}}).encode(),
    "depth": b"[" * 100_000,
    "half of a character": b'{"event":"\\ud800"}',
    "no text": b"\xff\xfe",
    "no time": json.dumps(GOOD | {"time": "yesterday"}).encode(),
    "a time that is none": json.dumps(GOOD | {"time": 1}).encode(),
    "a time without its zone": json.dumps(GOOD | {"time": "2026-04-01T00:00:00.000000"}).encode(),
}


@pytest.mark.parametrize("content", NOT_AN_APPEND.values(), ids=NOT_AN_APPEND)
def test_attack_asking_the_log_for_anything_but_an_append(home, content):
    with keeping(home), talk(home) as connection:
        connection.sendall(content + b"\n" + json.dumps(GOOD).encode() + b"\n")
        answers = b""
        while answers.count(b"\n") < 3:
            answers += connection.recv(1 << 16)

    greeting, refused, written = map(json.loads, answers.splitlines())
    assert greeting == {"records": 1}
    assert refused["refused"] == "Unusable"
    assert written == {"records": 2}
    assert requests(home) == ["R"]


def test_attack_half_of_a_character_in_the_source_does_not_escape_the_log(kept, home):
    kept.append(Event.CELL_EXECUTED, "sato", {"session": "s", "cell": "1", "source": "x = '\ud800'"})

    assert Log.of(home).records()[-1]["details"]["source"] == "x = '\ud800'"


def test_attack_a_client_that_never_reads_its_answers(home):
    with keeping(home), talk(home) as connection:
        connection.settimeout(0.5)
        with contextlib.suppress(OSError):
            for _ in range(200_000):
                connection.sendall(json.dumps(GOOD).encode() + b"\n")
                if len(requests(home)) > 2000:
                    break
        began = time.monotonic()
        withdraw(open_log(home), 1)
        assert time.monotonic() - began < 30


@as_root
def test_attack_a_user_who_is_not_admitted_appends(home):
    with keeping(home, admitted=frozenset({0})):
        child = os.fork()
        if child == 0:
            connection = talk(home)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            code = 1
            with contextlib.suppress(OSError):
                os.chdir(home.path)
            with contextlib.suppress(OSError):
                connection.connect(SOCKET)
                connection.sendall(json.dumps(GOOD).encode() + b"\n")
                code = 0 if connection.recv(1000) == b"" else 2
            os._exit(code if code else 0)
        _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) != 2
    assert requests(home) == []


def test_who_is_not_admitted_is_told_in_one_sentence(home):
    with keeping(home, admitted=frozenset()), pytest.raises(Unprotected, match="受け付けません"):
        open_log(home)


@as_root
def test_a_process_that_ends_while_it_is_asked_for_is_not_there(home):
    """It is not taken for one that does not admit us."""
    with short_path(home.path / SOCKET) as name, socket.socket(socket.AF_UNIX) as listening:
        listening.bind(name)
        listening.listen()

        def end():
            listening.accept()[0].close()
            listening.close()

        ending = threading.Thread(target=end)
        ending.start()
        assert reach(home) is None
        ending.join()


def test_attack_somebody_elses_socket_in_the_place_of_the_log(home):
    listening = listen(home.path / SOCKET, everybody=True)
    (home.path / SOCKET).chmod(0o666)
    child = os.fork()
    if child == 0:
        # The kernel remembers who called listen(), so the impostor calls it under its own name.
        os.chdir(home.path)
        listening.close()
        os.unlink(SOCKET)
        os.chown(".", NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        impostor = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        impostor.bind(SOCKET)
        impostor.listen()
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(60)
    os.waitpid(child, os.WUNTRACED)
    try:
        with pytest.raises(Untrusted, match="持ち主"):
            open_log(home)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_clients_at_once_share_their_flushes(home, monkeypatch):
    flushes, flush = [], os.fdatasync

    def fdatasync(handle):
        flushes.append(handle)
        time.sleep(0.005)
        flush(handle)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    with keeping(home):
        log = open_log(home)
        threads = [threading.Thread(target=lambda: [withdraw(log, n) for n in range(10)]) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(requests(home)) == 160
    assert len(flushes) < 80


def test_an_answer_comes_after_the_flush(home, monkeypatch):
    done, flush = [], os.fdatasync
    send = Keeper._send

    def fdatasync(handle):
        flush(handle)
        done.append("flushed")

    def answer(keeper, client, content):
        done.append("answered")
        send(keeper, client, content)

    with keeping(home):
        log = open_log(home)
        monkeypatch.setattr(os, "fdatasync", fdatasync)
        monkeypatch.setattr(Keeper, "_send", answer)
        withdraw(log, 1)

    assert done[:2] == ["flushed", "answered"]


def test_nothing_is_answered_when_the_flush_fails(home, monkeypatch):
    def fail(_):
        raise OSError(5, "Input/output error")

    with keeping(home):
        log = open_log(home)
        with monkeypatch.context() as broken:
            broken.setattr(os, "fdatasync", fail)
            with pytest.raises(Unprotected, match="書き込めません"):
                withdraw(log, 1)
        withdraw(log, 2)

    assert requests(home) == ["R-2"]


def test_several_at_once_are_one_flush_and_come_back_in_order(kept, home):
    entries = [Entry(Event.REQUEST_WITHDRAWN, "sato", {"request": f"R-{n}"}) for n in range(500)]

    assert kept.append_all(entries) == list(range(2, 502))
    assert requests(home) == [f"R-{n}" for n in range(500)]


def test_the_same_number_is_written_once_and_another_event_under_it_is_refused(kept, home):
    withdraw(kept, 1, outbox=1)
    withdraw(kept, 1, outbox=1)

    with pytest.raises(Untrusted, match="送信番号 1"):
        withdraw(kept, 2, outbox=1)
    assert requests(home) == ["R-1"]


def test_single_commands_append_beside_the_process(kept, home):
    """Whoever holds the key makes one chain with it, under one lock."""
    for number in range(5):
        withdraw(kept, number)
        withdraw(Log.of(home), number)

    assert Log.of(home).verify().records == 11
    assert kept.count == 11


def test_a_state_drains_through_the_process(home):
    State.open(home).close()
    with keeping(home):
        state = State.open(home)
        assert isinstance(state.log, KeptLog)
        with state.transaction() as transaction:
            transaction.event(Event.REQUEST_WITHDRAWN, actor="sato", request="R-1")
        state.record(Event.REQUEST_WITHDRAWN, actor="sato", request="R-2")
        assert state.waiting() == []
        assert state.verify().records == 4
        state.close()

    again = State.open(home)
    assert requests(home) == ["R-1", "R-2"]
    assert again.verify().records == 5


def write_states(path, number: int) -> None:
    from workbench.home import Home

    state = State.open(Home.open(path))
    for step in range(5):
        with state.transaction() as transaction:
            transaction.event(Event.REQUEST_WITHDRAWN, actor="sato", request=f"R-{number}-{step}")


def test_states_of_several_processes_lose_and_double_nothing(home):
    State.open(home).close()
    with keeping(home):
        children = []
        for number in range(4):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    write_states(home.path, number)
                    code = 0
                finally:
                    os._exit(code)
            children.append(child)
        assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 4

    assert sorted(requests(home)) == [f"R-{n}-{s}" for n in range(4) for s in range(5)]


@pytest.fixture
def process(home):
    """A real process that keeps the log; its file can be removed afterwards."""
    State.open(home).close()
    started = []

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "workbench.governance.log_process", str(home.path), "--while-stdin"]
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        assert started[-1].stdout.readline() == b"ready\n"
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.wait()
    mark(home.audit / "log.jsonl", on=False)


def append_until_it_dies(home, acknowledged: list[str], name: str) -> None:
    try:
        log = open_log(home)
        for number in range(100_000):
            log.append(Event.REQUEST_WITHDRAWN, "sato", {"request": f"{name}-{number}"})
            acknowledged.append(f"{name}-{number}")
    except (Unprotected, OSError):
        return


def test_attack_kill_9_under_load_and_a_torn_line_lose_nothing_acknowledged(home, process):
    keeper, acknowledged = process(), []
    threads = [
        threading.Thread(target=append_until_it_dies, args=(home, acknowledged, f"t{n}")) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    while len(acknowledged) < 200:
        time.sleep(0.01)
    keeper.kill()
    for thread in threads:
        thread.join()
    mark(home.audit / "log.jsonl", on=False)
    with (home.audit / "log.jsonl").open("ab") as file:
        file.write(b'{"actor":"sato","details":{"requ')
    process()
    withdraw(open_log(home), 0)

    written = requests(home)
    assert set(acknowledged) <= set(written)
    assert len(written) == len(set(written))
    assert len(written) <= len(acknowledged) + 8 + 1
    assert (written[-1], Log.of(home).count) == ("R-0", Log.of(home).verify().records)


def test_without_its_process_a_record_without_a_number_is_refused_not_repeated(home, process):
    """Nobody knows whether it was written; a request that waits for it must not run."""
    keeper = process()
    log = open_log(home)
    withdraw(log, 1)
    keeper.kill()
    keeper.wait()

    with pytest.raises(Unprotected, match="応答せず"):
        withdraw(log, 2)
    withdraw(log, 3)  # from then on it is written directly, by whoever holds the key
    assert requests(home) == ["R-1", "R-3"]


def test_without_its_process_an_event_with_a_number_is_written_directly(home, process):
    keeper = process()
    log = open_log(home)
    withdraw(log, 1, outbox=900)
    keeper.kill()
    keeper.wait()

    withdraw(log, 1, outbox=900)
    withdraw(log, 2, outbox=901)
    assert requests(home) == ["R-1", "R-2"]


def test_the_process_ends_with_the_one_that_started_it(home):
    State.open(home).close()
    with running(home):
        withdraw(open_log(home), 1)
        with running(home):
            withdraw(open_log(home), 2)
        withdraw(open_log(home), 3)
    mark(home.audit / "log.jsonl", on=False)

    assert isinstance(open_log(home), Log)
    assert requests(home) == ["R-1", "R-2", "R-3"]
    told = [record["event"] for record in Log.of(home).records() if record["event"].startswith("audit.")]
    assert told == ["audit.opened", "audit.closed"]


def test_a_second_process_for_the_same_log_is_refused(home):
    with serving_alone(home), pytest.raises(Refused, match="既に"), serving_alone(home):
        pass


@as_root
def test_attack_another_user_opens_the_files_of_a_log_with_a_user_of_its_own(home, process):
    process()
    opened = next(r for r in Log.of(home).records() if r["event"] == "audit.opened")["details"]
    assert (opened["uid"], opened["own_uid"]) == (UID, True)
    child = os.fork()
    if child == 0:
        os.setresuid(NOBODY, NOBODY, NOBODY)
        reached = 0
        for name in ("log.jsonl", "head.json", "lock"):
            for flags in (os.O_RDONLY, os.O_WRONLY | os.O_APPEND, os.O_WRONLY):
                with contextlib.suppress(OSError):
                    os.open(home.audit / name, flags)
                    reached += 1
        os._exit(reached)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@as_root
def test_attack_root_overwrites_cuts_renames_or_removes_a_file_that_is_append_only(home, process):
    process()
    log = home.audit / "log.jsonl"
    if not is_append_only(log):
        pytest.skip("this file system has no append-only mark")

    for act in (
        lambda: os.open(log, os.O_WRONLY),
        lambda: os.truncate(log, 0),
        lambda: log.rename(log.with_name("elsewhere")),
        log.unlink,
    ):
        with pytest.raises(PermissionError):
            act()
    withdraw(open_log(home), 1)
    assert requests(home) == ["R-1"]


def limit_files(process, size: int) -> None:
    """What its files may have, which stands for a full disk; said by its own user, who always may."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setresgid(UID, UID, UID)
            os.setresuid(UID, UID, UID)
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@as_root
def test_attack_a_disk_that_is_full_for_a_while_stops_the_log_for_good(home, process):
    """Its own user cannot cut what a write left half-way: the next record closes it and goes on."""
    keeper = process()
    log, file = open_log(home), home.audit / "log.jsonl"
    withdraw(log, 1)
    limit_files(keeper, file.stat().st_size + 500)
    with pytest.raises(Unprotected):
        log.append(Event.REQUEST_WITHDRAWN, "sato", {"request": "R" * 2000})
    limit_files(keeper, resource.RLIM_INFINITY)
    withdraw(log, 2)
    withdraw(log, 3)

    assert requests(home) == ["R-1", "R-2", "R-3"]
    torn = [record for record in Log.of(home).records() if record["event"] == "audit.torn"]
    assert [record["details"]["bytes"] for record in torn] == [500] * is_append_only(file)


def test_attack_a_client_says_that_something_was_torn(kept, home):
    with pytest.raises(Unusable):
        kept.append(Event.AUDIT_TORN, "sato", {"bytes": 5, "sha256": "0" * 64})

    Log.of(home).verify()


def test_the_log_cannot_be_opened_when_only_its_user_may_and_nobody_answers(home, monkeypatch):
    def forbidden(_):
        raise PermissionError

    monkeypatch.setattr("workbench.audit.kept.Log.of", forbidden)
    with pytest.raises(Unprotected, match="serve"):
        open_log(home)


def test_an_event_that_says_too_little_never_reaches_the_socket(kept):
    with pytest.raises(ValueError, match="request"):
        kept.append(Event.REQUEST_WITHDRAWN, "sato", {})


def test_a_checkpoint_is_made_by_the_process_and_a_place_out_of_reach_is_told_of(home):
    made = []

    def unreachable(log):
        made.append(log.count)
        raise OSError(107, "Transport endpoint is not connected")

    with keeping(home, checkpoint=unreachable, due=lambda count: count == 2):
        withdraw(open_log(home), 1)
    reasons = [r["details"] for r in Log.of(home).records() if r["event"] == "audit.not_kept"]

    assert made[0] == 2
    assert {"reason": "OSError"} in reasons


def test_the_process_writes_checkpoints_to_the_second_place(home, tmp_path):
    from workbench.governance.checkpoints import expect_kept, make_checkpoint, set_place

    place = tmp_path / "elsewhere"
    place.mkdir()
    state = State.open(home)
    set_place(home, state, place)
    make_checkpoint(home, state)
    with running(home):
        withdraw(open_log(home), 1)
    mark(home.audit / "log.jsonl", on=False)

    assert expect_kept(home, state, state.verify()) == 3
    assert len(list(Path(place).rglob("0*.checkpoint"))) == 2


def test_a_line_that_is_no_event_is_one_sentence():
    from workbench.audit.wire import heard

    with pytest.raises(Unusable, match="出来事"):
        heard(b"{}", peer={})
