"""No kernel without a current training and an undertaking of one's own, where the policy says so."""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from workbench.artifact.keys import KeyRing
from workbench.cli import workbench
from workbench.errors import NotFound, Refused, Untrusted, Unusable
from workbench.governance import training
from workbench.governance.checkpoints import set_place
from workbench.governance.keys import create_key
from workbench.governance.people import People, Person, Role
from workbench.governance.permissions import PERMISSIONS
from workbench.governance.settings import adopt_policy
from workbench.governance.training import CLOSED, NEEDED, Kind, Trainings
from workbench.release.receiving import receive
from workbench.state import State

NOW = datetime(2026, 4, 10, 9, tzinfo=UTC)
TODAY = NOW.date()


@dataclass
class House:
    home: object
    state: State

    @property
    def trainings(self) -> Trainings:
        return Trainings(self.home, self.state)

    def key(self, person):
        return KeyRing.of(self.home).signer(f"person:{person}")

    def train(self, person="mori", *, kind=Kind.GENERAL, by="oka", on=TODAY, signer=None, now=NOW):
        return self.trainings.train(person, kind, on=on, actor=by, signer=signer or self.key(by), now=now)

    def undertake(self, person="mori", *, signer=None, now=NOW):
        return self.trainings.undertake(person, signer=signer or self.key(person), now=now)

    def why_not(self, person="mori", *, now=NOW):
        return self.trainings.why_not_kernel(person, now=now)

    def rows(self):
        with self.state.reading() as connection:
            return {
                (row.person, row.kind): row.envelope
                for row in connection.execute(sa.select(training.records))
            }

    def put(self, person, kind, envelope):
        """A row that nobody of the workbench wrote."""
        with self.state.engine.begin() as connection:
            connection.execute(training.records.insert().values(person=person, kind=kind, envelope=envelope))


@pytest.fixture(scope="module")
def furnished(tmp_path_factory):
    from workbench.home import Home

    home = Home.create(tmp_path_factory.mktemp("house") / "home")
    state = State.open(home)
    people = People(state)
    people.add(Person("oka", "Oka", Role.MANAGER, "企画課"))
    for name, role in {
        "ueno": Role.MANAGER,
        "sato": Role.COORDINATOR,
        "mori": Role.ANALYST,
        "hara": Role.ANALYST,
    }.items():
        people.add(Person(name, name.title(), role, "企画課"), actor="oka")
    for name in ("oka", "ueno", "sato", "mori", "hara"):
        create_key(home, state, f"person:{name}", actor="oka")
    adopt_policy(state, profile="strict", actor="oka")
    state.close()
    return home.path


@pytest.fixture
def house(furnished, tmp_path):
    from workbench.home import Home

    home = Home.open(shutil.copytree(furnished, tmp_path / "home"))
    state = State.open(home)
    yield House(home, state)
    state.close()


def test_training_and_undertaking_open_a_kernel(house):
    assert "研修" in str(house.why_not())
    house.train()
    assert "誓約" in str(house.why_not())
    house.undertake()

    assert house.why_not() is None
    events = [(record["event"], record["actor"]) for record in house.state.log.records()[-2:]]
    assert events == [("training.recorded", "oka"), ("undertaking.given", "mori")]
    assert [record.kind for record in house.trainings.all()] == [Kind.GENERAL, Kind.UNDERTAKING]


def test_where_the_policy_asks_for_none_none_is_needed(house):
    adopt_policy(house.state, profile="standard", actor="oka")

    assert house.why_not() is None
    assert house.trainings.why_not_current("mori", now=NOW) is not None
    assert "training_required" in house.trainings.notice("mori", now=NOW)
    house.train()
    house.undertake()
    assert house.trainings.notice("mori", now=NOW) is None


def test_attack_an_expired_training(house):
    house.train(on=TODAY - timedelta(days=300))
    house.undertake()
    assert house.why_not(now=NOW + timedelta(days=65)) is None

    assert "有効期限" in str(house.why_not(now=NOW + timedelta(days=66)))


def test_attack_an_expired_undertaking(house):
    house.undertake(now=NOW - timedelta(days=400))
    house.train()

    assert "有効期限" in str(house.why_not())
    house.undertake()
    assert house.why_not() is None


def test_attack_the_training_of_another_kind(house):
    house.train(kind=Kind.SYSTEM)
    house.undertake()

    assert "研修" in str(house.why_not())
    with pytest.raises(Refused, match="本人"):
        house.train(kind=Kind.UNDERTAKING)


def test_attack_someone_elses_record(house):
    """What was signed for one person is nothing in another's row."""
    house.train()
    house.undertake()
    for (_, kind), envelope in house.rows().items():
        house.put("hara", kind, envelope)

    assert house.why_not("mori") is None
    assert house.why_not("hara") is not None
    assert house.trainings.of("hara") == {}


def test_attack_a_forged_row(house):
    """Rows signed by nobody, by the analyst, or by somebody who may not, are none."""
    signed_by_mori = dict(house.rows())
    house.undertake()
    signed_by_mori = house.rows()["mori", "undertaking"]
    house.put("hara", "undertaking", b"{}")
    house.put("hara", "general", signed_by_mori)

    assert house.trainings.of("hara") == {}
    assert house.why_not("hara") is not None


@pytest.mark.parametrize("by", ["mori", "hara", "sato"])
def test_attack_a_training_signed_by_who_may_not(house, monkeypatch, by):
    """Even where a record was written past the rule, its reader asks who signed it."""
    allowed = dict(training.People(house.state).get("oka").to_json())
    assert allowed["role"] == Role.MANAGER
    with pytest.raises(Refused):
        house.train(by=by)
    with monkeypatch.context() as patched:
        patched.setattr(People, "expect_may", lambda *_: None)
        patched.setattr(training, "may_say", lambda *_: True)
        house.train(person="hara" if by == "mori" else "mori", by=by)
        assert len(house.trainings.all()) == 1

    assert house.trainings.all() == []


def test_attack_ones_own_training(house):
    with pytest.raises(Refused, match="自分"):
        house.train("oka", by="oka")


def test_attack_another_persons_key(house):
    with pytest.raises(Untrusted):
        house.undertake("mori", signer=house.key("hara"))
    with pytest.raises(Untrusted):
        house.train(by="oka", signer=house.key("mori"))

    assert house.rows() == {}


def test_attack_a_record_of_another_home(house, tmp_path):
    """A copy of the house with another identity has the same keys; its records are not this one's."""
    house.train()
    house.undertake()
    other = Trainings(type(house.home)(house.home.path, "f" * 32, None), house.state)

    assert other.of("mori") == {}


def test_a_manager_who_leaves_the_role_no_longer_vouches(house):
    house.train(by="ueno")
    house.undertake()
    with house.state.engine.begin() as connection:
        connection.execute(sa.text("update people set role = 'operator' where id = 'ueno'"))

    assert "研修" in str(house.why_not())


@pytest.mark.parametrize("on", [TODAY + timedelta(days=1), TODAY - timedelta(days=366)])
def test_a_day_that_cannot_be_is_refused(house, on):
    with pytest.raises(Unusable):
        house.train(on=on)


def test_nobody_is_trained_who_is_not_there(house):
    with pytest.raises(NotFound):
        house.train("stranger")
    with pytest.raises(NotFound):
        house.trainings.undertake("stranger", signer=house.key("mori"), now=NOW)


def test_by_command(house, tmp_path):
    house.state.close()
    env = {"WORKBENCH_HOME": str(house.home.path)}
    today = datetime.now(UTC).date().isoformat()

    def run(*words, **more):
        return CliRunner().invoke(workbench, ["people", *words], env=env, **more)

    assert run("train", "mori", "--on", today, "--by", "oka").exit_code == 0
    assert run("undertake", "--by", "mori", input="n\n").exit_code != 0
    given = run("undertake", "--by", "mori", "--yes")
    assert "識別しよう" in given.output
    assert len(run("trained").output.splitlines()) == 2
    assert "open_session" in run("roles").output


def test_every_kind_of_training_is_needed_for_an_act_of_the_table_of_permissions():
    assert set(Kind) == {kind for kinds in NEEDED.values() for kind in kinds}
    assert NEEDED.keys() <= PERMISSIONS.keys()
    assert CLOSED.keys() == NEEDED.keys()


@pytest.fixture
def systems(house, tmp_path):
    """The acts that take training in running the system, by whom: what each does until it is let in."""
    place = tmp_path / "elsewhere"
    place.mkdir()
    return {
        "set_checkpoint_place": lambda: set_place(house.home, house.state, place, actor="oka"),
        "import_package": lambda: receive(
            tmp_path / "none", home=house.home, state=house.state, by="oka", now=datetime.now(UTC)
        ),
    }


@pytest.mark.parametrize("action", [name for name, kinds in NEEDED.items() if kinds == (Kind.SYSTEM,)])
def test_attack_the_system_is_run_by_who_was_not_trained_for_it(house, systems, action):
    now = datetime.now(UTC)
    house.train("oka", by="ueno", on=now.date(), now=now)  # of another kind
    with pytest.raises(Refused, match=r"システムの管理.*記録がない"):
        systems[action]()

    house.train("oka", kind=Kind.SYSTEM, by="ueno", on=now.date(), now=now)
    if action == "import_package":
        with pytest.raises(Refused, match="分析用の機械"):  # the next question: this is no host
            systems[action]()
    else:
        systems[action]()


def test_the_systems_training_is_needed_where_the_policy_asks_for_it(house, systems):
    adopt_policy(house.state, profile="standard", actor="oka")

    systems["set_checkpoint_place"]()
