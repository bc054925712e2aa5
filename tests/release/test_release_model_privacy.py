"""What a model candidate gives away, and whom it misses: attacked at the door, with the rows of its release."""

import json
from dataclasses import replace
from functools import partial

import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from workbench.release import catalogue, registry, versions
from workbench.release.staged_model import Candidate
from workbench.riskflag import export
from workbench.riskflag.flag import RiskFlag
from workbench.riskflag.part import Source, read_part

FEATURES = ["grade", "hh_type", "eq_income", "absent_days"]
QUESTIONS = [f"q{number:02d}" for number in range(16)]


def parts(town):
    opened = catalogue.catalogue(town.office.home, town.office.state).open(
        "child-year@1", now=town.office.clock()
    )
    entry = opened.entry
    source = Source(entry.name, entry.version, entry.manifest, entry.purpose, entry.protection, entry.report)
    content_of = partial(opened.admission.manifest.content, opened.folder)
    return [read_part(content_of, name=name, source=source) for name in ("train", "test")]


def candidate(
    town, *, features=FEATURES, fewest=100, version="1.0.0", model=lambda fitted: fitted.model, **said
):
    """What a notebook hands in; `model` changes the points before they are evaluated, `said` what is said of the fit."""
    train, test = parts(town)
    title = {"ja": "登校の支援確認候補", "en": "Attendance"}
    flag = RiskFlag("school-attendance", target="absent_30d", capacity=0.1, title=title)
    fitted = flag.fit(train, LogisticRegression(max_iter=1000), features=features, min_cell=fewest)
    training = replace(fitted.training, parameters={**fitted.training.parameters, **said})
    handed = replace(fitted, model=model(fitted), training=training)
    report = flag.evaluate(handed, test, groups=["sex"])
    return export.candidate_files(handed, report, version=version, notebook="c" * 64)


@pytest.fixture(scope="session")
def honest(tmp_path_factory, shelved, in_town):
    return candidate(next(in_town(tmp_path_factory.mktemp("notebook"), shelved)))


def findings(town, files):
    """What each check says of these files, handed in by the analyst."""
    report = town.office.workflow.report(submit(town, files))
    return {finding["check"]: finding for finding in report["findings"]}


def submit(town, files, *, version="1.0.0"):
    folder, evidence = town.office.folder / version, town.office.folder / f"{version}-evidence"
    evidence.mkdir()
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return town.office.workflow.submit(
        "model",
        bundle=folder,
        evidence=evidence,
        author="mori",
        name="school-attendance",
        version=version,
        purpose="attendance",
        why="二つの地区での試行",
    ).id


def failing(found):
    return {name for name, finding in found.items() if finding["verdict"] == "fail"}


def test_attack_a_candidate_that_memorises_its_training_rows(polled):
    """Sixteen questions of 120 answers: ten rows and ten households in every cell, and a list of children in all."""
    found = findings(polled, candidate(polled, features=[*FEATURES, *QUESTIONS], fewest=15))

    # Nothing else at the door refuses it.
    assert failing(found) == {"membership"}
    assert found["smallest_cell"]["verdict"] == found["refitted"]["verdict"] == "pass"
    assert found["membership"]["numbers"]["found"]["low"] > 0.005


@pytest.mark.slow
def test_attack_a_recipe_that_did_not_make_the_points(polled):
    """Memorised points under the settings of a strongly regularised fit: an attack by those settings proves nothing."""
    files = candidate(polled, features=[*FEATURES, *QUESTIONS], fewest=15, C=1e-6)

    assert findings(polled, files)["membership"]["verdict"] in {"fail", "review"}


@pytest.mark.slow
def test_an_honest_candidate_of_a_large_town_gives_nothing_away(polled):
    found = findings(polled, candidate(polled))

    assert found["membership"]["verdict"] == found["attribute"]["verdict"] == "pass"
    assert found["group_gap"]["verdict"] != "fail", found["group_gap"]
    assert found["group_gap"]["numbers"]["items"]


def never_flags_single_parents(fitted):
    """The model with points so low for one group that no child of it is ever a candidate."""
    features = [
        replace(feature, points=tuple(-12_000 if level == "one_adult" else p for level, p in placed(feature)))
        if feature.name == "hh_type"
        else feature
        for feature in fitted.model.features
    ]
    return replace(fitted.model, features=tuple(features))


def placed(feature):
    return zip(feature.places, feature.points, strict=True)


@pytest.mark.slow
def test_attack_a_model_that_never_flags_one_group(polled):
    found = findings(polled, candidate(polled, model=never_flags_single_parents))

    assert failing(found) == {"group_gap"}
    assert "hh_type" in found["group_gap"]["numbers"]["wider"]
    told = json.dumps(found["group_gap"]["numbers"])
    assert not any(sign.isdigit() for sign in told), "no figure of unprotected rows leaves with the report"


@pytest.mark.parametrize(("positives", "verdict"), [(40, "fail"), (0, "review"), (5, "pass")])
def test_a_level_with_one_outcome_only_tells_it_of_all(admitted, honest, monkeypatch, positives, verdict):
    rows = {"points": [1, 2], "feature": "grade", "rows": [40, 400], "households": [30, 300]}
    monkeypatch.setattr(Candidate, "cells", pd.DataFrame({**rows, "positives": [positives, 100]}))

    assert findings(admitted, honest)["pure_cells"]["verdict"] == verdict


def test_a_score_that_is_another_word_for_a_group_is_for_a_reviewer(admitted, honest):
    """In this town single parenthood is most of what there is to learn from."""
    assert findings(admitted, honest)["proxies"]["verdict"] == "review"


def test_too_few_children_pass_as_post_processing(admitted, honest):
    """Trained again from its release alone it is the same."""
    told = findings(admitted, honest)["membership"]

    assert (told["verdict"], "release" in told["numbers"]) == ("pass", True)


def test_too_few_children_and_points_changed_by_hand_go_to_a_reviewer(admitted):
    files = candidate(admitted, model=lambda fitted: replace(fitted.model, base=fitted.model.base + 5))

    assert findings(admitted, files)["membership"]["verdict"] == "review"


@pytest.mark.slow
def test_two_versions_stand_side_by_side(admitted, honest):
    """A version without one item: other inputs, so the first part of its number must rise, and it did not."""
    office = admitted.office
    fewer = candidate(admitted, features=FEATURES[:-1], version="1.1.0")
    for version, files in (("1.0.0", honest), ("1.1.0", fewer)):
        request = submit(admitted, files, version=version)
        office.workflow.report(request)
        for person in ("tanaka", "suzuki"):
            office.vote(request, person=person)
        office.workflow.admit(request)
    models = registry.registry(office.home, office.state)
    both = [models.open(f"school-attendance@{version}", now=office.clock()) for version in ("1.0.0", "1.1.0")]

    told = versions.compared(*both)

    assert {line["line"] for line in told["lines"] if not line["same"]} >= {"contract", "model", "features"}
    assert (told["asks_for"], told["raised"], told["as_it_should"]) == ("major", "minor", False)
    assert {point["item"] for point in told["points"]} >= {"absent_days"}
    assert "school-attendance@1.1.0" in versions.shown(told)
