"""Granting a privacy budget and sharing it out, within what the policy in force allows."""

from datetime import date
from fractions import Fraction

from workbench.governance.settings import policy_in_force
from workbench.governance.signed_settings import today
from workbench.policy import Policy
from workbench.privacy.dp.accounting import Budget
from workbench.privacy.dp.ledger import Balance, Ledger
from workbench.privacy.dp.loss import FEMTO, MICRO
from workbench.privacy.dp.terms import Terms
from workbench.state import State


def terms_under(policy: Policy, *, on: date) -> Terms:
    """The terms of a grant for the fiscal year of a day, as a policy has them."""
    return Terms.of_year(
        on,
        first_month=policy["budget_year_month"],
        warn=whole(policy["budget_warn"], MICRO),
        dearest=whole(policy["epsilon_refuse"], MICRO),
        most_micro=whole(policy["epsilon_total"], MICRO),
        most_femto=whole(policy["delta_total"], FEMTO),
    )


def grant(
    state: State,
    dataset: str,
    *,
    by: str,
    epsilon: float | None = None,
    delta: float | None = None,
    on: date | None = None,
) -> Balance:
    """
    Grant a dataset a budget for the fiscal year of `on`; what is not named is all that the policy leaves.

    Refused beyond the policy, for who may not, and for a year that is over.
    """
    terms = terms_under(policy_in_force(state), on=on or today())
    ledger = Ledger(state, on=on)
    known = ledger.granted(dataset, terms)
    micro = terms.most.micro - known.micro if epsilon is None else whole(epsilon, MICRO)
    femto = max(terms.most.femto - known.femto, 0) if delta is None else whole(delta, FEMTO)
    return ledger.grant(dataset, micro=micro, femto=femto, granted_by=by, terms=terms)


def share(
    state: State,
    dataset: str,
    *,
    by: str,
    epsilon: float,
    delta: float | None = None,
    analyst: str = "",
    purpose: str = "",
    on: date | None = None,
) -> None:
    """Limit an analyst, a purpose or both inside the dataset's budget. Without a δ it has the budget's."""
    ledger = Ledger(state, on=on)
    femto = ledger.account(dataset).budget.femto if delta is None else whole(delta, FEMTO)
    ledger.share(
        dataset, budget=Budget(whole(epsilon, MICRO), femto), granted_by=by, analyst=analyst, purpose=purpose
    )


def whole(amount: float, unit: int) -> int:
    """`amount` in whole units, rounded down: nobody is granted more than was typed."""
    return int(Fraction(repr(float(amount))) * unit)
