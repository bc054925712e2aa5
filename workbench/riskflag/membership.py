"""
Was this row among those the model was trained on? Asked of the model itself, before anybody else can.

Two attackers. The cheap one looks only at how well the model does on a row (Yeom et al., "Privacy risk in
machine learning", CSF 2018); it costs nothing and finds gross memorising. The other trains the model's own
recipe again many times with and without each row, so that it knows what this very row does to such a
model, and asks which of the two worlds the candidate comes from: the likelihood ratio attack of Carlini et
al., "Membership inference attacks from first principles" (IEEE S&P 2022), with one variance for all rows,
as they advise for few shadow models. It finds what averages hide: leaves of ten rows were no protection.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.riskflag.define import Definition
from workbench.riskflag.metrics import Interval, Labels, auc, wilson
from workbench.riskflag.part import Part
from workbench.riskflag.population import Considered, considered
from workbench.scoring import engine
from workbench.scoring.model import Model

Floats = npt.NDArray[np.float64]
Fit = Callable[[Part], Model]

SHADOWS = 16
FALSE_ALARMS = 0.001
# With fewer rows of either kind, or of either outcome, nothing is told apart, whatever the model.
LEAST_ROWS = 100
HOME, ROW = "\0home", "\0row"


@dataclass(frozen=True)
class Membership:
    """
    How well training rows are told from others: `auc` (0.5 by guessing) and `found`.

    `found` is the share of training rows named by an attacker who names one of a thousand others. The
    intervals count households, where they are known, as one: brothers and years are no new evidence.
    `screen` is the AUC of the cheap attacker. `auc` and `found` are None where no shadow was trained, `found`
    also with fewer than a thousand others.
    """

    screen: Interval
    auc: Interval | None
    found: Interval | None
    members: int
    strangers: int
    shadows: int

    def to_json(self) -> dict[str, Any]:
        told = {name: getattr(self, name) for name in ("screen", "auc", "found")}
        return {**vars(self), **{name: one.to_json() if one else None for name, one in told.items()}}


@dataclass(frozen=True)
class Pool:
    """Training rows over held-back rows, whose they are, and who is which."""

    rows: Considered
    member: Labels
    homes: npt.NDArray[np.int64]
    # Where each row stood, the training part over the test part, before the flag chose among them.
    places: npt.NDArray[np.int64]

    @property
    def design_effect(self) -> float:
        """Rows to a household: how much evidence a row is not."""
        return len(self.homes) / max(len(np.unique(self.homes)), 1)


def pool(
    definition: Definition, train: Part, test: Part, *, homes: "tuple[pd.Series[Any], pd.Series[Any]] | None"
) -> Pool:
    """The rows of both parts that the flag considers; `homes` names the household of each row of each."""
    marked = [
        replace(part, frame=part.frame.assign(**{HOME: numbers, ROW: np.arange(len(part)) + first}))
        for part, numbers, first in zip(
            (train, test), numbered(train, test, homes), (0, len(train)), strict=True
        )
    ]
    both = [considered(definition, part) for part in marked]
    frame = pd.concat([one.part.frame for one in both], ignore_index=True)
    return Pool(
        rows=Considered(replace(train, frame=frame), np.concatenate([one.labels for one in both])),
        member=np.arange(len(frame)) < len(both[0].labels),
        homes=frame[HOME].to_numpy(dtype=np.int64),
        places=frame[ROW].to_numpy(dtype=np.int64),
    )


def numbered(
    train: Part, test: Part, homes: "tuple[pd.Series[Any], pd.Series[Any]] | None"
) -> list[npt.NDArray[np.int64]]:
    """A number for each household; each row is its own where nobody knows."""
    if homes is None:
        return [np.arange(len(train)), np.arange(len(test)) + len(train)]
    codes = pd.factorize(pd.concat(homes, ignore_index=True), use_na_sentinel=False)[0].astype(np.int64)
    return [codes[: len(train)], codes[len(train) :]]


def screened(model: Model, among: Pool) -> Membership:
    """The cheap attacker alone."""
    return Membership(
        screen=told_apart(confidence(model, among), among),
        auc=None,
        found=None,
        members=int(among.member.sum()),
        strangers=int((~among.member).sum()),
        shadows=0,
    )


def attacked(model: Model, among: Pool, *, fit: Fit, shadows: int | None = None, seed: int = 0) -> Membership:
    """
    Both attackers; `fit` trains the model's recipe on a part, `shadows` times (SHADOWS).

    Each pair of shadow models parts the households in two halves, so that every row is in one of the two.
    Raises what `fit` raises.
    """
    count = shadows or SHADOWS
    inside, outside, spread = worlds(among, fit=fit, shadows=count, seed=seed)
    found = confidence(model, among)
    # The logarithm of the ratio of two normal densities of one variance.
    ratio = (inside - outside) * (found - (inside + outside) / 2) / spread**2
    return replace(
        screened(model, among),
        auc=told_apart(ratio, among),
        found=caught(ratio, among),
        shadows=count,
    )


def worlds(among: Pool, *, fit: Fit, shadows: int, seed: int) -> tuple[Floats, Floats, float]:
    """The mean confidence in each row's outcome with it and without it, and the spread around either."""
    draw = np.random.default_rng(seed)
    told = np.empty((2, shadows // 2, len(among.member)))
    for pair in range(shadows // 2):
        half = (draw.permutation(int(among.homes.max()) + 1) % 2 == 0)[among.homes]
        for chosen in (half, ~half):
            frame = among.rows.part.frame[chosen].reset_index(drop=True)
            seen = confidence(fit(replace(among.rows.part, frame=frame)), among)
            told[0, pair, chosen], told[1, pair, ~chosen] = seen[chosen], seen[~chosen]
    means = told.mean(axis=1)
    residual = told - means[:, None, :]
    spread = math.sqrt(float((residual**2).sum()) / max(residual.size - means.size, 1))
    return means[0], means[1], max(spread, 1e-9)


def confidence(model: Model, among: Pool) -> Floats:
    """How sure the model is of each row's outcome, in logits; nothing where it gives no score."""
    scored = engine.score(model, among.rows.part.table(model.items))
    signed = np.where(among.rows.labels, 1.0, -1.0) * scored.scores / 1000
    return np.where(scored.rejected, 0.0, signed)


def told_apart(scores: Floats, among: Pool) -> Interval:
    """
    The AUC of members over strangers, among rows of the same outcome, with its interval.

    By outcome, because parts of different years differ in how frequent it is, which is no memory.
    """
    parts = [
        (auc(scores[rows], among.member[rows]), int(rows.sum()))
        for rows in (among.rows.labels, ~among.rows.labels)
        if min(int(among.member[rows].sum()), int((~among.member[rows]).sum())) >= 2
    ]
    total = sum(count for _, count in parts)
    if not parts:
        return Interval(0.5, 0.0, 1.0)
    value = sum(one.value * count for one, count in parts) / total
    # Half an interval's width is a standard error but for one factor, which stays.
    margin = math.sqrt(sum(((one.high - one.low) / 2 * count / total) ** 2 for one, count in parts))
    margin *= math.sqrt(among.design_effect)
    return Interval(value, max(0.0, value - margin), min(1.0, value + margin))


def caught(scores: Floats, among: Pool) -> Interval | None:
    """The share of members above the score that one stranger in a thousand exceeds, with its interval."""
    strangers = np.sort(scores[~among.member])[::-1]
    if FALSE_ALARMS * len(strangers) < 1:
        return None
    threshold = strangers[math.floor(FALSE_ALARMS * len(strangers))]
    hits, members = int((scores[among.member] > threshold).sum()), int(among.member.sum())
    apart = wilson(hits / among.design_effect, members / among.design_effect)  # type: ignore[arg-type]
    return Interval(hits / members, apart.low, apart.high)


def too_few(among: Pool) -> bool:
    """Whether there are too few rows to attack with."""
    return min(int(among.member.sum()), int((~among.member).sum())) < LEAST_ROWS
