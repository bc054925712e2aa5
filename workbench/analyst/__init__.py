"""
What an analyst types, in a sandboxed kernel.

    import workbench.analyst as wb

    desk = wb.open()
    desk.datasets()
    children = desk.dataset("child-year@1")
    flag = wb.RiskFlag("school-attendance", target="absent_30d_next_year", capacity=0.05)
"""

from workbench.analyst.desk import Desk
from workbench.analyst.desk import open_desk as open  # noqa: A004  as architecture names it: wb.open()
from workbench.analyst.models import dp_ebm, dp_logistic, dp_naive_bayes
from workbench.riskflag.expert import Points, Rule, RuleList, Scorecard
from workbench.riskflag.flag import RiskFlag

__all__ = [
    "Desk",
    "Points",
    "RiskFlag",
    "Rule",
    "RuleList",
    "Scorecard",
    "dp_ebm",
    "dp_logistic",
    "dp_naive_bayes",
    "open",
]
