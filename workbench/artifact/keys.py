"""
The private keys of a home: Ed25519, one file per owner, readable by its owner only.

An owner is a person (`person:sato`) or a role that signs for the house (`role:coordinator`). The file is
PKCS#8 PEM under a few plain lines (RFC 7468 lets text stand there), sealed with
WORKBENCH_KEY_PASSPHRASE when that is set. Keys of a demonstration follow from its seed, and say so.
"""

import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner, Signer  # type: ignore[attr-defined]

from workbench.errors import NotFound, Refused, Unprotected, Untrusted, Unusable
from workbench.home import Home, create_once, write_atomically

OWNER = re.compile(r"(person|role):[a-z0-9][a-z0-9_-]{0,63}")
PASSPHRASE = "WORKBENCH_KEY_PASSPHRASE"  # noqa: S105  the name of the variable
SET = {"ja": f"{PASSPHRASE} の", "en": f"in {PASSPHRASE}"}
DEMONSTRATION = "DEMONSTRATION"
BEGIN = b"-----BEGIN"
ENCRYPTED = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"
SHORTEST = 12


@dataclass(frozen=True)
class PublicKey:
    """What may be told of a key."""

    owner: str
    public: str
    demonstration: str | None


class KeyRing:
    """The keys in `folder`. `entropy` is the home's; `demonstration` its identity when it is one."""

    def __init__(self, folder: Path, entropy: Callable[[str], bytes], *, demonstration: str | None) -> None:
        self.folder = folder
        self.demonstration = demonstration
        self._entropy = entropy

    @classmethod
    def of(cls, home: Home) -> "KeyRing":
        """The keys of a home."""
        return cls(home.keys, home.entropy, demonstration=home.identity if home.is_demonstration else None)

    def create(self, owner: str) -> str:
        """Make the owner's key and return its public half. Refused where the owner has one."""
        key = Ed25519PrivateKey.from_private_bytes(self._entropy(f"key {owner}"))
        lines = {"owner": owner, "public": public_half(key)}
        if self.demonstration:
            lines[DEMONSTRATION] = self.demonstration
        label = "".join(f"{name}: {value}\n" for name, value in lines.items())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection())
        if not create_once(self.path(owner), label.encode() + pem):
            raise Refused(
                ja=f"{owner} の鍵は既にあります。workbench key list で確かめてください。",
                en=f"{owner} has a key already; see 'workbench key list'.",
            )
        return lines["public"]

    def ensure(self, owner: str) -> str:
        """The public half of the owner's key, made where there is none."""
        return self.public(owner) if self.path(owner).exists() else self.create(owner)

    def signer(self, owner: str, *, words: str | None = None) -> Signer:
        """
        What signs for `owner`.

        `words` is the owner's own passphrase, where somebody signs at a distance; a key without one is refused
        then, because whoever reaches the place where it lies would sign with it.
        """
        content = self._read(owner)
        if words is not None and ENCRYPTED not in content:
            raise without_passphrase(owner)
        try:
            secret = passphrase() if words is None else words.encode()
            key = load_pem_private_key(content[content.index(BEGIN) :], secret)
        except (ValueError, TypeError):
            where = {"ja": "入力した", "en": "that you typed"} if words is not None else SET
            raise Unusable(
                ja=f"{owner} の鍵を開けません。{where['ja']}合言葉を確かめてください。",
                en=f"The key of {owner} does not open; check the passphrase {where['en']}.",
            ) from None
        if not isinstance(key, Ed25519PrivateKey) or public_half(key) != self.public(owner):
            raise damaged(owner)
        return CryptoSigner(key)

    def protect(self, owner: str, words: str) -> None:
        """Put the owner's key under a passphrase of their own. Raises Unusable for one that is too short."""
        if len(words) < SHORTEST:
            raise Unusable(
                ja=f"鍵の合言葉は {SHORTEST} 文字以上にしてください。",
                en=f"A key's passphrase has {SHORTEST} characters or more.",
            )
        content = self._read(owner)
        key = load_pem_private_key(content[content.index(BEGIN) :], passphrase())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(words.encode()))
        write_atomically(self.path(owner), content[: content.index(BEGIN)] + pem)

    def public(self, owner: str) -> str:
        """The public half of the owner's key, in hexadecimal."""
        return self._label(owner).public

    def owners(self) -> list[PublicKey]:
        """Every key of this home, without its secret."""
        files = sorted(self.folder.glob("*.pem"))
        named = (file.name.removeprefix(f"{DEMONSTRATION}.") for file in files)
        return [self._label(name.removesuffix(".pem").replace(".", ":", 1)) for name in named]

    def _label(self, owner: str) -> PublicKey:
        label = self._read(owner).partition(BEGIN)[0].decode(errors="replace")
        lines = dict(line.partition(": ")[::2] for line in label.splitlines())
        if lines.get("owner") != owner or lines.get(DEMONSTRATION) != self.demonstration:
            raise damaged(owner)
        return PublicKey(owner, lines.get("public", ""), lines.get(DEMONSTRATION))

    def _read(self, owner: str) -> bytes:
        path = self.path(owner)
        if not path.exists():
            raise NotFound(
                ja=f"{owner} の鍵がありません。workbench key create {owner} で作成してください。",
                en=f"{owner} has no key; create one with 'workbench key create {owner}'.",
            )
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise Unprotected(
                ja=f"{owner} の鍵を他の利用者が読めます。chmod 600 で所有者だけが読めるようにしてください。",
                en=f"Others may read the key of {owner}; make it readable by its owner only (chmod 600).",
            )
        return path.read_bytes()

    def path(self, owner: str) -> Path:
        """The file of the owner's key."""
        if not OWNER.fullmatch(owner):
            raise Unusable(
                ja="鍵の持ち主は person:<id> か role:<役割> の形で指定してください。",
                en="Name a key's owner as person:<id> or role:<role>.",
            )
        mark = f"{DEMONSTRATION}." if self.demonstration else ""
        return self.folder / f"{mark}{owner.replace(':', '.')}.pem"


def public_half(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def passphrase() -> bytes | None:
    """What opens the files, or None when they are kept by the file system's permissions alone."""
    return os.environ.get(PASSPHRASE, "").encode() or None


def protection() -> KeySerializationEncryption:
    secret = passphrase()
    return BestAvailableEncryption(secret) if secret else NoEncryption()


def damaged(owner: str) -> Untrusted:
    return Untrusted(
        ja=f"{owner} の鍵ファイルが壊れているか、このホームのものではありません。バックアップから戻してください。",
        en=f"The key file of {owner} is damaged or belongs to another home; restore it from a backup.",
    )


def without_passphrase(owner: str) -> Refused:
    return Refused(
        ja=f"{owner} の鍵に合言葉がないため、ここでは署名できません。workbench key protect {owner} で本人の合言葉を付けてください。",
        en=f"The key of {owner} has no passphrase, so it does not sign here; give it the owner's own with 'workbench key protect {owner}'.",
    )
