"""
The model card: what a flag is for, what it is not for, how well it does, for whom less well, and its limits.

Written from the candidate's own data, in Japanese and in English, in neutral words; a card that judges
children beforehand is refused.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.riskflag.define import Definition
from workbench.riskflag.dictionary import NOT_RECORDED, Dictionary
from workbench.riskflag.guarantee import sentence
from workbench.riskflag.part import Source
from workbench.riskflag.words import refuse_banned
from workbench.scoring.model import Model
from workbench.scoring.recode import MISSING

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
NOT_SAID = {"ja": "書かれていません", "en": "not stated"}


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
class Card:
    """A model card in both languages; a notebook shows Japanese first."""

    ja: str
    en: str

    def _repr_markdown_(self) -> str:
        return f"{self.ja}\n---\n{self.en}"

    def __str__(self) -> str:
        return f"{self.ja}\n{self.en}"


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
        entry = self.dictionary[item]
        return " + ".join(
            NOT_RECORDED[language] if level == MISSING else entry.value_label(level, language=language)
            for level in levels
        )

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

    def stated(self, name: str, language: str) -> str:
        """What the definition says in own words, or that it does not."""
        words: Mapping[str, str] = getattr(self.definition, name)
        # It stands inside a sentence of the card.
        return (words.get(language) or NOT_SAID[language]).rstrip("。.")

    def practice(self, language: str) -> str:
        items = self.definition.practice
        joined = ("、" if language == "ja" else ", ").join(self.label(item, language) for item in items)
        return joined or NOT_SAID[language]

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
            f"{rate(row['missed'], language)} | {rate(row['false_positive_rate'], language)} | {rate(row['precision'], language)} |"
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
- 対象の記録のしかた: {facts.stated("outcome", "ja")}
- 訪問・確認できる人数: {facts.capacity("ja")}（{facts.stated("decided", "ja")}）
- いまの訪問の順番: {facts.practice("ja")}
{bullets(facts.who("ja"))}

## 使ってはならないこと
{bullets(NOT_FOR["ja"])}

## 使う項目
{facts.items("ja")}

## 期待できること、できないこと（世帯と年度を分けた検証用データ、判定モデルそのもので測定）
{capacity_lines_ja(chosen)}
{beyond_ja(data)}
- 順位付けの力 AUC（95 % 信頼区間）: {area(data.get("auc"), "ja")}
- 検証用: {data["test"]["rows"]:,} 行

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
- 問い合わせ・異議の窓口: {facts.stated("contact", "ja")}。誤りや苦情は総括管理主体が受け付け、記録します。
- 見直す日: {facts.definition.review_on or NOT_SAID["ja"]}
"""


def capacity_lines_ja(chosen: Mapping[str, Any] | None) -> str:
    if chosen is None:
        return f"- 訪問できる人数での見逃しと空振り: {TOO_FEW['ja']}"
    found, reached = chosen["of_100_visits"], round(10 * chosen["recall"]["value"])
    return bullets(
        (
            f"**候補 100 人を訪ねると、該当するのは約 {found} 人、約 {100 - found} 人は空振りです。**",
            f"**該当するこども 10 人のうち、見つかるのは約 {reached} 人、約 {10 - reached} 人は見逃します。**",
            f"適合率 {rate(chosen['precision'], 'ja')}、再現率 {rate(chosen['recall'], 'ja')}",
            f"検証用では、見つかる {chosen['found']:,} 人、見逃し {chosen['missed']:,} 人、空振り {chosen['false_alarms']:,} 人",
        )
    )


def beyond_ja(data: Mapping[str, Any]) -> str:
    """What is new, how steady it is, and whether a simple list would do."""
    new, steady, single = (
        new_share(data),
        steady_share(data),
        data.get("baselines", {}).get("single_best_item"),
    )
    lines = [
        f"見つかったうち、まだどこの課にも把握されていないこども: {told(new, 'ja')}",
        f"学び直しても 5 回に 4 回以上候補になる候補: {told(steady, 'ja')}",
    ]
    if single:
        lines.append(f"一項目だけの並びとの AUC の差: {area(single['gain'], 'ja')}")
    return bullets(lines)


def beyond_en(data: Mapping[str, Any]) -> str:
    """What is new, how steady it is, and whether a simple list would do."""
    new, steady, single = (
        new_share(data),
        steady_share(data),
        data.get("baselines", {}).get("single_best_item"),
    )
    lines = [
        f"Of those found, not known to any office: {told(new, 'en')}",
        f"Candidates that stay candidates in four refits of five: {told(steady, 'en')}",
    ]
    if single:
        lines.append(f"Gain in AUC over a list by one item: {area(single['gain'], 'en')}")
    return bullets(lines)


def new_share(data: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return (data.get("not_already_known") or {}).get("new_of_found")


def steady_share(data: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return (data.get("stability") or {}).get("often")


def told(value: Mapping[str, Any] | None, language: str) -> str:
    """A share to the per cent, or on which side the few are."""
    if value is None:
        return UNKNOWN[language]
    return FEW[value["few"]][language] if value["few"] else f"{value['share']:.0%}"


UNKNOWN = {"ja": "測っていないか、少なすぎて示せません", "en": "not measured, or too few to show"}
FEW = {
    "inside": {"ja": "ほとんどいません（少数）", "en": "hardly any (few)"},
    "outside": {"ja": "ほぼ全員（残りは少数）", "en": "nearly all (few left)"},
}


def group_table(language: str, facts: Facts) -> str:
    rows = facts.groups(language)
    if not rows:
        return TOO_FEW[language]
    heads = {
        "ja": "| 項目 | 区分 | 人数 | 見逃し率 | 空振り率 | 適合率 |",
        "en": "| item | group | children | missed | false-positive rate | precision |",
    }
    return "\n".join([heads[language], "|---|---|---|---|---|---|", *rows])


def english(facts: Facts) -> str:
    data, chosen = facts.evaluation, facts.chosen()
    return f"""# {facts.title("en")} ({facts.definition.name} {facts.version})

**It helps to find candidates for a support check. A candidate is not a decision; a person always assesses.**

## Purpose
- Purpose of use: {facts.source.purpose}
- What it looks for: {facts.label(facts.definition.target, "en")} (index date {facts.definition.index_date}, horizon {facts.definition.horizon["en"]})
- How the target is recorded: {facts.stated("outcome", "en")}
- How many can be visited: {facts.capacity("en")} ({facts.stated("decided", "en")})
- How visits are ordered today: {facts.practice("en")}
{bullets(facts.who("en"))}

## Not for
{bullets(NOT_FOR["en"])}

## Items used
{facts.items("en")}

## What can be expected and what cannot (test part split by household and year, measured on this very model)
{capacity_lines_en(chosen)}
{beyond_en(data)}
- Ranking, AUC (95 % interval): {area(data.get("auc"), "en")}
- Test part: {data["test"]["rows"]:,} rows

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
- Questions and objections: {facts.stated("contact", "en")}. The coordinating body receives and records errors and complaints.
- Next review: {facts.definition.review_on or NOT_SAID["en"]}
"""


def capacity_lines_en(chosen: Mapping[str, Any] | None) -> str:
    if chosen is None:
        return f"- Missed and in vain at capacity: {TOO_FEW['en']}"
    found, reached = chosen["of_100_visits"], round(10 * chosen["recall"]["value"])
    return bullets(
        (
            f"**Of 100 candidates visited about {found} have the target; about {100 - found} visits are in vain.**",
            f"**Of 10 children with the target about {reached} are found and about {10 - reached} missed.**",
            f"Precision {rate(chosen['precision'], 'en')}, recall {rate(chosen['recall'], 'en')}",
            f"In the test part: found {chosen['found']:,}, missed {chosen['missed']:,}, false alarms {chosen['false_alarms']:,}",
        )
    )


WRITERS: Mapping[str, Callable[[Facts], str]] = {"ja": japanese, "en": english}
