"""
Questions as values with a price.

A question names items, never data: its cells, its price and its margin of error are functions of the
question and of public metadata alone, so that asking what it would cost tells nothing about anybody.
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from workbench.errors import NotFound, Unusable
from workbench.scoring import recode

MICRO = 1_000_000
SMALLEST_EPSILON = 0.001
# A table nobody can read is a mistake; it also spends noise on cells without children.
MOST_CELLS = 5_000


@dataclass(frozen=True)
class Source:
    """
    What is public about a table that may be asked about.

    `items` gives each item's recoding: its labels are the only cells there are. `year` is the fiscal year
    asked about: one row for each child. At most `rows_per_household` rows of a household are counted.
    """

    name: str
    items: Mapping[str, Mapping[str, Any]]
    year: int
    household: str
    rows_per_household: int = 3
    year_item: str | None = "fy"

    def labels(self, item: str) -> list[str]:
        """The public labels of an item. Raises NotFound for an item that may not be asked about."""
        if item not in self.items:
            raise NotFound(
                ja=f"項目「{item}」は「{self.name}」で質問できません。質問できる項目: {'、'.join(self.items)}。",
                en=f"Item '{item}' of '{self.name}' cannot be asked about; these can: {', '.join(self.items)}.",
            )
        return recode.labels(self.items[item])


@dataclass(frozen=True)
class Histogram:
    """How many children fall in each category of `item`, within each category of `by` if given."""

    item: str
    epsilon: float
    by: str | None = None
    kind: str = field(default="histogram", init=False)

    def __post_init__(self) -> None:
        if not (
            isinstance(self.epsilon, int | float)
            and math.isfinite(self.epsilon)
            and self.epsilon >= SMALLEST_EPSILON
        ):
            raise Unusable(
                ja=f"epsilon は {SMALLEST_EPSILON} 以上の数で指定してください。",
                en=f"epsilon must be a number of at least {SMALLEST_EPSILON}.",
            )
        if self.by == self.item:
            raise Unusable(
                ja="item と by には別の項目を指定してください。", en="item and by must be different items."
            )

    @property
    def items(self) -> tuple[str, ...]:
        return (self.item,) if self.by is None else (self.by, self.item)


@dataclass(frozen=True)
class Price:
    """What a question costs and what it buys: whole millionths of epsilon and the 95 % margin of error."""

    micro: int
    margin: float
    cells: int

    @property
    def epsilon(self) -> float:
        return self.micro / MICRO


def millionths(epsilon: float) -> int:
    """Whole millionths, rounded up: a charge is never less than what is spent."""
    return math.ceil(round(epsilon * MICRO, 3))


def cells(question: Histogram, source: Source) -> list[tuple[str, ...]]:
    """Every cell of the answer, in the order of the public labels, empty ones too."""
    found = list(itertools.product(*(source.labels(item) for item in question.items)))
    if len(found) > MOST_CELLS:
        raise Unusable(
            ja=f"この質問には {len(found)} の区分があります。{MOST_CELLS} 以下になるよう粗い項目を選んでください。",
            en=f"This question has {len(found)} cells; choose coarser items for at most {MOST_CELLS}.",
        )
    return found


def price(question: Histogram, source: Source) -> Price:
    """The price of a question: a pure function of the question and public metadata."""
    from workbench.privacy.dp.noise import margin, scale

    return Price(
        micro=millionths(question.epsilon),
        margin=margin(scale(sensitivity=source.rows_per_household, epsilon=question.epsilon)),
        cells=len(cells(question, source)),
    )


def from_request(request: Mapping[str, Any]) -> Histogram:
    """The question in a request from a notebook. Raises Unusable when it is none."""
    by = request.get("by")
    if (
        request.get("kind") != "histogram"
        or not isinstance(request.get("item"), str)
        or not isinstance(by, str | None)
    ):
        raise Unusable(
            ja="質問の形が正しくありません。histogram(item, by=…, epsilon=…) を使ってください。",
            en="This is not a question; use histogram(item, by=…, epsilon=…).",
        )
    return Histogram(item=request["item"], by=by, epsilon=request.get("epsilon", math.nan))
