"""Synthetic releases with differential privacy: charged before, within the public domain, said of in words."""

import json
from dataclasses import replace
from importlib import import_module

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from workbench.cli import workbench
from workbench.cli.release import method_for
from workbench.cli.synthesisers import METHODS
from workbench.errors import NotFound, Refused, Unusable
from workbench.privacy.dp.ledger import Ledger
from workbench.privacy.dp.loss import FEMTO, MICRO
from workbench.privacy.synthesis.columns import bounded
from workbench.privacy.synthesis.synthesisers import SYNTHESISERS, loss_within
from workbench.release import checks_promise
from workbench.release.findings import Verdict
from workbench.release.split import Part
from workbench.release.staged import SECRET
from workbench.release.staged_synthetic import Synthetic

ANALYST = "release:made@1"
preparer = import_module("workbench.release.prepare.synthetic")


@pytest.fixture
def budget(town):
    ledger = Ledger(town.office.state)
    ledger.grant("child-year-raw", micro=1 * MICRO, femto=int(1e-6 * FEMTO), granted_by="sato")
    return ledger


def prepare(town, **wanted):
    return town.prepare(
        protection="synthetic", name="made", **{"method": "dp-tree", "epsilon": 1.0, **wanted}
    )


def staged(town, folder) -> Synthetic:
    return Synthetic(folder / "bundle", folder / "evidence", town.room)


def rows(folder, part="train") -> pd.DataFrame:
    return pq.read_table(folder / f"bundle/data/{part}.parquet").to_pandas(ignore_metadata=True)


def test_the_loss_is_charged_once_and_whole(town, budget):
    folder = prepare(town)

    assert budget.losses("child-year-raw", analyst=ANALYST) == {loss_within(1.0): 1}
    assert checks_promise.promised(staged(town, folder)).verdict is Verdict.PASS
    assert "ε=1.0" in checks_promise.guarantee(staged(town, folder))["sentence"]["ja"]


def test_rows_lie_within_the_register(town, budget):
    made = staged(town, prepare(town))

    for part in Part.TRAIN, Part.TEST:
        frame = made.made[part]
        again = bounded(frame, columns=made.columns)
        assert all(again[name].isna().equals(frame[name].isna()) for name in made.columns)
        assert all((again[name].dropna() == frame[name].dropna()).all() for name in made.columns)
        assert len(frame) > 0


def test_without_a_budget_nothing_is_learnt(town, monkeypatch):
    monkeypatch.setattr(preparer, "learnt", lambda *_, **__: pytest.fail("the table was read"))

    with pytest.raises(NotFound):
        prepare(town)


def test_beyond_the_budget_nothing_is_learnt_and_nothing_charged(town, budget, monkeypatch):
    monkeypatch.setattr(preparer, "learnt", lambda *_, **__: pytest.fail("the table was read"))

    with pytest.raises(Refused):
        prepare(town, epsilon=1.5)

    assert not budget.losses("child-year-raw", analyst=ANALYST)


def test_attack_a_synthesis_that_fails_is_for_nothing(town, budget, monkeypatch):
    """Were a failure free, whoever makes it fail late enough would learn from when it does."""

    def failing(*_, **__):
        raise Unusable(ja="失敗", en="failed")

    monkeypatch.setattr(preparer, "write_labelled", failing)
    with pytest.raises(Unusable):
        prepare(town)

    assert budget.losses("child-year-raw", analyst=ANALYST) == {loss_within(1.0): 1}


def test_attack_the_number_of_rows_is_that_of_the_source(town, budget):
    """How many children there are is a fact about them, too."""
    folder = prepare(town)
    real = staged(town, folder).real

    counts = {part: len(rows(folder, str(part))) for part in real}

    assert counts != {part: len(frame) for part, frame in real.items()}
    share = town.room.project.test_share
    assert counts[Part.TEST] == round(counts[Part.TRAIN] * share / (1 - share))


def test_attack_a_promise_that_was_not_paid_for(town, budget):
    folder = prepare(town)
    path = folder / "evidence" / SECRET
    secret = json.loads(path.read_bytes())
    for change in ({"epsilon": "0.1"}, {"loss": loss_within(0.5).to_json()}):
        path.write_text(json.dumps({**secret, "promise": {**secret["promise"], **change}}))

        assert checks_promise.promised(staged(town, folder)).verdict is Verdict.FAIL


def test_without_differential_privacy_the_report_says_that_nothing_is_promised(town):
    folder = prepare(town, method="gaussian-copula")

    told = checks_promise.guarantee(staged(town, folder))
    assert told["kind"] == "none"
    assert "保証はありません" in told["sentence"]["ja"]


def test_a_demonstration_makes_the_same_rows_again(town, budget):
    pd.testing.assert_frame_equal(rows(prepare(town, epsilon=0.5)), rows(prepare(town, epsilon=0.5)))


def test_an_unknown_method_is_not_found(town):
    with pytest.raises(NotFound):
        prepare(town, method="magic")


def test_targets_may_be_named(town, budget, monkeypatch):
    seen = []
    fit = preparer.fit
    monkeypatch.setattr(preparer, "fit", lambda name, task: seen.append(task) or fit(name, task))

    prepare(town, targets=("welfare",))

    assert list(seen[0].targets) == ["welfare"]
    assert np.isfinite(seen[0].loss.amount)


# ------------------------------------------------------------------ the command


@pytest.fixture
def command(town, monkeypatch):
    home = town.office.home
    town.office.state.close()
    monkeypatch.setenv("WORKBENCH_HOME", str(home.path))

    def run(*words):
        return CliRunner().invoke(workbench, [*words], env={"WORKBENCH_PERSON": "sato"}, color=True)

    return run


def test_the_command_names_every_synthesiser():
    assert tuple(SYNTHESISERS) == METHODS


def test_what_promises_nothing_is_red(command):
    told = command("release", "synthesisers").output

    for name, one in SYNTHESISERS.items():
        stands = next(line for line in told.splitlines() if line.startswith(name))
        assert ("\x1b[31m" in stands) is not one.is_private


@pytest.mark.parametrize(("method", "red"), [("dp-tree", False), ("gaussian-copula", True)])
def test_choosing_a_method_without_a_guarantee_says_so_in_red(town, budget, command, method, red):
    result = command(
        *("release", "submit", "made", "1", "--purpose", "attendance", "--protection", "synthetic"),
        *("--method", method, "--targets", "welfare, absent_30d", "--epsilon", "0.5", "--why", "試行"),
    )

    assert "R-1 made 1" in result.output, result.exception
    assert ("\x1b[31m" in result.stderr) is red


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        ((None, 0.5), "dp-tree"),
        ((None, None), "gaussian-copula"),
        (("aim", 0.5), "aim"),
        (("ctgan", None), "ctgan"),
    ],
)
def test_who_names_an_epsilon_is_offered_a_guarantee(asked, made):
    method, epsilon = asked

    assert method_for(method, epsilon=epsilon) == made


@pytest.mark.parametrize("method", ["ctgan", "tvae", "aim"])
def test_a_missing_extra_is_said_and_how_to_get_it(town, budget, monkeypatch, method):
    for module in ("sdv", "aim"):
        monkeypatch.setattr(f"workbench.privacy.synthesis.{module}.find_spec", lambda _: None)
    # A demonstration cannot repeat AIM, which is said before the extra is looked for.
    with pytest.raises(Unusable) as refusal:
        prepare(town, method=method)

    assert "workbench[neural]" in refusal.value.en or "demonstration" in refusal.value.en


@pytest.mark.parametrize(
    "wanted", [{"protection": "dp_tables"}, {"protection": "synthetic", "method": "dp-tree"}]
)
def test_attack_a_year_that_one_household_decides(town, wanted):
    """Without a public period the table's last one is tested on; a promise to every household is refused."""
    from workbench.governance.charter import Projects

    projects = Projects(town.office.state)
    projects.store(replace(projects.get("attendance"), test_period=None), actor="sato")

    with pytest.raises(Refused, match="test_period"):
        town.prepare(**wanted)
