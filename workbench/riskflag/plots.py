"""The plots of an evaluation, drawn from its plain data only."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.riskflag.plotting import BLUE, GREY, ORANGE, Plot, legible, plot, say

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Rows = Sequence[Mapping[str, Any]]


def overview(data: Mapping[str, Any]) -> Plot:
    """Rate by score, recall by capacity, calibration, and recall by group."""

    def draw(axes: Any) -> None:
        if data["too_few"]:
            for ax in axes.flat:
                too_few(ax)
            return
        rate_by_score(axes[0][0], data["ventiles"])
        recall_by_capacity(axes[0][1], data["capacity"])
        calibration(axes[1][0], data["ventiles"])
        recall_by_group(axes[1][1], data["groups"])

    return plot(draw, rows=2, columns=2, size=(11, 8))


def too_few(ax: "Axes") -> None:
    ax.text(0.5, 0.5, say(ja="少なすぎて示せません", en="too few to show"), ha="center", va="center")
    ax.set_axis_off()


def rate_by_score(ax: "Axes", rows: Rows) -> None:
    """The rate in each cell of the ranking, as wide as the cell."""
    widths = [row["to"] - row["from"] for row in rows]
    ax.bar(
        [row["from"] for row in rows],
        [row["rate"]["value"] for row in rows],
        width=widths,
        align="edge",
        color=BLUE,
        edgecolor="white",
    )
    middle = [(row["from"] + row["to"]) / 2 for row in rows]
    ax.errorbar(
        middle,
        [row["rate"]["value"] for row in rows],
        yerr=whiskers([row["rate"] for row in rows]),
        fmt="none",
        ecolor=GREY,
        lw=1,
    )
    ax.set_title(say(ja="点数の高い順にみた該当率", en="Rate of the target, highest scores first"))
    ax.set_xlabel(say(ja="上位からの割合", en="share of children, from the top"))


def recall_by_capacity(ax: "Axes", rows: Rows) -> None:
    """How many of the children with the target are found, by how many can be visited."""
    shares = [row["share"] for row in rows]
    recall = [row["recall"] for row in rows]
    ax.plot(shares, [value["value"] for value in recall], color=BLUE, marker="o", ms=3)
    ax.fill_between(
        shares,
        [value["low"] for value in recall],
        [value["high"] for value in recall],
        color=BLUE,
        alpha=0.15,
    )
    ax.plot([0, 1], [0, 1], color=GREY, lw=1, ls="--")
    for row in rows:
        if row["chosen"]:
            ax.axvline(row["share"], color=ORANGE, lw=1)
    ax.set_title(say(ja="訪問できる割合と、見つかる割合", en="Found, by how many can be visited"))
    ax.set_xlabel(say(ja="候補の割合", en="share flagged"))


def calibration(ax: "Axes", rows: Rows) -> None:
    """Observed rate over expected rate; on the line they agree."""
    expected = [row["expected"] for row in rows]
    ax.errorbar(
        expected,
        [row["rate"]["value"] for row in rows],
        yerr=whiskers([row["rate"] for row in rows]),
        fmt="o",
        color=BLUE,
        ecolor=GREY,
    )
    top = max([*expected, *(row["rate"]["high"] for row in rows)])
    ax.plot([0, top], [0, top], color=GREY, lw=1, ls="--")
    ax.set_title(say(ja="予測と実測", en="Expected and observed rate"))
    ax.set_xlabel(say(ja="予測した率", en="expected"))


def recall_by_group(ax: "Axes", groups: Mapping[str, Rows]) -> None:
    """How many are found in each group that is large enough to show."""
    rows = [
        (
            " + ".join(legible(level, otherwise=f"#{place}") for place, level in enumerate(row["levels"])),
            item,
            row["recall"],
        )
        for item, levels in groups.items()
        for row in levels
        if row["recall"]
    ]
    if not rows:
        too_few(ax)
        return
    places = np.arange(len(rows))[::-1]
    values = [value for _, _, value in rows]
    ax.errorbar(
        [value["value"] for value in values], places, xerr=whiskers(values), fmt="o", color=BLUE, ecolor=GREY
    )
    ax.set_yticks(places, [f"{item}: {name}" for name, item, _ in rows])
    ax.set_xlim(0, 1)
    ax.set_title(say(ja="区分ごとの、見つかる割合", en="Found, by group"))


def whiskers(values: Sequence[Mapping[str, float]]) -> list[list[float]]:
    """The distances down and up from each value to the ends of its interval."""
    down = [max(value["value"] - value["low"], 0.0) for value in values]
    up = [max(value["high"] - value["value"], 0.0) for value in values]
    return [down, up]


def contributions(features: Rows, *, width: float = 11) -> Plot:
    """The whole model on one page: the points of every level of every item."""
    columns = min(3, max(len(features), 1))
    rows = -(-len(features) // columns)
    widest = 1.1 * max([1, *(abs(value) for feature in features for value in feature["points"])])

    def draw(axes: Any) -> None:
        for ax in axes.flat[len(features) :]:
            ax.set_axis_off()
        for ax, feature in zip(axes.flat, features, strict=False):
            places = np.arange(len(feature["points"]))[::-1]
            colours = [ORANGE if value > 0 else BLUE for value in feature["points"]]
            words = [legible(word, otherwise=f"#{place}") for place, word in enumerate(feature["words"])]
            ax.barh(places, feature["points"], color=colours)
            ax.set_yticks(places, words, fontsize=7)
            ax.set_title(feature["label"], fontsize=9)
            ax.axvline(0, color=GREY, lw=0.8)
            # One scale for all: a wide bar is a large effect, whichever item it belongs to.
            ax.set_xlim(-widest, widest)

    return plot(draw, rows=rows, columns=columns, size=(width, 2.2 * rows + 0.5))
