"""Synthesisers, each under the name a recipe uses, in one table."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from workbench.data.constraints import Constraint, broken, within
from workbench.errors import NotFound, Unusable
from workbench.privacy.dp.accounting import RHO_UNIT, Budget, most_rho
from workbench.privacy.dp.loss import MICRO, Kind, Loss
from workbench.privacy.synthesis import aim, private_tree, sdv
from workbench.privacy.synthesis import columns as public
from workbench.privacy.synthesis.columns import Columns
from workbench.privacy.synthesis.interface import Cost, Guarantee, Sampler, Synthesiser, Task
from workbench.privacy.synthesis.sdv import TABLE, quiet

__all__ = [
    "DELTA",
    "SYNTHESISERS",
    "TABLE",
    "Fitted",
    "fit",
    "loss_within",
    "quiet",
    "synthesise",
    "unknown_method",
]

SYNTHESISERS: dict[str, Synthesiser] = {
    "dp-tree": Synthesiser(
        private_tree.tree, Guarantee.DIFFERENTIAL_PRIVACY, Cost.SECONDS, extra=None,
        ja="困難の項目との関係を優先して学ぶ木。判定の開発に向き、数秒で終わります",
        en="A tree that learns first how items go with the targets: for risk flags, in seconds",
    ),
    "aim": Synthesiser(
        aim.aim, Guarantee.DIFFERENTIAL_PRIVACY, Cost.MINUTES, extra="aim",
        ja="二項目の関係を広く保つ方法（AIM）。時間とメモリを多く使います",
        en="AIM: keeps pairs of items more evenly, for much more time and memory",
    ),
    "gaussian-copula": Synthesiser(
        sdv.gaussian_copula, Guarantee.NONE, Cost.SECONDS, extra="synthesis",
        ja="正規コピュラ（SDV）。書き方を試すための速い方法",
        en="SDV's Gaussian copula: quick, for trying out code",
    ),
    "ctgan": Synthesiser(
        sdv.ctgan, Guarantee.NONE, Cost.HOURS, extra="neural",
        ja="敵対的生成（CTGAN）。まれな区分を失いやすい方法です",
        en="CTGAN: loses rare classes easily",
    ),
    "tvae": Synthesiser(
        sdv.tvae, Guarantee.NONE, Cost.HOURS, extra="neural",
        ja="変分自己符号化（TVAE）。まれな区分を失いやすい方法です",
        en="TVAE: loses rare classes easily",
    ),
}  # fmt: skip

# Far below one in the number of children; a third of a usual budget's, as composition shares it out, so that
# a release of the budget's whole epsilon fits.
DELTA = 3e-7
# Constraints that leave fewer rows than one in the product of these contradict what the items are.
ROUNDS = 40
MOST_DRAWN = 10


@dataclass(frozen=True)
class Fitted:
    """A synthesiser that has learnt a task; its rows lie within the register and keep its constraints."""

    task: Task
    sampler: Sampler

    @property
    def rows(self) -> int:
        """How many rows the source has; noisy where the guarantee covers it."""
        return self.sampler.rows

    def sample(self, rows: int, *, order: np.random.Generator) -> pd.DataFrame:
        """
        `rows` synthetic rows. Raises Unusable where hardly any row keeps the constraints.

        Rows that cannot be are drawn again; this looks at synthetic rows alone and costs no privacy.
        """
        constraints = within(self.task.constraints, items=list(self.task.columns))
        kept, found, drawn = [], 0, 0
        for _ in range(ROUNDS):
            # As many as it will take if rows go on as they did: a table of much noise keeps few of them.
            wanted = min((rows - found) * (drawn + 1) // (found + 1) + 1, MOST_DRAWN * rows + 1)
            made = self.sampler.sample(wanted, order=order)
            made = public.bounded(made, columns=self.task.columns)
            kept.append(made[~broken(made, constraints=constraints)].head(rows - found))
            found, drawn = found + len(kept[-1]), drawn + wanted
            if found == rows:
                return pd.concat(kept, ignore_index=True)
        raise Unusable(
            ja="台帳の制約を満たす行がほとんど作れません。制約と項目の範囲が合っているか確かめ、合っていれば epsilon を大きくするか項目を減らしてください。",
            en="Hardly any row keeps the register's constraints; check them against the items' ranges, and where they fit use a larger epsilon or fewer items.",
        )


def fit(method: str, task: Task) -> Fitted:
    """Learn a task. Raises NotFound for an unknown method, Unusable where the table does not fit."""
    if method not in SYNTHESISERS:
        raise unknown_method(method)
    frame = task.frame.reset_index(drop=True)
    public.check(frame, columns=task.columns, least=0 if SYNTHESISERS[method].is_private else 2)
    task = replace(task, frame=frame)
    return Fitted(task, SYNTHESISERS[method].fit(task))


def synthesise(
    frame: pd.DataFrame,
    *,
    columns: Columns,
    seed: int,
    rows: int | None = None,
    method: str = "gaussian-copula",
    targets: Sequence[str] = (),
    households: "pd.Series[Any] | None" = None,
    most: int = 1,
    epsilon: float | None = None,
    delta: float = DELTA,
    constraints: Sequence[Constraint] = (),
    epochs: int | None = None,
) -> pd.DataFrame:
    """
    `rows` synthetic rows fitted on `frame`, within the register's ranges and categories.

    `seed` decides the sample, and which rows of a household are learnt from; noise comes from the operating
    system whatever the seed is. Without differential privacy there is no guarantee for a single child.
    Raises NotFound for an unknown method.
    """
    task = Task(
        frame=frame,
        columns=columns,
        targets=targets,
        households=households,
        most=most,
        loss=None if epsilon is None else loss_within(epsilon, delta=delta),
        constraints=constraints,
        entropy=seed,
        epochs=epochs,
    )
    fitted = fit(method, task)
    order = np.random.default_rng(seed)
    return fitted.sample(fitted.rows if rows is None else rows, order=order)


def loss_within(epsilon: float, *, delta: float = DELTA) -> Loss:
    """The largest loss in zCDP, in whole millionths, that is within (epsilon, delta); see `accounting`."""
    wanted = Loss.approximate(epsilon, delta)
    rho = most_rho(Budget(wanted.micro, 3 * wanted.femto)) // (RHO_UNIT // MICRO)
    return Loss(Kind.ZCDP, rho)


def unknown_method(method: str) -> NotFound:
    return NotFound(
        ja=f"合成の方法「{method[:40]}」はありません。使えるもの: {'、'.join(SYNTHESISERS)}。",
        en=f"There is no synthesiser '{method[:40]}'; there are: {', '.join(SYNTHESISERS)}.",
    )
