"""
What is public about a table that may be asked about: categories, bounds and years, never a value.

All of it comes from the register and the published questions. Nothing here was read off the data, so
nothing that follows from it, a price or the shape of an answer, tells about anybody.
"""

import itertools
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from workbench.errors import NotFound, Unusable
from workbench.scoring import recode

# A table nobody can read is a mistake; it also spends noise on cells without children.
MOST_CELLS = 5_000
# Numbers are counted in steps; a range is cut into about so many.
STEPS = 2**16
# No value is more steps than this from zero: sums of a hundred million rows stay within 64 bits.
FURTHEST = 2**34


@dataclass(frozen=True)
class Number:
    """
    The public range of a number, and the grid on which it is counted.

    Values are clipped to the range and rounded to whole steps; a step is a power of two, so that a sum of
    steps is exact as an integer and as a floating-point number. `whole` numbers have a step of at least 1.
    """

    minimum: float
    maximum: float
    whole: bool = False

    def __post_init__(self) -> None:
        finite = math.isfinite(self.minimum) and math.isfinite(self.maximum)
        # Below the smallest normal number a step has no power of two of its own.
        wide = finite and STEPS * sys.float_info.min <= self.maximum - self.minimum < math.inf
        if not (wide and self.furthest <= FURTHEST):
            raise Unusable(
                ja="数値の公開範囲が正しくありません。台帳の minimum と maximum を確かめてください。",
                en="The public range of a number is malformed; see its minimum and maximum in the register.",
            )

    @cached_property
    def step(self) -> float:
        finest = 2.0 ** math.ceil(math.log2((self.maximum - self.minimum) / STEPS))
        return max(finest, 1.0) if self.whole else finest

    @cached_property
    def low(self) -> int:
        """The lower bound in steps."""
        return math.floor(self.minimum / self.step)

    @cached_property
    def high(self) -> int:
        """The upper bound in steps."""
        return math.ceil(self.maximum / self.step)

    @property
    def width(self) -> int:
        """The range in steps."""
        return self.high - self.low

    @property
    def furthest(self) -> int:
        """The largest size of a value, in steps: what one row can add to a sum."""
        return max(abs(self.low), abs(self.high))


@dataclass(frozen=True)
class Source:
    """
    What is public about a table that may be asked about.

    `items` gives each item's recoding: its labels are the only cells there are. `numbers` gives the range
    of each number. `open` are codes without a public list. `year` is the fiscal year asked about: one row
    for each child. At most `rows_per_household` rows of a household are counted.
    """

    name: str
    items: Mapping[str, Mapping[str, Any]]
    year: int | None
    household: str
    rows_per_household: int = 3
    year_item: str | None = "fy"
    numbers: Mapping[str, Number] = field(default_factory=dict)
    open: Sequence[str] = ()

    def labels(self, item: str) -> list[str]:
        """The public labels of an item. Raises NotFound for an item that has none."""
        listed = [name for name, spec in self.items.items() if recode.labels(spec)]
        return recode.labels(self.items[self._listed(item, listed)])

    def number(self, item: str) -> Number:
        """The public range of a number. Raises NotFound for an item without one."""
        return self.numbers[self._listed(item, self.numbers)]

    def expect_open(self, item: str) -> None:
        """Raise NotFound unless the item is a code whose values may be told above the threshold."""
        self._listed(item, self.open)

    def _listed(self, item: str, offered: Mapping[str, Any] | Sequence[str]) -> str:
        # The unit of privacy is never a category, whatever was published.
        if item in offered and item != self.household:
            return item
        names = "、".join(offered) or "なし"
        raise NotFound(
            ja=f"項目「{item[:100]}」について、「{self.name}」でこの種類の質問はできません。質問できる項目: {names}。",
            en=f"Item '{item[:100]}' of '{self.name}' cannot be asked about in this way; these can: "
            f"{', '.join(offered) or 'none'}.",
        )


def cells(items: Sequence[str], source: Source) -> list[tuple[str, ...]]:
    """Every combination of public labels, in their order, those without children too."""
    labels = [source.labels(item) for item in items]
    if (found := math.prod(len(some) for some in labels)) > MOST_CELLS:
        raise Unusable(
            ja=f"この質問には {found} の区分があります。{MOST_CELLS} 以下になるよう粗い項目を選んでください。",
            en=f"This question has {found} cells; choose coarser items for at most {MOST_CELLS}.",
        )
    return list(itertools.product(*labels))
