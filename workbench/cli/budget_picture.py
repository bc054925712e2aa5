"""A picture of budgets: what each use has taken of what was granted, composed beside the plain sum."""

from collections.abc import Mapping, Sequence
from typing import Any

from workbench.privacy.dp.statement import label
from workbench.riskflag.plotting import GREY, ORANGE, Plot, legible, plot, say

# Okabe and Ito's colours, told apart by everybody; one for each use, in the order of the table.
COLOURS = {
    "question": "#0072B2",
    "tables": "#E69F00",
    "synthetic": "#009E73",
    "model": "#CC79A7",
    "evaluation": "#56B4E9",
}


def drawn(found: Sequence[Mapping[str, Any]]) -> Plot:
    """A panel for each statement: the sum by use, the composed total, the budget and its level of warning."""

    def draw(axes: Any) -> None:
        for ax, told in zip(axes.flat, found, strict=True):
            panel(ax, told)

    return plot(draw, rows=max(len(found), 1), size=(8, 2.6 * max(len(found), 1)))


def panel(ax: Any, told: Mapping[str, Any]) -> None:
    granted, start = told["granted"]["epsilon"], 0.0
    for use, one in told["by_use"].items():
        words = say(ja=label(use, language="ja"), en=label(use, language="en"))
        ax.barh(1, one["sum"], left=start, color=COLOURS[use], label=words)
        start += one["sum"]
    ax.barh(0, told["spent"]["composed"], color=GREY)
    ax.axvline(granted, color="black", linewidth=1.5)
    ax.axvline(granted * told["warn_at"], color=ORANGE, linestyle="--", linewidth=1)
    ax.set_yticks([1, 0], [say(ja="単純な合計", en="plain sum"), say(ja="合成後", en="composed")])
    ax.set_xlabel(say(ja="ε（縦線：予算、破線：注意）", en="ε (line: budget, dashed: warning)"))
    ax.set_xlim(0, max(granted, start) * 1.05)
    title = f"{told['dataset']} {told['year']}"
    ax.set_title(legible(title, otherwise="budget"))
    if told["by_use"]:
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
