"""
The demonstration's four flags: what each looks for, among whom, from what, and what may be expected of it.

Titles are neutral; the target of each is a record, and how it comes to be recorded is said beside it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from workbench.riskflag.flag import RiskFlag

DECIDED = {
    "ja": "こども家庭センターが、年度初めに訪問できる世帯の数から 5 % と決めた（架空）。",
    "en": "The family centre chose 5 % from the visits it can make at the start of the year (fictional).",
}
CONTACT = {"ja": "青葉野市 こども家庭センター（架空）", "en": "Aobano-shi family centre (fictional)"}
COMMON: Mapping[str, Any] = {
    "capacity": 0.05,
    "horizon": {"ja": "基準日からの1年度", "en": "the fiscal year from the index date"},
    "decided": DECIDED,
    "contact": CONTACT,
    "review_on": "2027-03-31",
}

# name: (what is particular to the flag, the items it is made from)
FLAGS: Mapping[str, tuple[Mapping[str, Any], Sequence[str]]] = {
    "household-support": (
        {
            "target": "poverty",
            "title": {
                "ja": "生活困窮の支援確認の候補",
                "en": "Candidates for a support check on making ends meet",
            },
            "outcome": {
                "ja": "当年度の税の記録から計算した等価可処分所得が貧困線を下回ること。未申告の世帯は分からない。生活保護の世帯は対象外。",
                "en": "Equivalised disposable income below the poverty line by that year's tax records; unknown for households that declare nothing. Households on public assistance are not considered.",
            },
            "practice": ("school_aid",),
        },
        ("grade", "hh_type", "school_aid", "absent_days", "late_days", "nurse_visits", "breakfast_skipped",
         "checks_missed", "disability", "consulted"),
    ),
    "family-support": (
        {
            "target": "abuse_report",
            "title": {"ja": "養育の支援確認の候補", "en": "Candidates for a support check on care at home"},
            "outcome": {
                "ja": "当年度に通告が受理されるか、要対協に新たに登録されること。通告は気づいた人がいた場合だけ記録される。登録済みのこどもは対象外。丸める前のすべての項目を使っても、上位 5 % の候補 100 人のうち 1 年以内に通告されるのは約 8 人にとどまる。",
                "en": "A report accepted, or a new registration with the regional council, in that year. A report exists only where somebody noticed. Children registered already are not considered. Even with every item before generalisation about 8 of 100 candidates at 5 % capacity are reported within a year.",
            },
            "practice": ("reported", "consulted"),
        },
        ("grade", "hh_type", "school_aid", "welfare", "checks_missed", "absent_days", "late_days",
         "nurse_visits", "breakfast_skipped", "consulted", "reported"),
    ),
    "school-attendance": (
        {
            "target": "absent_30d_next_year",
            "title": {"ja": "登校の支援確認の候補", "en": "Candidates for a support check on attendance"},
            "outcome": {
                "ja": "当年度に不登校を理由とする欠席が30日以上となること。学校の出席簿による。前年度に既に30日以上のこどもは対象外。",
                "en": "Thirty days or more absent for non-attendance in that year, by the schools' books. Pupils who were absent so long the year before are not considered.",
            },
            "excluded": {"absent_30d_now": ("yes",)},
            "practice": ("absent_days",),
        },
        ("grade", "sex", "hh_type", "absent_days", "late_days", "nurse_visits", "bullied", "breakfast_skipped",
         "school_aid", "disability", "checks_missed", "consulted"),
    ),
    "family-care": (
        {
            "target": "young_carer",
            "title": {"ja": "家族の世話の確認の候補", "en": "Candidates for a check on caring for family"},
            "outcome": {
                "ja": "当年度の調査で、家族の世話をしていると本人が答えること。答えなかったこどもは分からず、答えは実情より少ないとみられる。",
                "en": "The child's own answer, in that year's survey, of caring for family. Unknown for those who did not answer; answers are thought to be fewer than carers.",
            },
            "practice": ("consulted",),
        },
        ("grade", "sex", "hh_type", "absent_days", "late_days", "breakfast_skipped", "school_aid", "disability",
         "consulted"),
    ),
}  # fmt: skip
GROUPS = ("sex", "hh_type", "school_aid", "es_district")


def flags() -> dict[str, tuple[RiskFlag, list[str]]]:
    """The four flags by name, each with the items it is made from."""
    return {
        name: (RiskFlag(name, **{**COMMON, **said}), list(features))
        for name, (said, features) in FLAGS.items()
    }
