"""
What a budget may be spent on, and the terms of a grant: its fiscal year, the levels of warning and refusal.

They are written down with the grant, as the policy stood on that day. A year's budget is judged by the
strictest of the terms under which it was given, and what is left of it ends with the year.
"""

from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from workbench.privacy.dp.accounting import Budget
from workbench.privacy.dp.loss import FEMTO, MICRO

# Local Autonomy Act, article 208: a municipality's fiscal year begins on 1 April.
FIRST_MONTH = 4


class Use(StrEnum):
    QUESTION = "question"
    TABLES = "tables"
    SYNTHETIC = "synthetic"
    MODEL = "model"
    EVALUATION = "evaluation"


@dataclass(frozen=True)
class UseOf:
    """What a release is for. `asked`: an analyst asks for it, so that analysts' shares are asked about too."""

    ja: str
    en: str
    asked: bool


USES = {
    Use.QUESTION: UseOf("質問の答え", "answers to questions", asked=True),
    Use.TABLES: UseOf("集計表の提供", "releases of tables", asked=False),
    Use.SYNTHETIC: UseOf("合成データの提供", "releases of synthetic data", asked=False),
    Use.MODEL: UseOf("判定モデルの学習", "models trained", asked=True),
    Use.EVALUATION: UseOf("評価値の提供", "evaluations released", asked=False),
}


@dataclass(frozen=True)
class Terms:
    """
    First and last day, as ISO dates, and the levels.

    `warn`: the share of the budget, in millionths, at which the managers are told. `dearest`: the largest ε of
    one release, in millionths. `most`: what may be granted to a dataset for the year, in all.
    """

    begins: str
    ends: str
    warn: int = MICRO
    dearest: int = 1_000 * MICRO
    most_micro: int = 1_000 * MICRO
    most_femto: int = FEMTO - 1

    @classmethod
    def of_year(cls, day: date, *, first_month: int = FIRST_MONTH, **levels: int) -> "Terms":
        """The terms of the fiscal year that `day` falls in."""
        year = day.year if day.month >= first_month else day.year - 1
        ends = date(year + 1, first_month, 1) - timedelta(days=1)
        return cls(date(year, first_month, 1).isoformat(), ends.isoformat(), **levels)

    @property
    def year(self) -> int:
        """The fiscal year, named by the calendar year that it begins in."""
        return date.fromisoformat(self.begins).year

    @property
    def most(self) -> Budget:
        return Budget(self.most_micro, self.most_femto)

    @property
    def period(self) -> tuple[str, str]:
        return self.begins, self.ends

    def strictest(self, other: "Terms") -> "Terms":
        """The terms of both, for the same period."""
        return replace(self, warn=min(self.warn, other.warn), dearest=min(self.dearest, other.dearest))

    def includes(self, day: date) -> bool:
        return self.begins <= day.isoformat() <= self.ends

    def overlaps(self, other: "Terms") -> bool:
        return self.begins <= other.ends and other.begins <= self.ends

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
