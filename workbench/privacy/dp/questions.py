"""
Questions as values with a price.

A question names items, never data: its cells, its price and its margin of error are functions of the
question and of public metadata alone, so that asking what it would cost tells nothing about anybody.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from workbench.errors import Unusable
from workbench.privacy.dp.kinds.contingency import Contingency
from workbench.privacy.dp.kinds.counting import Count, Groups, Histogram
from workbench.privacy.dp.kinds.interface import Part, Precision, Question
from workbench.privacy.dp.kinds.moments import Mean, Sum, Variance
from workbench.privacy.dp.kinds.quantile import Quantile
from workbench.privacy.dp.kinds.regression import Regression
from workbench.privacy.dp.loss import MICRO, Loss
from workbench.privacy.dp.source import Number, Source

__all__ = [
    "KINDS", "MICRO", "Contingency", "Count", "Groups", "Histogram", "Mean", "Number", "Price", "Quantile",
    "Question", "Regression", "Source", "Sum", "Variance", "describe", "from_request", "price",
]  # fmt: skip

KINDS: Mapping[str, type[Question]] = {
    kind.kind: kind
    for kind in (Count, Histogram, Sum, Mean, Variance, Quantile, Contingency, Groups, Regression)
}
# A longer name or label is no question, and would only fill the ledger.
LONGEST = 200
MOST_NAMES = 50


@dataclass(frozen=True)
class Price:
    """What a question costs and what it buys, how epsilon is split, and how many public cells there are."""

    loss: Loss
    cells: int
    precision: Precision
    parts: tuple[Part, ...]

    @property
    def micro(self) -> int:
        return self.loss.micro

    @property
    def epsilon(self) -> float:
        return self.loss.amount

    @property
    def margin(self) -> float | None:
        """The 95 % margin of error; None where it depends on how many children there are."""
        return self.precision.margin

    def to_json(self) -> dict[str, Any]:
        """The price as an analyst reads it."""
        return {
            "epsilon": self.epsilon,
            **({"delta": self.loss.delta} if self.loss.delta else {}),
            "margin_95": self.margin,
            "margin_unit": self.precision.unit,
            **({"margin_by_group": by_group(self.precision)} if self.precision.by_group else {}),
            "smallest_group": self.precision.smallest_group,
            "cells": self.cells,
            "split": [
                {"part": part.name, "draws": part.draws, "epsilon": part.mechanism.cost.epsilon}
                for part in self.parts
            ],
        }


def by_group(precision: Precision) -> dict[str, float]:
    return {str(size): margin for size, margin in precision.by_group.items()}


def price(question: Question, source: Source) -> Price:
    """The price of a question: a pure function of the question and public metadata."""
    expect_labels(question, source)
    parts = question.parts(source)
    # What the parts cost together is read from OpenDP's maps, and is never more than what is charged.
    if sum(part.mechanism.cost.epsilon for part in parts) > question.loss.amount * (1 + 1e-12):
        raise AssertionError("the parts of a question cost more than the question")
    return Price(question.loss, len(question.cells(source)), question.precision(source), parts)


def expect_labels(question: Question, source: Source) -> None:
    """Raise unless `where` names public labels: Unusable, or NotFound for an item that has none."""
    for item, labels in question.where:
        if not labels or not set(labels) <= set(source.labels(item)):
            raise Unusable(
                ja=f"where の「{item[:LONGEST]}」には、公開の区分だけを1つ以上指定してください。",
                en=f"where names public labels of '{item[:LONGEST]}' only, at least one.",
            )


def describe(question: Question) -> dict[str, Any]:
    """The question as the ledger and the log keep it."""
    fields = {field.name: getattr(question, field.name) for field in dataclasses.fields(question)}
    said = {
        name: plain(value)
        for name, value in fields.items()
        if name not in ("epsilon", "where") and (name, value) != ("between", None)
    }
    where = {item: list(labels) for item, labels in question.where}
    return {
        "kind": question.kind,
        **said,
        **({"where": where} if where else {}),
        "epsilon": str(question.epsilon),
    }


def plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def name(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST:
        raise TypeError
    return value


def names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or len(value) > MOST_NAMES:
        raise TypeError
    return tuple(name(one) for one in value)


def where(value: Any) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if not isinstance(value, Mapping) or len(value) > MOST_NAMES:
        raise TypeError
    return tuple((name(item), names(labels)) for item, labels in sorted(value.items()))


def number(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError
    return float(value)


def ends(value: Any) -> tuple[float, float] | None:
    if value is None:
        return None
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise TypeError
    return number(value[0]), number(value[1])


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


# How each field of a question is read from a request; a field that is not here is no part of a question.
FIELDS: Mapping[str, Callable[[Any], Any]] = {
    "item": name,
    "by": lambda value: None if value is None else name(value),
    "items": names,
    "on": names,
    "at": number,
    "between": ends,
    "whole": flag,
    "where": where,
    "epsilon": number,
}


def from_request(request: Mapping[str, Any]) -> Question:
    """
    The question in a request from a notebook. Raises Unusable when it is none.

    A field that the kind does not have is refused: nobody asks for a seed or for a larger budget by the way.
    """
    kind = request.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise no_question()
    asked = {field: value for field, value in request.items() if field != "kind"}
    try:
        return KINDS[kind](**{field: FIELDS[field](value) for field, value in asked.items()})
    except (TypeError, KeyError, OverflowError):
        raise no_question() from None


def no_question() -> Unusable:
    return Unusable(
        ja=f"質問の形が正しくありません。使える質問は {'・'.join(KINDS)} です。例：histogram(item, by=…, epsilon=…)。",
        en=f"This is not a question; the kinds are {', '.join(KINDS)}, as in histogram(item, by=…, epsilon=…).",
    )
