"""
The evaluation in words, tables and plots: thirteen sections, Japanese and English, from its plain data alone.

It adds nothing to the data; what is None there is "too few" here. Numbers of children come as whole children
and as "of a hundred visits" before any percentage.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.riskflag import drawing
from workbench.riskflag.card import NOT_FOR
from workbench.riskflag.dictionary import NOT_RECORDED, Dictionary
from workbench.riskflag.drawing import Words
from workbench.riskflag.notes import SETS
from workbench.scoring.recode import MISSING

Labels = Mapping[str, Mapping[str, Words]]
Data = Mapping[str, Any]


def both(ja: str, en: str) -> Words:
    return {"ja": ja, "en": en}


def same(written: str) -> Words:
    return {"ja": written, "en": written}


TOO_FEW = both("少なすぎて示せません", "too few to show")
NOT_SAID = both("書かれていません", "not stated")
FEW = {
    "inside": both("ほとんどない（少数）", "hardly any (few)"),
    "outside": both("ほぼすべて（残りは少数）", "nearly all (few left)"),
}


@dataclass(frozen=True)
class Table:
    """A table: its headers and rows of words."""

    headers: Sequence[Words]
    rows: Sequence[Sequence[Words]]
    caption: Words | None = None


@dataclass(frozen=True)
class Section:
    """One of the thirteen: what it asks, what was found, and what must not be overlooked."""

    number: int
    title: Words
    asks: Words
    tables: tuple[Table, ...] = ()
    drawings: tuple[tuple[Words, str], ...] = ()
    notes: tuple[Words, ...] = ()


@dataclass(frozen=True)
class Said:
    """The data of an evaluation with the words of its items; `families` is counted only where families are known."""

    data: Data
    labels: Labels = field(default_factory=dict)

    def item(self, item: str) -> Words:
        return self.labels.get(item, {}).get("", same(item))

    def items(self, items: Iterable[str]) -> Words:
        named = [self.item(item) for item in items]
        return both("・".join(one["ja"] for one in named), ", ".join(one["en"] for one in named))

    def levels(self, item: str, levels: Sequence[str]) -> Words:
        known = self.labels.get(item, {})
        named = [known.get(level, same(level)) for level in levels]
        return both(*(" + ".join(one[language] for one in named) for language in ("ja", "en")))


def labels_of(data: Data, dictionary: Dictionary) -> dict[str, dict[str, Words]]:
    """The words of every item and level an evaluation speaks of; under "" an item's own label."""
    proxies = data.get("proxies", {"sets": {}, "tells": []})
    items = dict.fromkeys(
        [
            data["target"],
            *data["by"],
            *data["reference"],
            *(item for row in data.get("sources", ()) for item in row["items"]),
            *(row["item"] for row in proxies["tells"]),
            *(row["item"] for row in data.get("baselines", {}).values() if row and "item" in row),
            *((data.get("surveillance") or {}).get("items", ())),
            *((data.get("not_already_known") or {}).get("items", ())),
            *data["declared"]["practice"],
        ]
    )
    return {item: words_of(item, dictionary) for item in items if item in dictionary}


def words_of(item: str, dictionary: Dictionary) -> dict[str, Words]:
    entry = dictionary[item]
    levels = {
        value: both(entry.value_label(value, language="ja"), entry.value_label(value, language="en"))
        for value in (*entry.values, "yes", "no")
    }
    return {**levels, MISSING: NOT_RECORDED, "": both(entry.label["ja"], entry.label["en"])}


def sections(data: Data, *, labels: Labels) -> list[Section]:
    """The sections of the report; with too few children those that need none."""
    said = Said(data, labels)
    makers = (target, limits) if data["too_few"] else SECTIONS
    found = [make(said) for make in makers]
    return [with_notes(section, data["notes"]) for section in found]


def with_notes(section: Section, notes: Sequence[Mapping[str, Any]]) -> Section:
    own = tuple(both(note["ja"], note["en"]) for note in notes if note["section"] == section.number)
    return Section(**{**vars(section), "notes": own})


def number(value: float | None) -> Words:
    return TOO_FEW if value is None else same(f"{value:,}")


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def rate(value: Mapping[str, float] | None) -> Words:
    """A share with its interval."""
    if value is None:
        return TOO_FEW
    return same(f"{percent(value['value'])} ({100 * value['low']:.1f}–{100 * value['high']:.1f})")


def points(value: Mapping[str, float]) -> Words:
    """A difference of two shares, in per cent of children."""
    return same(f"{100 * value['value']:+.1f} ({100 * value['low']:+.1f} … {100 * value['high']:+.1f})")


def figure(value: Mapping[str, float] | None, *, digits: int = 3) -> Words:
    """A number that is no share, with its interval."""
    if value is None:
        return TOO_FEW
    return same(f"{value['value']:.{digits}f} ({value['low']:.{digits}f}–{value['high']:.{digits}f})")


def part(value: Mapping[str, Any] | None) -> Words:
    """A share to the per cent, or on which side the few are."""
    if value is None:
        return same("–")
    return FEW[value["few"]] if value["few"] else same(f"{100 * value['share']:.0f} %")


def stated(words: Mapping[str, str]) -> Words:
    filled = words or NOT_SAID
    return both(filled.get("ja", filled.get("en", "")), filled.get("en", filled.get("ja", "")))


def chosen(data: Data) -> Mapping[str, Any] | None:
    return next((row for row in data.get("capacity", ()) if row["chosen"]), None)


def target(said: Said) -> Section:
    data, told = said.data, said.data["declared"]
    rows = [
        (both("確認したいこと", "what it looks for"), said.item(data["target"])),
        (
            both("基準日・予測期間", "index date, horizon"),
            both(
                f"{told['index_date']}・{told['horizon'].get('ja', '')}",
                f"{told['index_date']}, {told['horizon'].get('en', '')}",
            ),
        ),
        (both("対象の記録のしかた", "how the target is recorded"), stated(told["outcome"])),
        (both("学習用（前の年度）", "training part (earlier years)"), counted(data["train"])),
        (
            both("検証用（最後の年度・別の世帯）", "test part (last year, other households)"),
            counted(data["test"]),
        ),
    ]
    if "base_rates" in data:
        rows += [
            (both("該当率（学習用）", "rate in training"), rate(data["base_rates"]["train"])),
            (both("該当率（検証用）", "rate in the test part"), rate(data["base_rates"]["test"])),
        ]
    seen = data.get("surveillance")
    watched = (
        (
            Table(
                (
                    both("こども", "children"),
                    both("人数", "number"),
                    both("該当の記録", "recorded"),
                    both("実測÷予測", "observed / expected"),
                ),
                [
                    (
                        words,
                        number(seen[side]["children"]),
                        rate(seen[side]["rate"]),
                        figure(seen[side]["observed_to_expected"], digits=2),
                    )
                    for side, words in (
                        ("seen", both("既に相談・支援につながっている", "seen by an office already")),
                        ("unseen", both("まだつながっていない", "not seen yet")),
                    )
                ],
                caption=both(
                    f"見られている度合い（{said.items(seen['items'])['ja']}）：{seen['times_as_often']} 倍",
                    f"Where offices look ({said.items(seen['items'])['en']}): {seen['times_as_often']} times as often",
                ),
            ),
        )
        if seen
        else ()
    )
    return Section(
        1,
        both("何を予測するか", "What it predicts"),
        both(
            "対象は記録であって、困難そのものではありません。きょうだいと世帯は学習用と検証用に分かれず、検証用は最後の年度だけです。",
            "The target is a record, not the difficulty itself. Brothers, sisters and households are never on both sides, and the test part is the last year alone.",
        ),
        tables=(Table((both("項目", "item"), both("内容", "value")), rows), *watched),
    )


def counted(size: Mapping[str, int | None]) -> Words:
    rows, positives = size["rows"], size["positives"]
    if positives is None:
        return both(
            f"{rows:,} 行（該当は少なすぎて示せません）", f"{rows:,} rows (with the target: too few to show)"
        )
    return both(f"{rows:,} 行、うち該当 {positives:,}", f"{rows:,} rows, {positives:,} with the target")


def by_score(said: Said) -> Section:
    data = said.data
    rows = [
        (
            same(f"{100 * row['from']:.0f}–{100 * row['to']:.0f} %"),
            number(row["children"]),
            number(row["positives"]),
            rate(row["rate"]),
            same(percent(row["expected"])),
            same(f"{row['lift']:.2f}"),
            same(percent(row["recall"])),
        )
        for row in data["ventiles"]
    ]
    bars = drawing.bars(
        [
            (
                both(
                    f"上位 {100 * row['from']:.0f}–{100 * row['to']:.0f} %",
                    f"top {100 * row['from']:.0f}–{100 * row['to']:.0f} %",
                ),
                row["rate"]["value"],
                both(
                    f"{percent(row['rate']['value'])}・{row['lift']:.1f} 倍",
                    f"{percent(row['rate']['value'])}, lift {row['lift']:.1f}",
                ),
            )
            for row in data["ventiles"]
        ],
        spans=[row["rate"] for row in data["ventiles"]],
    )
    return Section(
        2,
        both("点数の高い順にみた該当", "By score, from the top"),
        both(
            f"AUC {figure(data['auc'])['ja']}、平均適合率 {data['average_precision']:.3f}。少数の区分は隣とまとめています。",
            f"AUC {figure(data['auc'])['en']}, average precision {data['average_precision']:.3f}. Small cells are joined with their neighbours.",
        ),
        tables=(
            Table(
                (
                    both("上位から", "from the top"),
                    both("人数", "children"),
                    both("該当", "with target"),
                    both("該当率（95 %）", "rate (95 %)"),
                    both("予測", "expected"),
                    both("倍率", "lift"),
                    both("ここまでに見つかる", "found so far"),
                ),
                rows,
            ),
        ),
        drawings=(
            (
                both(
                    "区分ごとの該当率と、全体の何倍か",
                    "Rate in each cell, and how many times the overall rate",
                ),
                bars,
            ),
        ),
    )


TIE_RULES = {
    "leave_out": both(
        "同点の組は分けず、収まらなければ全員外す",
        "equal scores are never parted; a group that does not fit stays out",
    ),
    "take_in": both("同点の組は分けず、全員入れる", "equal scores are never parted; all of them come in"),
}


def at_capacity(said: Said) -> Section:
    data, cut = said.data, said.data["threshold"]
    asked = (
        both(
            f"対象者の {(cut['per_10000'] or 0) / 100:g} %",
            f"{(cut['per_10000'] or 0) / 100:g} % of those considered",
        )
        if cut["per_10000"]
        else both(f"{cut['places']:,} 人", f"{cut['places']:,} children")
    )
    facts = [
        (both("訪問できる人数", "how many can be visited"), asked),
        (both("誰がなぜ決めたか", "who chose it, and why"), stated(cut["decided"])),
        (both("同点の扱い", "equal scores"), TIE_RULES[cut["tie_rule"]]),
        (both("使われない訪問枠", "places left unused"), number(cut["unused"])),
        *families(data.get("families")),
    ]
    rows = [
        (
            same(("➤ " if row["chosen"] else "") + percent(row["share"])),
            number(row["flagged"]),
            both(f"100 回のうち {row['of_100_visits']} 回", f"{row['of_100_visits']} of 100"),
            number(row["found"]),
            number(row["missed"]),
            number(row["false_alarms"]),
            number(row["false_alarms_per_found"]),
            rate(row["precision"]),
            rate(row["recall"]),
        )
        for row in data["capacity"]
        if row["share"] <= 0.5 or row["chosen"]
    ]
    headers = (
        both("訪問する割合", "visited"),
        both("人数", "children"),
        both("訪問で該当", "visits that find"),
        both("見つかる", "found"),
        both("見逃し", "missed"),
        both("空振り", "false alarms"),
        both("1人見つけるごとの空振り", "false alarms per child found"),
        both("適合率", "precision"),
        both("再現率", "recall"),
    )
    mark = chosen(data)
    curve = drawing.curve(
        [(row["share"], row["recall"]) for row in data["capacity"]],
        mark=mark["share"] if mark else None,
        across=both("訪問する割合", "share visited"),
        up=both(
            "該当するこどものうち見つかる割合（点線の縦は選んだ人数、斜めは偶然）",
            "share of children with the target found (dashed upright: the choice; slanted: chance)",
        ),
    )
    return Section(
        3,
        both("訪問できる人数と、見逃し・空振り", "Capacity: missed and in vain"),
        whole_visits(mark),
        tables=(Table((both("項目", "item"), both("内容", "value")), facts), Table(headers, rows)),
        drawings=(
            (both("訪問できる人数と、見つかる割合", "How many are found, by how many can be visited"), curve),
        )
        if data["capacity"]
        else (),
    )


def whole_visits(row: Mapping[str, Any] | None) -> Words:
    if row is None:
        return both(
            f"選んだ人数での見逃しと空振りは、{TOO_FEW['ja']}。",
            f"Missed and in vain at the chosen capacity: {TOO_FEW['en']}.",
        )
    found, of_all = row["of_100_visits"], round(10 * row["recall"]["value"])
    return both(
        f"候補 100 人を訪ねると、該当するのは約 {found} 人、約 {100 - found} 人は空振りです。該当するこども 10 人のうち約 {of_all} 人が見つかり、約 {10 - of_all} 人は見逃します。",
        f"Of 100 candidates visited about {found} have the target and about {100 - found} visits are in vain. Of 10 children with the target about {of_all} are found and about {10 - of_all} missed.",
    )


def families(counted: Mapping[str, Any] | None) -> list[tuple[Words, Words]]:
    """Counted in the coordinating body's room, for a released part names no family."""
    title = both("家庭でみると", "in families")
    if counted is None:
        return [
            (
                title,
                both(
                    "世帯を知る総括の部屋だけで数えます",
                    "counted only in the coordinating body's room, which knows the households",
                ),
            )
        ]
    if counted["found_of_100"] is None:
        return [(title, TOO_FEW)]
    found, missed, visits = (
        counted["found_of_100"],
        counted["missed_of_100"],
        counted["visits_for_100_children"],
    )
    return [
        (
            title,
            both(
                f"訪ねる 100 家庭のうち該当は {found}、空振りは {100 - found}。該当する 100 家庭のうち見逃しは {missed}。候補 100 人で約 {visits} 家庭。",
                f"Of 100 families visited {found} have a child with the target and {100 - found} are visited in vain; of 100 such families {missed} are missed. 100 candidates are about {visits} families.",
            ),
        )
    ]


def new_ones(said: Said) -> Section:
    found = said.data["not_already_known"]
    words = {
        "found_not_known": both(
            "見つかったうち、まだ把握されていない割合", "of those found, not known to any office"
        ),
        "precision_not_known": both("適合率（未把握のこども）", "precision among the not known"),
        "recall_not_known": both("再現率（未把握のこども）", "recall among the not known"),
        "auc_not_known": both("AUC（未把握のこども）", "AUC among the not known"),
        "known_missed": both("把握済みの該当のうち、見逃す割合", "of known children with the target, missed"),
    }
    rows = (
        [
            (
                words["found_not_known"],
                rate(found["found_not_known"]) if found["found_not_known"] else part(found["new_of_found"]),
            ),
            (words["auc_not_known"], figure(found["auc_not_known"])),
            *(
                (words[name], rate(found[name]))
                for name in ("precision_not_known", "recall_not_known", "known_missed")
            ),
        ]
        if found
        else [
            (
                both("既知を除いた性能", "without those already known"),
                both(
                    "少なすぎるか、把握済みかどうかが分からない（または最初から対象外）",
                    "too few, or the data do not tell who is known (or they are left out from the start)",
                ),
            )
        ]
    )
    by = said.items(found["items"]) if found else same("")
    return Section(
        4,
        both("既知を除いた性能", "Beyond what offices know already"),
        both(
            f"どこかの課が既に知っているこどもを除くと、何が新しく分かるか。{'把握済みの印：' + by['ja'] if found else ''}",
            f"What the flag adds to what some office knows. {'Known by: ' + by['en'] if found else ''}",
        ),
        tables=(Table((both("指標", "measure"), both("値（95 %）", "value (95 %)")), rows),),
    )


LISTS = {
    "random": both("くじ引き", "by lot"),
    "age_only": both("年齢だけ", "age alone"),
    "practice": both("いまの順番", "as visits are ordered today"),
    "single_best_item": both("最良の一項目", "best single item"),
    "poverty_only": both("生活困窮の一項目", "one sign of poverty"),
}


def beside(said: Said) -> Section:
    data, row = said.data, chosen(said.data)
    mine = (
        both("この判定モデル", "this model"),
        figure(data["auc"]),
        same("–"),
        number(row["flagged"]) if row else TOO_FEW,
        rate(row["precision"]) if row else TOO_FEW,
        rate(row["recall"]) if row else TOO_FEW,
    )
    rows = [mine]
    for name, words in LISTS.items():
        found = data["baselines"][name]
        if found is None:
            rows.append(
                (
                    words,
                    both("そのための項目がない・書かれていない", "no such item, or not stated"),
                    *[same("")] * 4,
                )
            )
        elif name == "random":
            rows.append(
                (words, same("0.500"), same("–"), same("–"), same(percent(found["precision"])), same("–"))
            )
        else:
            item = said.item(found["item"])
            rows.append(
                (
                    both(f"{words['ja']}：{item['ja']}", f"{words['en']}: {item['en']}"),
                    figure(found["auc"]),
                    figure(found["gain"]),
                    number(found["flagged"]),
                    rate(found["precision"]),
                    rate(found["recall"]),
                )
            )
    drawn = [
        (LISTS[name], [found["auc"]], same(f"{found['auc']['value']:.3f}"))
        for name, found in data["baselines"].items()
        if found and name != "random"
    ]
    return Section(
        5,
        both("単純な並びとの比較", "Beside simple lists"),
        both(
            "一項目で並べただけの表に勝てないなら、判定モデルを使う理由がありません。",
            "A model that does no better than a list by one item has no reason to be used.",
        ),
        tables=(
            Table(
                (
                    both("並び", "list"),
                    both("AUC（95 %）", "AUC (95 %)"),
                    both("AUC の差（95 %）", "gain in AUC (95 %)"),
                    both("人数", "children"),
                    both("適合率", "precision"),
                    both("再現率", "recall"),
                ),
                rows,
            ),
        ),
        drawings=(
            (
                both("順位付けの力（AUC、0.5 は偶然）", "Ranking (AUC; 0.5 is chance)"),
                drawing.whiskers(
                    [
                        (
                            both("この判定モデル", "this model"),
                            [data["auc"]],
                            same(f"{data['auc']['value']:.3f}"),
                        ),
                        *drawn,
                    ]
                ),
            ),
        ),
    )


def calibrated(said: Said) -> Section:
    data = said.data
    found, brier = data["calibration"]["observed_to_expected"], data["calibration"]["brier"]
    rows = [
        (both("実測÷予測", "observed / expected"), figure(found, digits=2)),
        (
            both("ブライア得点（小さいほどよい）", "Brier score (lower is better)"),
            same(f"{brier['score']:.5f}"),
        ),
        (both("　うち外れ（信頼性）", "- reliability (error)"), same(f"{brier['reliability']:.5f}")),
        (
            both("　うち見分け（分解能、引く）", "- resolution (subtracted)"),
            same(f"{brier['resolution']:.5f}"),
        ),
        (both("　うち元々の不確かさ", "- uncertainty"), same(f"{brier['uncertainty']:.5f}")),
    ]
    plot = drawing.reliability(
        [(row["expected"], row["rate"], row["children"]) for row in data["ventiles"]],
        across=both("予測した率（下の棒は人数）", "expected rate (bars beneath: children)"),
        up=both("実際の率", "observed rate"),
    )
    return Section(
        6,
        both("予測と実測（校正）", "Expected and observed (calibration)"),
        both(
            "点数は順位のためのもので、確率として誰かに示すものではありません。ここでは読み替えた場合のずれを確かめます。",
            "A score is for ranking and is never shown as a probability; this is by how much it would mislead as one.",
        ),
        tables=(Table((both("指標", "measure"), both("値", "value")), rows),),
        drawings=((both("予測と実測", "Expected and observed"), plot),),
    )


def fair(said: Said) -> Section:
    data = said.data
    headers = (
        both("区分", "group"),
        both("人数", "children"),
        both("該当", "with target"),
        both("該当率", "base rate"),
        both("候補率", "flagged"),
        both("見逃し率", "missed"),
        both("空振り率", "false-positive rate"),
        both("適合率", "precision"),
        both("実測÷予測", "observed / expected"),
    )
    tables = [
        Table(
            headers,
            [
                (
                    said.levels(item, row["levels"]),
                    number(row["children"]),
                    number(row["positives"]),
                    *(
                        rate(row[name])
                        for name in ("base_rate", "flagged", "missed", "false_positive_rate", "precision")
                    ),
                    figure(row["observed_to_expected"], digits=2),
                )
                for row in rows
            ]
            or [(TOO_FEW, *[same("")] * 8)],
            caption=said.item(item),
        )
        for item, rows in data["groups"].items()
    ]
    if data["gaps"]:
        tables.append(widest(said))
    dots = [
        (
            both(
                *(
                    f"{said.item(item)[language]}: {said.levels(item, row['levels'])[language]}"
                    for language in ("ja", "en")
                )
            ),
            [row["missed"], row["false_positive_rate"]],
            same(f"{100 * row['missed']['value']:.0f} / {100 * row['false_positive_rate']['value']:.0f} %"),
        )
        for item, rows in data["groups"].items()
        for row in rows
        if row["missed"]
    ]
    return Section(
        7,
        both("集団ごとの見逃しと空振り", "Missed and in vain, by group"),
        both(
            "該当率の違う集団では、見逃し・空振り・適合率のすべてを同時に等しくすることはできません。どの差を受け入れるかは人が決めます。小さな区分はまとめるか、示しません。",
            "Where base rates differ, missed, false alarms and precision cannot all be equal at once; which difference is accepted is for people to decide. Small groups are put together or not shown.",
        ),
        tables=tuple(tables)
        or (
            Table(
                (both("区分", "group"),),
                [(both("groups=[…] が指定されていません", "no groups=[...] were asked for"),)],
            ),
        ),
        drawings=(
            (
                both("● 見逃し率　□ 空振り率（95 %）", "● missed   □ false-positive rate (95 %)"),
                drawing.whiskers(dots),
            ),
        )
        if dots
        else (),
    )


def widest(said: Said) -> Table:
    names = {
        "missed": both("見逃し率", "missed"),
        "false_positive_rate": both("空振り率", "false-positive rate"),
        "precision": both("適合率", "precision"),
        "flagged": both("候補率", "flagged"),
    }
    return Table(
        (
            both("項目", "item"),
            both("率", "rate"),
            both("最も高い区分", "highest"),
            both("最も低い区分", "lowest"),
            both("差（95 %）", "difference (95 %)"),
        ),
        [
            (
                said.item(item),
                names[name],
                said.levels(item, gap["most"]),
                said.levels(item, gap["least"]),
                points(gap["gap"]),
            )
            for item, found in said.data["gaps"].items()
            for name, gap in found.items()
        ],
        caption=both("区分の間の最大の差", "The widest differences between groups"),
    )


def leaning(said: Said) -> Section:
    data = said.data
    rows = []
    for name, found in data["proxies"]["sets"].items():
        title = both(*SETS[name])
        if found is None:
            rows.append((title, both("使っていません", "none used"), *[same("–")] * 3))
            continue
        rows.append(
            (
                title,
                said.items(found["items"]),
                same(f"{100 * found['spread']:.0f} %"),
                same(f"{found['auc_without']:.3f}"),
                part(found["exchanged"]),
            )
        )
    tells = [
        (
            said.item(row["item"]),
            both("使う", "yes") if row["used"] else both("使わない", "no"),
            figure(row["auc"]),
        )
        for row in data["proxies"]["tells"]
    ]
    often = [
        (
            row["words"] or said.item(row["term"]),
            (row["share"] or 0.0) if row["few"] != "outside" else 1.0,
            part(row),
        )
        for row in data["reasons"]
    ]
    return Section(
        8,
        both("点数は何に寄りかかっているか", "What the score leans on"),
        both(
            f"項目を全員同じ値にして採点し直しました（使う項目すべてでの AUC は {data['auc']['value']:.3f}）。",
            f"Scored again with the items made alike for everybody (AUC with all items: {data['auc']['value']:.3f}).",
        ),
        tables=(
            Table(
                (
                    both("項目の種類", "kind of item"),
                    both("使っている項目", "items used"),
                    both("点数のちがいに占める割合", "share of the differences"),
                    both("なしの AUC", "AUC without"),
                    both("入れ替わる候補", "candidates exchanged"),
                ),
                rows,
            ),
            Table(
                (
                    both("項目", "item"),
                    both("判定に使うか", "used"),
                    both(
                        "点数からの見分けやすさ（AUC、0.5 は見分けられない）",
                        "how well the score tells it (AUC; 0.5 not at all)",
                    ),
                ),
                tells or [(TOO_FEW, same(""), same(""))],
                caption=both("点数から分かってしまうこと", "What the score gives away"),
            ),
        ),
        drawings=(
            (
                both(
                    "候補の理由に挙がる割合（上位 3 つまで）",
                    "How often an item is among a candidate's reasons (up to three)",
                ),
                drawing.bars(often),
            ),
        )
        if often
        else (),
    )


def steady(said: Said) -> Section:
    found = said.data["stability"]
    if found is None:
        rows: list[tuple[Words, Words]] = [
            (
                both("学び直し", "refits"),
                both(
                    "していません（差分プライバシーで学習したか、refits=0）",
                    "none (trained under differential privacy, or refits=0)",
                ),
            )
        ]
    else:
        rows = [
            (
                both("学び直し", "refits"),
                both(
                    f"{found['asked']} 回のうち {found['refits']} 回成立",
                    f"{found['refits']} of {found['asked']}",
                ),
            ),
            (
                both("5 回に 4 回以上候補になる候補", "candidates in four refits of five or more"),
                part(found["often"]),
            ),
            (
                both(
                    "候補でないのに半分以上で候補になるこども",
                    "not candidates now, but in half of the refits or more",
                ),
                part(found.get("others")),
            ),
        ]
    step = sensitivity(said)
    return Section(
        9,
        both("候補は入れ替わらないか", "Would the same children be flagged again?"),
        both(
            "学習用の行を引き直して学び直し、同じこどもが候補になるかを数えます。",
            "The model is fitted again on training rows drawn anew, and how often the same children are flagged is counted.",
        ),
        tables=(Table((both("項目", "item"), both("値", "value")), rows), *step),
        drawings=(
            (
                both(
                    "候補を安定した順に等分したときの、候補になる回数の割合（%）",
                    "Candidates from the steadiest down, in equal groups: share of refits that flag them (%)",
                ),
                drawing.strip(found["strip"]),
            ),
        )
        if found and found["strip"]
        else (),
    )


def sensitivity(said: Said) -> tuple[Table, ...]:
    """One step stricter and one looser: the neighbours of the chosen row."""
    rows = said.data["capacity"]
    place = next((place for place, row in enumerate(rows) if row["chosen"]), None)
    if place is None:
        return ()
    steps = [
        (both("一段きびしく", "one step stricter"), place - 1),
        (both("一段ゆるく", "one step looser"), place + 1),
    ]
    lines = [
        (
            words,
            number(rows[at]["flagged"]),
            number(rows[at]["found"]),
            number(rows[at]["missed"]),
            number(rows[at]["false_alarms"]),
        )
        for words, at in [*steps[:1], (both("選んだしきい値", "the chosen threshold"), place), *steps[1:]]
        if 0 <= at < len(rows)
    ]
    return (
        Table(
            (
                both("しきい値", "threshold"),
                both("人数", "children"),
                both("見つかる", "found"),
                both("見逃し", "missed"),
                both("空振り", "false alarms"),
            ),
            lines,
            caption=both("しきい値を一段動かすと", "One step of the threshold"),
        ),
    )


def without_sources(said: Said) -> Section:
    rows = [
        (
            same(row["source"]),
            said.items(row["items"]),
            figure(row["auc"]) if row["auc"] else both("誰も対象にならない", "nobody is considered"),
            part(row["above_threshold"]),
            part(row["staying"]),
            both("採点しない", "not scored") if row["rejects_unseen"] else both("採点する", "scored"),
        )
        for row in said.data["sources"]
    ]
    drawn = [
        (same(row["source"]), [row["auc"]], same(f"{row['auc']['value']:.3f}"))
        for row in said.data["sources"]
        if row["auc"]
    ]
    return Section(
        10,
        both("データが届かないとき", "When a source is missing"),
        both(
            "保有する課ごとに、その項目がすべて欠けたとして採点し直しました。",
            "Scored again as if all items of an office were missing.",
        ),
        tables=(
            Table(
                (
                    both("保有する課", "source office"),
                    both("項目", "items"),
                    both("AUC", "AUC"),
                    both("しきい値以上の割合", "above the threshold"),
                    both("変わらず候補", "still candidates"),
                    both("知らない区分の行", "rows with unknown levels"),
                ),
                rows,
            ),
        ),
        drawings=(
            (
                both("その課のデータがないときの AUC", "AUC without the office's data"),
                drawing.whiskers(drawn),
            ),
        )
        if drawn
        else (),
    )


PROTECTIONS = {
    "anonymised": both("匿名加工（一般化と抑制）", "anonymised (generalised and suppressed)"),
    "synthetic": both("合成データ", "synthetic data"),
}


def to_real(said: Said) -> Section:
    on = said.data["stands_on"]
    rows = [
        (both("評価に使ったデータ", "evaluated on"), same(f"{on['release']} {on['version']}")),
        (both("保護方法", "protection"), PROTECTIONS.get(on["protection"], same(on["protection"]))),
        (both("実際の記録での成績", "on real records"), both("測っていません", "not measured")),
    ]
    return Section(
        11,
        both("保護されたデータから実際のこどもへ", "From protected data to real children"),
        both(
            "変換表を判定モデルと一緒に運ぶので、実際の行も同じ区分にしてから採点します。",
            "The recoding travels with the model, so real rows are put into the same categories before scoring.",
        ),
        tables=(Table((both("項目", "item"), both("内容", "value")), rows),),
    )


def disclosed(said: Said) -> Section:
    data = said.data
    found = data["disclosure"]
    rows = [
        (both("この報告の最小集計単位", "smallest cell of this report"), number(found["min_cell"])),
        (
            both(
                "表のいちばん小さな区分（該当・非該当のそれぞれ）", "smallest cell shown, of either outcome"
            ),
            number(found["test_cells"]),
        ),
        (
            both("点数のもとになる最少の行数", "fewest rows behind any points"),
            number(found["fewest_rows_behind_points"]),
        ),
    ]
    return Section(
        12,
        both("この報告から分かってしまうこと", "What this report gives away"),
        both(
            "数字は受入済みのデータから計算され、少数の区分はまとめるか隠し、引き算で少数が分かる表は示しません。新たな予算は使いません。",
            "The figures come from an admitted release; small cells are joined or hidden, tables that could be subtracted are not shown, and no new budget is spent.",
        ),
        tables=(Table((both("項目", "item"), both("値", "value")), rows),),
    )


def limits(said: Said) -> Section:
    data, told = said.data, said.data["declared"]
    rows = [
        (both("問い合わせ・異議の窓口", "questions and objections"), stated(told["contact"])),
        (both("見直す日", "next review"), same(told["review_on"]) if told["review_on"] else NOT_SAID),
        (
            both("いまの訪問の順番", "how visits are ordered today"),
            said.items(told["practice"]) if told["practice"] else NOT_SAID,
        ),
        (
            both("データの移り変わり", "drift"),
            both(
                "採点のたびに、項目ごとの分布を学習時と比べます（PSI）。",
                "Each batch is compared with training, item by item (PSI).",
            ),
        ),
    ]
    moved = data.get("score_by_time")
    if moved:
        rows.append(
            (
                both(
                    "点数の分布：学習の年度と検証の年度（PSI）", "scores: training years and test year (PSI)"
                ),
                same(f"{moved['psi']:.3f}"),
            )
        )
    never = [
        (same(f"{place}"), both(ja, en))
        for place, (ja, en) in enumerate(zip(NOT_FOR["ja"], NOT_FOR["en"], strict=True), start=1)
    ]
    bands = [
        (
            both(f"下から {place} 番目", f"tenth {place}"),
            band["share"] or 0.0,
            both(
                f"{part(band)['ja']}（学習 {100 * band['train']:.0f} %）",
                f"{part(band)['en']} (training {100 * band['train']:.0f} %)",
            ),
        )
        for place, band in enumerate(moved["bands"] if moved else (), start=1)
    ]
    return Section(
        13,
        both("限界と、使ってはならないこと", "Limits, and what it is not for"),
        both(
            "候補は決定ではありません。点数を確率や危険度として示しません。必ず人がアセスメントします。",
            "A candidate is not a decision; the score is never shown as a probability or a degree of danger; a person always assesses.",
        ),
        tables=(
            Table((both("項目", "item"), both("内容", "value")), rows),
            Table((same(""), both("使ってはならないこと", "not for")), never),
        ),
        drawings=(
            (
                both(
                    "検証の年度のこどもの点数の分布（学習の年度の十分位）",
                    "Scores of the test year in tenths of the training years",
                ),
                drawing.bars(bands),
            ),
        )
        if bands
        else (),
    )


SECTIONS: tuple[Callable[[Said], Section], ...] = (
    target,
    by_score,
    at_capacity,
    new_ones,
    beside,
    calibrated,
    fair,
    leaning,
    steady,
    without_sources,
    to_real,
    disclosed,
    limits,
)
