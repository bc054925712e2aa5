"""
From a wish to its model: charge, train, compile, write down.

The charge is reserved before a row is read and kept whatever happens. What is wrong with a wish is said
before the charge, from public things alone; after it nothing is said but the model: no training fails
because of what the rows hold, and a fault of ours crosses as the gateway's one sentence with a number.
"""

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from workbench.errors import WorkbenchError
from workbench.privacy.dp import noise
from workbench.privacy.dp.loss import Loss
from workbench.privacy.dp.models import familiar
from workbench.privacy.dp.models.bins import Bins, public_bins
from workbench.privacy.dp.models.boosting import Boosted, Plan, Tell, boost
from workbench.privacy.dp.models.rows import Protected, Rows, rows_of
from workbench.privacy.dp.models.wish import Wish
from workbench.riskflag import metrics
from workbench.riskflag.part import Part
from workbench.riskflag.population import Considered, considered
from workbench.riskflag.train import Training, at_capacity, draft
from workbench.scoring import engine
from workbench.scoring.model import Feature, Model

# diffprivlib's warnings are caught for the whole process, and a training is heavy: one at a time.
ONE_AT_A_TIME = threading.Lock()

Charge = Callable[[Loss, Mapping[str, Any]], AbstractContextManager[str]]


@dataclass(frozen=True)
class Price:
    """What a wish costs and what it buys; the same for every table."""

    loss: Loss
    epsilon: float
    delta: float
    tries: int
    visible: float | None

    def to_json(self) -> dict[str, Any]:
        """`epsilon` is of one training; `epsilon_of_all` of all tries; `visible` in children with the target."""
        return {
            "epsilon": self.epsilon,
            "delta": self.delta,
            "tries": self.tries,
            "epsilon_of_all": round(self.epsilon * self.tries, 6),
            "visible": None if self.visible is None else round(self.visible, 1),
            "unit": "household",
        }


@dataclass(frozen=True)
class Trained:
    """A model that may leave, and how it was trained, with its guarantee; nothing of it was counted exactly."""

    model: Model
    training: Training


class TrainingFailed(Exception):
    """A training that broke after its charge. Not an error for people: the gateway tells its number alone."""


def understood(wish: Wish, *, released: Part) -> list[Bins]:
    """The public bins of a wish. Raises Refused for what no model of the flag may use, before anything is spent."""
    wish.definition.check_features(wish.features, dictionary=released.dictionary)
    considered(wish.definition, released)
    return public_bins(
        wish.features, dictionary=released.dictionary, recoding=released.recode, edges=wish.edges
    )


def price(wish: Wish, *, released: Part) -> Price:
    """The price of a wish: a function of the wish and of what was admitted, never of a protected row."""
    understood(wish, released=released)
    plan = plan_of(wish) if wish.how.concentrated else None
    return Price(wish.loss, wish.epsilon, wish.delta, wish.tries, plan.visible if plan else None)


def plan_of(wish: Wish) -> Plan:
    return Plan.of(
        rho=wish.each.at_most,
        features=len(wish.features),
        rounds=int(wish.settings["rounds"]),
        rate=float(wish.settings["rate"]),
    )


def answer(
    wish: Wish,
    *,
    table: Callable[[], pd.DataFrame],
    protected: Protected,
    released: Part,
    charge: Charge,
    order: np.random.Generator,
    demonstration: bytes | None = None,
) -> Trained:
    """
    Charge, then train. Raises Refused before the charge, from public things alone; TrainingFailed after it.

    `table` reads the protected rows and is called once the charge is reserved. `released` is the training
    part of the admitted release whose recoding the model carries: thresholds, and the choice among tries,
    come from its rows. `order` cuts leaves and draws rows within a household; it sees no value.
    """
    bins = understood(wish, released=released)
    tell = telling(demonstration)
    with ONE_AT_A_TIME, charge(wish.loss, wish.to_json()) as charged:
        try:
            rows = rows_of(
                table(), protected=protected, definition=wish.definition, bins=bins, released=released
            )
            return best(wish, rows, bins=bins, released=released, tell=tell, order=order, charged=charged)
        except WorkbenchError as error:
            # Our own sentences may tell of what was found in the rows; these never cross.
            raise TrainingFailed from error


def rehearse(wish: Wish, *, released: Part, order: np.random.Generator) -> Trained:
    """The same training, with the same noise, on the admitted rows, each a household of its own; for nothing."""
    bins = understood(wish, released=released)
    among = considered(wish.definition, released)
    places = [each.places(among.part.table([each.shape.name]).column(0)) for each in bins]
    rows = Rows(np.stack(places, axis=1), among.labels, np.arange(len(among.labels)))
    tell = telling(order.bytes(32))
    with ONE_AT_A_TIME:
        return best(wish, rows, bins=bins, released=released, tell=tell, order=order, charged="rehearsal")


def telling(demonstration: bytes | None) -> Tell:
    """The door of `noise`; a demonstration's bytes give each draw its own."""
    numbers = itertools.count()

    def tell(mechanism: noise.Mechanism, exact: list[int]) -> list[int]:
        own = None if demonstration is None else demonstration + next(numbers).to_bytes(8, "big")
        told: list[int] = noise.draw(mechanism, exact, demonstration=own)
        return told

    return tell


def best(
    wish: Wish,
    rows: Rows,
    *,
    bins: Sequence[Bins],
    released: Part,
    tell: Tell,
    order: np.random.Generator,
    charged: str,
) -> Trained:
    """The best of the tries, each of them paid, judged on admitted rows."""
    among = considered(wish.definition, released)
    made = [compiled(wish, found, bins, among) for found in tries(wish, rows, bins, tell=tell, order=order)]
    model, found = max(made, key=lambda one: quality(one[0], among))
    return Trained(model, told(wish, found, charged=charged))


def tries(
    wish: Wish, rows: Rows, bins: Sequence[Bins], *, tell: Tell, order: np.random.Generator
) -> Iterator[Boosted]:
    """Each try by itself, at its own price."""
    for _ in range(wish.tries):
        if wish.method == "dp_ebm":
            yield boost(rows, bins, plan=plan_of(wish), tell=tell, order=order)
        else:
            one = rows.bounded(1, order=order)
            yield FAMILIAR[wish.method](one, bins, epsilon=wish.each.at_most, settings=wish.settings)


FAMILIAR = {"dp_logistic": familiar.logistic, "dp_naive_bayes": familiar.naive_bayes}


def quality(model: Model, among: Considered) -> float:
    """How well a model ranks the admitted rows; the same for all where one outcome is missing there."""
    scores = engine.score(model, among.part.table(model.items)).scores
    if not 2 <= among.labels.sum() <= len(among.labels) - 2:
        return 0.5
    return metrics.auc(scores, among.labels).value


def compiled(wish: Wish, found: Boosted, bins: Sequence[Bins], among: Considered) -> tuple[Model, Boosted]:
    """The integer model, its threshold from the admitted rows."""
    features = tuple(
        Feature(
            name=each.shape.name,
            points=tuple(points[:-1]),
            missing=points[-1],
            levels=each.shape.levels,
            edges=each.shape.edges,
        )
        for each, points in zip(bins, found.points, strict=True)
    )
    return at_capacity(draft(wish.definition, base=found.base, features=features), among), found


def told(wish: Wish, found: Boosted, *, charged: str) -> Training:
    """How it was trained, as far as it may be told: no exact count, no seed."""
    return Training(
        estimator=wish.how.label,
        parameters={"method": wish.method, **wish.settings},
        features=wish.features,
        seed=None,
        min_cell=0,
        rows=found.rows,
        positives=found.positives,
        edges=dict(wish.edges),
        notes=(dict(wish.how.household), *TRIED[wish.tries > 1]),
        compiled={},
        guarantee={
            "method": wish.method,
            "epsilon": wish.epsilon,
            "epsilon_of_all": round(wish.epsilon * wish.tries, 6),
            "delta": wish.delta,
            "tries": wish.tries,
            "unit": "household",
            "how": dict(wish.how.household),
            "charge": charged,
        },
    )


TRIED: Mapping[bool, Sequence[Mapping[str, str]]] = {
    False: (),
    True: (
        {
            "ja": "複数回の学習から、受入済みのデータで最も良いものを選びました。費用は回数分です。",
            "en": "The best of several trainings on the admitted data; each of them was paid.",
        },
    ),
}
