"""
Codes that are good once: six digits from an authenticator application, and recovery codes on paper.

The digits are RFC 6238's, with the settings that every authenticator application understands. A step of
time that has been used, and every earlier one, is never accepted again (RFC 6238, 5.2).
"""

import base64
import hashlib
import hmac
import unicodedata
from collections.abc import Callable

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

DIGITS, STEP = 6, 30  # digits of a code; seconds that one lives
SECRET = 20  # bytes: the length of the digest, as RFC 4226 section 4 (R6) recommends
# Clocks differ, and people type slowly: one step to either side, as RFC 6238 section 5.2 recommends.
STEPS_AROUND = (-1, 0, 1)
RECOVERY_CODES, RECOVERY_SIZE = 10, 10  # how many, and bytes in each: 80 bits, sixteen letters
ISSUER = "Workbench"


def generator(secret: bytes) -> TOTP:
    # Forgeries of SHA-1 are no matter for HMAC, and many applications know no other digest.
    return TOTP(secret, DIGITS, SHA1(), STEP)  # noqa: S303


def code_at(secret: bytes, moment: float) -> str:
    """The digits that an application with this secret shows at `moment` (seconds since 1970)."""
    return generator(secret).generate(int(moment)).decode()


def step_of(secret: bytes, code: str, *, now: float) -> int | None:
    """The step of time that `code` belongs to, near `now`; None when it belongs to none."""
    given, here = tidy(code).encode("utf-8", "replace"), int(now) // STEP
    steps = [here + around for around in STEPS_AROUND]
    # All are compared: which of them it was must not show in the time this takes.
    right = [hmac.compare_digest(generator(secret).generate(step * STEP), given) for step in steps]
    return max((step for step, is_right in zip(steps, right, strict=True) if is_right), default=None)


def address(secret: bytes, *, person: str, home: str) -> str:
    """The otpauth address that an authenticator application reads from a picture."""
    return generator(secret).get_provisioning_uri(person, f"{ISSUER} {home}")


def recovery_codes(entropy: Callable[[int], bytes]) -> list[str]:
    """Codes to print and lock away; `entropy` gives so many random bytes."""
    drawn = entropy(RECOVERY_CODES * RECOVERY_SIZE)
    texts = [
        base64.b32encode(drawn[at : at + RECOVERY_SIZE]).decode()
        for at in range(0, len(drawn), RECOVERY_SIZE)
    ]
    return ["-".join(text[at : at + 4] for at in range(0, len(text), 4)) for text in texts]


def recovery_digest(code: str, *, key: bytes) -> str:
    """What is stored of a recovery code: without the key it cannot be searched for."""
    return hmac.new(key, tidy(code).upper().encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def tidy(code: str) -> str:
    """A code as it was meant: without blanks and hyphens, and in plain letters where an input method made others."""
    return "".join(unicodedata.normalize("NFKC", code[:64]).replace("-", "").split())
