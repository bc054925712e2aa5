"""The scoring runtime: eleven steps in one order, each of which can stop it; pieces, drift, replay, its own log."""

import csv
import io
import json
import os
import random
import zipfile
from collections import Counter
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.artifact import manifest
from workbench.artifact.manifest import ENVELOPE
from workbench.artifact.revocations import Revocations, verify_revocations
from workbench.artifact.signing import sign
from workbench.artifact.trust import ADMITTERS, Trusted
from workbench.errors import Refused, Untrusted, Unusable, WorkbenchError
from workbench.scoring import batch, batch_log, drift, engine, judging, records
from workbench.scoring.contract import Broken
from workbench.scoring.model import Capacity, Threshold

NOW = datetime.now(UTC)
HEADER = "child_id,sex,grade,absent_days,registered\n"


def text_of(rows, *, seed=3):
    """So many children, evenly boys and girls, few of them often absent."""
    draw = random.Random(seed)
    lines = [
        f"c{place:05d},{'male' if place % 2 else 'female'},{draw.choice('128')},{draw.choice([0] * 8 + [7, 30])},no\n"
        for place in range(rows)
    ]
    return HEADER + "".join(lines)


@pytest.fixture
def children(tmp_path):
    path = tmp_path / "records.csv"
    path.write_text(text_of(500))
    return path


@pytest.fixture
def bundle(office, candidate_files):
    return office.admit(candidate_files)


@pytest.fixture
def score(office, tmp_path):
    def run(bundle, path, *, out="out", **changed):
        settings = {
            "trusted": office.trusted,
            "revocations": Revocations.none_yet(home="home", now=NOW),
            "purpose": "school-support",
            "as_of": NOW.date(),
            **changed,
        }
        return batch.score_batch(bundle, path, tmp_path / out, **settings)

    return run


# ---------------------------------------------------------------- the order of trust, step by step


def added(bundle, office):
    (bundle / "model/more.json").write_text("{}")


def missing(bundle, office):
    (bundle / "contract/golden.jsonl").unlink()


def symlink(bundle, office):
    target = bundle.parent / "elsewhere.json"
    (bundle / "model/model.json").rename(target)
    (bundle / "model/model.json").symlink_to(target)


def hard_link(bundle, office):
    os.link(bundle / "model/model.json", bundle.parent / "second-name.json")


def pipe(bundle, office):
    os.mkfifo(bundle / "model/pipe")


def one_signature(bundle, office):
    envelope = json.loads((bundle / ENVELOPE).read_bytes())
    envelope["signatures"] = envelope["signatures"][:1]
    (bundle / ENVELOPE).write_text(json.dumps(envelope, separators=(",", ":"), sort_keys=True))


def one_signature_twice(bundle, office):
    envelope = json.loads((bundle / ENVELOPE).read_bytes())
    envelope["signatures"] = envelope["signatures"][:1] * 2
    (bundle / ENVELOPE).write_text(json.dumps(envelope, separators=(",", ":"), sort_keys=True))


def swapped_model(bundle, office):
    """Another model of the same size under the manifest that was signed."""
    path = bundle / "model/model.json"
    path.write_bytes(path.read_bytes().replace(b"900", b"901"))


def swapped_with_manifest(bundle, office):
    """The manifest made again for the other model: its digest is not the one that was signed."""
    envelope = (bundle / ENVELOPE).read_bytes()
    swapped_model(bundle, office)
    manifest.seal(
        bundle,
        kind="model",
        name="school-attendance",
        version="1.0.0",
        meta={},
        demonstration=office.ring.demonstration,
    )
    (bundle / ENVELOPE).write_bytes(envelope)


def zip_slip(bundle, office):
    """A manifest that names a file outside its folder, as an archive would unpack it."""
    data = json.loads((bundle / "manifest.json").read_bytes())
    data["files"]["../outside.json"] = {"sha256": "0" * 64, "size": 1}
    (bundle / "manifest.json").write_text(json.dumps(data, separators=(",", ":"), sort_keys=True))


def duplicate_key(bundle, office):
    path = bundle / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'{"demonstration"', b'{"kind":"model","demonstration"', 1))


@pytest.mark.parametrize(
    "attack",
    [
        added,
        missing,
        symlink,
        hard_link,
        pipe,
        one_signature,
        one_signature_twice,
        swapped_model,
        swapped_with_manifest,
        zip_slip,
        duplicate_key,
    ],
)
def test_attack_on_what_was_signed(attack, bundle, office, children, score):
    attack(bundle, office)

    with pytest.raises(Untrusted):
        score(bundle, children)
    assert not (children.parent / "out").exists()


def test_attack_both_signatures_by_one_person(office, bundle, children, score):
    """One key pinned for both roles trusts nobody; and a person's key stands for no role."""
    key = office.ring.public(ADMITTERS[0])
    with pytest.raises(Untrusted):
        Trusted(dict.fromkeys(ADMITTERS, key), office.ring.demonstration)

    office.ring.create("person:mori")
    signed_by_one = office.admit(
        {path: (bundle / path).read_text() for path in manifest.read(bundle).files},
        name="other",
        signers=(ADMITTERS[0], "person:mori"),
    )
    with pytest.raises(Untrusted):
        score(signed_by_one, children)


def test_attack_a_model_used_after_its_end_by_an_older_day(office, candidate_files, children, score):
    ended = office.admit(candidate_files, name="ended", days=-1)

    for day in (NOW.date(), (NOW - timedelta(days=400)).date()):
        with pytest.raises(Untrusted):
            score(ended, children, as_of=day)


def test_attack_an_old_list_of_revocations(office, bundle, tmp_path):
    """A list past its end hides what was revoked since; so does one older than the last seen."""
    seen = tmp_path / "seen.json"
    old = Revocations.none_yet(home="home", now=NOW - timedelta(days=200))
    first = Revocations.none_yet(home="home", now=NOW)
    newer = first.revoking(manifest.read(bundle).digest, reason="x", now=NOW)
    lists = [sign(one.statement(), [office.ring.signer(ADMITTERS[0])]) for one in (old, first, newer)]

    with pytest.raises(Untrusted):
        verify_revocations(lists[0], trusted=office.trusted, now=NOW, seen=seen)
    verify_revocations(lists[2], trusted=office.trusted, now=NOW, seen=seen)
    with pytest.raises(Untrusted):
        verify_revocations(lists[1], trusted=office.trusted, now=NOW, seen=seen)


def bent(files, path, change):
    data = json.loads(files[path])
    change(data)
    return {**files, path: json.dumps(data)}


HOSTILE = {
    "code in a field": lambda m: m.update(base="__import__('os').system('true')"),
    "a node nobody knows": lambda m: m.update(loop={"body": []}),
    "a point that is no whole number": lambda m: m["features"][2]["points"].__setitem__(0, 0.5),
    "points beyond what adds up": lambda m: m["features"][2]["points"].__setitem__(0, 10**30),
    "a billion intervals asked for by few bytes": lambda m: m["features"][2].update(edges=[0], points=[1]),
}


@pytest.mark.parametrize("attack", HOSTILE)
def test_attack_a_signed_file_that_is_no_plain_model(attack, office, candidate_files, children, score):
    """Even two signatures do not make the reader build what it does not know."""
    files = bent(candidate_files, "model/model.json", HOSTILE[attack])

    with pytest.raises(Unusable):
        score(office.admit(files), children)


@pytest.mark.parametrize(
    "content",
    ["[" * 100_000, '{"a":' * 50 + "1" + "}" * 50, '{"base":NaN}', '{"base":1e999}', '{"base":1,"base":2}'],
    ids=["deep", "deep objects", "NaN", "infinity", "duplicate keys"],
)
def test_attack_hostile_json_under_two_signatures(content, office, candidate_files, children, score):
    with pytest.raises(Unusable):
        score(office.admit({**candidate_files, "model/model.json": content}), children)


def test_golden_rows_come_before_the_records(office, candidate_files, score, tmp_path):
    """A model this engine reads differently is refused before anybody's record is opened."""
    files = {**candidate_files, "contract/golden.jsonl": '{"row": {"sex": "male"}, "score": 1}\n'}

    with pytest.raises(Untrusted):
        score(office.admit(files), tmp_path / "not-there.csv")


def test_attack_a_bomb_of_a_billion_rows(tmp_path, bundle, score, monkeypatch):
    """A few kilobytes of Parquet that say they hold more rows than there are people."""
    path = tmp_path / "bomb.parquet"
    pyarrow.parquet.write_table(pa.table({"child_id": pa.nulls(300_000, pa.string())}), path)
    monkeypatch.setattr(records, "MOST_ROWS", 200_000)

    with pytest.raises(Unusable, match="200,000"):
        score(bundle, path)


def test_attack_an_archive_in_place_of_records(tmp_path, bundle, score):
    path = tmp_path / "records.csv"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../outside", "x" * 1000)

    with pytest.raises(WorkbenchError):
        score(bundle, path)


# ---------------------------------------------------------------- rows, pieces, drift


def test_every_row_that_breaks_the_contract_is_told_by_position_and_rule(bundle, children, score):
    lines = children.read_text().splitlines()
    lines[3] = "c00002,male,1,999,no"
    lines[11] = "c00010,male,1,Tanaka,no"
    lines[21] = "=c00020,male,1,3,no"
    lines[31] = lines[30]
    children.write_text("\n".join(lines) + "\n")

    with pytest.raises(Broken) as refusal:
        score(bundle, children)

    told = {(one.rule, one.item): one.positions for one in refusal.value.faults}
    assert told == {
        ("range", "absent_days"): [3],
        ("type", "absent_days"): [11],
        ("unsafe", "child_id"): [21],
        ("repeated", "child_id"): [31],
    }
    assert "Tanaka" not in str(vars(refusal.value)) + str(told)
    assert "31" in refusal.value.ja
    assert "31" in refusal.value.en


@pytest.mark.parametrize("form", ["utf-8", "utf-8-sig", "cp932", "parquet"])
def test_the_size_of_the_pieces_changes_nothing(form, bundle, children, score, monkeypatch):
    folder = children.parent
    score(bundle, children, out="whole")
    if form == "parquet":
        path = folder / "r.parquet"
        pyarrow.parquet.write_table(records.read(children.read_bytes(), suffix=".csv"), path)
    else:
        path = folder / "r.csv"
        path.write_bytes(children.read_text().encode(form))
    monkeypatch.setattr(records, "ROWS", 7)

    score(bundle, path, out="pieces")

    for name in ("candidates.csv", "not_scored.csv"):
        assert (folder / "pieces" / name).read_bytes() == (folder / "whole" / name).read_bytes()
    told = [json.loads((folder / out / "batch.json").read_bytes()) for out in ("whole", "pieces")]
    assert told[0] | {"records": 0} == told[1] | {"records": 0}


def test_a_reference_that_repeats_in_another_piece_is_found(bundle, children, score, monkeypatch):
    monkeypatch.setattr(records, "ROWS", 50)
    children.write_text(children.read_text() + "c00000,male,1,0,no\n")

    with pytest.raises(Broken) as refusal:
        score(bundle, children)
    assert refusal.value.faults[-1].positions == [501]


@given(
    scores=st.lists(st.integers(-5, 5), max_size=30),
    places=st.integers(0, 12),
    share=st.integers(0, 10_000),
    tie_rule=st.sampled_from(["leave_out", "take_in"]),
    by_share=st.booleans(),
)
def test_places_from_counts_are_those_from_scores(scores, places, share, tie_rule, by_share):
    """What is kept of a row is how many have its score; the places fall as if all had been kept."""
    import numpy as np

    capacity = Capacity(per_10000=share) if by_share else Capacity(children=places)
    threshold = Threshold(score=-2, capacity=capacity, tie_rule=tie_rule)

    counted = judging.lowest_with_place(Counter(scores), threshold)

    array = np.array(scores, dtype=np.int64)
    chosen = engine.candidates(array, threshold)
    assert (array >= max(threshold.score, counted)).tolist() == chosen.tolist()


def test_a_batch_that_has_moved_stops_until_people_have_looked(bundle, children, score, tmp_path):
    moved = children.read_text().replace(",female,", ",male,")
    children.write_text(moved)

    with pytest.raises(Refused, match="sex"):
        score(bundle, children, limits=batch.Limits(drift=0.25))
    assert not (tmp_path / "out").exists()
    assert score(bundle, children, limits=batch.Limits(drift=None))["stability_index"]["sex"] > 0.25


def test_a_small_batch_is_not_stopped_by_chance():
    reference = {"sex": {"male": 0.5, "female": 0.5}}

    assert drift.moved({"sex": 9.0}, reference=reference, rows=199, limit=0.25) == []
    assert drift.moved({"sex": 0.3}, reference=reference, rows=200, limit=0.25) == ["sex"]
    # (3.29)^2: one in a thousand of a chi-squared of one degree, over the rows.
    assert drift.by_chance(reference["sex"], 1000) == pytest.approx(0.0108, abs=0.0005)


# ---------------------------------------------------------------- replay and the stage's own log


def test_a_replay_makes_the_same_result_to_the_byte(bundle, children, score, office, tmp_path):
    summary = score(bundle, children)

    assert batch.replay(bundle, children, tmp_path / "out", trusted=office.trusted) == summary


def changed_list(folder, children, bundle):
    path = folder / "candidates.csv"
    rows = list(csv.reader(io.StringIO(path.read_text("utf-8-sig"))))
    path.write_text(path.read_text("utf-8-sig").replace(rows[1][0], "c99999"), encoding="utf-8-sig")


def changed_summary(folder, children, bundle):
    path = folder / "batch.json"
    path.write_bytes(path.read_bytes().replace(b'"rejected":0', b'"rejected":1'))


def changed_records(folder, children, bundle):
    children.write_text(text_of(500, seed=4))


@pytest.mark.parametrize("attack", [changed_list, changed_summary, changed_records])
def test_attack_a_result_changed_after_the_batch(attack, bundle, children, score, office):
    score(bundle, children)
    attack(children.parent / "out", children, bundle)

    with pytest.raises(Untrusted):
        batch.replay(bundle, children, children.parent / "out", trusted=office.trusted)


def logged(path, count=3):
    return [
        batch_log.append(path, event="scored", by="sato", now=NOW, details={"rows": n}) for n in range(count)
    ]


def test_each_line_of_the_log_follows_the_one_before(tmp_path):
    digests = logged(tmp_path / "log")

    lines = batch_log.read(tmp_path / "log")
    assert [line["previous"] for line in lines] == [batch_log.GENESIS, *digests[:2]]


@pytest.mark.parametrize(
    "attack",
    [
        lambda lines: [lines[0], lines[2]],
        lambda lines: [lines[0], lines[2], lines[1]],
        lambda lines: [lines[0].replace(b'"rows":0', b'"rows":9'), *lines[1:]],
        lambda lines: [lines[0], lines[0], *lines[1:]],
        lambda lines: [*lines[:2], lines[2][:-20]],
    ],
    ids=["taken out", "changed places", "changed", "put in twice", "torn"],
)
def test_attack_a_line_of_the_batch_log(attack, tmp_path):
    path = tmp_path / "log"
    logged(path)
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join(attack(lines)) + b"\n")

    with pytest.raises(Untrusted):
        batch_log.read(path)
    with pytest.raises(Untrusted):
        logged(path, count=1)
