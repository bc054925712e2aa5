"""A team's hub, for real: log-in with a code, a room for each analyst, scopes, and votes with one's own key."""

import base64
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest
import requests
import websocket
from jupyter_client.session import Session
from jupyter_server.services.kernels.connection.base import (
    deserialize_msg_from_ws_v1,
    serialize_msg_to_ws_v1,
)

from workbench.artifact.keys import KeyRing
from workbench.artifact.trust import ADMITTERS
from workbench.governance.accounts import Accounts
from workbench.governance.charter import Project, Projects
from workbench.governance.one_time_codes import code_at
from workbench.governance.people import People, Person, Role
from workbench.home import Home
from workbench.policy import load
from workbench.release import report, staging
from workbench.release.findings import Check, Finding, Text, Verdict
from workbench.release.workflow import Workflow
from workbench.state import State

PEOPLE = {
    "oka": Role.MANAGER,
    "sato": Role.COORDINATOR,
    "tanaka": Role.REVIEWER,
    "ito": Role.REVIEWER,
    "mori": Role.ANALYST,
    "hara": Role.ANALYST,
    "abe": Role.AUDITOR,
    "ueno": Role.OPERATOR,
}
PASSPHRASE = "a long sentence for a test"
KEY_PASSPHRASE = "another one for the key"
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


@dataclass
class Hub:
    """A running hub, and what each person needs to get in."""

    home: Home
    url: str
    secrets: dict[str, bytes]
    recovery: dict[str, list[str]]
    log: object
    pid: int
    logged_in: set[str] = field(default_factory=set)
    sessions: dict[str, requests.Session] = field(default_factory=dict)

    def try_to_log_in(self, person, *, words=PASSPHRASE, code=None, session=None):
        session = session or requests.Session()
        session.get(f"{self.url}/hub/login", timeout=60)
        form = {
            "username": person,
            "password": words,
            "otp": code if code is not None else self.code(person),
            "_xsrf": session.cookies.get("_xsrf", path="/hub/"),
        }
        answer = session.post(f"{self.url}/hub/login", data=form, timeout=60, allow_redirects=False)
        return session, answer

    def code(self, person):
        """A code that was not used: from the authenticator once, then from the printed list, which needs no waiting."""
        if person not in self.logged_in:
            self.logged_in.add(person)
            return code_at(self.secrets[person], time.time())
        return self.recovery[person].pop()

    def as_(self, person):
        """The browser of somebody who is logged in."""
        if person not in self.sessions:
            session, answer = self.try_to_log_in(person)
            assert answer.status_code == 302, answer.content.decode()
            self.sessions[person] = session
        return self.sessions[person]

    def room(self, person):
        """The analyst's browser in their room, started and entered."""
        session = self.as_(person)
        session.get(f"{self.url}/hub/spawn", timeout=120)
        for _ in range(240):
            answer = session.get(f"{self.url}/user/{person}/api/status", timeout=60)
            if answer.status_code == 200 and "kernels" in answer.text:
                return session
            if answer.url.endswith("/lab") or "spawn-pending" not in answer.url:
                session.get(f"{self.url}/user/{person}/lab", timeout=60)
            time.sleep(0.5)
        raise AssertionError(f"{answer.status_code} {answer.url} {self.told()}")

    def told(self):
        return self.log.read_text()[-6000:]

    def api(self, person, method, path, **more):
        """A call of the hub's API with the person's own browser."""
        session = self.as_(person)
        xsrf = session.cookies.get("_xsrf", path="/hub/")
        headers = {"X-XSRFToken": xsrf or "", "Referer": f"{self.url}/hub/home"}
        return session.request(method, f"{self.url}/hub/api{path}", headers=headers, timeout=60, **more)

    def records(self):
        return State.open(self.home).log.records()


def furnish(home):
    state = State.open(home)
    people, ring = People(state), KeyRing.of(home)
    for owner in ADMITTERS:
        ring.create(owner)
    for id_, role in PEOPLE.items():
        founder = "workbench" if not people.all() else "oka"
        people.add(Person(id_, id_.title(), role, "企画課", ring.create(f"person:{id_}")), actor=founder)
    for id_ in ("tanaka", "sato"):
        ring.protect(f"person:{id_}", KEY_PASSPHRASE)
    Projects(state).store(Project.from_json(CHARTER), actor="sato")
    accounts = Accounts(home, state)
    secrets, recovery = {}, {}
    for id_ in PEOPLE:
        enrolled = accounts.add(id_, PASSPHRASE, actor="oka")
        secrets[id_] = base64.b32decode(parse_qs(urlparse(enrolled.address).query)["secret"][0])
        recovery[id_] = list(enrolled.recovery_codes)
    state.close()
    return secrets, recovery


SAID = Text(ja="確認しました。", en="Measured.")


def examine(request, *, home, state, policy, now):
    """A report with one finding: what is checked is no matter here."""
    finding = Finding(Verdict.PASS, SAID, remedy=SAID)
    names = ("kind", "protection", "name", "version", "purpose", "author", "why")
    return report.build(
        {"complete": (Check(Text(ja="確認", en="Check"), lambda _: finding), finding)},
        head={name: getattr(request, name) for name in names} | {"title": {"ja": "目的", "en": "purpose"}},
        policy=policy,
        provenance={"content": staging.content_digest(request.bundle(home))},
        notice=SAID,
        sections={},
    )


def in_review(home, state, folder):
    """A request that waits for reviewers."""
    workflow = Workflow(home, state, load(), examine=examine)
    (folder / "bundle" / "data").mkdir(parents=True)
    (folder / "bundle" / "data" / "table.txt").write_text("k = 7")
    (folder / "evidence").mkdir()
    made = workflow.submit(
        "dataset",
        bundle=folder / "bundle",
        evidence=folder / "evidence",
        author="sato",
        name="child-year",
        version="1",
        purpose="attendance",
        why="<script>alert(1)</script>",
        protection="anonymised",
    )
    workflow.report(made.id)
    return made.id


@contextlib.contextmanager
def running(folder, *, python=sys.executable, who=None):
    """A hub of its own, as its command starts it, with this interpreter and as this user."""
    home = Home.create(folder / "home")
    secrets, recovery = furnish(home)
    for path in [folder, *folder.rglob("*")] if who else ():
        os.chown(path, who["user"], who["group"])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = folder / "hub.log"
    command = [python, "-c", "from workbench.cli import main; main()", "hub", "--port", str(port)]
    env = {**os.environ, "WORKBENCH_HOME": str(home.path)}
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=env, cwd=folder, **(who or {}))
    found = Hub(home, f"http://127.0.0.1:{port}", secrets, recovery, log, process.pid)
    try:
        assert soon(lambda: answers(found, process), seconds=120), found.told()
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=120)


def answers(hub, process):
    assert process.poll() is None, hub.told()
    try:
        return requests.get(f"{hub.url}/hub/login", timeout=5).status_code == 200
    except requests.ConnectionError:
        return False


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with running(tmp_path_factory.mktemp("hub")) as found:
        yield found


pytestmark = pytest.mark.slow


def test_one_logs_in_with_passphrase_and_code(hub):
    assert "確認コード" in requests.get(f"{hub.url}/hub/login", timeout=60).content.decode()

    assert hub.as_("mori").cookies
    [record] = [r for r in hub.records() if r["event"] == "login.opened" and r["actor"] == "mori"][:1]
    assert record["details"]["method"] == "passphrase and code"


@pytest.mark.parametrize("what", ["words", "code", "no code", "used code", "stranger"])
def test_attack_a_log_in_without_the_whole_proof(hub, what):
    given = {
        "words": {"words": "wrong words for a test"},
        "code": {"code": "000000"},
        "no code": {"code": ""},
        "used code": {},
        "stranger": {"code": "123456"},
    }[what]
    person = "nobody" if what == "stranger" else "hara"
    if what == "used code":
        code = hub.code("hara")
        hub.sessions["hara"], first = hub.try_to_log_in("hara", code=code)
        assert first.status_code == 302
        given = {"code": code}

    session, answer = hub.try_to_log_in(person, **given)

    assert answer.status_code == 403
    assert "ログインできません" in answer.content.decode()
    assert session.get(f"{hub.url}/hub/api/user", timeout=60).status_code in (403, 401)


def test_an_analysts_kernel_runs_in_the_sandbox_as_a_user_of_its_own(hub):
    room = hub.room("mori")

    started = kernel(hub, room, "mori")

    assert started.status_code == 201, started.text
    if os.geteuid() == 0:
        owners = {path.name: path.stat().st_uid for path in hub.home.workspaces.iterdir() if path.is_dir()}
        assert owners["mori"] != 0
        assert soon(lambda: owners["mori"] in kernel_uids())
        hub.room("hara")
        owners = {path.name: path.stat().st_uid for path in hub.home.workspaces.iterdir() if path.is_dir()}
        assert owners["hara"] != owners["mori"]
    events = [(r["actor"], r["event"]) for r in hub.records()]
    assert ("mori", "kernel.started") in events
    assert ("mori", "gateway.opened") in events


def kernel(hub, session, person):
    base = f"{hub.url}/user/{person}"
    session.get(f"{base}/lab", timeout=60)
    xsrf = session.cookies.get("_xsrf", path=f"/user/{person}/")
    proof = {"X-XSRFToken": xsrf or "", "Referer": f"{base}/lab"}
    assert session.post(f"{base}/workbench/notice", json={}, headers=proof, timeout=60).status_code == 200
    return session.post(
        f"{base}/api/kernels",
        json={},
        headers=proof,
        timeout=120,
    )


def soon(happened, *, seconds=60):
    """Whether it comes about: a kernel is answered for before its sandbox stands."""
    for _ in range(2 * seconds):
        if happened():
            return True
        time.sleep(0.5)
    return False


def kernel_uids():
    uids = set()
    for path in os.listdir("/proc"):
        if path.isdigit():
            try:
                with open(f"/proc/{path}/cmdline", "rb") as file:
                    if b"bwrap" in file.read():
                        uids.add(os.stat(f"/proc/{path}").st_uid)
            except OSError:
                continue
    return uids


@pytest.mark.parametrize("person", ["hara", "tanaka", "sato", "oka", "abe", "ueno"])
def test_attack_another_persons_room(hub, person):
    hub.room("mori")

    answer = hub.as_(person).get(f"{hub.url}/user/mori/api/contents", timeout=60)

    assert answer.status_code in (403, 404)
    assert "notebook" not in answer.text


@pytest.mark.parametrize("person", ["tanaka", "sato", "oka", "abe", "ueno"])
def test_attack_a_room_for_who_is_no_analyst(hub, person):
    assert hub.api(person, "POST", f"/users/{person}/server").status_code in (403, 404)
    hub.as_(person).get(f"{hub.url}/hub/spawn", timeout=60)
    assert not (hub.home.workspaces / person).exists()


# who: list users, read another's activity, start another's server, stop another's, enter the review pages
SCOPES = {
    "mori": (False, False, False, False, False),
    "tanaka": (False, False, False, False, True),
    "sato": (False, False, False, False, True),
    "abe": (True, True, False, False, True),
    "oka": (True, True, False, True, True),
    "ueno": (True, True, False, True, False),
}


@pytest.mark.parametrize("person", SCOPES)
def test_scopes_are_enforced_row_by_column(hub, person):
    hub.as_("hara")
    listed, activity, start, stop, review = SCOPES[person]
    names = hub.api(person, "GET", "/users")
    others = {one["name"] for one in names.json()} - {person} if names.status_code == 200 else set()
    told = hub.api(person, "GET", "/users/hara")

    assert bool(others) is listed
    assert (told.status_code == 200 and "last_activity" in told.json()) is activity
    assert (hub.api(person, "POST", "/users/hara/server").status_code in (201, 202)) is start
    assert (hub.api(person, "DELETE", "/users/hara/server").status_code in (202, 204, 400)) is stop
    for path, method in (("/shutdown", "POST"), ("/users/x", "POST"), ("/groups", "POST"), ("/proxy", "GET")):
        assert hub.api(person, method, path).status_code in (403, 404), path
    assert hub.api(person, "POST", f"/users/{person}/tokens").status_code in (403, 404)
    pages = hub.as_(person).get(f"{hub.url}/services/review/", timeout=60)
    assert (pages.status_code == 200 and "審査" in pages.content.decode()) is review


@pytest.fixture(scope="module")
def waiting(hub, tmp_path_factory):
    """The number of a request in review."""
    state = State.open(hub.home)
    number = in_review(hub.home, state, tmp_path_factory.mktemp("request"))
    state.close()
    return number


def vote(hub, person, number, **changes):
    """The request's page, and the answer to a vote sent from its form."""
    session, url = hub.as_(person), f"{hub.url}/services/review/{number}"
    session.get(f"{hub.url}/services/review/", timeout=60)
    page = session.get(f"{url}?lang=ja", timeout=60)
    found = dict(re.findall(r'name="(_xsrf|report)" value="([^"]*)"', page.text))
    said = {"vote": "admit", "comment": "読みました", "passphrase": KEY_PASSPHRASE, **found, **changes}
    answer = session.post(url, data=said, headers={"Referer": url}, timeout=60, allow_redirects=False)
    return page.content.decode(), answer


def ballots(hub, number):
    return Workflow.open(hub.home, State.open(hub.home)).standing_votes(number)


def test_a_reviewer_reads_the_report_and_votes_with_the_own_key(hub, waiting):
    session = hub.as_("tanaka")
    session.get(f"{hub.url}/services/review/", timeout=60)
    shown = session.get(f"{hub.url}/services/review/{waiting}/report", timeout=60)
    assert shown.status_code == 200
    assert shown.headers["Content-Security-Policy"].startswith("sandbox;")
    page, answer = vote(hub, "tanaka", waiting)
    assert "<script>" not in page
    assert "ほかの人の投票は" in page

    assert answer.status_code == 302, answer.content.decode()
    [ballot] = ballots(hub, waiting)
    assert (ballot["person"], ballot["vote"], ballot["comment"]) == ("tanaka", "admit", "読みました")
    again = session.get(f"{hub.url}/services/review/{waiting}?lang=ja", timeout=60).content.decode()
    assert "読みました" in again
    events = [(r["actor"], r["event"]) for r in hub.records()]
    assert ("tanaka", "report.read") in events
    assert ("tanaka", "request.voted") in events


@pytest.mark.parametrize(
    ("person", "changes"),
    [
        ("tanaka", {"passphrase": "wrong words for a test"}),
        ("tanaka", {"passphrase": ""}),
        ("tanaka", {"report": "0" * 64}),
        ("tanaka", {"_xsrf": "forged"}),
        ("tanaka", {"vote": "anything"}),
        ("ito", {}),  # whose key has no passphrase
        ("sato", {}),  # the author
        ("abe", {}),
        ("oka", {}),
        ("mori", {}),
        ("ueno", {}),
    ],
    ids=[
        "wrong-words",
        "no-words",
        "another-report",
        "forged-form",
        "no-vote",
        "no-own",
        "author",
        "auditor",
        "manager",
        "analyst",
        "operator",
    ],
)
def test_attack_a_vote_that_is_not_ones_own(hub, waiting, person, changes):
    before = ballots(hub, waiting)

    _, answer = vote(hub, person, waiting, **changes)

    assert answer.status_code in (403, 404)
    assert ballots(hub, waiting) == before


def test_code_runs_through_the_hubs_address(hub):
    """Subprotocol and binary frames pass the proxy: the kernel answers over the hub's own address."""
    room = hub.room("mori")
    number = kernel(hub, room, "mori").json()["id"]
    assert run(hub, room, "mori", number, "print(6 * 7)") == "42\n"
    records = [r for r in hub.records() if r["event"] == "cell.executed"]
    assert records[-1]["actor"] == "mori"
    assert records[-1]["details"]["source"] == "print(6 * 7)"


def run(hub, room, person, number, code):
    url = f"{hub.url}/user/{person}/api/kernels/{number}/channels"
    prepared = room.prepare_request(requests.Request("GET", url))
    protocol = "v1.kernel.websocket.jupyter.org"
    connection = websocket.create_connection(
        url.replace("http", "ws", 1), subprotocols=[protocol], cookie=prepared.headers["Cookie"], timeout=90
    )
    assert connection.getsubprotocol() == protocol
    session = Session(key=b"")
    content = {"code": code, "silent": False, "store_history": False, "user_expressions": {}}
    message = session.msg("execute_request", content=content)
    connection.send_binary(b"".join(as_bytes(serialize_msg_to_ws_v1(message, "shell", session.pack))))
    try:
        while True:
            _, parts = deserialize_msg_from_ws_v1(connection.recv())
            header, parent, _, said = (json.loads(part) for part in parts[:4])
            if header["msg_type"] == "stream" and parent.get("msg_id") == message["header"]["msg_id"]:
                return said["text"]
    finally:
        connection.close()


def as_bytes(message):
    return [message] if isinstance(message, bytes) else list(message)


def test_attack_a_room_of_an_account_that_was_locked(hub):
    session = hub.room("hara")
    Accounts(hub.home, State.open(hub.home)).lock("hara", actor="oka")
    try:
        for _ in range(60):
            answer = session.get(f"{hub.url}/user/hara/api/contents", timeout=60, allow_redirects=False)
            if answer.status_code != 200:
                break
            time.sleep(1)
        assert answer.status_code in (302, 403)
    finally:
        Accounts(hub.home, State.open(hub.home)).unlock("hara", actor="oka")
        hub.sessions.pop("hara", None)


def test_logging_out_ends_the_room(hub):
    session = hub.room("mori")
    session.get(f"{hub.url}/hub/logout", timeout=120)
    hub.sessions.pop("mori")

    answer = session.get(f"{hub.url}/user/mori/api/contents", timeout=60, allow_redirects=False)
    assert answer.status_code != 200
    events = [r["event"] for r in hub.records() if r["actor"] == "mori"]
    assert "gateway.closed" in events
    assert "login.closed" in events


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests of this file run a hub that is not root's")
def test_a_hub_of_an_ordinary_user_opens_a_room_and_a_kernel(ordinary_python):
    """It says what is less; log-in, room, sandbox and log are as they are for root."""
    python, who = ordinary_python
    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))
    try:
        with running(folder, python=str(python), who=who) as hub:
            assert "uid" in hub.told()
            room = hub.room("mori")
            number = kernel(hub, room, "mori").json()["id"]
            assert (
                run(hub, room, "mori", number, "import os; print(os.getuid() != 0, os.listdir('/'))")[:4]
                == "True"
            )
            assert kernel_uids() >= {who["user"]}
            assert 0 not in uids_below(hub.pid)
        # Read where it lies: its log takes records of its own user only.
        lines = (folder / "home" / "audit" / "log.jsonl").read_text().splitlines()
        told = [
            (record["actor"], record["event"], record["peer"]["uid"]) for record in map(json.loads, lines)
        ]
        for event in ("gateway.opened", "kernel.started", "cell.executed", "gateway.closed"):
            assert ("mori", event, who["user"]) in told
    finally:
        shutil.rmtree(folder)


def uids_below(pid):
    found = set()
    for one in (pid, *descendants(pid)):
        with contextlib.suppress(OSError):
            found.add(os.stat(f"/proc/{one}").st_uid)
    return found


def test_attack_a_hub_that_is_killed_leaves_no_room_behind(tmp_path):
    """Its rooms, its proxy and its pages end with it, and each room closes as it does after a log-out."""
    with running(tmp_path) as hub:
        hub.room("mori")
        below = descendants(hub.pid)
        [main] = [pid for pid in children(hub.pid) if "jupyterhub" in command_of(pid)]
        assert any("hub.room" in command_of(pid) for pid in below)

        os.kill(main, signal.SIGKILL)

        assert soon(lambda: not any(command_of(pid) for pid in below if "lab.hub" in command_of(pid)))
        assert soon(lambda: "gateway.closed" in [record["event"] for record in hub.records()])


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(one) for one in file.read().split()]


def descendants(pid):
    found = children(pid)
    return [*found, *(below for one in found for below in descendants(one))]


def command_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().decode(errors="replace")
    except OSError:
        return ""
