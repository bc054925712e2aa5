"""
A package: admitted bundles on their way to one host, in a file that only this host can open.

A first line, the length of a signed envelope, the envelope, the sealed content, and nothing after it. The
envelope names the content's digest, so the content is believed before a byte of it is opened. The content is
no archive: a list of paths, sizes and digests, then the files end to end. There is nothing in it to expand
beyond its size, and no way to write down a link.

The content is sealed to the host's key (RFC 9180, X25519 and ChaCha20-Poly1305): a medium that is lost, or
read on another machine, tells its statement and no data.
"""

import base64
import hashlib
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from workbench.artifact.canonical import canonical, parse_canonical
from workbench.artifact.envelope import verify_statement
from workbench.artifact.schemas import (
    DIGEST,
    NAME,
    STATEMENT_TYPE,
    TEXT,
    TIME,
    VERSION,
    closed,
    expect_schema,
    mapping,
    statement,
    text,
)
from workbench.artifact.tree import BLOCK, MAX_TOTAL_BYTES, digest_of, is_plain_path, open_plain
from workbench.artifact.trust import Trusted
from workbench.errors import Untrusted

FIRST_LINE = b"workbench-package/1\n"
PACKAGE_TYPE = "workbench:package/v1"
SENDER = "role:coordinator"
MAX_ENVELOPE_BYTES = 1 << 20
MAX_LIST_BYTES = 8 << 20
MAX_FILES = 20_000
TAG = 16
SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
LENGTH = struct.Struct(">Q")
ON, END = b"on", b"end"

PACKAGE_SCHEMA = statement(
    PACKAGE_TYPE,
    closed(
        home=TEXT,
        number=TEXT,
        host=NAME,
        host_key=DIGEST,
        portable={"type": "boolean"},
        purpose=TEXT,
        made_at=TIME,
        valid_until=TIME,
        people={
            "type": "array",
            "minItems": 1,
            "maxItems": 20,
            "items": closed(person=TEXT, envelope=DIGEST),
        },
        bundles={
            "type": "array",
            "maxItems": 1000,
            "items": closed(name=NAME, version=VERSION, manifest=DIGEST),
        },
        sealed_key=text("[A-Za-z0-9+/]{106}[A-Za-z0-9+/=]{2}"),
        size={"type": "integer", "minimum": 0},
    ),
)
LIST_SCHEMA = closed(
    schema={"const": "workbench-package-list/1"},
    files=mapping(
        {"maxLength": 1000},
        closed(size={"type": "integer", "minimum": 0, "maximum": MAX_TOTAL_BYTES}, sha256=DIGEST),
        most=MAX_FILES,
    ),
)


@dataclass(frozen=True)
class Sealed:
    """The sealed content: what the statement must say of it."""

    sha256: str
    size: int
    sealed_key: str


@dataclass(frozen=True)
class Package:
    """A package whose statement is signed by the coordinating body; its content begins at `start`."""

    path: Path
    said: Mapping[str, Any]
    digest: str
    start: int


def write(
    target: BinaryIO, *, files: Mapping[str, Path], key: str, envelope: Callable[[Sealed], bytes], aside: Path
) -> None:
    """
    Write a package of `files` (path in the package: the file), sealed to the host's public `key`.

    `envelope` signs the statement about the sealed content, which is put together in the file `aside`.
    """
    with aside.open("x+b") as content:
        sealed = seal(content, files=files, key=key)
        signed = envelope(sealed)
        target.write(FIRST_LINE + LENGTH.pack(len(signed)) + signed)
        content.seek(0)
        while block := content.read(BLOCK):
            target.write(block)


def seal(target: BinaryIO, *, files: Mapping[str, Path], key: str) -> Sealed:
    """Write the files to `target`, sealed to `key`; what a kill leaves of it is of no use to anybody."""
    secret = os.urandom(32)
    cipher, digest, size = ChaCha20Poly1305(secret), hashlib.sha256(), 0
    waiting = b""
    number = 0

    def put(block: bytes, mark: bytes) -> None:
        nonlocal size, number
        # The key is this content's alone, so counting makes every nonce a new one.
        out = cipher.encrypt(number.to_bytes(12, "big"), block, mark)
        digest.update(out)
        target.write(out)
        size, number = size + len(out), number + 1

    for piece in plain(files):
        waiting += piece
        while len(waiting) > BLOCK:
            put(waiting[:BLOCK], ON)
            waiting = waiting[BLOCK:]
    put(waiting, END)
    public = X25519PublicKey.from_public_bytes(bytes.fromhex(key))
    sealed_key = SUITE.encrypt(secret, public, info=FIRST_LINE)
    return Sealed(digest.hexdigest(), size, base64.b64encode(sealed_key).decode())


def plain(files: Mapping[str, Path]) -> Iterator[bytes]:
    """The content before it is sealed: the list, then every file."""
    listed: dict[str, dict[str, Any]] = {}
    for path in sorted(files):
        listed[path] = {"size": files[path].stat().st_size, "sha256": digest_of(files[path])}
    value = {"schema": "workbench-package-list/1", "files": listed}
    index = canonical(value)
    yield LENGTH.pack(len(index)) + index
    for path in listed:
        with open_plain(files[path]) as file:
            while block := file.read(BLOCK):
                yield block


def package_statement(predicate: Mapping[str, Any], sealed: Sealed) -> dict[str, Any]:
    """What the coordinating body signs about a package."""
    value = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": "content", "digest": {"sha256": sealed.sha256}}],
        "predicateType": PACKAGE_TYPE,
        "predicate": {**predicate, "sealed_key": sealed.sealed_key, "size": sealed.size},
    }
    expect_schema(value, PACKAGE_SCHEMA, name="package")
    return value


def read(path: Path, *, trusted: Trusted) -> Package:
    """The package at `path`, its statement signed by the coordinating body. Its content is not read yet."""
    with open_plain(path) as file:
        if file.read(len(FIRST_LINE)) != FIRST_LINE:
            raise no_package(path)
        length = number_in(file.read(LENGTH.size), most=MAX_ENVELOPE_BYTES, path=path)
        envelope = file.read(length)
        start = file.tell()
    value = verify_statement(envelope, {SENDER: trusted.keys[SENDER]}, threshold=1)
    expect_schema(value, PACKAGE_SCHEMA, name=path.name)
    return Package(path, value["predicate"], value["subject"][0]["digest"]["sha256"], start)


def unpack(package: Package, *, into: Path, key: X25519PrivateKey) -> list[str]:
    """
    Write the files of a package into the new folder `into` and return their paths.

    Raises Untrusted, and leaves nothing to be trusted there, unless the content is what was signed, was sealed
    to this key, and holds exactly the files that it lists.
    """
    with open_plain(package.path) as file:
        expect_content(file, package)
        file.seek(package.start)
        content = Opened(blocks(file, package, cipher=cipher_of(package, key)))
        listed = list_of(content)
        for path, entry in listed.items():
            write_one(content, into / path, size=entry["size"], sha256=entry["sha256"])
        if content.read(1):
            raise changed()
    return list(listed)


def expect_content(file: BinaryIO, package: Package) -> None:
    """Raise Untrusted unless what follows the statement is what the statement is about, and no more."""
    if os.fstat(file.fileno()).st_size != package.start + package.said["size"]:
        raise changed()
    file.seek(package.start)
    digest = hashlib.sha256()
    while block := file.read(BLOCK):
        digest.update(block)
    if digest.hexdigest() != package.digest:
        raise changed()


def cipher_of(package: Package, key: X25519PrivateKey) -> ChaCha20Poly1305:
    try:
        secret = SUITE.decrypt(base64.b64decode(package.said["sealed_key"]), key, info=FIRST_LINE)
    except (InvalidTag, ValueError):
        raise sealed_to_another() from None
    return ChaCha20Poly1305(secret)


def blocks(file: BinaryIO, package: Package, *, cipher: ChaCha20Poly1305) -> Iterator[bytes]:
    """The content in the clear, block by block; only the last one may end it."""
    left, number = int(package.said["size"]), 0
    while left:
        sealed = file.read(min(left, BLOCK + TAG))
        left -= len(sealed)
        try:
            yield cipher.decrypt(number.to_bytes(12, "big"), sealed, ON if left else END)
        except (InvalidTag, ValueError):
            raise changed() from None
        number += 1


class Opened:
    """Blocks as one stream."""

    def __init__(self, source: Iterator[bytes]) -> None:
        self._source = source
        self._waiting = b""

    def read(self, size: int) -> bytes:
        """The next `size` bytes, fewer at the end."""
        while len(self._waiting) < size:
            block = next(self._source, None)
            if block is None:
                break
            self._waiting += block
        found, self._waiting = self._waiting[:size], self._waiting[size:]
        return found


def list_of(content: Opened) -> dict[str, dict[str, Any]]:
    """What the package says it holds; every path is plain, and none is another's folder."""
    header = content.read(LENGTH.size)
    length = number_in(header, most=MAX_LIST_BYTES, path=Path("content"))
    value = parse_canonical(content.read(length), name="content")
    expect_schema(value, LIST_SCHEMA, name="content")
    files: dict[str, dict[str, Any]] = value["files"]
    for path in files:
        # The name of a bundle's folder comes before the path that the bundle knows.
        first, _, rest = path.partition("/")
        if not is_plain_path(first) or (rest and not is_plain_path(rest)):
            raise bad_path(path)
        if any(f"{path[:place]}" in files for place, letter in enumerate(path) if letter == "/"):
            raise bad_path(path)
    if sum(entry["size"] for entry in files.values()) > MAX_TOTAL_BYTES:
        raise changed()
    return files


def write_one(content: Opened, target: Path, *, size: int, sha256: str) -> None:
    """Write the next `size` bytes as a new file; nothing that stands in its place is followed or replaced."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    digest = hashlib.sha256()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with open(os.open(target, flags, 0o600), "wb") as file:
        while size:
            block = content.read(min(size, BLOCK))
            if not block:
                raise changed()
            digest.update(block)
            file.write(block)
            size -= len(block)
    if digest.hexdigest() != sha256:
        raise changed()


def number_in(content: bytes, *, most: int, path: Path) -> int:
    """The length written at this place, when it is one that makes sense."""
    if len(content) != LENGTH.size:
        raise no_package(path)
    number: int = LENGTH.unpack(content)[0]
    if number > most:
        raise no_package(path)
    return number


def no_package(path: Path) -> Untrusted:
    name = ascii(path.name)[1:-1][:120]
    return Untrusted(
        ja=f"{name} はパッケージではありません。総括管理主体が workbench catalogue export で書き出したものを受け取ってください。",
        en=f"{name} is no package; get the one that the coordinating body wrote with 'workbench catalogue export'.",
    )


def changed() -> Untrusted:
    return Untrusted(
        ja="パッケージの中身が署名されたものと違います（変更、欠け、または余分）。媒体を替えて書き出し直してもらってください。",
        en="The content of the package is not what was signed (changed, cut short, or added to); have it written again on another medium.",
    )


def sealed_to_another() -> Untrusted:
    return Untrusted(
        ja="このパッケージは別の機械あてに封をされています。宛先の機械で取り込むか、この機械あてに書き出してもらってください。",
        en="This package is sealed to another machine; import it there, or have one written for this machine.",
    )


def bad_path(path: str) -> Untrusted:
    name = ascii(path)[1:-1][:120]
    return Untrusted(
        ja=f"パッケージの中のファイル名 {name} は許されていません。取り込まず、総括管理主体に知らせてください。",
        en=f"The package holds a file name that is not allowed ({name}); do not use it, and tell the coordinating body.",
    )
