"""Top and bottom coding: numbers beyond a bound become the bound, so that no extreme stands out."""

import math
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.errors import Unusable, Usage
from workbench.privacy.anonymity.classes import require_columns
from workbench.privacy.anonymity.step import Step


@dataclass(frozen=True)
class TopBottomCoding(Step):
    """
    Every number of `item` below `bottom` becomes `bottom`, every one above `top` becomes `top`; None is no bound.

    A missing number stays missing. Hundepool et al., "Statistical Disclosure Control" (2012), section 3.3.
    """

    item: str
    bottom: float | None = None
    top: float | None = None

    name: ClassVar[str] = "top_bottom_coding"

    def __post_init__(self) -> None:
        bounds = [bound for bound in (self.bottom, self.top) if bound is not None]
        if not bounds or not all(map(math.isfinite, bounds)) or bounds != sorted(bounds):
            raise Usage(
                ja=f"項目「{self.item}」の下限・上限の少なくとも一方を、下限が上限を超えないように指定してください。",
                en=f"Give '{self.item}' a bottom or a top, the bottom not above the top.",
            )

    def change(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(**{self.item: np.clip(numbers(frame, self.item), self.bottom, self.top)})

    @classmethod
    def beyond(cls, frame: pd.DataFrame, item: str, *, share: float, least: int) -> Self:
        """
        The bounds at which a `share` of the numbers, and no fewer than `least` of them, lie on either side.

        They are values of the table: read off the data, not public. Raises Unusable where the two would meet.
        """
        held = np.sort(numbers(frame, item))
        held = held[~np.isnan(held)]
        coded = max(math.ceil(share * len(held)), least)
        if 2 * coded > len(held) or coded < 1:
            raise Unusable(
                ja=f"項目「{item}」の値は {len(held)} 個で、両端の {coded} 個ずつをまとめるには足りません。",
                en=f"'{item}' has {len(held)} numbers, too few to join {coded} at either end.",
            )
        return cls(item, bottom=float(held[coded - 1]), top=float(held[-coded]))


def numbers(frame: pd.DataFrame, item: str) -> NDArray[np.float64]:
    """
    The numbers of a column, NaN where missing. Unusable, naming a row and never its value, for what is none.

    Infinity is no number here: it would be everybody's mean.
    """
    column = frame[require_columns(frame, [item])[0]]
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object)
    found = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    strange = np.flatnonzero(
        (np.isnan(found) & (column.notna() & (column != "")).to_numpy()) | np.isinf(found)
    )
    if len(strange):
        raise Unusable(
            ja=f"項目「{item}」に数値でない値が {len(strange)} 個あります。数値に直すか、別の加工を選んでください。",
            en=f"'{item}' holds {len(strange)} values that are no finite numbers; correct them, or choose another step.",
        )
    return np.asarray(found)
