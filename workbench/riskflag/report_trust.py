"""
Sections 7 to 13: groups, what the score leans on, steadiness, missing sources, real children, disclosure, limits.
"""

from workbench.riskflag import drawing
from workbench.riskflag.card import NOT_FOR
from workbench.riskflag.drawing import Words
from workbench.riskflag.notes import SETS
from workbench.riskflag.said import (
    NOT_SAID,
    TOO_FEW,
    Said,
    Section,
    Table,
    both,
    figure,
    number,
    part,
    points,
    rate,
    same,
    stated,
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
