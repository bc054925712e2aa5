"""
The comparison as one page and one picture, drawn from its JSON alone: Japanese first, nothing fetched, no script.

Rows are choices, columns are what a use costs; each dot is a mean and its stroke the spread over the draws. A
dashed line carries the unprotected rows down the page, so that every row is read against it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.release.comparing import PROTECTIONS
from workbench.release.findings import Text
from workbench.release.page import environment
from workbench.release.plots import percent

PAGE = "comparison.html.j2"
PICTURE = "comparison.svg.j2"
FILES = ("comparison.html", "comparison.ja.svg", "comparison.en.svg", "comparison.json")


@dataclass(frozen=True)
class Measure:
    """A column of the picture: what is measured, which way is good, and the axis unless the numbers say it."""

    name: str
    title: Text
    hint: Text
    axis: tuple[float, float] | None = None


MEASURES = (
    Measure(
        "auc",
        Text("順位付けの力（AUC）", "Ranking (AUC)"),
        Text("大きいほどよい", "more is better"),
        axis=(0.5, 1.0),
    ),
    Measure(
        "average_precision", Text("平均適合率", "Average precision"), Text("大きいほどよい", "more is better")
    ),
    Measure(
        "calibration_error", Text("校正の誤差", "Calibration error"), Text("小さいほどよい", "less is better")
    ),
    Measure(
        "group_error",
        Text("集団間の見逃しの差", "Gap between groups"),
        Text("小さいほどよい", "less is better"),
    ),
)


@dataclass(frozen=True)
class Dot:
    """A mean with its spread, in shares of the axis, and its number."""

    low: float
    mean: float
    high: float
    shown: str


@dataclass(frozen=True)
class Line:
    """One row: a choice, its dots (None where it could not be learnt from), and what it protects."""

    strength: Text
    dots: tuple[Dot | None, ...]
    protects: tuple[Text, ...]
    impossible: bool


@dataclass(frozen=True)
class Block:
    """The rows of one protection."""

    title: Text
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Column:
    """A measure with the ticks of its axis and where the unprotected rows stand, in shares of the axis."""

    title: Text
    hint: Text
    ticks: tuple[tuple[float, str], ...]
    baseline: float | None


@dataclass(frozen=True)
class Picture:
    columns: tuple[Column, ...]
    blocks: tuple[Block, ...]

    @property
    def lines(self) -> int:
        return sum(len(block.lines) for block in self.blocks)


def files(compared: Mapping[str, Any]) -> dict[str, str]:
    """The page, and its picture in either language, by file name."""
    drawn = picture(compared)
    template = environment().get_template(PICTURE)
    pictures = {
        language: str(template.render(picture=drawn, language=language, compared=compared))
        for language in ("ja", "en")
    }
    page = environment().get_template(PAGE)
    return {
        "comparison.html": str(
            page.render(
                compared=compared,
                pictures=pictures,
                sentence=sentence(compared),
                impossible=impossible(compared),
                limits=limits(compared),
                first="ja",
            )
        ),
        **{f"comparison.{language}.svg": content for language, content in pictures.items()},
    }


def picture(compared: Mapping[str, Any]) -> Picture:
    """The comparison as places on axes."""
    rows = compared["choices"]
    axes = {measure.name: axis_of(measure, rows) for measure in MEASURES}
    blocks = []
    for name, title in PROTECTIONS.items():
        lines = tuple(line_of(row, axes) for row in rows if row["protection"] == name)
        if lines:
            blocks.append(Block(title, lines))
    columns = tuple(column_of(measure, rows, axis=axes[measure.name]) for measure in MEASURES)
    return Picture(columns, tuple(blocks))


def axis_of(measure: Measure, rows: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """From zero to a round number above the highest, unless the measure has an axis that all of it fits."""
    found = [row["measures"][measure.name] for row in rows if row["measures"][measure.name]]
    highest = max((one["high"] for one in found), default=1.0)
    if measure.axis is not None:
        lowest = min((one["low"] for one in found), default=0.5)
        return (min(measure.axis[0], int(10 * lowest) / 10), measure.axis[1])
    top = next(step for step in STEPS if step >= highest)
    return 0.0, top


STEPS = (0.02, 0.04, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, float("inf"))
TICKS = 2


def column_of(measure: Measure, rows: Sequence[Mapping[str, Any]], *, axis: tuple[float, float]) -> Column:
    low, high = axis
    bare = next((row["measures"][measure.name] for row in rows if row["protection"] == "none"), None)
    ticks = tuple((step / TICKS, f"{low + (high - low) * step / TICKS:.2f}") for step in range(TICKS + 1))
    return Column(
        measure.title, measure.hint, ticks, None if bare is None else place(bare["mean"], axis=axis)
    )


def place(value: float, *, axis: tuple[float, float]) -> float:
    low, high = axis
    return min(1.0, max(0.0, (value - low) / (high - low)))


def line_of(row: Mapping[str, Any], axes: Mapping[str, tuple[float, float]]) -> Line:
    dots = [dot_of(row["measures"][one.name], axis=axes[one.name]) for one in MEASURES]
    return Line(Text(**row["strength"]), tuple(dots), protects(row), row["impossible"] is not None)


def dot_of(one: Mapping[str, float] | None, *, axis: tuple[float, float]) -> Dot | None:
    if one is None:
        return None
    low, mean, high = (place(one[key], axis=axis) for key in ("low", "mean", "high"))
    return Dot(low, mean, high, f"{one['mean']:.2f}")


def protects(row: Mapping[str, Any]) -> tuple[Text, ...]:
    """What the choice protects, in at most two short lines; each protection in its own currency."""
    said = row["protects"]
    if row["impossible"] is not None:
        return (Text("この強さではできません", "not possible at this strength"),)
    lines = []
    if "k" in said:
        lines.append(
            Text(
                f"最小の群 {said['k']} 人・特定の確率は最大 {percent(said['highest'])}",
                f"smallest class {said['k']}; found with {percent(said['highest'])} at most",
            )
        )
    if "epsilon" in said:
        lines.append(
            Text(
                f"証明された上限：世帯ごとに ε = {said['epsilon']:g}",
                f"proved, by household: ε = {said['epsilon']:g}",
            )
        )
    if row["protection"] == "synthetic":
        lines.append(Text("証明された上限はない", "nothing is proved"))
    if "attacks" in said:
        lines.append(attack_line(said["attacks"]))
    return tuple(lines) or (Text("保護なし", "no protection"),)


def attack_line(attacks: Mapping[str, Mapping[str, Any]]) -> Text:
    """The highest upper limit of all attacks, and how many could not be evaluated."""
    uppers = [one["upper"] for one in attacks.values() if one["upper"] is not None]
    unknown = sum(one["not_evaluated"] for one in attacks.values())
    ja = f"攻撃の上限 {percent(max(uppers))}" if uppers else "攻撃は評価できない"
    en = f"attacks at most {percent(max(uppers))}" if uppers else "attacks cannot be evaluated"
    if uppers and unknown:
        ja, en = f"{ja}（評価不能 {unknown}）", f"{en} ({unknown} unknown)"
    return Text(ja, en)


# The attacks of the table below the picture, in its order.
KINDS = {
    "exact_copy": Text("完全な一致", "Exact copies"),
    "singling_out": Text("個人の特定", "Singling out"),
    "linkability": Text("連結", "Linking"),
    "inference": Text("推定", "Inferring"),
    "membership": Text("所属推定（全員）", "Membership, all"),
    "membership:isolated": Text("所属推定（孤立した 0.5 %）", "Membership, isolated 0.5 %"),
    "membership:rarest": Text("所属推定（最もまれな 0.5 %）", "Membership, rarest 0.5 %"),
}


def limits(compared: Mapping[str, Any]) -> dict[str, Any]:
    """The attacks' upper limits as a table: its heads, and for each synthetic choice a row of cells."""
    rows = [row for row in compared["choices"] if "attacks" in row["protects"]]
    body = []
    for row in rows:
        cells = []
        for kind in KINDS:
            one = row["protects"]["attacks"].get(kind)
            cells.append(cell_of(one))
        protection = PROTECTIONS[row["protection"]]
        strength = row["strength"]
        head = Text(f"{protection.ja} {strength['ja']}", f"{protection.en} {strength['en']}")
        body.append((head, cells))
    return {"heads": list(KINDS.values()), "rows": body}


def cell_of(one: Mapping[str, Any] | None) -> Text:
    if one is None:
        return Text("–", "–")
    if one["upper"] is None:
        return Text("評価できない", "unknown")
    more = one["not_evaluated"]
    shown = percent(one["upper"])
    return Text(
        shown + (f"（評価不能 {more}）" if more else ""), shown + (f" ({more} unknown)" if more else "")
    )


def sentence(compared: Mapping[str, Any]) -> Text:
    """The ranking of the first possible strength of each protection, against the unprotected rows."""
    ja, en = [], []
    for name, title in PROTECTIONS.items():
        row = next((r for r in compared["choices"] if r["protection"] == name and r["measures"]["auc"]), None)
        if row is None:
            continue
        auc = f"{row['measures']['auc']['mean']:.2f}"
        strength = "" if name == "none" else f"（{row['strength']['ja']}）"
        ja.append(f"{title.ja}{strength} {auc}")
        en.append(f"{title.en}{'' if name == 'none' else ' (' + row['strength']['en'] + ')'} {auc}")
    return Text(
        ja=f"順位付けの力（AUC。0.5 は偶然、1 は完全）：{'、'.join(ja)}。",
        en=f"Ranking (AUC; 0.5 is chance, 1 is perfect): {'; '.join(en)}.",
    )


def impossible(compared: Mapping[str, Any]) -> list[tuple[Text, Text]]:
    """The choices that could not be made, and why."""
    return [
        (
            Text(
                f"{PROTECTIONS[row['protection']].ja} {row['strength']['ja']}",
                f"{PROTECTIONS[row['protection']].en} {row['strength']['en']}",
            ),
            Text(**row["impossible"]),
        )
        for row in compared["choices"]
        if row["impossible"] is not None
    ]
