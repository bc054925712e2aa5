"""
SDV's synthesisers for one table: without a formal guarantee.

SDV is optional (BUSL-1.1); the neural ones need torch and are an extra of their own. What SDV is told of the
table is what the register says: its own detection would store exact extremes and rare categories.
"""

import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd

from workbench.errors import Unusable, language
from workbench.privacy.synthesis.columns import Columns
from workbench.privacy.synthesis.interface import Task

TABLE = "table"
# On two cores an epoch of 30,000 rows takes half a minute and more.
EPOCHS = 30
SLOW = {
    "ja": "{name} で学習します（{epochs} 巡、数分から数時間）。まれな区分（支援が必要なこども）は失われやすいため、報告書の「まれな区分」を必ず確かめてください。",
    "en": "Training {name} for {epochs} epochs, minutes to hours. Rare classes, the children who need support, are easily lost: read 'rare categories' in the report.",
}


@dataclass(frozen=True)
class Fitted:
    """A fitted SDV synthesiser."""

    fitted: Any
    rows: int
    neural: bool = False

    def sample(self, rows: int, *, order: np.random.Generator) -> pd.DataFrame:
        with quiet():
            # SDV samples from one fixed seed unless told otherwise: two releases would share their draws.
            seed = int(order.integers(2**32))
            self.fitted._set_random_state(seed if self.neural else np.random.RandomState(seed))
            made: Any = self.fitted.sample(rows)
        return pd.DataFrame(made[TABLE])


def gaussian_copula(task: Task) -> Fitted:
    """SDV's Gaussian copula on normal marginals (Patki et al. 2016)."""
    _, library = sdv()
    return fitted(task, library.GaussianCopulaSynthesizer, default_distribution="norm")


def ctgan(task: Task) -> Fitted:
    """SDV's conditional GAN (Xu et al. 2019)."""
    return neural(task, "CTGANSynthesizer", name="CTGAN")


def tvae(task: Task) -> Fitted:
    """SDV's variational autoencoder (Xu et al. 2019)."""
    return neural(task, "TVAESynthesizer", name="TVAE")


def neural(task: Task, made_by: str, *, name: str) -> Fitted:
    """Fit a neural synthesiser, saying so. Raises Unusable where the extra is not installed."""
    _, library = sdv()
    if find_spec("ctgan") is None:
        raise Unusable(
            ja=f"{name} には追加の部品が必要です。CPU 版の torch を入れてから、pip install 'workbench[neural]' を実行してください。",
            en=f"{name} needs an extra: install torch's CPU build, then pip install 'workbench[neural]'.",
        )
    epochs = task.epochs or EPOCHS
    task.tell(SLOW[language()].format(name=name, epochs=epochs))
    return replace(fitted(task, getattr(library, made_by), epochs=epochs, verbose=True), neural=True)


def fitted(task: Task, made_by: Callable[..., Any], **more: Any) -> Fitted:
    metadata, _ = sdv()
    with quiet():
        synthesiser = made_by(
            metadata.load_from_dict({"tables": {TABLE: {"columns": described(task)}}, "relationships": []}),
            # Both would copy exact extremes and decimal places of the data; the register bounds the sample.
            enforce_min_max_values=False,
            enforce_rounding=False,
            **more,
        )
        synthesiser.fit({TABLE: plain(task.frame, task.columns)})
    return Fitted(synthesiser, len(task.frame))


def described(task: Task) -> dict[str, dict[str, str]]:
    return {
        name: {"sdtype": "categorical" if column.is_category else "numerical"}
        for name, column in task.columns.items()
    }


def plain(frame: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """The frame with numbers as floats: what SDV understands."""
    found = frame[list(columns)].reset_index(drop=True)
    for name, column in columns.items():
        if not column.is_category:
            found[name] = pd.to_numeric(found[name], errors="coerce").astype("Float64").astype(float)
    return found


def sdv() -> tuple[Any, Any]:
    """SDV's metadata and its synthesisers. Raises Unusable where the extra is not installed."""
    try:
        with quiet():
            from sdv import single_table
            from sdv.metadata import Metadata
    except ImportError:
        raise Unusable(
            ja="合成には SDV が必要です。pip install 'workbench[synthesis]' で入れてください。",
            en="Synthesis needs SDV; install it with pip install 'workbench[synthesis]'.",
        ) from None
    return Metadata, single_table


class quiet(warnings.catch_warnings):  # noqa: N801 - reads as a word in `with quiet()`
    """SDV's advice on metadata and progress is not for our users, and its log may quote values."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)

    def __exit__(self, *failure: object) -> None:
        logging.disable(logging.NOTSET)
        super().__exit__(*failure)
