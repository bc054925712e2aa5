"""What the log holds of an analyst's work: the code before it runs, outputs without their content, the whole story."""

import contextlib
import json
import os
import signal
import time
from datetime import UTC, datetime, timedelta

import pytest

from workbench.audit import Event, Log, timeline
from workbench.audit.timeline import described, sessions
from workbench.cli.lab import notify
from workbench.errors import NotFound, Unprotected, Untrusted
from workbench.governance.keys import create_key
from workbench.governance.people import People, Person, Role
from workbench.governance.signed_settings import sign_setting, signed_settings, today
from workbench.lab import outputs
from workbench.lab.run import run_notebook
from workbench.lab.session import Session
from workbench.lab.workspace import Workspace
from workbench.state import State


def records(state, event: str) -> list[dict]:
    return [record for record in state.log.records() if record["event"] == event]


def test_attack_code_runs_although_its_record_is_not_on_disk(session, notebook, monkeypatch):
    """The record fails at the flush, as on a full disk: the file that the cell would make is not there."""
    import os

    flush = os.fdatasync

    def full(handle):
        content = b""
        with contextlib.suppress(OSError):  # not every file is open for reading
            content = os.pread(handle, 1 << 20, 0)
        if b"cell.executed" in content:
            raise OSError(28, "No space left on device")
        flush(handle)

    monkeypatch.setattr(os, "fdatasync", full)
    with pytest.raises(OSError, match="No space"):
        run_notebook(notebook("open('ran.txt', 'w').write('x')"), session, name="n.ipynb")

    assert not (session.workspace.folder / "ran.txt").exists()


def test_attack_code_runs_after_the_log_process_was_killed(session, notebook, monkeypatch, state):
    def gone(*_, **__):
        raise Unprotected(ja="応答なし", en="gone")

    append = state.log.append
    monkeypatch.setattr(
        state.log,
        "append",
        lambda event, *rest, **more: (gone if event == Event.CELL_EXECUTED else append)(event, *rest, **more),
    )
    with pytest.raises(Unprotected):
        run_notebook(notebook("open('ran.txt', 'w').write('x')"), session, name="n.ipynb")

    assert not (session.workspace.folder / "ran.txt").exists()


def test_outputs_are_in_the_log_by_kind_size_and_digest_and_never_by_content(session, notebook, state):
    code = """
        print("secret-" + "value")
        from IPython.display import display
        display({"text/plain": "p" * 10, "text/x-thing": "secret-" + "value"}, raw=True)
        1 / 0
    """
    run_notebook(notebook(code), session, name="n.ipynb", allow_errors=True)
    session.close()

    [record] = records(state, Event.OUTPUT_SENT)
    told, [withheld] = record["details"]["outputs"], record["details"]["withheld"]
    assert [(one["mime"], one["size"]) for one in told][:1] == [("text/plain", len("secret-value\n"))]
    assert "text/x-traceback" in {one["mime"] for one in told}
    assert (withheld["mime"], withheld["why"]) == ("text/x-thing", "kind")
    assert all(one.keys() - {"why"} == {"mime", "size", "sha256"} for one in (*told, withheld))
    log = (state.log.folder / "log.jsonl").read_text()
    assert "secret-value" not in log


def test_a_flood_of_outputs_is_few_records(session, state):
    for _ in range(3000):
        session.shown(outputs.described("stream", {"text": "x"}), cell="1", kernel="k")
    session.close()

    told = records(state, Event.OUTPUT_SENT)
    assert len(told) < 300
    assert sum(len(r["details"]["outputs"]) + r["details"].get("more", 0) for r in told) == 3000


def test_outputs_wait_for_a_log_that_does_not_answer(session, state, monkeypatch):
    append, failing = Log.append_all, [True]

    def sometimes(log, entries):
        if failing and entries[0].event == Event.OUTPUT_SENT:
            failing.pop()
            raise OSError(28, "No space left on device")
        return append(log, entries)

    monkeypatch.setattr(Log, "append_all", sometimes)
    session.shown(outputs.described("stream", {"text": "x"}), cell="1", kernel="k")
    while failing:
        time.sleep(0.01)
    session.close()

    assert len(records(state, Event.OUTPUT_SENT)) == 1


def test_a_session_is_told_from_the_log_alone(session, notebook, state):
    """Log-in, duration, cells with their source, datasets: against what really happened."""
    began = datetime.now().astimezone()
    sources = ["x = 1\nprint(x)", "wb.open().dataset('child-year@1')", "print('done')"]
    run_notebook(notebook(*sources), session, name="n.ipynb", allow_errors=True)
    session.close()
    ended = datetime.now().astimezone()

    [told] = sessions(Log(state.log.folder, state.log.key).records(), person="analyst-1")
    assert (told.session, told.person, told.project) == (session.id, "analyst-1", "early-support")
    assert told.ended
    assert datetime.fromisoformat(told.opened) <= began.astimezone(datetime.fromisoformat(told.opened).tzinfo)
    assert 0 < told.seconds <= (ended - datetime.fromisoformat(told.opened)).total_seconds()
    cells = [step.details["source"] for step in told.steps if step.event == Event.CELL_EXECUTED]
    assert cells == sources
    assert (told.cells, told.datasets) == (3, {"child-year-1.0.0": [2]})
    assert [step.event for step in told.steps][:2] == [Event.GATEWAY_OPENED, Event.DATASET_OPENED]
    assert told.steps[-1].event == Event.GATEWAY_CLOSED


def record(seq: int, event: str, time: str, **details) -> dict:
    return {
        "seq": seq,
        "event": event,
        "time": time,
        "actor": "mori",
        "details": {"session": "s1", **details},
    }


STORY = [
    record(1, "gateway.opened", "2026-04-01T09:00:00.000000Z", analyst="mori", project="attendance"),
    record(2, "dataset.opened", "2026-04-01T09:00:00.500000Z", manifest="0" * 64, dataset="child-year-1"),
    record(3, "cell.executed", "2026-04-01T09:01:00.000000Z", cell="1", source="df = load('child-year')"),
    record(4, "output.sent", "2026-04-01T09:01:01.000000Z", cell="1", outputs=[{"mime": "text/plain", "size": 1234, "sha256": "0"}]),
    record(5, "cell.executed", "2026-04-01T10:00:00.000000Z", cell="2", source="\x1b[2Jprint(1)"),
]  # fmt: skip


def test_the_story_in_english_and_in_japanese():
    [told] = sessions(STORY)

    en, ja = described(told, language="en"), described(told, language="ja")
    assert en.splitlines()[0] == (
        "Session s1: mori (purpose attendance), logged in -, 2026-04-01T09:00:00Z to 2026-04-01T10:00:00Z "
        "(1:00:00, no end recorded), 2 cells, 1,234 B shown, datasets child-year-1 (named in cells 1)"
    )
    assert "output text/plain 1,234 B" in en
    assert "セル 2 個、表示 1,234 B、データセット child-year-1（セル 1 に名前）" in ja
    assert len(en.splitlines()) == len(ja.splitlines()) == 1 + len(STORY)


def test_attack_the_name_of_a_file_writes_on_the_auditors_screen():
    name = "x\x1b[2J\n  09:15:00  99  logged out"
    shown = record(6, "file.shown", "2026-04-01T10:00:01.000000Z", name=name, size=1, sha256="0")
    [told] = sessions([*STORY, shown])

    for language in ("ja", "en"):
        text = described(told, language=language)
        assert len(text.splitlines()) == 2 + len(STORY)
        assert "\x1b" not in text


def at_the_door(seq: int, event: str, time: str, **details) -> dict:
    found = record(seq, event, time, person="mori", login="l1", **details)
    del found["details"]["session"]
    return found


def test_a_session_belongs_to_its_log_in_and_has_what_was_done_at_the_door_meanwhile():
    closing = record(9, "gateway.closed", "2026-04-01T11:00:00.000000Z")
    story = [
        at_the_door(0, "login.opened", "2026-03-31T09:00:00.000000Z", method="passphrase"),
        record(1, "gateway.opened", "2026-03-31T09:00:00.000000Z", analyst="abe", project="p", session="s0"),
        at_the_door(2, "login.failed", "2026-04-01T08:58:00.000000Z", reason="passphrase"),
        at_the_door(3, "login.opened", "2026-04-01T08:59:00.000000Z", method="passphrase"),
        *STORY,
        at_the_door(7, "login.closed", "2026-04-01T10:30:00.000000Z", reason="idle"),
        at_the_door(8, "login.opened", "2026-04-01T10:45:00.000000Z", method="passphrase"),
        at_the_door(8, "login.closed", "2026-04-01T10:59:00.000000Z", reason="logged_out"),
        closing,
        at_the_door(10, "login.failed", "2026-04-02T08:58:00.000000Z", reason="passphrase"),
    ]
    [told] = sessions(story, person="mori")

    assert told.logged_in == "2026-03-31T09:00:00.000000Z"  # abe's room in between is not mori's
    assert told.logged_out == "2026-04-01T10:59:00.000000Z"
    assert told.ended
    assert [step.event for step in told.steps if step.event.startswith("login.")] == [
        *("login.opened", "login.failed", "login.opened"),
        *("login.closed", "login.opened", "login.closed"),
    ]
    assert "logged out (idle)" in described(told, language="en")


def test_attack_source_that_would_clear_the_auditors_screen():
    [told] = sessions(STORY)

    assert "\x1b" not in described(told, language="ja")
    assert "·[2Jprint(1)" in described(told, language="ja")


def test_every_event_of_a_session_has_its_words_or_its_name():
    for event in Event:
        [told] = sessions(
            [record(1, event, "2026-04-01T09:00:00Z", **dict.fromkeys(timeline_keys(event), "x"))]
        )
        for language in ("ja", "en"):
            assert described(told, language=language)


def timeline_keys(event: Event) -> set[str]:
    from workbench.audit import SCHEMA

    return SCHEMA[event] - {"session", "outputs"}


def test_what_a_page_did_not_get_is_told_with_the_reason():
    told = {"outputs": [], "withheld": [{"mime": "text/html", "size": 10, "sha256": "0", "why": "kind"}]}
    [found] = sessions([record(1, "output.sent", "2026-04-01T09:00:00Z", cell="1", **told)])

    assert "[text/html 10 B: kind]" in described(found, language="en")
    assert found.shown == 0


def test_what_is_typed_into_a_cell_is_a_step_and_no_cell():
    typed = record(1, "cell.executed", "2026-04-01T09:00:00Z", cell="1", source="import os", typed=True)
    [found] = sessions([typed])

    assert (found.cells, len(found.steps)) == (0, 1)


def test_the_managers_warnings_are_told_in_both_languages_with_whom_they_are_for(
    session, state, monkeypatch, capsys
):
    from workbench.audit.warnings import WORDS, described, warnings_in

    one = {"person": "mori", "day": "2026-04-01", "bytes": 30, "threshold": 20, "to": ["oka"]}
    setting = {"name": "n", "version": 1, "review_by": "2026-04-01", "to": ["oka"]}
    details = {
        "output.warned": one,
        "output.stopped": one,
        "setting.overdue": setting,
        "audit.not_kept": {"reason": "OSError"},
        "budget.warned": {"dataset": "d", "year": 2026, "percent": 80, "to": ["oka"]},
    }
    story = [record(n, event, "2026-04-01T09:00:00Z", **details[event]) for n, event in enumerate(WORDS)]
    found = warnings_in([*STORY, *story])

    assert [warning.event for warning in found] == list(WORDS)
    assert "→ oka: mori was shown 30 B" in described(found[0], language="en")
    assert "→ oka: mori さんが" in described(found[0], language="ja")
    assert len(warnings_in(story, person="mori")) == 2


def test_reading_the_warnings_is_in_the_log(session, state, monkeypatch, capsys):
    import sys

    from workbench.cli import main

    session.record(
        Event.OUTPUT_WARNED, person="analyst-1", day="2026-04-01", bytes=30, threshold=20, to=["oka"]
    )
    arguments = ["audit", "warnings", "--person", "analyst-1", "--json", "--home", str(session.home.path)]
    monkeypatch.setattr(sys, "argv", ["workbench", *arguments])
    main()

    [warning] = json.loads(capsys.readouterr().out)
    assert (warning["event"], warning["to"]) == ("output.warned", ["oka"])
    last = state.log.records()[-1]
    assert (last["event"], last["details"]["what"]) == (Event.AUDIT_READ, "warnings analyst-1")


def test_nobody_of_that_name_is_not_found():
    with pytest.raises(NotFound):
        sessions(STORY, person="abe")
    with pytest.raises(NotFound):
        sessions([], session="s1")


def test_the_command_tells_it_and_records_who_read_it(session, notebook, state, monkeypatch, capsys):
    import sys

    from workbench.cli import main

    run_notebook(notebook("print(1)"), session, name="n.ipynb")
    session.close()
    monkeypatch.setenv("WORKBENCH_LANG", "en")
    arguments = ["--session", session.id, "--json", "--home", str(session.home.path)]
    monkeypatch.setattr(sys, "argv", ["workbench", "audit", "session", *arguments])
    main()

    [told] = json.loads(capsys.readouterr().out)
    assert (told["person"], told["cells"], told["ended"]) == ("analyst-1", 1, True)
    last = state.log.records()[-1]
    assert (last["event"], last["actor"]) == (Event.AUDIT_READ, "workbench")
    assert session.id in last["details"]["what"]


def test_no_event_is_told_by_words_that_nobody_uses():
    assert set(timeline.WORDS) <= set(Event)


@pytest.fixture
def sign(home, state):
    """A manager signs a setting that was to be reviewed by a day."""
    People(state).add(Person("oka", "Oka", Role.MANAGER, "section"))
    create_key(home, state, "person:oka", actor="oka")

    def signed(value=5_000_000, *, review_by=None):
        now = datetime.now(UTC) - timedelta(days=100)
        day = review_by or now.date() + timedelta(days=200)
        sign_setting(
            home, state, "daily-output-warning", value=value, review_by=day, actor="oka", reason="r", now=now
        )

    return signed


def test_an_overdue_review_is_told_to_the_managers_whenever_a_room_is_opened(
    open_session, sign, state, capsys
):
    sign(review_by=today() - timedelta(days=1))
    session = open_session()

    [told] = records(state, Event.SETTING_OVERDUE)
    assert (told["details"]["name"], told["details"]["to"]) == ("daily-output-warning", ["oka"])
    assert told["details"]["session"] == session.id
    notify(session)
    said = capsys.readouterr().err
    assert "見直し期限" in said
    assert "workbench settings set" in said  # the other one, which nobody has signed


def test_a_setting_that_is_not_due_is_not_told_of(open_session, sign, state):
    sign()
    open_session()

    assert records(state, Event.SETTING_OVERDUE) == []


def test_attack_a_room_opened_with_a_forged_setting(open_session, sign, state):
    sign()
    with state.engine.begin() as connection:
        connection.execute(signed_settings.update().values(envelope=b"{}"))

    with pytest.raises(Untrusted):
        open_session()


def test_attack_a_room_opened_with_an_older_setting_put_back(open_session, sign, state):
    sign()
    sign(10_000)
    with state.engine.begin() as connection:
        connection.execute(signed_settings.delete().where(signed_settings.c.version == 2))

    with pytest.raises(Untrusted, match="監査ログ"):
        open_session()
    assert records(state, Event.GATEWAY_OPENED) == []


def killed_at(home, notebook, *, arrange) -> Log:
    """The home's log after a room ran a notebook in a process that killed itself where `arrange` says."""
    child = os.fork()
    if child == 0:
        try:
            state = State.open(home)
            given = {"analyst": "analyst-1", "project": "p", "datasets": {}, "trusted": b"{}", "verbs": {}}
            session = Session(home, state, **given)
            session.acknowledge(how="command")
            arrange(session)
            run_notebook(notebook("open('ran.txt', 'w').write('x')"), session, name="n.ipynb")
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    return Log.of(home)


def kill_before_the_flush(session) -> None:
    flush = os.fdatasync

    def fdatasync(handle):
        with contextlib.suppress(OSError):
            if b"cell.executed" in os.pread(handle, 1 << 20, 0):
                os.kill(os.getpid(), signal.SIGKILL)
        flush(handle)

    os.fdatasync = fdatasync


def kill_after_the_record(session) -> None:
    record = session.record

    def recorded(event, **details):
        record(event, **details)
        if event == Event.CELL_EXECUTED:
            os.kill(os.getpid(), signal.SIGKILL)

    session.record = recorded


@pytest.mark.parametrize("arrange", [kill_before_the_flush, kill_after_the_record])
def test_attack_a_kill_between_the_record_and_the_code(home, notebook, arrange):
    """Whenever the room is killed, no code ran that the log does not hold; the log holds, and goes on."""
    log = killed_at(home, notebook, arrange=arrange)

    assert not (Workspace.of(home, analyst="analyst-1").folder / "ran.txt").exists()
    state = State.open(home)
    held = [r["details"]["source"] for r in records(state, Event.CELL_EXECUTED)]
    assert held == ["open('ran.txt', 'w').write('x')"]
    state.record(Event.AUDIT_READ, actor="oka", what="x", records=0)
    assert log.verify().records == state.verify().records
    state.close()
