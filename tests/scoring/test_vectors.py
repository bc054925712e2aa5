"""Bundles of earlier versions verify and score for ever. A vector is never made again to please a test."""

import json
import shutil
from datetime import datetime
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pytest
import rfc8785

from workbench.artifact.trust import Trusted
from workbench.artifact.verifying import verify_bundle
from workbench.errors import Untrusted
from workbench.scoring import contract, engine, model
from workbench.scoring.scorer import Scorer

VECTORS = Path(__file__).parent.parent / "vectors"
HEADER = (VECTORS / "additive" / "records.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
AS_TEXT = pa.csv.ConvertOptions(
    column_types=dict.fromkeys(HEADER, pa.string()), strings_can_be_null=True, null_values=[""]
)
FORMS = ["additive", "boosting", "calibrated", "forest", "pairs", "rules", "scorecard", "tree"]


def found(scorer, path):
    """What a bundle makes of raw records, from the typed columns on."""
    accepted = contract.accept(scorer.contract, pa.csv.read_csv(path, convert_options=AS_TEXT))
    recoded = scorer.recoded(accepted.table)
    scored = engine.score(scorer.model, recoded)
    considered = ~scored.rejected & engine.eligible(scorer.model, recoded)
    candidates = engine.candidates(scored.scores[considered], scorer.model.threshold)
    chosen = considered.copy()
    chosen[considered] = candidates
    return {
        "scores": scored.scores.tolist(),
        "contributions": scored.contributions.tolist(),
        "candidates": chosen.tolist(),
    }


def verified(form):
    folder = VECTORS / form
    expected = json.loads((folder / "expected.json").read_text())
    admission = verify_bundle(
        folder / "bundle",
        trusted=Trusted.load(folder / "trust.json"),
        now=datetime.fromisoformat(expected["now"]),
        revocations=None,
    )
    return folder, admission, expected


def test_there_is_a_vector_of_every_form():
    assert sorted(each.name for each in VECTORS.iterdir() if (each / "bundle").is_dir()) == FORMS


@pytest.mark.parametrize("form", FORMS)
def test_a_bundle_of_an_earlier_version_verifies_and_scores_as_it_did(form):
    folder, admission, expected = verified(form)
    scorer = Scorer.read(partial(admission.manifest.content, folder / "bundle"))
    assert scorer.prove() >= 64

    assert admission.manifest.digest == expected["bundle"]
    again = found(scorer, folder / "records.csv")
    assert again == {name: expected[name] for name in again}


@pytest.mark.parametrize("form", FORMS)
def test_a_model_that_is_read_is_written_to_the_same_bytes(form):
    content = (VECTORS / form / "bundle/model/model.json").read_bytes()
    assert rfc8785.dumps(model.read(content).to_json()) == content


def test_attack_one_point_of_one_leaf_changed_is_found(tmp_path):
    folder, admission, _ = verified("forest")
    shutil.copytree(folder / "bundle", tmp_path / "bundle")
    path = tmp_path / "bundle/model/model.json"
    data = json.loads(path.read_bytes())
    data["trees"][0]["points"][-1] += 1
    path.write_text(json.dumps(data))

    with pytest.raises(Untrusted):
        Scorer.read(partial(admission.manifest.content, tmp_path / "bundle"))
