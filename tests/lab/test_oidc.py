"""Logging in to a hub through a provider of identity: a small one on loopback, honest until it is told not to be."""

import base64
import hashlib
import hmac
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm

from workbench.errors import Unprotected, Untrusted, Unusable
from workbench.governance.accounts import Accounts
from workbench.lab.id_token import ALGORITHMS, IdTokens
from workbench.lab.oidc import Provider
from workbench.state import State

pytestmark = pytest.mark.attack

CLIENT, SECRET = "workbench", "a secret between the two"
KEY, OTHERS_KEY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))


def public(key, name):
    """A key as a provider publishes it."""
    return ECAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": name, "use": "sig", "alg": "ES256"}


def signed(claims, *, key=KEY, algorithm="ES256", name="1"):
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": name})


def with_shared_secret(claims):
    """The public key, which everybody has, taken for a secret: what a verifier that believes the header accepts."""
    head, body = (part(one) for one in ({"alg": "HS256", "typ": "JWT", "kid": "1"}, claims))
    words = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return f"{head}.{body}.{text(hmac.digest(words, f'{head}.{body}'.encode(), 'sha256'))}"


def part(content):
    return text(json.dumps(content).encode())


def text(content):
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


class Idp(ThreadingHTTPServer):
    """A provider of identity. `subject` is who sits before it; `lies` is what it says otherwise than it should."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answers)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.subject, self.lies = "subject-1", {}
        self.asked, self.codes, self.tokens = {}, {}, {}
        self.keys = [public(KEY, "1")]
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
        claims = self.claims(asked["nonce"], sub=asked["subject"]) | self.lies.get("claims", {})
        access = secrets.token_hex(16)
        self.tokens[access] = self.lies.get("told", asked["subject"])
        self.last = self.lies.get("id_token") or signed(claims, **self.lies.get("signed", {}))
        return {"access_token": access, "token_type": "Bearer", "id_token": self.last}

    def claims(self, nonce, **more):
        now = int(time.time())
        given = {"iss": self.address, "aud": CLIENT, "sub": "subject-1", "acr": "two-factors"}
        return given | {"iat": now, "exp": now + 60, "nonce": nonce} | more


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
        elif self.path == "/keys":
            self.tell({"keys": self.server.keys})
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


def described(folder, idp, *, port=18995, **changes):
    (folder / "secret").write_text(SECRET)
    fields = {
        "issuer": idp,
        "authorize_url": f"{idp}/authorize",
        "token_url": f"{idp}/token",
        "userdata_url": f"{idp}/userinfo",
        "jwks_url": f"{idp}/keys",
        "callback_url": f"http://127.0.0.1:{port}/hub/oauth_callback",
        "client_id": CLIENT,
        "client_secret_file": str(folder / "secret"),
        "acr": ["two-factors"],
    }
    path = folder / "provider.json"
    path.write_text(json.dumps(fields | changes))
    return path


class TestIdToken:
    """A token that is right but for one thing is not believed."""

    @pytest.fixture
    def tokens(self, idp):
        return IdTokens(
            issuer=idp.address, client=CLIENT, keys_url=f"{idp.address}/keys", acr=("two-factors",)
        )

    @pytest.mark.parametrize("audience", [CLIENT, [CLIENT]])
    def test_it_is_believed_once(self, tokens, idp, audience):
        token = signed(idp.claims("n", aud=audience))

        assert tokens.verified(token, nonce="n")["sub"] == "subject-1"
        with pytest.raises(Untrusted, match="nonce"):
            tokens.verified(token, nonce="n")

    @pytest.mark.parametrize(
        "changes",
        [
            {"iss": "https://other.example"},
            {"aud": "other"},
            {"aud": [CLIENT, "other"]},
            {"exp": 1},
            {"iat": 1 << 40},
            {"nonce": "another log-in's"},
            {"acr": "password"},
            {"acr": None},
            *({name: ...} for name in ("iss", "aud", "exp", "iat", "nonce", "sub", "acr")),
        ],
        ids=str,
    )
    def test_attack_a_claim_that_is_not_ours(self, tokens, idp, changes):
        claims = {name: value for name, value in (idp.claims("n") | changes).items() if value is not ...}

        with pytest.raises(Untrusted):
            tokens.verified(signed(claims), nonce="n")

    @pytest.mark.parametrize(
        "forged",
        [
            lambda claims: signed(claims, key=OTHERS_KEY),
            lambda claims: signed(claims, key=OTHERS_KEY, name="2"),
            lambda claims: jwt.encode(claims, None, algorithm="none", headers={"kid": "1"}),
            lambda claims: jwt.encode(claims, "k" * 32, algorithm="HS256", headers={"kid": "1"}),
            with_shared_secret,
            lambda claims: signed(claims)[:-4] + "AAAA",
            lambda claims: ".".join([signed(claims).split(".")[0], part(claims | {"sub": "oka"}), "x" * 86]),
            lambda _: "no token",
            lambda _: None,
            lambda _: 7,
        ],
        ids=[
            "another's key",
            "a key that the provider does not publish",
            "none",
            "a secret",
            "the public key as a secret",
            "a changed signature",
            "changed claims",
            "no token",
            "nothing",
            "a number",
        ],
    )
    def test_attack_a_token_that_the_provider_did_not_sign(self, tokens, idp, forged):
        with pytest.raises(Untrusted):
            tokens.verified(forged(idp.claims("n")), nonce="n")

    def test_attack_a_key_that_the_token_brings_along(self, tokens, idp):
        brought = {"kid": "2", "jwk": public(OTHERS_KEY, "2"), "jku": f"{idp.address}/others-keys"}
        token = jwt.encode(idp.claims("n"), OTHERS_KEY, algorithm="ES256", headers=brought)

        with pytest.raises(Untrusted):
            tokens.verified(token, nonce="n")

    def test_nobody_comes_in_while_the_keys_cannot_be_had(self, idp):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        tokens = IdTokens(
            issuer=idp.address, client=CLIENT, keys_url=f"http://127.0.0.1:{port}/", acr=("two-factors",)
        )

        with pytest.raises(Unprotected, match="jwks_url"):
            tokens.verified(signed(idp.claims("n")), nonce="n")

    def test_only_signatures_are_allowed_that_nobody_else_can_make(self):
        assert not [name for name in ALGORITHMS if name == "none" or name.startswith("HS")]


@pytest.fixture
def hub(office, idp, tmp_path):
    """The team's hub as its command starts it; `mori`, an analyst, is the provider's `subject-1`."""
    state = State.open(office)
    Accounts(office, state).link("mori", issuer=idp.address, subject="subject-1", actor="oka")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    told = described(tmp_path, idp.address, port=port)
    command = [sys.executable, "-c", "from workbench.cli import main; main()", "hub", "--port", str(port)]
    env = {**os.environ, "WORKBENCH_HOME": str(office.path)}
    log = tmp_path / "hub.log"
    with (
        log.open("w") as out,
        subprocess.Popen(
            [*command, "--provider", str(told)], stdout=out, stderr=out, cwd=tmp_path, env=env
        ) as process,
    ):
        try:
            running = Hub(f"http://127.0.0.1:{port}", state, log)
            assert running.soon(lambda: answers(running, process)), running.told()
            yield running
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=120)
    state.close()


def answers(hub, process):
    assert process.poll() is None, hub.told()
    try:
        return requests.get(f"{hub.url}/hub/login", timeout=5, allow_redirects=False).status_code < 400
    except requests.ConnectionError:
        return False


class Hub:
    """A running hub as a browser meets it."""

    def __init__(self, url, state, log):
        self.url, self.state, self.log = url, state, log

    def told(self):
        return self.log.read_text()[-6000:]

    def soon(self, happened, *, seconds=120):
        for _ in range(2 * seconds):
            if happened():
                return True
            time.sleep(0.5)
        return False

    def asked(self, browser):
        """The provider's answer to a browser that was sent there, not yet followed: where it leads."""
        sent = browser.get(f"{self.url}/hub/oauth_login", timeout=30, allow_redirects=False)
        return browser.get(sent.headers["Location"], timeout=30, allow_redirects=False).headers["Location"]

    def logged_in(self):
        """A browser that has been at the provider and back, and the hub's answer."""
        browser = requests.Session()
        return browser, browser.get(self.asked(browser), timeout=60, allow_redirects=False)

    def is_in(self, browser):
        """Whether the hub tells this browser who it is."""
        return browser.get(f"{self.url}/hub/home", timeout=30, allow_redirects=False).status_code == 200

    def last(self, event):
        return [record for record in self.state.log.records() if record["event"] == event][-1]


@pytest.mark.slow
def test_who_the_provider_means_is_who_the_manager_said(hub, idp):
    """One hub for the whole story: it takes its time to start."""
    a_linked_person_works_and_leaves(hub, idp)
    a_stranger_stays_outside(hub, idp)
    what_the_provider_did_not_say_of_this_log_in_is_not_believed(hub, idp)
    an_answer_in_another_browser_is_nobodys(hub, idp)


def a_linked_person_works_and_leaves(hub, idp):
    """Log-in, a room of one's own, a kernel in it, and the way out: all in the log."""
    browser, _ = hub.logged_in()
    assert hub.is_in(browser), hub.told()
    assert idp.asked["code_challenge_method"] == "S256"
    assert idp.asked["acr_values"] == "two-factors"
    told = {"person": "mori", "method": "oidc"}
    assert hub.last("login.opened")["details"] | {"login": ""} == told | {"login": ""}

    browser.get(f"{hub.url}/hub/spawn", timeout=120)
    room = f"{hub.url}/user/mori"
    # The page leads through the hub, which tells the room who this is; its status alone would not.
    assert hub.soon(
        lambda: (
            "/lab" in browser.get(f"{room}/lab", timeout=60).url
            and "kernels" in browser.get(f"{room}/api/status", timeout=60).text
        )
    ), hub.told()
    proof = {"X-XSRFToken": browser.cookies.get("_xsrf", path="/user/mori/"), "Referer": f"{room}/lab"}
    assert browser.post(f"{room}/workbench/notice", json={}, headers=proof, timeout=60).status_code == 200
    started = browser.post(f"{room}/api/kernels", json={}, headers=proof, timeout=120)
    assert started.status_code == 201, started.text

    browser.get(f"{hub.url}/hub/logout", timeout=120)
    assert not hub.is_in(browser)
    assert browser.get(f"{room}/api/status", timeout=60, allow_redirects=False).status_code != 200
    kinds = [record["event"] for record in hub.state.log.records() if record["actor"] == "mori"]
    assert kinds.count("kernel.started") == 1
    assert {"gateway.closed", "login.closed"} <= set(kinds)


def a_stranger_stays_outside(hub, idp):
    """A subject that nobody linked, though the provider calls it by the manager's name."""
    idp.subject = "subject-2"
    assert not hub.is_in(hub.logged_in()[0])
    assert hub.last("login.failed")["details"]["reason"] == "not linked"
    idp.subject = "subject-1"


def what_the_provider_did_not_say_of_this_log_in_is_not_believed(hub, idp):
    assert hub.is_in(hub.logged_in()[0])
    lies = {
        "another provider's word": {"claims": {"iss": "https://other.example"}},
        "an old word": {"claims": {"exp": 1}},
        "one factor": {"claims": {"acr": "password"}},
        "another's signature": {"signed": {"key": OTHERS_KEY}},
        "no signature": {"signed": {"key": None, "algorithm": "none"}},
        "the token of the log-in before": {"id_token": idp.last},
    }
    for lie, told in lies.items():
        idp.lies = told
        browser, answer = hub.logged_in()
        assert answer.status_code == 403, lie
        assert not hub.is_in(browser), lie
        assert hub.last("login.failed")["details"]["reason"] == "id token", lie

    # Its word is about a stranger, and the access token is that of somebody who may come in.
    idp.lies = {"claims": {"sub": "subject-2"}, "told": "subject-1"}
    assert hub.logged_in()[1].status_code == 403
    idp.lies = {}


def an_answer_in_another_browser_is_nobodys(hub, idp):
    caught = hub.asked(requests.Session())
    victim = requests.Session()
    assert victim.get(caught, timeout=30, allow_redirects=False).status_code == 400
    assert not hub.is_in(victim)

    # A code that was caught is redeemed without its verifier.
    code = parse_qs(urlsplit(caught).query)["code"][0]
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


@pytest.mark.parametrize(
    "name", ["issuer", "authorize_url", "token_url", "userdata_url", "jwks_url", "callback_url"]
)
def test_attack_a_provider_is_reached_without_tls(tmp_path, name):
    path = described(tmp_path, "https://id.example", **{name: "http://id.example/x"})
    with pytest.raises(Unprotected, match=name):
        Provider.read(path)
