"""The ranking and the cut in it: by score, by how many can be visited, and how well the expected rates hold."""

from itertools import combinations
from typing import Any

import numpy as np

from workbench.riskflag import metrics
from workbench.riskflag.cells import Cell, share
from workbench.riskflag.metrics import Brier, Interval
from workbench.riskflag.tested import Tested
from workbench.scoring import drift, engine


def threshold(tested: Tested) -> dict[str, Any]:
    """The cut: places there are, children they are given to, and what became of equal scores at the end."""
    held = tested.model.threshold
    places = held.capacity.of(len(tested.scores))
    return {
        "score": held.score,
        "chosen": tested.chosen if tested.shown else None,
        "tie_rule": held.tie_rule,
        "per_10000": held.capacity.per_10000,
        "places": places,
        # Both numbers stand in the capacity table where its row does; the difference says nothing more.
        "unused": places - int(tested.flagged.sum()) if tested.shown else None,
        "decided": dict(tested.definition.decided),
    }


def capacity(tested: Tested) -> list[dict[str, Any]]:
    return [row(cell, tested) for cell in tested.cells[:-1]]


def row(cell: Cell, tested: Tested) -> dict[str, Any]:
    """What happens when everyone from this score up is visited, in children and of a hundred visits."""
    flagged, found = cell.flagged_until_here, cell.positives_until_here
    positives = int(tested.labels.sum())
    return {
        "share": round(flagged / len(tested.labels), 4),
        "threshold": cell.lowest,
        "chosen": cell.lowest == tested.chosen,
        "flagged": flagged,
        "found": found,
        "missed": positives - found,
        "false_alarms": flagged - found,
        "of_100_visits": round(100 * found / flagged),
        "precision": metrics.wilson(found, flagged).to_json(),
        "recall": metrics.wilson(found, positives).to_json(),
        "false_alarms_per_found": round((flagged - found) / found, 2),
    }


def ventiles(tested: Tested) -> list[dict[str, Any]]:
    """Each cell by itself: where it lies in the ranking, its rate, its lift, and whether the model foresaw it."""
    rows, above, labels = [], np.inf, tested.labels
    for cell in tested.cells:
        inside = (tested.scores >= cell.lowest) & (tested.scores < above)
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
                "expected": round(float(tested.expected[inside].mean()), 4),
                "lift": round(cell.positives / cell.children / float(labels.mean()), 2),
                "recall": round(cell.positives_until_here / int(labels.sum()), 4),
            }
        )
    return rows


def out_of_order(tested: Tested) -> int:
    """How many pairs of cells have the clearly higher rate where the scores are lower."""
    rates = [metrics.wilson(cell.positives, cell.children) for cell in tested.cells]
    return sum(lower.low > upper.high for upper, lower in combinations(rates, 2))


def calibration(tested: Tested) -> dict[str, Any]:
    """Outcomes recorded over outcomes expected, and the parts of the Brier score over the cells."""
    rows = ventiles(tested)
    brier = Brier.of(
        np.array([row["children"] for row in rows], dtype=np.float64),
        np.array([row["positives"] / row["children"] for row in rows]),
        np.array([row["expected"] for row in rows]),
    )
    whole: Interval = metrics.observed_to_expected(tested.labels, tested.expected)
    return {"observed_to_expected": whole.to_json(), "brier": brier.to_json()}


MOST_REASONS = 3


def reason_frequency(tested: Tested) -> list[dict[str, Any]]:
    """Of the flagged children, for how many each term is among the three reasons a list would tell; most often first."""
    scored = tested.rescored()
    contributions = scored.contributions[tested.flagged]
    order = np.argsort(-contributions, axis=1, kind="stable")[:, :MOST_REASONS]
    told = np.take_along_axis(contributions, order, axis=1) > 0
    times = np.bincount(order[told], minlength=contributions.shape[1])
    words = {f"rule:{place}": dict(rule.words) for place, rule in enumerate(tested.model.rules, start=1)}
    rows = [
        {
            "term": term,
            "words": words.get(term),
            **share(int(count), len(contributions), min_cell=tested.min_cell),
        }
        for term, count in zip(tested.model.terms, times, strict=True)
    ]
    return sorted(rows, key=lambda row: (-(row["share"] or (row["few"] == "outside")), row["term"]))


def score_by_time(tested: Tested) -> dict[str, Any]:
    """The test year's children in tenths of the training years' scores, and how far that is from a tenth each."""
    learnt = engine.score(tested.model, tested.learnt.part.table(tested.model.items)).scores
    edges = np.unique(np.quantile(learnt, np.linspace(0.1, 0.9, 9), method="higher"))
    counts = [
        np.bincount(np.searchsorted(edges, scores, side="right"), minlength=len(edges) + 1)
        for scores in (learnt, tested.scores)
    ]
    before, now = ({str(place): count / each.sum() for place, count in enumerate(each)} for each in counts)
    return {
        "psi": round(drift.stability_index(before, now), 3),
        "bands": [
            {
                "train": round(before[str(place)], 2),
                **share(int(count), len(tested.scores), min_cell=tested.min_cell),
            }
            for place, count in enumerate(counts[1])
        ],
    }
