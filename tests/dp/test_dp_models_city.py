"""What differential privacy costs a model: on the synthetic city and on Adult, beside models without it."""

import contextlib
import gzip
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.data.register import Register
from workbench.population import generate
from workbench.privacy.dp import noise
from workbench.privacy.dp.models import training
from workbench.privacy.dp.models.rows import Protected
from workbench.privacy.dp.models.wish import from_request
from workbench.riskflag import metrics
from workbench.riskflag.define import Definition
from workbench.riskflag.dictionary import Dictionary
from workbench.riskflag.part import Part, Source
from workbench.riskflag.population import considered
from workbench.scoring import engine

pytestmark = pytest.mark.slow
REGISTERS = Path(__file__).parents[2] / "workbench/population/documents/register.yaml"
ADULT = Path(__file__).parents[1] / "data_files/adult"
TARGETS = ("poverty", "abuse_report", "absent_30d_next_year", "young_carer")
FEATURES = [
    "grade", "sex", "hh_type", "absent_days", "late_days", "nurse_visits", "bullied", "breakfast_skipped",
    "school_aid", "disability", "checks_missed", "consulted",
]  # fmt: skip
EDGES = {
    "grade": [6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    "absent_days": [1, 3, 5, 7, 10, 15, 20, 25],
    "late_days": [1, 2, 3, 5, 10],
    "nurse_visits": [1, 2, 4, 6, 10, 15],
    "checks_missed": [1, 2],
}
FLAG = Definition("attendance", target="absent_30d_next_year", capacity=0.05, reference="child_id")
NOTHING_RECODED = {"schema": "riskflag-recode/1", "release": "city@1", "items": {}}
DRAWS = 3


def part(name, frame, dictionary, recoding=NOTHING_RECODED):
    return Part(
        name,
        frame.reset_index(drop=True),
        dictionary,
        recoding,
        Source("city", "1", "a" * 64, "p", "anonymised"),
    )


@pytest.fixture(scope="module")
def city():
    """The rows of 30,000 children by year; earlier years of most households to train, the last of the others to test."""
    rows = generate("city", 7).truth_child_year.rename(columns={"family": "household_id"})
    homes = rows["household_id"].unique()
    held = set(np.random.default_rng(7).choice(homes, int(len(homes) * 0.4), replace=False))
    usable = rows[rows[FLAG.target].notna()]
    last, back = usable["fy"].max(), usable["household_id"].isin(held)
    dictionary = Dictionary.of(
        {"items": [item.to_json() for item in Register.load(REGISTERS)["child_year"]], "targets": TARGETS}
    )
    test = part("test", usable[back & (usable["fy"] == last)], dictionary)
    train = part("train", usable[~back & (usable["fy"] < last)], dictionary)
    protected = Protected(
        household="household_id", time="fy", before=last, held_back=frozenset(str(home) for home in held)
    )
    return rows, protected, train, test


@contextlib.contextmanager
def free(loss, question):
    yield "q"


def trained(rows, protected, train, *, features=FEATURES, edges=EDGES, flag=FLAG, seed=0, **changes):
    wish = {
        "flag": flag.to_json(), "features": features, "edges": edges, "method": "dp_ebm", "epsilon": 1.0,
        "delta": 1e-6,
    }  # fmt: skip
    return training.answer(
        from_request(wish | changes), table=lambda: rows, protected=protected, released=train, charge=free,
        order=np.random.default_rng(seed),
    ).model  # fmt: skip


def auc(model, flag, test):
    held = considered(flag, test)
    return metrics.auc(engine.score(model, held.part.table(model.items)).scores, held.labels).value


def without_noise(monkeypatch):
    monkeypatch.setattr(noise, "draw", lambda _, exact, **__: [int(value) for value in exact])


def recalls(model, test):
    """
    Of the children with the target, how many are candidates: of each sex, and of each kind of household.

    Counted here on the synthetic rows: the evaluation hides a small cell, and which cell is small depends on the noise.
    """
    held = considered(FLAG, test)
    scores = engine.score(model, held.part.table(model.items)).scores
    flagged = scores >= engine.lowest(scores, model.threshold.capacity, tie_rule=model.threshold.tie_rule)
    positives = held.part.frame[held.labels].assign(found=flagged[held.labels])
    return {
        (item, level): group["found"].mean()
        for item in ("sex", "hh_type")
        for level, group in positives.groupby(item)
    }


def test_dp_ebm_at_epsilon_one_is_within_five_hundredths_of_the_same_model_without_noise(
    city, monkeypatch, capsys
):
    """Three draws, each within 0.05 AUC; what it does to each group stands beside it."""
    rows, protected, train, test = city
    private = [trained(rows, protected, train, seed=seed) for seed in range(DRAWS)]
    with monkeypatch.context() as patch:
        without_noise(patch)
        plain = trained(rows, protected, train, settings={"rounds": 40})
    reference = auc(plain, FLAG, test)
    found = [auc(model, FLAG, test) for model in private]
    plainly, privately = recalls(plain, test), [recalls(model, test) for model in private]

    with capsys.disabled():
        print(
            f"\ncity: without noise {reference:.4f}; at epsilon 1 {', '.join(f'{one:.4f}' for one in found)}"
        )
        for name, recall in plainly.items():
            print(
                f"  recall {' '.join(name)}: {recall:.3f}; {', '.join(f'{one[name]:.3f}' for one in privately)}"
            )
    assert reference > 0.7
    assert min(found) > reference - 0.05
    assert len(plainly) >= 4
    assert all(one.keys() == plainly.keys() for one in privately)


def test_boosting_over_public_bins_is_no_worse_without_noise_than_interprets(city, monkeypatch):
    """The loop itself against the library of its authors, main effects only, on the same bins."""
    interpret = pytest.importorskip("interpret.glassbox")
    rows, protected, train, test = city
    without_noise(monkeypatch)
    model = trained(rows, protected, train, settings={"rounds": 40})

    learnt, held = considered(FLAG, train), considered(FLAG, test)
    places = [engine.score(model, one.part.table(model.items)).places % 1000 for one in (learnt, held)]
    theirs = interpret.ExplainableBoostingClassifier(interactions=0, outer_bags=1, n_jobs=1, max_rounds=300)
    theirs.fit(places[0].astype(float), learnt.labels)
    scores = np.rint(1000 * theirs.decision_function(places[1].astype(float))).astype(np.int64)
    assert auc(model, FLAG, test) > metrics.auc(scores, held.labels).value - 0.02


def public_categories():
    """The codes of the published hierarchies, each a category of its own."""
    items = {}
    for path in sorted(ADULT.glob("adult_hierarchy_*.csv")):
        name = path.stem.removeprefix("adult_hierarchy_")
        values = sorted(line.split(";")[0] for line in path.read_text().split())
        if name not in ("age", "salary-class"):
            items[name] = {"kind": "table", "map": {value: value for value in values}}
    return NOTHING_RECODED | {"items": items}


def test_dp_ebm_on_adult_is_within_five_hundredths_too(monkeypatch, capsys):
    """A row is a household; a random third is held back."""
    table = pd.read_csv(io.BytesIO(gzip.decompress((ADULT / "adult.csv.gz").read_bytes())), sep=";")
    table["home"] = np.arange(len(table)).astype(str)
    later = np.random.default_rng(7).random(len(table)) < 1 / 3
    items = [item.to_json() for item in Register.load(ADULT / "register.yaml")["adult"]]
    dictionary = Dictionary.of({"items": items, "targets": ["salary-class"]})
    flag = replace(FLAG, target="salary-class", positive=">50K", poverty_items=())
    features = [item["name"] for item in items if item["name"] != "salary-class"]
    edges = {"age": [20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70]}
    train, test = (
        part(name, table[mask], dictionary, public_categories())
        for name, mask in (("train", ~later), ("test", later))
    )
    said = {"features": features, "edges": edges, "flag": flag}
    protected = Protected(household="home")

    found = [
        auc(trained(table[~later], protected, train, seed=seed, **said), flag, test) for seed in range(DRAWS)
    ]
    without_noise(monkeypatch)
    reference = auc(trained(table[~later], protected, train, settings={"rounds": 40}, **said), flag, test)

    with capsys.disabled():
        print(
            f"\nAdult: without noise {reference:.4f}; at epsilon 1 {', '.join(f'{one:.4f}' for one in found)}"
        )
    assert reference > 0.85
    assert min(found) > reference - 0.05
