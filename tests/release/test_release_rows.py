"""Record-level releases: what the checks find, by the name of the mistake or the attack."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workbench.data.raw import RawStore
from workbench.errors import Refused
from workbench.policy import load, parse_override
from workbench.privacy.anonymity import second_opinion as independent
from workbench.release import report as reports
from workbench.release.moves import State
from workbench.release.prepare.draft import write_json, write_table
from workbench.release.staged import ALIGNMENT, DATA, NOWHERE, RECIPE, SECRET, STEPS
from workbench.release.workflow import Workflow
from workbench.scoring.recode import MISSING


def verdicts(report):
    return {finding["check"]: finding["verdict"] for finding in report["findings"]}


def failing(report):
    return {check for check, verdict in verdicts(report).items() if verdict == "fail"}


def finding(report, check):
    return next(finding for finding in report["findings"] if finding["check"] == check)


def read(draft, part="train"):
    return pq.read_table(draft / "bundle" / DATA[part]).to_pandas()


def rewrite(draft, frame, part="train"):
    write_table(draft / "bundle" / DATA[part], frame)


def alignment(draft):
    return pq.read_table(draft / "evidence" / ALIGNMENT).to_pandas()


def source(town):
    return RawStore(town.office.home).get("child_year")


def released_rows(aligned, part="train"):
    """The alignment's lines of one part, in the order of its file."""
    return aligned[(aligned["part"] == part) & (aligned["position"] != NOWHERE)].sort_values("position")


def drop(draft, positions, part="train"):
    """Take rows out of a part and out of the alignment, as a preparer would."""
    aligned = alignment(draft)
    lines = released_rows(aligned, part)
    kept = np.setdiff1d(np.arange(len(lines)), positions)
    rewrite(draft, read(draft, part).iloc[kept], part)
    aligned.loc[lines.index, "position"] = NOWHERE
    aligned.loc[lines.index[kept], "position"] = np.arange(len(kept))
    write_table(draft / "evidence" / ALIGNMENT, aligned)


def under(town, **values):
    """The same town under an override of the policy."""
    lines = "".join(f"  {name}: {{value: {value}, source: 試験}}\n" for name, value in values.items())
    text = f"schema: workbench-policy-override/1\nthresholds:\n{lines}"
    policy = parse_override(text, load(), name="override.yaml")
    office = town.office
    office.workflow = Workflow(office.home, office.state, policy, clock=office.clock)


def test_an_anonymised_release_passes_every_check(town, draft):
    report = town.report(draft)

    assert set(verdicts(report).values()) == {"pass"}
    assert report["verdict"] == "pass"
    assert town.office.workflow.find("R-1").state is State.IN_REVIEW


def test_rows_in_are_rows_out_and_suppressed(town, draft):
    sums = town.report(draft)["reconciliation"]

    assert sums["rows_in"] == sums["rows_out"] + sums["suppressed"]
    assert sums["source"] == sums["rows_in"] + sums["outside"]
    assert sums["rows_out"] == sum(sums["parts"].values())


def test_the_same_seed_gives_the_same_bytes(town, prepared, tmp_path):
    """Another home of the same seed, another folder, another day: the same bundle and the same report."""
    again = town.prepare()

    for path in sorted(file.relative_to(prepared) for file in prepared.rglob("*") if file.is_file()):
        assert (again / path).read_bytes() == (prepared / path).read_bytes(), path


def test_no_item_approved_for_another_target_only_is_released(draft):
    assert "only_for_care" not in read(draft).columns


def test_asking_for_an_item_the_project_may_not_receive_is_refused(town):
    with pytest.raises(Refused, match="only_for_care"):
        town.prepare(items=["grade", "sex", "only_for_care"])


def test_a_table_that_lacks_what_the_charter_names_is_unusable_by_name(town):
    from workbench.data.receipt import Receipt
    from workbench.errors import Unusable

    frame = source(town).drop(columns=["household_id", "hh_type"])
    RawStore(town.office.home).put("child_year", frame, Receipt(rows=len(frame), columns=tuple(frame)))

    with pytest.raises(Unusable, match="hh_type, household_id"):
        town.prepare()


def test_more_anonymity_than_the_policy_asks_may_be_had(town):
    report = town.check(town.prepare(k=10, name="wider"))

    assert finding(report, "k_children")["numbers"]["k_children"] >= 10


def test_only_the_coordinating_body_prepares(town):
    from workbench.release.prepare import prepare

    with pytest.raises(Refused):
        prepare(
            town.room,
            protection="anonymised",
            into=town.office.folder / "x",
            author="mori",
            name="a",
            version="1",
        )


# ---------------------------------------------------------------- the sibling that must be refused


def test_a_pseudonymised_table_is_recognised_and_refused_with_what_to_do_instead(town):
    folder = town.prepare(protection="pseudonymised")

    report = town.report(folder, protection="pseudonymised")

    assert report["verdict"] == "fail"
    assert "pseudonymised" in failing(report)
    assert "anonymised" in finding(report, "pseudonymised")["remedy"]["ja"]
    assert town.office.workflow.find("R-1").state is State.REFUSED


def test_attack_calling_a_pseudonymised_table_anonymised(town):
    folder = town.prepare(protection="pseudonymised")

    report = town.check(folder, protection="anonymised")

    assert "pseudonymised" in failing(report)


def test_attack_a_key_per_person_under_an_innocent_name(town, draft):
    aligned = alignment(draft)
    people = source(town)["child_id"]
    for part in DATA:
        frame = read(draft, part)
        owners = people.iloc[released_rows(aligned, part)["source"]].to_numpy()
        frame["checks_missed"] = [f"{abs(hash(owner)) % 10**6}" for owner in owners]
        rewrite(draft, frame, part)

    report = town.check(draft)

    assert "checks_missed" in finding(report, "pseudonymised")["numbers"]["person_keys"]


# ---------------------------------------------------------------- rows


def test_attack_a_unique_row_smuggled_into_train(town, draft):
    """A row beside the alignment has no source row."""
    frame = read(draft)
    rewrite(draft, pd.concat([frame, frame.iloc[[0]].assign(grade="band 2", hh_type="other")]))

    assert failing(town.check(draft)) == {"traceable"}


def test_attack_a_unique_row_smuggled_in_with_an_alignment(town, draft):
    """A suppressed child is put back, properly recoded: k counts it."""
    from workbench.scoring import recode

    aligned, raw = alignment(draft), source(town)
    suppressed = aligned[(aligned["part"] != "outside") & (aligned["position"] == NOWHERE)].index[0]
    part = aligned["part"][suppressed]
    spec = recode.read((draft / "bundle" / RECIPE).read_bytes())
    frame = read(draft, part)
    row = {name: recode.apply(spec["items"][name], raw[name].iloc[[suppressed]])[0].as_py() for name in frame}
    rewrite(draft, pd.concat([frame, pd.DataFrame([row])]), part)
    aligned.loc[suppressed, "position"] = len(frame)
    write_table(draft / "evidence" / ALIGNMENT, aligned)

    found = failing(town.check(draft))

    assert {"k_children", "k_households"} <= found
    assert "traceable" not in found


def test_attack_a_small_class_hidden_behind_the_other_part(town):
    """Three children of a kind in test and fifty in train are a class of three: who is in test is known."""
    folder = town.prepare(items=["sex", "hh_type", "absent_30d"], name="narrow")
    frame = read(folder, "test")
    alike = np.flatnonzero((frame["sex"] == "male") & (frame["hh_type"] == "other"))
    drop(folder, alike[3:], "test")

    report = town.check(folder)

    assert finding(report, "k_children")["numbers"]["k_children"] == 3


def test_attack_a_row_changed_to_another_class(town, draft):
    frame = read(draft)
    frame.loc[0, "sex"] = "male" if frame.loc[0, "sex"] == "female" else "female"
    rewrite(draft, frame)

    report = town.check(draft)

    assert finding(report, "as_recoded")["numbers"]["cells"] == {"sex": 1}


def test_attack_an_alignment_that_names_a_row_twice(town, draft):
    frame = read(draft)
    rewrite(draft, pd.concat([frame, frame.iloc[[0]]]))
    aligned = alignment(draft)
    twice = released_rows(aligned).iloc[[0]].assign(position=len(frame))
    write_table(draft / "evidence" / ALIGNMENT, pd.concat([aligned, twice]))

    assert failing(town.check(draft)) == {"traceable"}


def test_attack_test_children_put_into_train(town, draft):
    """The split is drawn again from its key; a household on the wrong side is found."""
    moved = read(draft, "test").iloc[:3]
    aligned = alignment(draft)
    lines = released_rows(aligned, "test").index[:3]
    drop(draft, np.arange(3), "test")
    aligned = alignment(draft)
    frame = read(draft)
    rewrite(draft, pd.concat([frame, moved]))
    aligned.loc[lines, ["part", "position"]] = [["train", len(frame) + n] for n in range(3)]
    write_table(draft / "evidence" / ALIGNMENT, aligned)

    assert failing(town.check(draft)) == {"traceable"}


def test_a_source_that_changed_after_preparing_is_prepared_again(town, draft):
    """Even in an item that is not released: the report would name a source that is no longer there."""
    from workbench.data.receipt import Receipt

    frame = source(town).assign(only_for_care="no")
    RawStore(town.office.home).put("child_year", frame, Receipt(rows=len(frame), columns=tuple(frame)))

    assert failing(town.check(draft)) == {"traceable"}


def test_attack_a_subgroup_hidden_by_the_average(town, draft):
    """A third of the single-parent children is taken out; over all rows that is under the limit."""
    aligned, raw = alignment(draft), source(town)
    lines = released_rows(aligned)
    single = np.flatnonzero(raw["hh_type"].iloc[lines["source"]].to_numpy() == "one_adult")
    drop(draft, single[: int(len(lines) * 0.04)])

    report = town.check(draft)

    assert "suppression_subgroup" in failing(report)
    assert finding(report, "suppression_overall")["verdict"] == "pass"
    assert "ひとり親" in finding(report, "suppression_subgroup")["sentence"]["ja"]


def test_attack_positives_hidden_by_the_average(town, draft):
    """The children who came to be absent are suppressed: few rows, and the very ones to be found."""
    aligned, raw = alignment(draft), source(town)
    lines = released_rows(aligned)
    drop(draft, np.flatnonzero(raw["absent_30d"].iloc[lines["source"]].to_numpy() == "yes")[:20])

    report = town.check(draft)

    assert finding(report, "suppression_subgroup")["numbers"]["over"] == ["absent_30d"]
    assert finding(report, "suppression_overall")["verdict"] == "pass"


def test_attack_a_second_opinion_that_disagrees_refuses_the_release(town, draft, monkeypatch):
    asked = independent.second_opinion

    def otherwise(*args, **kwargs):
        said = asked(*args, **kwargs)
        return independent.SecondOpinion(said.k_children - 1, said.k_households, said.distinct_l)

    monkeypatch.setattr(independent, "second_opinion", otherwise)

    report = town.report(draft)

    assert failing(report) == {"second_opinion"}
    assert finding(report, "second_opinion")["numbers"]["differing"] == ["k_children"]
    assert town.office.workflow.find("R-1").state is State.REFUSED


@pytest.mark.parametrize(
    ("threshold", "value", "check"),
    [
        ("k_children", 9, "k_children"),
        ("k_households", 9, "k_households"),
        ("suppression_overall", 0.0, "suppression_overall"),
        ("distinct_l", 3, "distinct_l"),
        ("max_confidence", 0.3, "max_confidence"),
        ("min_category_households", 400, "rare_categories"),
    ],
)
def test_each_threshold_of_the_policy_is_held(town, draft, threshold, value, check):
    under(town, **{threshold: value})

    report = town.check(draft)

    assert failing(report) == {check}
    assert finding(report, check)["limits"] == {threshold: value}


# ---------------------------------------------------------------- columns


def test_attack_an_unregistered_column(town, draft):
    for part in DATA:
        frame = read(draft, part)
        rewrite(draft, frame.assign(memo="no"), part)

    report = town.check(draft)

    assert finding(report, "registered")["numbers"]["unregistered"] == ["memo"]


def test_attack_a_linking_code_left_in(town, draft):
    aligned, raw = alignment(draft), source(town)
    for part in DATA:
        codes = raw["household_id"].iloc[released_rows(aligned, part)["source"]].to_numpy()
        rewrite(draft, read(draft, part).assign(household_id=codes), part)

    assert "direct_identifiers" in failing(town.check(draft))


def test_attack_a_table_of_codes_in_the_public_recipe(town, draft):
    recipe = json.loads((draft / "bundle" / RECIPE).read_bytes())
    recipe["items"]["child_id"] = {"kind": "table", "map": {"C000010": "a"}}
    write_json(draft / "bundle" / RECIPE, recipe)

    assert "direct_identifiers" in failing(town.check(draft))


@pytest.mark.parametrize(
    "written",
    ["090-1234-5678", "〒999-1234", "taro@example.jp", "1234 5678 9018", "AB1234567", "桜町1丁目2番3号"],
)
def test_attack_writing_that_gives_a_person_away(town, draft, written):
    frame = read(draft)
    frame.loc[0, "es_district"] = written
    rewrite(draft, frame)

    report = town.report(draft)

    assert "writing" in failing(report)
    assert written not in json.dumps(report, ensure_ascii=False)


def test_attack_an_address_as_a_label_of_the_recipe(town, draft):
    """The value is a known label then, and still an address."""
    recipe = json.loads((draft / "bundle" / RECIPE).read_bytes())
    labels = recipe["items"]["grade"]["map"]
    for raw, label in labels.items():
        labels[raw] = "桜町1丁目2番3号" if label == "band 0" else label
    write_json(draft / "bundle" / RECIPE, recipe)
    for part in DATA:
        rewrite(draft, read(draft, part).replace({"grade": {"band 0": "桜町1丁目2番3号"}}), part)

    assert failing(town.check(draft)) == {"writing", "as_recoded"}


def test_attack_a_row_left_out_that_the_recipe_keeps(town, draft):
    """Every cell is as it should be; one child of the largest class is missing, and nobody would see it."""
    released = read(draft)
    largest = released.groupby([*released.columns[:4]], dropna=False).indices
    drop(draft, [max(largest.values(), key=len)[0]])

    report = town.check(draft)

    assert "as_recoded" in failing(report)
    assert finding(report, "traceable")["verdict"] == "pass"


@pytest.mark.parametrize("evidence", ["changed", "gone"])
def test_attack_a_release_without_the_recipe_that_made_it(town, draft, evidence):
    steps = draft / "evidence" / STEPS
    if evidence == "gone":
        steps.unlink()
    else:
        parts = json.loads(steps.read_bytes())
        write_json(steps, {**parts, "secret": {**parts["secret"], "nonce": "00"}})

    assert "as_recoded" in failing(town.check(draft))


def test_a_missing_value_is_read_both_ways_and_the_worse_is_judged(town, draft):
    """One child's district is gone: alone by itself, and nobody's idea of where it was hides it."""
    frame = read(draft)
    frame.loc[0, "es_district"] = MISSING
    rewrite(draft, frame)

    found = finding(town.check(draft), "k_children")

    assert found["verdict"] == "fail"
    assert found["numbers"]["k_children"] == 1
    assert found["numbers"]["if_missing_could_be_any"] > 1
    assert "欠損" in found["sentence"]["ja"]
    assert "missing" in found["sentence"]["en"]


def test_attack_free_text_in_a_registered_column(town, draft):
    frame = read(draft)
    frame.loc[0, "es_district"] = "母が入院中"
    rewrite(draft, frame)

    assert finding(town.check(draft), "writing")["numbers"]["unknown_labels"] == ["es_district"]


# ---------------------------------------------------------------- order


def reorder(draft, order, part="train"):
    aligned = alignment(draft)
    lines = released_rows(aligned, part)
    rewrite(draft, read(draft, part).iloc[order], part)
    aligned.loc[lines.index[order], "position"] = np.arange(len(order))
    write_table(draft / "evidence" / ALIGNMENT, aligned)


def test_attack_rows_in_the_order_of_the_source(town, draft):
    reorder(draft, np.argsort(released_rows(alignment(draft))["source"].to_numpy()))

    assert failing(town.check(draft)) == {"order"}


def test_attack_rows_sorted_by_value_keep_the_source_order_within(town, draft):
    """A stable sort looks harmless and keeps neighbours in the order of the register."""
    frame = read(draft)
    by_source = np.argsort(released_rows(alignment(draft))["source"].to_numpy())
    stable = (
        frame.iloc[by_source]
        .reset_index(drop=True)
        .sort_values(["grade", "sex", "hh_type"], kind="stable")
        .index
    )
    reorder(draft, by_source[stable.to_numpy()])

    assert "order" in failing(town.check(draft))


def test_attack_an_index_in_the_file(town, draft):
    for part in DATA:
        frame = read(draft, part)
        rewrite(draft, frame.assign(__index_level_0__=np.arange(len(frame)) * 7 % 1000), part)

    assert "order" in failing(town.check(draft))


def test_attack_pandas_metadata_in_the_file(town, draft):
    for part in DATA:
        pq.write_table(pa.Table.from_pandas(read(draft, part)), draft / "bundle" / DATA[part])

    assert "order" in failing(town.check(draft))


# ---------------------------------------------------------------- files


def test_attack_an_extra_file(town, draft):
    (draft / "bundle" / "data" / "names.csv").write_text("child_id\n")

    assert failing(town.check(draft)) == {"complete"}


def test_a_truncated_parquet_is_a_finding_and_not_a_traceback(town, draft):
    path = draft / "bundle" / DATA["train"]
    path.write_bytes(path.read_bytes()[:-40])

    assert failing(town.check(draft)) == {"complete"}


def test_what_claims_an_unknown_protection_is_refused(town, draft):
    from workbench.release import checks

    found = checks.run("wrapped in paper", None)

    assert [finding.verdict for _, finding in found.values()] == ["fail"]


# ---------------------------------------------------------------- the report


def test_the_report_follows_its_schema_and_repeats_to_the_byte(town, draft):
    first = town.report(draft)
    again = town.office.workflow.report("R-1")

    assert reports.to_bytes(first) == reports.to_bytes(again)


def test_a_small_group_is_checked_and_not_shown(town, draft):
    under(town, min_cell_output=1000)

    groups = town.report(draft)["suppression"]["groups"]

    assert [group["rate"] for group in groups] == [None, None]


def test_the_report_names_no_path_time_or_person_of_the_data(town, draft):
    text = reports.to_bytes(town.report(draft)).decode()

    assert str(town.office.folder) not in text
    assert "2025-04" not in text
    assert not any(code in text for code in source(town)["child_id"].iloc[:50])


def test_the_report_never_claims_the_statutory_noun(town, draft):
    from workbench.release import page

    report = town.report(draft)
    text = reports.to_bytes(report).decode() + page.render(report)

    assert "匿名加工情報です" not in text
    assert "規則第62条各号に対応する技術的確認の結果" in text
    assert "本報告書は法的該当性を判断するものではありません" in text


def test_the_split_key_and_the_suppressed_rows_stay_in_the_room(town, draft):
    key = json.loads((draft / "evidence" / SECRET).read_bytes())["split_key"]
    bundle = b"".join(path.read_bytes() for path in (draft / "bundle").rglob("*") if path.is_file())

    assert key.encode() not in bundle
    assert ALIGNMENT not in {path.name for path in (draft / "bundle").rglob("*")}


# ---------------------------------------------------------------- a row is a person


def test_a_census_without_persons_households_or_years_goes_the_same_way(town, tmp_path):
    """Real microdata has none of them: k is counted in rows, the split is by rows, the target is a class."""
    from workbench.data.receipt import Receipt
    from workbench.data.register import Register
    from workbench.data.registers import Registers
    from workbench.governance.charter import Project, Projects
    from workbench.privacy.anonymity import hierarchies

    def item(name, role, kind, **more):
        return {"name": name, "label": {"ja": name, "en": name}, "role": role, "kind": kind, **more}

    items = [
        item("age", "quasi_identifier", "integer", minimum=17, maximum=90),
        item("work", "quasi_identifier", "category", values=["private", "public", "self"]),
        item("pay", "sensitive", "category", values=["low", "high"], harmful_values=["high"]),
    ]
    about = {"holder": "x", "source_process": "x", "original_purpose": "x", "justification": "x"}
    table = {"label": {"ja": "国勢", "en": "census"}, "items": items, **about}
    office, draw = town.office, np.random.default_rng(5)
    Registers(office.state).add(
        Register.from_json({"schema": "workbench-register/1", "tables": {"census": table}}), actor="sato"
    )
    Projects(office.state).store(
        Project.from_json(
            {
                "schema": "workbench-project/1",
                "purpose": "attendance",
                "title": {"ja": "試験", "en": "trial"},
                "benefit": {"ja": "試験", "en": "trial"},
                "population": 40000,
                "source": "census",
                "person": None,
                "household": None,
                "time": None,
                "test_share": 0.3,
                "targets": ["pay"],
                "subgroups": [],
            }
        ),
        actor="sato",
    )
    frame = pd.DataFrame(
        {
            "age": draw.integers(17, 91, 900),
            "work": draw.choice(["private", "public", "self"], 900, p=[0.7, 0.2, 0.1]),
            "pay": draw.choice(["low", "high"], 900, p=[0.75, 0.25]),
        }
    )
    RawStore(office.home).put("census", frame, Receipt(rows=900, columns=tuple(frame)))
    ages = hierarchies.from_rows("age", [[str(age), f"{age // 20 * 20}s", "*"] for age in range(17, 91)])

    report = town.report(town.prepare(name="census", hierarchies={"age": ages}), name="census")

    assert report["verdict"] == "pass", [f for f in report["findings"] if f["verdict"] != "pass"]
    assert report["reconciliation"]["outside"] == 0
    assert report["classes"]["smallest_households"] is None
    assert [group["id"] for group in report["suppression"]["groups"]] == ["pay"]
