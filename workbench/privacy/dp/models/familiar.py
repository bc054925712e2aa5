"""
Two models of diffprivlib, behind everything that makes their promise hold for households.

Its guarantee is by row, for neighbours of equal size: one row of each household is drawn, so that a household
that is replaced replaces a row. It is shown zeros and ones over public bins and nothing else: no NaN, no
infinity, no extreme value can reach it. Classes, bounds and norm are public; its warning that something
leaks is an error; it draws from the operating system and takes no seed. Only the parameters named here are
read from a fitted model, and they are rounded to whole milli-logits; what else it holds, some of it exact,
is dropped with it.

Its noise is floating-point. Rounding hides the low-order bits that tell tables apart (Mironov, CCS 2012), but
that is no proof, and the guarantee says so.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.privacy.dp.models.bins import Bins
from workbench.privacy.dp.models.boosting import LARGEST, Boosted
from workbench.privacy.dp.models.rows import Rows

Reals = npt.NDArray[np.float64]


def logistic(rows: Rows, bins: Sequence[Bins], *, epsilon: float, settings: Mapping[str, Any]) -> Boosted:
    """
    Chaudhuri, Monteleoni and Sarwate (2011) by objective perturbation.

    Their theorem is about rows of norm 1 at most, the constant among them. The library takes other norms, but
    what it then subtracts for the curvature grows with the norm where it should grow with its square: so every
    row comes with norm 1, and its own constant.
    """
    from diffprivlib.models import LogisticRegression

    design, labels = one_hot(rows, bins)
    norm = float(np.sqrt(len(bins) + 1))
    of_norm_one = np.column_stack([design, np.ones(len(design))]) / norm
    fitted = unleaking(
        LogisticRegression(
            epsilon=epsilon, data_norm=1.0, C=settings["C"], fit_intercept=False, max_iter=1000
        ),
        lambda model: model.fit(of_norm_one, labels),
    )
    weights = np.asarray(fitted.coef_)[0] / norm
    return table(bins, at_one=weights[:-1], at_zero=np.zeros(len(weights) - 1), base=float(weights[-1]))


def naive_bayes(rows: Rows, bins: Sequence[Bins], *, epsilon: float, **_: Any) -> Boosted:
    """
    Gaussian naive Bayes over zeros and ones with public bounds and classes.

    The log-odds of a zero or a one depend on it alone, so the model is additive in the levels and exact.

    The library spends its epsilon on each class as if only one of them could change. A household that is
    replaced by one with the other outcome leaves one class and enters the other: half goes to each.
    """
    from diffprivlib.models import GaussianNB

    design, labels = one_hot(rows, bins)
    width = design.shape[1]
    fitted = unleaking(
        GaussianNB(epsilon=epsilon / 2, bounds=(np.zeros(width), np.ones(width))),
        lambda model: model.partial_fit(design, labels, classes=[False, True]),
    )
    means, spreads = np.asarray(fitted.theta_), np.maximum(np.asarray(fitted.var_), 1e-3)
    prior = np.clip(np.asarray(fitted.class_prior_), 1e-4, 1)

    def evidence(value: float) -> Reals:
        density = -0.5 * np.log(spreads) - (value - means) ** 2 / (2 * spreads)
        return np.asarray(density[1] - density[0])

    return table(
        bins, at_one=evidence(1.0), at_zero=evidence(0.0), base=float(np.log(prior[1]) - np.log(prior[0]))
    )


def one_hot(rows: Rows, bins: Sequence[Bins]) -> tuple[Reals, npt.NDArray[np.bool_]]:
    """
    A column of zeros and ones for each bin, and the outcomes.

    Two made-up rows, one of either outcome, stand at the end of every table: a fit that failed because a class
    is empty would tell that it is. They are the same for all tables and so change nothing about privacy.
    """
    blocks = [np.eye(each.size)[rows.places[:, k]] for k, each in enumerate(bins)]
    made_up = np.hstack([np.eye(each.size)[[-1, -1]] for each in bins])
    return np.vstack([np.hstack(blocks), made_up]), np.append(rows.labels, [False, True])


def unleaking(model: Any, fit: Any) -> Any:
    """The fitted model; a warning that it leaks is an error. The budget is ours, and not its own count of it."""
    from diffprivlib.accountant import BudgetAccountant
    from diffprivlib.utils import PrivacyLeakWarning

    model.accountant = BudgetAccountant()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", PrivacyLeakWarning)
        fit(model)
    return model


def table(bins: Sequence[Bins], *, at_one: Reals, at_zero: Reals, base: float) -> Boosted:
    """
    Whole milli-logits for each bin: what its one adds, and what the zeros of its neighbours add.

    A parameter without bounds, as a noisy fit can have, is held within those of the model.
    """
    points, start, shift = [], 0, 0
    for each in bins:
        ones, zeros = (whole(values[start : start + each.size]) for values in (at_one, at_zero))
        start += each.size
        own = ones + zeros.sum() - zeros
        middle = int(np.rint(own.mean()))
        points.append([int(value) for value in np.clip(own - middle, -LARGEST, LARGEST)])
        shift += middle
    return Boosted(base=int(whole(np.array([base]))[0]) + shift, points=points)


def whole(values: Reals) -> npt.NDArray[np.int64]:
    """Milli-logits: the public grid."""
    finite = np.nan_to_num(values, nan=0.0, posinf=LARGEST, neginf=-LARGEST)
    return np.rint(np.clip(1000 * finite, -LARGEST, LARGEST)).astype(np.int64)
