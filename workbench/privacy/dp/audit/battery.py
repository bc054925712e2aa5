"""
The whole audit of what is shipped: every kind of draw, then every kind of question.

A draw is judged by its outputs. A question is judged twice: replayed on every neighbour, which must show no
fault, and by the outputs of its draws on the neighbour that moves it most. Data first; who shows it decides how.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from workbench.errors import Unprotected
from workbench.privacy.dp.audit import primitives
from workbench.privacy.dp.audit.distinguisher import (
    CONFIDENCE,
    Array,
    Bound,
    Claim,
    Normal,
    Pure,
    bound,
    bound_of_kinds,
)
from workbench.privacy.dp.audit.neighbours import Pair, city, pairs
from workbench.privacy.dp.audit.primitives import OUTPUTS_PER_CHOICE, TRIALS, UNTOLD
from workbench.privacy.dp.audit.recording import (
    Call,
    Comparison,
    Fault,
    Release,
    calls_of,
    compare,
    distance,
    noise_repeats,
    outcome,
)
from workbench.privacy.dp.audit.shipped import EXAMPLES, SOURCE, Told, asked
from workbench.privacy.dp.kinds.interface import Question
from workbench.privacy.dp.loss import Kind, Loss
from workbench.privacy.dp.noise import Draw, draw
from workbench.privacy.dp.questions import KINDS, describe
from workbench.privacy.dp.source import Source

# A question is drawn for less often than a draw by itself: what it adds to it is found by replaying.
OUTPUTS_PER_QUESTION = 10


@dataclass(frozen=True)
class Finding:
    """
    What the audit found of one thing that is shipped.

    `claimed` is in `measure` (epsilon or rho), with `delta`; `found` is the lower bound that outputs prove.
    `neighbours` tables were compared; the furthest reached this share of the declared sensitivity.
    """

    subject: str
    measure: str
    claimed: float
    delta: float
    found: float
    faults: tuple[str, ...] = ()
    neighbours: int = 0
    reached: float | None = None

    @property
    def holds(self) -> bool:
        return not self.faults and self.found <= self.claimed

    def to_json(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "faults": list(self.faults), "holds": self.holds}


def audit(*, outputs: int, thorough: bool = True, confidence: float = CONFIDENCE) -> Iterator[Finding]:
    """Everything shipped, one finding at a time. `outputs` of each draw; fewer of a choice and a question."""
    yield from audited_draws(outputs=outputs, confidence=confidence)
    yield from audited_questions(
        outputs=outputs // OUTPUTS_PER_QUESTION, thorough=thorough, confidence=confidence
    )


def expect_sound(findings: Sequence[Finding]) -> None:
    """Raise Unprotected where something gives away more than it says."""
    broken = [finding.subject for finding in findings if not finding.holds]
    if broken:
        raise Unprotected(
            ja=f"差分プライバシーの約束が守られていません: {'、'.join(broken)}。使用を止め、保守担当者に知らせてください。",
            en=f"Differential privacy is not kept as promised by: {', '.join(broken)}. Stop using it and tell its maintainers.",
        )


def audited_draws(*, outputs: int, confidence: float = CONFIDENCE) -> Iterator[Finding]:
    for trial in TRIALS:
        verdict = primitives.tried(trial, outputs=outputs, confidence=confidence)
        bits = verdict.bits
        found = max(verdict.sizes.found, 0.0 if bits is None else bits.found)
        yield finding(f"draw {trial.name}", trial.claim, found)


def finding(subject: str, claim: Claim, found: float, **more: Any) -> Finding:
    return Finding(subject, claim.name, claim.claimed, getattr(claim, "delta", 0.0), found, **more)


def audited_questions(
    *, outputs: int, thorough: bool = True, confidence: float = CONFIDENCE
) -> Iterator[Finding]:
    """A finding for every example of every kind. Raises KeyError for a kind that has none."""
    table = city()
    neighbours = list(pairs(table, thorough=thorough))
    for kind in KINDS:
        for question in EXAMPLES[kind]:
            yield audited_question(
                question, table, neighbours, outputs=outputs, thorough=thorough, confidence=confidence
            )


def audited_question(
    question: Question,
    table: pd.DataFrame,
    neighbours: Sequence[Pair],
    *,
    outputs: int,
    source: Source = SOURCE,
    thorough: bool = True,
    confidence: float = CONFIDENCE,
) -> Finding:
    """Replayed on every neighbour, then drawn for on the one that moves it most (unless `outputs` is 0)."""
    release = asked(question, source=source)
    charged = charge_of(release, table)
    if charged is None:
        return finding(said(question), claim_of(question.loss), 0.0, faults=(Fault.UNANSWERED,))
    claim = claim_of(charged)
    furthest, faults, reached = neighbours[0], set[Fault](), 0.0
    for pair in neighbours:
        for compared in comparisons(release, pair, charged=charged, thorough=thorough):
            faults |= compared.faults
            if compared.reached > reached:
                furthest, reached = pair, compared.reached
    if noise_repeats(release, table):
        faults.add(Fault.SEED)
    shown = None
    if outputs and not faults:
        shown = given_away(release, furthest, claim=claim, outputs=outputs, confidence=confidence)
    return finding(
        said(question),
        claim,
        shown.found if shown else 0.0,
        faults=tuple(sorted(faults)),
        neighbours=len(neighbours),
        reached=reached,
    )


def charge_of(release: Release, table: pd.DataFrame) -> Loss | None:
    """What was charged for an answer: what the ledger was told, not what the question says of itself."""
    told = outcome(release, table)
    # A failure is a class with its words; an answer comes with its charges.
    return told.charged[0] if isinstance(told, Told) and len(told.charged) == 1 else None


def comparisons(release: Release, pair: Pair, *, charged: Loss, thorough: bool) -> Iterator[Comparison]:
    """The hostile table is drawn for in earnest: where it makes a draw fail, replaying would not notice."""
    yield compare(release, pair.there, pair.here, charged=charged)
    if thorough:
        yield compare(release, pair.here, pair.there, charged=charged)


def claim_of(loss: Loss) -> Claim:
    return Normal(loss.amount) if loss.kind is Kind.ZCDP else Pure(loss.amount, loss.delta)


def said(question: Question) -> str:
    """The question in a line."""
    fields = {
        name: value for name, value in describe(question).items() if name not in ("kind", "epsilon") and value
    }
    return f"question {question.kind}({', '.join(f'{name}={value}' for name, value in fields.items())})"


def given_away(
    release: Release, pair: Pair, *, claim: Claim, outputs: int, confidence: float = CONFIDENCE
) -> Bound | None:
    """
    What the outputs of a release's draws show on a pair of tables; None where the pair is the same to it.

    Only what is different is drawn for, and the best statistic there is for it is looked at: what follows
    from the draws can show no more (and that it follows from them alone is what replaying has shown).
    """
    steps = list(zip(calls_of(release, pair.here), calls_of(release, pair.there), strict=True))
    steps = [(here, there) for here, there in steps if here.exact != there.exact]
    if not steps:
        return None
    kinds = {here.mechanism.kind for here, _ in steps}
    if kinds <= SIZES.keys():
        sides = [
            sum(evidence(here, there, side=side, outputs=outputs) for here, there in steps) for side in (0, 1)
        ]
        return bound(sides[0], sides[1], claim=claim, confidence=confidence)
    # Choices are not added up: the one that is moved most is looked at.
    here, there = max(steps, key=lambda step: distance(step[0].mechanism.kind, step[0].exact, step[1].exact))
    many = max(1_000, outputs // OUTPUTS_PER_CHOICE)
    sides = [np.array([draw(one.mechanism, one.exact) for _ in range(many)]) for one in (here, there)]
    return bound_of_kinds(sides[0], sides[1], claim=claim, confidence=confidence)


def evidence(here: Call, there: Call, *, side: int, outputs: int) -> Any:
    """How much the outputs of one side speak for `here`: the log-likelihood ratio, but for a factor."""
    ratio: Array = np.zeros(outputs)
    for ours, theirs in zip(*values(here.exact, there.exact), strict=True):
        if ours != theirs:
            exact = theirs if side else ours
            drawn = SAMPLES[here.mechanism.kind](here.mechanism, exact, outputs)
            ratio = ratio + SIZES[here.mechanism.kind](drawn, ours, theirs) / here.mechanism.scale
    return ratio


def values(here: Any, there: Any) -> tuple[list[int], list[int]]:
    """Both exact values in the same order; a key that is not there has nothing under it."""
    if isinstance(here, Sequence):
        return list(here), list(there)
    keys = sorted(here.keys() | there.keys())
    return [here.get(key, 0) for key in keys], [there.get(key, 0) for key in keys]


def of_laplace(drawn: Array, ours: int, theirs: int) -> Array:
    return np.asarray(np.abs(drawn - theirs) - np.abs(drawn - ours), dtype=float)


def of_normal(drawn: Array, ours: int, theirs: int) -> Array:
    return np.asarray(drawn * float(ours - theirs), dtype=float)


def of_threshold(drawn: Array, ours: int, theirs: int) -> Array:
    """A key that only one table has says everything when it is told."""
    told = drawn != UNTOLD
    if 0 in (ours, theirs):
        return np.where(told, 1e6 if theirs == 0 else -1e6, 0.0)
    return np.where(told, of_laplace(drawn, ours, theirs), 0.0)


SIZES: dict[Draw, Callable[[Array, int, int], Array]] = {
    Draw.LAPLACE: of_laplace,
    Draw.GAUSSIAN: of_normal,
    Draw.LAPLACE_THRESHOLD: of_threshold,
}
SAMPLES: dict[Draw, Callable[..., Array]] = {
    Draw.LAPLACE: primitives.vector,
    Draw.GAUSSIAN: primitives.vector,
    Draw.LAPLACE_THRESHOLD: primitives.keyed,
}
