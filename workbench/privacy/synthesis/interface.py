"""What every synthesiser is given, what it gives back, and what is said of it before it is chosen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
import pandas as pd

from workbench.data.constraints import Constraint
from workbench.privacy.dp.loss import Loss
from workbench.privacy.synthesis.columns import Columns


class Guarantee(StrEnum):
    """What is proved of a method, whatever the data and whoever attacks."""

    NONE = "none"
    DIFFERENTIAL_PRIVACY = "differential_privacy"


class Cost(StrEnum):
    """How long 30,000 rows of twenty items take on one core."""

    SECONDS = "seconds"
    MINUTES = "minutes"
    HOURS = "hours"


def silent(_: str) -> None:
    """Nobody listens."""


@dataclass(frozen=True)
class Task:
    """
    What is to be synthesised, and what is public about it.

    `targets` are the items that matter most. `households` names each row's household, the unit of privacy
    (None: a row is a unit); with differential privacy at most `most` rows of each are learnt from, and `loss`
    is what may be lost in all. `entropy` chooses these rows; `demonstration` replaces the noise's randomness
    and is for demonstration homes only. `epochs` is how often a neural method sees the rows. `tell` hears
    of progress, in both languages' sentences and without values.
    """

    frame: pd.DataFrame
    columns: Columns
    targets: Sequence[str] = ()
    households: "pd.Series[Any] | None" = None
    most: int = 1
    loss: Loss | None = None
    constraints: Sequence[Constraint] = ()
    entropy: int = 0
    demonstration: bytes | None = None
    epochs: int | None = None
    tell: Callable[[str], None] = field(default=silent, repr=False)


class Sampler(Protocol):
    """
    A fitted synthesiser. `rows` is how many rows the source has: exactly where nothing is promised, and
    noisy where the guarantee covers it.
    """

    rows: int

    def sample(self, rows: int, *, order: np.random.Generator) -> pd.DataFrame: ...


@dataclass(frozen=True)
class Synthesiser:
    """One row of the table of synthesisers; `extra` is the optional part of the workbench that it needs."""

    fit: Callable[[Task], Sampler]
    guarantee: Guarantee
    cost: Cost
    extra: str | None
    ja: str
    en: str

    @property
    def is_private(self) -> bool:
        return self.guarantee is Guarantee.DIFFERENTIAL_PRIVACY
