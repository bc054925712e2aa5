"""
Every check by kind of release, in the order in which a reader wants to know: one table, in sight.

A release is judged by the checks of what it claims to be; an unknown claim has none and is refused. Gates
come first: when one fails, the rest would measure something that is not there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workbench.release import checks_columns as columns
from workbench.release import checks_rows as rows
from workbench.release.findings import Finding, Text, Verdict


@dataclass(frozen=True)
class Headline:
    """The number of a finding that may stand at the top of the report, and how to read it."""

    label: Text
    number: str
    limit: str
    form: str
    relation: str


@dataclass(frozen=True)
class Check:
    """
    One check. `rules`: the standards of Rule 62 it bears on; `gate`: nothing else is measured if it fails.
    """

    title: Text
    measure: Callable[[Any], Finding]
    rules: tuple[int, ...] = ()
    gate: bool = False
    headline: Headline | None = None


ROWS: dict[str, Check] = {
    "complete": Check(Text("ファイルの構成", "Files"), columns.complete, gate=True),
    "traceable": Check(
        Text("元の行との対応と行数の突合", "Each row has its source; rows add up"),
        columns.traceable,
        gate=True,
    ),
    "pseudonymised": Check(
        Text("仮名加工にとどまっていないか", "More than pseudonymised"), columns.pseudonymised, rules=(3, 4)
    ),
    "registered": Check(
        Text("台帳にない項目", "Registered and justified items"), columns.registered, rules=(1,)
    ),
    "direct_identifiers": Check(
        Text("直接識別子・連結する符号・自由記載", "Direct identifiers, linking codes, free text"),
        columns.direct_identifiers,
        rules=(1, 2, 3),
    ),
    "writing": Check(
        Text("個人番号などの形をした値", "Values shaped like identifying numbers"),
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
        Text("機微な値の推測の確かさ", "Certainty of guessing a harmful value"),
        rows.max_confidence,
        rules=(5,),
    ),
    "t_closeness": Check(
        Text("t-近接性（参考）", "t-closeness (for reference)"), rows.t_closeness, rules=(5,)
    ),
    "rare_categories": Check(
        Text("特異な記述：まれな区分", "Peculiar descriptions: rare categories"),
        rows.rare_categories,
        rules=(4,),
    ),
    "second_opinion": Check(
        Text("独立した計算との一致（pycanon）", "An independent count agrees (pycanon)"),
        rows.second_opinion,
        rules=(5,),
    ),
}

# protection: its checks. Whatever is record-level is checked alike, whatever it says of itself.
CHECKS: dict[str, dict[str, Check]] = {
    "anonymised": ROWS,
    "pseudonymised": ROWS,
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


def run(protection: str, staged: Any) -> dict[str, tuple[Check, Finding]]:
    """Every check of this protection with its finding; after a failed gate, those up to it."""
    found: dict[str, tuple[Check, Finding]] = {}
    for name, check in CHECKS.get(protection, {"protection": UNKNOWN}).items():
        found[name] = check, check.measure(staged)
        if check.gate and found[name][1].verdict is Verdict.FAIL:
            return found
    return found
