"""`workbench audit verify` holds the state's rows against the log: a row that no event gave is found."""

import json
import shutil
import sqlite3
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from workbench.audit import Event
from workbench.cli import workbench
from workbench.errors import Untrusted
from workbench.governance.accounts import Accounts
from workbench.governance.hosts import Host, Hosts, fingerprint
from workbench.governance.people import People, Person, Role
from workbench.governance.settings import adopt_policy
from workbench.home import Home
from workbench.lab.gateway import certificates
from workbench.lab.gateway.certificates import Clients, FarSocket
from workbench.state import State

pytestmark = pytest.mark.attack

ISSUER = "https://id.example"


def certificate(folder, socket):
    """A certificate as an analysts' host makes it."""
    folder.mkdir()
    now = datetime.now(UTC)
    return certificates.make(folder, "client", name=socket.host, uri=socket.uri, server=False, now=now)


@pytest.fixture(scope="module")
def furnished(tmp_path_factory):
    """A home with a host, a far gateway, accounts, links and a policy; and another certificate of that socket."""
    folder = tmp_path_factory.mktemp("retold")
    home = Home.create(folder / "home")
    state = State.open(home)
    people, accounts = People(state), Accounts(home, state)
    people.add(Person("oka", "Oka", Role.MANAGER, "section"))
    for id_, role in (("mori", Role.ANALYST), ("hara", Role.ANALYST), ("ito", Role.ANALYST)):
        people.add(Person(id_, id_, role, "section"), actor="oka")
    accounts.add("mori", "a long sentence for a test", actor="oka")
    accounts.reset("mori", "another sentence for a test", actor="oka")
    accounts.link("mori", issuer=ISSUER, subject="1", actor="oka")
    accounts.link("hara", issuer=ISSUER, subject="2", actor="oka")
    accounts.link("ito", issuer=ISSUER, subject="3", actor="oka")
    accounts.lock("ito", actor="oka")
    for name in ("east", "west"):
        card = Host(name, ("a" if name == "east" else "b") * 64, portable=False).card()
        Hosts(state).add(card, typed=fingerprint(card), actor="oka")
    Hosts(state).remove("west", actor="oka")
    socket = FarSocket("east", "mori", "attendance")
    pem, other = certificate(folder / "one", socket), certificate(folder / "other", socket)
    clients = Clients(state)
    for one in (other, pem):
        clients.admit(one, typed=fingerprint(one), actor="oka")
    gone = certificate(folder / "gone", FarSocket("east", "hara", "attendance"))
    clients.admit(gone, typed=fingerprint(gone), actor="oka")
    clients.remove(host="east", analyst="hara", actor="oka")
    adopt_policy(state, profile="strict", actor="oka")
    state.close()
    return home.path, other


def verified(home):
    return CliRunner().invoke(
        workbench, ["audit", "verify", "--json"], env={"WORKBENCH_HOME": str(home), "WORKBENCH_LANG": "en"}
    )


def test_what_was_done_by_commands_is_as_the_log_tells_it(furnished):
    told = verified(furnished[0])

    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["verified"]


ROWS = {
    "a host that nobody added": ("hosts", "INSERT INTO hosts VALUES ('north', 'c', 0)"),
    "a host with another key": ("hosts", "UPDATE hosts SET key = 'd'"),
    "a carried host that is said not to be": ("hosts", "UPDATE hosts SET portable = 1"),
    "a host that is gone": ("hosts", "DELETE FROM hosts"),
    "a far gateway that is gone": ("far gateways", "DELETE FROM gateway_clients"),
    "a far gateway of another analyst": ("far gateways", "UPDATE gateway_clients SET analyst = 'hara'"),
    "a far gateway for another purpose": ("far gateways", "UPDATE gateway_clients SET purpose = 'other'"),
    "an account that was unlocked": ("accounts", "UPDATE accounts SET locked = 1"),
    "an account that was made anew": ("accounts", "UPDATE accounts SET generation = 7"),
    "an account that is gone": ("accounts", "DELETE FROM accounts"),
    "a link that nobody made": ("accounts", f"INSERT INTO identities VALUES ('{ISSUER}', '9', 'mori')"),
    "a link to another person": ("accounts", "UPDATE identities SET person = 'mori' WHERE person = 'hara'"),
    "a link that a lock took": ("accounts", f"INSERT INTO identities VALUES ('{ISSUER}', '3', 'ito')"),
    "a policy that asks for less": ("policy", "UPDATE policy_in_force SET profile = 'standard'"),
    "no policy": ("policy", "DELETE FROM policy_in_force"),
}


@pytest.mark.parametrize("row", ROWS)
def test_attack_a_row_that_no_event_gave(furnished, tmp_path, row):
    table, statement = ROWS[row]
    home = shutil.copytree(furnished[0], tmp_path / "home")
    with sqlite3.connect(home / "state.db") as connection:
        connection.execute(statement)

    told = verified(home)

    assert told.exit_code != 0
    assert table in str(told.exception)


def test_attack_a_far_gateways_certificate_in_anothers_place(furnished, tmp_path):
    """The digest in the row stays what the log says; TLS would be given another certificate."""
    home = shutil.copytree(furnished[0], tmp_path / "home")
    with sqlite3.connect(home / "state.db") as connection:
        connection.execute("UPDATE gateway_clients SET certificate = ?", (furnished[1].decode(),))

    assert "far gateways" in str(verified(home).exception)


def old_link(state, monkeypatch):
    """A link as an earlier version recorded it: without its subject."""
    told = {"person": "hara", "issuer": ISSUER}
    with monkeypatch.context() as earlier:
        earlier.setattr("workbench.audit.log.missing_details", lambda *_: [])
        state.log.append(Event.ACCOUNT_LINKED, "oka", told)


def test_a_link_of_an_earlier_version_is_a_finding_and_no_crash(furnished, tmp_path, monkeypatch):
    home = shutil.copytree(furnished[0], tmp_path / "home")
    state = State.open(Home.open(home))
    old_link(state, monkeypatch)
    state.close()
    row = {"issuer": ISSUER, "subject": "known to nobody", "person": "hara"}

    def insert():
        with sqlite3.connect(home / "state.db") as db:
            db.execute(
                "INSERT INTO identities (issuer, subject, person) VALUES (:issuer, :subject, :person)", row
            )

    assert isinstance(verified(home).exception, Untrusted)  # the log has a link more than the state
    insert()
    told = verified(home)
    assert told.exit_code == 0, told.output
    [odd] = [one for one in json.loads(told.output)["findings"] if one.get("records")]
    assert (odd["records"], odd["count"]) == ("too little", 1)
    assert "link it again" in odd["en"]
    row["subject"] = "one more, which no record tells of"
    insert()
    assert isinstance(verified(home).exception, Untrusted)
