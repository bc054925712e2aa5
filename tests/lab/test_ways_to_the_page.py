"""Words, numbers and times that a kernel chooses and a page is told: counted; and files that a page brings: recorded."""

import hashlib
import os
from types import SimpleNamespace

import pytest
from tornado.web import HTTPError

from workbench.audit import Event
from workbench.errors import Refused, Unprotected
from workbench.lab import panel
from workbench.lab.contents import NOT_TOLD, LabCheckpoints, LabContents
from workbench.lab.gateway import wishes
from workbench.lab.panel import counted
from workbench.release import data_requests

ASKED = {"kind": "dataset", "about": "保健室の来室回数", "why": "登校の判定に使うため"}


@pytest.fixture
def contents(session, monkeypatch):
    monkeypatch.setattr(LabContents, "room", session)
    return LabContents(root_dir=str(session.workspace.folder))


@pytest.fixture
def charged(session, monkeypatch):
    """The sizes that were counted; `charged.full` makes the day full."""
    sizes = []
    charge = SimpleNamespace(full=False, sizes=sizes)

    def count(size, **_):
        if charge.full and size:
            raise Refused(ja="上限", en="limit")
        sizes.append(size)

    monkeypatch.setattr(session.meter, "charge", count)
    return charge


def test_attack_sizes_and_times_of_files_as_letters_that_nobody_counts(contents, session, charged):
    for number in range(10):
        session.workspace.write("f", b"x" * number)
        os.utime(session.workspace.folder / "f", ns=(0, number * 1000))
        before = sum(charged.sizes)
        contents.get("f", content=False)
        assert sum(charged.sizes) - before > 10
    before = sum(charged.sizes)
    contents.get("f", content=False)
    assert sum(charged.sizes) == before


def test_attack_the_time_of_a_folder_as_letters_that_nobody_counts(contents, session, charged):
    session.workspace.make_folder("folder")
    contents.get("folder", content=False)

    assert sum(charged.sizes) > 10


def test_attack_digests_of_files_as_letters_that_nobody_counts(contents, session, charged):
    session.workspace.write("f", b"secret")
    contents.get("f", content=False, require_hash=True)

    assert sum(charged.sizes) > 64


def test_attack_sizes_and_times_above_the_days_limit(contents, session, charged):
    """Nothing new is told, and one's own code can still be saved: the page sees no file that changed."""
    session.workspace.write("f", b"first")
    known = contents.get("f", content=False, require_hash=True)
    charged.full = True
    session.workspace.write("f", b"second and more")
    session.workspace.write("new", b"x")

    assert contents.get("f", content=False, require_hash=True) == known
    new = contents.get("new", content=False, require_hash=True)
    assert {name: new[name] for name in NOT_TOLD} == NOT_TOLD
    saved = contents.save({"type": "file", "format": "text", "content": "my own code"}, "f")
    assert session.workspace.read("f") == b"my own code"
    assert saved["last_modified"] == known["last_modified"]


def test_attack_requests_for_data_as_letters_that_nobody_counts(session, charged):
    one = {"request": "D-1", "about": "x" * 1000}
    assert counted(session, [one]) == [one]
    assert sum(charged.sizes) > 1000

    charged.full = True
    assert counted(session, [one, one | {"about": "y" * 1000}]) == [one]


def test_the_panel_tells_its_requests_through_the_count(office, open_session, monkeypatch):
    session = open_session(analyst="mori", project="attendance", datasets={})
    first, second = (wishes.want(session, ASKED)["request"] for _ in range(2))
    wishes.unwant(session, {"request": first})
    told = []
    monkeypatch.setattr(session, "show_entries", told.extend)

    assert [one["request"] for one in panel.shown(session)["wanted"]] == [second]
    assert any("保健室" in entry for entry in told)


def test_attack_requests_made_and_taken_back_the_whole_day(office, open_session, monkeypatch):
    session = open_session(analyst="mori", project="attendance", datasets={})
    monkeypatch.setattr(data_requests, "A_DAY", 3)
    for _ in range(3):
        wishes.unwant(session, wishes.want(session, ASKED))

    with pytest.raises(Refused, match="今日"):
        wishes.want(session, ASKED)


def test_attack_code_that_comes_as_a_file_is_in_no_record(contents, session, state, tmp_path):
    """A cell can run a file of the workspace: its name and digest are in the log before it is there."""
    given = {"type": "file", "format": "text", "content": "import os"}
    contents.save(given, "code.py")
    contents.save({"type": "directory"}, "folder")
    contents.rename_file("code.py", "folder/other.py")
    contents.copy("folder/other.py")
    checkpoints = LabCheckpoints(folder=str(tmp_path))
    checkpoints.create_checkpoint(contents, "folder/other.py")
    checkpoints.restore_checkpoint(contents, "checkpoint", "folder/other.py")

    saved = [record["details"] for record in state.log.of_kind(Event.FILE_SAVED)]
    digest = hashlib.sha256(b"import os").hexdigest()
    assert [one["name"] for one in saved] == ["code.py", "folder/other-Copy1.py", "folder/other.py"]
    assert {(one["sha256"], one["size"], one["session"]) for one in saved} == {(digest, 9, session.id)}
    named = [record["details"]["name"] for record in state.log.of_kind(Event.FILE_NAMED)]
    assert named == ["folder", "folder/other.py"]


def test_attack_a_file_comes_while_the_log_does_not_answer(contents, session, monkeypatch):
    def gone(*_, **__):
        raise Unprotected(ja="応答なし", en="gone")

    with monkeypatch.context() as patched:
        patched.setattr(session, "record", gone)
        for act in (
            lambda: contents.save({"type": "file", "format": "text", "content": "import os"}, "code.py"),
            lambda: contents.save({"type": "directory"}, "folder"),
        ):
            with pytest.raises(HTTPError):
                act()

    assert set(os.listdir(session.workspace.folder)) & {"code.py", "folder"} == set()
