"""
Synthesisers, each under the name a recipe uses.

SDV is optional (BUSL-1.1); the neural ones need torch and are an extra of their own.
"""

import logging
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from workbench.errors import NotFound, Unusable
from workbench.privacy.synthesis import columns as public
from workbench.privacy.synthesis.columns import Columns

TABLE = "table"


def synthesise(
    frame: pd.DataFrame, *, columns: Columns, rows: int, seed: int, method: str = "gaussian-copula"
) -> pd.DataFrame:
    """
    `rows` synthetic rows fitted on `frame`, within the register's ranges and categories.

    `seed` decides the sample; a real home draws it from the operating system. Without differential privacy
    there is no guarantee for a single child. Raises NotFound for an unknown method.
    """
    if method not in SYNTHESISERS:
        raise NotFound(
            ja=f"合成の方法「{method}」はありません。使えるもの: {'、'.join(SYNTHESISERS)}。",
            en=f"There is no synthesiser '{method}'; there are: {', '.join(SYNTHESISERS)}.",
        )
    public.check(frame, columns=columns)
    sample = SYNTHESISERS[method](frame, columns, rows, seed)
    return public.bounded(sample, columns=columns)


def gaussian_copula(frame: pd.DataFrame, columns: Columns, rows: int, seed: int) -> pd.DataFrame:
    """SDV's Gaussian copula on normal marginals (Patki et al. 2016)."""
    metadata, synthesiser = sdv()
    described = {
        name: {"sdtype": "categorical" if column.is_category else "numerical"}
        for name, column in columns.items()
    }
    fitted = synthesiser(
        metadata.load_from_dict({"tables": {TABLE: {"columns": described}}, "relationships": []}),
        # Both would copy exact extremes and decimal places of the data; the register bounds the sample.
        enforce_min_max_values=False,
        enforce_rounding=False,
        default_distribution="norm",
    )
    plain = frame[list(columns)].reset_index(drop=True)
    for name, column in columns.items():
        if not column.is_category:
            plain[name] = pd.to_numeric(plain[name], errors="coerce").astype("Float64").astype(float)
    with quiet():
        fitted.fit({TABLE: plain})
        # SDV samples from one fixed seed unless told otherwise: two releases would share their draws.
        fitted._set_random_state(np.random.RandomState(seed % 2**32))
        sample: Any = fitted.sample(rows)
    return pd.DataFrame(sample[TABLE])


def sdv() -> tuple[Any, Any]:
    """SDV's metadata and synthesiser. Raises Unusable where the extra is not installed."""
    try:
        with quiet():
            from sdv.metadata import Metadata
            from sdv.single_table import GaussianCopulaSynthesizer
    except ImportError:
        raise Unusable(
            ja="合成には SDV が必要です。pip install 'workbench[synthesis]' で入れてください。",
            en="Synthesis needs SDV; install it with pip install 'workbench[synthesis]'.",
        ) from None
    return Metadata, GaussianCopulaSynthesizer


class quiet(warnings.catch_warnings):  # noqa: N801 - reads as a word in `with quiet()`
    """SDV's advice on metadata and progress is not for our users, and its log may quote values."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)

    def __exit__(self, *failure: object) -> None:
        logging.disable(logging.NOTSET)
        super().__exit__(*failure)


Synthesiser = Callable[[pd.DataFrame, Columns, int, int], pd.DataFrame]

SYNTHESISERS: dict[str, Synthesiser] = {"gaussian-copula": gaussian_copula}
