"""A candidate is text, complete, repeatable, and tells the truth about itself."""

import json
import math
import re

import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression

from workbench.errors import Refused, Unusable
from workbench.riskflag import export
from workbench.riskflag.card import rate
from workbench.riskflag.explain import reason_texts
from workbench.riskflag.flag import RiskFlag
from workbench.scoring import contract, engine
from workbench.scoring.scorer import Scorer

FEATURES = ["grade", "sex", "hh_type", "absent_days", "eq_income", "school_aid", "district"]
FLAG = RiskFlag(
    "school-attendance",
    target="absent_30d_next_year",
    capacity=0.1,
    title={"ja": "登校の支援確認候補", "en": "School attendance"},
    excluded={"registered": ["yes"]},
)
GROUPS = ["sex", "hh_type"]


@pytest.fixture(scope="module")
def fitted(train):
    return FLAG.fit(train, LogisticRegression(), features=FEATURES)


@pytest.fixture(scope="module")
def report(fitted, test):
    return FLAG.evaluate(fitted, test, groups=GROUPS, refits=2)


@pytest.fixture(scope="module")
def files(fitted, report):
    return export.candidate_files(fitted, report, version="1.0.0", notebook="c" * 64)


@pytest.fixture(scope="module")
def scorer(files):
    def content_of(path):
        return files[path].encode()

    return Scorer.read(content_of)


def written(files, folder):
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder


def test_a_candidate_has_exactly_its_paths_and_repeats_to_the_byte(files, fitted, report):
    assert set(files) == set(export.PATHS)
    assert export.candidate_files(fitted, report, version="1.0.0", notebook="c" * 64) == files


def test_no_file_says_when_or_where_or_by_whom_it_was_made(files):
    text = "".join(files.values())

    assert not re.search(r"20\d\d-\d\d-\d\dT|/home/|/work|/tmp|workspace", text)


def by_hand(data, recode, row):
    """The score of a raw row in Python integers, without the engine."""
    total = data["base"]
    for feature in data["features"]:
        value = row[feature["name"]]
        spec = recode["items"].get(feature["name"])
        if value is None:
            total += feature["missing"]
        elif feature["type"] == "number":
            total += feature["points"][sum(edge <= value for edge in feature["edges"])]
        else:
            level = spec["labels"][sum(edge <= value for edge in spec["edges"])] if spec else value
            points = feature["points"].get(level, feature["unseen"])
            if points == "reject":
                return None
            total += points
    return total


def test_golden_scores_are_those_of_plain_python_integers(files, scorer):
    data, recode = json.loads(files["model/model.json"]), json.loads(files["contract/recode.json"])

    assert scorer.prove() == len(scorer.golden) >= 64
    for line in scorer.golden:
        assert line["score"] == by_hand(data, recode, line["row"])


def test_golden_rows_meet_every_level_both_sides_of_every_edge_missing_and_unseen(scorer):
    rows = [line["row"] for line in scorer.golden]
    model = scorer.model

    for feature in model.features:
        values = {row[feature.name] for row in rows}
        assert None in values
        if feature.edges is not None:
            for edge in feature.edges:
                assert {edge, edge - 1} & values or {edge, edge - 0.25} & values
        elif feature.name == "grade":
            assert {5, 6, 8, 9, 11, 12} <= values
        else:
            assert set(feature.levels) <= values
    assert sum(line["score"] is None for line in scorer.golden) >= 3
    assert sum(line["score"] is not None for line in scorer.golden) >= 64


def test_the_contract_takes_the_raw_values_the_release_was_made_from(scorer):
    items = {entry["name"]: entry for entry in scorer.contract["items"]}

    assert (items["grade"]["kind"], items["grade"]["maximum"]) == ("integer", 17)
    assert items["sex"]["levels"] == ["male", "female"]
    assert items["school_aid"]["levels"] == ["yes", "no"]
    assert items["district"]["levels"] is None
    assert items["absent_days"]["max_missing"] > 0.25
    assert items["registered"]["levels"] == ["yes", "no"]
    assert set(items) == set(scorer.model.items)


def test_raw_records_score_as_the_notebook_scored_their_generalised_twins(scorer, fitted, test):
    """Train on generalised data, score raw data: the recipe in the bundle makes them one."""
    middle = {"就学前": 3, "小学1–3年": 7, "小学4–6年": 10, "中学以上": 14}
    frame = test.frame.assign(
        grade=test.frame["grade"].map(middle), child_id=[f"c{i}" for i in range(len(test))]
    )
    accepted = contract.accept(scorer.contract, pa.Table.from_pandas(frame, preserve_index=False))
    raw = engine.score(scorer.model, scorer.recoded(accepted.table)).scores

    assert (raw == engine.score(fitted.model, test.table(fitted.model.items)).scores).all()


def test_reasons_speak_of_generalised_levels_in_both_languages(fitted):
    texts = reason_texts(fitted.model, fitted.part.dictionary)

    assert texts["ja"]["items"]["grade"]["places"]["中学以上"] == "学年：中学以上"
    assert texts["ja"]["items"]["school_aid"]["places"]["yes"] == "就学援助：あり"
    days = texts["ja"]["items"]["absent_days"]["places"]
    assert days["0"].endswith("日未満")
    assert days[str(len(days) - 1)].endswith("日以上")
    assert texts["en"]["items"]["absent_days"]["missing"] == "Absent days: not recorded"


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "ja",
            (
                "使ってはならないこと",
                "必ず人がアセスメント",
                "見逃し",
                "候補 100 人を訪ねると",
                "確率ではありません",
                "登校の支援確認候補",
                "requires_human_assessment",
            ),
        ),
        (
            "en",
            (
                "Not for",
                "a person always assesses",
                "missed",
                "visits are in vain",
                "not a probability",
                "School attendance",
                "requires_human_assessment",
            ),
        ),
    ],
)
def test_the_card_says_what_for_what_not_for_and_how_well(files, language, words):
    card = files[f"card/{language}.md"]

    for word in words:
        assert word in card


@pytest.mark.parametrize(("language", "head"), [("ja", "見逃し率"), ("en", "missed")])
def test_each_column_of_the_card_is_what_its_head_says(files, report, language, head):
    rows = [
        line.strip("| ").split(" | ") for line in files[f"card/{language}.md"].splitlines() if "|" in line
    ]
    heads, _, *groups = rows
    missed = [rate(row["missed"], language) for item in sorted(GROUPS) for row in report["groups"][item]]

    assert {len(row) for row in groups} == {len(heads)}
    assert [row[heads.index(head)] for row in groups] == missed


def test_a_card_with_a_word_that_judges_is_refused(fitted, report):
    entries = dict(fitted.part.dictionary.entries)
    bad = type(entries["sex"])(**{**vars(entries["sex"]), "label": {"ja": "危険児童", "en": "Sex"}})
    part = type(fitted.part)(
        **{**vars(fitted.part), "dictionary": type(fitted.part.dictionary)({**entries, "sex": bad})}
    )
    judged = type(fitted)(**{**vars(fitted), "part": part})

    with pytest.raises(Refused, match="危険児童"):
        export.candidate_files(judged, report, version="1.0.0")


@pytest.mark.parametrize("version", ["1", "1.0", "v1.0.0", "1.0.0-beta", "01.0.0", ""])
def test_a_version_that_is_not_three_numbers_is_refused(fitted, report, version):
    with pytest.raises(Refused):
        export.candidate_files(fitted, report, version=version)


def test_a_report_of_another_model_is_refused(train, report):
    other = FLAG.fit(train, LogisticRegression(C=0.01), features=FEATURES)

    with pytest.raises(Refused):
        export.candidate_files(other, report, version="1.0.0")


def test_the_room_evaluates_again_and_gets_the_same_digits(files, train, test, tmp_path):
    again = export.evaluated_again(written(files, tmp_path), train=train, test=test, min_cell=10)

    assert again == json.loads(files["evaluation/evaluation.json"])


def test_a_candidate_that_overstates_itself_differs_from_its_evaluation(files, train, test, tmp_path):
    claimed = json.loads(files["evaluation/evaluation.json"])
    claimed["auc"]["value"] = 0.99
    folder = written({**files, "evaluation/evaluation.json": json.dumps(claimed)}, tmp_path)

    assert export.evaluated_again(folder, train=train, test=test, min_cell=10) != claimed


def test_a_definition_that_is_none_is_unusable(files, tmp_path):
    folder = written({**files, "provenance/definition.json": '{"definition": {"name": "x"}}'}, tmp_path)

    with pytest.raises(Unusable):
        export.read_candidate(folder)


def test_missing_more_often_than_in_training_is_allowed_for_but_not_without_end(scorer):
    limits = [entry["max_missing"] for entry in scorer.contract["items"]]

    assert all(0.05 <= limit < 0.6 for limit in limits)
    assert all(math.isclose(limit * 100, round(limit * 100)) for limit in limits)
