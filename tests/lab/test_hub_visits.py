"""A page of a hub's reviewers that is left open, and what does and does not keep its log-in from growing idle."""

import asyncio
from types import SimpleNamespace

import pytest
from jupyterhub.services.auth import HubOAuth, HubOAuthenticated
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from workbench.governance import passphrase
from workbench.governance.accounts import Accounts
from workbench.governance.passphrase import PARAMETERS, Scrypt
from workbench.lab.hub import authenticator
from workbench.lab.hub.review import application, opened_in
from workbench.lab.hub.visits import Visits
from workbench.lab.reception import HOUR, MINUTE
from workbench.policy import load

pytestmark = pytest.mark.attack

IDLE = load()["session_idle_minutes"] * MINUTE
LONGEST = load()["session_hours"] * HOUR
PREFIX = "/services/review/"
CHOSEN = {"Sec-Fetch-User": "?1", "Sec-Fetch-Mode": "navigate"}
FETCHED = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def accounts(office, state, monkeypatch):
    monkeypatch.setitem(PARAMETERS, passphrase.NOW, Scrypt(2**4, 8, 1, "test"))
    return Accounts(office, state)


@pytest.fixture
def proven(accounts):
    """Somebody logs in at the hub."""

    def prove(person="sato"):
        return accounts.admit(person, method="a test")

    prove()
    return prove


@pytest.fixture
def visits(accounts, clock):
    return Visits(accounts, clock=clock)


@pytest.fixture
def ask(office, state, visits, monkeypatch):
    """Asks for pages one after the other, as the browser of whom the hub calls Sato; (status, where to)."""
    hub_auth = HubOAuth(
        api_token="t", api_url="http://127.0.0.1:1/hub/api", base_url=PREFIX, hub_prefix="/hub/"
    )
    browser = SimpleNamespace(token="first")
    monkeypatch.setattr(hub_auth, "get_token", lambda _: browser.token)
    monkeypatch.setattr(hub_auth, "get_user", lambda _: {"name": "sato", "scopes": [], "kind": "user"})
    monkeypatch.setattr(hub_auth, "check_xsrf_cookie", lambda _: None)
    monkeypatch.setattr(HubOAuthenticated, "_hub_auth", hub_auth)
    monkeypatch.setattr(HubOAuthenticated, "hub_scopes", None)
    monkeypatch.setattr(HubOAuthenticated, "allow_all", True)

    async def one(headers, method, token):
        browser.token = token
        server = HTTPServer(application(office, state, prefix=PREFIX, visits=visits))
        socket, port = bind_unused_port()
        server.add_socket(socket)
        try:
            body = "" if method == "POST" else None
            url = f"http://127.0.0.1:{port}{PREFIX}{'R-1' if method == 'POST' else ''}"
            answer = await AsyncHTTPClient(force_instance=True).fetch(
                url, method=method, headers=headers, body=body, follow_redirects=False, raise_error=False
            )
        finally:
            server.stop()
        return answer.code, answer.headers.get("Location", "").partition("?")[0], answer.body

    def asked(headers=CHOSEN, *, method="GET", token="first", content=False):  # noqa: S107 - no secret
        *answer, body = asyncio.run(one(headers, method, token))
        return body.decode() if content else tuple(answer)

    return asked


def events(state):
    return [
        (record["event"], record["details"].get("reason", record["details"].get("method")))
        for record in state.log.records()
        if record["actor"] == "sato" and record["event"].startswith("login.")
    ]


def test_attack_a_forgotten_browsers_review_page(ask, proven, clock, state):
    """The hub still says who it was; the pages are refused, and the way back in begins with leaving the hub."""
    assert ask()[0] == 200
    clock.now += IDLE

    assert ask() == (302, "/hub/logout")
    assert ask(method="POST")[0] == 403
    assert ask(token="another that the hub gave without a proof") == (302, "/hub/logout")
    assert events(state)[1:] == [("login.opened", "hub"), ("login.closed", "idle")]

    proven()
    assert ask() == (302, "/hub/logout")  # what that browser was given is over
    assert ask(token="after a proof")[0] == 200


def test_attack_a_page_that_fetches_itself_keeps_its_log_in_alive(ask, proven, clock):
    assert ask()[0] == 200
    for _ in range(3):
        clock.now += IDLE / 4
        assert ask(FETCHED)[0] == 200
    clock.now += IDLE / 4

    assert ask(FETCHED) == (302, "/hub/logout")


def test_somebody_who_reads_on_stays(ask, proven, clock):
    for _ in range(5):
        assert ask()[0] == 200
        clock.now += IDLE * 0.9
    assert ask()[0] == 200
    clock.now += IDLE * 0.9
    assert ask({}, method="POST")[0] == 404  # a vote on what is not there
    clock.now += IDLE * 0.9
    assert ask()[0] == 200


def test_nobody_stays_longer_than_a_log_in_lasts(ask, proven, clock):
    passed = 0
    while passed < LONGEST:
        assert ask()[0] == 200
        clock.now += IDLE / 2
        passed += IDLE / 2
    assert ask() == (302, "/hub/logout")


def test_attack_a_forgotten_browser_while_its_owner_works_in_another(ask, proven, clock):
    assert ask(token="forgotten")[0] == 200
    proven()
    for _ in range(4):
        clock.now += IDLE / 4
        assert ask(token="new")[0] == 200

    assert ask(token="forgotten")[0] == 302
    assert ask(token="new")[0] == 200


def test_it_ends_without_being_asked_for_and_says_so(visits, proven, clock, state):
    assert visits.is_here("sato", "t", acts=True)
    clock.now += IDLE
    visits.look_round()
    assert events(state)[-1] == ("login.closed", "idle")

    proven()
    assert visits.is_here("sato", "u", acts=True)
    visits.close()
    assert events(state)[-1] == ("login.closed", "ended")


def test_attack_a_locked_persons_review_page(ask, accounts, office, state, clock):
    accounts.add("sato", "a long sentence for a test", actor="oka")
    accounts.admit("sato", method="a test")
    assert ask()[0] == 200
    accounts.lock("sato", actor="oka")

    assert ask()[0] == 302
    assert ask(token="another")[0] == 302


def test_attack_the_hubs_cookie_of_a_browser_that_was_left(office, state):
    """A new log-in takes the cookie of every other browser away."""
    users = {"sato": SimpleNamespace(orm_user=SimpleNamespace(cookie_id="known to the forgotten browser"))}
    handler = SimpleNamespace(find_user=users.get, db=SimpleNamespace(commit=lambda: None))

    class Hub:
        async def get_authenticated_user(self, handler, data):
            return data

    class Proving(authenticator.RolesOfTheHome, Hub):
        pass

    for refused in (None, {"name": "new here"}):
        assert asyncio.run(Proving().get_authenticated_user(handler, refused)) == refused
    assert users["sato"].orm_user.cookie_id == "known to the forgotten browser"

    asyncio.run(Proving().get_authenticated_user(handler, {"name": "sato"}))

    assert users["sato"].orm_user.cookie_id != "known to the forgotten browser"


PAGES = {
    "ja": ("審査を待つ申請", "この申請か報告書はありません"),
    "en": ("Waiting for review", "There is no such request"),
}


@pytest.mark.parametrize("language", PAGES)
def test_the_pages_are_in_the_readers_language(ask, proven, office, state, language):
    """The list, and the sentence for what is not there."""
    waiting, gone = PAGES[language]

    assert waiting in ask({**CHOSEN, "Accept-Language": language}, content=True)
    assert gone in ask({"Accept-Language": language}, method="POST", content=True)


def test_a_report_opens_in_the_readers_language():
    page = b'<input id="show-ja" checked><input id="show-en">'

    assert opened_in("en", page) == b'<input id="show-ja"><input id="show-en" checked>'
    assert opened_in("ja", opened_in("en", page)) == page
