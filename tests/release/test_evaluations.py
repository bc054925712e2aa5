"""Numbers about synthetic rows disclose children: they stay with reviewers, and are counted, limited and logged."""

import json
import threading
from datetime import UTC, datetime

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workbench.audit import Event
from workbench.errors import NotFound, Refused, Untrusted
from workbench.release import checks_synthetic, evaluations, metrics
from workbench.release.findings import Verdict
from workbench.release.split import Part
from workbench.release.staged import DATA
from workbench.release.staged_synthetic import LABEL, Synthetic

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def draft(town):
    return town.prepare(protection="synthetic", name="synthetic-release")


@pytest.fixture
def asked(town, draft):
    return town.submit(draft, protection="synthetic", name="synthetic-release")


def counted(town, subject: str, *, allowed: int = 3, now: datetime = NOW, table: str = "child_year"):
    return evaluations.count(
        town.office.state,
        table=table,
        subject=subject,
        kind="release",
        person="sato",
        allowed=allowed,
        now=now,
    )


def test_the_report_that_leaves_holds_verdicts_and_no_number(town, asked):
    """An analyst reads the report of what was admitted; a number in it would be a number about the children."""
    report = town.office.workflow.report(asked)

    told = {finding["check"]: finding for finding in report["findings"]}
    assert all(told[check]["numbers"] == {} for check in ("copies", "attacks", "membership", "fidelity"))
    assert report["headline"] == []
    assert not {"fidelity", "usefulness", "disclosure"} & report.keys()
    assert all(question["numbers"] == {} for question in report["wp29"])


def test_reviewers_read_the_numbers_and_it_is_logged(town, asked):
    office = town.office
    report = office.workflow.report(asked)
    found = office.workflow.find(asked)

    measured, page = metrics.read(found, home=office.home, state=office.state, person="sato")

    assert measured["disclosure"]["attacks"]
    assert set(measured["usefulness"]) <= set(town.room.targets)
    assert "審査者用" in page.read_text()
    assert report["provenance"]["metrics"]
    records: list = []
    office.state.verify(keep=records.append)
    assert [r["details"]["request"] for r in records if r["event"] == Event.METRICS_READ] == [asked]


def test_attack_an_analyst_reads_the_numbers(town, asked):
    office = town.office
    office.workflow.report(asked)

    with pytest.raises(Refused):
        metrics.read(office.workflow.find(asked), home=office.home, state=office.state, person="mori")


def test_attack_the_numbers_are_changed_after_the_report(town, asked):
    office = town.office
    office.workflow.report(asked)
    found = office.workflow.find(asked)
    path = found.evidence(office.home) / metrics.FILE
    path.write_bytes(path.read_bytes().replace(b'"lost":[', b'"lost":["x",', 1))

    with pytest.raises(Untrusted):
        metrics.read(found, home=office.home, state=office.state, person="sato")


def test_a_request_without_numbers_says_so(town, asked):
    office = town.office
    with pytest.raises(NotFound):
        metrics.read(office.workflow.find(asked), home=office.home, state=office.state, person="sato")


def test_attack_metrics_are_asked_for_again_and_again(town, draft):
    """Tables of the attacker's own making, each a question: refused beyond the policy's number."""
    office = town.office
    for number in range(office.workflow.policy["evaluations_per_table"]):
        evaluations.count(
            office.state,
            table="child_year",
            subject=f"{number}",
            kind="release",
            person="sato",
            allowed=office.workflow.policy["evaluations_per_table"],
            now=office.workflow.clock(),
        )
    request = town.submit(draft, protection="synthetic", name="synthetic-release")

    with pytest.raises(Refused) as refused:
        office.workflow.report(request)

    assert "evaluations_per_table" in refused.value.ja
    assert not (office.workflow.find(request).evidence(office.home) / metrics.FILE).exists()


def test_the_same_table_again_says_nothing_new_and_is_not_counted_again(town):
    assert [counted(town, subject).used for subject in ("a", "a", "b", "a")] == [1, 1, 2, 2]


def test_each_fiscal_year_and_each_table_has_its_own_number(town):
    for subject in "abc":
        counted(town, subject)
    with pytest.raises(Refused):
        counted(town, "d")

    assert counted(town, "d", now=datetime(2027, 4, 1, tzinfo=UTC)).used == 1
    assert counted(town, "d", table="other").used == 1
    assert evaluations.fiscal_year(datetime(2027, 3, 31, tzinfo=UTC)) == 2026


def test_attack_many_ask_at_once_for_the_last_evaluation(town):
    together, passed = threading.Barrier(8), []

    def ask(number: int) -> None:
        together.wait()
        try:
            passed.append(counted(town, f"{number}"))
        except Refused:
            return

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(one.used for one in passed) == [1, 2, 3]


def test_attack_a_bootstrap_of_rows_is_handed_in_as_synthetic(town, draft):
    """Rows drawn again with repetition look perfectly faithful, and every one is a child."""
    staged = Synthetic(draft / "bundle", draft / "evidence", town.room)
    for part in (Part.TRAIN, Part.TEST):
        made = staged.bounded(part).sample(len(staged.made[part]), replace=True, random_state=1)
        table = pa.Table.from_pandas(made[staged.names], preserve_index=False).replace_schema_metadata(LABEL)
        pq.write_table(table, draft / "bundle" / DATA[part])

    request = town.submit(draft, protection="synthetic", name="synthetic-release")
    report = town.office.workflow.report(request)

    verdicts = {finding["check"]: finding["verdict"] for finding in report["findings"]}
    assert report["verdict"] == "fail"
    assert {verdicts["copies"], verdicts["attacks"], verdicts["membership"]} == {"fail"}
    json.dumps(report)


def planted(draft, part, rows, staged):
    table = pa.Table.from_pandas(rows[staged.names], preserve_index=False).replace_schema_metadata(LABEL)
    pq.write_table(table, draft / "bundle" / DATA[part])


def test_attack_real_rows_in_the_file_that_is_tested_on(town, draft):
    """Half of the release is a file of its own, and whoever reads one reads the other."""
    staged = Synthetic(draft / "bundle", draft / "evidence", town.room)
    planted(draft, Part.TEST, staged.bounded(Part.TRAIN), staged)

    changed = Synthetic(draft / "bundle", draft / "evidence", town.room)

    assert checks_synthetic.copies(staged).verdict is not Verdict.FAIL
    assert checks_synthetic.copies(changed).verdict is Verdict.FAIL


@pytest.mark.parametrize("kind", ["held out", "of everybody", "of the tested year"])
def test_attack_copies_of_children_who_were_not_learnt_from(town, draft, kind):
    """One row in ten is some child's; that the control stands there as well as the source makes none of them safe."""
    staged = Synthetic(draft / "bundle", draft / "evidence", town.room)
    real = {
        "held out": staged.comparable(staged.control),
        "of everybody": pd.concat([staged.comparable(staged.control), staged.bounded(Part.TRAIN)]),
        "of the tested year": staged.bounded(Part.TEST),
    }[kind]
    made = staged.made[Part.TRAIN]
    stolen = real.sample(len(made) // 10, replace=True, random_state=1)
    planted(draft, Part.TRAIN, pd.concat([made.iloc[len(stolen) :], stolen]), staged)

    changed = Synthetic(draft / "bundle", draft / "evidence", town.room)

    assert checks_synthetic.copies(changed).verdict is Verdict.FAIL


def test_attack_everybody_held_out_stands_in_the_table(town, draft):
    staged = Synthetic(draft / "bundle", draft / "evidence", town.room)
    real = staged.comparable(staged.control)
    planted(
        draft, Part.TRAIN, real.sample(len(staged.made[Part.TRAIN]), replace=True, random_state=1), staged
    )

    changed = Synthetic(draft / "bundle", draft / "evidence", town.room)

    assert checks_synthetic.membership(changed).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM evaluations WHERE subject = 'a'",
        "UPDATE evaluations SET year = year - 1 WHERE subject = 'a'",
        'INSERT INTO evaluations ("table", year, subject, kind, person, at) '
        "VALUES ('child_year', 2026, 'x', 'release', 'sato', 'now')",
    ],
)
def test_attack_a_count_of_evaluations_that_is_not_the_logs(town, change):
    """Whoever reaches the database and takes a row away could measure again; each is held against the log."""
    state = town.office.state
    for subject in ("a", "b", "a"):
        counted(town, subject)
    records: list = []
    state.verify(keep=records.append)
    assert evaluations.otherwise(state, records) == []

    with state.engine.begin() as connection:
        connection.exec_driver_sql(change)

    assert evaluations.otherwise(state, records) == ["child_year"]
