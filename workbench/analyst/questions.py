"""
Asking about data nobody here may see: priced before it is asked, rehearsed for nothing, then answered.

    asking = desk.ask("child-year-raw")
    question = asking.mean("absent_days", by="sex", epsilon=0.2)
    question.cost
    question.rehearse()
    question.answer().plot()

A question is only words until `answer()`: its cost and its margin of error are known beforehand, because
they depend on the question alone. `epsilon` is what the whole question costs, however many numbers it gives;
`where={"sex": ["male"]}` keeps the children with one of those public labels; `by` answers for each category.
`between=(0, 30)` narrows the public range of a number: values outside count as the nearer end, and the margin
shrinks with the range.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from workbench.analyst.datasets import Dataset
from workbench.analyst.display import Facts, Rows
from workbench.analyst.gateway import Gateway
from workbench.analyst.models import Method, ModelWish, wished
from workbench.riskflag.define import Definition
from workbench.riskflag.plotting import BLUE, GREY, ORANGE, Plot, legible, plot, say

NOTHING_SPENT = "まだ何も使っていません。 / Nothing has been spent yet."
REHEARSED = (
    "合成データでの練習です。実際の値ではありません。 / A rehearsal on synthetic data, not the real counts."
)
ANSWERED = (
    "雑音を加えた答えです。小さな差は読み取れません。 / With noise added; small differences mean nothing."
)
TOTAL = "合計 / total"
# What a margin of error is in.
UNITS: Mapping[str, str] = {
    "children": "人 / children",
    "item": "項目と同じ単位 / as the item",
    "rank": "順位のずれ（人） / places in order",
    "range": "項目の範囲に対する割合 / share of the range",
}
# What epsilon is spent on.
PARTS: Mapping[str, str] = {
    "counts": "件数 / counts",
    "cells": "各区分の件数（合計はここから計算） / cells; margins are their sums",
    "sums": "合計 / sums",
    "totals": "範囲の両端から測った合計（平均・分散・人数はここから計算） / "
    "totals from both ends of the range; mean, variance and count follow",
    "choice": "候補からの選択（グループごと、費用は全体で1回分） / a choice among public candidates, paid once for all groups",
    "products": "項目どうしの積の合計（係数はここから計算） / sums of products; coefficients follow",
}
MEASURES: Mapping[str, tuple[str, str]] = {
    "count": ("人数（雑音を含む）", "children, with noise"),
    "sum": ("合計（雑音を含む）", "sum, with noise"),
    "mean": ("平均（雑音を含む）", "mean, with noise"),
    "variance": ("分散（雑音を含む）", "variance, with noise"),
    "quantile": ("分位点（雑音を含む）", "quantile, with noise"),
    "coefficient": ("係数（雑音を含む）", "coefficient, with noise"),
}
DARK = "#222222"
MOST_PANELS = 24
SHORT = "{:,.5g}".format

Labels = Mapping[str, Sequence[str]]
Ends = tuple[float, float]


@dataclass(frozen=True)
class Asking:
    """A dataset that can be asked but not read."""

    gateway: Gateway
    dataset: str

    def count(self, *, epsilon: float, by: str | None = None, where: Labels | None = None) -> "Question":
        """How many children there are."""
        return self._question("count", epsilon=epsilon, by=by, where=where)

    def histogram(
        self, item: str, *, epsilon: float, by: str | None = None, where: Labels | None = None
    ) -> "Question":
        """How many children fall in each category of `item`, within each category of `by` if given."""
        return self._question("histogram", item=item, epsilon=epsilon, by=by, where=where)

    def sum(
        self,
        item: str,
        *,
        epsilon: float,
        between: Ends | None = None,
        by: str | None = None,
        where: Labels | None = None,
    ) -> "Question":
        """The sum of a number, each value clipped to its public range."""
        return self._question("sum", item=item, epsilon=epsilon, between=between, by=by, where=where)

    def mean(
        self,
        item: str,
        *,
        epsilon: float,
        between: Ends | None = None,
        by: str | None = None,
        where: Labels | None = None,
    ) -> "Question":
        """The mean of a number, and how many children it is over."""
        return self._question("mean", item=item, epsilon=epsilon, between=between, by=by, where=where)

    def variance(
        self,
        item: str,
        *,
        epsilon: float,
        between: Ends | None = None,
        by: str | None = None,
        where: Labels | None = None,
    ) -> "Question":
        """The variance and standard deviation of a number, its mean, and how many children they are over."""
        return self._question("variance", item=item, epsilon=epsilon, between=between, by=by, where=where)

    def quantile(
        self,
        item: str,
        *,
        epsilon: float,
        at: float = 0.5,
        between: Ends | None = None,
        by: str | None = None,
        where: Labels | None = None,
    ) -> "Question":
        """The value that a share `at` of children are below: 0.5 is the median. In hundredths."""
        return self._question(
            "quantile", item=item, at=at, epsilon=epsilon, between=between, by=by, where=where
        )

    def contingency(
        self, *items: str, epsilon: float, whole: bool = False, where: Labels | None = None
    ) -> "Question":
        """
        Counts for every combination of two or three items, with margins that add up.

        `whole` makes every count zero or more; small counts become a little too large by it.
        """
        return self._question("contingency", items=list(items), whole=whole, epsilon=epsilon, where=where)

    def groups(self, item: str, *, epsilon: float, where: Labels | None = None) -> "Question":
        """How many children each value of a code has that no list names; small ones are not told."""
        return self._question("groups", item=item, epsilon=epsilon, where=where)

    def regression(
        self, item: str, *, on: Sequence[str], epsilon: float, where: Labels | None = None
    ) -> "Question":
        """The straight line that fits a number best from other numbers."""
        return self._question("regression", item=item, on=list(on), epsilon=epsilon, where=where)

    def model(
        self,
        flag: Definition,
        method: Method,
        *,
        features: Sequence[str],
        like: Dataset,
        edges: Mapping[str, Sequence[float]] | None = None,
        tries: int = 1,
    ) -> ModelWish:
        """
        A model of `flag`, trained on the protected rows under differential privacy; see `models`.

        `like` is an admitted dataset: the model carries its recoding and is evaluated on its test part. Every
        one of `tries` is paid for. Raises Refused for an estimator of one's own.
        """
        return wished(
            self.gateway,
            self.dataset,
            flag=flag,
            method=method,
            features=features,
            like=like,
            edges=edges,
            tries=tries,
        )

    def _question(
        self, kind: str, *, where: Labels | None, between: Ends | None = None, **details: Any
    ) -> "Question":
        if between is not None:
            details["between"] = list(between)
        if where:
            details["where"] = {item: list(labels) for item, labels in where.items()}
        return Question(self.gateway, self.dataset, {"kind": kind, **details})


@dataclass(frozen=True)
class Question:
    """A question as a value. Only `answer()` costs, and what it costs is `cost`."""

    gateway: Gateway
    dataset: str
    details: Mapping[str, Any]

    @cached_property
    def cost(self) -> "Cost":
        """What it would cost, how exact the answer would be, and how many more the budget holds."""
        return Cost(self._ask("price"), title=self._title)

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
        said = self.details
        names = [said.get("by"), said.get("item"), *said.get("items", []), *said.get("on", [])]
        where = [f"{item} = {'/'.join(labels)}" for item, labels in said.get("where", {}).items()]
        if "between" in said:
            where.insert(0, "{:g}–{:g}".format(*said["between"]))
        return f"{self.dataset}: {said['kind']} " + ", ".join([" × ".join(filter(None, names)), *where])

    def _repr_html_(self) -> str:
        return self.cost._repr_html_()

    def __repr__(self) -> str:
        return f"{self._title}, ε = {self.details['epsilon']}"


@dataclass(frozen=True)
class Cost:
    """The price of a question, as a table; `plot()` draws it against the budget."""

    result: Mapping[str, Any]
    title: str

    def __getitem__(self, key: str) -> Any:
        return self.result[key]

    def plot(self) -> Plot:
        """This question against what is left of the budget, and where it does, its margin by size of group."""
        by_group = self.result.get("margin_by_group", {})

        def draw(axes: Any) -> None:
            share_of_budget(axes.flat[0], epsilon=self["epsilon"], remaining=self["remaining"])
            if by_group:
                margins_by_group(axes.flat[1], by_group)

        rows = 2 if by_group else 1
        return plot(draw, rows=rows, size=(7, 1.3 + 2.6 * (rows - 1)))

    def _repr_html_(self) -> str:
        told = {key: value for key, value in self.result.items() if isinstance(value, str | int | float)}
        if "margin_unit" in told:
            told["margin_unit"] = UNITS.get(told["margin_unit"], told["margin_unit"])
        groups = [
            {"group": f"{int(size):,}", "margin": margin}
            for size, margin in self.result.get("margin_by_group", {}).items()
        ]
        split = [
            part | {"part": PARTS.get(part["part"], part["part"])} for part in self.result.get("split", [])
        ]
        tables = [
            Facts(told, title=self.title, note=NOTHING_SPENT)._repr_html_(),
            Rows(groups, title="人数ごとの誤差 / margin by size of group")._repr_html_() if groups else "",
            Rows(split, title="ε の内訳 / what epsilon is spent on")._repr_html_() if split else "",
        ]
        return "".join(tables)

    def __repr__(self) -> str:
        return repr(Facts(self.result, title=self.title, note=NOTHING_SPENT))


@dataclass(frozen=True)
class Answer:
    """Noisy values for every public cell, each with the interval that holds the true one 95 times in 100."""

    result: Mapping[str, Any]
    title: str
    note: str

    @property
    def margin(self) -> float | None:
        """Half the width of the 95 % intervals; None where each cell has its own."""
        found = self.result["margin_95"]
        return None if found is None else float(found)

    def frame(self) -> pd.DataFrame:
        """
        A DataFrame: a column for each item, then the value with `low` and `high`.

        Further measures have their intervals under their own names (`count_low`). Rows of totals say so.
        """
        rows, items = self.result["rows"], list(self.result["items"])
        cells = [[TOTAL if label is None else label for label in row["cell"]] for row in rows]
        table = pd.DataFrame(cells, columns=items, index=range(len(rows)))
        for place, measure in enumerate(self.result["measures"]):
            prefix = f"{measure}_" if place else ""
            names = {"value": measure, "low": f"{prefix}low", "high": f"{prefix}high"}
            found = pd.DataFrame([row[measure] for row in rows], columns=list(names)).rename(columns=names)
            table = pd.concat([table, found], axis="columns")
        return table

    def crossed(self) -> pd.DataFrame:
        """The first measure with the last item across; of a contingency table, with its margins."""
        *others, last = list(self.result["items"])
        crossed = self.frame().pivot(index=others, columns=last, values=self.result["measures"][0])
        labels = self.frame()[last].unique()
        return crossed.reindex(self.frame()[others[0]].unique(), level=0)[labels]

    def plot(self) -> Plot:
        """The first measure as bars with their intervals; a panel for each category of the other items."""
        *others, last = list(self.result["items"]) or ["_"]
        frame = self.frame().assign(**({"_": ""} if last == "_" else {}))
        frame = frame[~frame[[*others, last]].eq(TOTAL).any(axis=1)]
        panels = list(frame.groupby(others, sort=False)) if others else [((), frame)]
        panels = panels[:MOST_PANELS]
        measure = self.result["measures"][0]

        def draw(axes: Any) -> None:
            for ax, (names, part) in zip(axes.flat, panels, strict=True):
                # One scale for all: a group of nobody must not look like a large one.
                ax.sharey(axes.flat[0])
                bars(ax, part, item=last, measure=measure, title=" × ".join(map(str, names)))

        return plot(draw, rows=max(len(panels), 1), size=(7, 2.4 * max(len(panels), 1)))

    def _repr_html_(self) -> str:
        keys = ("epsilon", "delta", "margin_95", "unit")
        facts = {key: self.result[key] for key in keys if self.result.get(key) is not None}
        shown = Facts(facts, title=self.title, note=self.note)._repr_html_()
        if self.result["kind"] == "contingency" and len(self.result["items"]) == 2:
            return shown + self.crossed().to_html()
        return shown + self.frame().to_html(index=False, na_rep="", float_format=SHORT)


def bars(ax: Any, part: pd.DataFrame, *, item: str, measure: str, title: str) -> None:
    labels: Sequence[str] = [
        legible(str(label), otherwise=f"#{place}") for place, label in enumerate(part[item])
    ]
    values, low, high = (part[name].to_numpy(dtype="float64") for name in (measure, "low", "high"))
    ax.bar(range(len(part)), values, color=BLUE)
    ax.vlines(range(len(part)), low, high, colors=DARK, linewidth=2)
    ax.set_xticks(range(len(part)), labels, rotation=30, ha="right")
    ax.set_title(legible(title, otherwise=""))
    ja, en = MEASURES.get(measure, (measure, measure))
    ax.set_ylabel(say(ja=ja, en=en))


def share_of_budget(ax: Any, *, epsilon: float, remaining: float) -> None:
    """What is left, and what this question would take of it."""
    ax.barh([0], [max(remaining - epsilon, 0.0)], left=[epsilon], color=GREY, height=0.5)
    ax.barh([0], [epsilon], color=BLUE if epsilon <= remaining else ORANGE, height=0.5)
    ax.axvline(remaining, color=GREY, linewidth=1)
    ax.set_yticks([])
    ax.set_xlim(0, 1.05 * max(remaining, epsilon))
    ax.set_xlabel("ε")
    ax.set_title(
        say(
            ja=f"この質問 ε={epsilon:g}（残り ε={remaining:g}）",
            en=f"this question ε={epsilon:g} of ε={remaining:g} left",
        ),
        fontsize=10,
    )


def margins_by_group(ax: Any, by_group: Mapping[str, float]) -> None:
    """How exact the answer is for groups of several sizes."""
    sizes = [int(size) for size in by_group]
    ax.loglog(sizes, list(by_group.values()), marker="o", color=BLUE)
    ax.set_xticks(sizes, [f"{size:,}" for size in sizes])
    ax.set_xlabel(say(ja="グループの人数", en="children in the group"))
    ax.set_ylabel(say(ja="誤差の幅（95 %）", en="margin of error (95 %)"))
