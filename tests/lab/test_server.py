"""JupyterLab as an analyst meets it, and as a hostile one does: over HTTP and the kernel's websocket."""

import asyncio
import contextlib
import json
import os
import re
import uuid
from pathlib import Path

import pytest
from jupyter_client.session import Session as Messages
from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1, serialize_msg_to_ws_v1
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from workbench.audit import Event
from workbench.lab import cgroups
from workbench.lab.doors import ALLOWED
from workbench.lab.limits import MB, Limits
from workbench.lab.looked_at import LOOKS
from workbench.lab.outgoing import LARGEST
from workbench.state import State

GROUPS = cgroups.make(Limits(memory=1024 * MB))
if GROUPS is not None:
    GROUPS.remove()
PROTOCOL = "v1.kernel.websocket.jupyter.org"
FILL = """
try:
    with open('big', 'wb', buffering=0) as file:
        for _ in range(65 << 10):
            file.write(b'x' * 1024)
except OSError:
    print('full')
"""


def start_kernel(lab):
    return json.loads(lab.ask("/api/kernels", method="POST", body={"name": "workbench"})[2])["id"]


async def connect(lab, kernel, *, protocols=(PROTOCOL,)):
    request = HTTPRequest(
        f"{lab.base.replace('http', 'ws')}/api/kernels/{kernel}/channels", headers=lab.header
    )
    return await websocket_connect(request, subprotocols=list(protocols) or None)


def test_it_answers_on_the_loopback_interface_only(lab):
    port = f":{int(lab.base.rpartition(':')[2]):04X}"
    lines = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{name}").read_text().splitlines()
    ]
    listening = {line[1] for line in lines if line[3] == "0A" and line[1].endswith(port)}

    assert listening == {f"0100007F{port}"}


def test_without_a_log_in_nothing_answers(lab):
    for path in ("/api/contents", "/api/kernels", "/api/kernelspecs", "/lab/api/settings", "/metrics"):
        assert lab.status(path, cookies={}) == 403
    assert lab.ask("/lab", cookies={})[1]["Location"].startswith("/login")


class TestLoginPage:
    def test_each_field_has_a_label_and_a_kind_that_password_managers_know(self, lab):
        for language, words in (
            ("ja", ("識別子", "合言葉", "確認コード")),
            ("en", ("Id", "Passphrase", "Code")),
        ):
            page = lab.ask(f"/login?lang={language}", cookies={})[2].decode()

            assert f'<html lang="{language}">' in page
            for field, label, kind in zip(
                ("name", "passphrase", "code"),
                words,
                ("username", "current-password", "one-time-code"),
                strict=True,
            ):
                assert f'<label for="{field}">{label}</label>' in page
                assert re.search(rf'<input id="{field}"[^>]*autocomplete="{kind}"', page)

    def test_it_runs_nothing_is_shown_in_no_frame_and_is_kept_by_nobody(self, lab):
        headers = lab.ask("/login", cookies={})[1]

        assert "script-src" not in headers["Content-Security-Policy"]
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"
        # A browser would name no origin for the form, and the form would be refused.
        assert headers["Referrer-Policy"] == "same-origin"

    def test_attack_another_sites_page_logs_somebody_in(self, lab):
        form = {"name": "analyst-1", "passphrase": "x", "code": "x"}
        for headers in ({"Origin": "http://attacker.example"}, {"Origin": "null"}, {}):
            assert lab.status("/login", method="POST", form=form, headers=headers, cookies={}) in (403, 404)

    def test_attack_what_was_typed_comes_back_in_the_page(self, lab):
        status, _, page = lab.stranger().log_in("<script>alert(1)</script>", "<b>x</b>", "<i>1</i>")

        assert status == 403
        assert b"<script>" not in page
        assert b"<b>" not in page

    def test_attack_the_link_after_a_log_in_leads_elsewhere(self, lab):
        for path in ("/login?next=https://attacker.example", "/login?next=//attacker.example/x"):
            assert lab.ask(path)[1]["Location"] == "/lab"

    def test_the_cookie_is_hidden_from_scripts_and_from_other_sites(self, lab):
        lines = lab.stranger().ask("/login")[1].get_all("Set-Cookie")
        assert all("SameSite=Strict" in line for line in lines)
        name = f"workbench-{lab.base.rpartition(':')[2]}"
        assert name in lab.cookies
        assert lab.cookies[name] not in lab.ask("/lab")[2].decode()

    def test_the_page_before_the_log_out_asks_and_changes_nothing(self, lab):
        assert "ログアウトしますか" in lab.ask("/logout?lang=ja")[2].decode()
        assert lab.status("/api/me") == 200


def test_another_name_for_this_machine_is_refused(lab):
    """A page of the attacker's whose name was made to point here (DNS rebinding)."""
    assert lab.status("/api/contents", headers={"Host": "attacker.example"}) == 403


def test_the_analyst_has_a_name(lab):
    assert json.loads(lab.ask("/api/me")[2])["identity"]["username"] == "analyst-1"


def test_only_the_sandboxed_kernel_is_offered_and_starts(lab):
    assert set(json.loads(lab.ask("/api/kernelspecs")[2])["kernelspecs"]) == {"workbench"}
    for name in ("mine", "python3"):
        assert lab.status("/api/kernels", method="POST", body={"name": name}) >= 400
        session = {"path": "x.ipynb", "type": "notebook", "name": "x", "kernel": {"name": name}}
        assert lab.status("/api/sessions", method="POST", body=session) >= 400


@pytest.mark.parametrize(
    "path",
    [
        "/api/terminals",
        "/terminals/websocket/1",
        "/files/notes.txt",
        "/files/notes.txt?download=1",
        "/view/notes.txt",
        "/nbconvert/html/notes.ipynb",
        "/nbconvert/html/notes.ipynb?download=true",
        "/api/nbconvert",
        "/lsp/status",
    ],
)
def test_a_way_out_is_closed(lab, path):
    lab.workspace.write("notes.txt", b"x")

    assert lab.status(path) in (403, 404)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/terminals"),
        ("POST", "/api/shutdown"),
        ("PUT", "/api/config/notebook"),
        ("POST", "/api/contents/notes.ipynb/trust"),
        ("POST", "/nbconvert/html"),
    ],
)
def test_a_change_of_the_server_is_refused(lab, method, path):
    assert lab.status(path, method=method, body={}) in (403, 404, 405)


def test_an_extension_cannot_be_installed(lab):
    body = {"cmd": "install", "extension_name": "jupyterlab-git"}

    assert lab.status("/lab/api/extensions", method="POST", body=body) >= 400


def test_every_resource_that_is_not_in_the_table_is_denied():
    assert not {"terminals", "nbconvert", "server", "lsp"} & set(ALLOWED)
    assert ALLOWED["kernelspecs"] == {"read"}


class TestContents:
    @pytest.fixture
    def secret(self, tmp_path):
        path = tmp_path / "raw.txt"
        path.write_text("raw data")
        return path

    def test_a_file_of_the_workspace_is_read_and_written(self, lab):
        body = {"type": "file", "format": "text", "content": "by hand"}

        assert lab.status("/api/contents/by-hand.txt", method="PUT", body=body) == 201
        assert json.loads(lab.ask("/api/contents/by-hand.txt")[2])["content"] == "by hand"

    def test_what_is_saved_belongs_to_the_kernels_user(self, lab):
        body = {"type": "directory"}

        assert lab.status("/api/contents/results", method="PUT", body=body) == 201
        assert (lab.workspace.folder / "results").stat().st_uid == (lab.workspace.owner or os.geteuid())

    def test_a_symlink_is_neither_read_nor_written_through(self, lab, secret):
        link = lab.workspace.folder / f"{uuid.uuid4().hex}.txt"
        link.symlink_to(secret)
        body = {"type": "file", "format": "text", "content": "overwritten"}

        assert lab.status(f"/api/contents/{link.name}") == 403
        assert lab.status(f"/api/contents/{link.name}", method="PUT", body=body) == 403
        assert secret.read_text() == "raw data"

    def test_a_symlinked_folder_is_not_entered(self, lab, secret):
        link = lab.workspace.folder / uuid.uuid4().hex
        link.symlink_to(secret.parent)

        assert lab.status(f"/api/contents/{link.name}/{secret.name}") == 403
        assert b"raw data" not in lab.ask(f"/api/contents/{link.name}")[2]

    def test_a_hard_link_is_not_read(self, lab):
        """From another file system there is none; in the same one what has two names is not read."""
        first, second = (f"{uuid.uuid4().hex}.txt" for _ in range(2))
        lab.workspace.write(first, b"raw data")
        os.link(lab.workspace.folder / first, lab.workspace.folder / second)

        assert lab.status(f"/api/contents/{second}") == 403

    def test_a_pipe_does_not_make_the_server_wait(self, lab):
        name = f"{uuid.uuid4().hex}.txt"
        os.mkfifo(lab.workspace.folder / name)

        assert lab.status(f"/api/contents/{name}") in (400, 403)

    @pytest.mark.parametrize("path", ["../home.json", "%2e%2e/home.json", ".hidden", "a/../../home.json"])
    def test_a_way_up_or_a_hidden_file_is_refused(self, lab, path):
        assert lab.status(f"/api/contents/{path}") in (400, 403, 404)


def test_the_page_may_fetch_from_and_send_to_nowhere_else(lab):
    policy = lab.ask("/lab")[1]["Content-Security-Policy"]

    assert "default-src 'self'" in policy
    assert "http" not in policy.replace("report-uri", "")


class TestKernelMessages:
    def test_code_runs_in_the_sandbox_and_is_in_the_log_first(self, lab):
        async def story():
            socket = await connect(lab, start_kernel(lab))
            answer = await execute(socket, "import os; print(os.getcwd(), os.path.exists('/home'))")
            socket.close()
            return answer

        assert asyncio.run(story()) == "/workspace False"
        state = State.open(lab.home)
        sources = [r["details"]["source"] for r in state.log.records() if r["event"] == Event.CELL_EXECUTED]
        state.close()
        assert "import os; print(os.getcwd(), os.path.exists('/home'))" in sources

    def test_a_message_that_is_not_on_the_list_does_not_arrive(self, lab):
        """The debugger would run code that no cell shows."""

        async def story():
            socket = await connect(lab, start_kernel(lab))
            await execute(socket, "1")
            debug = {"type": "request", "seq": 1, "command": "evaluate", "arguments": {"expression": "1 + 1"}}
            await send(socket, "debug_request", debug, channel="control")
            await send(socket, "comm_open", {"comm_id": "x", "target_name": "y", "data": {}})
            kinds = await kinds_until_printed(socket, "end")
            socket.close()
            return kinds

        assert not {"debug_reply", "comm_close"} & asyncio.run(story())

    @pytest.mark.parametrize("kind", sorted(LOOKS))
    def test_attack_code_that_is_only_looked_at_is_in_no_log(self, lab, kind):
        code = f"seen_{kind}."

        async def story():
            socket = await connect(lab, start_kernel(lab))
            await execute(socket, "1")
            asked = await send(socket, kind, {"code": code, "cursor_pos": len(code), "detail_level": 0})
            while True:
                answer, content = await receive(socket)
                if content["parent"] == asked and answer == kind.replace("request", "reply"):
                    socket.close()
                    return

        asyncio.run(story())
        state = State.open(lab.home)
        looked = [r["details"] for r in state.log.records() if r["event"] == Event.CODE_LOOKED_AT]
        state.close()
        assert [one["kind"] for one in looked if one["source"] == code] == [kind]

    def test_another_protocol_in_which_nothing_would_be_logged_is_not_spoken(self, lab):
        async def story():
            socket = await connect(lab, start_kernel(lab), protocols=())
            message = Messages().msg("execute_request", {"code": "open('unlogged', 'w')"}) | {
                "channel": "shell"
            }
            await socket.write_message(json.dumps(message, default=str))
            while await socket.read_message() is not None:
                pass

        with contextlib.suppress(HTTPClientError):
            asyncio.run(asyncio.wait_for(story(), 20))
        assert not (lab.workspace.folder / "unlogged").exists()

    def test_attack_a_full_workspace_runs_no_further_code(self, lab):
        """The page is told so, and runs code again when there is room."""

        async def story():
            socket = await connect(lab, start_kernel(lab))
            wrote = await execute(socket, FILL)
            refused = "" if wrote == "full" else await failure(socket, "1")
            (lab.workspace.folder / "big").unlink()
            answer = await execute(socket, "print('again')")
            socket.close()
            return wrote, refused, answer

        wrote, refused, answer = asyncio.run(story())
        # A file system of its own is full by itself; elsewhere the server looks before each piece of code.
        assert wrote == "full" or "64 MB" in refused
        assert answer == "again"

    @pytest.mark.slow
    def test_attack_an_output_that_is_too_large_to_be_taken(self, lab):
        """For real, from a kernel: the cell ends, with a sentence, and the next one runs."""

        async def story():
            socket = await connect(lab, start_kernel(lab))
            await execute(socket, "from IPython.display import display")
            code = f"display({{'text/plain': 'x' * {LARGEST + 1}}}, raw=True)"
            asked, said, ended = await send(socket, "execute_request", {"code": code}), "", set()
            while ended < {"idle", "execute_reply"}:
                kind, content = await receive(socket)
                if content["parent"] == asked:
                    said += content.get("text", "")
                    ended |= {kind, content.get("execution_state")} & {"idle", "execute_reply"}
            answer = await execute(socket, "print('again')")
            socket.close()
            return said, answer

        said, answer = asyncio.run(story())
        assert "too large to be taken" in said
        assert answer == "again"

    @pytest.mark.skipif(not GROUPS, reason="no control groups here")
    def test_a_memory_hog_is_ended_and_told_why(self, lab):
        async def story():
            socket = await connect(lab, start_kernel(lab))
            await execute(socket, "1")
            await send(socket, "execute_request", {"code": "kept = b'x' * (1020 << 20)"})
            while True:
                kind, content = await receive(socket)
                if kind == "stream":
                    socket.close()
                    return content["text"]

        assert "1,024 MB" in asyncio.run(story())


async def failure(socket, code):
    """What the reply to code that fails says."""
    asked = await send(socket, "execute_request", {"code": code})
    while True:
        kind, content = await receive(socket)
        if content["parent"] == asked and kind == "execute_reply":
            return content["evalue"]


async def send(socket, kind, content, *, channel="shell"):
    messages = Messages()
    message = messages.msg(kind, content)
    await socket.write_message(serialize_msg_to_ws_v1(message, channel, messages.pack), binary=True)
    return message["header"]["msg_id"]


async def receive(socket):
    _, parts = deserialize_msg_from_ws_v1(await asyncio.wait_for(socket.read_message(), 30))
    header, content = json.loads(parts[0]), json.loads(parts[3])
    return header["msg_type"], content | {"parent": json.loads(parts[1]).get("msg_id")}


async def kinds_until_printed(socket, text):
    """The kinds of all messages until a cell has printed `text`, and a little longer for stragglers."""
    await send(socket, "execute_request", {"code": f"import time; time.sleep(0.5); print('{text}')"})
    kinds = set()
    while True:
        kind, content = await receive(socket)
        kinds.add(kind)
        if kind == "stream" and text in content["text"]:
            return kinds


async def execute(socket, code):
    """What the code printed."""
    asked = await send(socket, "execute_request", {"code": code, "silent": False, "user_expressions": {}})
    printed, idle, replied = "", False, False
    while not (idle and replied):
        kind, content = await receive(socket)
        if content["parent"] == asked:
            printed += content.get("text", "") if kind == "stream" else ""
            idle = idle or (kind == "status" and content["execution_state"] == "idle")
            replied = replied or kind == "execute_reply"
    return printed.strip()
