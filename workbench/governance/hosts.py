"""
Hosts where analysts work: what one is told about itself, and which ones the coordinating body knows.

A host is set up with the keys it trusts, whose fingerprint somebody read out over another way. It makes a key
of its own and gives out a card with the public half; the coordinating body enters the card after comparing
its fingerprint. Neither side ever believes a file for having arrived.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from workbench.artifact.canonical import canonical, parse_canonical, sha256
from workbench.artifact.keys import PASSPHRASE, passphrase, protection
from workbench.artifact.schemas import DIGEST, NAME, closed, expect_schema
from workbench.artifact.tree import read_capped
from workbench.artifact.trust import MAX_BYTES, Trusted
from workbench.audit import Event
from workbench.errors import NotFound, Refused, Untrusted, Unusable
from workbench.governance.people import FOUNDER, People
from workbench.home import HOST, Home, create_once, write_atomically
from workbench.state import State, metadata

ABOUT, TRUST, KEY = "host.json", "trusted.json", "host.x25519.pem"
SCHEMA = "workbench-host/1"
CARD_SCHEMA = closed(schema={"const": SCHEMA}, name=NAME, portable={"type": "boolean"}, key=DIGEST)
ABOUT_SCHEMA = closed(
    schema={"const": SCHEMA},
    name=NAME,
    portable={"type": "boolean"},
    purposes={"type": "array", "minItems": 1, "items": NAME},
)
TYPED = re.compile(r"[\s-]")

hosts = sa.Table(
    "hosts",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, nullable=False, unique=True),
    sa.Column("portable", sa.Boolean, nullable=False),
)


@dataclass(frozen=True)
class Host:
    """A machine of analysts: its name, the public key that packages are sealed to, whether it is carried about."""

    name: str
    key: str
    portable: bool

    def card(self) -> bytes:
        """What the host gives out about itself."""
        return canonical({"schema": SCHEMA, **asdict(self)})

    @classmethod
    def from_card(cls, content: bytes) -> "Host":
        value = parse_canonical(content, name="host")
        expect_schema(value, CARD_SCHEMA, name="host")
        return cls(value["name"], value["key"], value["portable"])


def fingerprint(content: bytes) -> str:
    """128 bits of a file's digest, in groups that can be read out."""
    digest = sha256(content)[:32]
    return "-".join(digest[place : place + 4] for place in range(0, 32, 4))


def expect_fingerprint(content: bytes, *, typed: str) -> None:
    """Raise Untrusted unless `typed` is the file's fingerprint, however it is grouped."""
    if TYPED.sub("", typed).lower() != fingerprint(content).replace("-", ""):
        raise Untrusted(
            ja="指紋（fingerprint）が一致しません。ファイルとは別の手段（電話など）で聞いたものを入力してください。",
            en="The fingerprint does not match; type the one you were told by another way than the file (by telephone, say).",
        )


# ------------------------------------------------------------------ on the host


@dataclass(frozen=True)
class Here:
    """This host: its card, and the purposes it works for."""

    host: Host
    purposes: tuple[str, ...]
    home: Home

    @classmethod
    def set_up(
        cls,
        path: Path,
        *,
        name: str,
        purposes: Sequence[str],
        trust: bytes,
        typed: str,
        portable: bool = False,
    ) -> "Here":
        """
        Make a host's home at `path`, with its key and the keys it trusts.

        `trust` is what `workbench key trust` wrote; `typed` its fingerprint as it was told. Raises Untrusted
        before anything is made when the two do not belong together.
        """
        expect_fingerprint(trust, typed=typed)
        about = {"schema": SCHEMA, "name": name, "portable": portable, "purposes": sorted(set(purposes))}
        expect_named(about)
        home = Home.create(path, kind=HOST)
        write_atomically(home.path / TRUST, trust)
        Trusted.load(home.path / TRUST)
        make_key(home)
        write_atomically(home.path / ABOUT, canonical(about))
        return cls.of(home)

    @classmethod
    def of(cls, home: Home) -> "Here":
        """The host that this home is. Refused for another kind of home."""
        if not home.is_host:
            raise Refused(
                ja="これは分析用の機械（analysts' host）のホームではありません。workbench init --host で作ったホームで実行してください。",
                en="This home is no analysts' host; run this in a home made with 'workbench init --host'.",
            )
        path = home.path / ABOUT
        if not path.exists():
            raise Unusable(
                ja="この機械の設定（host.json）がありません。ホームを消し、workbench init --host でやり直してください。",
                en="This host was not set up to its end (no host.json); remove the home and run 'workbench init --host' again.",
            )
        about = json.loads(read_capped(path, limit=MAX_BYTES))
        expect_schema(about, ABOUT_SCHEMA, name=ABOUT)
        return cls(
            Host(about["name"], public_half(private_key(home)), about["portable"]),
            tuple(about["purposes"]),
            home,
        )

    @property
    def trusted(self) -> Trusted:
        """The keys pinned when this host was set up."""
        return Trusted.load(self.home.path / TRUST)

    @property
    def private_key(self) -> X25519PrivateKey:
        return private_key(self.home)


def expect_named(about: dict[str, Any]) -> None:
    try:
        expect_schema(about, ABOUT_SCHEMA, name=ABOUT)
    except Untrusted:
        raise Unusable(
            ja="機械の名前と利用目的は、英小文字・数字・ハイフン・下線（64文字まで）で指定してください。",
            en="Name the host and its purposes with lower-case letters, digits, hyphens and underscores (at most 64).",
        ) from None


def make_key(home: Home) -> None:
    key = X25519PrivateKey.generate()
    create_once(home.keys / KEY, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection()))


def private_key(home: Home) -> X25519PrivateKey:
    """The host's own key. Raises Unusable when it does not open."""
    try:
        key = load_pem_private_key((home.keys / KEY).read_bytes(), passphrase())
    except (ValueError, TypeError, FileNotFoundError):
        key = None
    if not isinstance(key, X25519PrivateKey):
        raise Unusable(
            ja=f"この機械の鍵を開けません。{PASSPHRASE} の合言葉を確かめてください。",
            en=f"The key of this host does not open; check the passphrase in {PASSPHRASE}.",
        )
    return key


def public_half(key: X25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


# ------------------------------------------------------------------ at the coordinating body


class Hosts:
    """The hosts that this home sends to."""

    def __init__(self, state: State) -> None:
        self.state = state

    def add(self, card: bytes, *, typed: str, actor: str = FOUNDER) -> Host:
        """Enter a host by its card, whose fingerprint was told by another way. Refused for who may not."""
        People(self.state).expect_may(actor, "add_host")
        expect_fingerprint(card, typed=typed)
        host = Host.from_card(card)
        with self.state.transaction() as transaction:
            known = transaction.connection.execute(sa.select(hosts.c.name, hosts.c.key)).all()
            if host.name in {row.name for row in known} or host.key in {row.key for row in known}:
                raise Refused(
                    ja=f"機械「{host.name}」か、その鍵は既に登録されています。workbench host list で確かめてください。",
                    en=f"The host '{host.name}' or its key is entered already; see 'workbench host list'.",
                )
            transaction.connection.execute(hosts.insert().values(**asdict(host)))
            transaction.event(
                Event.HOST_ADDED, actor=actor, host=host.name, key=host.key, portable=host.portable
            )
        return host

    def remove(self, name: str, *, actor: str) -> None:
        """Send nothing more to this host, and take none of its questions."""
        People(self.state).expect_may(actor, "add_host")
        self.get(name)
        with self.state.transaction() as transaction:
            transaction.connection.execute(hosts.delete().where(hosts.c.name == name))
            transaction.event(Event.HOST_REMOVED, actor=actor, host=name)

    def otherwise(self, records: Iterable[Mapping[str, Any]]) -> list[str]:
        """The hosts that are not, in key and kind, what the log's records tell of them; also who is missing."""
        told: dict[str, tuple[str, bool]] = {}
        for record in records:
            details = record["details"]
            if record["event"] == Event.HOST_ADDED:
                told[details["host"]] = details["key"], details["portable"]
            elif record["event"] == Event.HOST_REMOVED:
                told.pop(details["host"], None)
        found = {host.name: (host.key, host.portable) for host in self.all()}
        return sorted(name for name in told.keys() | found.keys() if told.get(name) != found.get(name))

    def get(self, name: str) -> Host:
        """The host of this name. Raises NotFound."""
        found = next((host for host in self.all() if host.name == name), None)
        if found is None:
            raise NotFound(
                ja=f"機械「{name[:64]}」は登録されていません。workbench host list で確かめてください。",
                en=f"There is no host '{name[:64]}'; see 'workbench host list'.",
            )
        return found

    def all(self) -> list[Host]:
        """Every host, by name."""
        with self.state.reading() as connection:
            rows = connection.execute(sa.select(hosts).order_by(hosts.c.name)).mappings().all()
        return [Host(**row) for row in rows]
