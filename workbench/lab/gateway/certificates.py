"""
The certificates of a gateway between two machines: the room's, and one for each socket of a host.

A host makes a certificate for one analyst on one purpose; the room admits it by its fingerprint, told by another
way than the file, and the host pins the room's in the same manner. Each is signed by itself and pinned by
itself: there is no authority that could make others, and what is removed is refused from the next connection on.
"""

import json
import secrets
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from workbench.artifact.canonical import canonical, sha256
from workbench.artifact.schemas import NAME, closed, expect_schema
from workbench.artifact.tree import read_capped
from workbench.audit import Event
from workbench.errors import NotFound, Refused, Untrusted, Unusable
from workbench.governance.hosts import Here, Hosts, expect_fingerprint
from workbench.governance.people import FOUNDER, People
from workbench.home import Home, create_once, write_atomically
from workbench.state import State, metadata

ROOM_NAME = "workbench-room"
LINK = "gateway.json"
VALID = timedelta(days=398)
MAX_BYTES = 1 << 16
SCHEME = "workbench"
LINK_SCHEMA = closed(
    schema={"const": "workbench-gateway-link/1"},
    address={"type": "string", "minLength": 1, "maxLength": 253},
    port={"type": "integer", "minimum": 1, "maximum": 65535},
    certificate={"type": "string", "maxLength": MAX_BYTES},
)
SPEAKER_SCHEMA = closed(host=NAME, analyst=NAME, purpose=NAME)

admitted = sa.Table(
    "gateway_clients",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("analyst", sa.Text, nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("certificate", sa.Text, nullable=False),
)


@dataclass(frozen=True)
class FarSocket:
    """Whose socket on which host, for which purpose: all that a certificate says."""

    host: str
    analyst: str
    purpose: str

    @property
    def uri(self) -> str:
        return f"{SCHEME}://{self.host}/{self.analyst}/{self.purpose}"


@dataclass(frozen=True)
class Link:
    """Where a host finds the room's gateway, and the one certificate it takes there."""

    address: str
    port: int
    certificate: str


# ------------------------------------------------------------------ making


def make(folder: Path, stem: str, *, name: str, uri: str | None, server: bool, now: datetime) -> bytes:
    """Make a key and its own certificate as `stem`.key and `stem`.crt; returns the certificate (PEM)."""
    key = Ed25519PrivateKey.generate()
    # A number of its own: of two trusted certificates with one subject, TLS would look at the first alone.
    number = x509.NameAttribute(NameOID.SERIAL_NUMBER, secrets.token_hex(8))
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name), number])
    usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + VALID)
        # It speaks for itself and makes no others.
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
    )
    if uri is not None:
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)])
        builder = builder.add_extension(names, critical=False)
    pem = builder.sign(key, None).public_bytes(Encoding.PEM)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    if not create_once(folder / f"{stem}.key", private):
        raise Refused(
            ja="この窓口の鍵は既にあります。作り直すときは、先に古い鍵のファイルを片付けてください。",
            en="There is a key for this gateway already; to make another, put the old key file away first.",
        )
    write_atomically(folder / f"{stem}.crt", pem)
    return pem


def make_for_room(home: Home, state: State, *, actor: str = FOUNDER) -> bytes:
    """The room's certificate. Refused for who may not make keys."""
    People(state).expect_may(actor, "create_key")
    pem = make(home.keys, "gateway", name=ROOM_NAME, uri=None, server=True, now=datetime.now(UTC))
    state.record(Event.KEY_CREATED, actor=actor, owner="gateway:room", public=digest_of(pem))
    return pem


def make_for_analyst(home: Home, state: State, *, analyst: str, purpose: str, actor: str = FOUNDER) -> bytes:
    """On a host: the certificate of one analyst's socket for one purpose."""
    People(state).expect_may(actor, "create_key")
    here = Here.of(home)
    People(state).get(analyst)
    if purpose not in here.purposes:
        raise Refused(
            ja=f"この機械の利用目的は {'、'.join(here.purposes)} です。",
            en=f"This host works for: {', '.join(here.purposes)}.",
        )
    socket = FarSocket(here.host.name, analyst, purpose)
    stem = stem_of(analyst, purpose)
    pem = make(home.keys, stem, name=here.host.name, uri=socket.uri, server=False, now=datetime.now(UTC))
    state.record(Event.KEY_CREATED, actor=actor, owner=f"gateway:{analyst}", public=digest_of(pem))
    return pem


def stem_of(analyst: str, purpose: str) -> str:
    return f"gateway.{analyst}.{purpose}"


# ------------------------------------------------------------------ admitting, in the room


class Clients:
    """The certificates that the room's gateway answers."""

    def __init__(self, state: State) -> None:
        self.state = state

    def admit(self, pem: bytes, *, typed: str, actor: str = FOUNDER) -> FarSocket:
        """Answer this certificate from now on: a known host, an analyst of this room."""
        People(self.state).expect_may(actor, "add_host")
        expect_fingerprint(pem, typed=typed)
        socket = socket_of(pem)
        Hosts(self.state).get(socket.host)
        People(self.state).expect_may(socket.analyst, "open_session")
        digest = digest_of(pem)
        row = {"digest": digest, **asdict(socket), "certificate": pem.decode()}
        with self.state.transaction() as transaction:
            # The socket's earlier certificate is answered no more.
            transaction.connection.execute(
                admitted.delete().where(
                    admitted.c.host == socket.host,
                    admitted.c.analyst == socket.analyst,
                    admitted.c.purpose == socket.purpose,
                )
            )
            transaction.connection.execute(admitted.insert().values(**row))
            transaction.event(Event.GATEWAY_ADMITTED, actor=actor, certificate=digest, **asdict(socket))
        return socket

    def remove(self, *, host: str, analyst: str, actor: str) -> int:
        """Answer this analyst on this host no more; returns how many certificates that were."""
        People(self.state).expect_may(actor, "add_host")
        with self.state.transaction() as transaction:
            gone = transaction.connection.execute(
                admitted.delete().where(admitted.c.host == host, admitted.c.analyst == analyst)
            ).rowcount
            transaction.event(Event.GATEWAY_REMOVED, actor=actor, host=host, analyst=analyst)
        return int(gone)

    def otherwise(self, records: Iterable[Mapping[str, Any]]) -> list[str]:
        """The sockets whose certificate is not the one that the log's records tell of; also who is missing."""
        told: dict[FarSocket, str] = {}
        for record in records:
            details = record["details"]
            if record["event"] == Event.GATEWAY_ADMITTED:
                whose = FarSocket(details["host"], details["analyst"], details["purpose"])
                told[whose] = details["certificate"]
            elif record["event"] == Event.GATEWAY_REMOVED:
                gone = details["host"], details["analyst"]
                told = {one: digest for one, digest in told.items() if (one.host, one.analyst) != gone}
        with self.state.reading() as connection:
            rows = connection.execute(sa.select(admitted)).all()
        # By what TLS would be given, and not by what the row says of it.
        found = {
            FarSocket(row.host, row.analyst, row.purpose): digest_or_none(row.certificate) for row in rows
        }
        differing = [one for one in told.keys() | found.keys() if told.get(one) != found.get(one)]
        return sorted(one.uri for one in differing)

    def pinned(self) -> dict[str, tuple[FarSocket, str]]:
        """Every certificate by its digest: whose it is, and its PEM. A host that was removed has none."""
        known = {host.name for host in Hosts(self.state).all()}
        with self.state.reading() as connection:
            rows = connection.execute(sa.select(admitted)).all()
        return {
            row.digest: (FarSocket(row.host, row.analyst, row.purpose), row.certificate)
            for row in rows
            if row.host in known
        }


def socket_of(pem: bytes) -> FarSocket:
    """Whose socket a certificate is for. Raises Untrusted for one that was not made by `make_for_analyst`."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        certificate.verify_directly_issued_by(certificate)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        [uri] = names.get_values_for_type(x509.UniformResourceIdentifier)
        host, analyst, purpose = uri.removeprefix(f"{SCHEME}://").split("/")
        socket = FarSocket(host, analyst, purpose)
        expect_schema(asdict(socket), SPEAKER_SCHEMA, name="certificate")
        # So that no host can take the subject of another's certificate, and with it its place.
        [named] = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        if named.value != host:
            raise ValueError
    except Exception:
        raise Untrusted(
            ja="この証明書は窓口用のものではありません。分析用の機械で workbench gateway keys create を実行したものを受け取ってください。",
            en="This is no certificate of a gateway; get the one made by 'workbench gateway keys create' on the analysts' host.",
        ) from None
    return socket


def digest_of(pem: bytes) -> str:
    """The sha256 of a certificate as it is sent (DER)."""
    return sha256(ssl.PEM_cert_to_DER_cert(pem.decode()))


def digest_or_none(pem: str) -> str | None:
    """As `digest_of`; None for what is no certificate at all."""
    try:
        return digest_of(pem.encode())
    except ValueError:
        return None


# ------------------------------------------------------------------ pinning, on the host


def pin(home: Home, state: State, pem: bytes, *, typed: str, address: str, port: int, actor: str) -> None:
    """Take the room's gateway at this address, with this certificate and no other."""
    People(state).expect_may(actor, "create_key")
    Here.of(home)
    expect_fingerprint(pem, typed=typed)
    link = {
        "schema": "workbench-gateway-link/1",
        "address": address,
        "port": port,
        "certificate": pem.decode(errors="replace"),
    }
    expect_schema(link, LINK_SCHEMA, name=LINK)
    state.record(Event.GATEWAY_PINNED, actor=actor, certificate=digest_of(pem), address=f"{address}:{port}")
    write_atomically(home.path / LINK, canonical(link))


def link_of(home: Home) -> Link | None:
    """The room's gateway as it was pinned, or None."""
    path = home.path / LINK
    if not path.exists():
        return None
    value = json.loads(read_capped(path, limit=2 * MAX_BYTES))
    expect_schema(value, LINK_SCHEMA, name=LINK)
    return Link(value["address"], value["port"], value["certificate"])


# ------------------------------------------------------------------ both ends of the connection


def server_context(home: Home, *, clients: list[str]) -> ssl.SSLContext:
    """TLS 1.3 and nothing else; a client shows one of these certificates or is not talked to."""
    return context(ssl.PROTOCOL_TLS_SERVER, home.keys / "gateway", trusted=clients)


def client_context(home: Home, *, analyst: str, purpose: str, link: Link) -> ssl.SSLContext:
    """TLS 1.3 to the pinned certificate, showing the one of this analyst's socket."""
    return context(ssl.PROTOCOL_TLS_CLIENT, home.keys / stem_of(analyst, purpose), trusted=[link.certificate])


def context(protocol: int, stem: Path, *, trusted: list[str]) -> ssl.SSLContext:
    certificate, key = (stem.with_name(f"{stem.name}.{kind}") for kind in ("crt", "key"))
    made = ssl.SSLContext(protocol)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    # The certificate itself is compared, which is more than a name in it.
    made.check_hostname = False
    made.verify_mode = ssl.CERT_REQUIRED
    if protocol == ssl.PROTOCOL_TLS_SERVER:
        made.num_tickets = 0  # every connection shows its certificate anew
    if trusted:
        made.load_verify_locations(cadata="\n".join(trusted))
    try:
        made.load_cert_chain(certificate, key)
    except FileNotFoundError:
        raise NotFound(
            ja="窓口の証明書がありません。workbench gateway keys create で作成してください。",
            en="There is no certificate for the gateway; make one with 'workbench gateway keys create'.",
        ) from None
    except ssl.SSLError:
        raise Unusable(
            ja="窓口の証明書か鍵が壊れています。片付けて workbench gateway keys create で作り直してください。",
            en="The certificate or key of the gateway is damaged; put it away and make another with 'workbench gateway keys create'.",
        ) from None
    return made
