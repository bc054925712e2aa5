"""
What ARX 3.9.2 measured on Adult at the levels it chose: the same classes fail each model, with the same rows.

Answers and conventions in `data_files/arx_known_answers.json`. The search is not asked here: the levels
are ARX's, so a wrong measure cannot be made good by another optimum.
"""

import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.privacy.anonymity import diversity, hierarchies
from workbench.privacy.anonymity.classes import Classes
from workbench.privacy.anonymity.risk.attackers import prosecutor
from workbench.privacy.anonymity.risk.uniqueness import population_uniqueness
from workbench.privacy.anonymity.spread import Spread

FILES = Path(__file__).parent.parent / "data_files"
ANSWERS = json.loads((FILES / "arx_known_answers.json").read_text())

# A model as ARX's answers spell it: which classes of a spread fail it. Trees are those of occupation.
FAILS = {
    "k": lambda s, k: s.rows < k,
    "dl": lambda s, least: diversity.values_in_class(s) < least,
    "el": diversity.too_little_entropy,
    "cl": lambda s, bound, least: diversity.recursive_c_by_class(s, int(least)) >= bound,
    "et": lambda s, t: diversity.equal_t_by_class(s) > t,
    "ht": lambda s, t: diversity.hierarchical_t_by_class(s, ladders()["occupation"]) > t,
    "ot": lambda s, t: diversity.ordered_t_by_class(s, diversity.numeric_order(s.words)) > t,
    "dd": lambda s, delta: diversity.delta_by_class(s) >= delta,
    "bb": lambda s, beta: diversity.basic_beta_by_class(s) > beta,
    "eb": lambda s, beta: diversity.enhanced_beta_by_class(s) > beta,
}


def all_at_the_top(answer: dict) -> bool:
    """ARX calls every row suppressed where all items are '*': such an answer says nothing of a class."""
    return not answer["classes"]


def known(name: str) -> bool:
    return all(part.split(":")[0] in FAILS for part in name.split("+"))


ASKED = [
    answer
    for answer in ANSWERS["measured"]
    if answer["sensitive"]
    and answer["optimum_found"]
    and known(answer["privacy"])
    and not all_at_the_top(answer)
]


@cache
def adult() -> pd.DataFrame:
    return pd.read_csv(FILES / "adult" / "adult.csv.gz", sep=";", dtype=str, keep_default_na=False)


@cache
def ladders() -> dict:
    return hierarchies.load(FILES / "adult")


@cache
def column(item: str, level: int) -> pd.Series:
    words = sorted(adult()[item].unique())
    labels = ladders()[item].labels(words, level=level)
    return adult()[item].map(dict(zip(words, labels, strict=True)))


def at_levels(items: list[str], levels: list[int]) -> pd.DataFrame:
    return pd.DataFrame({item: column(item, level) for item, level in zip(items, levels, strict=True)})


def named(answer: dict) -> str:
    return f"{answer['privacy']} {answer['suppression_limit']} {answer['sensitive']} {answer['metric']}"


@pytest.mark.parametrize("answer", ASKED, ids=named)
def test_the_same_classes_fail(answer):
    classes = Classes.of(at_levels(answer["qis"], answer["levels"]), answer["qis"])
    spread = Spread.of(classes, adult()[answer["sensitive"]])
    failing = np.zeros(len(classes), dtype=bool)
    for part in answer["privacy"].split("+"):
        name, *limits = part.split(":")
        failing |= FAILS[name](spread, *map(float, limits))

    assert int(classes.rows[failing].sum()) == answer["suppressed_rows"]
    assert int((~failing).sum()) == answer["classes"]


def released(state: str) -> Classes:
    """The classes of an output that a known answer of risk describes, its suppressed rows left out."""
    k = int(re.search(r"k=(\d+)", state)[1])
    levels = {2: [0, 3, 0, 0, 1, 1, 1, 1, 0], 5: [0, 3, 0, 0, 2, 1, 1, 2, 0]}[k]
    frame = at_levels(list(adult()), levels)
    every = Classes.of(frame, list(frame))
    return Classes.of(frame[(every.rows >= k)[every.member]], list(frame))


@pytest.mark.parametrize(
    "answer",
    [a for a in ANSWERS["risk"] if a.get("state", "").startswith("output")],
    ids=lambda a: a["state"],
)
def test_the_risk_of_an_output_is_what_arx_says(answer):
    classes = released(answer["state"])
    attack = prosecutor(classes)

    assert (len(classes), len(classes.member)) == (answer["classes"], answer["rows_counted"])
    assert (attack.highest, attack.lowest) == (answer["highest_risk"], answer["lowest_risk"])
    assert attack.success == pytest.approx(answer["average_risk"], abs=1e-14)
    assert attack.at_risk(above=answer["summary_threshold"]) == pytest.approx(
        answer["prosecutor_records_at_risk"], abs=1e-14
    )
    said = population_uniqueness(classes, residents=answer["population_size"])
    assert {estimate.share for estimate in said.values()} == {answer["pop_unique_dankar"]}
