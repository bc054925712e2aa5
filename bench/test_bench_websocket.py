"""
What one small cell takes through the page's websocket: in the locked lab, against stock JupyterLab.

Ours goes through the sandbox, the filter and the meter, and is in the log's process, on disk, before it runs.
Stock lets each small message wait for the other side's delayed acknowledgement.

    make bench
"""

import asyncio
import contextlib
import json
import os
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
from jupyter_client.session import Session as Messages
from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1, serialize_msg_to_ws_v1
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from workbench.home import Home

PAIRS, WARM_UP = 60, 5
MOST = 0.5  # the median ratio that is promised
PORT = 18971
PROTOCOL = "v1.kernel.websocket.jupyter.org"
OURS = """
import sys
from pathlib import Path
from workbench.governance.log_process import running
from workbench.governance.people import People, Person, Role
from workbench.home import Home
from workbench.lab.reception import Reception
from workbench.lab.server import start
from workbench.lab.session import Session
from workbench.state import State

home = Home.open(Path(sys.argv[1]))
with running(home):
    state = State.open(home)
    People(state).add(Person("mori", "Mori", Role.ANALYST, "section"))
    given = {"analyst": "mori", "project": "p", "datasets": {}, "trusted": b"{}", "verbs": {}}
    reception = Reception(home, state, person="mori", open_room=lambda: Session(home, state, **given))
    start(reception, port=int(sys.argv[2]), announce=lambda at: print("link", reception.link(), flush=True))
"""


def test_a_small_cell_against_a_stock_server(tmp_path):
    """Cells in turns: whoever comes first has no advantage."""
    with (
        our_server(tmp_path / "ours", port=PORT) as ours,
        stock_server(tmp_path / "stock", port=PORT + 1) as stock,
    ):
        pairs = asyncio.run(measured(ours, stock))
    ratios = np.array([one / other for one, other in pairs])
    draws = np.random.default_rng(1).choice(ratios, (10_000, len(ratios)))
    low, high = np.percentile(np.median(draws, axis=1), (2.5, 97.5))
    mine, theirs = (statistics.median(times) * 1000 for times in zip(*pairs, strict=True))
    print(
        f"\none small cell through the websocket: {mine:.1f} ms, stock JupyterLab {theirs:.1f} ms, {len(pairs)} pairs, "
        f"median ratio {np.median(ratios):.3f} (95 % {low:.3f}-{high:.3f}), load {os.getloadavg()[0]:.1f}"
    )

    assert np.median(ratios) <= MOST


async def measured(ours: "Server", stock: "Server") -> list[tuple[float, float]]:
    talks = {"ours": await ours.connect("workbench"), "stock": await stock.connect("python3")}
    for talk in talks.values():
        for _ in range(WARM_UP):
            await cell(talk)
    pairs = []
    for number in range(PAIRS):
        order = ("ours", "stock") if number % 2 else ("stock", "ours")
        times = {name: await cell(talks[name]) for name in order}
        pairs.append((times["ours"], times["stock"]))
    return pairs


async def cell(talk: WebSocketClientConnection) -> float:
    """Seconds from sending a cell until its reply and the kernel's rest have come."""
    messages = Messages()
    sent = messages.msg("execute_request", {"code": "1 + 1", "silent": False, "user_expressions": {}})
    began = time.perf_counter()
    await talk.write_message(serialize_msg_to_ws_v1(sent, "shell", messages.pack), binary=True)
    left = {"execute_reply", "execute_result", "idle"}
    while left:
        _, parts = deserialize_msg_from_ws_v1(await talk.read_message())
        if json.loads(parts[1]).get("msg_id") == sent["header"]["msg_id"]:
            left -= {json.loads(parts[0])["msg_type"], json.loads(parts[3]).get("execution_state")}
    return time.perf_counter() - began


class Server:
    """A running server and what lets a client in."""

    def __init__(self, port: int, headers: dict[str, str]) -> None:
        self.port, self.headers = port, headers

    def ask(self, method: str, path: str, body: Any = None) -> tuple[Any, bytes]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, body and json.dumps(body), self.headers)
            answer = connection.getresponse()
            return answer, answer.read()

    async def connect(self, kernel: str) -> WebSocketClientConnection:
        started = json.loads(self.ask("POST", "/api/kernels", {"name": kernel})[1])["id"]
        address = f"ws://127.0.0.1:{self.port}/api/kernels/{started}/channels"
        talk = await websocket_connect(HTTPRequest(address, headers=self.headers), subprotocols=[PROTOCOL])
        talk.protocol.stream.set_nodelay(True)  # type: ignore[union-attr]  # as browsers do
        return talk


@contextlib.contextmanager
def our_server(folder: Path, *, port: int) -> Iterator[Server]:
    home = Home.create(folder, seed=1)
    command = [sys.executable, "-c", OURS, str(home.path), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        link = next(line.split()[1] for line in process.stdout if line.startswith("link"))
        server = Server(port, {})
        cookies = cookies_of(server.ask("GET", f"/start?link={link}")[0])
        server.headers = {"Cookie": "; ".join(cookies)}
        cookies += cookies_of(server.ask("GET", "/lab")[0])
        proof = next(cookie for cookie in cookies if cookie.startswith("_xsrf=")).partition("=")[2]
        server.headers = {
            "Cookie": "; ".join(cookies),
            "X-XSRFToken": proof,
            "Content-Type": "application/json",
        }
        server.ask("POST", "/workbench/notice")
        yield server
        process.terminate()


def cookies_of(answer: Any) -> list[str]:
    return [line.partition(";")[0] for line in answer.headers.get_all("Set-Cookie") or []]


@contextlib.contextmanager
def stock_server(folder: Path, *, port: int) -> Iterator[Server]:
    folder.mkdir()
    token = secrets.token_hex(16)
    given = {"port": port, "port_retries": 0, "root_dir": folder, "allow_root": True, "open_browser": False}
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        *(f"--ServerApp.{name}={value}" for name, value in given.items()),
    ]
    command.append(f"--IdentityProvider.token={token}")
    places = {f"JUPYTER_{name}_DIR": str(folder / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env={**os.environ, **places, "HOME": str(folder)},
    ) as process:
        server = Server(port, {"Authorization": f"token {token}", "Content-Type": "application/json"})
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                server.ask("GET", "/api")
                break
            time.sleep(0.2)
        yield server
        process.kill()
