"""
Asking about data nobody here may see: priced before it is asked, rehearsed for nothing, then answered.

A question is only words until `answer()`: its cost and its margin of error are known beforehand, because
they depend on the question alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from workbench.analyst.display import Facts
from workbench.analyst.gateway import Gateway
from workbench.riskflag.plotting import BLUE, GREY, Plot, legible, plot, say

NOTHING_SPENT = "まだ何も使っていません。 / Nothing has been spent yet."
REHEARSED = (
    "合成データでの練習です。実際の値ではありません。 / A rehearsal on synthetic data, not the real counts."
)
ANSWERED = (
    "雑音を加えた答えです。小さな差は読み取れません。 / With noise added; small differences mean nothing."
)


@dataclass(frozen=True)
class Asking:
    """A dataset that can be asked but not read."""

    gateway: Gateway
    dataset: str

    def histogram(self, item: str, *, epsilon: float, by: str | None = None) -> "Question":
        """How many children fall in each category of `item`, within each category of `by` if given."""
        details = {"kind": "histogram", "item": item, "by": by, "epsilon": epsilon}
        return Question(self.gateway, self.dataset, details)


@dataclass(frozen=True)
class Question:
    """A question as a value. Only `answer()` costs, and what it costs is `cost`."""

    gateway: Gateway
    dataset: str
    details: Mapping[str, Any]

    @cached_property
    def cost(self) -> Facts:
        """What it would cost and how exact the answer would be."""
        return Facts(self._ask("price"), title=self._title, note=NOTHING_SPENT)

    def rehearse(self) -> "Answer":
        """The same question on synthetic data, for nothing."""
        return Answer(self._ask("rehearse"), title=self._title, note=REHEARSED)

    def answer(self) -> "Answer":
        """The answer, charged to the dataset's budget before it is given."""
        return Answer(self._ask("answer"), title=self._title, note=ANSWERED)

    def _ask(self, verb: str) -> Any:
        return self.gateway.ask(verb, dataset=self.dataset, question=dict(self.details))

    @property
    def _title(self) -> str:
        by = f" × {self.details['by']}" if self.details["by"] else ""
        return f"{self.dataset}: {self.details['item']}{by}"

    def _repr_html_(self) -> str:
        return self.cost._repr_html_()

    def __repr__(self) -> str:
        return f"{self._title}, ε = {self.details['epsilon']}"


@dataclass(frozen=True)
class Answer:
    """Noisy counts, one for each public category, with the margin that 95 of 100 stay within."""

    result: Mapping[str, Any]
    title: str
    note: str

    @property
    def margin(self) -> float:
        """Half the width of the 95 % interval of each count."""
        return float(self.result["margin_95"])

    def frame(self) -> pd.DataFrame:
        """The counts as a DataFrame: a column for each item, the count, and its interval."""
        rows = self.result["rows"]
        table = pd.DataFrame([row["cell"] for row in rows], columns=list(self.result["items"]))
        counts = pd.Series([row["count"] for row in rows], dtype="int64")
        return table.assign(count=counts, low=counts - self.margin, high=counts + self.margin)

    def plot(self) -> Plot:
        """The counts as bars with their margins; a panel for each category of `by`."""
        items, frame = list(self.result["items"]), self.frame()
        panels = [("", frame)] if len(items) == 1 else list(frame.groupby(items[0], sort=False))

        def draw(axes: Any) -> None:
            for ax, (name, part) in zip(axes.flat, panels, strict=True):
                bars(ax, part, item=items[-1], title=str(name), margin=self.margin)

        return plot(draw, rows=len(panels), size=(7, 2.4 * len(panels)))

    def _repr_html_(self) -> str:
        facts = {key: self.result[key] for key in ("epsilon", "margin_95", "unit") if key in self.result}
        return Facts(facts, title=self.title, note=self.note)._repr_html_() + self.frame().to_html(
            index=False
        )


def bars(ax: Any, part: pd.DataFrame, *, item: str, title: str, margin: float) -> None:
    labels: Sequence[str] = [
        legible(str(label), otherwise=f"#{place}") for place, label in enumerate(part[item])
    ]
    ax.bar(range(len(part)), part["count"], color=BLUE, yerr=margin, ecolor=GREY)
    ax.set_xticks(range(len(part)), labels, rotation=30, ha="right")
    ax.set_title(legible(title, otherwise=""))
    ax.set_ylabel(say(ja="人数（雑音を含む）", en="children, with noise"))
