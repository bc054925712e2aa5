"""
The model card: what a flag is for, what it is not for, how well it does, for whom less well, and its limits.

Written from the candidate's own data, in Japanese and in English, in neutral words; a card that judges
children beforehand is refused.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.riskflag.define import Definition
from workbench.riskflag.dictionary import Dictionary
from workbench.riskflag.guarantee import sentence
from workbench.riskflag.part import Source
from workbench.riskflag.words import refuse_banned
from workbench.scoring.model import Model

NOT_FOR = {
    "ja": (
        "支援の要否、措置、給付、サービスの可否を決めること",
        "こども・家庭を選別、監視、制裁する目的",
        "承認された利用目的以外の目的、または承認された対象者以外への適用",
        "点数を確率や危険度として本人・家庭・学校に示すこと",
        "候補にならなかったこどもの支援を見送る理由にすること",
    ),
    "en": (
        "deciding on support, protective measures, benefits or services",
        "sorting, watching or sanctioning children or families",
        "any purpose, or any children, other than those it was admitted for",
        "showing the score to a child, family or school as a probability or a degree of danger",
        "a reason not to support a child who is not a candidate",
    ),
}
SPACE = {"ja": "", "en": " "}
TOO_FEW = {"ja": "少なすぎて示せません", "en": "too few to show"}


def cards(
    definition: Definition,
    model: Model,
    *,
    evaluation: Mapping[str, Any],
    dictionary: Dictionary,
    source: Source,
    version: str,
    guarantee: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """The cards by language, in Markdown. `guarantee` is that of a model trained under differential privacy."""
    facts = Facts(definition, model, evaluation, dictionary, source, version, guarantee)
    written = {language: write(facts) for language, write in WRITERS.items()}
    for language, text in written.items():
        refuse_banned(text, place=f"card/{language}.md")
    return written


@dataclass(frozen=True)
class Facts:
    """What both cards say, one language at a time."""

    definition: Definition
    model: Model
    evaluation: Mapping[str, Any]
    dictionary: Dictionary
    source: Source
    version: str
    guarantee: Mapping[str, Any] | None

    def title(self, language: str) -> str:
        return self.definition.title.get(language, self.definition.name)

    def label(self, item: str, language: str) -> str:
        return self.dictionary[item].label[language] if item in self.dictionary else item

    def levels(self, item: str, levels: Sequence[str], language: str) -> str:
        if item not in self.dictionary:
            return " + ".join(levels)
        return " + ".join(self.dictionary[item].value_label(level, language=language) for level in levels)

    def items(self, language: str) -> str:
        return ("、" if language == "ja" else ", ").join(
            self.label(feature.name, language) for feature in self.model.features
        )

    def capacity(self, language: str) -> str:
        places = self.model.threshold.capacity
        if places.children is not None:
            return {"ja": f"{places.children}人", "en": f"{places.children} children"}[language]
        share = f"{(places.per_10000 or 0) / 100:g} %"
        return {"ja": f"対象者の{share}", "en": f"{share} of the children considered"}[language]

    def trained_on(self, language: str) -> str:
        source = f"{self.source.name} {self.source.version}"
        if self.guarantee is not None:
            told = {
                "ja": f"評価としきい値は {source}（{self.source.protection}）で求め、学習した行での正確な成績は出していません。",
                "en": f"Evaluation and threshold come from {source} ({self.source.protection}); nothing was measured exactly on the rows it was trained on.",
            }
            return sentence(self.guarantee, language) + SPACE[language] + told[language]
        return {
            "ja": f"学習データ: {source}（{self.source.protection}）。一般化された区分だけを使います。",
            "en": f"Trained on {source} ({self.source.protection}), on generalised categories only.",
        }[language]

    def chosen(self) -> Mapping[str, Any] | None:
        rows = self.evaluation.get("capacity", ())
        return next((row for row in rows if row["chosen"]), None)

    def who(self, language: str) -> list[str]:
        """The conditions on who is considered, as lines."""
        words = {"ja": ("対象", "除外"), "en": ("considered", "left out")}[language]
        lines = []
        for word, conditions in zip(words, (self.model.eligible, self.model.excluded), strict=True):
            for item, levels in conditions.items():
                lines.append(f"{word}: {self.label(item, language)} = {self.levels(item, levels, language)}")
        return lines

    def groups(self, language: str) -> list[str]:
        """A line of Markdown table for each group that can be shown."""
        return [
            f"| {self.label(item, language)} | {self.levels(item, row['levels'], language)} | {row['children']:,} | "
            f"{rate(row['recall'], language)} | {rate(row['precision'], language)} |"
            # By name: read back from its canonical form the evaluation has its keys sorted.
            for item, rows in sorted(self.evaluation.get("groups", {}).items())
            for row in rows
        ]


def rate(value: Mapping[str, float] | None, language: str) -> str:
    if value is None:
        return TOO_FEW[language]
    return f"{value['value']:.1%} ({value['low']:.1%}–{value['high']:.1%})"


def area(value: Mapping[str, float] | None, language: str) -> str:
    return (
        TOO_FEW[language]
        if value is None
        else f"{value['value']:.3f} ({value['low']:.3f}–{value['high']:.3f})"
    )


def bullets(lines: Any) -> str:
    return "\n".join(f"- {line}" for line in lines)


def japanese(facts: Facts) -> str:
    data, chosen = facts.evaluation, facts.chosen()
    return f"""# {facts.title("ja")}（{facts.definition.name} {facts.version}）

**支援確認の候補を挙げるための補助です。候補は決定ではありません。必ず人がアセスメントします。**

## 目的
- 利用目的: {facts.source.purpose}
- 確認したいこと: {facts.label(facts.definition.target, "ja")}（基準日 {facts.definition.index_date}、予測期間 {facts.definition.horizon["ja"]}）
- 訪問・確認できる人数: {facts.capacity("ja")}
{bullets(facts.who("ja"))}

## 使ってはならないこと
{bullets(NOT_FOR["ja"])}

## 使う項目
{facts.items("ja")}

## 性能（世帯と年度を分けた検証用データ、判定モデルそのもので測定）
- 検証用: {data["test"]["rows"]:,} 行
- AUC（95 % 信頼区間）: {area(data.get("auc"), "ja")}
{capacity_lines_ja(chosen)}

## 属性ごとの差
{group_table("ja", facts)}

## 限界
- 点数は順位を付けるための整数で、確率ではありません。
- 記録のない情報は点数に反映されません。候補の一覧に、分かっていない情報を併記します。
- 過去の記録の偏り（把握されやすい家庭ほど記録が多い）を引き継ぎます。
- {facts.trained_on("ja")}
{bullets(note["ja"] for note in data.get("notes", ()))}

## 人による確認
- 候補ごとに、専門的知見を有する職員が理由と不足している情報を確かめ、支援の要否を判断します（requires_human_assessment）。
- 誤りや苦情は総括管理主体が受け付け、記録します。
"""


def capacity_lines_ja(chosen: Mapping[str, Any] | None) -> str:
    if chosen is None:
        return f"- しきい値での適合率・再現率: {TOO_FEW['ja']}"
    return bullets(
        (
            f"適合率: {rate(chosen['precision'], 'ja')}",
            f"再現率: {rate(chosen['recall'], 'ja')}",
            f"見逃し {chosen['missed']:,} 人、空振り {chosen['false_alarms']:,} 人（1人見つけるごとに空振り {chosen['false_alarms_per_found']}）",
        )
    )


def group_table(language: str, facts: Facts) -> str:
    rows = facts.groups(language)
    if not rows:
        return TOO_FEW[language]
    heads = {
        "ja": "| 項目 | 区分 | 人数 | 再現率 | 適合率 |",
        "en": "| item | group | children | recall | precision |",
    }
    return "\n".join([heads[language], "|---|---|---|---|---|", *rows])


def english(facts: Facts) -> str:
    data, chosen = facts.evaluation, facts.chosen()
    return f"""# {facts.title("en")} ({facts.definition.name} {facts.version})

**It helps to find candidates for a support check. A candidate is not a decision; a person always assesses.**

## Purpose
- Purpose of use: {facts.source.purpose}
- What it looks for: {facts.label(facts.definition.target, "en")} (index date {facts.definition.index_date}, horizon {facts.definition.horizon["en"]})
- How many can be visited: {facts.capacity("en")}
{bullets(facts.who("en"))}

## Not for
{bullets(NOT_FOR["en"])}

## Items used
{facts.items("en")}

## Performance (test part split by household and year, measured on this very model)
- Test part: {data["test"]["rows"]:,} rows
- AUC (95 % interval): {area(data.get("auc"), "en")}
{capacity_lines_en(chosen)}

## Differences between groups
{group_table("en", facts)}

## Limits
- A score is an integer that ranks; it is not a probability.
- What was not recorded is not in the score; the candidate list says what is not known.
- It inherits the slant of past records: families an office already sees are recorded more.
- {facts.trained_on("en")}
{bullets(note["en"] for note in data.get("notes", ()))}

## Human assessment
- For each candidate, staff with professional expertise look at the reasons and at what is missing, and decide (requires_human_assessment).
- The coordinating body receives and records errors and complaints.
"""


def capacity_lines_en(chosen: Mapping[str, Any] | None) -> str:
    if chosen is None:
        return f"- Precision and recall at the threshold: {TOO_FEW['en']}"
    return bullets(
        (
            f"Precision: {rate(chosen['precision'], 'en')}",
            f"Recall: {rate(chosen['recall'], 'en')}",
            f"Missed {chosen['missed']:,}, false alarms {chosen['false_alarms']:,} ({chosen['false_alarms_per_found']} for each child found)",
        )
    )


WRITERS: Mapping[str, Callable[[Facts], str]] = {"ja": japanese, "en": english}
