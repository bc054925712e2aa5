"""`workbench lab` on the command line."""

import json

import pytest
from click.testing import CliRunner

from workbench.cli.lab import lab
from workbench.demo.cast import PASSPHRASE
from workbench.errors import NotFound, Refused, Usage
from workbench.governance.accounts import Accounts
from workbench.governance.charter import Projects
from workbench.governance.people import People, Person, Role
from workbench.home import Home
from workbench.lab import prove
from workbench.lab.acts import ACTS
from workbench.lab.opening import open_session
from workbench.lab.prove import Outcome, Proof, Verdict
from workbench.lab.residual import Room
from workbench.privacy.dp.ledger import Ledger
from workbench.privacy.dp.questions import MICRO
from workbench.state import State


def run(*words, home=None):
    place = [] if home is None else ["--home", str(home.path)]
    ended = CliRunner().invoke(lab, [*words, *place])
    if ended.exception is not None and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    return ended


def test_a_notebook_is_run_and_leaves_stripped(office, state, notebook, tmp_path):
    source, target = tmp_path / "my.ipynb", tmp_path / "out.ipynb"
    source.write_bytes(notebook("print(6 * 7)"))
    ended = run("run", str(source), "-o", str(target), home=office)

    assert ended.stdout.splitlines() == [str(office.workspaces / "mori" / "my.ipynb"), str(target)]
    with open_session(office, state, analyst="mori", project="attendance") as session:
        assert b"42" in session.workspace.read("my.ipynb")
    assert b"42" not in target.read_bytes()


def test_who_and_what_are_never_guessed_among_several(office, state, charter, notebook, tmp_path):
    source = tmp_path / "my.ipynb"
    source.write_bytes(notebook("1"))
    People(state).add(Person("hara", "Hara", Role.ANALYST, "section"), actor="oka")
    with pytest.raises(Usage, match=r"--as|分析者"):
        run("run", str(source), home=office)
    Projects(state).store(charter("poverty"), actor="sato")
    with pytest.raises(Usage, match=r"--project|事業計画"):
        run("run", str(source), "--as", "mori", home=office)


def test_a_home_without_an_analyst_says_so(home, notebook, tmp_path):
    source = tmp_path / "my.ipynb"
    source.write_bytes(notebook("1"))

    with pytest.raises(NotFound):
        run("run", str(source), home=home)


def test_only_an_analyst_gets_a_room(office, notebook, tmp_path):
    source = tmp_path / "my.ipynb"
    source.write_bytes(notebook("open('ran', 'w')"))

    with pytest.raises(Refused):
        run("run", str(source), "--as", "sato", home=office)


def test_the_budget_is_shown(office, state):
    Ledger(state).grant("child-year-raw", micro=2 * MICRO, granted_by="sato")
    shown = json.loads(run("budget", "--json", home=office).output)

    assert {name: shown[name] for name in ("dataset", "granted", "spent", "remaining", "delta")} == {
        "dataset": "child-year-raw",
        "granted": 2.0,
        "spent": 0.0,
        "remaining": 2.0,
        "delta": 0.0,
    }


def test_check_refuses_what_strip_mends(notebook, tmp_path):
    path = tmp_path / "n.ipynb"
    full = json.loads(notebook("1"))
    full["cells"][0]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "child-000123"}]
    path.write_text(json.dumps(full))
    with pytest.raises(Refused):
        run("check", str(path))
    run("strip", str(path))

    assert run("check", str(path)).exit_code == 0
    assert "child-000123" not in path.read_text()


@pytest.mark.parametrize("outcome", [Outcome.ALLOWED, Outcome.BROKEN])
def test_prove_ends_with_10_when_one_act_was_not_blocked(monkeypatch, outcome):
    verdicts = [Verdict(name, Outcome.BLOCKED, "") for name in ACTS]
    verdicts[3] = Verdict(list(ACTS)[3], outcome, "")
    monkeypatch.setattr(prove, "prove", lambda: Proof(verdicts, Room(root=False, quota=False)))

    with pytest.raises(Refused) as refused:
        run("prove")
    assert refused.value.exit_code == 10
    assert list(ACTS)[3] in refused.value.en


def test_prove_prints_a_table_or_json(monkeypatch):
    verdicts = [Verdict(name, Outcome.BLOCKED, "x") for name in ACTS]
    monkeypatch.setattr(prove, "prove", lambda: Proof(verdicts, Room(root=True, quota=True)))

    assert run("prove").output.count("BLOCKED") == len(ACTS) + 1
    assert [row["act"] for row in json.loads(run("prove", "--json").output)] == list(ACTS)


class TestWhoMayStart:
    """What a log-in would be refused for is said before the server starts."""

    @pytest.fixture(autouse=True)
    def machine(self, monkeypatch):
        monkeypatch.setattr("workbench.lab.probe.why_not_available", lambda: None)

    @pytest.fixture
    def started(self, monkeypatch):
        """What `workbench lab start` would run, told its address."""
        told = []
        monkeypatch.setattr(
            "workbench.lab.server.start",
            lambda reception, *, port, announce: (
                told.append(reception),
                announce(f"http://127.0.0.1:{port}"),
            ),
        )
        return told

    def test_a_demonstration_shows_its_whole_way_in(self, office, started):
        shown = run("start", "--port", "8889", home=office).output

        assert "DEMONSTRATION" in shown
        assert "http://127.0.0.1:8889/start?link=" in shown
        assert all(word in shown for word in ("mori", PASSPHRASE, "otpauth://totp/"))

    def test_attack_a_real_homes_start_shows_a_way_in(self, real_office, started):
        Accounts(real_office, State.open(real_office)).add("mori", "a sentence of hers", actor="oka")
        shown = run("start", home=real_office).output

        assert "/login" in shown
        assert not any(word in shown for word in ("link=", PASSPHRASE, "otpauth", "sentence"))

    def test_attack_a_person_without_an_account_is_given_one(self, real_office, started):
        with pytest.raises(NotFound, match="account add"):
            run("start", home=real_office)

        assert started == []
        assert not Accounts(real_office, State.open(real_office)).has("mori")

    def test_attack_somebody_who_is_no_analyst_gets_a_room(self, office, started):
        with pytest.raises(Refused):
            run("start", "--as", "sato", home=office)

        assert started == []


@pytest.fixture
def real_office(tmp_path, charter):
    home = Home.create(tmp_path / "real")
    state = State.open(home)
    people = People(state)
    people.add(Person("oka", "Oka", Role.MANAGER, "section"))
    people.add(Person("sato", "Sato", Role.COORDINATOR, "section"), actor="oka")
    people.add(Person("mori", "Mori", Role.ANALYST, "section"), actor="oka")
    Projects(state).store(charter("attendance"), actor="sato")
    state.close()
    return home
