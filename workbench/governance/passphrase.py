"""
Passphrases: what is asked of one, and how it is kept so that a stolen table does not give it away.

A stored passphrase names the parameters it was derived with, so that they can be raised: `is_outdated` says
when one ought to be derived anew, which the next log-in does.
"""

import hashlib
import hmac
import secrets
import threading
import unicodedata
from dataclasses import dataclass

from workbench.errors import Unusable

SALT, SIZE = 16, 32
LONGEST = 256
FEWEST_DIFFERENT = 5
SCHEME = "scrypt"


@dataclass(frozen=True)
class Scrypt:
    """Cost parameters of RFC 7914: iterations, block size, parallelism. Memory is 128 · n · r bytes."""

    n: int
    r: int
    p: int
    source: str

    def derive(self, passphrase: str, salt: bytes) -> bytes:
        room = 128 * self.n * self.r + (1 << 20)
        # One at a time: sixteen people who log in at once must not take sixteen times the memory.
        with one_at_a_time:
            return hashlib.scrypt(
                plain(passphrase), salt=salt, n=self.n, r=self.r, p=self.p, maxmem=room, dklen=SIZE
            )


# The newest last; what was stored under an older one still opens, and is derived anew at the next log-in.
PARAMETERS: dict[str, Scrypt] = {
    "2023": Scrypt(2**17, 8, 1, "OWASP Password Storage Cheat Sheet (2023): scrypt with N=2^17, r=8, p=1"),
}
NOW = list(PARAMETERS)[-1]

one_at_a_time = threading.Lock()


def plain(passphrase: str) -> bytes:
    """One spelling for what looks alike: full-width letters and composed kana come from input methods."""
    return unicodedata.normalize("NFKC", passphrase).encode("utf-8", "surrogatepass")


def keep(passphrase: str) -> str:
    """The text to store for a passphrase."""
    salt = secrets.token_bytes(SALT)
    return f"{SCHEME}${NOW}${salt.hex()}${PARAMETERS[NOW].derive(passphrase, salt).hex()}"


def holds(stored: str | None, passphrase: str) -> bool:
    """Whether this is the stored passphrase. Without one the same work is done, and the answer is no."""
    _, parameters, salt, kept = (stored or DECOY).split("$")
    found = PARAMETERS[parameters].derive(passphrase[:LONGEST], bytes.fromhex(salt))
    return hmac.compare_digest(found, bytes.fromhex(kept)) and stored is not None


def is_outdated(stored: str) -> bool:
    return stored.split("$")[1] != NOW


# Nobody's passphrase: its digest is no digest of anything.
DECOY = f"{SCHEME}${NOW}${'00' * SALT}${'00' * SIZE}"


def expect_strong(passphrase: str, *, about: tuple[str, ...], shortest: int) -> None:
    """
    Raise Unusable for a passphrase that is short, monotonous, or about its owner.

    Length is what counts, and no mix of kinds of letters is asked for: NIST SP 800-63B-4 (2025), 3.1.1.2.
    """
    text = plain(passphrase).decode("utf-8", "replace")
    if not shortest <= len(text) <= LONGEST:
        raise Unusable(
            ja=f"合言葉は {shortest} 文字以上 {LONGEST} 文字以内にしてください。文を作ると覚えやすくなります。",
            en=f"A passphrase has {shortest} to {LONGEST} characters; a sentence is easy to remember.",
        )
    if len(set(text)) < FEWEST_DIFFERENT or any(word.lower() in text.lower() for word in about if word):
        raise Unusable(
            ja="合言葉に自分の識別子や氏名、同じ文字の繰返しは使えません。別の合言葉にしてください。",
            en="A passphrase must not hold one's own id or name, nor be one letter repeated; choose another.",
        )
