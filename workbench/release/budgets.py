"""Granting a privacy budget and sharing it out, within what the policy in force allows."""

import math
from datetime import date
from fractions import Fraction

from workbench.errors import Unusable
from workbench.governance.charter import Projects
from workbench.governance.people import People
from workbench.governance.settings import policy_in_force
from workbench.governance.signed_settings import today
from workbench.policy import Policy
from workbench.privacy.dp.accounting import Budget
from workbench.privacy.dp.ledger import Balance, Ledger, no_amount, too_much
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
    year: int | None = None,
    on: date | None = None,
) -> Balance:
    """
    Grant a dataset a budget for a fiscal year, this one without `year`; what is not named is all that is left.

    `on` is the day it is granted, today without it. Refused beyond the policy, for who may not, and for a year
    that is over; Unusable for what is no amount.
    """
    People(state).expect_may(by, "grant_budget")
    policy = policy_in_force(state)
    day = on or today() if year is None else date(expect_year(year), policy["budget_year_month"], 1)
    terms = terms_under(policy, on=day)
    ledger = Ledger(state, on=on)
    known = ledger.granted(dataset, terms)
    if epsilon is None and known.micro >= terms.most.micro:
        raise too_much(dataset, terms=terms, known=known)
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
    """
    Limit an analyst, a purpose or both inside the dataset's budget. Without a δ it has the budget's.

    Raises NotFound for a person or a purpose that is not there: a name mistyped would shut out the one meant.
    """
    People(state).expect_may(by, "grant_budget")
    if analyst:
        People(state).get(analyst)
    if purpose:
        Projects(state).get(purpose)
    ledger = Ledger(state, on=on)
    femto = ledger.account(dataset).budget.femto if delta is None else whole(delta, FEMTO)
    ledger.share(
        dataset, budget=Budget(whole(epsilon, MICRO), femto), granted_by=by, analyst=analyst, purpose=purpose
    )


def whole(amount: float, unit: int) -> int:
    """`amount` in whole units, rounded down: nobody is granted more than was typed."""
    if not math.isfinite(amount):
        raise no_amount()
    return math.floor(Fraction(repr(float(amount))) * unit)


def expect_year(year: int) -> int:
    if not 2000 <= year <= 2100:
        raise Unusable(
            ja="年度は西暦4桁で指定してください（例 2026）。",
            en="A fiscal year is four digits, such as 2026.",
        )
    return year
