"""
What is shipped, and asked about in an audit: every kind of question, with each of its options.

Kinds are found in `questions.KINDS`; a kind or an option without an example here is found by the tests.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from workbench.privacy.dp.answer import answer
from workbench.privacy.dp.audit.neighbours import ASKED, HOUSEHOLD, YEAR
from workbench.privacy.dp.kinds.interface import Question
from workbench.privacy.dp.loss import Loss
from workbench.privacy.dp.questions import (
    Contingency,
    Count,
    Groups,
    Histogram,
    Mean,
    Number,
    Quantile,
    Regression,
    Source,
    Sum,
    Variance,
)

GIRLS = (("sex", ("female",)),)
EXAMPLES: Mapping[str, tuple[Question, ...]] = {
    "count": (Count(epsilon=1.0), Count(epsilon=0.3, by="district", where=GIRLS)),
    "histogram": (
        Histogram(epsilon=1.0, item="absent"),
        Histogram(epsilon=2.0, item="sex", by="district", where=(("absent", ("10-29", "30+")),)),
    ),
    "sum": (
        Sum(epsilon=1.0, item="score"),
        Sum(epsilon=1.0, item="hours", by="sex", between=(0.0, 8.0), where=GIRLS),
    ),
    "mean": (
        Mean(epsilon=1.0, item="score"),
        Mean(epsilon=1.0, item="absent", by="district", between=(0.0, 30.0), where=GIRLS),
    ),
    "variance": (
        Variance(epsilon=1.0, item="hours"),
        Variance(
            epsilon=1.0,
            item="score",
            by="sex",
            between=(30.0, 70.0),
            where=(("district", ("north", "west")),),
        ),
    ),
    "quantile": (
        Quantile(epsilon=1.0, item="absent"),
        Quantile(epsilon=1.0, item="score", at=0.9, by="district", between=(30.0, 70.0), where=GIRLS),
    ),
    "contingency": (
        Contingency(epsilon=1.0, items=("sex", "district")),
        Contingency(
            epsilon=1.0, items=("sex", "district", "absent"), whole=True, where=(("sex", ("female", "male")),)
        ),
    ),
    "groups": (Groups(epsilon=1.0, item="note"), Groups(epsilon=2.0, item="note", where=GIRLS)),
    "regression": (
        Regression(epsilon=1.0, item="score", on=("absent", "grade")),
        Regression(epsilon=1.0, item="absent", on=("hours",), where=GIRLS),
    ),
}

SOURCE = Source(
    name="city",
    items={
        "absent": {"kind": "interval", "edges": [10, 30], "labels": ["<10", "10-29", "30+"]},
        "sex": {"kind": "table", "map": {"female": "female", "male": "male"}},
        "district": {"kind": "table", "map": {name: name for name in ("north", "south", "east", "west")}},
    },
    year=ASKED,
    household=HOUSEHOLD,
    rows_per_household=3,
    year_item=YEAR,
    numbers={
        "grade": Number(0, 11, whole=True),
        "absent": Number(0, 365, whole=True),
        "score": Number(20, 80),
        "hours": Number(-1, 24),
    },
    open=["note"],
)
# Which rows of a household are kept depends on it; fixed, so that two runs on one table are alike.
KEY = b"\x07" * 32


def asked(question: Question, *, source: Source = SOURCE) -> Callable[[pd.DataFrame], Any]:
    """The whole way of a question on a table: charged, answered, told."""

    def release(table: pd.DataFrame) -> Told:
        ledger: Any = Paper()
        given = answer(
            question,
            source=source,
            table=lambda: table,
            ledger=ledger,
            analyst="auditor",
            purpose="audit",
            key=KEY,
        )
        return Told(given.to_json(), tuple(ledger.charged))

    return release


@dataclass(frozen=True)
class Told:
    """An answer as it leaves the room, and what was charged for it."""

    answer: dict[str, Any]
    charged: tuple[Loss, ...]


@dataclass
class Paper:
    """A ledger that writes down what it is asked to charge, and refuses nothing."""

    charged: list[Loss] = field(default_factory=list)

    @contextmanager
    def charge(self, dataset: str, *, loss: Loss, **_: Any) -> Iterator[str]:
        self.charged.append(loss)
        yield "audit"
