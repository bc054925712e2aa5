"""The gateway from another machine, as whoever is on the wire between the two meets it."""

import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from workbench.artifact.keys import KeyRing
from workbench.artifact.trust import Trusted
from workbench.errors import NotFound, Refused, Unprotected, Untrusted
from workbench.governance.hosts import Here, Hosts, fingerprint
from workbench.governance.people import People, Person, Role
from workbench.lab.gateway import certificates, far, forwarding
from workbench.lab.gateway.certificates import Clients, Link
from workbench.lab.gateway.far import FarGateway
from workbench.lab.gateway.protocol import LONGEST
from workbench.state import State

SEEN = []


def who(session, request):
    SEEN.append(request)
    return [session.far.host, session.analyst, session.project]


VERBS = {"who": who, "echo": lambda _, request: request.get("say")}


@dataclass
class Wire:
    """The room with its gateway, and one host."""

    room: object
    state: State
    here: Here
    there: State
    served: FarGateway

    def link(self, **changes) -> Link:
        pem = (self.room.keys / "gateway.crt").read_text()
        return Link(**{"address": "127.0.0.1", "port": self.served.port, "certificate": pem} | changes)

    def ask(self, verb="who", *, analyst="mori", link=None, **more):
        link = link or self.link()
        tls = certificates.client_context(self.here.home, analyst=analyst, purpose="attendance", link=link)
        return forwarding.forward(None, {"verb": verb, **more}, link=link, tls=tls)

    def certificate(self, analyst="mori") -> bytes:
        return (self.here.home.keys / f"gateway.{analyst}.attendance.crt").read_bytes()

    def make(self, analyst="mori") -> bytes:
        return certificates.make_for_analyst(
            self.here.home, self.there, analyst=analyst, purpose="attendance", actor="kanri"
        )

    def admit(self, pem: bytes):
        return Clients(self.state).admit(pem, typed=fingerprint(pem), actor="oka")

    def events(self, name, *, at_least=0):
        """What the log says of these events, once there are so many; the gateway notes strangers in its own time."""
        for _ in range(200):
            found = [record["details"] for record in self.state.log.records() if record["event"] == name]
            if len(found) >= at_least:
                break
            time.sleep(0.05)
        return found


@pytest.fixture
def wire(office, state, tmp_path):
    SEEN.clear()
    People(state).add(Person("hara", "Hara", Role.ANALYST, "section"), actor="oka")
    trust = Trusted.of(KeyRing.of(office)).to_json()
    here = Here.set_up(
        tmp_path / "host", name="univ-lab", purposes=["attendance"], trust=trust, typed=fingerprint(trust)
    )
    card = here.host.card()
    Hosts(state).add(card, typed=fingerprint(card), actor="oka")
    there = State.open(here.home)
    people = People(there)
    people.add(Person("kanri", "管理", Role.MANAGER, "研究室"))
    for analyst in ("mori", "hara"):
        people.add(Person(analyst, analyst, Role.ANALYST, "研究室"), actor="kanri")
    certificates.make_for_room(office, state, actor="oka")
    served = FarGateway(office, state, VERBS, address="127.0.0.1", port=0)
    wire = Wire(office, state, here, there, served)
    wire.admit(wire.make())
    yield wire
    served.close()
    there.close()


def spoken(port, *, context=None, line=b'{"verb": "who"}\n'):
    """What a stranger hears who says `line`; nothing when the connection is broken off."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
        try:
            with context.wrap_socket(plain) if context else plain as connection:
                connection.sendall(line)
                return connection.recv(1 << 16)
        except OSError:
            return b""


def stranger(*, stem=None):
    """A client that looks at no certificate, and shows the one of these files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if stem is not None:
        context.load_cert_chain(f"{stem}.crt", f"{stem}.key")
    return context


def test_the_certificate_says_who_asks_whatever_the_request_says(wire):
    assert wire.ask(analyst="mori", host="elsewhere", project="another") == ["univ-lab", "mori", "attendance"]
    assert wire.ask("echo", say="日本語") == "日本語"
    opened = [record for record in wire.state.log.records() if record["event"] == "gateway.opened"]
    assert [(record["actor"], record["details"]["host"]) for record in opened] == [("mori", "univ-lab")]


def test_a_refusal_of_the_room_is_raised_as_what_it_is(wire):
    with pytest.raises(Refused, match="who"):
        wire.ask("launch")


def test_each_analyst_of_a_host_has_an_own_certificate(wire):
    wire.admit(wire.make("hara"))

    assert wire.ask(analyst="hara")[1] == "hara"
    assert wire.ask(analyst="mori")[1] == "mori"


def test_attack_no_certificate(wire):
    assert spoken(wire.served.port, context=stranger()) == b""
    assert SEEN == []
    assert wire.events("gateway.refused", at_least=1)[0]["reason"] == "handshake"


def test_attack_a_certificate_of_ones_own_with_an_admitted_name(wire, tmp_path):
    uri = "workbench://univ-lab/mori/attendance"
    certificates.make(tmp_path, "own", name="univ-lab", uri=uri, server=False, now=datetime.now(UTC))

    assert spoken(wire.served.port, context=stranger(stem=tmp_path / "own")) == b""
    assert SEEN == []


def test_attack_a_certificate_issued_by_an_admitted_one(wire, tmp_path):
    """Whoever holds one socket's key cannot make another analyst's certificate with it."""
    keys = wire.here.home.keys
    issuer = x509.load_pem_x509_certificate(wire.certificate())
    signer = load_pem_private_key((keys / "gateway.mori.attendance.key").read_bytes(), None)
    uri = "workbench://univ-lab/hara/attendance"
    certificates.make(tmp_path, "x", name="univ-lab", uri=uri, server=False, now=datetime.now(UTC))
    own = x509.load_pem_x509_certificate((tmp_path / "x.crt").read_bytes())
    builder = x509.CertificateBuilder(
        issuer.subject, own.subject, own.public_key(), 7, own.not_valid_before_utc, own.not_valid_after_utc
    )
    issued = builder.sign(signer, None).public_bytes(Encoding.PEM)
    (tmp_path / "x.crt").write_bytes(issued + wire.certificate())

    assert spoken(wire.served.port, context=stranger(stem=tmp_path / "x")) == b""
    assert SEEN == []


def test_attack_an_admitted_certificate_that_is_an_authority(wire, tmp_path, monkeypatch):
    """A host makes one that may issue others, and has it admitted: what it issues is nobody's all the same."""
    authority = x509.BasicConstraints(ca=True, path_length=None)
    monkeypatch.setattr(certificates.x509, "BasicConstraints", lambda **_: authority)
    monkeypatch.setattr(certificates.x509, "ExtendedKeyUsage", lambda _: x509.OCSPNoCheck())
    uri = "workbench://univ-lab/mori/attendance"
    wire.admit(
        certificates.make(tmp_path, "ca", name="univ-lab", uri=uri, server=False, now=datetime.now(UTC))
    )
    monkeypatch.undo()
    issuer = x509.load_pem_x509_certificate((tmp_path / "ca.crt").read_bytes())
    signer = load_pem_private_key((tmp_path / "ca.key").read_bytes(), None)
    uri = "workbench://univ-lab/hara/attendance"
    certificates.make(tmp_path, "x", name="univ-lab", uri=uri, server=False, now=datetime.now(UTC))
    own = x509.load_pem_x509_certificate((tmp_path / "x.crt").read_bytes())
    builder = x509.CertificateBuilder(
        issuer.subject, own.subject, own.public_key(), 7, own.not_valid_before_utc, own.not_valid_after_utc
    )
    issued = builder.sign(signer, None).public_bytes(Encoding.PEM)
    (tmp_path / "x.crt").write_bytes(issued)

    assert spoken(wire.served.port, context=stranger(stem=tmp_path / "x")) == b""
    assert SEEN == []
    assert wire.events("gateway.refused", at_least=1)[0]["reason"] == "certificate"


def test_attack_an_admitted_certificate_without_its_key(wire, tmp_path):
    """The certificate is public; it is the key that is asked for."""
    (tmp_path / "x.crt").write_bytes(wire.certificate())
    certificates.make(tmp_path, "y", name="y", uri=None, server=False, now=datetime.now(UTC))

    with pytest.raises(ssl.SSLError):
        stranger().load_cert_chain(tmp_path / "x.crt", tmp_path / "y.key")


def test_attack_a_certificate_past_its_end(wire):
    keys = wire.here.home.keys
    for kind in ("crt", "key"):
        (keys / f"gateway.mori.attendance.{kind}").unlink()
    uri = "workbench://univ-lab/mori/attendance"
    long_ago = datetime.now(UTC) - timedelta(days=500)
    stem = "gateway.mori.attendance"
    wire.admit(certificates.make(keys, stem, name="univ-lab", uri=uri, server=False, now=long_ago))

    with pytest.raises(Unprotected, match="証明書"):
        wire.ask()
    assert SEEN == []


def test_attack_plain_tcp(wire):
    assert b'"ok"' not in spoken(wire.served.port)
    assert SEEN == []


def test_attack_an_older_tls(wire):
    context = stranger(stem=wire.here.home.keys / "gateway.mori.attendance")
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    assert spoken(wire.served.port, context=context) == b""
    assert SEEN == []


def between(port):
    """Somebody on the wire who passes everything on and keeps what the client said."""
    listening = socket.create_server(("127.0.0.1", 0))
    kept = bytearray()

    def carry(source, target, keep):
        while data := source.recv(1 << 16):
            if keep:
                kept.extend(data)
            target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def meet():
        client, _ = listening.accept()
        with client, socket.create_connection(("127.0.0.1", port)) as server:
            up = threading.Thread(target=carry, args=(client, server, True))
            up.start()
            carry(server, client, False)
            up.join()

    threading.Thread(target=meet, daemon=True).start()
    return listening, kept


def test_attack_a_recorded_question_is_sent_again(wire):
    listening, kept = between(wire.served.port)
    assert wire.ask(link=wire.link(port=listening.getsockname()[1]))[1] == "mori"
    listening.close()
    assert len(SEEN) == 1
    assert len(kept) > 500
    assert b"who" not in kept

    with socket.create_connection(("127.0.0.1", wire.served.port), timeout=20) as connection:
        connection.sendall(kept)
        heard = b""
        with contextlib.suppress(ConnectionResetError):
            while data := connection.recv(1 << 16):
                heard += data

    assert len(SEEN) == 1
    assert b'"ok"' not in heard


def test_attack_another_gateway_at_the_same_address(wire, tmp_path):
    """The host sends nothing to a server that is not the one pinned, whatever name it carries."""
    certificates.make(
        tmp_path, "fake", name=certificates.ROOM_NAME, uri=None, server=True, now=datetime.now(UTC)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "fake.crt", tmp_path / "fake.key")
    heard = []

    def serve(listening):
        connection, _ = listening.accept()
        with connection:
            try:
                heard.append(context.wrap_socket(connection, server_side=True).recv(1 << 16))
            except OSError:
                heard.append(b"")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        with pytest.raises(Untrusted, match="登録した"):
            wire.ask(link=wire.link(port=listening.getsockname()[1]))
        thread.join()

    assert heard == [b""]


@pytest.mark.parametrize("how", ["certificate", "host", "replaced"])
def test_attack_a_certificate_that_was_taken_back(wire, how):
    assert wire.ask()
    if how == "certificate":
        assert Clients(wire.state).remove(host="univ-lab", analyst="mori", actor="oka") == 1
    elif how == "host":
        Hosts(wire.state).remove("univ-lab", actor="oka")
    else:
        keys = wire.here.home.keys
        old = {kind: (keys / f"gateway.mori.attendance.{kind}") for kind in ("crt", "key")}
        kept = {kind: path.read_bytes() for kind, path in old.items()}
        for path in old.values():
            path.unlink()
        wire.admit(wire.make())
        for kind, content in kept.items():
            old[kind].write_bytes(content)

    with pytest.raises(Unprotected, match="証明書"):
        wire.ask()
    assert len(SEEN) == 1


@pytest.mark.parametrize("how", ["certificate", "host", "quarter of an hour"])
def test_attack_a_connection_is_kept_open_for_what_is_taken_back(wire, monkeypatch, how):
    context = stranger(stem=wire.here.home.keys / "gateway.mori.attendance")
    with (
        socket.create_connection(("127.0.0.1", wire.served.port), timeout=20) as plain,
        context.wrap_socket(plain) as kept,
    ):
        kept.sendall(b'{"verb": "who"}\n')
        assert b"univ-lab" in kept.recv(1 << 16)
        if how == "certificate":
            assert Clients(wire.state).remove(host="univ-lab", analyst="mori", actor="oka") == 1
        elif how == "host":
            Hosts(wire.state).remove("univ-lab", actor="oka")
        else:
            monkeypatch.setattr(far, "SESSION_SECONDS", 0)
        with contextlib.suppress(OSError):
            kept.sendall(b'{"verb": "who"}\n')
            assert kept.recv(1 << 16) == b""
    assert len(SEEN) == 1


def test_attack_a_certificate_that_was_swapped_on_its_way(wire):
    pem = wire.make("hara")

    with pytest.raises(Untrusted, match="指紋"):
        Clients(wire.state).admit(pem, typed=fingerprint(wire.certificate()), actor="oka")
    with pytest.raises(Refused):
        Clients(wire.state).admit(pem, typed=fingerprint(pem), actor="sato")
    with pytest.raises(Untrusted, match="指紋"):
        certificates.pin(
            wire.here.home, wire.there, pem, typed="0" * 32, address="127.0.0.1", port=1, actor="kanri"
        )


@pytest.mark.parametrize(
    ("host", "analyst", "family"),
    [("nowhere", "mori", NotFound), ("univ-lab", "nobody", NotFound), ("univ-lab", "sato", Refused)],
)
def test_attack_a_certificate_for_who_is_no_analyst_of_the_room(wire, tmp_path, host, analyst, family):
    uri = f"workbench://{host}/{analyst}/attendance"
    pem = certificates.make(tmp_path, "x", name=host, uri=uri, server=False, now=datetime.now(UTC))

    with pytest.raises(family):
        wire.admit(pem)


@pytest.mark.parametrize(
    "uri", ["workbench://univ-lab/mori", "workbench://univ-lab/../x", "http://a/b/c", None]
)
def test_attack_a_certificate_that_names_no_socket(wire, tmp_path, uri):
    pem = certificates.make(tmp_path, "x", name="univ-lab", uri=uri, server=False, now=datetime.now(UTC))

    with pytest.raises(Untrusted, match="証明書"):
        wire.admit(pem)


def test_attack_a_certificate_with_another_hosts_subject(wire, tmp_path):
    uri = "workbench://univ-lab/mori/attendance"
    pem = certificates.make(tmp_path, "x", name="other-lab", uri=uri, server=False, now=datetime.now(UTC))

    with pytest.raises(Untrusted, match="証明書"):
        wire.admit(pem)


def test_a_gateway_that_is_down_is_one_sentence(wire):
    wire.served.close()

    with pytest.raises(Unprotected, match="届きません"):
        wire.ask()


def test_a_host_without_a_link_says_so(wire):
    verbs = forwarding.far_verbs(wire.here.home, analyst="mori", purpose="attendance")

    with pytest.raises(Refused, match="つながっていません"):
        verbs["budget"](None, {})


def test_attack_a_line_without_end(wire):
    with pytest.raises(Refused, match="大きすぎ"):
        wire.ask("echo", say="x" * LONGEST)
    context = stranger(stem=wire.here.home.keys / "gateway.mori.attendance")

    heard = spoken(wire.served.port, context=context, line=b"x" * (LONGEST + 10))

    assert heard == b"" or "大きすぎ" in heard.decode()
    assert wire.ask()[1] == "mori"


def test_attack_connections_that_say_nothing(wire):
    """Who holds connections open without a handshake is put off in seconds; others are answered meanwhile."""
    silent = [socket.create_connection(("127.0.0.1", wire.served.port)) for _ in range(20)]

    assert wire.ask()[1] == "mori"
    for connection in silent:
        connection.close()


def test_attack_a_handshake_that_never_ends(wire, monkeypatch):
    monkeypatch.setattr(far, "HANDSHAKE_SECONDS", 0.2)

    with socket.create_connection(("127.0.0.1", wire.served.port), timeout=30) as silent:
        assert silent.recv(1) == b""


def test_attack_more_connections_than_there_are_places(wire):
    taken = [wire.served._places.acquire(blocking=False) for _ in range(far.CONNECTIONS)]

    with pytest.raises(Unprotected):
        wire.ask()
    for _ in filter(None, taken):
        wire.served._places.release()

    assert wire.ask()[1] == "mori"


def test_what_strangers_do_does_not_fill_the_log(wire):
    for _ in range(15):
        spoken(wire.served.port, line=b"x" * 100)

    assert 1 <= len(wire.events("gateway.refused", at_least=1)) <= far.NOTED_PER_MINUTE + 1


def test_a_kernel_of_the_host_sees_only_its_socket(wire, monkeypatch, open_session):
    """The whole way: a sandbox on the host, its socket, TLS, the room and back."""
    link = wire.link()
    pem = link.certificate.encode()
    certificates.pin(
        wire.here.home,
        wire.there,
        pem,
        typed=fingerprint(pem),
        address=link.address,
        port=link.port,
        actor="kanri",
    )
    monkeypatch.setattr(forwarding, "VERBS", VERBS)
    verbs = forwarding.far_verbs(wire.here.home, analyst="mori", purpose="attendance")
    session = open_session(analyst="mori", project="attendance", verbs=verbs)

    with socket.socket(socket.AF_UNIX) as connection, connection.makefile("rb") as answers:
        connection.connect(str(session.sandbox().gateway))
        connection.sendall(b'{"verb": "who", "analyst": "hara"}\n{"verb": "datasets"}\n')
        assert json.loads(answers.readline())["result"] == ["univ-lab", "mori", "attendance"]
        assert json.loads(answers.readline())["result"] == ["child-year-1.0.0"]
    wire.served.close()
    with socket.socket(socket.AF_UNIX) as connection, connection.makefile("rb") as answers:
        connection.connect(str(session.sandbox().gateway))
        connection.sendall(b'{"verb": "who"}\n')
        assert json.loads(answers.readline())["error"]["family"] == "Unprotected"


# ------------------------------------------------------------------ two machines

NETWORK = """
set -e
ip netns add {a}; ip netns add {b}
ip link add {a} netns {a} type veth peer name {b} netns {b}
ip -n {a} addr add 10.77.0.1/24 dev {a}; ip -n {b} addr add 10.77.0.2/24 dev {b}
ip -n {a} link set {a} up; ip -n {b} link set {b} up; ip -n {a} link set lo up; ip -n {b} link set lo up
"""
IN_THE_KERNEL = """
import socket
import workbench.analyst as wb
from workbench.errors import WorkbenchError
try:
    print(wb.open().requests())
except WorkbenchError as error:
    print(type(error).__name__, error.en)
try:
    socket.create_connection(("10.77.0.1", 7443), timeout=5)
    print("REACHED")
except OSError:
    print("BLOCKED")
"""
ON_THE_HOST = """
import sys
from pathlib import Path
import nbformat
from workbench.home import Home
from workbench.lab.opening import open_session
from workbench.lab.run import run_notebook
from workbench.state import State
home = Home.open(Path(sys.argv[1]))
book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(sys.argv[2])])
with open_session(home, State.open(home), analyst="mori", project="attendance") as session:
    session.acknowledge(how="command")
    ran = run_notebook(nbformat.writes(book).encode(), session, name="a.ipynb")
print(ran.cells[0].outputs)
"""
IN_THE_CLEAR = """
import socket
connection = socket.create_connection(("10.77.0.1", 7443), 9)
connection.sendall(b"x" * 99)
print(connection.recv(99)[:1])
"""


@pytest.fixture
def namespaces():
    """Two network namespaces with one wire between them, and none to anywhere else."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("two network namespaces need root and the ip command")
    a, b = (f"wb{os.urandom(3).hex()}" for _ in range(2))
    made = subprocess.run(["sh", "-c", NETWORK.format(a=a, b=b)], capture_output=True, text=True)
    if made.returncode == 0:
        yield a, b
    for name in (a, b):
        subprocess.run(["ip", "netns", "del", name], capture_output=True)
    if made.returncode:
        pytest.skip(f"this machine makes no network namespaces: {made.stderr.strip()}")


def run_in(namespace, *command):
    return subprocess.run(
        ["ip", "netns", "exec", namespace, *command], capture_output=True, text=True, timeout=180
    )


@pytest.mark.slow
def test_two_machines_with_one_wire(wire, namespaces, tmp_path):
    """The room in one network, the host in another: a kernel's question crosses, and nothing else does."""
    a, b = namespaces
    wire.served.close()
    pem = wire.link().certificate.encode()
    certificates.pin(
        wire.here.home,
        wire.there,
        pem,
        typed=fingerprint(pem),
        address="10.77.0.1",
        port=7443,
        actor="kanri",
    )

    def on_host():
        script = [sys.executable, "-c", ON_THE_HOST, str(wire.here.home.path), IN_THE_KERNEL]
        ended = run_in(b, *script)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    down = on_host()
    assert "Unprotected The coordinating body" in down
    assert "BLOCKED" in down
    serve = [sys.executable, "-c", "from workbench.cli import main; main()", "gateway", "serve"]
    serve += ["--home", str(wire.room.path), "--address", "10.77.0.1", "--port", "7443"]
    log = tmp_path / "serve.log"
    with (
        log.open("w") as out,
        subprocess.Popen(["ip", "netns", "exec", a, *serve], stdout=out, stderr=out) as on,
    ):
        try:
            wait_for(log, "10.77.0.1:7443")
            up = on_host()
            assert "Unprotected" not in up
            assert "requests" in up
            assert "BLOCKED" in up
            clear = run_in(b, sys.executable, "-c", IN_THE_CLEAR).stdout.strip()
            assert clear in (repr(b"\x15"), repr(b""), "")  # an alert of TLS, or nothing
        finally:
            on.send_signal(signal.SIGINT)
    spoken_by_mori = [record for record in wire.state.log.records() if record["actor"] == "mori"]
    assert [record["event"] for record in spoken_by_mori] == ["gateway.opened", "gateway.closed"]
    assert {record["details"]["host"] for record in spoken_by_mori} == {"univ-lab"}


def wait_for(log, text):
    for _ in range(600):
        if text in log.read_text():
            return
        time.sleep(0.1)
    raise AssertionError(log.read_text())
