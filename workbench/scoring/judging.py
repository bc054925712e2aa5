"""
From a table that comes piece by piece to the candidates: contract, recoding, scores, places.

Of a row that cannot be a candidate only its score is kept, and of that only how many rows have it; so a
batch takes memory by its candidates, and a score depends neither on the order nor on the size of the pieces.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from workbench.scoring import contract, drift, engine
from workbench.scoring.engine import Integers, Mask, Scored
from workbench.scoring.model import Threshold
from workbench.scoring.scorer import Scorer

Inspect = Callable[[pa.Table], None]
NOBODY = np.zeros(0, dtype=np.int64)
# A category that nobody listed rejects its row; every other fault refuses the batch.
BY_ROW = "levels"


@dataclass(frozen=True)
class Piece:
    """What became of some of the rows."""

    references: list[str]
    scored: Scored
    unseen: Mapping[str, Mask]
    eligible: Mask

    @property
    def rejected(self) -> Mask:
        """The rows with a category that neither the contract nor the model knows."""
        return np.asarray(np.logical_or.reduce(list(self.unseen.values())))

    @property
    def considered(self) -> Mask:
        return ~self.rejected & ~self.scored.rejected & self.eligible

    def tally(self) -> dict[int, int]:
        """How many of the rows considered have each score."""
        found, rows = np.unique(self.scored.scores[self.considered], return_counts=True)
        return dict(zip(found.tolist(), rows.tolist(), strict=True))

    def at_least(self, score: int) -> "Held":
        """The rows considered at or above a score."""
        mask = self.considered & (self.scored.scores >= score)
        return Held([self.references[row] for row in np.flatnonzero(mask)], rows_of(self.scored, mask))

    def why_not(self) -> list[tuple[str, list[str]]]:
        """The rows without a score: reference, and the items they were rejected for."""
        return [
            (self.references[row], [item for item, mask in self.unseen.items() if mask[row]])
            for row in np.flatnonzero(self.rejected)
        ]


@dataclass(frozen=True)
class Held:
    """Rows that may be candidates."""

    references: list[str]
    scored: Scored


@dataclass(frozen=True)
class Judged:
    """
    What became of a batch. `held` are the rows at or above the threshold, `candidates` those with a place.

    `scores` counts the rows considered by score, `places` by the places of each feature; `why_not` are the
    references of rejected rows with their items.
    """

    rows: int
    held: Held
    candidates: Mask
    why_not: list[tuple[str, list[str]]]
    not_eligible: int
    scores: Mapping[int, int]
    missing: Mapping[str, float]
    places: Sequence[Integers]

    @property
    def scored(self) -> int:
        """How many rows have a score that counts."""
        return sum(self.scores.values())


def judge(scorer: Scorer, tables: Iterable[pa.Table], *, inspect: Inspect | None = None) -> Judged:
    """
    Judge the rows of `tables`, one after the other; `inspect` sees each first.

    Raises Broken where they break the input contract, with every row that does.
    """
    model = scorer.model
    holding = contract.Holding(scorer.contract)
    scores: Counter[int] = Counter()
    places = [drift.counted(feature, NOBODY) for feature in model.features]
    held: list[Held] = []
    why_not: list[tuple[str, list[str]]] = []
    not_eligible = 0
    for table in tables:
        if inspect is not None:
            inspect(table)
        accepted = holding.take(table)
        # A batch that is refused already is read on for the list of its faults, and not scored.
        if not table.num_rows or any(rule != BY_ROW for rule, _ in holding.faults):
            continue
        piece = judged(scorer, accepted)
        scores.update(piece.tally())
        for column, feature in enumerate(model.features):
            places[column] = places[column] + drift.counted(
                feature, piece.scored.places[piece.considered, column]
            )
        held.append(piece.at_least(model.threshold.score))
        why_not += piece.why_not()
        not_eligible += int((~piece.eligible & ~piece.rejected).sum())
    missing = holding.settle()
    together = joined(held)
    lowest = max(model.threshold.score, lowest_with_place(scores, model.threshold))
    return Judged(
        rows=holding.rows,
        held=together,
        candidates=together.scored.scores >= lowest,
        why_not=why_not,
        not_eligible=not_eligible,
        scores=scores,
        missing=missing,
        places=places,
    )


def judged(scorer: Scorer, accepted: contract.Accepted) -> Piece:
    recoded = scorer.recoded(accepted.table)
    scored = engine.score(scorer.model, recoded)
    return Piece(
        references=accepted.references,
        scored=scored,
        unseen=unseen_by_item(scorer, accepted, scored),
        eligible=engine.eligible(scorer.model, recoded),
    )


def unseen_by_item(scorer: Scorer, accepted: contract.Accepted, scored: Scored) -> dict[str, Mask]:
    """For each item, the rows whose category neither the contract nor the model knows."""
    unseen = {item: accepted.unseen[item].copy() for item in scorer.model.items}
    for column, feature in enumerate(scorer.model.features):
        if feature.unseen is None:
            unseen[feature.name] |= scored.places[:, column] == engine.UNSEEN_PLACE
    return unseen


def lowest_with_place(scores: Mapping[int, int], threshold: Threshold) -> int:
    """As `engine.lowest`, from how many rows have each score: above every score when there is no place at all."""
    rows = sum(scores.values())
    places = threshold.capacity.of(rows)
    if not rows or places == 0:
        return max(scores) + 1 if rows else 0
    above = 0
    for score in sorted(scores, reverse=True):
        above += scores[score]
        if above >= places:
            fits = above == places or threshold.tie_rule == "take_in"
            return score if fits else score + 1
    return min(scores)


def joined(held: Sequence[Held]) -> Held:
    """The rows of all pieces as one."""
    parts = [one.scored for one in held]

    def stacked(name: str) -> Any:
        return np.concatenate([getattr(part, name) for part in parts])

    names = ("scores", "contributions", "places", "rejected")
    scored = Scored(**{name: stacked(name) for name in names}) if parts else NONE
    return Held([reference for one in held for reference in one.references], scored)


NONE = Scored(NOBODY, NOBODY.reshape(0, 1), NOBODY.reshape(0, 1), np.zeros(0, dtype=bool))


def rows_of(scored: Scored, mask: Mask) -> Scored:
    return Scored(
        scores=scored.scores[mask],
        contributions=scored.contributions[mask],
        places=scored.places[mask],
        rejected=scored.rejected[mask],
    )
