"""
Signed notes (C2SP signed-note): a text that ends in a newline, an empty line, and a line per signature.

A line is `— <name> <base64 of key id and signature>`. Signatures of keys that the reader does not know are
passed over, as the format asks: a witness may add its own.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from workbench.errors import Untrusted, Unusable

ED25519 = b"\x01"
ID_SIZE, KEY_SIZE, SIGNATURE_SIZE = 4, 32, 64
LARGEST = 1 << 16
MOST_SIGNATURES = 16
NAME = re.compile(r"[^\s+]{1,200}")
MARK = "— "


@dataclass(frozen=True)
class NoteKey:
    """The name and the Ed25519 public key that a note is verified with."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name) or len(self.public) != KEY_SIZE:
            raise no_key()

    @property
    def id(self) -> bytes:
        """SHA-256 of name, newline, kind and key; its first four bytes."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:ID_SIZE]

    def to_text(self) -> str:
        """The key as one word, `<name>+<id>+<key>`, as others' tools read it."""
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(ED25519 + self.public).decode()}"

    @classmethod
    def parse(cls, text: str) -> "NoteKey":
        """The key that `to_text` wrote. Raises Unusable for anything else."""
        try:
            name, identity, encoded = text.strip().split("+", 2)
            content = base64.b64decode(encoded, validate=True)
            key = cls(name, content[1:])
        except (ValueError, binascii.Error):
            raise no_key() from None
        if content[:1] != ED25519 or key.id.hex() != identity:
            raise no_key()
        return key


def sign_note(text: str, *, key: NoteKey, sign: Callable[[bytes], bytes]) -> bytes:
    """The note of `text`, which must end in a newline, with the signature that `sign` makes with `key`."""
    if not text.endswith("\n"):
        raise ValueError("the text of a note ends in a newline")
    signature = base64.b64encode(key.id + sign(text.encode())).decode()
    return f"{text}\n{MARK}{key.name} {signature}\n".encode()


def open_note(content: bytes, *, key: NoteKey) -> str:
    """
    The text of the note, once `key` is known to have signed it.

    Raises Unusable when it is no note, Untrusted when the key's signature is missing or does not hold.
    """
    text, lines = split_note(content)
    signatures = [found for line in lines if (found := signature_of(line, key=key)) is not None]
    if not signatures:
        raise not_signed(key)
    for signature in signatures:
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature, text.encode())
        except InvalidSignature:
            raise not_signed(key) from None
    return text


def split_note(content: bytes) -> tuple[str, list[str]]:
    """The text and the lines of its signatures."""
    try:
        whole = content.decode() if len(content) <= LARGEST else ""
    except UnicodeDecodeError:
        whole = ""
    text, gap, after = whole.rpartition("\n\n")
    lines = after.split("\n")
    if not gap or lines.pop() or not lines or len(lines) > MOST_SIGNATURES:
        raise no_note()
    if not all(line.startswith(MARK) for line in lines) or any(ord(c) < 32 and c != "\n" for c in whole):
        raise no_note()
    return text + "\n", lines


def signature_of(line: str, *, key: NoteKey) -> bytes | None:
    """The signature in this line, when it says that it is the key's."""
    name, _, encoded = line.removeprefix(MARK).partition(" ")
    try:
        content = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error):
        raise no_note() from None
    if name != key.name or content[:ID_SIZE] != key.id:
        return None
    return content[ID_SIZE:]


def no_key() -> Unusable:
    return Unusable(
        ja="検証鍵の形が正しくありません。workbench audit checkpoint が書き出した .vkey の 1 行を指定してください。",
        en="This is no verification key; give the one line that 'workbench audit checkpoint' wrote as .vkey.",
    )


def no_note() -> Unusable:
    return Unusable(
        ja="チェックポイントとして読めません。workbench audit checkpoint が書き出したファイルを指定してください。",
        en="This cannot be read as a checkpoint; give a file that 'workbench audit checkpoint' wrote.",
    )


def not_signed(key: NoteKey) -> Untrusted:
    return Untrusted(
        ja=f"チェックポイントに {key.name} の有効な署名がありません。書き換えられたか、別のログのものです。保管者に確かめてください。",
        en=f"The checkpoint has no valid signature of {key.name}: it was altered or is another log's; ask whoever kept it.",
    )
