"""Bundles of earlier versions verify and score for ever. A vector is never made again to please a test."""

import json
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest

from workbench.artifact.trust import Trusted
from workbench.artifact.verifying import verify_bundle
from workbench.errors import Untrusted
from workbench.scoring import batch, records
from workbench.scoring.scorer import Scorer

VECTORS = Path(__file__).parent.parent / "vectors"
FORMS = ["additive", "boosting", "calibrated", "forest", "pairs", "rules", "scorecard", "tree"]


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

    content = (folder / "records.csv").read_bytes()
    judged = batch.judge(scorer, records.read(content, suffix=".csv"))
    assert admission.manifest.digest == expected["bundle"]
    assert judged.scored.scores.tolist() == expected["scores"]
    assert judged.scored.contributions.tolist() == expected["contributions"]
    assert judged.candidates.tolist() == expected["candidates"]


@pytest.mark.parametrize("form", FORMS)
def test_a_model_that_is_read_is_written_to_the_same_bytes(form):
    import rfc8785

    from workbench.scoring import model

    content = (VECTORS / form / "bundle/model/model.json").read_bytes()
    assert rfc8785.dumps(model.read(content).to_json()) == content


def test_attack_one_point_of_one_leaf_changed_is_found(tmp_path):
    import shutil

    folder, admission, _ = verified("forest")
    shutil.copytree(folder / "bundle", tmp_path / "bundle")
    path = tmp_path / "bundle/model/model.json"
    data = json.loads(path.read_bytes())
    data["trees"][0]["points"][-1] += 1
    path.write_text(json.dumps(data))

    with pytest.raises(Untrusted):
        Scorer.read(partial(admission.manifest.content, tmp_path / "bundle"))
