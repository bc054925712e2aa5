"""One person, one role, one key; and nobody makes up the second person."""

import ast
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from workbench.artifact.keys import KeyRing
from workbench.errors import NotFound, Refused, Unusable
from workbench.governance import permissions
from workbench.governance.keys import create_key, export_trust
from workbench.governance.people import PERMISSIONS, ROLE_NAMES, People, Person, Role, why_not
from workbench.state import State

KEY = "a" * 64


def person(name: str, role: Role, **more) -> Person:
    return Person(name, name.title(), role, "企画課", **more)


@pytest.fixture
def state(home) -> State:
    return State.open(home)


@pytest.fixture
def people(state) -> People:
    found = People(state)
    found.add(person("mori", Role.MANAGER))
    found.add(person("sato", Role.COORDINATOR), actor="mori")
    found.add(person("abe", Role.REVIEWER), actor="mori")
    return found


def test_who_was_added_is_there_and_in_the_log(people, state):
    assert people.get("sato") == person("sato", Role.COORDINATOR)
    assert [one.id for one in people.all()] == ["abe", "mori", "sato"]
    added = [record for record in state.log.records() if record["event"] == "person.added"]
    assert [(record["actor"], record["details"]["person"]) for record in added] == [
        ("workbench", "mori"),
        ("mori", "sato"),
        ("mori", "abe"),
    ]


def test_the_coordinator_cannot_make_up_a_second_reviewer(people):
    with pytest.raises(Refused, match="管理責任者"):
        people.add(person("invented", Role.REVIEWER), actor="sato")


def test_the_founder_acts_only_until_somebody_may(people):
    with pytest.raises(Refused, match="--by"):
        people.add(person("invented", Role.REVIEWER))


@pytest.mark.parametrize("name", ["", "　", "Mori\x1b[2J", "mori\u202enimda", "Mori\nadmin"])
def test_attack_a_name_that_reads_otherwise(name):
    with pytest.raises(Unusable):
        Person("mori", name, Role.ANALYST, "企画課")


def test_a_japanese_name_with_its_wide_blank_is_plain():
    assert Person("mori", "森　鴎外", Role.ANALYST, "企画課").name == "森　鴎外"


def test_a_stranger_adds_nobody(people):
    with pytest.raises(NotFound):
        people.add(person("invented", Role.REVIEWER), actor="stranger")


def test_a_person_is_not_added_again_in_another_role(people):
    with pytest.raises(Refused, match="既に"):
        people.add(person("abe", Role.COORDINATOR), actor="mori")

    assert people.get("abe").role is Role.REVIEWER


def test_two_people_do_not_share_a_key(people):
    people.set_key("abe", KEY, actor="mori")

    with pytest.raises(Refused, match="別の人"):
        people.set_key("sato", KEY, actor="mori")
    with pytest.raises(Refused, match="別の人"):
        people.add(person("ueda", Role.REVIEWER, public_key=KEY), actor="mori")


def test_a_key_is_not_replaced_quietly(people):
    people.set_key("abe", KEY, actor="mori")

    with pytest.raises(Refused, match="既に"):
        people.set_key("abe", "b" * 64, actor="mori")
    with pytest.raises(Refused):
        people.set_key("sato", "b" * 64, actor="sato")
    with pytest.raises(NotFound):
        people.set_key("stranger", "b" * 64, actor="mori")


@pytest.mark.parametrize("name", ["", "Sato", "佐藤", "sato/..", "sato\n", "-sato", "a" * 65])
def test_an_id_that_is_none_is_refused(name):
    with pytest.raises(Unusable):
        Person(name, "佐藤", Role.ANALYST, "企画課")


@pytest.mark.parametrize("fields", [{"name": " "}, {"section": ""}, {"public_key": "short"}])
def test_a_person_without_name_section_or_proper_key_is_refused(fields):
    with pytest.raises(Unusable):
        Person(**({"id": "sato", "name": "佐藤", "role": Role.ANALYST, "section": "企画課"} | fields))


def test_without_a_key_nobody_votes(people):
    assert "鍵" in str(why_not(people.get("abe"), "vote"))

    people.set_key("abe", KEY, actor="mori")

    assert why_not(people.get("abe"), "vote") is None


@pytest.mark.parametrize("role", Role)
def test_an_action_nobody_knows_is_nobodys(role):
    assert isinstance(why_not(person("x", role), "launch"), Refused)


def test_every_action_is_somebodys_and_every_role_has_a_name():
    assert all(roles for roles in PERMISSIONS.values())
    assert ROLE_NAMES.keys() == set(Role)


# What each role must never do, whatever is added to the table later.
NEVER = {
    Role.ANALYST: {"vote", "prepare", "import", "submit_dataset", "revoke", "grant_budget", "adopt_policy"},
    Role.REVIEWER: {"prepare", "submit_dataset", "submit_model", "add_person", "import"},
    Role.COORDINATOR: {"add_person", "create_key", "ask", "open_session"},
    Role.MANAGER: {"vote", "submit_dataset", "submit_model"},
    # Reads what was done and what was said of it: the log, the reports and what was spent.
    Role.AUDITOR: set(PERMISSIONS) - {"read_log", "read_reports", "read_budget"},
    Role.OPERATOR: set(PERMISSIONS) - {"import_package"},
}


@pytest.mark.parametrize(("role", "actions"), NEVER.items())
def test_what_a_role_must_never_do(role, actions):
    for action in actions:
        assert why_not(person("x", role, public_key=KEY), action) is not None, action


def test_a_made_key_is_recorded_with_its_person(people, home, state):
    public = create_key(home, state, "person:abe", actor="mori")

    assert people.get("abe").public_key == public == KeyRing.of(home).public("person:abe")
    assert state.log.records()[-1]["details"] == {"owner": "person:abe", "public": public}
    with pytest.raises(Refused):
        create_key(home, state, "person:abe", actor="mori")


def test_a_key_for_nobody_is_not_made(people, home, state):
    with pytest.raises(NotFound):
        create_key(home, state, "person:stranger", actor="mori")

    assert KeyRing.of(home).owners() == []


def test_only_who_may_makes_keys(people, home, state):
    for actor in ("sato", "abe"):
        with pytest.raises(Refused):
            create_key(home, state, "role:reviewer", actor=actor)

    assert KeyRing.of(home).owners() == []


def test_a_role_has_one_key(people, home, state):
    create_key(home, state, "role:reviewer", actor="mori")

    with pytest.raises(Refused):
        create_key(home, state, "role:reviewer", actor="mori")


def test_a_kill_between_key_and_record_is_mended_by_doing_it_again(people, home, state, tmp_path):
    KeyRing.of(home).create("role:reviewer")

    public = create_key(home, state, "role:reviewer", actor="mori")

    assert state.log.records()[-1]["details"] == {"owner": "role:reviewer", "public": public}


def test_the_pinned_keys_are_those_of_the_two_roles_and_no_persons(people, home, state, tmp_path):
    for owner in ("role:coordinator", "role:reviewer", "person:abe"):
        create_key(home, state, owner, actor="mori")

    trusted = export_trust(home, state, tmp_path / "trusted.json", actor="mori")

    assert trusted.keys == {
        owner: KeyRing.of(home).public(owner) for owner in ("role:coordinator", "role:reviewer")
    }
    assert (tmp_path / "trusted.json").read_bytes() == trusted.to_json()
    assert state.log.records()[-1]["event"] == "trust.exported"


@pytest.mark.parametrize("owner", ["role:boss", "role:analyst", "role:manager", "person:", "sato", "role:"])
def test_a_key_is_for_a_person_or_an_admitting_role_and_for_nothing_else(people, home, state, owner):
    with pytest.raises((Unusable, NotFound)):
        create_key(home, state, owner, actor="mori")

    assert KeyRing.of(home).owners() == []


def test_who_may_not_writes_no_trusted_keys(people, home, state, tmp_path):
    for owner in ("role:coordinator", "role:reviewer"):
        create_key(home, state, owner, actor="mori")

    for actor, family in (("stranger", NotFound), ("abe", Refused), ("workbench", Refused)):
        with pytest.raises(family):
            export_trust(home, state, tmp_path / "trusted.json", actor=actor)

    assert not (tmp_path / "trusted.json").exists()
    assert state.log.records()[-1]["event"] == "key.created"


ASKING = {"expect_may", "_expect_may", "why_not"}


def asked_for(tree: ast.AST) -> set[str]:
    """The actions that the code asks permission for, an f-string as its text before the variable and `*`."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
    found = set()
    for call in calls:
        name = getattr(call.func, "attr", getattr(call.func, "id", None))
        last = call.args[-1]
        if name in ASKING and isinstance(last, ast.Constant):
            found.add(last.value)
        elif name in ASKING and isinstance(last, ast.JoinedStr):
            found.add(f"{last.values[0].value}*")
    return found


def test_every_action_of_the_table_is_asked_for_in_the_code():
    folder = Path(permissions.__file__).parents[1]
    asked = set().union(*(asked_for(ast.parse(file.read_text())) for file in folder.rglob("*.py")))

    unasked = [a for a in PERMISSIONS if not any(fnmatchcase(a, pattern) for pattern in asked)]
    assert unasked == []
    assert [p for p in asked if not any(fnmatchcase(a, p) for a in PERMISSIONS)] == []
