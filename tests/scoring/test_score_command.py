"""`workbench score`, as an operator types it: its result, its exit codes, its record in the log."""

import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from workbench.artifact.keys import KeyRing
from workbench.artifact.manifest import read
from workbench.artifact.revocations import Revocations
from workbench.artifact.signing import sign
from workbench.artifact.trust import ADMITTERS
from workbench.audit import Event
from workbench.cli import main
from workbench.governance.people import People, Person, Role
from workbench.home import Home
from workbench.state import State

# The scoring stage's installation: whatever it does not install cannot be imported.
PROGRAM = """
import sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"pandas", "sklearn", "scipy", "sqlalchemy", "matplotlib", "IPython", "jinja2", "yaml"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, NotInstalled())
from workbench.cli import main
main()
"""
RECORDS = "child_id,sex,grade,absent_days,registered\n" + "".join(
    f"c{place},male,{grade},{days},no\n"
    for place, (grade, days) in enumerate([(8, 30), (1, 0), (2, 1), (2, 2), (2, 3)])
)


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run(monkeypatch, capsys):
    """Type a command; what it prints and its exit code."""
    monkeypatch.setenv("WORKBENCH_LANG", "en")

    def type_in(*arguments):
        monkeypatch.setattr(sys, "argv", ["workbench", "score", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as leaving:
            code = leaving.code
        return Done(code, *capsys.readouterr())

    return type_in


@pytest.fixture
def stage(office, candidate_files, tmp_path):
    """A scoring stage: a bundle, records, pinned keys and a list of revocations, as files."""
    bundle = office.admit(candidate_files)
    (tmp_path / "trusted.json").write_bytes(office.trusted.to_json())
    (tmp_path / "records.csv").write_text(RECORDS)
    issue(office, tmp_path / "revocations.json", Revocations.none_yet(home="home", now=datetime.now(UTC)))
    return tmp_path, bundle


def issue(office, path, revocations):
    path.write_bytes(sign(revocations.statement(), [office.ring.signer(ADMITTERS[0])]))


def arguments(folder, bundle, **changed):
    named = {
        "purpose": "school-support",
        "trust": folder / "trusted.json",
        "revocations": folder / "revocations.json",
        **changed,
    }
    options = [part for name, value in named.items() if value is not None for part in (f"--{name}", value)]
    return [bundle, folder / "records.csv", "-o", folder / "out", *options]


def test_the_scoring_stage_needs_neither_pandas_nor_a_home(stage):
    folder, bundle = stage
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "score", *map(str, arguments(folder, bundle)), "--json"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["candidates"] == 1
    assert {path.name for path in (folder / "out").iterdir()} == {
        "candidates.csv",
        "not_scored.csv",
        "batch.json",
    }


def test_each_refusal_has_its_exit_code_and_one_sentence(stage, run):
    folder, bundle = stage
    refusals = {
        "wrong purpose": (arguments(folder, bundle, purpose="other"), 10),
        "expired": ([*arguments(folder, bundle), "--as-of", "2999-01-01"], 11),
        "no list of revocations": (arguments(folder, bundle, revocations=None), 2),
        "records that are not there": ([bundle, folder / "none.csv", *arguments(folder, bundle)[2:]], 13),
    }
    for name, (typed, code) in refusals.items():
        done = run(*typed)
        assert (name, done.returncode) == (name, code)
        assert len(done.stderr.strip().splitlines()) == 1

    (folder / "records.csv").write_text(RECORDS.replace(",30,", ",999,"))
    assert run(*arguments(folder, bundle)).returncode == 12
    path = bundle / "model" / "model.json"
    path.write_text(path.read_text().replace("900", "901"))
    assert run(*arguments(folder, bundle)).returncode == 11
    assert not (folder / "out").exists()


@pytest.mark.parametrize("where", ["reference", "header", "extra"])
def test_attack_individual_numbers_reach_the_list_of_candidates(stage, run, where):
    """As the children's reference, as a header, in a column that the model does not ask for."""
    from workbench.data.individual_number import check_digit

    folder, bundle = stage
    number = "12345678901" + check_digit("12345678901")
    header, *rows = RECORDS.strip().splitlines()
    changed = {
        "reference": [header, *(f"{number},{row.partition(',')[2]}" for row in rows)],
        "header": [f"{header},{number}", *(f"{row},x" for row in rows)],
        "extra": [f"{header},memo", *(f"{row},{number}" for row in rows)],
    }[where]
    (folder / "records.csv").write_text("\n".join(changed) + "\n")

    done = run(*arguments(folder, bundle))

    assert done.returncode == 12
    assert number not in done.stdout + done.stderr
    assert not (folder / "out").exists()


def test_a_revoked_model_stays_revoked_when_an_older_list_is_shown(stage, office, run):
    folder, bundle = stage
    older = (folder / "revocations.json").read_bytes()
    now = datetime.now(UTC)
    newer = Revocations.none_yet(home="home", now=now).revoking(read(bundle).digest, reason="drift", now=now)
    issue(office, folder / "revocations.json", newer)
    assert run(*arguments(folder, bundle)).returncode == 11

    (folder / "revocations.json").write_bytes(older)
    assert run(*arguments(folder, bundle)).returncode == 11


def test_in_a_home_the_batch_is_in_the_log(office, candidate_files, tmp_path, run):
    home = Home.create(tmp_path / "home", seed=1)
    ring = KeyRing.of(home)
    for owner in ADMITTERS:
        ring.create(owner)
    bundle = type(office)(tmp_path, ring).admit(candidate_files)
    (tmp_path / "records.csv").write_text(RECORDS)
    typed = [bundle, tmp_path / "records.csv", "--home", home.path, "-o"]

    refused = run(*typed, tmp_path / "no", "--purpose", "other")
    done = run(*typed, tmp_path / "out", "--purpose", "school-support")

    assert (refused.returncode, done.returncode) == (10, 0), done.stderr
    events = [(record["event"], record["details"]) for record in State.open(home).log.records()]
    assert [name for name, _ in events][-2:] == [Event.BATCH_REFUSED, Event.BATCH_SCORED]
    assert events[-1][1]["model"] == read(bundle).digest
    assert events[-1][1]["flagged"] == 1


def test_attack_a_file_of_keys_lets_a_demonstration_into_a_home(stage, tmp_path, run):
    """A home trusts its own keys; keys in a file, of a demonstration or of anybody, are not heard beside it."""
    folder, bundle = stage
    home = Home.create(tmp_path / "real")
    ring = KeyRing.of(home)
    for owner in ADMITTERS:
        ring.create(owner)

    assert run(*arguments(folder, bundle), "--home", home.path).returncode == 2
    assert run(*arguments(folder, bundle, trust=None, revocations=None), "--home", home.path).returncode == 11
    assert not (folder / "out").exists()


@pytest.fixture
def house(office, candidate_files, tmp_path):
    """A home with a manager and a coordinator, a bundle its keys admitted, and records."""
    home = Home.create(tmp_path / "home", seed=1)
    ring = KeyRing.of(home)
    for owner in ADMITTERS:
        ring.create(owner)
    bundle = type(office)(tmp_path, ring).admit(candidate_files)
    (tmp_path / "records.csv").write_text(RECORDS)
    people = People(State.open(home))
    people.add(Person("mori", "Mori", Role.MANAGER, "企画課"))
    people.add(Person("sato", "Sato", Role.COORDINATOR, "企画課"), actor="mori")
    return home, [bundle, tmp_path / "records.csv", "--home", home.path, "--purpose", "school-support"]


def test_in_a_home_only_who_may_scores_and_the_log_names_them(house, run, tmp_path):
    home, typed = house
    for by, code in ((["--by", "mori"], 10), (["--by", "stranger"], 13), ([], 10)):
        assert run(*typed, "-o", tmp_path / "no", *by).returncode == code
    assert not (tmp_path / "no").exists()

    done = run(*typed, "-o", tmp_path / "out", "--by", "sato")
    refused = run(*typed, "-o", tmp_path / "two", "--by", "sato", "--purpose", "other")

    assert (done.returncode, refused.returncode) == (0, 10), done.stderr
    last = State.open(home).log.records()[-2:]
    assert [(record["event"], record["actor"]) for record in last] == [
        (Event.BATCH_SCORED, "sato"),
        (Event.BATCH_REFUSED, "sato"),
    ]


def test_a_day_that_has_passed_is_refused(stage, run):
    folder, bundle = stage

    done = run(*arguments(folder, bundle), "--as-of", "2020-01-01")

    assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1)
    assert not (folder / "out").exists()
