"""A model trained in this room under differential privacy, from the gateway to the registry; and the forgeries."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import rfc8785
from sklearn.linear_model import LogisticRegression

from workbench.analyst.datasets import Dataset
from workbench.analyst.models import dp_ebm
from workbench.analyst.questions import Asking
from workbench.audit import Event
from workbench.data.raw import RawStore
from workbench.errors import NotFound, Refused, Unusable
from workbench.lab.gateway import models
from workbench.lab.gateway.verbs import VERBS
from workbench.privacy.dp.ledger import Ledger
from workbench.privacy.dp.loss import MICRO
from workbench.privacy.dp.models import training
from workbench.release.catalogue import mounts
from workbench.release.moves import State as Standing
from workbench.release.registry import registry
from workbench.riskflag import export
from workbench.riskflag.flag import FittedFlag, RiskFlag
from workbench.riskflag.part import Source, read_part
from workbench.riskflag.train import Training
from workbench.scoring import model as integer_models

ASKED, LIKE = "child-year-raw", "child-year-1"
FEATURES = ["grade", "hh_type", "eq_income", "absent_days"]
FLAG = RiskFlag(
    "school-attendance",
    target="absent_30d",
    capacity=0.1,
    title={"ja": "登校の支援確認候補", "en": "Attendance"},
)


@dataclass
class Session:
    """A session of the analyst mori, as the gateway's verbs see it."""

    home: object
    state: object
    datasets: dict[str, Path]
    analyst: str = "mori"
    project: str = "attendance"
    id: str = "s1"

    def record(self, event, **details):
        self.state.record(event, actor=self.analyst, session=self.id, **details)


@pytest.fixture
def session(admitted, monkeypatch):
    home, state = admitted.office.home, admitted.office.state
    Ledger(state).grant(ASKED, micro=3 * MICRO, femto=10**9, granted_by="sato")
    monkeypatch.setattr(models, "now", admitted.office.clock)
    found = mounts(home, state, analyst="mori", purpose="attendance", now=models.now())
    return Session(home, state, {name: opened.folder for name, opened in found.items()})


def asked(**changes):
    wish = {
        "flag": FLAG.to_json(),
        "features": FEATURES,
        "method": "dp_ebm",
        "settings": {"rounds": 5},
        "epsilon": 1.0,
        "delta": 1e-6,
    }
    return {"dataset": ASKED, "like": LIKE, "wish": json.loads(json.dumps(wish | changes))}


def left(session):
    return Ledger(session.state).balance(ASKED).remaining


def parts(session):
    opened = models.opened(session, LIKE)
    manifest = opened.admission.manifest
    source = Source.of(manifest, purpose="attendance")
    return [
        read_part(lambda path: manifest.content(opened.folder, path), name=name, source=source)
        for name in ("train", "test")
    ]


def candidate(session, answer):
    """What the notebook hands in of a model that came back."""
    train, test = parts(session)
    fitted = FittedFlag(
        FLAG, integer_models.build(answer["model"]), Training.from_json(answer["training"]), train
    )
    report = FLAG.evaluate(fitted, test, groups=["sex"])
    return export.candidate_files(fitted, report, version="1.0.0", notebook="c" * 64)


def reported(town, files):
    folder, evidence = town.office.folder / "candidate", town.office.folder / "candidate-evidence"
    evidence.mkdir()
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    request = town.office.workflow.submit(
        "model", bundle=folder, evidence=evidence, author="mori", name="school-attendance", version="1.0.0",
        purpose="attendance", why="二つの地区での試行",
    ).id  # fmt: skip
    report = town.office.workflow.report(request)
    return request, {finding["check"]: finding["verdict"] for finding in report["findings"]}


@pytest.fixture
def answer(session):
    return json.loads(json.dumps(VERBS["train_model"](session, asked())))


def test_a_model_trained_here_goes_the_way_of_any_other(admitted, session, answer):
    office = admitted.office
    files = candidate(session, answer)
    request, found = reported(admitted, files)

    assert "fail" not in found.values(), found
    assert found["release_admitted"] == found["protection"] == found["smallest_cell"] == "pass"
    assert "ε = 1" in files[export.CARDS["en"]]
    assert "世帯" in files[export.CARDS["ja"]]
    assert json.loads(files["evaluation/evaluation.json"])["groups"]["sex"]
    office.vote(request, person="tanaka")
    office.vote(request, person="suzuki")
    assert office.workflow.admit(request).state is Standing.ADMITTED
    assert registry(office.home, office.state).open("school-attendance@1", now=office.clock())


def test_the_price_opens_no_raw_table_and_says_how_many_more(session, monkeypatch):
    monkeypatch.setattr(RawStore, "get", lambda *_, **__: pytest.fail("the raw table was opened"))
    before = left(session)

    price = VERBS["price_model"](session, asked(tries=2))

    assert (price["epsilon"], price["epsilon_of_all"], price["tries"]) == (1.0, 2.0, 2)
    assert price["how_many_more"] >= 1
    assert price["visible"] > 0
    assert VERBS["rehearse_model"](session, asked())["model"]["features"]
    assert left(session) == before


def test_the_training_is_in_the_log_with_its_charge(session, answer):
    [record] = session.state.log.of_kind(Event.MODEL_TRAINED)

    assert record["details"]["question"] == answer["training"]["guarantee"]["charge"]
    assert left(session) < 3 * MICRO


@pytest.fixture
def wish(session):
    """What an analyst types, with the gateway's verbs behind it."""

    class Line:
        def ask(self, verb, **details):
            return json.loads(json.dumps(VERBS[verb](session, json.loads(json.dumps(details)))))

    found = models.opened(session, LIKE)
    like = Dataset(found.folder, found.admission)

    def make(method):
        return Asking(Line(), ASKED).model(FLAG, method, features=FEATURES, like=like)

    return make


def test_an_analyst_wishes_for_a_model_sees_its_cost_and_gets_a_flag_like_any_other(session, wish):
    wished = wish(dp_ebm(epsilon=1.0, rounds=5))
    assert (wished.cost["epsilon"], wished.cost["tries"]) == (1.0, 1)
    assert wished.rehearse().model.features
    assert left(session) == 3 * MICRO

    fitted = wished.answer()

    assert "ε＝1" in fitted._repr_html_()
    assert FLAG.evaluate(fitted, wished.like.test, groups=["sex"]).data["groups"]["sex"]


def test_attack_an_estimator_of_ones_own_is_handed_over(session, wish):
    with pytest.raises(Refused):
        wish(LogisticRegression())

    assert left(session) == 3 * MICRO


def test_what_is_held_back_for_evaluation_is_not_trained_on(session):
    protected = models.Asked.of(session, asked()).protected
    table = models.Asked.of(session, asked()).table()

    assert protected.before == table["fy"].max()
    assert 0 < len(protected.held_back) < table["household_id"].nunique()


def test_attack_a_failing_training_is_not_free_and_tells_nothing(session, monkeypatch):
    def fail(*_, **__):
        raise Refused(ja="こども C17", en="child C17 has 41 days")

    before = left(session)
    monkeypatch.setattr(training, "rows_of", fail)
    with pytest.raises(training.TrainingFailed):
        VERBS["train_model"](session, asked())

    assert left(session) < before


def test_attack_training_beyond_the_budget(session):
    with pytest.raises(Refused):
        VERBS["train_model"](session, asked(epsilon=5.0))
    with pytest.raises(Refused):
        VERBS["train_model"](session, asked(epsilon=1.0, tries=20))

    assert left(session) == 3 * MICRO


@pytest.mark.parametrize("like", [None, 3, "child-year", "../child-year-1", "another-1", "child-year-2"])
def test_attack_a_release_that_is_not_mounted(session, like):
    with pytest.raises(NotFound):
        VERBS["price_model"](session, asked() | {"like": like})


@pytest.mark.parametrize("wish", [None, [], "x", {"method": "dp_ebm"}])
def test_a_wish_that_is_none_is_refused(session, wish):
    with pytest.raises(Unusable):
        VERBS["train_model"](session, asked() | {"wish": wish})


# ------------------------------------------------------------------ forgeries


def changed(files, path, change):
    data = json.loads(files[path])
    change(data)
    return {**files, path: rfc8785.dumps(data).decode()}


def smaller_epsilon(data):
    data["training"]["guarantee"] |= {"epsilon": 0.1, "epsilon_of_all": 0.1}


def no_guarantee(data):
    del data["training"]["guarantee"]


@pytest.mark.parametrize("forge", [smaller_epsilon, no_guarantee])
def test_attack_a_guarantee_that_is_not_the_one_it_was_trained_under(admitted, session, answer, forge):
    _, found = reported(admitted, changed(candidate(session, answer), export.DEFINITION, forge))

    assert found["release_admitted"] == "fail"


def test_attack_a_model_with_exact_points_dressed_as_a_private_one(admitted, session, answer):
    """A guarantee is believed of the very model that was trained here, to the point."""
    answer["model"]["features"][0]["missing"] += 1
    _, found = reported(admitted, candidate(session, answer))

    assert found["release_admitted"] == "fail"
