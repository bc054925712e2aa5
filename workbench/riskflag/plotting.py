"""
Plots that read in Japanese where the machine can, and in English where it cannot.

A missing Japanese font would turn every label into boxes and flood the notebook with warnings, so the
language is chosen by the fonts found.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FONTS = (
    "Noto Sans CJK JP",
    "Noto Sans JP",
    "IPAexGothic",
    "IPAGothic",
    "TakaoGothic",
    "Yu Gothic",
    "Hiragino Sans",
    "MS Gothic",
)
BLUE, ORANGE, GREY = "#1f5a99", "#c8641e", "#8a8a8a"


@cache
def japanese_font() -> str | None:
    """The first Japanese font found on this machine, or None."""
    from matplotlib import font_manager

    found = {font.name for font in font_manager.fontManager.ttflist}
    return next((name for name in FONTS if name in found), None)


def say(*, ja: str, en: str) -> str:
    """The words for a plot, in the language its fonts can show."""
    return ja if japanese_font() else en


def legible(text: str, *, otherwise: str) -> str:
    """`text`, or `otherwise` where no font here can show it."""
    return text if text.isascii() or japanese_font() else otherwise


@dataclass(frozen=True)
class Plot:
    """A finished picture; a notebook shows it, `save` writes it."""

    png: bytes

    def _repr_png_(self) -> bytes:
        return self.png

    def save(self, path: Path) -> None:
        """Write the picture to `path`."""
        path.write_bytes(self.png)


def plot(draw: Callable[[Any], None], *, rows: int = 1, columns: int = 1, size: tuple[float, float]) -> Plot:
    """Call `draw` with a grid of axes in our look; no display and nobody's global state is touched."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    family = [name for name in (japanese_font(), "DejaVu Sans") if name]
    look: Any = {
        "font.family": family,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.unicode_minus": False,
    }
    with mpl.rc_context(look):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.subplots(rows, columns, squeeze=False))
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=110, metadata={"Software": None})
        return Plot(file.getvalue())
