"""Certificates that end soon are told of before they do; one that is not valid opens no hub."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from workbench.cli import workbench
from workbench.errors import Unprotected, Unusable, Usage
from workbench.governance.hosts import Host, Hosts, fingerprint
from workbench.lab.expiring import HUB, SOON, findings, hub_certificate
from workbench.lab.gateway.certificates import VALID, Clients, FarSocket, make
from workbench.lab.hub import start

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def pair(folder, *, made=NOW):
    folder.mkdir()
    make(folder, "hub", name="hub.example", uri=None, server=True, now=made)
    return folder / "hub.crt", folder / "hub.key"


def test_a_pair_that_is_valid_says_until_when(tmp_path):
    assert hub_certificate(*pair(tmp_path / "a"), now=NOW) == NOW + VALID


def test_attack_a_hub_with_a_certificate_that_is_not_valid_now(tmp_path):
    certificate, key = pair(tmp_path / "a")

    for now in (NOW - DAY, NOW + VALID):
        with pytest.raises(Unprotected, match="有効期間") as refused:
            hub_certificate(certificate, key, now=now)
        assert refused.value.exit_code == 14


def test_what_is_no_pair_is_refused(tmp_path):
    certificate, key = pair(tmp_path / "a")
    _, other = pair(tmp_path / "b")
    locked, junk = tmp_path / "locked.key", tmp_path / "junk"
    private = load_pem_private_key(key.read_bytes(), None)
    locked.write_bytes(
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"words"))
    )
    junk.write_text("no certificate")

    for one in ((certificate, other), (certificate, locked), (junk, key), (certificate, tmp_path / "none")):
        with pytest.raises(Unusable, match="組"):
            hub_certificate(*one, now=NOW)


@pytest.mark.parametrize("given", ["certificate", "key"])
def test_attack_half_a_pair_is_taken_for_no_tls(tmp_path, given):
    path = tmp_path / given
    path.touch()

    with pytest.raises(Usage, match="tls-key"):
        start.tls_of(path if given == "certificate" else None, path if given == "key" else None)
    assert start.tls_of(None, None) == ({}, None)


def test_attack_a_hub_whose_kernels_nothing_would_hold(monkeypatch):
    """Refused before anybody logs in, and not at their first kernel."""
    reason = Unprotected(ja="囲えません。", en="nothing holds a kernel here")
    monkeypatch.setattr(start, "why_not_available", lambda: reason)

    with pytest.raises(Unprotected) as refused:
        start.expect_sandbox()
    assert refused.value.exit_code == 14


@pytest.mark.parametrize(("left", "is_told"), [(SOON + DAY, False), (SOON - DAY, True), (-DAY, True)])
def test_a_far_gateways_certificates_are_told_of_a_month_before_they_end(
    office, state, tmp_path, left, is_told
):
    made = NOW + left - VALID
    make(office.keys, "gateway", name="workbench-room", uri=None, server=True, now=made)
    card = Host("east", "a" * 64, portable=False).card()
    Hosts(state).add(card, typed=fingerprint(card), actor="oka")
    socket = FarSocket("east", "mori", "attendance")
    (tmp_path / "far").mkdir()
    pem = make(tmp_path / "far", "client", name="east", uri=socket.uri, server=False, now=made)
    Clients(state).admit(pem, typed=fingerprint(pem), actor="oka")

    told = {one.name: one for one in findings(office, state, now=NOW)}

    assert set(told) == ({"gateway", socket.uri} if is_told else set())
    for one in told.values():
        assert f"{NOW + left:%Y-%m-%d}" in one.ja
        assert f"{NOW + left:%Y-%m-%d}" in one.en


def test_the_hubs_own_is_a_finding_of_the_log_until_it_was_started_with_another(office, state):
    told = []
    for until in (datetime.now(UTC) + DAY, datetime.now(UTC) + 2 * SOON):
        start.tell(office, state, address="127.0.0.1", port=8000, until=until, say=told.append)
        ended = CliRunner().invoke(
            workbench, ["audit", "verify", "--json"], env={"WORKBENCH_HOME": str(office.path)}
        )
        found = [one["certificate"] for one in json.loads(ended.stdout)["findings"] if "certificate" in one]
        assert found == ([HUB] if until - datetime.now(UTC) < SOON else [])

    assert len([line for line in told if HUB in line and line.startswith("!")]) == 1


def test_the_lab_says_so_as_well(office, state, monkeypatch, capsys):
    from types import SimpleNamespace

    from workbench.cli.lab import notify

    make(office.keys, "gateway", name="workbench-room", uri=None, server=True, now=datetime.now(UTC) - VALID)
    notify(SimpleNamespace(home=office, state=state, analyst="mori", notices=list))

    assert "gateway" in capsys.readouterr().err


def test_a_hub_keeps_no_rights_in_a_file(office):
    from traitlets.config import Config

    from workbench.lab.hub.config import fill

    c, ports = Config(), dict.fromkeys(("public", "hub", "proxy", "review"), 8000)
    fill(c, ports=ports, home=str(office.path), project="attendance", address="127.0.0.1", folder="/tmp")

    assert c.JupyterHub.db_url == "sqlite://"
    assert Path(c.JupyterHub.cookie_secret_file).parent == office.keys
