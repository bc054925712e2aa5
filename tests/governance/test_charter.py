"""A project says what it is for, whole or not at all."""

import copy

import pytest
import sqlalchemy as sa
import yaml

from workbench.errors import NotFound, Refused, Untrusted, Unusable
from workbench.governance.charter import Project, Projects, projects
from workbench.governance.people import People, Person, Role
from workbench.governance.settings import adopt_policy, policy_in_force
from workbench.policy import load
from workbench.state import State

CHARTER = {
    "schema": "workbench-project/1",
    "purpose": "school-attendance",
    "title": {"ja": "不登校の早期支援", "en": "Early support for school attendance"},
    "benefit": {
        "ja": "支援が届いていないこどもを見つける",
        "en": "Find children whom support has not reached",
    },
    "population": 200_000,
    "source": "child_year",
    "person": "child_id",
    "household": "household_id",
    "time": "fy",
    "test_share": 0.3,
    "targets": ["absent_30d_next_year", "poverty"],
    "subgroups": [
        {
            "id": "single-parent",
            "label": {"ja": "ひとり親世帯", "en": "Single-parent households"},
            "item": "hh_type",
            "values": ["one_adult", "single_coresident"],
        }
    ],
}


@pytest.fixture
def state(home) -> State:
    state = State.open(home)
    People(state).add(Person("sato", "佐藤", Role.COORDINATOR, "企画課"))
    People(state).add(Person("ito", "伊藤", Role.ANALYST, "分析"))
    return state


def written(tmp_path, **changes):
    (tmp_path / "charter.yaml").write_text(yaml.safe_dump({**CHARTER, **changes}, allow_unicode=True))
    return tmp_path / "charter.yaml"


def test_a_charter_is_read_as_it_is_written(tmp_path):
    project = Project.load(written(tmp_path))

    assert project.to_json() == CHARTER
    assert Project.from_json(project.to_json()) == project
    assert project.subgroups[0].values == ("one_adult", "single_coresident")


def test_a_charter_may_name_the_period_that_is_tested_on(tmp_path):
    project = Project.load(written(tmp_path, test_period=2023))

    assert project.to_json() == {**CHARTER, "test_period": 2023}
    assert Project.from_json(project.to_json()).public_period == 2023
    with pytest.raises(Refused):
        _ = Project.load(written(tmp_path)).public_period
    assert Project.load(written(tmp_path, time=None)).public_period is None


@pytest.mark.parametrize("period", ["2023", 2023.5, True, [2023]])
def test_a_period_that_is_no_whole_number_is_refused(tmp_path, period):
    with pytest.raises(Unusable):
        Project.load(written(tmp_path, test_period=period))


def test_rows_that_are_persons_need_no_keys(tmp_path):
    project = Project.load(written(tmp_path, person=None, household=None, time=None, subgroups=[]))

    assert (project.person, project.household, project.time) == (None, None, None)


WRONG = {
    "an empty purpose": {"purpose": ""},
    "a purpose with a path": {"purpose": "../x"},
    "no benefit": {"benefit": {"ja": "", "en": " "}},
    "a benefit in one language": {"benefit": {"ja": "こどものため"}},
    "a title as a text": {"title": "x"},
    "nobody": {"population": 0},
    "a population in words": {"population": "many"},
    "a population that is a flag": {"population": True},
    "no targets": {"targets": []},
    "a target twice": {"targets": ["poverty", "poverty"]},
    "a target that is SQL": {"targets": ['poverty"; drop table x']},
    "everything held back": {"test_share": 1.0},
    "nothing held back": {"test_share": 0.0},
    "a source with a path": {"source": "../child_year"},
    "a subgroup without values": {"subgroups": [{**CHARTER["subgroups"][0], "values": []}]},
    "a subgroup twice": {"subgroups": CHARTER["subgroups"] * 2},
    "a subgroup with more": {"subgroups": [{**CHARTER["subgroups"][0], "limit": 1.0}]},
    "another schema": {"schema": "workbench-project/2"},
    "a key nobody knows": {"profit": "yes"},
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG)
def test_a_charter_that_is_not_whole_is_refused_by_name(tmp_path, changes):
    with pytest.raises(Unusable) as refused:
        Project.load(written(tmp_path, **changes))

    assert next(iter(changes)) in refused.value.en


@pytest.mark.parametrize("key", CHARTER)
def test_no_key_of_a_charter_may_be_left_out(tmp_path, key):
    less = {name: value for name, value in CHARTER.items() if name != key}
    (tmp_path / "charter.yaml").write_text(yaml.safe_dump(less))

    with pytest.raises(Unusable, match=key):
        Project.load(tmp_path / "charter.yaml")


def test_a_stored_project_comes_back_with_its_digest(state):
    project = Project.from_json(CHARTER)

    digest = Projects(state).store(project, actor="sato")

    assert Projects(state).get("school-attendance") == project
    assert Projects(state).all() == [project]
    assert state.log.records()[-1]["details"] == {"project": "school-attendance", "digest": digest}


def test_a_changed_charter_has_another_digest_and_both_are_in_the_log(state):
    changed = copy.deepcopy(CHARTER) | {"targets": ["poverty"]}

    digests = [Projects(state).store(Project.from_json(value), actor="sato") for value in (CHARTER, changed)]

    stored = [
        record["details"]["digest"] for record in state.log.records() if record["event"] == "project.stored"
    ]
    assert stored == digests
    assert digests[0] != digests[1]
    assert Projects(state).get("school-attendance").targets == ("poverty",)


def test_an_analyst_does_not_write_the_charter(state):
    with pytest.raises(Refused):
        Projects(state).store(Project.from_json(CHARTER), actor="ito")


def test_a_project_that_is_not_there_is_not_found(state):
    with pytest.raises(NotFound, match="project charter"):
        Projects(state).get("other")


def test_a_charter_changed_in_the_database_must_still_be_a_charter(state):
    Projects(state).store(Project.from_json(CHARTER), actor="sato")
    with state.engine.begin() as connection:
        connection.execute(sa.update(projects).values(content=b"{ }"))

    with pytest.raises(Untrusted):
        Projects(state).get("school-attendance")


OVERRIDE = "schema: workbench-policy-override/1\nthresholds:\n  k_children: {value: 7, source: 条例}\n"


def test_standard_is_in_force_until_another_policy_is_adopted(state):
    assert policy_in_force(state) == load()


def test_an_adopted_override_is_in_force_and_in_the_log(state):
    adopted = adopt_policy(state, profile="strict", override=OVERRIDE, actor="sato")

    assert policy_in_force(state) == adopted
    assert (adopted["k_children"], adopted["k_households"]) == (7, 10)
    assert state.log.records()[-1]["details"] == {
        "profile": "strict",
        "policy": adopted.digest,
        "overrides": {"k_children": 7},
    }


def test_an_analyst_does_not_loosen_the_policy(state):
    with pytest.raises(Refused):
        adopt_policy(state, profile="standard", override=OVERRIDE, actor="ito")

    assert policy_in_force(state) == load()


def test_a_wrong_override_leaves_the_policy_in_force(state):
    adopt_policy(state, profile="strict", actor="sato")

    with pytest.raises(Unusable):
        adopt_policy(state, profile="standard", override=OVERRIDE.replace("7", "1"), actor="sato")

    assert policy_in_force(state) == load("strict")
