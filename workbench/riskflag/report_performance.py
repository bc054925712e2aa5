"""
Sections 1 to 6: what is predicted, the ranking, visits, what is new, simple lists, expected and observed.

Numbers of children come as whole children and as "of a hundred visits" before any percentage.
"""

from collections.abc import Mapping
from typing import Any

from workbench.riskflag import drawing
from workbench.riskflag.drawing import Words
from workbench.riskflag.said import (
    TOO_FEW,
    Said,
    Section,
    Table,
    both,
    chosen,
    figure,
    number,
    part,
    percent,
    rate,
    same,
    stated,
)


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
