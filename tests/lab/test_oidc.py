"""Logging in to a hub through a provider of identity: a small one on loopback, honest until it is told not to be."""

import base64
import hashlib
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest
import requests

from workbench.errors import Unprotected, Unusable
from workbench.governance.accounts import Accounts
from workbench.governance.people import People, Person, Role
from workbench.lab.oidc import Provider
from workbench.state import State

pytestmark = pytest.mark.attack

CLIENT, SECRET = "workbench", "a secret between the two"
HUB_PORT = 18995
CONFIG = """
from pathlib import Path
from jupyterhub.proxy import Proxy
from jupyterhub.spawner import SimpleLocalProcessSpawner
from workbench.governance.accounts import Accounts
from workbench.home import Home
from workbench.lab.oidc import Provider, configure
from workbench.state import State


class NoProxy(Proxy):
    should_start = False

    async def add_route(self, *given): ...
    async def delete_route(self, *given): ...
    async def get_all_routes(self): return {{}}


home = Home.open(Path({home!r}))
c.JupyterHub.bind_url = c.JupyterHub.hub_bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.db_url = "sqlite://"
c.JupyterHub.cookie_secret_file = {folder!r} + "/cookie"
c.JupyterHub.spawner_class = SimpleLocalProcessSpawner
configure(c, Provider.read(Path({provider!r})), Accounts(home, State.open(home)))
"""


class Idp(ThreadingHTTPServer):
    """A provider of identity. `subject` is who sits before it; `lies` is what it says otherwise than it should."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answers)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.subject, self.lies = "subject-1", {}
        self.asked, self.codes, self.tokens = {}, {}, {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def token(self, form):
        """RFC 6749, 4.1.3 and RFC 7636, 4.6: the code once, from who asked for it, with its verifier."""
        asked = self.codes.pop(form.get("code"), None)
        if (
            asked is None
            or form.get("client_secret") != SECRET
            or form.get("redirect_uri") != asked["redirect_uri"]
        ):
            return None
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if challenge.decode().rstrip("=") != asked["code_challenge"]:
            return None
        claims = {
            "iss": self.address,
            "aud": CLIENT,
            "sub": asked["subject"],
            "exp": int(time.time()) + 60,
            "acr": "two-factors",
        } | self.lies.get("claims", {})
        access = secrets.token_hex(16)
        self.tokens[access] = self.lies.get("told", asked["subject"])
        return {"access_token": access, "token_type": "Bearer", "id_token": jwt.encode(claims, "k" * 32)}


class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        if self.path.startswith("/authorize"):
            self.server.asked = query
            code = secrets.token_hex(8)
            self.server.codes[code] = query | {"subject": self.server.subject}
            back = urlencode({"code": code, "state": query["state"]})
            self.send_response(302)
            self.send_header("Location", f"{query['redirect_uri']}?{back}")
            self.end_headers()
        else:
            subject = self.server.tokens.get(self.headers.get("Authorization", "").removeprefix("Bearer "))
            self.tell(
                {"sub": subject, "preferred_username": "oka", "groups": ["manager"]} if subject else None
            )

    def do_POST(self):
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.tell(self.server.token({name: values[0] for name, values in parse_qs(form).items()}))

    def tell(self, content):
        self.send_response(200 if content else 400)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(content or {"error": "invalid_grant"}).encode())

    def log_message(self, *given):
        pass


@pytest.fixture
def idp():
    idp = Idp()
    yield idp
    idp.shutdown()


def described(folder, idp, **changes):
    (folder / "secret").write_text(SECRET)
    fields = {
        "issuer": idp,
        "authorize_url": f"{idp}/authorize",
        "token_url": f"{idp}/token",
        "userdata_url": f"{idp}/userinfo",
        "callback_url": f"http://127.0.0.1:{HUB_PORT}/hub/oauth_callback",
        "client_id": CLIENT,
        "client_secret_file": str(folder / "secret"),
        "acr": ["two-factors"],
    }
    path = folder / "provider.json"
    path.write_text(json.dumps(fields | changes))
    return path


@pytest.fixture
def hub(home, idp, tmp_path):
    """A running JupyterHub, met without its proxy, in a home where `sato` is the provider's `subject-1`."""
    state = State.open(home)
    people = People(state)
    people.add(Person("oka", "Oka", Role.MANAGER, "section"))
    people.add(Person("sato", "Sato", Role.COORDINATOR, "section"), actor="oka")
    Accounts(home, state).link("sato", issuer=idp.address, subject="subject-1", actor="oka")
    config = tmp_path / "hub.py"
    given = {"home": str(home.path), "folder": str(tmp_path), "port": HUB_PORT}
    config.write_text(CONFIG.format(**given, provider=str(described(tmp_path, idp.address))))
    command = [sys.executable, "-m", "jupyterhub", "-f", str(config)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path, env=os.environ.copy()
    ) as process:
        for _ in range(300):
            try:
                requests.get(f"http://127.0.0.1:{HUB_PORT}/hub/api", timeout=5)
                break
            except requests.ConnectionError:
                assert process.poll() is None, "the hub did not start"
                time.sleep(0.2)
        yield state
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
    state.close()


def logged_in():
    """A browser that has been sent to the provider and back, and the hub's last answer."""
    browser = requests.Session()
    answer = browser.get(f"http://127.0.0.1:{HUB_PORT}/hub/oauth_login", timeout=30, allow_redirects=False)
    while answer.is_redirect and "/hub/home" not in answer.headers["Location"]:
        answer = browser.get(
            requests.compat.urljoin(answer.url, answer.headers["Location"]), timeout=30, allow_redirects=False
        )
        if (
            answer.is_redirect
            and "/hub/oauth" not in answer.headers["Location"]
            and "authorize" not in answer.headers["Location"]
        ):
            break
    return browser, answer


def is_in(browser):
    answer = browser.get(f"http://127.0.0.1:{HUB_PORT}/hub/home", timeout=30, allow_redirects=False)
    return answer.status_code == 200


def last(state, event):
    return [record for record in state.log.records() if record["event"] == event][-1]


@pytest.mark.slow
def test_who_the_provider_means_is_who_the_manager_said(hub, idp):
    """One hub for the whole story: it takes its time to start."""
    browser, _ = logged_in()
    assert is_in(browser)
    assert idp.asked["code_challenge_method"] == "S256"
    assert idp.asked["acr_values"] == "two-factors"
    assert last(hub, "login.opened")["details"] | {"login": ""} == {
        "login": "",
        "person": "sato",
        "method": "oidc",
    }

    # attack: a subject that nobody linked, though the provider calls it by the manager's name
    idp.subject = "subject-2"
    assert not is_in(logged_in()[0])
    assert last(hub, "login.failed")["details"]["reason"] == "not linked"
    idp.subject = "subject-1"

    lies = {
        "another provider's word": {"claims": {"iss": "https://other.example"}},
        "a word for another client": {"claims": {"aud": "other"}},
        "an old word": {"claims": {"exp": 1}},
        "one factor": {"claims": {"acr": "password"}},
        "no word of a factor": {"claims": {"acr": None}},
        # Its word is about a stranger, and the token is that of somebody who may come in.
        "another's access token": {"claims": {"sub": "subject-2"}, "told": "subject-1"},
    }
    for lie, said in lies.items():
        idp.lies = said
        browser, answer = logged_in()
        assert answer.status_code == 403, lie
        assert not is_in(browser), lie
    idp.lies = {}

    # attack: the answer to one browser's question is put into another's
    thief = requests.Session()
    answer = thief.get(f"http://127.0.0.1:{HUB_PORT}/hub/oauth_login", timeout=30, allow_redirects=False)
    answer = thief.get(answer.headers["Location"], timeout=30, allow_redirects=False)
    victim = requests.Session()
    assert victim.get(answer.headers["Location"], timeout=30, allow_redirects=False).status_code == 400
    assert not is_in(victim)

    # attack: a code that was caught is redeemed without its verifier
    code = parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]
    form = {"code": code, "client_secret": SECRET, "redirect_uri": idp.asked["redirect_uri"]}
    assert idp.token(form | {"code_verifier": "guessed"}) is None


def test_a_provider_is_described_whole(tmp_path):
    provider = Provider.read(described(tmp_path, "https://id.example"))

    assert provider.acr == ("two-factors",)
    assert provider.client_secret == SECRET
    assert SECRET not in repr(provider)


@pytest.mark.parametrize("changes", [{"acr": []}, {"acr": "two-factors"}, {"more": 1}, {"acr": None}])
def test_a_provider_without_a_second_factor_is_none(tmp_path, changes):
    with pytest.raises(Unusable):
        Provider.read(described(tmp_path, "https://id.example", **changes))


@pytest.mark.parametrize("name", ["issuer", "authorize_url", "token_url", "userdata_url", "callback_url"])
def test_attack_a_provider_is_reached_without_tls(tmp_path, name):
    path = described(tmp_path, "https://id.example", **{name: "http://id.example/x"})
    with pytest.raises(Unprotected, match=name):
        Provider.read(path)
