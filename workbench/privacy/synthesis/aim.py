"""
AIM (McKenna et al. 2022) as OpenDP builds it: an adaptive choice of pairs of items, a graphical model.

OpenDP makes all of it one measurement, whose noise and whose sum of losses are its own: mbi, which fits the
model, sees noisy counts alone. The measurement is called once, on rows that were bounded by household and
coded in public cells. It takes no seed, so a demonstration cannot repeat it. MST is not offered: OpenDP 0.16's
stops on tables of some twenty items (opendp/opendp#2789).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd

from workbench.errors import Unusable
from workbench.privacy.synthesis.cells import Cells, cells_of
from workbench.privacy.synthesis.interface import Task
from workbench.privacy.synthesis.private_tree import expect_concentrated, learnt_from

NEEDED = ("jax", "mbi", "polars")
# Pairs only, and a model of so many megabytes: what a machine with two cores does in minutes.
PAIRS = 2
MEGABYTES = 6.0


@dataclass(frozen=True)
class Sampler:
    """OpenDP's fitted table; `rows` is a noisy count."""

    table: Any
    cells: Mapping[str, Cells]
    rows: int

    def sample(self, rows: int, *, order: np.random.Generator) -> pd.DataFrame:
        # mbi draws from numpy's global state: post-processing, so a seed costs no privacy.
        before = np.random.get_state()
        np.random.seed(int(order.integers(2**32)))
        try:
            drawn = self.table.synthesize(rows)
        finally:
            np.random.set_state(before)
        shuffled = order.permutation(len(drawn))
        made = {}
        for name, cell in self.cells.items():
            codes = drawn[name].fill_null(cell.missing).to_numpy().astype(np.int64)[shuffled]
            made[name] = cell.decode(codes, order=order)
        return pd.DataFrame(made)


def aim(task: Task, *, rounds: int | None = None, megabytes: float = MEGABYTES) -> Sampler:
    """
    Learn with AIM within the task's loss; `rounds` and `megabytes` bound how long and how large.

    Raises Unusable without a loss in zCDP, where the extra is not installed, and in a demonstration.
    """
    loss = expect_concentrated(task.loss)
    if task.demonstration is not None:
        raise Unusable(
            ja="実演では AIM を使えません（乱数の種を受け取らないため）。dp-tree を使ってください。",
            en="AIM takes no seed, so a demonstration cannot repeat it; use dp-tree.",
        )
    dp, polars = libraries()
    cells = cells_of(task.columns)
    learnt = learnt_from(task)
    coded = polars.LazyFrame({name: cell.encode(learnt[name]) for name, cell in cells.items()})
    context = dp.Context.compositor(
        data=coded,
        privacy_unit=dp.unit_of(contributions=task.most),
        privacy_loss=dp.loss_of(rho=loss.at_most),
        split_evenly_over=1,
    )
    algorithm = dp.mbi.AIM(queries=PAIRS, max_size=megabytes, rounds=rounds)
    keys = {name: list(range(len(cell))) for name, cell in cells.items()}
    task.tell("AIM: 数分かかります / this takes minutes")
    table = context.query().contingency_table(keys=keys, algorithm=algorithm).release()
    return Sampler(table, cells, max(1, round(float(np.sum(table.project([next(iter(cells))]))))))


def libraries() -> tuple[Any, Any]:
    """OpenDP with mbi, and polars. Raises Unusable where the extra is not installed."""
    if not all(map(find_spec, NEEDED)):
        raise Unusable(
            ja="AIM には追加の部品が必要です。make aim か pip install 'workbench[aim]' で入れてください。",
            en="AIM needs an extra; install it with 'make aim' or pip install 'workbench[aim]'.",
        )
    import opendp.prelude as dp
    import polars

    dp.enable_features("contrib")
    return dp, polars
