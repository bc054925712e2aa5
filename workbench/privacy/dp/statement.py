"""
A budget's statement for the coordinating body: what was granted, who spent it on what, what it still buys.

Data first; the command and the picture draw it. It names analysts and purposes, so it is no analyst's to read.
"""

from collections.abc import Callable, Sequence
from typing import Any

from workbench.privacy.dp.account import Account, Share, Spending, summed
from workbench.privacy.dp.accounting import Budget, how_many_more, left, total
from workbench.privacy.dp.loss import FEMTO, MICRO, Loss
from workbench.privacy.dp.terms import USES, Use

# What questions usually cost, dear to cheap.
USUAL = tuple(Loss.pure(epsilon) for epsilon in (0.3, 0.1, 0.03, 0.01))


def statement(account: Account) -> dict[str, Any]:
    """One account as numbers people read: ε and δ, charges counted, sums with and without composition."""
    spent, budget, terms = account.losses, account.budget, account.terms
    return {
        "dataset": account.dataset,
        "year": account.year,
        "begins": terms.begins,
        "ends": terms.ends,
        "granted": amounts(budget),
        "spent": together(account.spendings, budget),
        "remaining": account.remaining / MICRO,
        "warned": account.is_warned_of,
        "warn_at": terms.warn / MICRO,
        "by_use": grouped(account, lambda one: str(one.use)),
        "by_analyst": grouped(account, lambda one: one.analyst),
        "by_purpose": grouped(account, lambda one: one.purpose),
        "shares": [of_share(account, share) for share in account.shares],
        "how_many_more": [
            {"epsilon": loss.amount, "number": how_many_more(budget, spent, loss)} for loss in USUAL
        ],
    }


def amounts(budget: Budget) -> dict[str, float]:
    return {"epsilon": budget.micro / MICRO, "delta": budget.femto / FEMTO}


def together(spendings: Sequence[Spending], budget: Budget) -> dict[str, Any]:
    """How many charges, their composed ε at the budget's δ, and the plain sum of their epsilons."""
    found = total(summed(spendings), budget)
    return {
        "charges": sum(one.times for one in spendings),
        "composed": found.micro / MICRO,
        "sum": found.naive / MICRO,
        "delta": found.femto / FEMTO,
    }


def grouped(account: Account, by: Callable[[Spending], str]) -> dict[str, dict[str, Any]]:
    names = sorted({by(one) for one in account.spendings})
    return {
        name: together([one for one in account.spendings if by(one) == name], account.budget)
        for name in names
    }


def of_share(account: Account, share: Share) -> dict[str, Any]:
    spent = account.spent_of(share)
    return {
        "analyst": share.analyst or None,
        "purpose": share.purpose or None,
        **amounts(share.budget),
        "spent": total(spent, share.budget).micro / MICRO,
        # No more than the dataset itself has left.
        "remaining": min(left(share.budget, spent), account.remaining) / MICRO,
    }


def label(use: str, *, language: str) -> str:
    """The words for a use."""
    one = USES[Use(use)]
    return one.ja if language == "ja" else one.en
