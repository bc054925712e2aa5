"""A candidate's files together: words for every point, golden rows that score to the integer."""

import json
import subprocess
import sys

import pyarrow as pa
import pytest

from workbench.errors import Untrusted, Unusable
from workbench.scoring import drift, engine, reasons
from workbench.scoring.scorer import Scorer


def opened(files):
    def content_of(path):
        return files[path].encode()

    return Scorer.read(content_of)


def bent(files, path, change):
    data = json.loads(files[path])
    change(data)
    return {**files, path: json.dumps(data)}


def scored(scorer, **columns):
    table = scorer.recoded(pa.table(columns))
    return engine.score(scorer.model, table)


def test_golden_rows_score_to_the_integer(candidate_files):
    assert opened(candidate_files).prove() == 5


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(base=m["base"] + 1),
        lambda m: m["features"][2].update(edges=[5, 12]),
        lambda m: m["features"][0].update(unseen=0),
        lambda m: m["features"][2].update(missing=0),
    ],
    ids=["one point more", "an edge moved", "unseen accepted", "missing forgotten"],
)
def test_an_engine_or_model_that_differs_in_one_point_is_untrusted(candidate_files, change):
    files = bent(candidate_files, "model/model.json", change)

    with pytest.raises(Untrusted):
        opened(files).prove()


def test_a_model_without_golden_rows_proves_nothing(candidate_files):
    with pytest.raises(Untrusted):
        opened({**candidate_files, "contract/golden.jsonl": ""}).prove()


@pytest.mark.parametrize(
    "line", ['{"row": {}}', '{"row": [], "score": 1}', '{"row": {}, "score": 1.0}', "[]", "x"]
)
def test_a_malformed_golden_row_is_unusable(candidate_files, line):
    with pytest.raises(Unusable):
        opened({**candidate_files, "contract/golden.jsonl": line + "\n"})


def test_a_contract_that_forgets_an_item_of_the_model_is_unusable(candidate_files):
    files = bent(candidate_files, "contract/input.schema.json", lambda c: c["items"].pop())

    with pytest.raises(Unusable, match="registered"):
        opened(files)


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize(
    "change",
    [
        lambda t: t["items"].pop("grade"),
        lambda t: t["items"]["grade"]["places"].pop("high"),
        lambda t: t["items"]["grade"].pop("missing"),
        lambda t: t.update(language="xx"),
        lambda t: t.update(language="en" if t["language"] == "ja" else "ja"),
    ],
)
def test_a_point_without_words_is_unusable(candidate_files, language, change):
    path = f"contract/reasons.{language}.json"

    with pytest.raises(Unusable, match=f"reasons.{language}.json"):
        opened(bent(candidate_files, path, change))


@pytest.mark.parametrize("reference", [None, [], {"sex": 1}, {"sex": {"male": "half"}}, {"sex": {"male": 7}}])
def test_a_malformed_reference_is_unusable(candidate_files, reference):
    with pytest.raises(Unusable):
        opened({**candidate_files, "evaluation/evaluation.json": json.dumps({"reference": reference})})


def test_a_file_that_is_missing_is_unusable(candidate_files, tmp_path):
    with pytest.raises(Unusable, match=r"model/model\.json"):
        Scorer.open(tmp_path)


def test_reasons_are_the_largest_positive_contributions_in_order(candidate_files):
    scorer = opened(candidate_files)
    result = scored(scorer, sex=["male", "female"], grade=["8", "1"], absent_days=[30, 1])

    assert [
        reasons.reasons(scorer.model, result, 0, texts=scorer.texts["ja"], most=most) for most in (1, 3)
    ] == [
        "欠席日数:11+",
        "欠席日数:11+／学年:high／性別:m",
    ]
    assert reasons.reasons(scorer.model, result, 1, texts=scorer.texts["en"], most=3) == "No item stands out"


def test_what_is_not_known_stands_beside_the_reasons(candidate_files):
    scorer = opened(candidate_files)
    result = scored(scorer, sex=["male"], grade=[None], absent_days=pa.array([None], pa.int64()))

    assert (
        reasons.not_known(scorer.model, result, 0, texts=scorer.texts) == "学年 Grade／欠席日数 Days absent"
    )
    assert reasons.reasons(scorer.model, result, 0, texts=scorer.texts["en"], most=1) == "Days absent:?"


def test_the_stability_index_is_zero_for_the_same_shares_and_grows_with_the_shift():
    """Checked by hand: (0.6-0.5)ln(1.2) + (0.4-0.5)ln(0.8)."""
    reference = {"a": 0.5, "b": 0.5}

    assert drift.stability_index(reference, reference) == 0
    assert drift.stability_index(reference, {"a": 0.6, "b": 0.4}) == pytest.approx(0.0405465, abs=1e-6)
    assert drift.stability_index(reference, {"a": 0.0, "b": 0.0, "c": 1.0}) > 5


def test_levels_the_reference_pooled_are_compared_as_one():
    reference = {"a": 0.5, "(other)": 0.5}

    assert drift.stability_index(reference, {"a": 0.5, "b": 0.25, "c": 0.25}) == 0


def test_the_scorer_loads_no_pandas_no_sklearn_no_jupyter():
    """What a small office installs to score is numpy, pyarrow, jsonschema, rfc8785, securesystemslib."""
    program = (
        "import sys, workbench.scoring.batch, workbench.scoring.scorer;"
        "print([name for name in ('pandas','sklearn','scipy','IPython','jupyter_client','sdv','torch','onnx','matplotlib')"
        " if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"
