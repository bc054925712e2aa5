"""
Evaluating a model on the test part: plain data in, plain data out, nothing drawn but what a fixed seed draws.

It runs on the compiled integer model, and it is a pure function of model, definition, record of training and
the two parts, so the room that checks a candidate runs it again and compares digit by digit. Counts that
would describe few children are None; `too_few` says so. What the figures mean stands in `notes` and is said
in words by `report`.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import rfc8785

from workbench.errors import Refused
from workbench.riskflag import (
    baselines,
    disclosure,
    groups,
    metrics,
    notes,
    proxies,
    ranking,
    seen,
    sources,
    stability,
)
from workbench.riskflag.define import Definition
from workbench.riskflag.part import Part
from workbench.riskflag.population import Considered
from workbench.riskflag.stability import REFITS, Refit
from workbench.riskflag.tested import Tested, tested
from workbench.scoring import drift, engine
from workbench.scoring.model import Model

SCHEMA = "riskflag-evaluation/2"
MIN_CELL = 10

# Everything that needs enough children of either outcome, in the order in which it is read.
FIGURES: Mapping[str, Callable[[Tested], Any]] = {
    "base_rates": seen.base_rates,
    "surveillance": seen.surveillance,
    "auc": lambda t: metrics.auc(t.scores, t.labels).to_json(),
    "average_precision": lambda t: round(metrics.average_precision(t.scores, t.labels), 4),
    "ventiles": ranking.ventiles,
    "out_of_order": ranking.out_of_order,
    "threshold": ranking.threshold,
    "capacity": ranking.capacity,
    "not_already_known": groups.not_already_known,
    "baselines": baselines.beside,
    "calibration": ranking.calibration,
    "proxies": proxies.audit,
    "reasons": ranking.reason_frequency,
    "sources": sources.absent,
    "disclosure": disclosure.disclosure,
    "score_by_time": ranking.score_by_time,
}


def evaluate(
    model: Model,
    definition: Definition,
    *,
    train: Part,
    test: Part,
    by: Sequence[str] = (),
    min_cell: int = MIN_CELL,
    refit: Refit | None = None,
    refits: int = REFITS,
) -> dict[str, Any]:
    """
    The evaluation of `model` on `test`, with `train` for baselines, refits and reference shares; `by` names groups.

    `refit` fits again what was fitted (`stability.refit_as`), `refits` times. Raises Refused where an item
    is not in the dataset, and for more refits than the twenty a report has. With fewer than `min_cell`
    children of either outcome nothing but that fact is reported.
    """
    for item in by:
        refuse_absent(item, test)
    refuse_refits(refits)
    on = tested(model, definition, train=train, test=test, min_cell=min_cell)
    enough = all(enough_of_both(part, min_cell=min_cell) for part in (on.held, on.learnt))
    data = {
        "schema": SCHEMA,
        "model": digest_of(model),
        "form": model.form,
        "target": definition.target,
        "unit": definition.unit,
        "min_cell": min_cell,
        "by": list(by),
        "refits": refits,
        "declared": declared(definition),
        "stands_on": disclosure.stands_on(train.source),
        "train": size(on.learnt, min_cell=min_cell),
        "test": size(on.held, min_cell=min_cell),
        "too_few": not enough,
        "scores": hashlib.sha256(np.sort(on.scores).astype("<i8").tobytes()).hexdigest(),
        "reference": reference(model, on.learnt, min_cell=min_cell),
    }
    if enough:
        data |= {name: figure(on) for name, figure in FIGURES.items()}
        data["groups"] = groups.tables(on, by)
        data["gaps"] = groups.gaps(data["groups"])
        data["stability"] = stability.stability(on, refit=refit, refits=refits)
    return {**data, "notes": notes.of(data, dictionary=test.dictionary)}


def digest_of(model: Model) -> str:
    """The model's identity: the digest of its canonical file."""
    return hashlib.sha256(rfc8785.dumps(model.to_json())).hexdigest()


def declared(definition: Definition) -> dict[str, Any]:
    """What only people can tell, as the definition says it; what it leaves out is empty."""
    return {
        "index_date": definition.index_date,
        "horizon": dict(definition.horizon),
        "outcome": dict(definition.outcome),
        "decided": dict(definition.decided),
        "contact": dict(definition.contact),
        "practice": list(definition.practice),
        "review_on": definition.review_on,
    }


def refuse_absent(item: str, part: Part) -> None:
    if item not in part.columns:
        raise Refused(
            ja=f"項目「{item}」はこのデータセットにありません。groups の項目名を確かめてください。",
            en=f"The item '{item}' is not in this dataset; check the names in groups.",
        )


def refuse_refits(refits: int) -> None:
    if not 0 <= refits <= REFITS:
        raise Refused(
            ja=f"refits は 0 から {REFITS} までです。",
            en=f"refits is between 0 and {REFITS}.",
        )


def enough_of_both(among: Considered, *, min_cell: int) -> bool:
    positives = int(among.labels.sum())
    return min(positives, len(among.labels) - positives) >= min_cell


def size(among: Considered, *, min_cell: int) -> dict[str, int | None]:
    """Rows and positives of a part; positives None when they are few."""
    shown = enough_of_both(among, min_cell=min_cell)
    return {"rows": len(among.labels), "positives": int(among.labels.sum()) if shown else None}


def reference(model: Model, learnt: Considered, *, min_cell: int) -> dict[str, dict[str, float]]:
    """The shares of each feature's points in training, to three decimals, small levels pooled."""
    places = engine.score(model, learnt.part.table(model.items)).places
    return {
        feature.name: pooled_shares(
            drift.shares(feature, places[:, column]), rows=len(places), min_cell=min_cell
        )
        for column, feature in enumerate(model.features)
    }


def pooled_shares(shares: Mapping[str, float], *, rows: int, min_cell: int) -> dict[str, float]:
    large = {name: share for name, share in shares.items() if round(share * rows) >= min_cell}
    rest = 1 - sum(large.values())
    kept = {name: round(share, 3) for name, share in large.items()}
    return kept | ({"(other)": round(rest, 3)} if round(rest * rows) >= min_cell else {})
