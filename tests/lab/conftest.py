import functools
import subprocess
import textwrap

import nbformat
import pytest

from workbench.artifact.keys import KeyRing
from workbench.artifact.trust import ADMITTERS
from workbench.governance.charter import Project, Projects
from workbench.governance.people import People, Person, Role
from workbench.home import Home
from workbench.lab import run_folder
from workbench.lab.probe import why_not_available
from workbench.lab.sandbox import launch_command
from workbench.lab.session import Session
from workbench.state import State


@pytest.fixture
def home(tmp_path):
    return Home.create(tmp_path / "home", seed=1)


@pytest.fixture
def state(home):
    state = State.open(home)
    yield state
    state.close()


@pytest.fixture
def dataset(tmp_path):
    """A folder as the catalogue keeps it, closed to other users."""
    folder = tmp_path / "store" / "0123"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    (folder / "train.csv").write_text("grade,poverty\n6-11,no\n")
    return folder


CHARTER = {
    "schema": "workbench-project/1",
    "purpose": "attendance",
    "title": {"ja": "登校", "en": "attendance"},
    "benefit": {"ja": "早い支援", "en": "earlier help"},
    "population": 4000,
    "source": "child_year",
    "person": "child_id",
    "household": "household_id",
    "time": "fy",
    "test_share": 0.4,
    "targets": ["absent_30d"],
    "subgroups": [],
}


@pytest.fixture
def charter():
    """A project with this purpose."""
    return lambda purpose: Project.from_json({**CHARTER, "purpose": purpose})


@pytest.fixture
def office(home, state, charter):
    """A home with its people, the keys of its roles and one project."""
    people = People(state)
    people.add(Person("oka", "Oka", Role.MANAGER, "section"))
    people.add(Person("sato", "Sato", Role.COORDINATOR, "section"), actor="oka")
    people.add(Person("mori", "Mori", Role.ANALYST, "section"), actor="oka")
    for owner in ADMITTERS:
        KeyRing.of(home).ensure(owner)
    Projects(state).store(charter("attendance"), actor="sato")
    return home


# The machine does not change between tests; what it can do is tried once, and again in test_unprotected.
probed_once = functools.cache(why_not_available)


@pytest.fixture
def open_session(home, state, dataset, monkeypatch):
    """Opens sessions that close with the test."""
    monkeypatch.setattr("workbench.lab.session.why_not_available", probed_once)
    opened = []

    def open_one(**changes):
        given = {
            "analyst": "analyst-1",
            "project": "early-support",
            "datasets": {"child-year-1.0.0": dataset},
            "trusted": b'{"keys": {}}',
            "verbs": {"echo": lambda _, request: request.get("say")},
        }
        session = Session(home, state, **(given | changes))
        opened.append(session)
        return session

    yield open_one
    for session in opened:
        session.close()


@pytest.fixture
def session(open_session):
    return open_session()


@pytest.fixture
def in_sandbox(session):
    """Runs Python in the session's sandbox, without a kernel, and returns what it printed."""

    def run(code, *, check=True):
        folder = run_folder.make()
        command = launch_command(session.sandbox(), ["python", "-c", textwrap.dedent(code)], folder=folder)
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
        run_folder.remove(folder)
        assert not check or ended.returncode == 0, ended.stderr
        return ended.stdout.strip() if check else ended

    return run


@pytest.fixture
def notebook():
    """A notebook with these code cells, as bytes."""

    def make(*sources):
        cells = [nbformat.v4.new_code_cell(textwrap.dedent(source)) for source in sources]
        return nbformat.writes(nbformat.v4.new_notebook(cells=cells)).encode()

    return make


@pytest.fixture
def texts():
    """What the cells of an executed notebook printed, one text per cell."""

    def of(notebook):
        return ["".join(output.get("text", "") for output in cell.outputs).strip() for cell in notebook.cells]

    return of
