"""
A dataset's account of one fiscal year: what was granted, shared out and spent, and what that still allows.

The budget is the dataset's, whoever asks: two analysts who compare notes spend it once. A share limits one
analyst, one purpose, or one analyst's work for one purpose, inside the budget; shares may add up to more than
the budget, and never make it larger. Nothing here reads or writes; the ledger does.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from workbench.errors import Refused
from workbench.privacy.dp.accounting import Budget, alone, holds, how_many_more, left, total
from workbench.privacy.dp.loss import FEMTO, MICRO, Kind, Loss
from workbench.privacy.dp.terms import USES, Terms, Use


@dataclass(frozen=True)
class Spending:
    """Releases of one kind, by one analyst, for one purpose, of one loss each."""

    analyst: str
    purpose: str
    use: Use
    loss: Loss
    times: int = 1


@dataclass(frozen=True)
class Share:
    """A limit inside the budget, for whom it names; an empty name is everybody or every purpose."""

    analyst: str
    purpose: str
    budget: Budget

    def covers(self, *, analyst: str, purpose: str) -> bool:
        return self.analyst in ("", analyst) and self.purpose in ("", purpose)


@dataclass(frozen=True)
class Account:
    """One dataset in one fiscal year; the budget is all that was granted for it."""

    dataset: str
    terms: Terms
    budget: Budget
    shares: tuple[Share, ...] = ()
    spendings: tuple[Spending, ...] = ()

    @property
    def year(self) -> int:
        return self.terms.year

    @property
    def losses(self) -> Counter[Loss]:
        return summed(self.spendings)

    @property
    def spent(self) -> int:
        """The composed ε of everything, in millionths."""
        return total(self.losses, self.budget).micro

    @property
    def remaining(self) -> int:
        """The largest pure ε, in millionths, that the dataset's budget still holds."""
        return left(self.budget, self.losses)

    @property
    def is_warned_of(self) -> bool:
        """Whether the level at which the managers are told is reached."""
        return self.spent * MICRO >= self.budget.micro * self.terms.warn

    def why_not(self, loss: Loss, *, analyst: str, purpose: str, use: Use) -> Refused | None:
        """The reason this release may not be made, or None when it may."""
        unnamed = self.why_not_named(analyst=analyst, purpose=purpose, use=use)
        if unnamed is not None:
            return unnamed
        if alone(loss).micro > self.terms.dearest:
            return too_dear(loss, self.terms)
        for limit, spent, own in self.limits(analyst=analyst, purpose=purpose):
            if not holds(limit, spent + Counter([loss])):
                return exhausted(self.dataset, loss=loss, rest=left(limit, spent), budget=limit, own=own)
        return None

    def why_not_named(self, *, analyst: str, purpose: str, use: Use) -> Refused | None:
        """Where a budget is shared out by name, who is not named has none of it."""
        analysts = {share.analyst for share in self.shares} - {""}
        if USES[use].asked and analysts and analyst not in analysts:
            return no_share(self.dataset, analyst)
        purposes = {share.purpose for share in self.shares} - {""}
        return no_share(self.dataset, purpose) if purposes and purpose not in purposes else None

    def limits(self, *, analyst: str, purpose: str) -> Iterator[tuple[Budget, Counter[Loss], bool]]:
        """Each limit on this analyst for this purpose, what is spent of it, and whether it is a share."""
        yield self.budget, self.losses, False
        for share in self.shares:
            if share.covers(analyst=analyst, purpose=purpose):
                yield share.budget, self.spent_of(share), True

    def spent_of(self, share: Share) -> Counter[Loss]:
        covered = (one for one in self.spendings if share.covers(analyst=one.analyst, purpose=one.purpose))
        return summed(covered)

    def left(self, *, analyst: str, purpose: str, use: Use) -> int:
        """The largest pure ε, in millionths, that this analyst may still spend for this purpose."""
        if self.why_not_named(analyst=analyst, purpose=purpose, use=use):
            return 0
        rests = [left(limit, spent) for limit, spent, _ in self.limits(analyst=analyst, purpose=purpose)]
        return min(*rests, self.terms.dearest)

    def how_many_more(self, loss: Loss, *, analyst: str, purpose: str, use: Use) -> int:
        """How many releases of `loss` this analyst may still ask for, if nobody else does."""
        if self.why_not_named(analyst=analyst, purpose=purpose, use=use):
            return 0
        if alone(loss).micro > self.terms.dearest:
            return 0
        limits = self.limits(analyst=analyst, purpose=purpose)
        return min(how_many_more(limit, spent, loss) for limit, spent, _ in limits)


def summed(spendings: Iterable[Spending]) -> Counter[Loss]:
    losses = Counter[Loss]()
    for one in spendings:
        losses[one.loss] += one.times
    return losses


# ------------------------------------------------------------------ words


def worded(loss: Loss) -> str:
    """The loss as people read it."""
    name = "ρ" if loss.kind is Kind.ZCDP else "ε"
    return f"{name}={loss.amount:.6g}" + (f"、δ={loss.delta:g}" if loss.femto else "")


def exhausted(dataset: str, *, loss: Loss, rest: int, budget: Budget, own: bool) -> Refused:
    cost, alone_ = worded(loss), alone(loss)
    if loss.femto > budget.third or (loss.kind is Kind.ZCDP and alone_.femto > budget.third):
        return Refused(
            ja=f"この処理の費用は {cost} で、δ が「{dataset}」の予算に収まりません（1件に使えるのは δ={budget.third / FEMTO:g} まで）。δ を下げるか、δ の要らない方法にしてください。",
            en=f"This costs {cost}, whose δ the budget of '{dataset}' does not hold (at most δ={budget.third / FEMTO:g} for one); ask for a smaller δ or a method without one.",
        )
    whose = (f"「{dataset}」のあなたの配分の残り", f"your share of '{dataset}'")
    everyone = (f"「{dataset}」の残り", f"'{dataset}'")
    ja, en = whose if own else everyone
    return Refused(
        ja=f"この処理の費用は {cost}、{ja}は ε={rest / MICRO:g} です。epsilon を下げるか、総括管理主体に追加の割り当てを依頼してください。",
        en=f"This costs {cost}, and ε={rest / MICRO:g} is left for {en}. Ask for less, or ask the coordinating body for a new grant.",
    )


def too_dear(loss: Loss, terms: Terms) -> Refused:
    return Refused(
        ja=f"この処理の費用は {worded(loss)} で、1件に使える上限 ε={terms.dearest / MICRO:g} を超えます。epsilon を下げてください。",
        en=f"This costs {worded(loss)}, beyond ε={terms.dearest / MICRO:g}, the most that one release may cost; ask for less.",
    )


def no_share(dataset: str, name: str) -> Refused:
    return Refused(
        ja=f"「{dataset}」の予算は配分されていますが、{name} への配分がありません。総括管理主体に依頼してください。",
        en=f"The budget of '{dataset}' is shared out by name and {name} has no share; ask the coordinating body for one.",
    )
