"""The target-aware tree as a synthesiser: rows bounded, coded in public cells, learnt, sampled, decoded."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.errors import Unusable
from workbench.privacy.dp.loss import Kind, Loss
from workbench.privacy.synthesis import dp_tree
from workbench.privacy.synthesis.cells import cells_of
from workbench.privacy.synthesis.interface import Task


@dataclass(frozen=True)
class Sampler:
    """A fitted tree; `rows` is a noisy count."""

    fitted: dp_tree.Fitted

    @property
    def rows(self) -> int:
        return self.fitted.rows

    def sample(
        self, rows: int, *, order: np.random.Generator, fixed: pd.DataFrame | None = None
    ) -> pd.DataFrame:
        """Rows within the public cells; `fixed` gives the items that are known already, row by row."""
        cells = self.fitted.cells
        known = {} if fixed is None else {name: cells[name].encode(fixed[name]) for name in fixed}
        codes = self.fitted.sample(rows, order=order, fixed=known)
        made = {name: cell.decode(codes[name], order=order) for name, cell in cells.items()}
        if fixed is not None:
            made |= {name: fixed[name].reset_index(drop=True) for name in fixed}
        return pd.DataFrame(made)


def tree(task: Task) -> Sampler:
    """Learn the tree within the task's loss. Raises Unusable without a loss in zCDP."""
    loss = expect_concentrated(task.loss)
    targets = [name for name in task.columns if name in task.targets]
    cells = cells_of(task.columns)
    coded = dp_tree.Coded.of(learnt_from(task), cells=cells, targets=targets)
    purse = dp_tree.Purse(loss.at_most, task.most, task.demonstration)
    return Sampler(dp_tree.fit(coded, purse))


def learnt_from(task: Task) -> pd.DataFrame:
    """The rows that are learnt from: at most `most` of each household."""
    if task.households is None:
        return task.frame
    return task.frame[dp_tree.bounded(task.households, most=task.most, entropy=task.entropy)]


def expect_concentrated(loss: Loss | None) -> Loss:
    if loss is None or loss.kind is not Kind.ZCDP or loss.femto:
        raise Unusable(
            ja="差分プライバシーの合成には、使う損失（epsilon と delta）の指定が必要です。",
            en="Synthesis with differential privacy needs the loss it may cost: epsilon and delta.",
        )
    return loss
