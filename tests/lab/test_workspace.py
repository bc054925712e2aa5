"""The room's side of a folder that a hostile kernel writes."""

import os
import time
from types import SimpleNamespace

import pytest
from tornado.web import HTTPError

from workbench.errors import NotFound, Refused
from workbench.lab import contents
from workbench.lab.contents import LabCheckpoints
from workbench.lab.workspace import Workspace


@pytest.fixture
def workspace(home):
    return Workspace.of(home, analyst="analyst-1")


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "raw.csv"
    path.write_bytes(b"raw data")
    return path


def test_what_is_written_is_read_back_and_belongs_to_the_kernels_user(workspace):
    workspace.write("notebook.ipynb", b"{}")

    assert workspace.read("notebook.ipynb") == b"{}"
    assert (workspace.folder / "notebook.ipynb").stat().st_uid == (workspace.owner or os.geteuid())


def test_a_symlink_to_the_raw_data_is_not_read(workspace, secret):
    (workspace.folder / "notebook.ipynb").symlink_to(secret)

    with pytest.raises(Refused):
        workspace.read("notebook.ipynb")


def test_a_symlinked_folder_is_not_entered(workspace, secret):
    (workspace.folder / "sub").symlink_to(secret.parent)

    for act in (lambda: workspace.read("sub/raw.csv"), lambda: workspace.write("sub/raw.csv", b"x")):
        with pytest.raises(Refused):
            act()
    assert secret.read_bytes() == b"raw data"


def test_a_symlink_is_replaced_and_never_written_through(workspace, secret):
    (workspace.folder / "notebook.ipynb").symlink_to(secret)
    workspace.write("notebook.ipynb", b"{}")

    assert secret.read_bytes() == b"raw data"
    assert workspace.read("notebook.ipynb") == b"{}"


def test_a_hard_link_is_not_read(workspace, secret):
    os.link(secret, workspace.folder / "notebook.ipynb")

    with pytest.raises(Refused):
        workspace.read("notebook.ipynb")


def test_a_pipe_does_not_make_the_room_wait(workspace):
    os.mkfifo(workspace.folder / "notebook.ipynb")

    with pytest.raises(Refused):
        workspace.read("notebook.ipynb")


@pytest.mark.parametrize("name", ["../../raw.csv", "/etc/passwd", "sub/../../home.json"])
def test_a_name_that_leads_out_is_refused(workspace, name):
    (workspace.folder / "sub").mkdir()

    with pytest.raises((Refused, NotFound)):
        workspace.read(name)


def test_a_giant_is_refused(workspace):
    with open(workspace.folder / "giant", "wb") as file:
        file.truncate(1 << 30)

    with pytest.raises(Refused):
        workspace.read("giant")


def test_a_missing_file_is_said_to_be_missing(workspace):
    with pytest.raises(NotFound):
        workspace.read("nothing")


@pytest.mark.parametrize("analyst", ["../other", "A", "", ".hidden", "a/b", "a" * 65])
def test_an_analysts_identifier_names_a_folder_and_nothing_else(home, analyst):
    with pytest.raises(Refused):
        Workspace.of(home, analyst=analyst)


def test_each_analyst_has_a_user_of_their_own_where_root_can_give_one(home):
    workspaces = [Workspace.of(home, analyst=name) for name in ("a", "b", "c", "a")]

    assert len({workspace.folder for workspace in workspaces}) == 3
    if os.geteuid() == 0:
        assert len({workspace.owner for workspace in workspaces}) == 3
        assert 0 not in {workspace.owner for workspace in workspaces}


def test_attack_checkpoints_of_files_that_are_all_holes_fill_the_rooms_disk(tmp_path, workspace, monkeypatch):
    monkeypatch.setattr(contents, "CHECKPOINTS", 10_000)
    for name in "abc":
        workspace.write(name, b"")
        os.truncate(workspace.folder / name, 4_000)
    kept = LabCheckpoints(folder=str(tmp_path / "kept"))
    (tmp_path / "kept").mkdir()
    for name in "abca":
        kept.create_checkpoint(SimpleNamespace(workspace=workspace), name)
        time.sleep(0.01)  # the oldest is known by its time

    assert [name for name in "abc" if kept.list_checkpoints(name)] == ["a", "c"]
    assert sum(one.stat().st_size for one in (tmp_path / "kept").iterdir()) <= 10_000


@pytest.mark.parametrize("name", ["a\x1b[2J", "a\nb", "a\u202eb", "a\0b", ".hidden", "a/../b", "\udc80"])
def test_attack_a_name_that_a_screen_or_a_log_would_obey(name):
    with pytest.raises(HTTPError):
        contents.named(name)
    assert contents.named("出席\u3000一覧.csv") == "出席\u3000一覧.csv"
