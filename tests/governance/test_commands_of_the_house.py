"""The commands of keys, people, projects, policy and log, as a person meets them."""

import json
import sqlite3
import sys

import pytest
import yaml

from workbench.cli import main
from workbench.governance.people import People
from workbench.home import Home
from workbench.privacy.dp.accounting import Budget
from workbench.privacy.dp.ledger import Ledger
from workbench.privacy.dp.loss import Loss
from workbench.state import State

OVERRIDE = "schema: workbench-policy-override/1\nthresholds:\n  k_children: {value: 7, source: 条例}\n"


@pytest.fixture
def workbench(home, monkeypatch, capsys):
    """`workbench(noun, verb, …, expect=code)`: what the command printed, on stderr when it failed."""
    monkeypatch.setenv("WORKBENCH_HOME", str(home.path))
    monkeypatch.setenv("WORKBENCH_LANG", "en")

    def run(*arguments: str, expect: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["workbench", *arguments])
        code = 0
        try:
            main()
        except SystemExit as left:
            code = left.code
        said = capsys.readouterr()
        assert code == expect, said.err
        return said.out if expect == 0 else said.err

    return run


def add(workbench, person: str, role: str, **more: str) -> None:
    workbench(
        "people", "add", person, "--name", person, "--role", role, "--section", "企画課", *more.get("by", ())
    )


def test_from_an_empty_home_to_pinned_keys_and_a_log_that_holds(workbench, home, tmp_path):
    add(workbench, "sato", "coordinator")
    for owner in ("person:sato", "role:coordinator", "role:reviewer"):
        workbench("key", "create", owner)
    workbench("key", "trust", "-o", str(tmp_path / "trusted.json"), "--by", "sato")

    keys = json.loads(workbench("key", "list", "--json"))
    pinned = json.loads((tmp_path / "trusted.json").read_bytes())
    assert {key["owner"]: key["public"] for key in keys if key["owner"].startswith("role:")} == pinned["keys"]
    (sato,) = json.loads(workbench("people", "list", "--json"))
    assert sato["public_key"] in {key["public"] for key in keys}
    verified = json.loads(workbench("audit", "verify", "--json"))
    assert verified["records"] == 6
    workbench("audit", "verify", "--at-least", "7", expect=11)
    events = [record["event"] for record in json.loads(workbench("audit", "show", "--json", "--by", "sato"))]
    assert events == ["home.created", "person.added", *["key.created"] * 3, "trust.exported"]
    assert "PRIVATE" not in workbench("audit", "show", "--by", "sato")


def test_a_tampered_log_is_code_11_and_one_sentence(workbench, home):
    add(workbench, "sato", "coordinator")
    log = home.audit / "log.jsonl"
    log.write_bytes(log.read_bytes().replace(b"coordinator", b"reviewer"))

    for arguments in (("audit", "verify"), ("audit", "show", "--by", "sato")):
        said = workbench(*arguments, expect=11)
        assert "record 2 was altered" in said
        assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE people SET role='reviewer' WHERE id='sato'",
        "UPDATE people SET public_key='" + "0" * 64 + "' WHERE id='sato'",
        "INSERT INTO people VALUES ('eve', 'Eve', 'reviewer', 'x', NULL)",
        "DELETE FROM people",
        "INSERT INTO budget_grant SELECT 'x', dataset, year, 9000000, femto, terms, granted_by FROM budget_grant",
        "UPDATE budget_grant SET micro = 9000000",
        "UPDATE budget_grant SET femto = 1000000000000",
        "UPDATE budget_grant SET terms = replace(terms, '\"warn\"', '\"ends\"')",
        "UPDATE budget_share SET micro = 900000",
        "DELETE FROM budget_share",
        "DELETE FROM budget_charge",
        "UPDATE budget_charge SET micro = 1",
        "UPDATE budget_charge SET femto = 1",
        "UPDATE budget_charge SET kind = 'zcdp'",
        "UPDATE budget_charge SET year = year - 1",
        "UPDATE budget_charge SET analyst = 'sato'",
        "UPDATE budget_charge SET purpose = 'other'",
        "UPDATE budget_charge SET use = 'tables'",
        "UPDATE budget_charge SET question = '{}'",
        "UPDATE budget_charge SET status = 'reserved'",
    ],
)
def test_attack_a_row_of_the_state_that_the_log_does_not_know(workbench, home, statement):
    add(workbench, "sato", "coordinator")
    state = State.open(home)
    People(state).set_key("sato", "a" * 64)
    ledger = Ledger(state)
    ledger.grant("city", micro=1_000_000, granted_by="sato")
    ledger.share("city", budget=Budget(500_000), analyst="mori", granted_by="sato")
    asked = {"analyst": "mori", "purpose": "attendance", "question": {"kind": "count"}}
    with ledger.charge("city", loss=Loss.pure(0.3), **asked):
        pass
    workbench("audit", "verify")

    with sqlite3.connect(home.path / "state.db") as connection:
        connection.execute(statement)

    assert "differs from the log" in workbench("audit", "verify", expect=11)


def test_an_adopted_override_is_shown(workbench, tmp_path):
    (tmp_path / "ours.yaml").write_text(OVERRIDE)

    before = json.loads(workbench("policy", "show", "--json"))
    checked = json.loads(workbench("policy", "check", str(tmp_path / "ours.yaml"), "--json"))
    workbench("policy", "adopt", str(tmp_path / "ours.yaml"))
    after = json.loads(workbench("policy", "show", "--json"))

    assert checked["changes"] == {"k_children": {"from": 5, "to": 7}}
    assert after["digest"] == checked["digest"] != before["digest"]
    assert after["thresholds"]["k_children"]["overridden"]
    assert "* k_children = 7" in workbench("policy", "show")


def test_a_wrong_override_is_code_12_and_names_the_threshold(workbench, tmp_path):
    (tmp_path / "ours.yaml").write_text(OVERRIDE.replace("k_children", "k_kids"))

    assert "k_kids" in workbench("policy", "check", str(tmp_path / "ours.yaml"), expect=12)


def test_a_charter_is_stored_and_an_empty_one_refused(workbench, tmp_path):
    charter = yaml.safe_load(CHARTER)
    (tmp_path / "charter.yaml").write_text(yaml.safe_dump(charter))
    (tmp_path / "empty.yaml").write_text(yaml.safe_dump({**charter, "purpose": ""}))

    stored = json.loads(workbench("project", "charter", str(tmp_path / "charter.yaml"), "--json"))
    assert "purpose" in workbench("project", "charter", str(tmp_path / "empty.yaml"), expect=12)

    assert stored["project"] == "school-attendance"
    assert "school-attendance" in workbench("project", "list")


CHARTER = """
schema: workbench-project/1
purpose: school-attendance
title: {ja: 不登校の早期支援, en: Early support}
benefit: {ja: 支援を届ける, en: Support reaches children}
population: 200000
source: child_year
person: child_id
household: household_id
time: fy
test_share: 0.3
targets: [absent_30d_next_year]
subgroups: []
"""


def test_who_may_not_is_code_10(workbench):
    add(workbench, "mori", "manager")
    add(workbench, "sato", "coordinator", by=("--by", "mori"))

    refused = workbench(
        "people",
        "add",
        "fake",
        "--name",
        "x",
        "--role",
        "reviewer",
        "--section",
        "x",
        "--by",
        "sato",
        expect=10,
    )
    assert "responsible manager" in refused
    workbench("key", "create", "role:reviewer", "--by", "sato", expect=10)


def test_an_owner_that_is_none_is_code_12(workbench):
    workbench("key", "create", "../x", expect=12)


def test_a_demonstration_says_so_in_its_list_of_keys(workbench, tmp_path):
    shown = Home.create(tmp_path / "shown", seed=7)

    workbench("key", "create", "role:coordinator", "--home", str(shown.path))

    assert "demonstration-7" in workbench("key", "list", "--home", str(shown.path))


def test_only_who_may_reads_the_log(workbench):
    add(workbench, "mori", "manager")
    add(workbench, "sato", "analyst", by=("--by", "mori"))

    workbench("audit", "show", expect=10)
    workbench("audit", "show", "--by", "sato", expect=10)
    workbench("audit", "show", "--by", "stranger", expect=13)
    assert "person.added" in workbench("audit", "show", "--by", "mori")


def test_only_who_may_writes_the_trusted_keys(workbench, tmp_path):
    for owner in ("role:coordinator", "role:reviewer"):
        workbench("key", "create", owner)
    add(workbench, "mori", "manager")

    workbench("key", "trust", "-o", str(tmp_path / "trusted.json"), "--by", "stranger", expect=13)
    assert not (tmp_path / "trusted.json").exists()
    workbench("key", "trust", "-o", str(tmp_path / "trusted.json"), "--by", "mori")
