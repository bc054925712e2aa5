"""A batch is scored from a bundle that holds and records that fit, or nothing is written at all."""

import csv
import io
import json
import random
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet
import pytest

from workbench.artifact.revocations import Revocations
from workbench.errors import Refused, Untrusted, Unusable
from workbench.scoring import batch

TODAY = datetime.now(UTC).date()
HEADER = ["child_id", "sex", "grade", "absent_days", "registered", "name"]
ROWS = [
    # child, sex, grade, absent days, registered: score by the model of conftest
    ["c01", "male", "8", "30", "no", "ignored"],  # -1600, the highest
    ["c02", "female", "8", "30", "", "ignored"],  # -1800
    ["c03", "male", "1", "0", "no", "ignored"],  # -3400
    ["c04", "male", "8", "30", "yes", "ignored"],  # excluded
    ["c05", "male", "9", "30", "no", "ignored"],  # a grade nobody listed
    ["c06", "female", "", "", "no", "ignored"],  # grade unknown: not eligible
    ["c07", "female", "2", "", "no", "ignored"],  # absence unknown
    ["c08", "female", "2", "1", "no", "ignored"],
    ["c09", "female", "2", "1", "no", "ignored"],
    ["c10", "female", "2", "1", "no", "ignored"],
    ["c11", "female", "2", "1", "no", "ignored"],
    ["c12", "female", "2", "1", "no", "ignored"],
    ["c13", "female", "2", "1", "no", "ignored"],
]


def csv_of(rows):
    text = io.StringIO()
    csv.writer(text).writerows([HEADER, *rows])
    return text.getvalue()


@pytest.fixture
def records(tmp_path):
    path = tmp_path / "records.csv"
    path.write_text(csv_of(ROWS), encoding="utf-8")
    return path


@pytest.fixture
def bundle(office, candidate_files):
    """The model of conftest, admitted and signed."""
    return office.admit(candidate_files)


@pytest.fixture
def run(office, tmp_path):
    """Score with the office's trust; keywords replace what a test bends."""

    def score(bundle, records, out=None, **changed):
        settings = {
            "trusted": office.trusted,
            "revocations": None,
            "purpose": "school-support",
            "as_of": TODAY,
        }
        return batch.score_batch(bundle, records, out or tmp_path / "out", **{**settings, **changed})

    return score


def table_of(path):
    content = path.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    assert content.count(b"\n") == content.count(b"\r\n")
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_the_candidates_are_listed_with_reasons_and_what_is_not_known_and_no_score(
    office, candidate_files, records, run, tmp_path
):
    summary = run(office.admit(candidate_files), records)

    rows = table_of(tmp_path / "out" / "candidates.csv")
    assert list(rows[0]) == list(batch.COLUMNS)
    assert [(row["child_ref"], row["rank"]) for row in rows] == [("c01", "1"), ("c02", "2")]
    assert b"-1600" not in (tmp_path / "out" / "candidates.csv").read_bytes()
    assert not any("%" in cell for row in rows for cell in row.values())
    assert {row["flag"] for row in rows} == {"支援確認の候補"}
    assert {row["requires_human_assessment"] for row in rows} == {"true"}
    assert rows[0]["reasons_ja"] == "欠席日数:11+／学年:high／性別:m"
    assert rows[0]["reasons_en"].startswith("Days absent:11+; ")
    assert summary["candidates"] == 2


def test_scores_are_shown_when_asked_for_by_name_and_the_batch_says_so(
    office, candidate_files, records, run, tmp_path
):
    summary = run(office.admit(candidate_files), records, show_scores=True)

    rows = table_of(tmp_path / "out" / "candidates.csv")
    assert [row["score"] for row in rows] == ["-1600", "-1800"]
    assert summary["scores_shown"] is True


def test_the_batch_is_described_in_numbers_and_digests(office, candidate_files, records, run, tmp_path):
    bundle = office.admit(candidate_files)
    summary = run(bundle, records)

    assert summary == json.loads((tmp_path / "out" / "batch.json").read_bytes())
    expected = {
        "rows": 13,
        "rejected": 0,
        "not_eligible": 3,
        "scored": 10,
        "capacity": 2,
        "at_or_above_threshold": 2,
        "left_out_by_capacity": 0,
        "golden_rows": 5,
        "requires_human_assessment": True,
    }
    # Grade 9 is unknown to the recoding but the model has points for the unseen; it is just not eligible.
    assert {key: summary[key] for key in expected} == expected | {"rejected": 1, "not_eligible": 2}
    assert summary["rejected_by_item"] == {"grade": 1}
    assert summary["missing_rates"]["absent_days"] == pytest.approx(2 / 13, abs=1e-4)
    assert set(summary["stability_index"]) == {"sex", "absent_days"}
    assert "c01" not in (tmp_path / "out" / "batch.json").read_text()


def test_a_child_who_cannot_be_scored_is_listed_and_does_not_disappear(
    office, candidate_files, records, run, tmp_path
):
    run(office.admit(candidate_files), records)

    rows = table_of(tmp_path / "out" / "not_scored.csv")
    assert [row["child_ref"] for row in rows] == ["c05"]
    assert "grade" in rows[0]["reason_en"]


def test_parquet_and_csv_and_every_order_give_the_same_candidates(office, candidate_files, run, tmp_path):
    bundle = office.admit(candidate_files)
    shuffled = random.Random(5).sample(ROWS, len(ROWS))
    (tmp_path / "a.csv").write_text(csv_of(ROWS))
    (tmp_path / "b.csv").write_text(csv_of(shuffled), encoding="cp932")
    columns = {name: [row[place] or None for row in shuffled] for place, name in enumerate(HEADER)}
    columns["absent_days"] = [int(days) if days else None for days in columns["absent_days"]]
    columns["grade"] = [float(grade) if grade else None for grade in columns["grade"]]
    pyarrow.parquet.write_table(pa.table(columns), tmp_path / "c.parquet")

    for name in ("a.csv", "b.csv", "c.parquet"):
        run(bundle, tmp_path / name, tmp_path / f"out-{name}")

    first = tmp_path / "out-a.csv"
    for other in ("out-b.csv", "out-c.parquet"):
        for file in ("candidates.csv", "not_scored.csv"):
            assert (tmp_path / other / file).read_bytes() == (first / file).read_bytes()


def test_equal_scores_share_a_rank_and_capacity_leaves_out_who_does_not_fit(
    office, candidate_files, run, tmp_path
):
    (tmp_path / "r.csv").write_text(csv_of([[f"c{i}", "male", "8", "30", "no", ""] for i in range(10)]))
    summary = run(office.admit(candidate_files), tmp_path / "r.csv")

    assert (summary["at_or_above_threshold"], summary["candidates"], summary["left_out_by_capacity"]) == (
        10,
        0,
        10,
    )

    taking_in = json.loads(candidate_files["model/model.json"])
    taking_in["threshold"]["tie_rule"] = "take_in"
    files = {**candidate_files, "model/model.json": json.dumps(taking_in)}
    run(office.admit(files, name="in"), tmp_path / "r.csv", tmp_path / "second")
    assert {row["rank"] for row in table_of(tmp_path / "second" / "candidates.csv")} == {"1"}


def test_tied_candidates_stand_in_one_order_whatever_the_file_s(office, candidate_files, run, tmp_path):
    taking_in = json.loads(candidate_files["model/model.json"])
    taking_in["threshold"]["tie_rule"] = "take_in"
    bundle = office.admit({**candidate_files, "model/model.json": json.dumps(taking_in)})
    tied = [[f"c{place}", "male", "8", "30", "no", ""] for place in range(10)]
    for name, rows in (("a", tied), ("b", tied[::-1])):
        (tmp_path / f"{name}.csv").write_text(csv_of(rows))
        run(bundle, tmp_path / f"{name}.csv", tmp_path / f"out-{name}")

    files = [(tmp_path / f"out-{name}" / "candidates.csv").read_bytes() for name in "ab"]
    assert files[0] == files[1]


def changed_byte(bundle):
    path = bundle / "model/model.json"
    path.write_bytes(path.read_bytes().replace(b"900", b"901"))


def changed_card(bundle):
    (bundle / "contract/reasons.ja.json").write_text("{}")


def extra_file(bundle):
    (bundle / "model/hook.py").write_text("print('hello')")


def no_signature(bundle):
    (bundle / "release.dsse.json").unlink()


@pytest.mark.parametrize("attack", [changed_byte, changed_card, extra_file, no_signature])
def test_a_bundle_changed_after_admission_is_untrusted_and_nothing_is_written(
    attack, bundle, records, run, tmp_path
):
    attack(bundle)

    with pytest.raises(Untrusted):
        run(bundle, records)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("signers", [(), ("role:coordinator",), ("role:reviewer",)])
def test_a_bundle_that_two_roles_did_not_sign_is_untrusted(office, candidate_files, records, run, signers):
    with pytest.raises(Untrusted):
        run(office.admit(candidate_files, signers=signers), records)


def test_a_revoked_bundle_is_untrusted(office, candidate_files, records, run):
    bundle = office.admit(candidate_files)
    now = datetime.now(UTC)
    from workbench.artifact.manifest import read

    revoked = Revocations.none_yet(home="home", now=now).revoking(
        read(bundle).digest, reason="drift", now=now
    )

    with pytest.raises(Untrusted):
        run(bundle, records, revocations=revoked)


def test_an_expired_bundle_is_untrusted_and_an_earlier_date_does_not_help(
    office, candidate_files, records, run
):
    with pytest.raises(Untrusted):
        run(office.admit(candidate_files), records, as_of=TODAY + timedelta(days=31))
    with pytest.raises(Untrusted):
        run(office.admit(candidate_files, name="old", days=-1), records, as_of=TODAY - timedelta(days=10))


def test_another_purpose_is_refused(office, candidate_files, records, run, tmp_path):
    with pytest.raises(Refused):
        run(office.admit(candidate_files), records, purpose="poverty-support")
    assert not (tmp_path / "out").exists()


def test_a_signed_dataset_is_no_model(office, candidate_files, records, run):
    with pytest.raises(Unusable):
        run(office.admit(candidate_files, kind="dataset"), records)


def test_an_admitted_model_whose_golden_rows_differ_is_untrusted(office, candidate_files, records, run):
    files = {**candidate_files, "contract/golden.jsonl": '{"row": {"sex": "male"}, "score": 12345}\n'}

    with pytest.raises(Untrusted):
        run(office.admit(files), records)


def test_records_that_break_the_contract_are_unusable_and_leave_nothing(
    office, candidate_files, records, run, tmp_path
):
    records.write_text(csv_of([*ROWS, ["c99", "male", "8", "999", "no", ""]]))

    with pytest.raises(Unusable, match="absent_days"):
        run(office.admit(candidate_files), records)
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == []


def test_an_earlier_result_is_never_overwritten(office, candidate_files, records, run, tmp_path):
    bundle = office.admit(candidate_files)
    run(bundle, records)
    before = (tmp_path / "out" / "batch.json").read_bytes()

    with pytest.raises(Refused):
        run(bundle, records)
    assert (tmp_path / "out" / "batch.json").read_bytes() == before


def test_a_kill_or_a_full_disk_while_writing_leaves_no_result(bundle, records, run, tmp_path, monkeypatch):
    def full(aside, final):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(batch, "publish_folder", full)
    with pytest.raises(OSError, match="No space"):
        run(bundle, records)

    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == []


def test_a_spreadsheet_runs_no_cell_of_the_list(office, candidate_files, records, run, tmp_path):
    texts = json.loads(candidate_files["contract/reasons.ja.json"])
    texts["items"]["absent_days"]["places"]["2"] = "=cmd|' /C calc'!A0"
    files = {**candidate_files, "contract/reasons.ja.json": json.dumps(texts)}
    run(office.admit(files), records)

    for row in table_of(tmp_path / "out" / "candidates.csv"):
        assert not any(cell[:1] in "=+@\t\r" for name, cell in row.items() if name != "score" and cell)


def test_the_date_is_the_one_given(office, candidate_files, records, run):
    assert run(office.admit(candidate_files), records, as_of=date(2024, 4, 1))["as_of"] == "2024-04-01"


def test_a_kill_at_any_moment_leaves_a_whole_result_or_none(
    bundle, office, records, tmp_path, kill_at_every_point
):
    trusted = office.trusted

    def score(out):
        batch.score_batch(
            bundle, records, out, trusted=trusted, revocations=None, purpose="school-support", as_of=TODAY
        )

    def whole_or_none(out):
        assert not out.exists() or {path.name for path in out.iterdir()} == {
            "candidates.csv",
            "not_scored.csv",
            "batch.json",
        }
        if out.exists():
            assert json.loads((out / "batch.json").read_bytes())["candidates"] == 2

    points = kill_at_every_point(lambda point: tmp_path / f"out-{point}", score, whole_or_none)
    assert points > 5


def test_where_the_log_cannot_be_written_nothing_is_published(bundle, records, run, tmp_path):
    def full(summary):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        run(bundle, records, record=full)
    assert not (tmp_path / "out").exists()
