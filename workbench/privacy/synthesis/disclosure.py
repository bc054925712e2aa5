"""
What a synthetic table discloses: three attacks, each against a control.

An attack that succeeds as often on children the synthesiser never saw has learnt the population, not a
child; the risk is what is left (Giomi et al., PoPETs 2023): (attack - control) / (1 - control). Closeness
of copies is not among them: it misses planted near-copies of the rarest children. These are attacks on the
average child; only differential privacy bounds the worst case.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from workbench.privacy.synthesis.columns import Columns, encoded

ATTACKS = 1_000
Z95 = 1.959964


@dataclass(frozen=True)
class Risk:
    """Success rates of an attack on children in the source and on the control; risk with its 95 % limits."""

    name: str
    attack: float
    control: float
    risk: float
    lower: float
    upper: float
    attacks: int

    def to_json(self) -> dict[str, Any]:
        figures = {
            "attack": self.attack,
            "control": self.control,
            "risk": self.risk,
            "lower": self.lower,
            "upper": self.upper,
        }
        return {
            "name": self.name,
            "attacks": self.attacks,
            **{name: float(round(figure, 4)) for name, figure in figures.items()},
        }


def disclosure(
    source: pd.DataFrame,
    control: pd.DataFrame,
    synthetic: pd.DataFrame,
    *,
    columns: Columns,
    known: Sequence[str],
    sensitive: Sequence[str],
    seed: int,
) -> list[Risk]:
    """
    Attack `synthetic`, made from `source`, as somebody who knows the items `known` about a child.

    `control` holds children of the same population that were not in `source`, of other households.
    """
    order = np.random.default_rng(seed)
    victims = [draw(frame, order=order) for frame in (source, control)]

    def measure(name: str, attack: Callable[[pd.DataFrame], "np.ndarray[Any, Any]"]) -> Risk:
        return judged(name, *(attack(children) for children in victims))

    risks = [
        measure("exact_copy", lambda children: copied(children, synthetic, columns=columns)),
        measure("linkability", lambda children: linked(children, synthetic, columns=columns, known=known)),
    ]
    risks.extend(
        measure(
            f"inference:{item}",
            lambda children, item=item: inferred(
                children, synthetic, columns=columns, known=known, item=item
            ),
        )
        for item in sensitive
    )
    return risks


def draw(frame: pd.DataFrame, *, order: np.random.Generator) -> pd.DataFrame:
    return frame.iloc[order.permutation(len(frame))[:ATTACKS]].reset_index(drop=True)


def copied(children: pd.DataFrame, synthetic: pd.DataFrame, *, columns: Columns) -> "np.ndarray[Any, Any]":
    """Which children stand in the synthetic table with every item."""
    made = set(map(tuple, spelled(synthetic, columns=columns)))
    return np.array([tuple(row) in made for row in spelled(children, columns=columns)])


def spelled(frame: pd.DataFrame, *, columns: Columns) -> list[list[str]]:
    return [[str(value) for value in row] for row in frame[list(columns)].astype("object").to_numpy()]


def linked(
    children: pd.DataFrame, synthetic: pd.DataFrame, *, columns: Columns, known: Sequence[str]
) -> "np.ndarray[Any, Any]":
    """Which children's two halves (known items, other items) have the same nearest synthetic row."""
    rest = [item for item in columns if item not in known]
    if not rest or not known:
        return np.zeros(len(children), dtype=bool)
    halves = [
        nearest(children, synthetic, columns={item: columns[item] for item in half}) for half in (known, rest)
    ]
    return halves[0] == halves[1]


def inferred(
    children: pd.DataFrame, synthetic: pd.DataFrame, *, columns: Columns, known: Sequence[str], item: str
) -> "np.ndarray[Any, Any]":
    """Which children's sensitive item is that of the synthetic row nearest in the known items."""
    near = nearest(children, synthetic, columns={name: columns[name] for name in known if name != item})
    guessed = synthetic[item].astype("object").to_numpy()[near]
    actual = children[item].astype("object").to_numpy()
    both_missing = pd.isna(guessed) & pd.isna(actual)
    return np.asarray(both_missing | (guessed.astype(str) == actual.astype(str)))


def nearest(children: pd.DataFrame, synthetic: pd.DataFrame, *, columns: Columns) -> "np.ndarray[Any, Any]":
    from sklearn.neighbors import NearestNeighbors

    near = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(encoded(synthetic, columns=columns))
    return np.asarray(near.kneighbors(encoded(children, columns=columns), return_distance=False)[:, 0])


def judged(name: str, attack: "np.ndarray[Any, Any]", control: "np.ndarray[Any, Any]") -> Risk:
    """Risk and its limits: the attack's Wilson bound on one side against the control's on the other."""
    rates = float(attack.mean()), float(control.mean())
    low, high = (wilson(rates[0], len(attack), side=side) for side in (-1, 1))
    least, most = (wilson(rates[1], len(control), side=side) for side in (-1, 1))
    return Risk(name, *rates, excess(*rates), excess(low, most), excess(high, least), len(attack))


def excess(attack: float, control: float) -> float:
    return 0.0 if attack <= control else (attack - control) / (1 - control)


def wilson(rate: float, number: int, *, side: int) -> float:
    """One bound of Wilson's 95 % interval for a rate (Wilson 1927)."""
    spread = Z95 * math.sqrt(rate * (1 - rate) / number + Z95**2 / (4 * number**2))
    return min(1.0, max(0.0, (rate + Z95**2 / (2 * number) + side * spread) / (1 + Z95**2 / number)))
