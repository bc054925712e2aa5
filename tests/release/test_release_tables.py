"""Differentially private tables and synthetic rows: prepared, checked, and attacked around the mechanism."""

import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workbench.errors import Refused, Unusable
from workbench.privacy.anonymity import hierarchies
from workbench.privacy.anonymity.hierarchies import Origin
from workbench.privacy.dp.ledger import Ledger
from workbench.privacy.dp.questions import MICRO
from workbench.release.split import Part
from workbench.release.staged_synthetic import LABEL, Synthetic


def verdicts(report):
    return {finding["check"]: finding["verdict"] for finding in report["findings"]}


@pytest.fixture
def budget(town):
    ledger = Ledger(town.office.state)
    ledger.grant("child-year-raw", micro=2 * MICRO, granted_by="sato")
    return ledger


@pytest.fixture
def tables(town, budget):
    wanted = [("absent_30d", None), ("absent_days", "sex")]
    return town.prepare(protection="dp_tables", name="child-tables", tables=wanted, epsilon=0.6)


def checked(town, folder, protection):
    return town.report(folder, protection=protection, name=f"{protection.replace('_', '-')}-release")


def test_private_tables_pass_and_are_charged(town, tables, budget):
    report = checked(town, tables, "dp_tables")

    assert set(verdicts(report).values()) == {"pass"}, verdicts(report)
    assert budget.balance("child-year-raw").remaining == 1_400_000
    assert [table["epsilon"] for table in report["tables"]] == [0.3, 0.3]


def test_three_tables_for_one_epsilon_cost_no_more_than_it(town, budget):
    """A third, rounded up three times, would be more than was asked for."""
    wanted = [("absent_30d", None), ("absent_days", "sex"), ("absent_days", None)]
    town.prepare(protection="dp_tables", name="child-tables", tables=wanted, epsilon=1)

    assert budget.balance("child-year-raw").remaining >= MICRO


def test_a_table_opens_in_excel(tables):
    content = (tables / "bundle/tables/02.csv").read_bytes()

    assert content.startswith(b"\xef\xbb\xbfsex,absent_days,count\r\n")


def test_tables_beyond_the_budget_are_refused_and_nothing_is_written_of_them(town, budget):
    with pytest.raises(Refused):
        town.prepare(protection="dp_tables", name="child-tables", tables=[("absent_30d", None)], epsilon=3.0)


def test_attack_a_cell_appears_because_of_one_child(town, tables):
    path = tables / "bundle/tables/01.csv"
    path.write_bytes(path.read_bytes() + "別の区分,1\r\n".encode())

    assert verdicts(checked(town, tables, "dp_tables"))["public_cells"] == "fail"


def test_attack_the_price_on_the_label_is_lowered(town, tables):
    """Tables that say they cost more than was charged were not paid for."""
    path = tables / "bundle/tables.json"
    listed = json.loads(path.read_bytes())
    listed["tables"][0]["epsilon_micro"] *= 3
    path.write_text(json.dumps(listed))

    assert verdicts(checked(town, tables, "dp_tables"))["charged"] == "fail"


def change_questions(folder, **changes):
    path = folder / "bundle/questions.json"
    published = json.loads(path.read_bytes())
    path.write_text(json.dumps(published | changes))


def test_what_may_be_asked_is_the_registers(tables):
    published = json.loads((tables / "bundle/questions.json").read_bytes())

    assert published["numbers"]["absent_days"] == {"minimum": 0, "maximum": 250, "whole": True}
    assert published["open"] == ["es_district"]
    assert not {"child_id", "household_id", "fy"} & {*published["items"], *published["numbers"]}


@pytest.mark.parametrize(
    "changes",
    [
        {"numbers": {"absent_days": {"minimum": 0, "maximum": 31, "whole": True}}},
        {"numbers": {"sex": {"minimum": 0, "maximum": 1}}},
        {"open": ["child_id"]},
        {"open": ["household_id"]},
        {"open": ["hh_type"]},
        {"open": ["only_for_care"]},
    ],
)
def test_attack_bounds_are_read_off_the_data_or_identifiers_are_offered(town, tables, changes):
    """The largest value of the table as a bound tells it exactly; an identifier as a key tells who is there."""
    change_questions(tables, **changes)

    assert verdicts(checked(town, tables, "dp_tables"))["registered"] == "fail"


@pytest.mark.parametrize(
    "wanted", [{"protection": "dp_tables"}, {"protection": "synthetic", "method": "dp-tree"}]
)
def test_attack_cuts_that_were_read_off_the_data(town, budget, wanted):
    """Where a tenth of the families lies is no public category: a ladder that says so is refused."""
    steps = [{"edges": [140, 230], "labels": ["under 140", "140-229", "230 or more"]}]
    declared = hierarchies.from_ladder("eq_income", [*steps, {"edges": [], "labels": ["*"], "missing": "*"}])
    read_off = replace(declared, origin=Origin(public=False, ja="値から", en="from the values"))

    with pytest.raises(Refused, match="eq_income"):
        town.prepare(name="child-private", hierarchies={"eq_income": read_off}, epsilon=0.5, **wanted)
    assert budget.balance("child-year-raw").remaining == 2 * MICRO


@pytest.mark.parametrize("epsilon", [float("nan"), float("inf"), 0.0, -1.0])
def test_attack_an_epsilon_that_is_no_price(town, budget, epsilon):
    with pytest.raises(Unusable):
        town.prepare(
            protection="dp_tables", name="child-tables", tables=[("absent_30d", None)], epsilon=epsilon
        )


def test_attack_the_true_counts_are_handed_in(town, budget, monkeypatch):
    monkeypatch.setattr("workbench.privacy.dp.answer.draw", lambda _, exact, **__: exact)
    wanted = [
        (item, by) for item in ("absent_30d", "absent_days", "eq_income") for by in (None, "sex", "grade")
    ]
    plain = town.prepare(protection="dp_tables", name="child-tables", tables=wanted, epsilon=1.0)

    assert verdicts(checked(town, plain, "dp_tables"))["noise"] == "fail"


@pytest.fixture
def synthetic(town):
    return town.prepare(protection="synthetic", name="child-synthetic")


def rewritten(folder, change, *, metadata=LABEL):
    path = folder / "bundle/data/train.parquet"
    frame = change(pq.read_table(path).to_pandas(ignore_metadata=True))
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(metadata)
    pq.write_table(table, path)
    return folder


def test_an_honest_synthetic_release_holds_its_limits(town, synthetic):
    report = checked(town, synthetic, "synthetic")

    assert "fail" not in verdicts(report).values(), verdicts(report)
    assert verdicts(report)["within"] == verdicts(report)["plausible"] == "pass"
    assert "保証はありません" in report["notice"]["ja"]


def test_attack_real_rows_are_handed_in_as_synthetic(town, synthetic):
    staged = Synthetic(synthetic / "bundle", synthetic / "evidence", town.room)
    real = staged.bounded(Part.TRAIN)

    report = checked(town, rewritten(synthetic, lambda made: real[list(made.columns)]), "synthetic")

    assert verdicts(report)["copies"] == "fail"
    assert verdicts(report)["attacks"] == "fail"


@pytest.mark.parametrize(
    ("check", "change"),
    [
        ("registered", lambda made: made.assign(child_id="C1")),
        ("registered", lambda made: made.assign(note="text")),
        ("within", lambda made: made.assign(absent_days=9_999)),
        ("within", lambda made: made.assign(sex="a name")),
    ],
)
def test_attack_more_than_the_register_allows_is_in_a_synthetic_file(town, synthetic, check, change):
    for name in ("train", "test"):
        path = synthetic / f"bundle/data/{name}.parquet"
        frame = change(pq.read_table(path).to_pandas(ignore_metadata=True))
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(LABEL), path)

    assert verdicts(checked(town, synthetic, "synthetic"))[check] == "fail"


def test_attack_a_synthetic_file_does_not_say_so(town, synthetic):
    unlabelled = rewritten(synthetic, lambda made: made, metadata={b"note": b"x"})

    assert verdicts(checked(town, unlabelled, "synthetic"))["labelled"] == "fail"
