"""
How much of the population is unique, estimated from a sample of it.

For when there is no table of the population to count in. Each estimator gives an `Estimate` or a
`NotAvailable` with its reason; an equation without a solution says nothing about the risk, least of all
that there is none.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy  # which loads its parts when they are used
from numpy.typing import NDArray

from workbench.errors import Usage
from workbench.privacy.anonymity.classes import Classes
from workbench.privacy.anonymity.spread import Floats

# How far from zero an equation may end, relative to where it began, to be taken for solved.
SOLVED = 1e-8


@dataclass(frozen=True)
class Estimate:
    """The share of the population that is unique, by the model named."""

    model: str
    share: float


@dataclass(frozen=True)
class NotAvailable:
    """An estimate that cannot be had, and why. It is no number, and not zero."""

    model: str
    ja: str
    en: str


@dataclass(frozen=True)
class Sample:
    """Classes by size: `count[i]` classes hold `size[i]` of the sample's children; a population of `residents`."""

    size: Floats
    count: Floats
    residents: int

    @classmethod
    def of(cls, classes: Classes, *, residents: int) -> "Sample":
        """The sample of `classes` from a population of `residents`. Usage for one smaller than the sample."""
        size, count = np.unique(classes.children, return_counts=True)
        if residents < int(size @ count):
            raise Usage(
                ja=f"母集団の人数は、表の {int(size @ count)} 人以上で指定してください。",
                en=f"Give a population of at least the {int(size @ count)} children in the table.",
            )
        return cls(size=size.astype(np.float64), count=count.astype(np.float64), residents=residents)

    @property
    def children(self) -> float:
        return float(self.size @ self.count)

    @property
    def classes(self) -> float:
        return float(self.count.sum())

    @property
    def fraction(self) -> float:
        """The share of the population that is in the sample."""
        return self.children / self.residents

    def classes_of(self, size: int) -> float:
        """How many classes hold `size` children."""
        return float(self.count[self.size == size].sum())


Outcome = Estimate | NotAvailable


def population_uniqueness(classes: Classes, *, residents: int) -> dict[str, Outcome]:
    """
    The share of a population of `residents` children that is unique, by every model: pitman, zayatz, snb, dankar.

    Where nobody is alone in the table, nobody in it is alone in the population: 0 by every model. Where
    the table is the population, its own share is exact.
    """
    sample = Sample.of(classes, residents=residents)
    return {name: estimated(sample, name) for name in MODELS}


def estimated(sample: Sample, model: str) -> Outcome:
    """The estimate by one model; what needs no model is answered before it is asked."""
    if not sample.children:
        return NotAvailable(model, ja="表に行がありません。", en="The table has no row.")
    if sample.children == sample.residents or not sample.classes_of(1):
        return Estimate(model, sample.classes_of(1) / sample.children)
    return MODELS[model](sample)


def pitman(sample: Sample) -> Outcome:
    """
    The share of uniques under Pitman's sampling formula, its two parameters by maximum likelihood.

    Hoshino, "Applying Pitman's sampling formula to microdata disclosure risk assessment", Journal of
    Official Statistics 17(4), 2001, section 3: theta and alpha maximise the likelihood, and the uniques are
    Gamma(theta + 1) / Gamma(theta + alpha) * N^alpha.
    """
    if sample.classes == sample.children:
        return failed("pitman", ja="表の全員が一意で", en="Everybody in the table is unique, so")
    found = solved(lambda at: pitman_scores(sample, *at), pitman_starts(sample), inside=pitman_allowed)
    if found is None:
        return failed("pitman")
    theta, alpha = found
    uniques = (
        scipy.special.gammaln(theta + 1)
        - scipy.special.gammaln(theta + alpha)
        + alpha * np.log(sample.residents)
    )
    share = float(np.exp(uniques - np.log(sample.residents)))
    return Estimate("pitman", share) if 0 < share <= 1 else failed("pitman")


def pitman_allowed(at: Floats) -> bool:
    theta, alpha = at
    return bool(0 < alpha < 1 and theta > -alpha)


def pitman_scores(sample: Sample, theta: float, alpha: float) -> Floats:
    """The derivatives of the log-likelihood by theta and alpha (Hoshino, 2001, section 3)."""
    if not pitman_allowed(np.array([theta, alpha])):
        return np.array([np.nan, np.nan])
    u, n, many = sample.classes, sample.children, sample.size > 1
    ratio = theta / alpha
    # The sum of 1 / (theta + i alpha) for i from 1 to u - 1, and that of i / (theta + i alpha).
    plain = (scipy.special.digamma(ratio + u) - scipy.special.digamma(ratio + 1)) / alpha
    weighted = (u - 1 - theta * plain) / alpha
    by_theta = plain - (scipy.special.digamma(n + theta) - scipy.special.digamma(theta + 1))
    inner = scipy.special.digamma(sample.size[many] - alpha) - scipy.special.digamma(1 - alpha)
    return np.array([by_theta, weighted - sample.count[many] @ inner])


def pitman_starts(sample: Sample) -> list[Floats]:
    """Hoshino's own first guess from the classes of one and two, then a few of everywhere."""
    u, n, one = sample.classes, sample.children, sample.classes_of(1)
    c = one * (one - 1) / (sample.classes_of(2) or 1)
    bottom = 2 * one * u + one * c - n * c
    starts = []
    if bottom:
        theta = (n * u * c - one * (n - 1) * (2 * u + c)) / bottom
        starts.append(np.array([theta, (theta * (one - n) + (n - 1) * one) / (n * u)]))
    return starts + [np.array([theta, alpha]) for alpha in (0.5, 0.1, 0.9) for theta in (u / 10, 1.0, u * 10)]


def zayatz(sample: Sample) -> Outcome:
    """
    Sample uniques times the chance that one is unique in the population, classes being as large as in the sample.

    Zayatz, "Estimation of the number of unique population elements using a sample" (1991), hypergeometric.
    """
    weights = sample.count * drawn_once(sample)
    conditional = float(weights[sample.size == 1].sum() / weights.sum())
    return Estimate("zayatz", sample.classes_of(1) * conditional / sample.children)


def drawn_once(sample: Sample) -> Floats:
    """
    For each size, the chance that just one member of a class of it is drawn: hypergeometric.

    As a product of s factors: the library's goes through factorials of the population, which takes
    seconds and loses six digits at that of a country.
    """
    left = sample.residents - sample.children
    place = np.arange(int(sample.size.max()))
    with np.errstate(divide="ignore"):
        outside = np.append(0, np.cumsum(np.log(np.maximum(left - place, 0))))
        anywhere = np.cumsum(np.log(sample.residents - place))
    at = sample.size.astype(np.int64) - 1
    return np.asarray(sample.size * sample.children * np.exp(outside[at] - anywhere[at]))


def snb(sample: Sample) -> Outcome:
    """
    The share of uniques when class sizes are one more than a negative binomial.

    Chen and Keller-McNulty, "Estimation of identification disclosure risk in microdata", Journal of
    Official Statistics 14(1), 1998. Alpha, beta and the number K of classes are those with which the
    sample is expected to have as many classes of one, of two and of any size as it has; then K beta^alpha
    residents are unique. Others put Shlosser's estimate for K, which doubles the share and more in samples
    of a fifth that were drawn from the model itself.
    """
    if not sample.classes_of(2):
        return failed("snb")
    found = solved(lambda at: snb_gaps(sample, *snb_parameters(at)), SNB_STARTS, inside=snb_allowed)
    if found is None:
        return failed("snb")
    alpha, beta = snb_parameters(found)
    share = snb_classes(sample, alpha, beta) * beta**alpha / sample.residents
    return Estimate("snb", share) if 0 < share <= 1 else failed("snb")


def snb_parameters(at: Floats) -> tuple[float, float]:
    """Alpha and beta from the logarithm of the one and the log odds of the other, which know no bounds."""
    return float(np.exp(at[0])), float(scipy.special.expit(at[1]))


def snb_allowed(at: Floats) -> bool:
    alpha, beta = snb_parameters(at)
    return bool(0 < alpha < np.inf and 0 < beta < 1)


SNB_STARTS = [
    np.array([np.log(alpha), np.log(beta / (1 - beta))])
    for alpha in (0.3, 1.0, 0.05, 5.0)
    for beta in (0.1, 0.5, 0.01, 0.9)
]


def snb_classes(sample: Sample, alpha: float, beta: float) -> float:
    """How many classes there are in the population, if the sample sees as many as expected."""
    lost = (1 - sample.fraction) * (1 - beta)
    return float(sample.classes / (1 - (1 - sample.fraction) * (beta / (1 - lost)) ** alpha))


def snb_gaps(sample: Sample, alpha: float, beta: float) -> Floats:
    """
    By how much the expected classes of one and of two in the sample differ from those met, relatively.

    A class of 1 + X, X negative binomial, is thinned to the sample: the first two derivatives of its
    generating function at 1 - fraction.
    """
    lost = (1 - sample.fraction) * (1 - beta)
    left = 1 - lost
    whole = snb_classes(sample, alpha, beta) * (beta / left) ** alpha
    one = whole * sample.fraction * (1 + alpha * lost / left)
    two = whole * sample.fraction**2 / 2 * alpha * (1 - beta) * (2 - (1 - alpha) * lost) / left**2
    return np.array([one / sample.classes_of(1) - 1, two / sample.classes_of(2) - 1])


def dankar(sample: Sample) -> Outcome:
    """
    Pitman up to a sampling fraction of a tenth, else the smaller of Zayatz and SNB; Zayatz where these fail.

    Dankar, El Emam, Neisa and Roffey, "Estimating the re-identification risk of clinical data sets", BMC
    Medical Informatics and Decision Making 12:66, 2012, their decision rule. `model` names who answered.
    ARX answers with Zayatz alone above a tenth, as its SNB never converges: its second equation has a
    factor where the model has a divisor.
    """
    fallback = zayatz(sample)
    if sample.fraction <= SMALL_FRACTION:
        answer = pitman(sample)
        return answer if isinstance(answer, Estimate) else fallback
    other = snb(sample)
    answers = [answer for answer in (fallback, other) if isinstance(answer, Estimate)]
    return min(answers, key=lambda answer: answer.share)


SMALL_FRACTION = 0.1
MODELS: dict[str, Callable[[Sample], Outcome]] = {
    "pitman": pitman,
    "zayatz": zayatz,
    "snb": snb,
    "dankar": dankar,
}


def solved(
    gaps: Callable[[Floats], Floats], starts: list[NDArray[np.float64]], *, inside: Callable[[Floats], bool]
) -> Floats | None:
    """Where both gaps are nothing, from the first start that leads there; None when none does."""
    for start in starts:
        with np.errstate(all="ignore"):
            if not inside(start):
                continue
            found = scipy.optimize.root(gaps, start, method="hybr", options={"xtol": 1e-13})
            scale = np.abs(gaps(start)) + 1
        if inside(found.x) and bool((np.abs(found.fun) <= SOLVED * scale).all()):
            return np.asarray(found.x)
    return None


def failed(model: str, *, ja: str = "この表では", en: str = "For this table") -> NotAvailable:
    return NotAvailable(
        model,
        ja=f"{ja}、推定の方程式に解がありません。別の推定か、母集団の表での計数を使ってください。",
        en=f"{en} the equations of the estimator have no solution; use another one, or count in a table of the population.",
    )
