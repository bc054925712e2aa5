"""What every section of an evaluation is made of: a model, and the children it was tested on, scored once."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.riskflag import metrics
from workbench.riskflag.cells import Cell, partition
from workbench.riskflag.define import Definition
from workbench.riskflag.dictionary import Dictionary
from workbench.riskflag.metrics import Integers, Labels
from workbench.riskflag.part import Part
from workbench.riskflag.population import Considered, considered
from workbench.scoring import engine
from workbench.scoring.model import Model


@dataclass(frozen=True)
class Tested:
    """The rows of the test part that the scoring stage would score, with outcome and score; and the training rows."""

    model: Model
    definition: Definition
    learnt: Considered
    held: Considered
    scores: Integers
    min_cell: int

    @property
    def labels(self) -> Labels:
        return self.held.labels

    @property
    def dictionary(self) -> Dictionary:
        return self.held.part.dictionary

    @cached_property
    def chosen(self) -> int:
        """The lowest score of a candidate: the model's threshold, or higher where there are no more places."""
        threshold = self.model.threshold
        return max(
            threshold.score, engine.lowest(self.scores, threshold.capacity, tie_rule=threshold.tie_rule)
        )

    @cached_property
    def flagged(self) -> Labels:
        return np.asarray(self.scores >= self.chosen, dtype=bool)

    @cached_property
    def expected(self) -> npt.NDArray[np.float64]:
        """What the model would call each child's probability, were its scores calibrated."""
        return metrics.probability(engine.milli_logits(self.model, self.scores))

    @cached_property
    def cells(self) -> list[Cell]:
        return partition(
            self.scores,
            self.labels,
            chosen=self.chosen,
            tie_rule=self.model.threshold.tie_rule,
            min_cell=self.min_cell,
        )

    @property
    def shown(self) -> bool:
        """Whether the cut of the flag itself stands in the tables."""
        return any(cell.lowest == self.chosen for cell in self.cells[:-1])

    def has(self, item: str) -> bool:
        """Whether the dataset has this item, and it is not the outcome itself."""
        return item in self.held.part.columns and item in self.dictionary and item != self.definition.target

    def rescored(self, **columns: Any) -> engine.Scored:
        """The scores of the same children with these columns in place of theirs."""
        part = replace(self.held.part, frame=self.held.part.frame.assign(**columns))
        return engine.score(self.model, part.table(self.model.items))


def tested(model: Model, definition: Definition, *, train: Part, test: Part, min_cell: int) -> Tested:
    """`model` on the rows of `test` that the flag is about; a row the scoring stage rejects is left out."""
    learnt, held = considered(definition, train), considered(definition, test)
    scored = engine.score(model, held.part.table(model.items))
    mask = ~scored.rejected
    rows = replace(held.part, frame=held.part.frame.loc[mask].reset_index(drop=True))
    return Tested(
        model=model,
        definition=definition,
        learnt=learnt,
        held=Considered(part=rows, labels=held.labels[mask]),
        scores=scored.scores[mask],
        min_cell=min_cell,
    )
