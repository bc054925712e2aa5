"""Logging in to the hub: the home's own accounts, with passphrase and code; the role comes with the person."""

import asyncio
import time
from pathlib import Path
from typing import Any

from jupyterhub.auth import Authenticator
from jupyterhub.handlers.login import LogoutHandler
from jupyterhub.utils import new_token
from tornado.web import HTTPError

from workbench.errors import WorkbenchError
from workbench.governance.accounts import Accounts, Login
from workbench.governance.permissions import HUB_SCOPES, ROLE_NAMES, Role
from workbench.lab.identity import REFUSED_AFTER
from workbench.lab.proving import Proving, TooMany

# Of a hub: a team logs in within minutes of each other, and often from one address.
WAITING, EACH, AT_ONCE = 32, 8, 2


class LoggedLogout(LogoutHandler):
    """A log-out is in the log as a log-in is."""

    async def get(self) -> None:
        """The log-in is over at once: closing a room takes a while, and its owner may be back before it is done."""
        if self.current_user:
            await asyncio.to_thread(self.authenticator.left, self.current_user.name)
        else:
            # A log-in that ended by itself leaves its session's name in the browser, and the room takes no
            # second visit by that name: the next log-in needs another.
            self.clear_login_cookie()
        await super().get()


class RolesOfTheHome:
    """What every way of logging in shares: the role is the person's own, and a log-out is written down."""

    async def load_managed_roles(self) -> list[dict[str, Any]]:
        """JupyterHub's roles, from the one table of permissions."""
        return [hub_role(role) for role in Role]

    def get_handlers(self, app: Any) -> list[Any]:
        others = [row for row in super().get_handlers(app) if row[0] != "/logout"]  # type: ignore[misc]
        return [*others, ("/logout", LoggedLogout)]

    async def get_authenticated_user(self, handler: Any, data: Any) -> Any:
        """One place at a time: whoever proves who they are is logged in here, and in no other browser any more."""
        model = await super().get_authenticated_user(handler, data)  # type: ignore[misc]
        user = handler.find_user(model["name"]) if model else None
        if user is not None:
            user.orm_user.cookie_id = new_token()
            handler.db.commit()
        return model

    def _model(self, login: Login) -> dict[str, Any]:
        person = self.accounts.people.get(login.person.id)  # type: ignore[attr-defined]
        return {"name": person.id, "roles": [hub_role(person.role)]}


class AccountsAuthenticator(RolesOfTheHome, Authenticator):
    """Asks the accounts of the home; `accounts` is set by `config.fill`."""

    accounts: Accounts

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.logins: dict[str, Login] = {}
        self.proving = Proving(most=WAITING, each=EACH, at_once=AT_ONCE)

    async def authenticate(self, handler: Any, data: dict[str, str]) -> dict[str, Any] | None:
        """
        The person with their role, or None. Every refusal leaves after the same time.

        429 at once while too many wait: a log-out and a lock are never behind them.
        """
        began = time.monotonic()
        name, words, code = (data.get(field) or "" for field in ("username", "password", "otp"))
        try:
            source = handler.request.remote_ip
            login = await self.proving.of(lambda: self.accounts.log_in(name, words, code), source=source)
        except TooMany as refused:
            raise HTTPError(429, f"{refused.ja} / {refused.en}") from None
        except WorkbenchError:
            await asyncio.sleep(max(0.0, began + REFUSED_AFTER - time.monotonic()))
            return None
        self.logins[login.person.id] = login
        return self._model(login)

    async def refresh_user(self, user: Any, handler: Any = None, **_: Any) -> bool | dict[str, Any]:
        """False, which asks for a log-in, once the account is locked or reset, and after a restart of the hub."""
        login = self.logins.get(user.name)
        if login is None or not await asyncio.to_thread(self.accounts.holds, login):
            self.logins.pop(user.name, None)
            return False
        return self._model(login)

    def left(self, person: str) -> None:
        """Record a log-out."""
        login = self.logins.pop(person, None)
        if login is not None:
            self.accounts.log_out(login, reason="logged_out")

    def normalize_username(self, username: str) -> str:
        return username


def hub_role(role: Role) -> dict[str, Any]:
    """A role as JupyterHub describes one."""
    return {"name": f"workbench-{role}", "description": ROLE_NAMES[role][1], "scopes": list(HUB_SCOPES[role])}


# Whoever has an account is let in; what they may do is their role's, which is read anew at every log-in.
SETTINGS = {
    "allow_all": True,
    "manage_groups": False,
    "manage_roles": True,
    "reset_managed_roles_on_startup": True,
    "refresh_pre_spawn": True,
    "auth_refresh_age": 30,
}

WITH_A_CODE = {"request_otp": True, "otp_prompt": "確認コード / Code:"}


def choose(c: Any, accounts: Accounts, *, provider: Path | None) -> None:
    """Put the way of logging in into the hub's configuration: the home's accounts, or a provider of identity."""
    if provider is None:
        AccountsAuthenticator.accounts = accounts
        c.JupyterHub.authenticator_class = AccountsAuthenticator
        c.Authenticator.update(WITH_A_CODE)
    else:
        from workbench.lab import oidc

        oidc.configure(c, oidc.Provider.read(provider), accounts)
        kind = type("ProviderAuthenticator", (RolesOfTheHome, oidc.OidcAuthenticator), {})
        c.JupyterHub.authenticator_class = kind
        c.OidcAuthenticator.update(SETTINGS)
    c.Authenticator.update(SETTINGS)
