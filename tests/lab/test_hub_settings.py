"""What a hub is told, before it runs: who may log in and how, where it listens, what is less without root."""

import asyncio
import json
import os
import threading
from types import SimpleNamespace

import pytest
from jupyter_server.base.handlers import FileFindHandler, JupyterHandler
from jupyterhub.spawner import LocalProcessSpawner
from traitlets.config import Config

from workbench.errors import Unprotected
from workbench.governance.accounts import Accounts, Login, not_admitted
from workbench.governance.people import People
from workbench.governance.permissions import HUB_SCOPES, Role
from workbench.lab.hub import authenticator, start
from workbench.lab.hub.authenticator import EACH, WAITING
from workbench.lab.hub.config import expect_safe, fill
from workbench.lab.hub.room import is_part_of_the_page
from workbench.lab.hub.spawner import RoomSpawner

PORTS = {"public": 8000, "hub": 8001, "proxy": 8002, "review": 8003}
PROVIDER = {
    "issuer": "https://idp.example",
    "authorize_url": "https://idp.example/authorize",
    "token_url": "https://idp.example/token",
    "userdata_url": "https://idp.example/userinfo",
    "jwks_url": "https://idp.example/keys",
    "callback_url": "https://hub.example/hub/oauth_callback",
    "client_id": "workbench",
    "acr": ["mfa"],
}


@pytest.fixture
def described(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("not told")
    path = tmp_path / "provider.json"
    path.write_text(json.dumps({**PROVIDER, "client_secret_file": str(secret)}))
    return path


def settings(home, **more):
    c = Config()
    fill(
        c, ports=PORTS, home=str(home.path), project="attendance", address="127.0.0.1", folder="/tmp", **more
    )
    return c


def login_of(state, person):
    return Login("login-1", People(state).get(person), "a test", 1)


@pytest.mark.parametrize("by_provider", [False, True], ids=["accounts", "provider"])
def test_the_role_of_whoever_logs_in_is_the_homes(office, state, described, by_provider):
    c = settings(office, **({"provider": str(described)} if by_provider else {}))
    asking = c.JupyterHub.authenticator_class(config=c)

    model = asking._model(login_of(state, "mori"))

    assert model["name"] == "mori"
    [role] = model["roles"]
    assert (role["name"], tuple(role["scopes"])) == ("workbench-analyst", HUB_SCOPES[Role.ANALYST])
    assert "groups" not in model
    assert asking.manage_roles
    assert not asking.manage_groups
    assert {role["name"] for role in asyncio.run(asking.load_managed_roles())} == {
        f"workbench-{role}" for role in Role
    }
    paths = dict(asking.get_handlers(None))
    assert paths["/logout"] is authenticator.LoggedLogout


def test_attack_every_user_of_the_hub_has_rights_of_jupyterhubs_own(office):
    """JupyterHub gives each user everything over their own server and tokens unless it is told otherwise."""
    [role] = settings(office).JupyterHub.load_roles

    assert (role["name"], role["scopes"]) == ("user", ["read:users:name!user"])
    assert settings(office).JupyterHub.allow_named_servers is False


def test_attack_the_hubs_own_environment_in_a_room(monkeypatch):
    monkeypatch.setenv("A_SECRET_OF_THE_HUB", "told to nobody")
    everything = {**os.environ, "JUPYTERHUB_USER": "mori"}
    monkeypatch.setattr(LocalProcessSpawner, "get_env", lambda _: everything)

    told = RoomSpawner.get_env(RoomSpawner.__new__(RoomSpawner))

    assert told["JUPYTERHUB_USER"] == "mori"
    assert "A_SECRET_OF_THE_HUB" not in told
    assert told["HOME"] == "/nonexistent"


def test_attack_a_locked_account_stays_logged_in(office, state):
    c = settings(office)
    asking = c.JupyterHub.authenticator_class(config=c)
    Accounts(office, state).add("mori", "a long sentence for a test", actor="oka")
    asking.logins["mori"] = login_of(state, "mori")
    user = SimpleNamespace(name="mori")
    assert asyncio.run(asking.refresh_user(user))["name"] == "mori"

    Accounts(office, state).lock("mori", actor="oka")

    assert asyncio.run(asking.refresh_user(user)) is False
    assert asyncio.run(asking.refresh_user(SimpleNamespace(name="sato"))) is False


class Stuck:
    """Log-ins that take until `end`; who asked is in `asked`."""

    def __init__(self, accounts, monkeypatch):
        self.asked, self._done = [], threading.Event()
        self.end = self._done.set
        monkeypatch.setattr(accounts, "log_in", self._log_in)

    def _log_in(self, name, *_):
        self.asked.append(name)
        assert self._done.wait(30)
        raise not_admitted()

    async def started(self, count):
        while len(self.asked) < count:
            await asyncio.sleep(0.01)


def posted(asking, name, source):
    """Somebody at an address sends the log-in page's form."""
    handler = SimpleNamespace(request=SimpleNamespace(remote_ip=source))
    return asyncio.create_task(asking.authenticate(handler, {"username": name}))


@pytest.fixture
def asking(office, state, monkeypatch):
    monkeypatch.setattr(authenticator, "REFUSED_AFTER", 0.0)
    c = settings(office)
    Accounts(office, state).add("mori", "a long sentence for a test", actor="oka")
    made = c.JupyterHub.authenticator_class(config=c)
    made.logins["mori"] = login_of(state, "mori")
    return made


def test_attack_strangers_log_in_without_end_at_a_hub(asking, office, state, monkeypatch):
    """Whoever is inside leaves, and a lock takes hold, however many stand before the door."""
    stuck = Stuck(asking.accounts, monkeypatch)
    user = SimpleNamespace(name="mori")

    async def scene():
        tries = [posted(asking, f"x{number}", f"192.0.2.{number}") for number in range(WAITING + 40)]
        try:
            await stuck.started(1)
            assert (await asyncio.wait_for(asking.refresh_user(user), 10))["name"] == "mori"
            Accounts(office, state).lock("mori", actor="oka")
            assert await asyncio.wait_for(asking.refresh_user(user), 10) is False
            asking.logins["mori"] = login_of(state, "mori")
            await asyncio.wait_for(asyncio.to_thread(asking.left, "mori"), 10)
            sent_away = sum(one.done() for one in tries)
        finally:
            stuck.end()
        return sent_away, await asyncio.gather(*tries, return_exceptions=True)

    sent_away, ends = asyncio.run(scene())
    assert sent_away == 40
    assert [end.status_code for end in ends if end is not None] == [429] * 40
    assert state.log.records()[-1]["event"] == "login.closed"


def test_attack_one_address_takes_every_place_of_those_who_log_in(asking, monkeypatch):
    stuck = Stuck(asking.accounts, monkeypatch)

    async def scene():
        tries = [posted(asking, "x", "192.0.2.1") for _ in range(WAITING)]
        await stuck.started(1)
        known = posted(asking, "mori", "192.0.2.2")
        await asyncio.sleep(0.1)
        waits = not known.done()
        stuck.end()
        return waits, await known, await asyncio.gather(*tries, return_exceptions=True)

    waits, end, ends = asyncio.run(scene())
    assert waits
    assert end is None  # it was asked, and refused as everybody here is
    assert "mori" in stuck.asked
    assert ends.count(None) == EACH
    assert asking.proving._from.total() == 0


def test_what_is_less_without_root_is_said(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "uid" in start.lesser()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert start.lesser() is None


@pytest.mark.parametrize("address", ["192.168.1.5", "10.0.0.1", "::", ""])
def test_attack_an_address_that_others_reach_without_tls(address):
    with pytest.raises(Unprotected, match="TLS"):
        expect_safe(address, certificate=None)
    expect_safe(address, certificate="cert.pem")
    expect_safe("127.0.0.1", certificate=None)


@pytest.mark.parametrize(
    ("kind", "method", "site", "is_part"),
    [
        (FileFindHandler, "GET", "same-origin", True),
        (FileFindHandler, "GET", "cross-site", False),
        (FileFindHandler, "GET", "same-site", False),
        (FileFindHandler, "GET", None, False),
        (FileFindHandler, "POST", "same-origin", False),
        (JupyterHandler, "GET", "same-origin", False),
    ],
)
def test_attack_more_than_the_pages_own_files_without_the_pages_proof(kind, method, site, is_part):
    """The page's modules come without the hub's proof of a form; nothing else does, and no other site's page."""
    handler = kind.__new__(kind)
    handler.request = SimpleNamespace(method=method, headers={"Sec-Fetch-Site": site} if site else {})

    assert is_part_of_the_page(handler) is is_part


def test_after_a_log_in_that_ended_by_itself_the_next_has_another_session():
    """The room lets nobody in by the name of a session that is over: one would have to log in twice."""
    cleared = []

    class Leaving(authenticator.LoggedLogout):
        current_user = None

        def __init__(self):
            """Without a request."""

        def clear_login_cookie(self, name=None):
            cleared.append(name)

    async def nothing(_):
        pass

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(authenticator.LogoutHandler, "get", nothing)
        asyncio.run(Leaving().get())

    assert cleared == [None]


@pytest.mark.parametrize("kind", ["AccountsAuthenticator", "ProviderAuthenticator"])
def test_a_log_out_ends_the_log_in_that_it_began_with(office, state, described, kind):
    """Closing a room takes a while: whoever is back before it is closed has a log-in of their own."""
    c = settings(office, **({"provider": str(described)} if kind.startswith("Provider") else {}))
    asking = c.JupyterHub.authenticator_class(config=c)
    asking.logins["mori"] = login_of(state, "mori")
    again = login_of(state, "mori")

    class Leaving(authenticator.LoggedLogout):
        current_user = SimpleNamespace(name="mori")

        authenticator = asking

        def __init__(self):
            """Without a request."""

    async def slow(_):
        assert "mori" not in asking.logins
        asking.logins["mori"] = again  # back already

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(authenticator.LogoutHandler, "get", slow)
        asyncio.run(Leaving().get())

    assert asking.logins["mori"] is again
    assert [r["event"] for r in state.log.records()][-1] == "login.closed"
