"""Estimators whose score is a sum over columns: logistic regression and naive Bayes."""

from typing import Any

import numpy as np

from workbench.riskflag.compilers.compiled import MILLI, Compiled, Floats, whole
from workbench.riskflag.design import Design
from workbench.scoring.engine import Integers


def logistic(fitted: Any, design: Design) -> Compiled:
    """Coefficients, rounded one by one."""
    return from_columns(
        float(fitted.intercept_[0]),
        [
            coefficient * column.values
            for coefficient, column in zip(fitted.coef_[0], design.columns, strict=True)
        ],
        design,
    )


def bernoulli(fitted: Any, design: Design) -> Compiled:
    """What a zero or a one of each column says, by Bayes' rule."""
    no, yes = (np.asarray(own, dtype=np.float64) for own in fitted.feature_log_prob_)
    without_no, without_yes = (np.log1p(-np.exp(own)) for own in (no, yes))
    prior = fitted.class_log_prior_
    said = [
        np.where(column.values > 0, yes[i] - no[i], without_yes[i] - without_no[i])
        for i, column in enumerate(design.columns)
    ]
    return from_columns(float(prior[1] - prior[0]), said, design)


def gaussian(fitted: Any, design: Design) -> Compiled:
    """The difference of two normal densities at each place of each column."""
    said = []
    for i, column in enumerate(design.columns):
        no, yes = (
            -0.5 * np.log(variance[i]) - (column.values - mean[i]) ** 2 / (2 * variance[i])
            for mean, variance in zip(fitted.theta_, fitted.var_, strict=True)
        )
        said.append(yes - no)
    return from_columns(float(np.log(fitted.class_prior_[1] / fitted.class_prior_[0])), said, design)


def from_columns(intercept: float, said: list[Floats], design: Design) -> Compiled:
    """
    Whole numbers for each item's places from what each column says at them.

    Each item is centred on its training mean, so that a contribution says how far a child stands from
    the average child; the means go to the base, and no score changes.
    """
    totals: list[Floats] = [np.zeros(len(shape.points) + 2) for shape in design.shapes]
    for column, values in zip(design.columns, said, strict=True):
        totals[column.item] = totals[column.item] + values
    rounded = [whole_points(own, design.counts(item)) for item, own in enumerate(totals)]
    return centred(round(intercept * MILLI), rounded, design)


def whole_points(logits: Floats, rows: Integers) -> Integers:
    """Milli-logits; those of places that training rows stand on must be within the largest odds."""
    for logit in logits[rows > 0]:
        whole(logit)
    return np.asarray(np.rint(logits * MILLI), dtype=np.int64)


def centred(base: int, points: list[Integers], design: Design) -> Compiled:
    """Each item's points around their mean over the training rows; the means go to the base."""
    shifts = [mean_of(own, design.counts(item)) for item, own in enumerate(points)]
    around = tuple(own - shift for own, shift in zip(points, shifts, strict=True))
    return Compiled(base=base + sum(shifts), points=around)


def mean_of(points: Integers, counts: Integers) -> int:
    return round(float((points * counts).sum() / counts.sum()))
