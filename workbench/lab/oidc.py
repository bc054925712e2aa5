"""
Logging in to a hub through the municipality's own provider of identity (OpenID Connect).

The provider says which of its subjects somebody is; which person of the home that is, the manager said before
(`workbench account link`). A name, a mail address or a group that the provider tells is nobody's word here.
The code flow with PKCE, a nonce and a verified ID token (`id_token.py`), a second factor required by its `acr`,
and no token kept.

A hub uses it when its configuration ends with `configure(c, Provider.read(path), accounts)`.
"""

import asyncio
import base64
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from oauthenticator.generic import GenericOAuthenticator
from oauthenticator.oauth2 import OAuthLoginHandler
from tornado.web import HTTPError

from workbench.audit import Event
from workbench.errors import Unprotected, Unusable, WorkbenchError
from workbench.governance.accounts import Accounts, Login
from workbench.lab.id_token import IdTokens, nonce_of

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
ADDRESSES = ("issuer", "authorize_url", "token_url", "userdata_url", "jwks_url", "callback_url")
FIELDS = frozenset({*ADDRESSES, "client_id", "client_secret_file", "acr"})
SUBJECT = "workbench_subject"  # whom the verified ID token is about, beside what the provider answered


@dataclass(frozen=True)
class Provider:
    """
    A provider of identity, as its owner describes it.

    `jwks_url` is where its public keys are. `acr` are its names for a log-in with a second factor; one of them
    must be in what it says.
    """

    issuer: str
    authorize_url: str
    token_url: str
    userdata_url: str
    jwks_url: str
    callback_url: str
    client_id: str
    client_secret_file: str
    acr: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> "Provider":
        """The provider in a file of JSON. Unusable when it is none; Unprotected for an address without TLS."""
        try:
            written = json.loads(path.read_bytes())
            if written.keys() != FIELDS or not written["acr"] or isinstance(written["acr"], str):
                raise ValueError
            provider = cls(**{**written, "acr": tuple(map(str, written["acr"]))})
        except (OSError, ValueError, AttributeError, TypeError, KeyError):
            raise not_described(path.name) from None
        for name in ADDRESSES:
            expect_tls(str(written[name]), name=name)
        return provider

    @property
    def client_secret(self) -> str:
        return Path(self.client_secret_file).read_text().strip()


class AskingWithNonce(OAuthLoginHandler):
    """Sends a browser to the provider with a nonce that no other browser's log-in has."""

    def authorize_redirect(self, *given: Any, extra_params: dict[str, Any], **named: Any) -> Any:
        nonce = nonce_of(extra_params["code_challenge"])
        return super().authorize_redirect(*given, extra_params=extra_params | {"nonce": nonce}, **named)


class OidcAuthenticator(GenericOAuthenticator):
    """Asks the provider, then the home. `accounts` and `provider` are set by `configure`."""

    login_handler = AskingWithNonce
    accounts: Accounts
    provider: Provider

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.logins: dict[str, Login] = {}
        self.tokens = IdTokens(
            issuer=self.provider.issuer,
            client=self.provider.client_id,
            keys_url=self.provider.jwks_url,
            acr=self.provider.acr,
        )

    async def authenticate(self, handler: Any, data: Any = None, **more: Any) -> dict[str, Any]:
        """The person with their role; nothing that the provider told is kept. 403 for anybody else."""
        told = await super().authenticate(handler, data, **more)
        try:
            login = await asyncio.to_thread(self.accounts.admit_linked, self.provider.issuer, told["name"])
        except WorkbenchError as refused:
            raise HTTPError(403, f"{refused.ja} / {refused.en}") from None
        self.logins[login.person.id] = login
        return self._model(login)

    async def get_token_info(self, handler: Any, params: dict[str, Any]) -> dict[str, Any]:
        """What the provider gives for a code, once its ID token was verified for this very browser."""
        info: dict[str, Any] = await super().get_token_info(handler, params)
        nonce = nonce_of(challenge_of(params["code_verifier"]))
        try:
            claims = await asyncio.to_thread(self.tokens.verified, info.get("id_token"), nonce=nonce)
        except WorkbenchError as refused:
            self.accounts.state.record(Event.LOGIN_FAILED, actor="unknown", reason="id token")
            raise HTTPError(403, f"{refused.ja} / {refused.en}") from None
        return info | {SUBJECT: claims["sub"]}

    async def token_to_user(self, token_info: dict[str, Any]) -> dict[str, Any]:
        """What the provider tells of the subject that its own signed word was about."""
        told: dict[str, Any] = await super().token_to_user(token_info)
        # A token of somebody else's could be put in its place: OpenID Connect Core 1.0, 5.3.2.
        if told.get("sub") != token_info[SUBJECT]:
            raise HTTPError(403, "the provider speaks of two people")
        return told

    async def get_user_groups(self, auth_state: dict[str, Any]) -> set[str]:
        """None of the provider's: the role is the person's."""
        return set()

    async def refresh_user(self, user: Any, handler: Any = None, **_: Any) -> bool | dict[str, Any]:
        """False, which asks for a log-in, once the account is locked, and after a restart of the hub."""
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

    def _model(self, login: Login) -> dict[str, Any]:
        person = self.accounts.people.get(login.person.id)
        return {"name": person.id, "groups": [str(person.role)], "admin": None, "auth_state": None}


def challenge_of(verifier: str) -> str:
    """RFC 7636, 4.2: the challenge of this verifier, by S256."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def configure(config: Any, provider: Provider, accounts: Accounts) -> None:
    """Make a hub's configuration `config` log people in through `provider`."""
    OidcAuthenticator.accounts, OidcAuthenticator.provider = accounts, provider
    config.JupyterHub.authenticator_class = OidcAuthenticator
    config.OidcAuthenticator.update(
        {
            "authorize_url": provider.authorize_url,
            "token_url": provider.token_url,
            "userdata_url": provider.userdata_url,
            "oauth_callback_url": provider.callback_url,
            "client_id": provider.client_id,
            "client_secret": provider.client_secret,
            "scope": ["openid"],
            "enable_pkce": True,
            "username_claim": "sub",
            "login_service": "OpenID Connect",
            "allow_all": True,  # whom the manager linked; nobody else gets as far
            "manage_groups": True,
            "auth_refresh_age": 30,
            "refresh_pre_spawn": True,
            "extra_authorize_params": {"acr_values": " ".join(provider.acr)},
        }
    )


def expect_tls(address: str, *, name: str) -> None:
    """Raise Unprotected for an address that others could answer for."""
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise Unprotected(
            ja=f"認証基盤の {name} は https:// で始まる番地にしてください。",
            en=f"The provider's {name} must be an address that begins with https://.",
        )


def not_described(name: str) -> Unusable:
    fields = ", ".join(sorted(FIELDS))
    return Unusable(
        ja=f"{name} には認証基盤の {fields} をすべて、これだけを JSON で書いてください（acr は一つ以上の一覧）。",
        en=f"{name} must describe the provider in JSON with {fields} and nothing else; acr is a list of at least one.",
    )
