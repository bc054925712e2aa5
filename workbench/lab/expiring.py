"""
Certificates that end soon or have ended: the hub's, and the far gateway's at both of its ends.

One that ends unnoticed stops a team's work, and a hurried exception for it is how protections are lost.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from workbench.artifact.times import from_text, to_text
from workbench.audit import Event
from workbench.errors import Unprotected, Unusable
from workbench.home import Home
from workbench.lab.gateway.certificates import Clients, link_of
from workbench.state import State

SOON = timedelta(days=30)
HUB, ROOM, PINNED = "hub", "gateway", "gateway (pinned)"


@dataclass(frozen=True)
class Ending:
    """A certificate that ends within `SOON`, or has ended: whose it is, and when."""

    name: str
    valid_until: datetime

    @property
    def ja(self) -> str:
        return f"証明書 {self.name} の有効期限は {self.valid_until:%Y-%m-%d} です。それまでに新しい証明書に替えてください。"

    @property
    def en(self) -> str:
        return f"The certificate of {self.name} is valid until {self.valid_until:%Y-%m-%d}; put a new one in its place before that."

    def to_json(self) -> dict[str, Any]:
        return {
            "certificate": self.name,
            "valid_until": to_text(self.valid_until),
            "ja": self.ja,
            "en": self.en,
        }


def findings(
    home: Home, state: State, *, now: datetime | None = None, records: Iterable[Mapping[str, Any]] = ()
) -> Iterator[Ending]:
    """What ends soon of the certificates that this home keeps; of the hub's, as the log's `records` tell of it."""
    latest = (now or datetime.now(UTC)) + SOON
    hub = [record["details"].get("valid_until") for record in records if record["event"] == Event.HUB_STARTED]
    ends = [(name, end_of(name, pem)) for name, pem in kept(home, state)]
    ends += [(HUB, from_text(hub[-1]))] if hub and hub[-1] else []
    yield from (Ending(name, end) for name, end in ends if end <= latest)


def kept(home: Home, state: State) -> Iterator[tuple[str, bytes]]:
    """The certificates of a far gateway that are in this home: its own, and those of the other side."""
    for path in sorted(home.keys.glob("gateway*.crt")):
        yield path.stem, path.read_bytes()
    link = link_of(home)
    if link is not None:
        yield PINNED, link.certificate.encode()
    for socket, pem in Clients(state).pinned().values():
        yield socket.uri, pem.encode()


def end_of(name: str, pem: bytes) -> datetime:
    try:
        return x509.load_pem_x509_certificate(pem).not_valid_after_utc
    except ValueError:
        raise Unusable(
            ja=f"証明書 {name} が壊れています。片付けて workbench gateway keys create で作り直してください。",
            en=f"The certificate of {name} is damaged; put it away and make another with 'workbench gateway keys create'.",
        ) from None


def hub_certificate(certificate: Path, key: Path, *, now: datetime) -> datetime:
    """
    Until when the hub's certificate is valid.

    Raises Unusable where it and the key do not belong together or cannot be read, and Unprotected where it is
    not valid now: browsers would be told to go on in spite of that.
    """
    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        private = load_pem_private_key(key.read_bytes(), None)
    except (OSError, ValueError, TypeError):
        raise not_a_pair(certificate.name, key.name) from None
    if public(found.public_key()) != public(private.public_key()):
        raise not_a_pair(certificate.name, key.name)
    if not found.not_valid_before_utc <= now < found.not_valid_after_utc:
        raise not_valid(certificate.name, found)
    return found.not_valid_after_utc


def public(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def not_a_pair(certificate: str, key: str) -> Unusable:
    return Unusable(
        ja=f"{certificate} と {key} を TLS の証明書と鍵の組として読めません。組になった PEM（鍵に合言葉のないもの）を指定してください。",
        en=f"{certificate} and {key} are not a TLS certificate and its key; name a pair in PEM whose key has no passphrase.",
    )


def not_valid(name: str, found: x509.Certificate) -> Unprotected:
    since, until = found.not_valid_before_utc, found.not_valid_after_utc
    return Unprotected(
        ja=f"{name} の有効期間（{since:%Y-%m-%d} から {until:%Y-%m-%d}）の外なので起動しません。有効な証明書に替えてください。",
        en=f"{name} is valid from {since:%Y-%m-%d} to {until:%Y-%m-%d}, so the hub does not start; put a valid one in its place.",
    )
