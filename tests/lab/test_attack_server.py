"""
What a hostile analyst, page or neighbour tries with the server: one table of acts.

Each act returns whether it succeeded. The quick tests try them on our server. The slow one tries them on a
stock JupyterLab, where every one succeeds: an act that nobody has seen succeed proves nothing.
"""

import asyncio
import base64
import contextlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection

import pytest
from jupyter_client.session import Session as Messages
from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1, serialize_msg_to_ws_v1
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClosedError, websocket_connect

from workbench.lab.doors import MOST_WORKSPACES

pytestmark = pytest.mark.attack

PROTOCOL = "v1.kernel.websocket.jupyter.org"
RAW = "raw data of a child"
HITS = 60  # rounds of a race
STOCK_PORT, LEAVING_PORT = 18987, 18989


class Target:
    """A server under attack, by whoever is logged in. `folder` is its workspace, `raw` a file it must not open."""

    def __init__(self, lab, folder, raw, *, kernel, ours):
        self.lab, self.folder, self.raw = lab, folder, raw
        self.kernel, self.ours = kernel, ours

    def ask(self, path, **given):
        status, headers, content = self.lab.ask(path, **given)
        return status, headers, content.decode("utf-8", "replace")

    def ok(self, path, **given):
        return self.ask(path, **given)[0] < 300

    def name(self, ending=".txt"):
        return f"{secrets.token_hex(6)}{ending}"

    def write(self, content, ending=".txt"):
        name = self.name(ending)
        (self.folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return name

    def link(self, target):
        name = self.name()
        (self.folder / name).symlink_to(target)
        return name

    def start_kernel(self):
        _, _, content = self.ask("/api/kernels", method="POST", body={"name": self.kernel})
        return json.loads(content)["id"]

    def connect(self, kernel, *, protocols=(PROTOCOL,)):
        address = f"{self.lab.base.replace('http', 'ws')}/api/kernels/{kernel}/channels"
        return websocket_connect(
            HTTPRequest(address, headers=self.lab.header), subprotocols=list(protocols) or None
        )


class Stock:
    """JupyterLab as it is installed, entered with its token."""

    def __init__(self, base, token):
        self.base, self.token = base, token
        self.cookies = {}

    @property
    def header(self):
        return {"Authorization": f"token {self.token}"}

    def enter(self, token=None):
        """Log in with the token, for a cookie."""
        lines = self.ask("/login", cookies={})[1].get_all("Set-Cookie")
        proof = next(line for line in lines if line.startswith("_xsrf=")).partition(";")[0].partition("=")[2]
        form = f"_xsrf={proof}&password={token or self.token}"
        status, headers, _ = self.ask("/login", method="POST", cookies={"_xsrf": proof}, form=form)
        lines = headers.get_all("Set-Cookie") or []
        self.cookies = dict(line.partition(";")[0].partition("=")[::2] for line in lines) | {"_xsrf": proof}
        return status == 302

    def leave(self):
        self.ask("/logout", cookies=self.cookies)

    def ask(self, path, *, method="GET", body=None, headers=None, cookies=None, form=None):
        given = {"Content-Type": "application/json"} | (self.header if cookies is None else {})
        if cookies is not None:
            given["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        if form is not None:
            given["Content-Type"] = "application/x-www-form-urlencoded"
        content = form if body is None else json.dumps(body)
        connection = HTTPConnection(self.base.removeprefix("http://"), timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, content, given | (headers or {}))
            response = connection.getresponse()
            return response.status, response.headers, response.read()


# Files -----------------------------------------------------------------------------------------------------


def read_through_a_symlink(at):
    return RAW in at.ask(f"/api/contents/{at.link(at.raw)}")[2]


def read_through_a_symlinked_folder(at):
    return RAW in at.ask(f"/api/contents/{at.link(at.raw.parent)}/{at.raw.name}")[2]


def list_a_symlinked_folder(at):
    return at.raw.name in at.ask(f"/api/contents/{at.link(at.raw.parent)}")[2]


def read_a_hard_link(at):
    first, second = at.write(RAW), at.name()
    os.link(at.folder / first, at.folder / second)
    return RAW in at.ask(f"/api/contents/{second}")[2]


def write_through_a_symlink(at):
    target = at.raw.with_name(at.name())
    target.write_text("before")
    body = {"type": "file", "format": "text", "content": "after"}
    at.ask(f"/api/contents/{at.link(target)}", method="PUT", body=body)
    return target.read_text() == "after"


def make_a_folder_outside(at):
    name = at.name("")
    at.ask(f"/api/contents/{at.link(at.raw.parent)}/{name}", method="PUT", body={"type": "directory"})
    return (at.raw.parent / name).exists()


def delete_outside(at):
    target = at.raw.with_name(at.name())
    target.write_text("kept")
    at.ask(f"/api/contents/{at.link(at.raw.parent)}/{target.name}", method="DELETE")
    return not target.exists()


def move_a_file_out(at):
    name = at.write("x")
    at.ask(f"/api/contents/{name}", method="PATCH", body={"path": f"{at.link(at.raw.parent)}/{name}"})
    return (at.raw.parent / name).exists()


def copy_a_symlinked_file(at):
    _, _, content = at.ask("/api/contents", method="POST", body={"copy_from": at.link(at.raw)})
    with contextlib.suppress(ValueError, KeyError):
        return RAW in (at.folder / json.loads(content)["path"]).read_text()
    return False


def checkpoint_a_symlinked_file(at):
    """The checkpoint is restored into a plain file, which is then read."""
    name = at.link(at.raw)
    _, _, content = at.ask(f"/api/contents/{name}/checkpoints", method="POST")
    with contextlib.suppress(ValueError, KeyError, FileNotFoundError):
        (at.folder / name).unlink()
        (at.folder / name).write_text("")
        at.ask(f"/api/contents/{name}/checkpoints/{json.loads(content)['id']}", method="POST")
    return RAW in at.ask(f"/api/contents/{name}")[2]


def restore_a_checkpoint_through_a_symlink(at):
    name, target = at.write("written through"), at.raw.with_name(at.name())
    target.write_text("before")
    _, _, content = at.ask(f"/api/contents/{name}/checkpoints", method="POST")
    (at.folder / name).unlink()
    (at.folder / name).symlink_to(target)
    at.ask(f"/api/contents/{name}/checkpoints/{json.loads(content)['id']}", method="POST")
    return target.read_text() == "written through"


def swapping(path, target):
    """A kernel that makes a name a plain file and a link by turns."""
    over = threading.Event()

    def swap():
        aside = path.with_name(f".{path.name}")
        while not over.is_set():
            aside.write_text("plain")
            aside.rename(path)
            aside.symlink_to(target)
            aside.rename(path)

    thread = threading.Thread(target=swap)
    thread.start()
    return over, thread


def read_in_a_race(at):
    """The name is a plain file when it is looked at, and a link when it is opened."""
    name = at.write("plain")
    over, thread = swapping(at.folder / name, at.raw)
    try:
        return any(RAW in at.ask(f"/api/contents/{name}")[2] for _ in range(HITS))
    finally:
        over.set()
        thread.join()


def write_in_a_race(at):
    name, target = at.write("plain"), at.raw.with_name(at.name())
    target.write_text("before")
    body = {"type": "file", "format": "text", "content": "after"}
    over, thread = swapping(at.folder / name, target)
    try:
        for _ in range(HITS):
            at.ask(f"/api/contents/{name}", method="PUT", body=body)
    finally:
        over.set()
        thread.join()
    return target.read_text() != "before"


def read_a_giant(at):
    name = at.name()
    with open(at.folder / name, "wb") as file:
        file.truncate(24 << 20)
    return len(at.ask(f"/api/contents/{name}")[2]) > 20 << 20


def upload_a_giant(at):
    """In pieces, which are put together."""
    name, piece = at.name(".bin"), base64.b64encode(bytes(12 << 20)).decode()
    for chunk in (1, 2, 3, 4, 5, -1):
        body = {"type": "file", "format": "base64", "content": piece, "chunk": chunk}
        at.ask(f"/api/contents/{name}", method="PUT", body=body)
    found = at.folder / name
    with contextlib.suppress(FileNotFoundError):
        size = found.stat().st_size
        found.unlink()
        return size > 64 << 20
    return False


# Ways out --------------------------------------------------------------------------------------------------


def download_a_file(at):
    return RAW in at.ask(f"/files/{at.write(RAW)}?download=1")[2]


def view_a_page(at):
    return at.ok(f"/view/{at.write('<script>1</script>', '.html')}")


def notebook(*cells):
    made = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "source": source, "outputs": outputs}
        | {"execution_count": None}
        for n, (source, outputs) in enumerate(cells)
    ]
    return {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def convert_a_notebook(at):
    return at.ok(f"/nbconvert/html/{at.write(json.dumps(notebook((RAW, []))), '.ipynb')}")


def convert_what_is_posted(at):
    body = {"content": notebook((RAW, [])), "name": "x.ipynb"}
    return at.ok("/nbconvert/html", method="POST", body=body)


def ask_what_converts(at):
    return at.ok("/api/nbconvert")


def carry_off_an_archive(at):
    """The page asks for a file as base64 and saves it itself."""
    name = at.write(b"PK\x03\x04\xff\xfe" + RAW.encode(), ".zip")
    status, _, content = at.ask(f"/api/contents/{name}?format=base64&type=file")
    return status == 200 and RAW.encode() in base64.b64decode(json.loads(content)["content"])


def trust_a_notebook(at):
    """Its outputs would run in the page."""
    script = {"output_type": "display_data", "metadata": {}, "data": {"text/html": "<script>1</script>"}}
    name = at.write(json.dumps(notebook(("1", [script]))), ".ipynb")
    at.ask(f"/api/contents/{name}/trust", method="POST")
    _, _, content = at.ask(f"/api/contents/{name}")
    return json.loads(content)["content"]["cells"][0]["metadata"].get("trusted", False)


# The server ------------------------------------------------------------------------------------------------


def open_a_terminal(at):
    return at.ok("/api/terminals", method="POST")


def list_terminals(at):
    return at.ok("/api/terminals")


def start_an_own_kernel(at):
    """From a kernelspec that the analyst wrote."""
    return at.ok("/api/kernels", method="POST", body={"name": "mine"})


def start_an_own_kernel_with_a_notebook(at):
    body = {"path": "x.ipynb", "type": "notebook", "name": "x", "kernel": {"name": "mine"}}
    return at.ok("/api/sessions", method="POST", body=body)


def see_an_own_kernelspec(at):
    return '"mine"' in at.ask("/api/kernelspecs")[2]


def write_the_configuration(at):
    at.ask("/api/config/notebook", method="PUT", body={"planted": True})
    return "planted" in at.ask("/api/config/notebook")[2]


def patch_the_configuration(at):
    return at.ok("/api/config/notebook", method="PATCH", body={"planted": True})


def switch_an_extension(at):
    body = {"cmd": "disable", "extension_name": "@jupyterlab/terminal-extension"}
    return at.ok("/lab/api/extensions", method="POST", body=body)


def list_extensions_to_install(at):
    return at.ok("/lab/api/extensions")


def switch_a_plugin(at):
    body = {"cmd": "disable", "plugin_name": "@jupyterlab/celltags-extension:plugin"}
    return at.ok("/lab/api/plugins", method="POST", body=body)


def read_the_metrics(at):
    return at.ok("/metrics")


def forge_an_event(at):
    body = {
        "schema_id": "https://events.jupyter.org/jupyter_server/contents_service/v1",
        "version": "1",
        "data": {"action": "get", "path": "forged"},
    }
    return at.ok("/api/events", method="POST", body=body)


def take_another_name(at):
    return at.ok("/api/me", method="PATCH", body={"color": "red"})


def read_the_interface_of_the_server(at):
    return at.ok("/api/spec.yaml")


def learn_the_path_of_the_workspace(at):
    return str(at.folder) in at.ask(f"/api/contents/{at.name()}", method="DELETE")[2]


def ask_the_language_servers(at):
    return at.ok("/lsp/status")


# Who it is -------------------------------------------------------------------------------------------------


def be_nobody(at):
    """A name that is made up on the spot says nothing in a log."""
    return json.loads(at.ask("/api/me")[2])["identity"]["username"] != "analyst-1"


def enter_again_with_a_used_link(at):
    """The link stood on a screen, in a history, in a terminal's scrollback."""
    link = f"/start?link={at.lab.link}" if at.ours else f"/lab?token={at.lab.token}"
    return at.ask(link, cookies={})[0] < 400


def have_the_cookie_sent_by_another_site(at):
    path = "/login" if at.ours else f"/lab?token={at.lab.token}"
    cookies = at.ask(path, cookies={})[1].get_all("Set-Cookie") or []
    return not all("samesite=strict" in cookie.lower() for cookie in cookies)


def send_what_is_shown_elsewhere(at):
    """The page's own policy is what stops its content from doing so."""
    policy = at.ask("/lab")[1].get("Content-Security-Policy", "")
    places = re.findall(r"(?:https?|wss?):\S*", policy)
    return "default-src 'self'" not in policy or any("*" in place for place in places)


def log_somebody_out_with_a_picture(at):
    """A notebook shows a picture whose address is the log-out page."""
    return "Set-Cookie" in at.ask("/logout")[1]


# Kernels ---------------------------------------------------------------------------------------------------


async def exchange(at, kind, content, *, channel="shell", wanted, protocols=(PROTOCOL,)):
    """Whether a message of one of the `wanted` kinds answers one that is sent."""
    socket = await at.connect(at.start_kernel(), protocols=protocols)
    messages = Messages()
    try:
        for each, what, where in (
            ("execute_request", {"code": "1"}, "shell"),
            (kind, content, channel),
            ("execute_request", {"code": "print('the end')"}, "shell"),
        ):
            sent = messages.msg(each, what)
            await socket.write_message(serialize_msg_to_ws_v1(sent, where, messages.pack), binary=True)
        while True:
            _, parts = deserialize_msg_from_ws_v1(await asyncio.wait_for(socket.read_message(), 30))
            header, answer = json.loads(parts[0]), json.loads(parts[3])
            if header["msg_type"] in wanted:
                return True
            if "the end" in str(answer.get("text")):
                return False
    finally:
        socket.close()


def run_code_in_the_debugger(at):
    """No cell shows it, and no record of a cell holds it."""
    asked = {"type": "request", "seq": 1, "command": "debugInfo", "arguments": {}}
    return asyncio.run(exchange(at, "debug_request", asked, channel="control", wanted={"debug_reply"}))


def open_a_comm(at):
    """Where nobody listens the kernel closes it: it was asked."""
    asked = {"comm_id": "x", "target_name": "nobody", "data": {}}
    return asyncio.run(exchange(at, "comm_open", asked, wanted={"comm_close"}))


def run_code_in_another_protocol(at):
    """One in which the server would not look at the messages."""

    async def story():
        socket = await at.connect(at.start_kernel(), protocols=())
        sent = Messages().msg("execute_request", {"code": "open('unlogged', 'w').close()"}) | {
            "channel": "shell"
        }
        await socket.write_message(json.dumps(sent, default=str))
        for _ in range(40):
            message = await asyncio.wait_for(socket.read_message(), 30)
            if message is None or (isinstance(message, str) and '"execute_reply"' in message):
                break
        socket.close()

    with contextlib.suppress(HTTPClientError, TimeoutError):
        asyncio.run(story())
    return (at.folder / "unlogged").exists()


# After somebody has left; in this order, for the last one closes the door -------------------------------------


def use_a_cookie_after_the_log_out(at):
    at.lab.enter()
    cookies = dict(at.lab.cookies)
    at.lab.leave()
    return at.ask("/api/me", cookies=cookies)[0] == 200


def keep_a_kernel_after_the_log_out(at):
    at.lab.enter()
    kernel = at.start_kernel()
    at.lab.leave()
    at.lab.enter()
    return kernel in at.ask("/api/kernels")[2]


def keep_a_conversation_after_the_log_out(at):
    at.lab.enter()

    async def story():
        socket = await at.connect(at.start_kernel())
        messages = Messages()
        await asyncio.to_thread(at.lab.leave)
        sent = messages.msg("execute_request", {"code": "print('still here')"})
        with contextlib.suppress(WebSocketClosedError):
            await socket.write_message(serialize_msg_to_ws_v1(sent, "shell", messages.pack), binary=True)
        while (message := await asyncio.wait_for(socket.read_message(), 30)) is not None:
            if b"still here" in message:
                return True
        return False

    return asyncio.run(story())


def guess_for_ever(at):
    """After many failures the right words still open at once."""
    for _ in range(6):
        if at.ours:
            at.lab.log_in("analyst-1", "a guess", "000000")
        else:
            at.lab.enter("a-guess")
    return at.lab.enter()


LEAVING = (
    use_a_cookie_after_the_log_out,
    keep_a_kernel_after_the_log_out,
    keep_a_conversation_after_the_log_out,
    guess_for_ever,
)

Act = Callable[[Target], bool]
ACTS: dict[str, Act] = {
    act.__name__: act
    for act in (
        read_through_a_symlink,
        read_through_a_symlinked_folder,
        list_a_symlinked_folder,
        read_a_hard_link,
        write_through_a_symlink,
        make_a_folder_outside,
        delete_outside,
        move_a_file_out,
        copy_a_symlinked_file,
        checkpoint_a_symlinked_file,
        restore_a_checkpoint_through_a_symlink,
        read_in_a_race,
        write_in_a_race,
        read_a_giant,
        upload_a_giant,
        download_a_file,
        view_a_page,
        convert_a_notebook,
        convert_what_is_posted,
        ask_what_converts,
        carry_off_an_archive,
        trust_a_notebook,
        open_a_terminal,
        list_terminals,
        start_an_own_kernel,
        start_an_own_kernel_with_a_notebook,
        see_an_own_kernelspec,
        write_the_configuration,
        patch_the_configuration,
        switch_an_extension,
        list_extensions_to_install,
        switch_a_plugin,
        read_the_metrics,
        forge_an_event,
        take_another_name,
        read_the_interface_of_the_server,
        learn_the_path_of_the_workspace,
        ask_the_language_servers,
        be_nobody,
        enter_again_with_a_used_link,
        have_the_cookie_sent_by_another_site,
        send_what_is_shown_elsewhere,
        log_somebody_out_with_a_picture,
        run_code_in_the_debugger,
        open_a_comm,
        run_code_in_another_protocol,
    )
}
# Those that take their time are tried in the second tier.
LONG = {"read_in_a_race", "write_in_a_race", "upload_a_giant", "convert_a_notebook", "convert_what_is_posted"}


@pytest.fixture(scope="module")
def ours(lab):
    return Target(lab, lab.workspace.folder, lab.outside / "raw.txt", kernel="workbench", ours=True)


@pytest.fixture(scope="module")
def stock(tmp_path_factory, planted):
    folder = planted(tmp_path_factory.mktemp("stock"))
    workspace, token = folder / "workspace", secrets.token_hex(16)
    workspace.mkdir()
    places = {f"JUPYTER_{name}_DIR": str(folder / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    options = {
        "port": STOCK_PORT,
        "port_retries": 0,
        "root_dir": workspace,
        "allow_root": True,
        "open_browser": False,
    }
    command = [sys.executable, "-m", "jupyterlab", *(f"--ServerApp.{n}={v}" for n, v in options.items())]
    command += [f"--IdentityProvider.token={token}"]
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=workspace,
        env={**os.environ, **places, "JUPYTER_PATH": str(folder / "jupyter"), "HOME": str(folder)},
    ) as server:
        lab = Stock(f"http://127.0.0.1:{STOCK_PORT}", token)
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                lab.ask("/api")
                break
            assert server.poll() is None, "the stock server did not start"
            time.sleep(0.2)
        yield Target(lab, workspace, folder / "outside" / "raw.txt", kernel="mine", ours=False)
        server.send_signal(signal.SIGKILL)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in ACTS]
)
def test_attack(ours, name):
    assert not ACTS[name](ours)


def test_attack_a_file_beside_the_server_is_asked_for_as_a_kernels_picture(ours):
    """Ours has no pictures, and Jupyter then looks in the server's working directory (seen without the table)."""
    assert RAW not in ours.ask("/kernelspecs/workbench/outside/raw.txt")[2]
    assert ours.ask("/kernelspecs/workbench/outside/raw.txt")[0] == 403


@pytest.mark.slow
def test_attack_after_somebody_has_left(tmp_path, serve):
    with serve(tmp_path, port=LEAVING_PORT) as lab:
        at = Target(lab, lab.workspace.folder, tmp_path / "raw", kernel="workbench", ours=True)

        assert [act.__name__ for act in LEAVING if act(at)] == []


@pytest.mark.slow
def test_each_attack_succeeds_against_a_stock_server(stock):
    acts = [*ACTS.values(), *LEAVING]

    assert [act.__name__ for act in acts if not act(stock)] == []


def test_attack_arrangements_of_the_page_without_end(lab):
    """Lab keeps a file for each name; the room's server has a disk that is not the analyst's."""

    def put(name):
        body = {"data": {"x": "x" * 1000}, "metadata": {"id": name}}
        return lab.ask(f"/lab/api/workspaces/{name}", method="PUT", body=body)

    answers = [put(f"attack-{number}") for number in range(MOST_WORKSPACES + 5)]
    statuses = [status for status, *_ in answers]
    kept = json.loads(lab.ask("/lab/api/workspaces")[2])["workspaces"]["ids"]
    try:
        assert len(kept) <= MOST_WORKSPACES
        assert statuses.count(403) >= 5
        assert "ワークスペース" in json.loads(answers[-1][2])["message"]
        assert put("attack-0")[0] == 204  # one that is there is written again
        assert lab.status("/lab/api/workspaces", method="POST", body={}) in {403, 405}
    finally:
        for name in kept:
            lab.ask(f"/lab/api/workspaces/{name}", method="DELETE")
    assert put("attack-0")[0] == 204
    lab.ask("/lab/api/workspaces/attack-0", method="DELETE")
