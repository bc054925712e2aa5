"""
Every check by kind of release, in the order in which a reader wants to know: one table, in sight.

A release is judged by the checks of what it claims to be; an unknown claim has none and is refused. Gates
come first: when one fails, the rest would measure something that is not there.
"""

from typing import Any

from workbench.errors import WorkbenchError
from workbench.release import checks_columns as columns
from workbench.release import checks_evaluation as evaluation
from workbench.release import checks_model as model
from workbench.release import checks_model_privacy as memory
from workbench.release import checks_promise as promise
from workbench.release import checks_rows as rows
from workbench.release import checks_synthetic as synthetic
from workbench.release import checks_tables as tables
from workbench.release import checks_together as joint
from workbench.release.findings import Check, Finding, Headline, Text, Verdict

# What is asked once more at admission, because others change its answer: what has left, and what was revoked.
TOGETHER = "together"
RELEASE_ADMITTED = "release_admitted"
ONCE_MORE = (TOGETHER, RELEASE_ADMITTED)

ROWS: dict[str, Check] = {
    "complete": Check(Text("ファイルの構成", "Files"), columns.complete, gate=True),
    "traceable": Check(
        Text("元の行との対応・行数の突合", "Source of each row; rows add up"),
        columns.traceable,
        gate=True,
    ),
    "pseudonymised": Check(
        Text("個人ごとの符号・1 人だけの行", "Codes per person, people alone"),
        columns.pseudonymised,
        rules=(3, 4),
    ),
    "registered": Check(
        Text("項目の登録と理由", "Registered and justified items"), columns.registered, rules=(1,)
    ),
    "direct_identifiers": Check(
        Text("直接識別子・符号・自由記載", "Identifiers, codes, free text"),
        columns.direct_identifiers,
        rules=(1, 2, 3),
    ),
    "writing": Check(
        Text("番号や住所の形をした値", "Numbers, addresses, contacts"),
        columns.writing,
        rules=(1, 2),
    ),
    "order": Check(Text("並び順と索引", "Order and index"), columns.order, rules=(3,)),
    "as_recoded": Check(
        Text("変換表どおりの加工", "Made as the recipe says"), columns.as_recoded, rules=(5,)
    ),
    "k_children": Check(
        Text("k-匿名性（人数）", "k-anonymity (children)"),
        rows.k_children,
        rules=(4, 5),
        headline=Headline(
            Text("最も小さい群の人数", "Smallest class, children"),
            "k_children",
            "k_children",
            "count",
            "at_least",
        ),
    ),
    "k_households": Check(
        Text("k-匿名性（世帯数）", "k-anonymity (households)"),
        rows.k_households,
        rules=(4, 5),
        headline=Headline(
            Text("最も小さい群の世帯数", "Smallest class, households"),
            "k_households",
            "k_households",
            "count",
            "at_least",
        ),
    ),
    TOGETHER: Check(
        Text("先の公開と合わせた確認", "Together with earlier releases"),
        joint.rows,
        rules=(4, 5),
        headline=Headline(
            Text("先の公開と合わせた最少の人数", "Smallest class with earlier releases, children"),
            "k_together",
            "k_children",
            "count",
            "at_least",
        ),
    ),
    "suppression_subgroup": Check(
        Text("集団ごとの削除（抑制の偏り）", "Suppression by subgroup"),
        rows.suppression_subgroup,
        headline=Headline(
            Text("最も多く削除された集団の割合", "Suppression in the worst-hit group"),
            "suppression_subgroup",
            "suppression_subgroup",
            "share",
            "at_most",
        ),
    ),
    "suppression_overall": Check(Text("全体の削除", "Suppression overall"), rows.suppression_overall),
    "distinct_l": Check(Text("l-多様性（値の種類）", "l-diversity (distinct)"), rows.distinct_l, rules=(5,)),
    "max_confidence": Check(
        Text("機微な値を言い当てる確率", "Guessing a harmful value"),
        rows.max_confidence,
        rules=(5,),
    ),
    "t_closeness": Check(
        Text("t-近接性（参考）", "t-closeness (for reference)"), rows.t_closeness, rules=(5,)
    ),
    "rare_categories": Check(
        Text("まれな区分（特異な記述）", "Rare categories"),
        rows.rare_categories,
        rules=(4,),
    ),
    "second_opinion": Check(
        Text("独立した計算（pycanon）", "Independent count (pycanon)"),
        rows.second_opinion,
        rules=(5,),
    ),
}

SYNTHETIC: dict[str, Check] = {
    "complete": Check(Text("ファイルの構成", "Files"), synthetic.complete, gate=True),
    "labelled": Check(Text("「合成データ」の表示", "Labelled as synthetic"), synthetic.labelled),
    "promise": Check(Text("保証", "Guarantee"), promise.promised),
    "registered": Check(
        Text("項目の登録と理由", "Registered and justified items"), synthetic.registered, gate=True
    ),
    "within": Check(Text("台帳の範囲", "Within the register"), synthetic.within),
    "rare_categories": Check(Text("まれな区分", "Rare categories"), synthetic.rare),
    "plausible": Check(Text("ありえない組合せ", "Rows that cannot be"), synthetic.plausible),
    "copies": Check(Text("完全に一致する行", "Exact copies"), synthetic.copies),
    "attacks": Check(
        Text("個人の特定・連結・推定の攻撃", "Singling out, linking, inferring"), synthetic.attacks
    ),
    "membership": Check(Text("所属推定の攻撃", "Membership inference"), synthetic.membership),
    TOGETHER: Check(Text("先の公開と合わせた確認", "Together with earlier releases"), joint.synthetic),
    "fidelity": Check(Text("元の表との近さ", "Fidelity"), synthetic.faithful),
}

TABLES: dict[str, Check] = {
    "complete": Check(Text("ファイルの構成", "Files"), tables.complete, gate=True),
    "registered": Check(
        Text("項目の登録と理由", "Registered and justified items"), tables.registered, gate=True
    ),
    "public_cells": Check(Text("公開の区分", "Public cells"), tables.public_cells, gate=True),
    "epsilon": Check(
        Text("プライバシー予算", "Privacy budget"),
        tables.epsilon,
        headline=Headline(
            Text("費用 ε（世帯単位）", "Cost ε, by household"), "epsilon", "epsilon_warn", "number", "at_most"
        ),
    ),
    "charged": Check(Text("台帳への記帳", "Charged to the ledger"), tables.charged),
    "noise": Check(Text("ノイズ", "Noise"), tables.noise),
    TOGETHER: Check(
        Text("先の公開・質問と合わせた予算", "Budget with earlier tables and questions"), joint.tables
    ),
}

MODEL: dict[str, Check] = {
    "plain_data": Check(Text("単純データであること", "Plain data"), model.plain_data, gate=True),
    RELEASE_ADMITTED: Check(
        Text("学習に使ったデータ", "Trained on an admitted release"), model.release_admitted, gate=True
    ),
    "dated_before": Check(
        Text("基準日より前の項目だけか", "Items from before the index date"), evaluation.dated_before
    ),
    "protection": Check(Text("学習データの保護方法", "Protection of the training data"), model.protection),
    "recoding": Check(Text("変換表の引継ぎ", "Carries its release's recoding"), model.recoding),
    "made_again": Check(
        Text("検算・理由・説明書の作り直し", "Made again: golden rows, reasons, cards"), model.made_again
    ),
    "evaluation": Check(Text("評価のやり直し", "Evaluation run again"), model.evaluation, gate=True),
    "performance": Check(
        Text("性能", "Performance"),
        model.performance,
        headline=Headline(Text("順位付けの力（AUC）", "Ranking (AUC)"), "auc", "auc", "number", "none"),
    ),
    "capacity": Check(
        Text("訪問できる人数での性能", "At capacity"),
        model.capacity,
        headline=Headline(
            Text("訪問先で該当する割合（適合率）", "Precision at capacity"),
            "precision",
            "precision",
            "share",
            "none",
        ),
    ),
    "steady": Check(Text("候補の安定", "Steadiness of the candidates"), evaluation.steady),
    "groups": Check(Text("集団ごとの見逃しと空振り", "Missed and false alarms by group"), model.groups),
    "smallest_cell": Check(
        Text("点数のもとになる人数", "Smallest cell"),
        model.smallest_cell,
        headline=Headline(
            Text("点数のもとになる最少の行数", "Fewest rows behind a level"),
            "smallest_rows",
            "model_min_cell",
            "count",
            "at_least",
        ),
    ),
    "pure_cells": Check(Text("全員が同じ結果の区分", "Cells with one outcome"), memory.pure_cells),
    "degrees": Check(Text("残差自由度", "Residual degrees of freedom"), model.degrees),
    "membership": Check(Text("所属推定の攻撃", "Membership inference"), memory.member),
    "attribute": Check(Text("属性推定の攻撃", "Attribute inference"), memory.attribute),
    "group_gap": Check(
        Text("保護が広げた見逃しの差", "Missed by group, against no protection"), memory.group_gap
    ),
    "proxies": Check(Text("集団の言い換え", "Proxies for groups"), memory.proxies),
    "refitted": Check(Text("学習のやり直し", "Trained again"), model.refitted),
    "words": Check(Text("言葉と個人の番号", "Words and numbers of persons"), model.words),
    "decision_role": Check(Text("判断の位置付け", "Role in deciding"), model.decision_role),
}

# protection: its checks. Whatever is record-level is checked alike, whatever it says of itself.
CHECKS: dict[str, dict[str, Check]] = {
    "anonymised": ROWS,
    "pseudonymised": ROWS,
    "synthetic": SYNTHETIC,
    "dp_tables": TABLES,
    "model": MODEL,
}

UNKNOWN = Check(Text("保護方法", "Protection"), lambda _: unknown_protection())


def unknown_protection() -> Finding:
    """Empty means no: what no check knows is not released."""
    return Finding(
        Verdict.FAIL,
        Text(ja="この保護方法には確認の方法がありません。", en="There is no way to check this protection."),
        remedy=Text(
            ja=f"保護方法は {'、'.join(CHECKS)} のいずれかにしてください。",
            en=f"Use one of the protections {', '.join(CHECKS)}.",
        ),
    )


def once_more(protection: str) -> str | None:
    """The check of this protection that is asked again at admission; None where nobody can change its answer."""
    return next((name for name in CHECKS.get(protection, {}) if name in ONCE_MORE), None)


def run(protection: str, staged: Any) -> dict[str, tuple[Check, Finding]]:
    """Every check of this protection with its finding; after a failed gate, those up to it."""
    found: dict[str, tuple[Check, Finding]] = {}
    for name, check in CHECKS.get(protection, {"protection": UNKNOWN}).items():
        found[name] = check, asked(check, staged)
        if check.gate and found[name][1].verdict is Verdict.FAIL:
            return found
    return found


def asked(check: Check, staged: Any) -> Finding:
    """The check's finding; what could not even be read or proved is a failure, in our own words."""
    try:
        return check.measure(staged)
    except WorkbenchError as error:
        return Finding(
            Verdict.FAIL,
            Text(ja=error.ja, en=error.en),
            remedy=Text(
                ja="作り直して、もう一度提出してください。", en="Prepare it again and submit it again."
            ),
        )
