"""
An analyst's room in a hub: the same locked server, where the hub says who is asking.

Nobody but the analyst it was opened for gets in, whatever scopes somebody has; and a log-in at the hub that has
grown idle here does not open the room again without another one.
"""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import FileFindHandler, JupyterHandler
from jupyterhub.services.auth import HubOAuthCallbackHandler
from jupyterhub.singleuser.extension import JupyterHubIdentityProvider
from jupyterhub.utils import url_path_join
from tornado.web import HTTPError
from traitlets import Instance
from traitlets.config import Config

from workbench.errors import WorkbenchError
from workbench.governance.accounts import HUB
from workbench.home import Home
from workbench.lab import run_folder
from workbench.lab.hub.spawner import PUBLIC
from workbench.lab.identity import AccountPage, Visitor
from workbench.lab.opening import open_session
from workbench.lab.reception import Reception, Visit
from workbench.lab.server import content_policy, keep_to, make
from workbench.state import State

REMEMBERED_SECONDS = 10  # how long the hub's word about a log-in is taken without asking again


class HubIdentity(JupyterHubIdentityProvider):
    """Whoever the hub says is this room's analyst, while the visit lasts."""

    begin_again = "logout"  # leads through the hub
    reception: Reception = Instance(Reception, allow_none=True)  # type: ignore[assignment]

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.hub_auth.cache_max_age = REMEMBERED_SECONDS
        self.hub_auth.allow_token_in_url = False
        self._secret: str | None = None
        self._session: str | None = None
        self._over: set[str] = set()
        self._door = asyncio.Lock()

    @property
    def room(self) -> Any:
        return self.reception.room

    async def get_user(self, handler: Any) -> Visitor | None:
        """The analyst, with their visit; None for anybody else."""
        if is_part_of_the_page(handler):
            handler.check_xsrf_cookie = lambda: None
        user = await super().get_user(handler)
        if user is None:
            return None
        if user.username != self.reception.person:
            raise HTTPError(403)
        session = self.hub_auth.get_session_id(handler) or ""
        visit = await self._visit(session)
        if visit is None:
            leave = self.hub_auth.hub_host + url_path_join(self.hub_auth.hub_prefix, "logout")
            handler.get_login_url = lambda: leave
            return None
        visitor = Visitor(username=user.username, name=visit.person.name, display_name=visit.person.name)
        visitor.role, visitor.visit = visit.person.role, visit
        return visitor

    async def _visit(self, session: str) -> Visit | None:
        """The visit of a log-in at the hub; begun with its first request, and never a second time."""
        async with self._door:
            visit = self.reception.visit(self._secret)
            if visit is not None and session == self._session:
                return visit
            if self._session is not None:
                self._over.add(self._session)
            if not session or session in self._over or self._has_timed_out():
                return None
            try:
                self._secret = await self.reception.admit(method=HUB)
            except WorkbenchError as refused:
                raise HTTPError(403, f"{refused.ja} / {refused.en}") from None
            self._session = session
            return self.reception.visit(self._secret)

    def _has_timed_out(self) -> bool:
        """The hub's own word is not enough: the name of its session is a plain cookie, and anybody's to change."""
        return self.reception.accounts.has_timed_out(self.reception.person)

    def is_token_authenticated(self, handler: Any) -> bool:
        """Never: every change is asked for with the page's own proof (XSRF)."""
        return False

    def get_handlers(self) -> list[Any]:
        return [("/oauth_callback", HubCallback), ("/logout", HubLogout), ("/account", AccountPage)]


def is_part_of_the_page(handler: Any) -> bool:
    """
    Whether a file of the page's own code is asked for, by the page itself.

    A browser fetches modules in a mode for which JupyterHub wants a proof that no import can carry. Such files
    are the same for everybody and change nothing; who asks is still found out.
    """
    request = handler.request
    is_file = isinstance(handler, FileFindHandler) and request.method in {"GET", "HEAD"}
    return is_file and request.headers.get("Sec-Fetch-Site") == "same-origin"


class HubCallback(JupyterHandler):
    """The end of a log-in at the hub."""

    @property
    def hub_auth(self) -> Any:
        return self.identity_provider.hub_auth

    @allow_unauthenticated
    async def get(self) -> None:
        await HubOAuthCallbackHandler.get(self)


class HubLogout(JupyterHandler):
    """The way out leads through the hub, which ends the room."""

    @allow_unauthenticated
    def get(self) -> None:
        hub = self.identity_provider.hub_auth
        hub.clear_cookie(self)
        self.redirect(hub.hub_host + url_path_join(hub.hub_prefix, "logout"))


def more_settings() -> Config:
    """What a room behind the hub's address has instead."""
    at = urlparse(os.environ["JUPYTERHUB_SERVICE_URL"])
    public = urlparse(os.environ.get(PUBLIC, ""))
    config = Config()
    config.ServerApp.update(
        {
            "ip": at.hostname,
            "port": at.port,
            "port_retries": 0,
            "base_url": os.environ["JUPYTERHUB_SERVICE_PREFIX"],
            "trust_xheaders": True,
            "local_hostnames": ["localhost", *([public.hostname] if public.hostname else [])],
        }
    )
    return config


def sockets_of(public: str) -> str:
    """Where a page of the hub opens its websockets."""
    at = urlparse(public)
    return f"{'wss' if at.scheme == 'https' else 'ws'}://{at.netloc}"


def main() -> None:
    """Run the room that the hub's environment describes, until it is told to stop."""
    try:
        run()
    except WorkbenchError as error:
        sys.exit(f"{error.ja} / {error.en}")


def run() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("home", type=Path)
    parser.add_argument("project")
    given = parser.parse_args()
    home = Home.open(given.home)
    state = State.open(home)
    person = os.environ["JUPYTERHUB_USER"]
    reception = Reception(
        home,
        state,
        person=person,
        open_room=lambda: open_session(home, state, analyst=person, project=given.project),
    )
    folder = run_folder.make()
    try:
        keep_to(folder)
        config = more_settings()
        server = make(reception, folder=folder, port=config.ServerApp.port, identity=HubIdentity, more=config)
        server.web_app.settings["xsrf_cookies"] = False  # the hub's proof, which Jupyter's handlers ask for
        headers = server.web_app.settings["headers"]
        headers["Content-Security-Policy"] = content_policy(
            server.port, public=sockets_of(os.environ[PUBLIC])
        )
        signal.signal(signal.SIGTERM, lambda *_: server.io_loop.add_callback_from_signal(server.stop))
        server.start()
    finally:
        reception.end_kernels = None
        asyncio.run(reception.close())
        run_folder.remove(folder)
