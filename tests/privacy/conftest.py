"""
Tables as specification: a table in text, and what each metric must say of it.

In the header `*` marks a quasi-identifier, `!` a sensitive item, `~` the household, `@` the person. An empty
cell is a missing value.
"""

from dataclasses import dataclass
from functools import partial

import pandas as pd
import pytest

from workbench.privacy.anonymity import metrics
from workbench.privacy.anonymity.classes import Classes
from workbench.privacy.anonymity.hierarchies import from_rows
from workbench.privacy.anonymity.spread import Spread

AID = from_rows("aid", [["no", "no", "*"], ["some", "aid", "*"], ["yes", "aid", "*"]])
OF_CLASSES = {
    "k_children": metrics.k_children,
    "k_households": metrics.k_households,
    "sample_uniques": metrics.sample_uniques,
    "highest_class_risk": metrics.highest_class_risk,
    "average_class_risk": metrics.average_class_risk,
    "share_below": partial(metrics.share_below, k=3),
}
OF_SPREAD = {
    "plain_distinct_l": metrics.plain_distinct_l,
    "distinct_l": metrics.distinct_l,
    "max_confidence": metrics.max_confidence,
    "t_closeness": metrics.t_closeness,
    "base_rate": metrics.base_rate,
    "classification_penalty": metrics.classification_penalty,
    "entropy_l": metrics.entropy_l,
    "recursive_c": partial(metrics.recursive_c, l=2),
    "ordered_t": partial(metrics.ordered_t, order=["no", "some", "yes"]),
    "hierarchical_t": partial(metrics.hierarchical_t, hierarchy=AID),
    "alpha": metrics.alpha,
    "basic_beta": metrics.basic_beta,
    "enhanced_beta": metrics.enhanced_beta,
    "delta_disclosure": metrics.delta_disclosure,
}


@dataclass(frozen=True)
class Marked:
    """A table read from text, and which column is what."""

    frame: pd.DataFrame
    quasi_identifiers: list[str]
    sensitive: str | None
    household: str | None
    person: str | None

    @property
    def classes(self) -> Classes:
        return Classes.of(self.frame, self.quasi_identifiers, persons=self.person, households=self.household)


def marked(text: str) -> Marked:
    """Read a table whose header carries the marks."""
    rows = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]
    header, body = rows[0], rows[1:]
    names = [cell.rstrip("*!~@") for cell in header]
    frame = pd.DataFrame([[cell or None for cell in row] for row in body], columns=names)

    def with_mark(mark: str) -> list[str]:
        return [name for name, cell in zip(names, header, strict=True) if cell.endswith(mark)]

    def only(mark: str) -> str | None:
        return next(iter(with_mark(mark)), None)

    return Marked(frame, with_mark("*"), only("!"), only("~"), only("@"))


@pytest.fixture
def metrics_with_a_spec():
    return set(OF_CLASSES) | set(OF_SPREAD)


@pytest.fixture
def table():
    return marked


@pytest.fixture
def spec():
    """
    `spec(table, harmful=None, k_children=…, distinct_l=…)`: every metric named says what stands there.

    `share_below` is asked for classes of fewer than 3 children, `recursive_c` for l = 2; the order is no,
    some, yes, and in the tree some and yes meet half way up.
    """

    def check(text: str, *, harmful: list[str] | None = None, **expected: float | None) -> None:
        read = marked(text)
        spread = read.sensitive and Spread.of(read.classes, read.frame[read.sensitive], harmful=harmful)
        measured = {
            name: OF_CLASSES[name](read.classes) if name in OF_CLASSES else OF_SPREAD[name](spread)
            for name in expected
        }
        assert measured == pytest.approx(expected)

    return check
