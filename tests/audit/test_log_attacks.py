"""What somebody with the log's files, and without its key, may try; and what a kill leaves."""

import contextlib
import hmac
import json
import os
from multiprocessing import get_context

import pytest
import rfc8785

from workbench.audit import SCHEMA, Event, Log
from workbench.audit.log import Entry
from workbench.audit.record import digest, mac, seal, spelled
from workbench.errors import Unprotected, Untrusted, Unusable

KEY = bytes(range(32))


def write(log: Log, count: int, *, start: int = 1) -> Log:
    for number in range(start, start + count):
        log.append(Event.REQUEST_WITHDRAWN, "sato", {"request": f"R-{number}"}, number)
    return log


@pytest.fixture
def log(tmp_path) -> Log:
    return write(Log(tmp_path, KEY), 6)


def lines(log: Log) -> list[bytes]:
    return (log.folder / "log.jsonl").read_bytes().splitlines()


def rewrite(log: Log, changed: list[bytes]) -> None:
    (log.folder / "log.jsonl").write_bytes(b"".join(line + b"\n" for line in changed))


def alter(found):
    record = json.loads(found[2])
    record["actor"] = "suzuki"
    return [*found[:2], rfc8785.dumps(record), *found[3:]]


def rehash_without_the_key(found):
    """Every record from the third on made again, chained properly, sealed with a guessed key."""
    changed = found[:2]
    for line in found[2:]:
        body = {name: value for name, value in json.loads(line).items() if name != "mac"}
        changed.append(seal({**body, "previous": digest(changed[-1])}, key=b"guess" * 8))
    return changed


def respell(found):
    return [*found[:2], json.dumps(json.loads(found[2])).encode(), *found[3:]]


def forge(found):
    body = {**json.loads(found[2]), "actor": "nobody"}
    return [*found[:2], rfc8785.dumps(body), *found[2:]]


ATTACKS = {
    "alter a record": (alter, "record 3 was altered"),
    "alter the last record": (lambda f: [*f[:-1], f[-1].replace(b"R-6", b"R-9")], "record 6 was altered"),
    "spell a record differently": (respell, "record 3 was altered"),
    "replace a record by garbage": (lambda f: [*f[:2], b"{", *f[3:]], "record 3 was altered"),
    "re-hash without the key": (rehash_without_the_key, "record 3 was altered"),
    "delete the first record": (lambda f: f[1:], "record 1 was deleted"),
    "delete a record": (lambda f: [*f[:2], *f[3:]], "record 3 was deleted"),
    "insert a forged record": (forge, "inserted where record 3"),
    "insert a copy of a record": (lambda f: [*f[:3], f[1], *f[3:]], "inserted where record 4"),
    "repeat the last record": (lambda f: [*f, f[-1]], "inserted where record 7"),
    "swap two records": (lambda f: [*f[:2], f[3], f[2], *f[4:]], "reordered from record 3"),
    "cut the last record": (lambda f: f[:-1], "the tail was cut: records from 6"),
    "cut half of the log": (lambda f: f[:3], "the tail was cut: records from 4"),
    "empty the log": (lambda _: [], "the tail was cut: records from 1"),
}


@pytest.mark.parametrize(("attack", "sentence"), ATTACKS.values(), ids=ATTACKS)
def test_tampering_is_found_and_named(log, attack, sentence):
    rewrite(log, attack(lines(log)))

    with pytest.raises(Untrusted) as refused:
        log.verify()

    assert sentence in refused.value.en


def test_an_untouched_log_holds(log):
    verified = log.verify(at_least=6)

    assert (verified.records, verified.head) == (6, digest(lines(log)[-1]))
    assert [record["details"]["request"] for record in log.records()] == [f"R-{n}" for n in range(1, 7)]


@pytest.mark.parametrize("count", [5, 3, 0])
def test_appending_does_not_paper_over_a_cut_tail(log, count):
    rewrite(log, lines(log)[:count])

    with pytest.raises(Untrusted, match="末尾"):
        write(log, 1, start=7)


def test_removing_the_whole_log_file_is_a_cut_tail(log):
    (log.folder / "log.jsonl").unlink()

    for act in (log.verify, lambda: write(log, 1, start=7)):
        with pytest.raises(Untrusted, match="末尾"):
            act()


def test_removing_the_head_to_hide_a_cut_is_found(log):
    rewrite(log, lines(log)[:1])
    (log.folder / "head.json").unlink()

    for act in (log.verify, lambda: write(log, 1, start=7)):
        with pytest.raises(Untrusted, match="head"):
            act()


def test_a_head_made_without_the_key_is_found(log):
    heads = [json.loads(copy) for copy in (log.folder / "head.json").read_bytes().splitlines()]
    for head in heads:
        head["head"]["records"] = 3
    (log.folder / "head.json").write_bytes(b"".join(spelled(head).ljust(4095) + b"\n" for head in heads))

    with pytest.raises(Untrusted, match="head"):
        log.verify()


def test_a_record_does_not_pass_as_a_head(log):
    (log.folder / "head.json").write_bytes(lines(log)[2])

    with pytest.raises(Untrusted, match="head"):
        log.verify()


def test_a_head_does_not_pass_as_a_record(log):
    rewrite(log, [*lines(log), (log.folder / "head.json").read_bytes()])

    with pytest.raises(Untrusted, match="挿入"):
        log.verify()
    with pytest.raises(Untrusted, match="挿入"):
        write(log, 1, start=7)


def test_putting_the_whole_folder_back_is_found_by_the_number_known_elsewhere(log):
    earlier = {path: path.read_bytes() for path in log.folder.iterdir()}
    write(log, 2, start=7)
    for path, content in earlier.items():
        path.write_bytes(content)

    assert log.verify().records == 6
    with pytest.raises(Untrusted, match="8 件あった"):
        log.verify(at_least=8)


def test_a_forged_record_waiting_after_the_head_is_not_adopted(log):
    """What a kill may leave there is sealed; anything else is somebody's."""
    with (log.folder / "log.jsonl").open("ab") as file:
        file.write(lines(log)[-1].replace(b"R-6", b"R-7") + b"\n")

    with pytest.raises(Untrusted, match="挿入"):
        write(log, 1, start=7)


@pytest.fixture
def another_history(tmp_path) -> list[bytes]:
    """The lines of a log with the same key and length in which something else happened."""
    other = Log(tmp_path / "another", KEY)
    for number in range(1, 7):
        other.append(Event.REQUEST_WITHDRAWN, "suzuki", {"request": f"R-{number}"}, number)
    return lines(other)


def test_records_of_another_history_under_the_same_key_do_not_fit_in(log, another_history):
    rewrite(log, [*lines(log)[:3], *another_history[3:]])

    with pytest.raises(Untrusted, match="記録 4"):
        log.verify()


def test_a_whole_other_history_under_the_same_key_is_not_this_log(log, another_history):
    rewrite(log, another_history)

    with pytest.raises(Untrusted, match="記録 6"):
        log.verify()


def test_a_record_is_on_disk_before_the_head_vouches_for_it(log, monkeypatch):
    """A kill cannot show this, for the page cache outlives a process; a power cut would."""
    done, flush, put = [], os.fdatasync, os.pwrite

    def fdatasync(handle):
        done.append(("flushed", os.fstat(handle).st_ino))
        flush(handle)

    def pwrite(handle, *content):
        done.append(("written", os.fstat(handle).st_ino))
        return put(handle, *content)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    monkeypatch.setattr(os, "pwrite", pwrite)
    write(log, 1, start=7)

    records, head = ((log.folder / name).stat().st_ino for name in ("log.jsonl", "head.json"))
    assert done == [("flushed", records), ("written", head)]


def test_a_head_torn_by_a_power_cut_does_not_stop_the_log(log):
    """The record was on disk by then, so the log is longer than the copy that is left."""
    tear_newest_head(log)

    assert log.verify().records == 6
    assert write(Log(log.folder, KEY), 1, start=7).verify().records == 7


def test_attack_tearing_the_head_to_hide_that_the_last_record_was_cut(log):
    tear_newest_head(log)
    rewrite(log, lines(log)[:5])

    for act in (log.verify, lambda: write(log, 1, start=7)):
        with pytest.raises(Untrusted, match="head"):
            act()


def tear_newest_head(log: Log) -> None:
    with (log.folder / "head.json").open("r+b") as file:
        file.seek(4096 * (6 % 2) + 200)
        file.write(b"\0" * 512)


def test_a_log_of_an_earlier_layout_is_refused_in_one_sentence(log):
    head = {"head": {"records": 6, "size": 1, "last": "0" * 64, "outbox": 6}}
    (log.folder / "head.json").write_bytes(seal(head, key=KEY))

    for act in (log.verify, lambda: write(Log(log.folder, KEY), 1, start=7)):
        with pytest.raises(Unusable, match="別の版"):
            act()


def test_another_key_holds_nothing(log):
    with pytest.raises(Untrusted):
        Log(log.folder, b"x" * 32).verify()


@pytest.mark.parametrize("keep", [0.01, 0.5, 0.99])
def test_a_torn_tail_is_removed_and_nothing_acknowledged_is_lost(log, keep):
    other = Log(log.folder / "other", KEY)
    other.append(Event.REQUEST_WITHDRAWN, "sato", {"request": "R-7" * 500}, 1)
    torn = lines(other)[0]
    with (log.folder / "log.jsonl").open("ab") as file:
        file.write(torn[: int(len(torn) * keep)])

    assert log.verify().records == 6
    write(log, 1, start=7)

    assert log.verify().records == 7
    assert all(json.loads(line) for line in lines(log))


@contextlib.contextmanager
def append_only(monkeypatch):
    """As the file's own user has it who cannot take the mark off: nothing is ever cut."""

    def refused(*_):
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patched:
        patched.setattr(os, "ftruncate", refused)
        yield patched


def full_after(patched, room: int) -> None:
    """The next write tears after so many bytes, and there is no room behind them."""
    write_, left = os.write, [room]

    def torn(handle, content):
        if not left[0]:
            raise OSError(28, "No space left on device")
        written = write_(handle, content[: left[0]])
        left[0] -= written
        return written

    patched.setattr(os, "write", torn)


def tear(log: Log, monkeypatch, *rooms: int) -> Log:
    """Appends that fail for want of room, one after the other, in a file that can only be appended to."""
    for room in rooms:
        with append_only(monkeypatch) as patched:
            full_after(patched, room)
            with pytest.raises(OSError, match="No space"):
                write(log, 1, start=7)
    return log


@pytest.mark.parametrize("rooms", [(1,), (100,), (100, 1), (100, 250, 3), (8, 9, 20)])
def test_attack_a_full_disk_under_a_file_that_can_only_be_appended_to(log, monkeypatch, rooms):
    """Nothing was recorded again until somebody started the process anew as root, with room on the disk."""
    tear(log, monkeypatch, *rooms)
    assert log.verify().records == 6
    with append_only(monkeypatch):
        write(log, 2, start=7)
        write(Log(log.folder, KEY), 1, start=9)

    records = log.records()
    assert [record["outbox"] for record in records] == [1, 2, 3, 4, 5, 6, 0, 7, 8, 9]
    assert (records[6]["event"], records[6]["details"]["bytes"]) == ("audit.torn", sum(rooms))


def test_what_of_a_batch_is_whole_before_the_tear_is_written_once(log, monkeypatch):
    entries = [Entry(Event.REQUEST_WITHDRAWN, "sato", {"request": f"R-{n}"}, n) for n in (7, 8, 9)]
    with append_only(monkeypatch) as patched:
        full_after(patched, 700)
        with pytest.raises(OSError, match="No space"):
            log.append_all(entries)
    with append_only(monkeypatch):
        answers = log.append_all(entries)

    assert all(isinstance(answer, int) for answer in answers)
    assert [r["outbox"] for r in log.records() if r["outbox"]] == list(range(1, 10))


def change_torn(found):
    return [found[6][:3] + b"X" + found[6][4:]]


def add_to_torn(found):
    return [b"X" + found[6]]


def take_torn_away(found):
    return [found[6][found[6].rindex(b'{"actor":') :]]


def put_another_line_for_it(found):
    return [found[6][:100], found[6][100:]]


def put_torn_before_another(found):
    return [found[6], b"X" + found[7]]


def take_it_away(_):
    return []


@pytest.mark.parametrize(
    "act",
    [
        *(change_torn, add_to_torn, take_torn_away),
        *(put_another_line_for_it, put_torn_before_another, take_it_away),
    ],
)
def test_attack_on_a_write_that_was_torn(log, monkeypatch, act):
    """It is part of the chain: neither changed nor taken away, and nothing else passes for one."""
    tear(log, monkeypatch, 100)
    with append_only(monkeypatch):
        write(log, 2, start=7)
    found, saved = lines(log), (log.folder / "head.json").read_bytes()
    changed = act(found)
    rewrite(log, found[:6] + changed + (found[8:] if act is put_torn_before_another else found[7:]))
    (log.folder / "head.json").write_bytes(saved)

    with pytest.raises(Untrusted):
        log.verify()


def test_a_kill_at_any_point_of_an_append_loses_and_doubles_nothing(tmp_path, kill_at_every_point):
    """The caller repeats what it does not know to be written, under the same number."""

    def prepare(point):
        return write(Log(tmp_path / str(point), KEY), 2).folder

    def check(folder):
        log = write(Log(folder, KEY), 3, start=3)
        log.verify(at_least=5)
        assert [record["outbox"] for record in log.records()] == [1, 2, 3, 4, 5]

    points = kill_at_every_point(prepare, lambda folder: write(Log(folder, KEY), 2, start=3), check)

    assert points > 7


def append_many(folder, first, together) -> None:
    together.wait()
    log = Log(folder, KEY)
    for _ in range(15):
        with log.locked():
            log.append(Event.REQUEST_WITHDRAWN, f"process-{first}", {"request": "R-1"}, log.count + 1)


def test_processes_that_append_at_once_make_one_chain(tmp_path):
    context = get_context("fork")
    together = context.Barrier(5)
    children = [context.Process(target=append_many, args=(tmp_path, n * 100, together)) for n in range(5)]
    for child in children:
        child.start()
    for child in children:
        child.join()

    assert [child.exitcode for child in children] == [0] * 5
    assert Log(tmp_path, KEY).verify().records == 75


def test_threads_of_one_log_make_one_chain(tmp_path):
    from threading import Barrier, Thread

    log, together = Log(tmp_path, KEY), Barrier(4)

    def work() -> None:
        together.wait()
        for _ in range(10):
            with log.locked():
                log.append(Event.REQUEST_WITHDRAWN, "sato", {"request": "R-1"}, log.count + 1)

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert log.verify().records == 40


def test_the_same_outbox_number_is_written_once(log):
    write(log, 1, start=4)

    assert log.verify().records == 6


def test_another_event_under_a_number_that_is_taken_is_refused(log):
    """A state that was put back would give its numbers again, and its events would vanish."""
    with pytest.raises(Untrusted, match="送信番号 4"):
        log.append(Event.REQUEST_WITHDRAWN, "suzuki", {"request": "R-44"}, 4)


def test_every_event_says_what_it_must():
    assert SCHEMA.keys() == set(Event)
    assert all(event.value.count(".") == 1 for event in Event)


def test_an_event_without_its_details_is_not_written(log):
    with pytest.raises(ValueError, match="vote"):
        log.append(Event.REQUEST_VOTED, "sato", {"request": "R-1", "person": "sato", "report": "0"}, 7)

    assert log.verify().records == 6


def test_the_log_is_its_owners_alone(log):
    modes = {path.name: path.stat().st_mode & 0o777 for path in log.folder.iterdir()}

    assert set(modes.values()) == {0o600}, modes


def test_a_lost_audit_key_is_not_made_anew(home):
    write(Log.of(home), 1)
    (home.keys / "audit.key").unlink()

    with pytest.raises(Untrusted, match="鍵"):
        Log.of(home)


def test_an_audit_key_others_may_read_is_refused(home):
    Log.of(home)
    (home.keys / "audit.key").chmod(0o640)

    with pytest.raises(Unprotected, match="chmod 600"):
        Log.of(home)


def test_a_shortened_audit_key_is_refused(home):
    Log.of(home)
    (home.keys / "audit.key").write_bytes(b"short")

    with pytest.raises(Untrusted, match="鍵"):
        Log.of(home)


def key_of(folder, together, answers) -> None:
    from workbench.audit.key import audit_key
    from workbench.home import Home

    opened = Home.open(folder)
    together.wait()
    answers.put(audit_key(opened))


def test_processes_that_open_a_new_home_at_once_agree_on_one_key(home):
    context = get_context("fork")
    together, answers = context.Barrier(4), context.Queue()
    children = [context.Process(target=key_of, args=(home.path, together, answers)) for _ in range(4)]
    for child in children:
        child.start()
    keys = {answers.get(timeout=60) for _ in children}
    for child in children:
        child.join()

    assert keys == {(home.keys / "audit.key").read_bytes()}
    assert os.stat(home.keys / "audit.key").st_mode & 0o777 == 0o600


@pytest.mark.parametrize("key", [b"k", KEY, b"k" * 64, b"k" * 200])
def test_the_seal_is_the_hmac_of_the_standard_library(key):
    assert mac(b"content", key=key).decode() == hmac.new(key, b"content", "sha256").hexdigest()
