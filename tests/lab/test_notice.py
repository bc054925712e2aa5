"""What is said at the beginning of a session: no kernel before it was acknowledged, whoever asks for one."""

import json
import threading
import time

import pytest

from workbench.audit import Event
from workbench.errors import LANGUAGES, Refused
from workbench.lab.notice import POINTS, described
from workbench.lab.run import run_notebook
from workbench.state import State


def told(state, event):
    return [record["details"] for record in state.log.records() if record["event"] == event]


def test_attack_a_kernel_before_the_notice_was_acknowledged(open_session, state, notebook):
    session = open_session(noticed=False)

    with pytest.raises(Refused, match="分析を始める前に"):
        run_notebook(notebook("print(1)"), session, name="a.ipynb")

    assert told(state, Event.KERNEL_STARTED) == []
    assert told(state, Event.KERNEL_REFUSED)[-1]["protection"] == "notice"


def test_it_is_acknowledged_once_a_session_and_that_is_in_the_log(open_session, state):
    session = open_session(noticed=False)
    session.acknowledge(how="page")
    session.acknowledge(how="page")

    assert told(state, Event.NOTICE_ACKNOWLEDGED) == [
        {"session": session.id, "datasets": ["child-year-1.0.0"], "how": "page"}
    ]
    assert open_session(noticed=False).noticed is False


@pytest.mark.parametrize("tongue", LANGUAGES)
def test_a_command_says_all_of_it(open_session, tongue):
    text = described(open_session(), tongue=tongue)

    assert all(point in text for point in POINTS[tongue])
    assert "child-year-1.0.0" in text
    assert len(POINTS[tongue]) == len(POINTS["ja"])


def test_attack_the_page_is_not_asked_and_the_server_is(lab):
    """A new session's kernel is asked for over HTTP: it waits for the notice, and starts when that was read."""
    lab.leave()
    lab.enter(noticed=False)
    answers = []

    def ask():
        answers.append(lab.ask("/api/kernels", method="POST", body={"name": "workbench"}))

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(1.5)
    state = State.open(lab.home)
    session = told(state, Event.GATEWAY_OPENED)[-1]["session"]
    assert answers == []
    assert not json.loads(lab.ask("/workbench/panel")[2])["noticed"]
    assert session not in [one["session"] for one in told(state, Event.KERNEL_STARTED)]

    lab.acknowledge()
    asking.join(60)
    assert json.loads(lab.ask("/workbench/panel")[2])["noticed"]
    status, _, content = answers[0]
    assert status == 201
    assert told(state, Event.KERNEL_STARTED)[-1]["session"] == session
    assert lab.status(f"/api/kernels/{json.loads(content)['id']}", method="DELETE") == 204
    state.close()
