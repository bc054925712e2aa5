"""Settings that a responsible manager signs: numbered, dated, and not to be put back unnoticed."""

import json
import sys
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from workbench.artifact.canonical import canonical, parse_canonical
from workbench.artifact.keys import KeyRing
from workbench.artifact.signing import sign
from workbench.audit import Event
from workbench.cli import main
from workbench.errors import NotFound, Refused, Untrusted, Unusable
from workbench.governance.keys import create_key
from workbench.governance.people import People, Person, Role
from workbench.governance.signed_settings import (
    FIRST,
    KINDS,
    SCHEMA,
    TOKYO,
    expect_newest,
    findings,
    in_force,
    otherwise,
    sign_setting,
    signed_settings,
    today,
)
from workbench.state import State

NAME = "daily-output-warning"
SOON = today() + timedelta(days=90)


@pytest.fixture
def state(home):
    state = State.open(home)
    people = People(state)
    people.add(Person("oka", "Oka", Role.MANAGER, "section"))
    people.add(Person("mori", "Mori", Role.ANALYST, "section"), actor="oka")
    for person in ("oka", "mori"):
        create_key(home, state, f"person:{person}", actor="oka")
    yield state
    state.close()


def signed(home, state, value=5_000_000, **changes):
    given = {"value": value, "review_by": SOON, "actor": "oka", "reason": "as agreed"} | changes
    return sign_setting(home, state, NAME, **given)


def statement(house, **changes):
    return {
        "schema": SCHEMA,
        "home": house.identity,
        "name": NAME,
        "version": 1,
        "value": 999_000_000,
        "review_by": SOON.isoformat(),
        "previous": FIRST,
        "person": "oka",
        "reason": "r",
        "signed_at": "2026-04-01T00:00:00Z",
    } | changes


def plant(state, envelope: bytes, *, version: int = 1) -> None:
    """Write a row as whoever reaches the database's file could."""
    with state.engine.begin() as connection:
        connection.execute(
            signed_settings.delete().where(
                signed_settings.c.name == NAME, signed_settings.c.version == version
            )
        )
        connection.execute(signed_settings.insert().values(name=NAME, version=version, envelope=envelope))


def test_before_anybody_signed_the_tables_value_holds_and_that_is_a_finding(home, state):
    found = in_force(home, state, NAME)

    assert (found.value, found.version, found.review_by) == (KINDS[NAME].default, 0, None)
    assert [one.setting.name for one in findings(home, state)] == list(KINDS)


def test_a_signed_value_holds_with_its_date_and_is_in_the_log(home, state):
    signed(home, state)
    made = signed(home, state, 6_000_000, reason="larger plots")

    assert (made.value, made.version, made.person, made.review_by) == (6_000_000, 2, "oka", SOON)
    assert in_force(home, state, NAME) == made
    told = [record["details"] for record in state.log.of_kind(Event.SETTING_SIGNED)]
    assert [(one["version"], one["value"]) for one in told] == [(1, 5_000_000), (2, 6_000_000)]
    assert told[-1]["digest"] == made.digest
    expect_newest(home, state)


def test_a_review_keeps_the_value_and_moves_the_date(home, state):
    signed(home, state)
    later = SOON + timedelta(days=30)
    made = signed(home, state, None, review_by=later, reason="looked at the quarter's warnings")

    assert (made.value, made.version, made.review_by) == (5_000_000, 2, later)


def test_a_review_that_is_overdue_is_a_finding_from_the_day_after(home, state):
    signed(home, state)

    def told(on: date) -> set[str]:
        return {one.setting.name for one in findings(home, state, on=on)}

    assert NAME not in told(SOON)
    assert NAME in told(SOON + timedelta(days=1))


def test_the_municipalitys_day_begins_at_its_own_midnight():
    assert datetime(2026, 3, 31, 15, 0, tzinfo=UTC).astimezone(TOKYO).date() == date(2026, 4, 1)


@pytest.mark.parametrize("days", [0, 367, -1])
def test_a_date_that_is_past_or_too_far_is_unusable(home, state, days):
    with pytest.raises(Unusable, match="見直し"):
        signed(home, state, review_by=today() + timedelta(days=days))


@pytest.mark.parametrize("value", [0, -1, 10**12])
def test_a_value_that_would_watch_over_nothing_is_unusable(home, state, value):
    with pytest.raises(Unusable):
        signed(home, state, value)


def test_a_review_says_why(home, state):
    with pytest.raises(Unusable, match="理由"):
        signed(home, state, reason="  ")


def test_a_setting_nobody_knows_is_not_found(home, state):
    with pytest.raises(NotFound):
        in_force(home, state, "daily-coffee")


def test_attack_an_analyst_sets_the_threshold(home, state):
    for actor in ("mori", "workbench"):
        with pytest.raises(Refused):
            signed(home, state, actor=actor)


def test_attack_a_setting_forged_with_an_analysts_key(home, state):
    """The analyst has a key of their own, and here the database's file as well."""
    signer = KeyRing.of(home).signer("person:mori")
    for person in ("mori", "oka"):
        plant(state, sign(statement(home, person=person), [signer]))
        with pytest.raises(Untrusted):
            in_force(home, state, NAME)


def test_attack_an_unsigned_setting(home, state):
    signer = KeyRing.of(home).signer("person:oka")
    envelope = parse_canonical(sign(statement(home), [signer]), name="x")
    plant(state, canonical(envelope | {"signatures": []}))

    with pytest.raises(Untrusted):
        in_force(home, state, NAME)


def test_attack_a_value_changed_after_signing(home, state):
    signed(home, state)
    with state.reading() as connection:
        envelope = connection.execute(sa.select(signed_settings.c.envelope)).scalar_one()
    place = len(envelope) // 3
    plant(state, envelope[:place] + bytes([envelope[place] ^ 1]) + envelope[place + 1 :])

    with pytest.raises(Untrusted):
        in_force(home, state, NAME)


@pytest.mark.parametrize(
    "changes",
    [
        {"home": "another"},
        {"name": "daily-output-limit"},
        {"version": 2},
        {"previous": "1" * 64},
        {"schema": "workbench-setting/2"},
        {"review_by": "2026-99-99"},
        {"more": 1},
    ],
)
def test_attack_a_managers_signature_for_something_else(home, state, changes):
    plant(state, sign(statement(home, **changes), [KeyRing.of(home).signer("person:oka")]))

    with pytest.raises(Untrusted):
        in_force(home, state, NAME)


def test_attack_an_older_version_replayed_under_a_newer_number(home, state):
    signed(home, state)
    with state.reading() as connection:
        old = connection.execute(sa.select(signed_settings.c.envelope)).scalar_one()
    signed(home, state, 1_000_000)
    for version in (2, 3):
        plant(state, old, version=version)
        with pytest.raises(Untrusted):
            in_force(home, state, NAME)


@pytest.mark.parametrize("removed", [1, 2])
def test_attack_newer_versions_removed_so_that_an_older_one_is_the_last(home, state, removed):
    signed(home, state)
    signed(home, state, 1_000_000)
    with state.engine.begin() as connection:
        connection.execute(signed_settings.delete().where(signed_settings.c.version > 2 - removed))

    with pytest.raises(Untrusted, match="監査ログ"):
        expect_newest(home, state)
    assert otherwise(home, state, state.log.records()) == [NAME]


def test_what_an_analyst_writes_in_a_cell_is_no_record_of_a_setting(home, state):
    source = '"event":"setting.signed"' + json.dumps({"event": "setting.signed"})
    state.record(Event.CELL_EXECUTED, actor="mori", session="s", cell=1, source=source)

    assert state.log.of_kind(Event.SETTING_SIGNED) == []


class TestCommands:
    @pytest.fixture
    def workbench(self, home, state, monkeypatch, capsys):
        monkeypatch.setenv("WORKBENCH_HOME", str(home.path))

        def run(*arguments: str, expect: int = 0, language: str = "en") -> str:
            monkeypatch.setenv("WORKBENCH_LANG", language)
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

    def test_set_show_review_and_check(self, workbench):
        assert "workbench settings set" in workbench("settings", "check", expect=10)
        for name in KINDS:
            rest = ["--next-review", SOON.isoformat(), "--reason", "as agreed", "--by", "oka"]
            workbench("settings", "set", name, "9000000", *rest)
        workbench("settings", "check")
        later = (SOON + timedelta(days=1)).isoformat()
        told = workbench(
            "settings", "review", NAME, "--next-review", later, "--reason", "fits", "--by", "oka"
        )
        assert "version 2, oka" in told
        shown = json.loads(workbench("settings", "show", "--json"))
        assert shown["findings"] == []
        assert {one["name"]: one["version"] for one in shown["settings"]}[NAME] == 2
        assert json.loads(workbench("audit", "verify", "--json"))["findings"] == []

    def test_in_both_languages(self, workbench):
        for language, word in (("ja", "警告"), ("en", "warn when")):
            assert word in workbench("settings", "show", language=language)

    def test_attack_a_replayed_setting_is_found_by_the_log(self, workbench, home, state):
        signed(home, state)
        signed(home, state, 1_000_000)
        with state.engine.begin() as connection:
            connection.execute(signed_settings.delete().where(signed_settings.c.version == 2))

        for command in (("audit", "verify"), ("settings", "show"), ("settings", "check")):
            workbench(*command, expect=11)

    def test_an_overdue_review_is_told_with_the_log(self, workbench, home, state):
        long_ago = datetime.now(UTC) - timedelta(days=300)
        for name in KINDS:
            sign_setting(
                home,
                state,
                name,
                value=9_000_000,
                review_by=today() - timedelta(days=10),
                actor="oka",
                reason="r",
                now=long_ago,
            )
        told = json.loads(workbench("audit", "verify", "--json"))["findings"]
        assert [one["setting"] for one in told] == list(KINDS)
        assert "was to be reviewed by" in workbench("settings", "check", expect=10)
