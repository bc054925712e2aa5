"""
Showing an evaluation in a notebook: tables first, Japanese with English beneath, then the plots.

It reads the plain data of `evaluate` and adds nothing; what is None there is "too few" here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from workbench.riskflag import plots
from workbench.riskflag.plotting import Plot

TOO_FEW = "少なすぎて示せません / too few"


@dataclass(frozen=True)
class Report:
    """An evaluation that prints itself. `data` is what a candidate carries, digit by digit."""

    data: Mapping[str, Any]
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.data[name]

    def plot(self) -> Plot:
        """The four plots of the report: rate by score, capacity, calibration, groups."""
        return plots.overview(self.data)

    def _repr_html_(self) -> str:
        return "".join(
            section(title, headers, rows) for title, headers, rows in sections(self.data, labels=self.labels)
        ) + "".join(
            f"<p>⚠ {escape(note['ja'])}<br><small>{escape(note['en'])}</small></p>"
            for note in self.data.get("notes", ())
        )

    def _repr_markdown_(self) -> str:
        return markdown(self.data, labels=self.labels)

    def __str__(self) -> str:
        return markdown(self.data, labels=self.labels)


Section = tuple[str, Sequence[str], Sequence[Sequence[str]]]


def markdown(data: Mapping[str, Any], *, labels: Mapping[str, Mapping[str, str]]) -> str:
    """The tables and notes as Markdown."""
    lines: list[str] = []
    for title, headers, rows in sections(data, labels=labels):
        lines += [f"**{title}**", "", "| " + " | ".join(headers) + " |", "|" + "---|" * len(headers)]
        lines += ["| " + " | ".join(row) + " |" for row in rows]
        lines.append("")
    lines += [f"> {note['ja']}  \n> {note['en']}\n" for note in data.get("notes", ())]
    return "\n".join(lines)


def section(title: str, headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(header)}</th>" for header in headers)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<p><b>{escape(title)}</b></p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def sections(data: Mapping[str, Any], *, labels: Mapping[str, Mapping[str, str]]) -> list[Section]:
    """Every table of the report: title, headers, rows of text."""
    found = [summary(data)]
    if data["too_few"]:
        return found
    found.append(capacity(data["capacity"]))
    found.append(ventiles(data["ventiles"]))
    found += [group(item, rows, labels=labels) for item, rows in data["groups"].items()]
    found.append(known(data["not_already_known"]))
    found.append(comparison(data))
    return found


def summary(data: Mapping[str, Any]) -> Section:
    rows = [
        ("検証用の人数 / test rows", f"{data['test']['rows']:,}"),
        ("該当あり / with the target", number(data["test"]["positives"])),
        ("AUC (95 %)", interval(data.get("auc"), percent=False)),
        ("平均適合率 / average precision", number(data.get("average_precision"))),
        ("実測÷予測 / observed to expected", number(data.get("observed_to_expected"))),
    ]
    return ("検証の結果 / evaluation on the test part", ("指標 / measure", "値 / value"), rows)


def capacity(rows: Sequence[Mapping[str, Any]]) -> Section:
    headers = (
        "候補の割合 / share",
        "人数 / children",
        "適合率 / precision",
        "再現率 / recall",
        "見逃し / missed",
        "空振り / false alarms",
        "1人見つけるごとの空振り / per found",
    )
    lines = [
        (
            ("➤ " if row["chosen"] else "") + f"{row['share']:.1%}",
            number(row["flagged"]),
            interval(row["precision"]),
            interval(row["recall"]),
            number(row["missed"]),
            number(row["false_alarms"]),
            number(row["false_alarms_per_found"]),
        )
        for row in rows
        if row["share"] <= 0.5 or row["chosen"]
    ]
    return ("訪問できる人数と結果 / capacity", headers, lines or [(TOO_FEW, *[""] * 6)])


def ventiles(rows: Sequence[Mapping[str, Any]]) -> Section:
    headers = (
        "上位から / from the top",
        "人数 / children",
        "該当率 / rate",
        "予測 / expected",
        "倍率 / lift",
    )
    lines = [
        (
            f"{row['from']:.0%}–{row['to']:.0%}",
            number(row["children"]),
            interval(row["rate"]),
            f"{row['expected']:.1%}",
            number(row["lift"]),
        )
        for row in rows
    ]
    return ("点数の高い順の区分 / by score", headers, lines)


def group(
    item: str, rows: Sequence[Mapping[str, Any]], *, labels: Mapping[str, Mapping[str, str]]
) -> Section:
    headers = (
        "区分 / group",
        "人数 / children",
        "該当 / with target",
        "AUC",
        "候補率 / flagged",
        "適合率 / precision",
        "再現率 / recall",
        "誤警報率 / false-positive rate",
    )
    words = labels.get(item, {})
    lines = [
        (
            " + ".join(words.get(level, level) for level in row["levels"]),
            number(row["children"]),
            number(row["positives"]),
            interval(row["auc"], percent=False),
            *(interval(row[rate]) for rate in ("flagged", "precision", "recall", "false_positive_rate")),
        )
        for row in rows
    ]
    return (f"公平性 / groups: {words.get('', item)}", headers, lines or [(TOO_FEW, *[""] * 7)])


def known(data: Mapping[str, Any] | None) -> Section:
    words = {
        "auc_not_known": "AUC（未把握のこども） / AUC, not already known",
        "precision_not_known": "適合率（未把握） / precision, not already known",
        "recall_not_known": "再現率（未把握） / recall, not already known",
        "found_not_known": "見つかったうち未把握の割合 / share of found not already known",
        "known_missed": "把握済みの該当の見逃し / known children missed",
    }
    rows = (
        [(words[name], interval(data[name], percent=not name.startswith("auc"))) for name in words]
        if data
        else [(TOO_FEW, "")]
    )
    return ("既知を除いた性能 / excluding already-known children", ("指標 / measure", "値 / value"), rows)


def comparison(data: Mapping[str, Any]) -> Section:
    lines = [("この判定モデル / this model", interval(data["auc"], percent=False), "", "")]
    words = {
        "single_best_item": "最良の一項目 / best single item",
        "poverty_only": "生活困窮の一項目 / one sign of poverty",
    }
    for name, title in words.items():
        row = data["baselines"][name]
        if row:
            lines.append(
                (
                    f"{title}: {row['item']}",
                    interval(row["auc"], percent=False),
                    interval(row["precision"]),
                    interval(row["recall"]),
                )
            )
    return (
        "単純な並びとの比較 / beside simple lists",
        ("並び / list", "AUC", "適合率 / precision", "再現率 / recall"),
        lines,
    )


def number(value: float | None) -> str:
    return TOO_FEW if value is None else f"{value:,}"


def interval(value: Mapping[str, float] | None, *, percent: bool = True) -> str:
    if value is None:
        return TOO_FEW
    if percent:
        return f"{value['value']:.1%} ({value['low']:.1%}–{value['high']:.1%})"
    return f"{value['value']:.3f} ({value['low']:.3f}–{value['high']:.3f})"
