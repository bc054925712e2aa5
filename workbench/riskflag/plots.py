"""The picture of a model: all of its points on one page."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from workbench.riskflag.plotting import BLUE, GREY, ORANGE, Plot, legible, plot

Rows = Sequence[Mapping[str, Any]]


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
