"""`workbench lab` on the command line."""

import json

import pytest
from click.testing import CliRunner

from workbench.cli.lab import lab
from workbench.errors import NotFound, Refused, Usage
from workbench.governance.charter import Projects
from workbench.governance.people import People, Person, Role
from workbench.lab import prove
from workbench.lab.acts import ACTS
from workbench.lab.opening import open_session
from workbench.lab.prove import Outcome, Proof, Verdict
from workbench.lab.residual import Room
from workbench.privacy.dp.ledger import Ledger
from workbench.privacy.dp.questions import MICRO


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

    assert shown == {"dataset": "child-year-raw", "granted": 2.0, "spent": 0.0, "remaining": 2.0}


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
