"""The commands: release, catalogue, registry, by their exit codes and their words."""

import json
import shutil

import pytest
from click.testing import CliRunner

from workbench.cli import workbench
from workbench.errors import FAMILIES, Refused, Untrusted, WorkbenchError
from workbench.release import staging
from workbench.release.workflow import Workflow


@pytest.fixture
def command(town, monkeypatch):
    """Run `workbench ...` in the town's home; the result's exception is the refusal."""
    home = town.office.home
    town.office.state.close()
    monkeypatch.setenv("WORKBENCH_HOME", str(home.path))

    def run(*words, by="sato"):
        return CliRunner().invoke(workbench, [*words], env={"WORKBENCH_PERSON": by})

    return run


def refused(result, family=Refused):
    assert isinstance(result.exception, family), (result.output, result.exception)
    return result.exception


def submitted(command, draft, *more, protection="anonymised"):
    return command(
        *("release", "submit", "child-year", "1", "--purpose", "attendance", "--protection", protection),
        *("--bundle", str(draft / "bundle"), "--evidence", str(draft / "evidence"), "--why", "試行", *more),
    )


def voted(command, *, by):
    """A vote that names, by its first letters, the report its voter read."""
    read = json.loads(command("release", "show", "R-1", "--json").output)["report"][:12]
    return command("release", "vote", "R-1", "--vote", "admit", "--report", read, by=by)


def test_from_request_to_catalogue(command, draft, tmp_path):
    assert submitted(command, draft).output.startswith("R-1 child-year 1")
    told = command("release", "report", "R-1").output
    assert "技術的確認" in told
    assert "同じ人々の行を含む公開は、ほかにありません。" in told
    voted(command, by="tanaka")
    assert "審査者 2" in command("release", "show", "R-1").output
    voted(command, by="ito")

    entries = json.loads(command("catalogue", "list", "--json").output)

    assert [(entry["name"], entry["version"], entry["status"]) for entry in entries] == [
        ("child-year", "1", "valid")
    ]
    shown = json.loads(command("catalogue", "show", "child-year@1", "--json").output)
    assert shown["report"]["verdict"] == "pass"
    out = tmp_path / "out"
    shutil.copytree(
        json.loads(command("catalogue", "show", "child-year", "--json").output)["folder"],
        out / "child-year-1",
    )
    verified = command("release", "verify", str(out / "child-year-1")).output
    assert verified.startswith("○")
    assert "計算し直し、すべて一致しました" in verified
    command("catalogue", "revoke", "child-year@1", "--why", "誤り")
    refused(command("release", "verify", str(out / "child-year-1")), Untrusted)
    assert command("registry", "list", "--json").output.strip() == "[]"


def test_a_release_is_prepared_checked_and_refused_by_command(command):
    made = command(
        *("release", "submit", "pseudo", "1", "--purpose", "attendance", "--protection", "pseudonymised"),
        *("--why", "なぜ断られるかを見るため"),
    )
    assert made.output.startswith("R-1 pseudo 1"), made.exception

    result = command("release", "report", "R-1", "--json")

    error = refused(result)
    assert error.exit_code == 10
    assert "仮名加工にとどまります" in error.ja
    assert "anonymised" in error.ja
    assert json.loads(result.output)["verdict"] == "fail"


def test_what_the_request_lacks_is_said(command, draft):
    submitted(command, draft)
    command("release", "report", "R-1")

    shown = json.loads(command("release", "show", "R-1", "--json").output)

    assert "2" in shown["missing"]
    refused(command("release", "vote", "R-1", "--vote", "admit", "--report", "f" * 64, by="sato"))
    refused(command("release", "withdraw", "R-1", by="suzuki"))
    assert "取下げ" in command("release", "withdraw", "R-1", by="sato").output


def test_attack_a_vote_on_whatever_the_report_is_by_now(command, draft):
    """A vote names the report that was read; one that names none, or another, is not taken."""
    submitted(command, draft)
    command("release", "report", "R-1")
    assert command("release", "vote", "R-1", "--vote", "admit", by="tanaka").exit_code == 2

    refused(command("release", "vote", "R-1", "--vote", "admit", "--report", "f" * 64, by="tanaka"))


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["release", "show", "R-9"], 13),
        (["release", "show", "nine"], 2),
        (["catalogue", "show", "nothing"], 13),
        (["catalogue", "show", "nothing@x"], 13),
        (["release", "submit", "a", "1", "--purpose", "attendance", "--why", "x"], 2),
        (
            [
                "release",
                "submit",
                "a",
                "1",
                "--purpose",
                "elsewhere",
                "--protection",
                "anonymised",
                "--why",
                "x",
            ],
            13,
        ),
    ],
)
def test_each_mistake_has_its_exit_code(command, words, code):
    error = refused(command(*words), WorkbenchError)

    assert error.exit_code == code
    assert type(error).__name__ in FAMILIES


def test_drafts_of_the_dead_are_cleared_and_those_of_the_living_are_not(town):
    home = town.office.home
    (home.staging / f"{staging.DRAFT}dead").mkdir()

    with staging.drafting(home) as mine:
        Workflow.open(home, town.office.state)
        assert mine.exists()
    assert not list(home.staging.glob(f"{staging.DRAFT}*"))
