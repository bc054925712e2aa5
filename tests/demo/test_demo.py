"""The demonstration shows every step, refuses what it must, and goes on where it was cut."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from workbench.data.constraints import broken, constraints_of, within
from workbench.data.register import Register
from workbench.demo.journal import Journal, Step, clear
from workbench.demo.journey import refused
from workbench.demo.steps import STEPS
from workbench.errors import Refused
from workbench.home import Home
from workbench.lab.opening import open_session
from workbench.lab.run import run_notebook
from workbench.release.staged_synthetic import LABEL
from workbench.state import State

ROOT = Path(__file__).parents[2]
PROGRAM = Path(sys.executable).with_name("workbench")
RELEASED = ("child-tables", "child-year", "child-year-synthetic")


def figures(shown, step):
    return shown[1]["steps"][step]["figures"]


def test_every_step_ran(shown):
    assert sorted(shown[1]["steps"]) == sorted(step.id for step in STEPS)


def test_linking_is_as_good_as_it_must_be(shown):
    linked = figures(shown, "linking")

    assert linked["recall"] >= 0.98
    assert linked["precision"] >= 0.997


def test_three_releases_are_admitted_and_the_pseudonymised_one_is_refused_with_a_remedy(shown):
    assert sorted(one["name"] for one in figures(shown, "review")["admitted"]) == sorted(RELEASED)
    fourth = figures(shown, "release:pseudonymised")
    assert fourth["verdict"] == "fail"
    assert fourth["failed"][0]["check"] == "pseudonymised"
    assert fourth["failed"][0]["remedy"]["ja"]


def test_the_anonymised_release_holds_k_in_children_and_in_households(shown):
    headline = figures(shown, "release:anonymised")["headline"]

    assert headline["k_children"] >= 5
    assert headline["k_households"] >= 5
    groups = figures(shown, "release:anonymised")["suppression"]["groups"]
    assert all(group["rate"] is None or group["rate"] <= 0.05 for group in groups)


def test_no_synthetic_child_is_one_that_cannot_be(shown):
    """No preschooler with days absent, none on public assistance whose poverty is asked: the register says so."""
    register = Register.load(ROOT / "datasets/synthetic/register.yaml")
    constraints = constraints_of(register["child_year"].constraints)
    made = [
        pd.read_parquet(path)
        for path in (shown[0] / "catalogue").glob("*/data/*.parquet")
        if LABEL.items() <= (pq.read_schema(path).metadata or {}).items()
    ]

    assert len(made) == 2
    for rows in made:
        held = within(constraints, items=list(rows.columns))
        assert len(held) == len(constraints) >= 8
        assert not broken(rows, constraints=held).any()


@pytest.mark.parametrize(
    ("step", "codes"),
    [
        ("intake", [10]),
        ("review", [10, 10, 10]),
        ("model", [10, 10]),
        ("scoring", [11, 11, 11, 11, 10, 12, 12]),
    ],
)
def test_what_must_be_refused_was_tried_and_refused(shown, step, codes):
    assert [one["exit_code"] for one in figures(shown, step)["refused"]] == codes


def test_the_candidates_carry_reasons_and_ask_for_a_person(shown):
    with open(figures(shown, "scoring")["out"], encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))

    assert rows
    assert {row["requires_human_assessment"] for row in rows} == {"true"}
    assert all(row["reasons_ja"] and row["reasons_en"] for row in rows)
    assert not {"decision", "action"} & set(rows[0])


def test_the_tiny_city_says_too_few_instead_of_noise(shown):
    page = Path(shown[1]["page"]).read_text()

    assert "少なすぎて示せません" in page
    assert "too few to show" in page


def test_a_demonstration_bundle_verifies_nowhere_else(shown, tmp_path):
    """Attack: what a demonstration admitted is passed off as real."""
    from datetime import UTC, datetime

    from workbench.artifact.keys import KeyRing
    from workbench.artifact.store import Store
    from workbench.artifact.trust import ADMITTERS, Trusted
    from workbench.artifact.verifying import verify_bundle
    from workbench.errors import Untrusted

    real = KeyRing.of(Home.create(tmp_path / "real"))
    for owner in ADMITTERS:
        real.create(owner)
    store = Store(Home.open(shown[0]).catalogue)
    for digest in store.digests():
        with pytest.raises(Untrusted):
            verify_bundle(store.path(digest), trusted=Trusted.of(real), now=datetime.now(UTC))


def test_running_it_again_does_nothing_twice(shown):
    before = sorted(path.name for path in (shown[0] / "catalogue").iterdir())
    line = [str(PROGRAM), "demo", "--json", "--home", str(shown[0])]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["steps"] == shown[1]["steps"]
    assert sorted(path.name for path in (shown[0] / "catalogue").iterdir()) == before


def test_the_officers_notebook_runs_in_the_sandbox(shown):
    home = Home.open(shown[0])
    content = (ROOT / "notebooks/05_officer.ipynb").read_bytes()

    with open_session(home, State.open(home), analyst="demo-analyst", project="kodomo-mimamori") as session:
        session.acknowledge(how="command")
        done = run_notebook(content, session, name="05_officer.ipynb")

    assert any(
        output.output_type == "display_data" for cell in done.cells for output in cell.get("outputs", [])
    )


def test_no_raw_value_is_in_what_was_admitted(shown):
    """Attack: look for the names and numbers of the extracts in every admitted file."""
    home = Home.open(shown[0])
    names = (home.staging / "demonstration/extracts").glob("resident.csv")
    with next(names).open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row, _ in zip(csv.DictReader(file), range(300), strict=False)]
    values = {row[column].encode() for row in rows for column in ("宛名番号", "氏名", "世帯番号")}
    for shelf in (home.catalogue, home.registry):
        for path in shelf.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                assert not any(value in content for value in values), path.name


def test_a_step_that_should_be_refused_and_is_not_stops_the_demonstration():
    with pytest.raises(Refused):
        refused("nothing", lambda: None)


def test_a_real_home_is_never_cleared(tmp_path):
    Home.create(tmp_path / "home")

    with pytest.raises(Refused):
        Journal.open(tmp_path / "home", seed=1, made_of={})


def test_a_folder_of_something_else_is_never_cleared(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")

    with pytest.raises(Refused):
        clear(tmp_path)

    assert (tmp_path / "thesis.txt").exists()


def test_what_a_kill_left_without_its_marker_is_cleared(tmp_path):
    home = Home.create(tmp_path / "home", seed=1)
    (home.path / "candidates").mkdir()
    for name in ("failures.log", "state.db-wal"):
        (home.path / name).write_text("x")
    (home.path / "home.json").unlink()

    assert Journal.open(home.path, seed=1, made_of={}).steps() == {}
    assert not (home.path / "candidates").exists()


def test_another_profile_starts_clean(tmp_path):
    journal = Journal.open(tmp_path / "home", seed=1, made_of={"profile": "tiny"})
    journal.write({"city": {"seconds": 1, "figures": {}}})

    again = Journal.open(tmp_path / "home", seed=1, made_of={"profile": "city"})

    assert again.steps() == {}


def test_a_finished_step_does_not_run_again(tmp_path):
    ran = []
    step = Step("one", "一", "one", lambda _: ran.append(1) or {})
    for _ in range(2):
        journal = Journal.open(tmp_path / "home", seed=1, made_of={})
        journal.run([step], journey=None, tell=lambda *_: None)

    assert ran == [1]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_attack_killed_again_and_again_it_ends_as_if_never_stopped(shown, tmp_path):
    """kill -9 at moments spread over the whole run; the catalogue's digests are those of an unbroken run."""
    home = tmp_path / "home"
    line = [str(PROGRAM), "demo", "--json", "--home", str(home)]
    for wait in (3, 8, 15, 22, 30, 6, 18, 12):
        run = subprocess.Popen(
            line, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(wait)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()

    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr[-2000:]
    steps = json.loads(done.stdout)["steps"]
    assert steps["review"]["figures"]["admitted"] == figures(shown, "review")["admitted"]
    assert steps["model"]["figures"]["digest"] == figures(shown, "model")["digest"]
