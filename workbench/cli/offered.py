"""Three recipes on the curve of what a table loses against who is deleted: as text, as JSON, as a picture."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import language

if TYPE_CHECKING:
    from workbench.privacy.anonymity.alternatives import Alternatives, Point


def to_json(found: "Alternatives") -> dict[str, Any]:
    return {"offered": list(map(told, found.offered)), "curve": list(map(told, found.curve))}


def told(point: "Point") -> dict[str, Any]:
    """One recipe: what it loses, whom it deletes, and its levels."""
    return {
        "suppression_limit": point.limit,
        "score": point.loss,
        "bound": point.bound,
        "classes": point.classes,
        "suppressed": {
            name: {"rows": group.rows, "of": group.of, "share": group.share}
            for name, group in point.suppressed.items()
        },
        "levels": dict(point.levels),
    }


def described(found: "Alternatives") -> Iterator[str]:
    """The recipes for people: what to ask for, and what it costs whom."""
    words = WORDS[language()]
    for number, point in enumerate(found.offered, start=1):
        yield words["recipe"].format(number=number, limit=point.limit, loss=point.loss, classes=point.classes)
        groups = ", ".join(f"{name} {group.share:.1%}" for name, group in point.suppressed.items())
        yield words["deleted"].format(groups=groups)
        yield words["levels"].format(
            levels=", ".join(f"{item}={level}" for item, level in point.levels.items())
        )


def draw(found: "Alternatives", path: Path) -> None:
    """The curve as a picture; its kind is the ending of `path`. The offered recipes are numbered."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from workbench.home import write_atomically

    words = WORDS[language()]
    mpl.rcParams["font.family"] = ["Noto Sans CJK JP", "DejaVu Sans"]
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot([100 * p.deleted for p in found.curve], [p.loss for p in found.curve], "o-", color="#3d6a8f")
    for number, point in enumerate(found.offered, start=1):
        axes.annotate(
            str(number),
            (100 * point.deleted, point.loss),
            textcoords="offset points",
            xytext=(7, 7),
            fontweight="bold",
            bbox={"boxstyle": "circle", "facecolor": "white", "edgecolor": "#1b1f24"},
        )
    axes.set(xlabel=words["x"], ylabel=words["y"], ylim=(0, None), title=words["title"])
    axes.margins(x=0.1)
    axes.grid(visible=True, color="#c9ced4", linewidth=0.6)
    drawn = io.BytesIO()
    figure.savefig(drawn, format=path.suffix.lstrip(".") or "png", dpi=140)
    write_atomically(path, drawn.getvalue())


WORDS = {
    "ja": {
        "recipe": "案 {number}: --suppression-limit {limit:g}  情報損失 {loss:.4f}、同値類 {classes:,}",
        "deleted": "  抑制する行の割合: {groups}",
        "levels": "  一般化の段: {levels}",
        "x": "抑制する行の割合（％）",
        "y": "情報損失",
        "title": "情報損失と抑制のつり合い（番号は案）",
    },
    "en": {
        "recipe": "Recipe {number}: --suppression-limit {limit:g}  information loss {loss:.4f}, {classes:,} classes",
        "deleted": "  share of rows suppressed: {groups}",
        "levels": "  levels: {levels}",
        "x": "rows suppressed (%)",
        "y": "information loss",
        "title": "Information loss against suppression (numbers: recipes)",
    },
}
