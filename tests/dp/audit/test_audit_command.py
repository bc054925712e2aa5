"""`workbench data audit-dp` shows what was found, in both languages and as JSON, and its exit code tells."""

import json

import pytest
from click.testing import CliRunner

from workbench.cli.data_audit_dp import audit_dp
from workbench.errors import Unprotected
from workbench.privacy.dp.audit import battery
from workbench.privacy.dp.audit.distinguisher import Normal, Pure

SOUND = [
    battery.finding("draw laplace", Pure(1.0), 0.9),
    battery.finding("draw gaussian", Normal(0.5), 0.4),
    battery.finding("question groups(item=note)", Pure(1.0, 1e-8), 0.0, neighbours=95, reached=1.0),
]
BROKEN = battery.finding("question sum(item=score)", Pure(1.0), 0.0, faults=("sensitivity",))


@pytest.fixture
def run(monkeypatch):
    def run(findings, *arguments, language="en"):
        monkeypatch.setattr(battery, "audit", lambda **_: iter(findings))
        monkeypatch.setenv("WORKBENCH_LANG", language)
        return CliRunner().invoke(audit_dp, arguments)

    return run


@pytest.mark.parametrize(("language", "verdict"), [("ja", "合格"), ("en", "holds")])
def test_the_table_has_a_line_for_each_finding(run, language, verdict):
    shown = run(SOUND, language=language)

    lines = shown.stdout.splitlines()
    assert shown.exit_code == 0
    assert sum(line.endswith(verdict) for line in lines) == len(SOUND)
    assert "ε 1, δ 1e-08" in shown.stdout
    assert "ρ 0.5" in shown.stdout


def test_what_is_broken_is_named_and_raises(run):
    shown = run([*SOUND, BROKEN])

    assert isinstance(shown.exception, Unprotected)
    assert "BROKEN sensitivity" in shown.stdout
    assert "sum(item=score)" in str(shown.exception)


def test_json_has_every_number(run):
    told = json.loads(run([*SOUND, BROKEN], "--json").stdout)

    assert not told["holds"]
    assert [finding["holds"] for finding in told["findings"]] == [True, True, True, False]
    assert told["findings"][2]["reached"] == 1.0
