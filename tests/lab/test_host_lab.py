"""A lab on an analysts' host, by command: its own purpose, its own pinned keys, no way to the room."""

import pytest
from traitlets.config import Config

from workbench.artifact.keys import KeyRing
from workbench.artifact.trust import Trusted
from workbench.cli.lab import chosen_project
from workbench.governance.hosts import Here, fingerprint
from workbench.governance.people import People, Person, Role
from workbench.lab.hub.config import fill
from workbench.lab.opening import open_session
from workbench.lab.run import run_notebook
from workbench.state import State

CODE = """
import workbench.analyst as wb
from workbench.errors import WorkbenchError
desk = wb.open()
print(len(list(desk.datasets())))
try:
    desk.requests()
except WorkbenchError as error:
    print(type(error).__name__)
"""


@pytest.fixture
def host(office, tmp_path):
    trust = Trusted.of(KeyRing.of(office)).to_json()
    here = Here.set_up(
        tmp_path / "host", name="univ-lab", purposes=["attendance"], trust=trust, typed=fingerprint(trust)
    )
    state = State.open(here.home)
    people = People(state)
    people.add(Person("kanri", "管理", Role.MANAGER, "研究室"))
    people.add(Person("mori", "森", Role.ANALYST, "研究室"), actor="kanri")
    state.close()
    return here.home


def test_a_notebook_runs_on_a_host_and_says_that_there_is_no_link(host, notebook, texts):
    state = State.open(host)
    purpose = chosen_project(state, None, home=host)

    with open_session(host, state, analyst="mori", project=purpose) as session:
        session.acknowledge(how="command")
        ran = run_notebook(notebook(CODE), session, name="a.ipynb")

    assert texts(ran) == ["0\nRefused"]
    state.close()


def test_a_hub_on_a_host_has_rooms_and_no_review_pages(host):
    c = Config()
    ports = {"public": 8000, "hub": 8001, "proxy": 8002, "review": 8003}
    fill(c, ports=ports, home=str(host.path), project="attendance", address="127.0.0.1", folder="/tmp")

    assert c.JupyterHub.services == []
