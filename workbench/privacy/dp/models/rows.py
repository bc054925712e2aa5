"""
The protected rows as a training sees them: a bin for each item, an outcome, and a share of a household.

The unit of privacy is a household, all its rows together. Each row carries a share in whole units such that
the shares of one household add up to `rows_per_household` at most, however many rows it has; every sum that
is made of them moves by no more than that when a household comes or goes. Each step looks at one household
at a time; which of its rows are drawn is chance, drawn anew for all of them, and follows no value.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.privacy.dp.models.bins import Bins
from workbench.privacy.dp.rows import texts
from workbench.riskflag.define import Definition
from workbench.riskflag.part import Part
from workbench.riskflag.population import considered
from workbench.scoring import recode
from workbench.scoring.engine import Integers
from workbench.scoring.recode import spelled

# A whole row, in units: shares and residuals are integers, so that sums are exact and noise lies on a grid.
UNIT = 1 << 20
HOUSEHOLD = "\0household"  # no release has such a column


@dataclass(frozen=True)
class Protected:
    """
    What is fixed about a source before a model is asked of it.

    `household` names the unit's column; `before` is the first time that is not trained on, None without
    time. `held_back` are the households that an admitted release keeps for evaluation, as they are spelled:
    what a model is tested on it has not seen. `items` are the columns of the source.
    """

    household: str
    time: str | None = None
    before: Any = None
    held_back: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Rows:
    """
    Rows ready for training. `places` has a column of bins for each feature.

    `homes` numbers the households; a row without one is a household of its own.
    """

    places: Integers
    labels: npt.NDArray[np.bool_]
    homes: Integers

    def __len__(self) -> int:
        return len(self.labels)

    def shares(self, rows_per_household: int) -> Integers:
        """Each row's share in units; those of a household never add up to more than the bound."""
        rows = np.bincount(self.homes, minlength=1)[self.homes]
        return np.minimum(UNIT, rows_per_household * UNIT // np.maximum(rows, 1))

    def bounded(self, rows_per_household: int, *, order: np.random.Generator) -> "Rows":
        """At most so many rows of each household, drawn at random within it."""
        shuffled = order.permutation(len(self))
        place = pd.Series(self.homes[shuffled]).groupby(self.homes[shuffled]).cumcount().to_numpy()
        kept = np.sort(shuffled[place < rows_per_household])
        return Rows(self.places[kept], self.labels[kept], self.homes[kept])


def rows_of(
    table: pd.DataFrame,
    *,
    protected: Protected,
    definition: Definition,
    bins: Sequence[Bins],
    released: Part,
) -> Rows:
    """The rows of the source that may be trained on, recoded as `released` was."""
    among = table[trainable(table, protected)]
    items = dict.fromkeys([definition.target, *definition.conditions, *(each.shape.name for each in bins)])
    frame = recoded(among, list(items), released=released)
    frame[HOUSEHOLD] = numbered(among[protected.household])
    part = considered(definition, replace(released, name="train", frame=frame))
    found = part.part.frame
    places = [each.places(part.part.table([each.shape.name]).column(0)) for each in bins]
    shape = (len(found), len(bins))
    return Rows(
        places=np.stack(places, axis=1) if places else np.zeros(shape, dtype=np.int64),
        labels=part.labels,
        homes=found[HOUSEHOLD].to_numpy(dtype=np.int64),
    )


def trainable(table: pd.DataFrame, protected: Protected) -> npt.NDArray[np.bool_]:
    """Earlier times of households that were not held back; a row of no known time stays out."""
    mask = np.ones(len(table), dtype=bool)
    if protected.held_back:
        homes = table[protected.household].map(spelled, na_action="ignore")
        mask &= ~homes.isin(protected.held_back).to_numpy(dtype=bool)
    if protected.time is not None:
        times = pd.to_numeric(table[protected.time], errors="coerce").to_numpy(
            dtype=np.float64, na_value=np.nan
        )
        mask &= times < float(protected.before)
    return mask


def recoded(table: pd.DataFrame, items: Sequence[str], *, released: Part) -> pd.DataFrame:
    """The items as the release tells them."""
    return pd.DataFrame(
        {item: recode.apply(released.recoding(item), plain(table[item])).to_pandas() for item in items},
        index=range(len(table)),
    )


def plain(values: "pd.Series[Any]") -> Any:
    """A column of one type as it is; a mixed one as text, where 7, 7.0 and "7" are one and nothing fails."""
    return values if pd.api.types.is_numeric_dtype(values) else pd.array(texts(values), dtype="string")


def numbered(households: "pd.Series[Any]") -> Integers:
    """
    A number for each household, however it is spelled (7, 7.0 and "7" are one); each row without one has its own.

    Told apart by Python: pandas compares texts up to their first zero only.
    """
    seen: dict[object, int] = {}
    own = (place if name is None else name for place, name in enumerate(texts(households)))
    return np.array([seen.setdefault(name, len(seen)) for name in own], dtype=np.int64)
