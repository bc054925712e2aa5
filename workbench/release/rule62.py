"""
The five standards of Rule 62 and the three questions of WP29, answered by findings.

The report says which technical checks correspond to which item of the Rule. Whether the statutory noun
applies is for people to decide; nothing here says it.

Texts: Enforcement Rules of the Act on the Protection of Personal Information, art. 62 nos. 1-5;
Article 29 Working Party, Opinion 05/2014 (WP216), section 2.2.
"""

from typing import Any

from workbench.privacy.anonymity import metrics
from workbench.release import measures
from workbench.release.findings import Found, Text, Verdict, worst
from workbench.release.plots import percent
from workbench.release.split import PARTS
from workbench.release.staged import PART, Rows

STANDARDS: dict[int, Text] = {
    1: Text(
        "特定の個人を識別することができる記述等の削除又は置換え",
        "Descriptions that identify an individual are deleted or replaced",
    ),
    2: Text("個人識別符号の全部の削除又は置換え", "Individual identification codes are deleted or replaced"),
    3: Text(
        "情報を相互に連結する符号の削除又は置換え",
        "Codes that link the processed data with the original are deleted or replaced",
    ),
    4: Text("特異な記述等の削除又は置換え", "Peculiar descriptions are deleted or replaced"),
    5: Text(
        "データベースの性質を勘案したその他の適切な措置",
        "Other measures that take the nature of the database into account",
    ),
}

NOTICE = Text(
    ja="これは規則第62条各号に対応する技術的確認の結果です。本報告書は法的該当性を判断するものではありません。",
    en="These are the results of technical checks that correspond to the items of Rule 62. This report does not decide legal status.",
)


def rule62(found: Found) -> list[dict[str, Any]]:
    """Each standard with its checks' verdicts and sentences; a standard nothing bears on fails."""
    return [_standard(number, text, found) for number, text in STANDARDS.items()]


def _standard(number: int, text: Text, found: Found) -> dict[str, Any]:
    bearing = {name: finding for name, (check, finding) in found.items() if number in check.rules}
    return {
        "number": number,
        "standard": text.to_json(),
        "verdict": str(worst(finding.verdict for finding in bearing.values())),
        "checks": list(bearing),
    }


def wp29(rows: Rows, found: Found) -> list[dict[str, Any]]:
    """Singling out, linkability, inference: measured on this release."""
    return [singling_out(rows), linkability(rows, found), inference(rows)]


def singling_out(rows: Rows) -> dict[str, Any]:
    classes = rows.classes
    k, alone = metrics.k_children(classes), metrics.sample_uniques(classes)
    risk = round(metrics.average_class_risk(classes), 4)
    return _answer(
        "singling_out",
        Text("個人の特定（シングルアウト）", "Singling out"),
        {"k_children": k, "uniques": alone, "average_risk": risk},
        Text(
            ja=f"最も小さい群は {k} 人、1 人だけの群は {alone} 人です。準識別子をすべて知る人が本人の行を当てる確率は平均 {percent(risk)} です。",
            en=f"The smallest class holds {k}, {alone} are alone. Who knows all quasi-identifiers picks the right row with {percent(risk)} on average.",
        ),
    )


def linkability(rows: Rows, found: Found) -> dict[str, Any]:
    shared = _shared(rows)
    together = found["together"][1]
    keys = len(measures.person_keys(rows))
    ja = (
        "世帯の項目がないため世帯の重なりは数えていません。"
        if shared is None
        else f"訓練用と評価用に共通する世帯は {shared} です。"
    )
    en = (
        "Without a household item no overlap was counted."
        if shared is None
        else f"Train and test share {shared} households."
    )
    return _answer(
        "linkability",
        Text("連結可能性", "Linkability"),
        {
            "shared_households": shared,
            "person_keys": keys,
            "k_together": together.numbers.get("k_together"),
        },
        Text(
            ja=f"{ja}同じ人の複数年の行をつなぐ符号は {keys} 列です。{together.sentence.ja}",
            en=f"{en} {keys} columns join a person's rows over years. {together.sentence.en}",
        ),
    )


def _shared(rows: Rows) -> int | None:
    if rows.households is None:
        return None
    held = {part: set(rows.households[rows.released[PART] == str(part)].dropna()) for part in PARTS}
    return len(set.intersection(*held.values()))


def inference(rows: Rows) -> dict[str, Any]:
    rates = {name: measures.guess_rates(rows.released[name], rows.classes) for name in rows.sensitive}
    gains = {name: round(inside - outside, 4) for name, (outside, inside) in rates.items()}
    name = max(gains, key=lambda item: gains[item], default=None)
    if name is None:
        return _answer(
            "inference",
            Text("推定", "Inference"),
            {},
            Text("機微な項目はありません。", "No sensitive item is released."),
        )
    outside, inside = rates[name]
    label = rows.table[name].label
    return _answer(
        "inference",
        Text("推定（属性の推測）", "Inference"),
        {"gain": gains},
        Text(
            ja=f"機微な {len(gains)} 項目のうち、群を知ることで最も当てやすくなるのは「{label['ja']}」で、正解率は {percent(outside)} から {percent(inside)} になります。",
            en=f"Of {len(gains)} sensitive items, knowing the class helps most with '{label['en']}': a best guess is right {percent(inside)} of the time instead of {percent(outside)}.",
        ),
    )


def _answer(question: str, label: Text, numbers: dict[str, Any], answer: Text) -> dict[str, Any]:
    return {
        "question": question,
        "label": label.to_json(),
        "measured": True,
        "numbers": numbers,
        "answer": answer.to_json(),
    }


def wp29_synthetic(found: Found) -> list[dict[str, Any]]:
    """
    The three questions, answered by attacks on synthetic rows with a control: whether the limits hold.

    The numbers stay in the room, with the reviewers.
    """
    verdict = found["attacks"][1].verdict
    asked = {
        "singling_out": Text("個人の特定（シングルアウト）", "Singling out"),
        "linkability": Text("連結可能性", "Linkability"),
        "inference": Text("推定（属性の推測）", "Inference"),
    }
    return [_answer(question, label, {}, ANSWERS[verdict]) for question, label in asked.items()]


ANSWERS = {
    Verdict.PASS: Text(
        "攻撃の成功は、学習に使っていないこどもに対する場合と基準の範囲で同じでした。",
        "Attacks succeed no more often than on children it was not made from, within the limit.",
    ),
    Verdict.REVIEW: Text(
        "三種の攻撃をまとめて審査者が判断します（評価できないもの、または上限が基準を超えるものがあります）。",
        "For the reviewers to judge, over all three: some attack cannot be evaluated or has an upper bound beyond the limit.",
    ),
    Verdict.FAIL: Text(
        "三種の攻撃のいずれかが基準を超えて成功しました。",
        "Some attack of the three succeeds beyond the limit.",
    ),
}
