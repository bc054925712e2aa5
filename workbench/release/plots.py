"""
The report's plots as numbers for the page: bars, their lengths, and where the limit stands.

Computing stands here, drawing in the template. Everything is told apart by shape, place and text as well as
by shade, so that a page printed in grey says the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.release.findings import Text

NOT_SHOWN = Text(ja="少数のため非表示", en="too few to show")


@dataclass(frozen=True)
class Bar:
    """One bar: `length` is a share of the axis (0–1); `beyond` when it lies on the wrong side of the limit."""

    label: Text
    length: float
    shown: Text
    beyond: bool = False


@dataclass(frozen=True)
class Bars:
    """A chart of bars on one axis; `limit` is a share of the axis, or None."""

    bars: tuple[Bar, ...]
    limit: float | None = None
    limit_label: Text | None = None

    @property
    def tells(self) -> bool:
        """One bar compares nothing."""
        return len(self.bars) > 1


@dataclass(frozen=True)
class Curve:
    """Lines over one axis, as points in shares of the axes; `mark` is where the decision was taken."""

    lines: tuple[tuple[Text, tuple[tuple[float, float], ...]], ...]
    ticks: tuple[tuple[float, str], ...]
    mark: float | None

    @property
    def tells(self) -> bool:
        """One point is no line."""
        return len(self.lines[0][1]) > 1


def percent(value: float, *, digits: int = 1) -> str:
    return f"{100 * value:.{digits}f} %"


def class_sizes(classes: Mapping[str, Any], *, k: int | None) -> Bars:
    """Share of rows by the size of their class; bands below k are beyond the limit."""
    sizes = classes["sizes"]
    longest = max((size["share"] for size in sizes), default=0) or 1
    return Bars(
        tuple(
            Bar(
                label=_band(size["from"], size["to"]),
                length=size["share"] / longest,
                shown=Text(
                    ja=f"{percent(size['share'])}（{size['classes']:,} 群）",
                    en=f"{percent(size['share'])} ({size['classes']:,} classes)",
                ),
                beyond=k is not None and size["classes"] > 0 and _below(size["to"], k),
            )
            for size in sizes
        )
    )


def _below(high: int | None, k: int) -> bool:
    return high is not None and high < k


def _band(low: int, high: int | None) -> Text:
    if high is None:
        return Text(ja=f"{low} 人以上", en=f"{low} or more")
    if low == high:
        return Text(ja=f"{low} 人", en=f"{low}")
    return Text(ja=f"{low}–{high} 人", en=f"{low}–{high}")


def suppression(measured: Mapping[str, Any], *, limit: float | None) -> Bars:
    """Suppressed share overall, by policy subgroup and among the positives of each target."""
    rows: list[tuple[Text, float | None]] = [(Text(ja="全体", en="Overall"), measured["overall"])]
    rows += [(_group_label(group), group["rate"]) for group in measured["groups"]]
    top = max([rate for _, rate in rows if rate is not None] + [1.6 * (limit or 0), 0.01])
    return Bars(
        tuple(
            Bar(
                label,
                (rate or 0) / top,
                NOT_SHOWN if rate is None else _same(percent(rate)),
                _over(rate, limit),
            )
            for label, rate in rows
        ),
        limit=None if limit is None else limit / top,
        limit_label=None
        if limit is None
        else Text(ja=f"上限 {percent(limit)}", en=f"limit {percent(limit)}"),
    )


def _over(rate: float | None, limit: float | None) -> bool:
    return rate is not None and limit is not None and rate > limit


def _group_label(group: Mapping[str, Any]) -> Text:
    label = group["label"]
    if group["of"] == "target":
        return Text(ja=f"該当：{label['ja']}", en=f"Positive: {label['en']}")
    return Text(**label)


def information_loss(items: Sequence[Mapping[str, Any]]) -> Bars:
    """How much of each item generalisation took; nothing to compare it with, so no limit."""
    return Bars(tuple(Bar(Text(**item["label"]), item["loss"], _treatment(item)) for item in items))


def _treatment(item: Mapping[str, Any]) -> Text:
    if item["treatment"] == "dropped":
        return Text(ja="項目ごと除外", en="left out")
    if item["treatment"] == "kept":
        return Text(ja=f"そのまま・{item['categories']} 区分", en=f"as it is, {item['categories']} values")
    return Text(
        ja=f"{item['categories']} 区分（一般化 {item['level']}/{item['height']}）",
        en=f"{item['categories']} values (level {item['level']} of {item['height']})",
    )


@dataclass(frozen=True)
class Span:
    """An estimate with its interval, in shares of the axis; `hollow` where it could not be evaluated."""

    label: Text
    low: float
    value: float
    high: float
    shown: Text
    beyond: bool = False
    hollow: bool = False


@dataclass(frozen=True)
class Spans:
    """Intervals on one axis from 0 to 1; each row may have a limit of its own."""

    spans: tuple[tuple[Span, float | None], ...]

    @property
    def tells(self) -> bool:
        return bool(self.spans)


CANNOT = Text(ja="評価できない", en="cannot be evaluated")
# The kinds of attacks as a reader knows them; an attack's own part, after the colon, is an item or a split.
ATTACKS = {
    "exact_copy": Text(ja="完全な一致", en="exact copy"),
    "exact_copy:anyone": Text(ja="完全な一致（学習に使わなかった人も）", en="exact copy of anyone"),
    "singling_out:one": Text(ja="個人の特定（一項目）", en="singling out, one item"),
    "singling_out:several": Text(ja="個人の特定（複数項目）", en="singling out, several"),
    "linkability:known": Text(ja="連結：準識別子と残り", en="linking: known and rest"),
    "linkability": Text(ja="連結：", en="linking: "),
    "inference": Text(ja="推定：", en="inferring: "),
    "membership": Text(ja="全員：順位付けの力（AUC）", en="all children: AUC"),
    "membership:rarest": Text(ja="最もまれな 0.5 %：AUC", en="rarest 0.5 %: AUC"),
    "membership:isolated": Text(ja="最も孤立した 0.5 %：AUC", en="most isolated 0.5 %: AUC"),
}


def attack_label(name: str, *, labels: Mapping[str, Mapping[str, str]]) -> Text:
    if name in ATTACKS:
        return ATTACKS[name]
    kind, _, part = name.partition(":")
    named = labels.get(part, {"ja": part, "en": part})
    return Text(ja=ATTACKS[kind].ja + named["ja"], en=ATTACKS[kind].en + named["en"])


def attacks(measured: Mapping[str, Any]) -> Spans:
    """The excess success of each attack with its 95 % interval against its limit."""
    limits, labels = measured["limits"], measured["labels"]
    rows = []
    for one in measured["disclosure"]["attacks"]:
        limit = limits[
            "synthetic_identical_excess" if one["name"].startswith("exact_copy") else "synthetic_attack_risk"
        ]
        shown = CANNOT if not one["evaluable"] else _interval(one["risk"], one["lower"], one["upper"])
        span = Span(
            attack_label(one["name"], labels=labels),
            one["lower"],
            one["risk"],
            one["upper"],
            shown,
            beyond=one["upper"] > limit,
            hollow=not one["evaluable"],
        )
        rows.append((span, limit))
    return Spans(tuple(rows))


def membership(measured: Mapping[str, Any]) -> Spans:
    """How well members are told from strangers: in order, and at one false alarm in a hundred."""
    found_at = Text(ja="誤警報 1 % で見つかる超過", en="excess found at 1 % false alarms")
    rows = []
    for one in measured["disclosure"]["membership"]:
        for key, limit in (("auc", "synthetic_membership_auc"), ("found", "synthetic_membership_found")):
            rate, most = one[key], measured["limits"][limit]
            label = ATTACKS[one["name"]]
            if key == "found":
                label = Text(
                    ja=label.ja.split("：")[0] + "：" + found_at.ja,
                    en=label.en.split(":")[0] + ": " + found_at.en,
                )
            shown = _interval(rate["value"], rate["low"], rate["high"]) if one["evaluable"] else CANNOT
            span = Span(
                label,
                rate["low"],
                rate["value"],
                rate["high"],
                shown,
                beyond=rate["high"] > most,
                hollow=not one["evaluable"],
            )
            rows.append((span, most))
    return Spans(tuple(rows))


def _interval(value: float, low: float, high: float) -> Text:
    return _same(f"{value:.3f} ({low:.3f}–{high:.3f})")


def fidelity(measured: Mapping[str, Any]) -> Bars:
    """How alike each column of a synthetic table is to the source, 1 being the same distribution."""
    labels = measured["labels"]
    return Bars(
        tuple(
            Bar(Text(**labels[name]), score, _same(f"{score:.2f}"))
            for name, score in measured["fidelity"]["items"].items()
        )
    )


def margins(tables: Sequence[Mapping[str, Any]]) -> Bars:
    """How far each cell of a table may be from the true count, 95 times of 100, and what the table cost."""
    widest = max((table["margin"] for table in tables), default=0) or 1
    return Bars(
        tuple(
            Bar(
                Text(**table["label"]),
                table["margin"] / widest,
                Text(
                    ja=f"±{table['margin']:,.0f} 人（ε {table['epsilon']:.2f}）",
                    en=f"±{table['margin']:,.0f} children (ε {table['epsilon']:.2f})",
                ),
            )
            for table in tables
        )
    )


def ventiles(rows: Sequence[Mapping[str, Any]]) -> Bars:
    """Share of children who came to have the difficulty, by place in the ranking, highest scores first."""
    top = max((row["rate"]["value"] for row in rows), default=0) or 1
    return Bars(
        tuple(
            Bar(
                Text(ja=f"上位 {_range(row)}", en=f"top {_range(row)}"),
                row["rate"]["value"] / top,
                Text(
                    ja=f"{percent(row['rate']['value'])}（{row['children']:,} 人）",
                    en=f"{percent(row['rate']['value'])} ({row['children']:,})",
                ),
            )
            for row in rows
        )
    )


def _range(row: Mapping[str, Any]) -> str:
    return f"{100 * row['from']:.0f}–{100 * row['to']:.0f} %"


def capacity_curve(rows: Sequence[Mapping[str, Any]]) -> Curve:
    """Precision and recall over the share of children an office can visit; the mark is the chosen share."""
    widest = max((row["share"] for row in rows), default=1) or 1

    def line(key: str) -> tuple[tuple[float, float], ...]:
        return tuple((row["share"] / widest, row[key]["value"]) for row in rows)

    return Curve(
        lines=(
            (Text(ja="適合率", en="precision"), line("precision")),
            (Text(ja="再現率", en="recall"), line("recall")),
        ),
        ticks=tuple((share / widest, percent(share, digits=0)) for share in _ticks(widest)),
        mark=next((row["share"] / widest for row in rows if row["chosen"]), None),
    )


def _ticks(widest: float) -> tuple[float, ...]:
    """Up to six round shares along the axis."""
    step = next(step for step in (0.01, 0.02, 0.05, 0.1, 0.2) if widest / step <= 6)
    return tuple(step * number for number in range(int(widest / step + 1e-9) + 1))


def _same(text: str) -> Text:
    return Text(ja=text, en=text)
