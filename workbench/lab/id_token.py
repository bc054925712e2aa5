"""
What a provider of identity says of a log-in, in its ID token, and whether that holds.

Every part is verified, although the token comes from the provider over TLS: whatever ends TLS on the way (a
proxy, a load balancer) carries the token and must not be able to write one. The keys come from the one address
that the provider's description names, never from an address in a token.

OpenID Connect Core 1.0, 3.1.3.7; RFC 8725 (JSON Web Token Best Current Practices), 3.1 and 3.8.
"""

import hashlib
import threading
from typing import Any

import jwt

from workbench.errors import Unprotected, Untrusted

# Signatures that only the provider can make; `none` and the ones with a shared secret are not among them.
ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
REQUIRED = ("iss", "sub", "aud", "exp", "iat", "nonce")
SKEW = 60  # seconds that two machines' clocks may differ
PATIENCE = 10  # seconds that the provider's keys may take
REMEMBERED = 10_000  # nonces; one that was forgotten belongs to a cookie that is long over


def nonce_of(challenge: str) -> str:
    """
    What a log-in's token must repeat: it belongs to the browser that keeps the verifier of this PKCE challenge.

    A digest of what only that browser keeps, as OpenID Connect Core 1.0, 15.5.2 describes it.
    """
    return hashlib.sha256(f"nonce {challenge}".encode()).hexdigest()


class IdTokens:
    """The ID tokens of one provider: who it is, for which client, and at which address its keys are."""

    def __init__(self, *, issuer: str, client: str, keys_url: str, acr: tuple[str, ...]) -> None:
        self._issuer, self._client, self._acr = issuer, client, acr
        self._keys = jwt.PyJWKClient(keys_url, timeout=PATIENCE)
        self._used: dict[str, None] = {}
        self._one_at_a_time = threading.Lock()

    def verified(self, token: Any, *, nonce: str) -> dict[str, Any]:
        """
        The claims of a token, once for each `nonce`.

        Raises Untrusted unless signature, issuer, audience, times, nonce and second factor all hold, and
        Unprotected where the provider's keys cannot be had. Waits for the provider: call it in a thread.
        """
        claims = self._signed(token)
        if claims["aud"] not in (self._client, [self._client]):
            raise does_not_hold("aud")
        if claims.get("acr") not in self._acr:
            raise one_factor()
        if claims["nonce"] != nonce or not self._is_first(nonce):
            raise does_not_hold("nonce")
        return claims

    def _is_first(self, nonce: str) -> bool:
        """Whether no token was believed for this nonce yet; from now on one was."""
        with self._one_at_a_time:
            if nonce in self._used:
                return False
            self._used[nonce] = None
            if len(self._used) > REMEMBERED:
                del self._used[next(iter(self._used))]
        return True

    def _signed(self, token: Any) -> dict[str, Any]:
        try:
            key = self._keys.get_signing_key_from_jwt(token)
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=self._client,
                issuer=self._issuer,
                leeway=SKEW,
                options={"require": list(REQUIRED)},
            )
        except jwt.PyJWKClientConnectionError:
            raise no_keys() from None
        except (jwt.PyJWTError, ValueError):
            raise does_not_hold("signature, iss, aud, exp, iat") from None
        return claims


def does_not_hold(what: str) -> Untrusted:
    return Untrusted(
        ja=f"認証基盤の ID トークンを確かめられません（{what}）。もう一度ログインし、続くときは認証基盤の設定を確かめてください。",
        en=f"The provider's ID token does not hold ({what}); log in once more, and if it goes on look at the provider's settings.",
    )


def one_factor() -> Untrusted:
    return Untrusted(
        ja="二要素でのログインではありません（acr）。認証基盤で二要素の認証を有効にしてください。",
        en="This log-in had no second factor (acr); turn one on at the provider.",
    )


def no_keys() -> Unprotected:
    return Unprotected(
        ja="認証基盤の公開鍵（jwks_url）を取得できないため、ログインできません。認証基盤への接続を確かめてください。",
        en="Nobody is logged in: the provider's public keys (jwks_url) cannot be had; see that the provider is reached.",
    )
