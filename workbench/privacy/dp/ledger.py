"""
The ledger of privacy budgets: one for each dataset, whoever asks and for whatever.

Answers, tables, synthetic data, models and evaluations are charged here alike. A charge is reserved before
the computation, settled after it, and kept when anything fails in between; a reservation that a kill left
behind stays spent. Writers are serial in every state, so no two charges ever see the same balance.
"""

import json
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from workbench.audit import Event
from workbench.errors import NotFound, Refused, Unprotected, Unusable
from workbench.governance.people import People
from workbench.governance.retold import expect_as_told
from workbench.governance.signed_settings import managers, today
from workbench.privacy.dp import ledger_rows as rows
from workbench.privacy.dp.account import Account, summed
from workbench.privacy.dp.accounting import Budget, alone, converter, total
from workbench.privacy.dp.ledger_rows import CHARGES, GRANTS, SHARES
from workbench.privacy.dp.loss import FEMTO, MICRO, MOST_MICRO, Loss
from workbench.privacy.dp.terms import Terms, Use
from workbench.state import State, Transaction


@dataclass(frozen=True)
class Balance:
    """
    A dataset's budget in its fiscal year: millionths of ε, and δ in 10⁻¹⁵.

    `spent` is the composed ε of all releases, `naive` the sum of their epsilons; `remaining` the largest pure ε
    that one more release may cost. Where composition pays, `spent` and `remaining` are not `granted` together.
    """

    granted: int
    spent: int
    remaining: int
    naive: int
    femto: int
    year: int
    ends: str

    def to_json(self) -> dict[str, Any]:
        amounts = {"granted": self.granted, "spent": self.spent, "remaining": self.remaining}
        told: dict[str, Any] = {name: micro / MICRO for name, micro in amounts.items()}
        return told | {"delta": self.femto / FEMTO, "ends": self.ends}


class Ledger:
    """The one ledger of a home. `on` is the day it is asked, today without it."""

    def __init__(self, state: State, *, on: date | None = None) -> None:
        self._state = state
        self._on = on

    # -------------------------------------------------------------- what is granted

    def grant(
        self, dataset: str, *, micro: int, femto: int = 0, granted_by: str, terms: Terms | None = None
    ) -> Balance:
        """
        Add to a dataset's budget for the year of `terms`.

        Refused for who may not, beyond what the terms allow, or for a year that is over; Unusable for what is
        no amount.
        """
        People(self._state).expect_may(granted_by, "grant_budget")
        expect_amount(micro, femto)
        terms = terms or Terms.of_year(self._today)
        with self._state.transaction() as t:
            self._expect_grantable(t.connection, dataset, Budget(micro, femto), terms)
            row = {"dataset": dataset, "year": terms.year, "micro": micro, "femto": femto}
            key = secrets.token_hex(8)
            told = terms.to_json()
            t.connection.execute(
                GRANTS.insert().values(id=key, terms=json.dumps(told), granted_by=granted_by, **row)
            )
            t.event(Event.BUDGET_GRANTED, actor=granted_by, grant=key, terms=told, **row)
        return self.balance(dataset, year=terms.year)

    def share(
        self, dataset: str, *, budget: Budget, granted_by: str, analyst: str = "", purpose: str = ""
    ) -> None:
        """
        Limit what `analyst`, or whoever works for `purpose`, may spend of this year's budget.

        It takes the place of an earlier share of the same names. It never makes the budget larger.
        """
        People(self._state).expect_may(granted_by, "grant_budget")
        expect_amount(budget.micro, budget.femto)
        expect_named(analyst, purpose)
        with self._state.transaction() as t:
            account = self._account(t.connection, dataset)
            key = {"dataset": dataset, "year": account.year, "analyst": analyst, "purpose": purpose}
            amount = {"micro": budget.micro, "femto": budget.femto}
            t.connection.execute(SHARES.delete().where(*(SHARES.c[name] == key[name] for name in key)))
            t.connection.execute(SHARES.insert().values(granted_by=granted_by, **key, **amount))
            t.event(Event.BUDGET_SHARED, actor=granted_by, **key, **amount)

    # -------------------------------------------------------------- what is left

    def datasets_of(self, year: int | None = None) -> list[str]:
        """Every dataset with a budget in this fiscal year, or in another."""
        with self._state.reading() as connection:
            granted = {name: rows.granted(connection, name) for name in rows.datasets(connection)}
        return [
            name for name, found in granted.items() if any(self._is_of(terms, year) for terms, _ in found)
        ]

    def granted(self, dataset: str, terms: Terms) -> Budget:
        """What was granted for the period of `terms` so far."""
        with self._state.reading() as connection:
            found = rows.granted(connection, dataset)
        return next((budget for one, budget in found if one.period == terms.period), Budget(0))

    def accounts(self, dataset: str) -> list[Account]:
        """The accounts of every fiscal year for which a dataset was granted a budget."""
        with self._state.reading() as connection:
            years = [terms.year for terms, _ in rows.granted(connection, dataset)]
            return [self._account(connection, dataset, year=year) for year in years]

    def account(self, dataset: str, *, year: int | None = None) -> Account:
        """The account of this fiscal year, or of another. Raises NotFound where none was granted."""
        with self._state.reading() as connection:
            return self._account(connection, dataset, year=year)

    def balance(self, dataset: str, *, year: int | None = None) -> Balance:
        """Raises NotFound for a dataset without a budget in the year."""
        account = self.account(dataset, year=year)
        together = total(account.losses, account.budget)
        return Balance(
            granted=account.budget.micro,
            spent=together.micro,
            remaining=account.remaining,
            naive=together.naive,
            femto=account.budget.femto,
            year=account.year,
            ends=account.terms.ends,
        )

    def seen_by(self, analyst: str, *, dataset: str, purpose: str) -> dict[str, Any]:
        """
        The budget as an analyst may see it: the dataset's totals, and of charges their own alone.

        `remaining` is what this analyst may still spend: the least of the dataset's and their shares'.
        """
        account = self.account(dataset)
        mine = [one for one in account.spendings if one.analyst == analyst]
        rest = account.left(analyst=analyst, purpose=purpose, use=Use.QUESTION)
        return {
            **self.balance(dataset).to_json(),
            "remaining": rest / MICRO,
            "own_spent": total(summed(mine), account.budget).micro / MICRO,
            "own_charges": sum(one.times for one in mine),
        }

    def left(self, dataset: str, *, analyst: str, purpose: str, use: Use = Use.QUESTION) -> int:
        """The largest pure ε, in millionths, that this analyst may still spend for this purpose."""
        return self.account(dataset).left(analyst=analyst, purpose=purpose, use=use)

    def how_many_more(
        self, dataset: str, loss: Loss, *, analyst: str, purpose: str, use: Use = Use.QUESTION
    ) -> int:
        """How many releases of `loss` this analyst may still ask for. Nothing is spent."""
        return self.account(dataset).how_many_more(loss, analyst=analyst, purpose=purpose, use=use)

    def losses(self, dataset: str, *, analyst: str) -> Counter[Loss]:
        """What one analyst, or release, was charged in all years."""
        with self._state.reading() as connection:
            years = rows.spendings_by_year(connection, dataset).values()
        return summed(one for found in years for one in found if one.analyst == analyst)

    def years_charged(self, dataset: str) -> dict[int, Counter[Loss]]:
        """What a dataset was charged, by fiscal year."""
        with self._state.reading() as connection:
            return {
                year: summed(found) for year, found in rows.spendings_by_year(connection, dataset).items()
            }

    def otherwise(self, records: Iterable[Mapping[str, Any]]) -> list[str]:
        """The datasets whose grants, shares or charges are not what the log's records tell of them."""
        with self._state.reading() as connection:
            return rows.otherwise(connection, records)

    # -------------------------------------------------------------- what is spent

    @contextmanager
    def charge(
        self,
        dataset: str,
        *,
        loss: Loss,
        analyst: str,
        purpose: str,
        question: Mapping[str, Any],
        use: Use = Use.QUESTION,
    ) -> Iterator[str]:
        """
        Take `loss` from the dataset's budget around a computation. Yields the charge's id.

        Raises Refused, with nothing taken, when the budget or a share does not hold it, and NotFound outside
        the fiscal year of every grant. When the computation fails the charge stays, whole.
        """
        asked = {"dataset": dataset, "analyst": analyst, "purpose": purpose, "use": str(Use(use))}
        charge = self._reserve(loss, json.dumps(question, sort_keys=True), **asked)
        try:
            yield charge
        except BaseException:
            self._close(charge, status="kept", event=Event.QUESTION_KEPT, analyst=analyst)
            raise
        self._close(charge, status="settled", event=Event.QUESTION_SETTLED, analyst=analyst)

    def _reserve(self, loss: Loss, question: str, **asked: str) -> str:
        charge, to = secrets.token_hex(8), managers(self._state)
        converter()  # loaded before the lock, which everybody else waits for
        self._expect_as_told(asked["dataset"])
        # The transaction takes the write lock first: no other charge reads the balance until this is written.
        with self._state.transaction() as t:
            before = self._account(t.connection, asked["dataset"])
            refused = before.why_not(
                loss, analyst=asked["analyst"], purpose=asked["purpose"], use=Use(asked["use"])
            )
            if refused is not None:
                raise refused
            row = {"id": charge, "year": before.year, "question": question, "status": "reserved"}
            t.connection.execute(CHARGES.insert().values(**row, **asked, **loss.to_json()))
            about = {name: asked[name] for name in ("dataset", "purpose", "use")}
            t.event(
                Event.QUESTION_RESERVED,
                actor=asked["analyst"],
                question=charge,
                year=before.year,
                loss=loss.to_json(),
                sha256=rows.sha256(question),
                **about,
            )
            self._warn(t, before, to=to)
        return charge

    def _expect_as_told(self, dataset: str) -> None:
        """
        Untrusted where the log tells of a charge that is gone or another here, or not of a grant that is here.

        A state put back from a backup would give budgets back. Who may not read the log leaves this to `audit
        verify`. The log is read before the state for what is only added to, and after it for what must be told.
        """
        try:
            charges = self._state.log.of_kind(Event.QUESTION_RESERVED)
            with self._state.reading() as connection:
                spent = rows.spent_as_told(connection, charges, dataset=dataset)
                grants = {
                    key: row for key, row in rows.kept(connection) if key[0] == "grant" and row[0] == dataset
                }
            waiting = self._state.waiting()
            granted = rows.granted_as_told(grants, [*self._state.log.of_kind(Event.BUDGET_GRANTED), *waiting])
        except Unprotected:
            return
        expect_as_told({"budgets": [] if spent and granted else [dataset]})

    def _warn(self, t: Transaction, before: Account, *, to: list[str]) -> None:
        """Tell the managers, once, that the level of the terms is reached."""
        after = self._account(t.connection, before.dataset, year=before.year)
        if after.is_warned_of and not before.is_warned_of:
            t.event(
                Event.BUDGET_WARNED,
                actor="workbench",
                dataset=after.dataset,
                year=after.year,
                spent=after.spent,
                granted=after.budget.micro,
                percent=after.spent * 100 // after.budget.micro,
                to=to,
            )

    def _close(self, charge: str, *, status: str, event: Event, analyst: str) -> None:
        with self._state.transaction() as t:
            t.connection.execute(CHARGES.update().where(CHARGES.c.id == charge).values(status=status))
            t.event(event, actor=analyst, question=charge)

    # -------------------------------------------------------------- inside

    @property
    def _today(self) -> date:
        return self._on or today()

    def _is_of(self, terms: Terms, year: int | None) -> bool:
        """Whether these are the terms of that fiscal year; of today's without one."""
        return terms.includes(self._today) if year is None else terms.year == year

    def _account(self, connection: sa.Connection, dataset: str, *, year: int | None = None) -> Account:
        granted = rows.granted(connection, dataset)
        for terms, budget in granted:
            if self._is_of(terms, year):
                return Account(
                    dataset=dataset,
                    terms=terms,
                    budget=budget,
                    shares=rows.shares(connection, dataset, year=terms.year),
                    spendings=rows.spendings_by_year(connection, dataset).get(terms.year, ()),
                )
        raise no_budget(dataset, ended=max((terms.ends for terms, _ in granted), default=None))

    def _expect_grantable(self, connection: sa.Connection, dataset: str, more: Budget, terms: Terms) -> None:
        if terms.ends < self._today.isoformat():
            raise year_over(terms)
        granted = rows.granted(connection, dataset)
        if any(known.period != terms.period and known.overlaps(terms) for known, _ in granted):
            raise other_period(dataset)
        known = next((budget for one, budget in granted if one.period == terms.period), Budget(0))
        if known.micro + more.micro > terms.most.micro or known.femto + more.femto > terms.most.femto:
            raise too_much(dataset, terms=terms, known=known)


def naive(losses: Mapping[Loss, int]) -> int:
    """The sum of the epsilons, in millionths, each loss taken alone."""
    return sum(alone(loss).micro * times for loss, times in losses.items())


def expect_amount(micro: Any, femto: Any) -> None:
    whole = type(micro) is int and type(femto) is int
    if not whole or not 0 < micro <= MOST_MICRO or not 0 <= femto < FEMTO:
        raise no_amount()


def no_amount() -> Unusable:
    return Unusable(
        ja="予算の値が正しくありません。epsilon は0より大きく1000以下、delta は0以上1未満の有限の数で指定してください。",
        en="This is no budget: epsilon is a finite number above 0 and up to 1,000, and delta at least 0 and below 1.",
    )


def expect_named(analyst: str, purpose: str) -> None:
    if not (analyst or purpose):
        raise Unusable(
            ja="配分には、分析者か利用目的、または両方を指定してください。",
            en="A share names an analyst, a purpose, or both.",
        )


def no_budget(dataset: str, *, ended: str | None) -> NotFound:
    if ended is None:
        return NotFound(
            ja=f"「{dataset}」にはプライバシー予算がありません。総括管理主体に割り当てを依頼してください。",
            en=f"'{dataset}' has no privacy budget; ask the coordinating body for a grant.",
        )
    return NotFound(
        ja=f"「{dataset}」には今年度のプライバシー予算がありません（割り当ての期限は {ended}）。総括管理主体に割り当てを依頼してください。",
        en=f"'{dataset}' has no privacy budget for this fiscal year (the last one granted ends on {ended}); ask the coordinating body for a grant.",
    )


def year_over(terms: Terms) -> Refused:
    return Refused(
        ja=f"{terms.year} 年度は {terms.ends} に終わっています。今年度の予算として割り当ててください。",
        en=f"Fiscal year {terms.year} ended on {terms.ends}; grant a budget for the present one.",
    )


def other_period(dataset: str) -> Refused:
    return Refused(
        ja=f"「{dataset}」には、この年度と重なる別の期間の予算があります。その期間が終わってから割り当ててください。",
        en=f"'{dataset}' has a budget for other days that overlap this fiscal year; grant one after they are over.",
    )


def too_much(dataset: str, *, terms: Terms, known: Budget) -> Refused:
    most = terms.most
    return Refused(
        ja=f"「{dataset}」の {terms.year} 年度の予算は、判定基準により ε={most.micro / MICRO:g}、δ={most.femto / FEMTO:g} までです（割り当て済み ε={known.micro / MICRO:g}、δ={known.femto / FEMTO:g}）。増やすには、根拠を添えて判定基準を変更してください。",
        en=f"The policy allows '{dataset}' ε={most.micro / MICRO:g} and δ={most.femto / FEMTO:g} for fiscal year {terms.year} (granted: ε={known.micro / MICRO:g}, δ={known.femto / FEMTO:g}); to grant more, change the policy and state its grounds.",
    )
