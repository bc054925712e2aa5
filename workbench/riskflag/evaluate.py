"""
Evaluating a model on the test part: plain data in, plain data out, nothing drawn and nothing random.

It runs on the compiled integer model, and it is a pure function of model, definition and the two parts, so
the room that checks a candidate runs it again and compares digit by digit. Counts that would describe few
children are None; `too_few` says so.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import rfc8785

from workbench.errors import Refused
from workbench.riskflag import baselines, groups, metrics
from workbench.riskflag.cells import Cell, partition
from workbench.riskflag.define import Definition
from workbench.riskflag.dictionary import Dictionary
from workbench.riskflag.metrics import Integers, Labels
from workbench.riskflag.part import Part
from workbench.riskflag.population import Considered, considered
from workbench.scoring import drift, engine
from workbench.scoring.model import Model

SCHEMA = "riskflag-evaluation/1"
MIN_CELL = 10


def evaluate(
    model: Model,
    definition: Definition,
    *,
    train: Part,
    test: Part,
    by: Sequence[str] = (),
    min_cell: int = MIN_CELL,
) -> dict[str, Any]:
    """
    The evaluation of `model` on `test`, with `train` for baselines and reference shares; `by` names groups.

    Raises Refused where an item is not in the dataset. With fewer than `min_cell` children of either
    outcome nothing but that fact is reported.
    """
    for item in by:
        refuse_absent(item, test)
    learnt, held = considered(definition, train), considered(definition, test)
    scored = engine.score(model, held.part.table(model.items))
    held, scores = without_rejected(held, scored)
    enough = enough_of_both(held, min_cell=min_cell) and enough_of_both(learnt, min_cell=min_cell)
    return {
        "schema": SCHEMA,
        "model": digest_of(model),
        "target": definition.target,
        "unit": definition.unit,
        "min_cell": min_cell,
        "by": list(by),
        "train": size(learnt, min_cell=min_cell),
        "test": size(held, min_cell=min_cell),
        "too_few": not enough,
        "scores": hashlib.sha256(np.sort(scores).astype("<i8").tobytes()).hexdigest(),
        "reference": reference(model, learnt, min_cell=min_cell),
        **(figures(model, definition, learnt, held, scores, by=by, min_cell=min_cell) if enough else {}),
    }


def digest_of(model: Model) -> str:
    """The model's identity: the digest of its canonical file."""
    return hashlib.sha256(rfc8785.dumps(model.to_json())).hexdigest()


def figures(
    model: Model,
    definition: Definition,
    learnt: Considered,
    held: Considered,
    scores: Integers,
    *,
    by: Sequence[str],
    min_cell: int,
) -> dict[str, Any]:
    """Everything that needs enough children of either outcome."""
    labels, threshold = held.labels, model.threshold
    chosen = max(threshold.score, engine.lowest(scores, threshold.capacity, tie_rule=threshold.tie_rule))
    flagged = scores >= chosen
    cells = partition(scores, labels, chosen=chosen, tie_rule=threshold.tie_rule, min_cell=min_cell)
    overall = metrics.auc(scores, labels)
    single = baselines_of(model, definition, learnt, held, min_cell=min_cell)
    return {
        "auc": overall.to_json(),
        "average_precision": round(metrics.average_precision(scores, labels), 4),
        "capacity": [capacity_row(cell, labels, chosen=chosen) for cell in cells[:-1]],
        "ventiles": ventile_rows(cells, scores, labels),
        "observed_to_expected": round(float(labels.sum() / metrics.probability(scores).sum()), 4),
        "groups": {
            item: groups.table(
                held.part.frame[item], scores=scores, labels=labels, flagged=flagged, min_cell=min_cell
            )
            for item in by
        },
        "not_already_known": not_already_known(definition, held, flagged, scores, min_cell=min_cell),
        "baselines": single,
        "notes": notes(
            overall,
            single,
            labels=labels,
            flagged=flagged,
            chosen=chosen,
            cells=cells,
            dictionary=held.part.dictionary,
        ),
    }


def refuse_absent(item: str, part: Part) -> None:
    if item not in part.columns:
        raise Refused(
            ja=f"項目「{item}」はこのデータセットにありません。groups の項目名を確かめてください。",
            en=f"The item '{item}' is not in this dataset; check the names in groups.",
        )


def without_rejected(held: Considered, scored: engine.Scored) -> tuple[Considered, Integers]:
    """The rows the scoring stage would score, and their scores."""
    mask = ~scored.rejected
    frame = held.part.frame.loc[mask].reset_index(drop=True)
    part = Part(**{**vars(held.part), "frame": frame})
    return Considered(part=part, labels=held.labels[mask]), scored.scores[mask]


def enough_of_both(among: Considered, *, min_cell: int) -> bool:
    positives = int(among.labels.sum())
    return min(positives, len(among.labels) - positives) >= min_cell


def size(among: Considered, *, min_cell: int) -> dict[str, int | None]:
    """Rows and positives of a part; positives None when they are few."""
    shown = enough_of_both(among, min_cell=min_cell)
    return {"rows": len(among.labels), "positives": int(among.labels.sum()) if shown else None}


def capacity_row(cell: Cell, labels: Labels, *, chosen: int) -> dict[str, Any]:
    """What happens when everyone from this score up is visited."""
    flagged, found, positives = cell.flagged_until_here, cell.positives_until_here, int(labels.sum())
    return {
        "share": round(flagged / len(labels), 4),
        "threshold": cell.lowest,
        "chosen": cell.lowest == chosen,
        "flagged": flagged,
        "found": found,
        "missed": positives - found,
        "false_alarms": flagged - found,
        "precision": metrics.wilson(found, flagged).to_json(),
        "recall": metrics.wilson(found, positives).to_json(),
        "false_alarms_per_found": round((flagged - found) / found, 2),
    }


def ventile_rows(cells: Sequence[Cell], scores: Integers, labels: Labels) -> list[dict[str, Any]]:
    """Each cell by itself: where it lies in the ranking, its rate, its lift, and whether the model foresaw it."""
    rows, above = [], np.inf
    for cell in cells:
        inside = (scores >= cell.lowest) & (scores < above)
        above = float(cell.lowest)
        before = cell.flagged_until_here - cell.children
        rows.append(
            {
                "from": round(before / len(labels), 4),
                "to": round(cell.flagged_until_here / len(labels), 4),
                "lowest": cell.lowest,
                "children": cell.children,
                "positives": cell.positives,
                "rate": metrics.wilson(cell.positives, cell.children).to_json(),
                "expected": round(float(metrics.probability(scores[inside]).mean()), 4),
                "lift": round(cell.positives / cell.children / float(labels.mean()), 2),
            }
        )
    return rows


def not_already_known(
    definition: Definition, held: Considered, flagged: Labels, scores: Integers, *, min_cell: int
) -> dict[str, Any] | None:
    """The flag among children no office knows yet; None without such an item, or with too few."""
    if definition.known is None or definition.known not in held.part.columns:
        return None
    known = groups.known_mask(held.part.frame[definition.known])
    return groups.known_and_new(known, labels=held.labels, flagged=flagged, scores=scores, min_cell=min_cell)


def baselines_of(
    model: Model, definition: Definition, learnt: Considered, held: Considered, *, min_cell: int
) -> dict[str, Any]:
    """The best single item of the model, and the best single sign of poverty in the dataset."""
    poverty = [
        item
        for item in definition.poverty_items
        if item in learnt.part.columns and item in learnt.part.dictionary
    ]
    lists = {
        "single_best_item": [feature.name for feature in model.features],
        "poverty_only": [item for item in poverty if item != definition.target],
    }
    return {
        name: baselines.single_best(
            items, train=learnt, test=held, capacity=model.threshold.capacity, min_cell=min_cell
        )
        for name, items in lists.items()
    }


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


# A single item this good usually is the outcome itself under another name.
TOO_GOOD = 0.95


def notes(
    overall: metrics.Interval,
    single: Mapping[str, Any],
    *,
    labels: Labels,
    flagged: Labels,
    chosen: int,
    cells: Sequence[Cell],
    dictionary: Dictionary,
) -> list[dict[str, str]]:
    """What a reader must not overlook, in sentences."""
    found: list[dict[str, str]] = []
    if any(cell.lowest == chosen for cell in cells[:-1]):
        wrong = round(100 * float((~labels[flagged]).mean()))
        found.append(
            {
                "ja": f"候補100人のうち約{wrong}人には、対象期間に該当がありません。候補は支援の要否を決めるものではありません。",
                "en": f"Of 100 candidates about {wrong} do not have the target in the period. A candidate is not a decision.",
            }
        )
    best = single["single_best_item"]
    if best and best["auc"]["value"] >= TOO_GOOD:
        label = dictionary[best["item"]].label
        found.append(
            {
                "ja": f"「{label['ja']}」だけでほぼ当たります。基準日より後の情報でないか確かめてください。",
                "en": f"'{label['en']}' alone is almost always right; check that it is not dated after the index date.",
            }
        )
    poor = single["poverty_only"]
    if poor and poor["auc"]["high"] >= overall.value:
        found.append(
            {
                "ja": "生活困窮を示す一項目だけの並びと差がはっきりしません。判定モデルを使う理由を説明できますか。",
                "en": "A list by one sign of poverty does about as well; can the use of a model be justified?",
            }
        )
    return found
