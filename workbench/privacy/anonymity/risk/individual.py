"""
The risk of each child and of each household, from a sample with weights.

A row's weight is how many residents it stands for. A class of f rows and weight F is a draw of f from an
unknown number of residents near F; the risk is the expected 1 / that number. Benedetti and Franconi,
"Statistical and technological solutions for controlled data dissemination" (1998); Franconi and
Polettini, "Individual risk estimation in mu-Argus", PSD 2004.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from workbench.errors import Unusable
from workbench.privacy.anonymity.classes import Classes, Codes, categories
from workbench.privacy.anonymity.spread import Floats
from workbench.scoring.recode import MISSING


def individual_risk(classes: Classes, weights: Any) -> Floats:
    """
    The chance of finding the right child, for each row of the table.

    `weights` has one number of at least 1 for each row: Unusable otherwise. With weights of 1 the table
    is its own population, and the risk is 1 / rows of the class.
    """
    given = np.asarray(weights, dtype=np.float64)
    if (
        given.shape != classes.member.shape
        or not bool((given >= 1).all())
        or not bool(np.isfinite(given).all())
    ):
        raise Unusable(
            ja=f"重みは {len(classes.member)} 行それぞれに 1 以上の数で指定してください。一行は自分自身を必ず代表します。",
            en=f"Give each of the {len(classes.member)} rows a weight of at least 1: a row stands for itself at the least.",
        )
    total = np.bincount(classes.member, weights=given, minlength=len(classes))
    return expected_inverse(classes.rows, np.asarray(total, dtype=np.float64))[classes.member]


@cache
def laguerre() -> tuple[Floats, Floats]:
    """Nodes and weights of Gauss and Laguerre's rule: thirteen digits from classes of two on, at every rate."""
    # Imported where it is used: a search, which measures what it leaves, does not wait for it.
    from scipy import special

    nodes, weights = special.roots_laguerre(60)
    return nodes, weights


def expected_inverse(rows: Codes, total: Floats) -> Floats:
    """
    E(1 / F) for F residents, negative binomial given that `rows` of them were drawn at rate rows / total.

    The published integral, put as p / f times that of exp(-s) / (p + q exp(-s / f)). The published series
    and the library's hypergeometric function have no digits left for classes of a hundred.
    """
    rate = rows / total
    missed = 1 - rate
    sums = np.zeros(len(rate))
    for node, weight in zip(*laguerre(), strict=True):
        sums += weight / (rate + missed * np.exp(-node / rows))
    alone = (rows == 1) & (missed > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        single = -np.log(rate) * rate / missed
    return np.where(alone, single, rate / rows * sums)


@dataclass(frozen=True)
class HouseholdRisk:
    """
    For each household, the chance that at least one of its children in the table is found.

    Rows without a household stand for themselves. `expected` is how many households would be found.
    """

    chance: Floats

    @property
    def highest(self) -> float:
        return float(self.chance.max(initial=0.0))

    @property
    def expected(self) -> float:
        return float(self.chance.sum())


def household_risk(risk: Floats, households: Any, *, persons: Any = None) -> HouseholdRisk:
    """
    1 - the product of (1 - r) over the children of each household: who finds one has found the family.

    `risk`, `households` and `persons` have one entry for each row. A child with several rows counts once,
    with the highest of their risks; without `persons` each row is a child. Templ, Kowarik and Meindl, "Statistical disclosure
    control for micro-data using the R package sdcMicro", JSS 67(4), 2015.
    """
    home = homes_of(households, rows=len(risk))
    if persons is not None:
        child = homes_of(persons, rows=len(risk))
        pair, one = np.unique(home * len(risk) + child, return_inverse=True)
        highest = np.zeros(len(pair))
        np.maximum.at(highest, one, risk)
        home, risk = pair // len(risk), highest
    with np.errstate(divide="ignore"):
        # In logarithms, so that a thousand small risks neither vanish nor add up to more than 1.
        escaped = np.bincount(home, weights=np.log1p(-np.asarray(risk, dtype=np.float64)))
    return HouseholdRisk(chance=-np.expm1(escaped))


def homes_of(households: Any, *, rows: int) -> Codes:
    """A number for each row's household; rows without one get one each."""
    coded = categories(households)
    if len(coded.codes) != rows:
        raise Unusable(
            ja=f"世帯の符号が {len(coded.codes)} 件で、{rows} 行と合いません。",
            en=f"{len(coded.codes)} codes of households do not fit {rows} rows.",
        )
    nobody = np.array([spelling == MISSING for spelling in coded.words], dtype=bool)[coded.codes]
    home = np.where(nobody, coded.size + np.cumsum(nobody), coded.codes)
    return np.asarray(np.unique(home, return_inverse=True)[1], dtype=np.int64)
