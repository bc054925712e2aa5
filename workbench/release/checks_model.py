"""
Checks on a model candidate: plain data, its release, its cells, its claims made again.

A model leaves the analyst's room and scores every child of the city, so nothing it says of itself is taken
on its word: golden rows, reasons, cards and evaluation are made again here and compared.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import rfc8785

from workbench.artifact.tree import files_in
from workbench.data import patterns
from workbench.errors import WorkbenchError
from workbench.release import staging
from workbench.release.checks_evaluation import only_refits_differ
from workbench.release.findings import Finding, Text, Verdict
from workbench.release.staged_model import Candidate
from workbench.riskflag import export
from workbench.riskflag.card import cards
from workbench.riskflag.explain import reason_texts
from workbench.riskflag.guarantee import KEYS as GUARANTEE_KEYS
from workbench.riskflag.guarantee import sentence
from workbench.riskflag.inputs import golden_rows, input_contract
from workbench.riskflag.words import banned_in
from workbench.scoring.scorer import CONTRACT, GOLDEN, REASONS

SUBMIT_AGAIN = Text(
    ja="ノートブックで desk.submit をやり直してください。",
    en="Submit it again from the notebook with desk.submit.",
)
# Cards say this in both languages; the scoring stage writes it into every line of its list.
ROLE = "requires_human_assessment"
MOST_PROVENANCE = 200_000


def passed(ja: str, en: str, **numbers: Any) -> Finding:
    return Finding(Verdict.PASS, Text(ja, en), numbers)


def plain_data(candidate: Candidate) -> Finding:
    """Exactly the files of a candidate, each read as closed data; nothing in it can run."""
    present = files_in(candidate.bundle).keys() - set(staging.OURS)
    extra, missing = sorted(present - set(export.PATHS)), sorted(set(export.PATHS) - present)
    if extra or missing:
        return Finding(
            Verdict.FAIL,
            Text(
                ja=f"候補のファイルが決まりと違います（余分 {len(extra)} 件、不足 {len(missing)} 件）。",
                en=f"The files are not those of a candidate ({len(extra)} too many, {len(missing)} missing).",
            ),
            numbers={"extra": extra, "missing": missing},
            remedy=SUBMIT_AGAIN,
        )
    wrong = malformed(candidate)
    if wrong:
        return Finding(
            Verdict.FAIL,
            Text(
                ja=f"来歴のファイルの形が違います：{', '.join(wrong)}。",
                en=f"Provenance is malformed: {', '.join(wrong)}.",
            ),
            numbers={"malformed": wrong},
            remedy=SUBMIT_AGAIN,
        )
    features = len(candidate.scorer.model.features)
    return passed(
        f"{len(export.PATHS)} 個のファイルはすべて単純なデータで、コードを動かさずに読めました（整数の加法モデル、{features} 項目）。",
        f"All {len(export.PATHS)} files are plain data and were read without running anything (an additive integer model of {features} items).",
        files=len(export.PATHS),
        features=features,
    )


def malformed(candidate: Candidate) -> list[str]:
    """The provenance files that do not have their keys."""
    lineage, training = candidate.lineage, candidate.training
    dataset = lineage.get("dataset") if isinstance(lineage, dict) else None
    wrong = []
    if (
        not isinstance(dataset, dict)
        or set(lineage) != LINEAGE_KEYS
        or not isinstance(dataset.get("digest"), str)
    ):
        wrong.append(export.LINEAGE)
    if (
        not isinstance(training, dict)
        or not set(training) >= TRAINING_KEYS
        or not is_guarantee(training.get("guarantee"))
    ):
        wrong.append(export.DEFINITION)
    return wrong


def is_guarantee(claimed: Any) -> bool:
    """Nothing, or the guarantee of a model trained under differential privacy, in its keys."""
    return claimed is None or (isinstance(claimed, dict) and set(claimed) == GUARANTEE_KEYS)


LINEAGE_KEYS = {"schema", "dataset", "notebook"}
TRAINING_KEYS = {"estimator", "parameters", "features", "seed", "min_cell", "edges"}


def release_admitted(candidate: Candidate) -> Finding:
    """Trained on an admitted, valid release of the same purpose; its target is one of the project's."""
    named = candidate.lineage["dataset"]
    try:
        source = candidate.source
    except WorkbenchError as error:
        return Finding(Verdict.FAIL, Text(error.ja, error.en), remedy=TRAIN_ON_ADMITTED)
    if named != source.to_json() or source.purpose != candidate.room.project.purpose:
        return Finding(
            Verdict.FAIL,
            Text(
                ja="学習に使ったデータの記載が、カタログの内容か利用目的と一致しません。",
                en="What it says of its training data differs from the catalogue, or the purpose is another.",
            ),
            remedy=TRAIN_ON_ADMITTED,
        )
    if candidate.model.target not in candidate.room.targets:
        return Finding(
            Verdict.FAIL,
            Text(
                ja=f"予測の対象（{candidate.model.target}）は、この事業計画の困難の類型ではありません。",
                en=f"What it looks for ({candidate.model.target}) is none of the project's targets.",
            ),
            remedy=TRAIN_ON_ADMITTED,
        )
    if candidate.guarantee is not None or candidate.trained_here:
        return learnt_here(candidate)
    return passed(
        f"受入済みの {source.name} {source.version}（同じ利用目的、有効、失効なし）だけで学習しています。",
        f"Trained only on the admitted {source.name} {source.version} (same purpose, valid, not revoked).",
        release=source.digest,
    )


def learnt_here(candidate: Candidate) -> Finding:
    """A claim of differential privacy is true when the log says so: this model, this guarantee, this release."""
    source = candidate.source
    if not candidate.as_trained_here:
        return Finding(
            Verdict.FAIL,
            Text(
                ja="差分プライバシーで学習したと書かれていますが、この部屋で学習した判定モデルの記録と一致しません。",
                en="It claims to be trained under differential privacy, and no record of this room is of this model.",
            ),
            remedy=Text(
                ja="desk.ask(…).model(…).answer() で得たものを、手を加えずに提出してください。",
                en="Submit what desk.ask(...).model(...).answer() gave, unchanged.",
            ),
        )
    return passed(
        f"この部屋で差分プライバシーにより学習した記録と一致します。変換表としきい値は受入済みの {source.name} {source.version}（同じ利用目的、有効、失効なし）のものです。",
        f"It is the model that this room trained under differential privacy; recoding and threshold are those of the admitted {source.name} {source.version} (same purpose, valid, not revoked).",
        release=source.digest,
    )


TRAIN_ON_ADMITTED = Text(
    ja="この利用目的で受け入れられ、有効なデータセットで学習し直してください。",
    en="Train again on a dataset that is admitted for this purpose and valid.",
)


def protection(candidate: Candidate) -> Finding:
    """Synthetic data is for writing code; what it says of children is the synthesiser's."""
    kind = candidate.source.protection
    if candidate.guarantee is not None:
        return differential_privacy(candidate)
    if kind == "anonymised":
        return passed("匿名加工したデータで学習しています。", "Trained on anonymised data.", protection=kind)
    return Finding(
        Verdict.REVIEW,
        Text(
            ja="合成データで学習しています。実際のこどもでの性能は、この評価からは分かりません。",
            en="Trained on synthetic data; this evaluation does not tell how it does on real children.",
        ),
        numbers={"protection": kind},
        remedy=Text(
            ja="匿名加工したデータセットで学習し直すことを検討してください。",
            en="Consider training again on an anonymised dataset.",
        ),
    )


def differential_privacy(candidate: Candidate) -> Finding:
    """The loss of a model trained on the protected table, and on what it was evaluated."""
    said: Mapping[str, Any] = candidate.guarantee or {}
    warn = candidate.room.policy["epsilon_warn"]
    epsilon, kind = said["epsilon_of_all"], candidate.source.protection
    numbers = {"epsilon": epsilon, "delta": said["delta"], "protection": kind}
    if epsilon <= warn and kind == "anonymised":
        return Finding(
            Verdict.PASS,
            Text(sentence(said, "ja"), sentence(said, "en")),
            numbers,
            {"epsilon_warn": warn},
        )
    return Finding(
        Verdict.REVIEW,
        Text(
            ja=f"{sentence(said, 'ja')}評価は {kind} のデータによります。",
            en=f"{sentence(said, 'en')} It was evaluated on data that is {kind}.",
        ),
        numbers,
        {"epsilon_warn": warn},
        Text(
            ja=f"ε が {warn:g} を超えるか、評価が実際のこどもによらないことを承知の上で判断してください。",
            en=f"Decide knowing that ε is above {warn:g}, or that it was not evaluated on real children.",
        ),
    )


def recoding(candidate: Candidate) -> Finding:
    """It carries its release's recoding: without it real records would be read in other categories."""
    if candidate.same_recoding():
        return passed(
            "学習に使ったデータの変換表を、そのまま持っています。",
            "It carries the recoding of its release, unchanged.",
        )
    return Finding(
        Verdict.FAIL,
        Text(
            ja="変換表（recode）が、学習に使ったデータのものと違います。",
            en="Its recoding is not that of the release it was trained on.",
        ),
        remedy=SUBMIT_AGAIN,
    )


def made_again(candidate: Candidate) -> Finding:
    """Contract, golden rows, reasons and cards are what this room makes of model, definition and release."""
    differing = [
        path for path, text in derived(candidate).items() if text != (candidate.bundle / path).read_bytes()
    ]
    proved = candidate.scorer.prove()
    if differing:
        return Finding(
            Verdict.FAIL,
            Text(
                ja=f"この部屋で作り直した結果と違うファイルがあります：{', '.join(differing)}。",
                en=f"Some files differ from what this room makes of the model: {', '.join(differing)}.",
            ),
            numbers={"differing": differing},
            remedy=SUBMIT_AGAIN,
        )
    return passed(
        f"検算用の {proved} 行の点数は整数で一致し、入力契約・理由文・説明書もこの部屋で作り直して一致しました。",
        f"{proved} golden rows score to the same integer; contract, reasons and cards made again here are the same.",
        golden=proved,
    )


def derived(candidate: Candidate) -> dict[str, bytes]:
    """The files of a candidate that follow from its model, definition and release."""
    model, part = candidate.model, candidate.train
    asked = input_contract(candidate.definition, model, part)
    golden = golden_rows(model, part.recode, asked["items"])
    written = cards(
        candidate.definition,
        model,
        evaluation=candidate.claimed,
        dictionary=part.dictionary,
        source=candidate.source,
        version=candidate.version,
        guarantee=candidate.guarantee,
    )
    return {
        CONTRACT: rfc8785.dumps(asked),
        GOLDEN: b"".join(rfc8785.dumps(line) + b"\n" for line in golden),
        **{
            REASONS[language]: rfc8785.dumps(texts)
            for language, texts in reason_texts(model, part.dictionary).items()
        },
        **{export.CARDS[language]: text.encode() for language, text in written.items()},
    }


def evaluation(candidate: Candidate) -> Finding:
    """The evaluation run again on the release's test part: the same scores, the same figures."""
    least = candidate.room.smallest_cell
    claimed = candidate.claimed
    if not isinstance(claimed.get("min_cell"), int) or claimed["min_cell"] < least:
        return Finding(
            Verdict.FAIL,
            Text(
                ja=f"評価の最小集計単位が方針の {least} を下回っています。",
                en=f"The evaluation shows cells below the policy's {least}.",
            ),
            numbers={"min_cell": claimed.get("min_cell")},
            limits={"min_cell_output": least},
            remedy=Text(
                ja=f"flag.evaluate(…, min_cell={least}) で評価し直してください。",
                en=f"Evaluate again with flag.evaluate(..., min_cell={least}).",
            ),
        )
    again = candidate.evaluated
    if again != json.loads(rfc8785.dumps(dict(claimed))):
        differing = sorted(name for name in {*again, *claimed} if again.get(name) != claimed.get(name))
        return Finding(
            Verdict.REVIEW if only_refits_differ(candidate) else Verdict.FAIL,
            Text(
                ja=f"評価をやり直すと、申告と違う結果になりました：{', '.join(differing)}。",
                en=f"Run again, the evaluation differs from what was claimed: {', '.join(differing)}.",
            ),
            numbers={"differing": differing},
            remedy=SUBMIT_AGAIN,
        )
    return passed(
        "評価用データの点数と評価の数値は、この部屋でやり直してすべて一致しました。",
        "Scores and figures on the test part, made again in this room, are all the same.",
        test_rows=again["test"]["rows"],
    )


def performance(candidate: Candidate) -> Finding:
    """Whether there is a figure to decide on, and whether it beats a list ordered by one item."""
    data = candidate.evaluated
    if data["too_few"]:
        return Finding(
            Verdict.REVIEW,
            Text(
                ja="該当するこどもが少なすぎて、性能を示せません。",
                en="There are too few children with the target to show how well it does.",
            ),
            numbers={"auc": None},
            remedy=Text(
                ja="年度や地域をまとめたデータで評価し直すか、性能が分からないまま試すことの可否を判断してください。",
                en="Evaluate on data pooled over years or areas, or decide whether to try it not knowing.",
            ),
        )
    area, single = data["auc"], data["baselines"]["single_best_item"]
    numbers = {
        "auc": area["value"],
        "auc_low": area["low"],
        "single_best": single["auc"]["value"] if single else None,
    }
    if area["low"] <= 0.5 or (single and area["value"] <= single["auc"]["value"]):
        return Finding(
            Verdict.REVIEW,
            Text(
                ja=f"AUC は {area['value']:.3f} で、偶然または一つの項目だけの並べ方を上回ったとは言えません。",
                en=f"AUC is {area['value']:.3f}: no better than chance, or than ordering by one item.",
            ),
            numbers=numbers,
            remedy=Text(
                ja="項目や対象を見直すか、使う意味があるかを判断してください。",
                en="Reconsider items and target, or decide whether it is worth using.",
            ),
        )
    return Finding(
        Verdict.PASS,
        Text(
            ja=f"AUC は {area['value']:.3f}（95 % 区間 {area['low']:.3f}–{area['high']:.3f}）で、一つの項目だけの並べ方を上回ります。",
            en=f"AUC is {area['value']:.3f} (95 % interval {area['low']:.3f}–{area['high']:.3f}), better than ordering by one item.",
        ),
        numbers=numbers,
    )


def capacity(candidate: Candidate) -> Finding:
    """What a visit finds and what it misses, at the number of visits the flag was defined for."""
    row = next((row for row in candidate.evaluated.get("capacity", ()) if row["chosen"]), None)
    if row is None:
        return Finding(
            Verdict.REVIEW,
            Text(
                ja="訪問できる人数での適合率と見逃しは、少数のため示せません。",
                en="Precision and missed children at capacity are too few to show.",
            ),
            numbers={"precision": None},
            remedy=Text(
                ja="訪問できる人数を見直すか、分からないまま試すことの可否を判断してください。",
                en="Reconsider the capacity, or decide whether to try it not knowing.",
            ),
        )
    found, missed, alarms = row["found"], row["missed"], row["false_alarms"]
    return Finding(
        Verdict.PASS,
        Text(
            ja=f"上位 {row['share']:.1%} を訪問すると、該当する {found:,} 人を見つけ、{missed:,} 人を見逃し、{alarms:,} 人は空振りです（1 人見つけるごとに空振り {row['false_alarms_per_found']}）。",
            en=f"Visiting the top {row['share']:.1%} finds {found:,}, misses {missed:,} and visits {alarms:,} in vain ({row['false_alarms_per_found']} for each child found).",
        ),
        numbers={
            "precision": row["precision"]["value"],
            "recall": row["recall"]["value"],
            "found": found,
            "missed": missed,
            "false_alarms": alarms,
        },
    )


def groups(candidate: Candidate) -> Finding:
    """Whether missed and false alarms were looked at by group at all."""
    shown = {item: len(rows) for item, rows in candidate.evaluated.get("groups", {}).items()}
    compared = [item for item, count in shown.items() if count > 1]
    if compared:
        return passed(
            f"{len(compared)} 項目で集団ごとの見逃しと空振りを比べています（{', '.join(compared)}）。",
            f"Missed and false alarms are compared by group for {len(compared)} items ({', '.join(compared)}).",
            groups=shown,
        )
    return Finding(
        Verdict.REVIEW,
        Text(
            ja="集団（性別・世帯など）ごとの見逃しと空振りを比べられていません。",
            en="Missed and false alarms are not compared between groups (sex, household and so on).",
        ),
        numbers={"groups": shown},
        remedy=Text(
            ja="flag.evaluate(…, groups=[…]) で集団ごとの評価を加えてください。少数で示せない場合は、その旨を判断に加えてください。",
            en="Add groups with flag.evaluate(..., groups=[...]); where they are too few to show, take that into the decision.",
        ),
    )


def smallest_cell(candidate: Candidate) -> Finding:
    """Each group of equal points rests on enough children and enough households."""
    if candidate.guarantee is not None:
        return hidden_by_noise(candidate)
    policy = candidate.room.policy
    rows_least, homes_least = policy["model_min_cell"], policy["model_levels_households"]
    cells = candidate.cells
    counted = candidate.households is not None
    small = cells[(cells["rows"] < rows_least) | (cells["households"] < homes_least)]
    features = sorted(set(small["feature"]))
    numbers = {
        "smallest_rows": int(cells["rows"].min()),
        "smallest_households": int(cells["households"].min()) if counted else None,
        "features": features,
    }
    limits = {"model_min_cell": rows_least, "model_levels_households": homes_least}
    if len(small):
        return Finding(
            Verdict.FAIL,
            Text(
                ja=f"{len(small)} 個の区分の点数が、{rows_least} 行または {homes_least} 世帯より少ないこどもだけから決まっています：{', '.join(features)}。",
                en=f"The points of {len(small)} levels rest on fewer than {rows_least} rows or {homes_least} households: {', '.join(features)}.",
            ),
            numbers,
            limits,
            Text(
                ja="区分をまとめて学習し直してください（flag.fit(…, min_cell=…)）。",
                en="Merge the levels and train again (flag.fit(..., min_cell=...)).",
            ),
        )
    if not counted:
        return Finding(
            Verdict.REVIEW,
            Text(
                ja=f"どの点数も {numbers['smallest_rows']} 行以上から決まっていますが、世帯数は数えられませんでした。",
                en=f"Every level rests on {numbers['smallest_rows']} rows or more; households could not be counted.",
            ),
            numbers,
            limits,
            Text(
                ja="元の表が変わったか、世帯のないデータです。行数だけで足りるかを判断してください。",
                en="The source has changed, or names no household; decide whether rows are enough.",
            ),
        )
    return Finding(
        Verdict.PASS,
        Text(
            ja=f"どの点数も {numbers['smallest_rows']} 行・{numbers['smallest_households']} 世帯以上から決まっています（基準 {rows_least}・{homes_least}）。",
            en=f"Every level rests on {numbers['smallest_rows']} rows and {numbers['smallest_households']} households or more ({rows_least} and {homes_least} required).",
        ),
        numbers,
        limits,
    )


def hidden_by_noise(candidate: Candidate) -> Finding:
    """No points of such a model rest on a few children's values: the noise hides any one household."""
    return passed(
        "差分プライバシーの雑音が世帯ごとの影響を隠すため、点数のもとになる人数の下限は要りません（受入済みデータでの最少行数は参考です）。",
        "The noise of differential privacy hides what any one household adds, so no smallest cell is asked for; the fewest rows on the admitted data are for information.",
        smallest_rows=int(candidate.cells["rows"].min()),
    )


def degrees(candidate: Candidate) -> Finding:
    """Enough rows for the number of points: a model with as many points as children is a list of children."""
    least = candidate.room.policy["model_residual_df"]
    left = candidate.evaluated["train"]["rows"] - len(candidate.cells) - 1
    holds = left >= least
    return Finding(
        Verdict.PASS if holds else Verdict.FAIL,
        Text(
            ja=f"残差自由度は {left:,} です（基準 {least} 以上）。",
            en=f"{left:,} residual degrees of freedom are left ({least} required).",
        ),
        numbers={"residual_df": left},
        limits={"model_residual_df": least},
        remedy=Text(ja="項目を減らして学習し直してください。", en="Train again with fewer items."),
    )


def words(candidate: Candidate) -> Finding:
    """No word that judges children beforehand, no number of a person, in anything a reader sees."""
    texts = {path: (candidate.bundle / path).read_text() for path in export.PATHS}
    banned = sorted(path for path, text in texts.items() if banned_in(text))
    numbers = {path: patterns.measure_text(DIGEST.sub("", texts[path])) for path in FREE_TEXT}
    marked = sorted(path for path, found in numbers.items() if found)
    large = sorted(path for path in FREE_TEXT if len(texts[path]) > MOST_PROVENANCE)
    if banned or marked or large:
        return Finding(
            Verdict.FAIL,
            Text(
                ja=f"こどもや家庭を決めつける言葉：{', '.join(banned) or 'なし'}。個人の番号や連絡先の形：{', '.join(marked) or 'なし'}。大きすぎる来歴：{', '.join(large) or 'なし'}。",
                en=f"Words that judge beforehand in: {', '.join(banned) or 'none'}. Numbers or contacts of persons in: {', '.join(marked) or 'none'}. Too large: {', '.join(large) or 'none'}.",
            ),
            numbers={"banned": banned, "shapes": marked, "large": large},
            remedy=Text(
                ja="「支援確認の候補」など中立な言葉に直し、個人の情報を除いて提出し直してください。",
                en="Use neutral words such as 'candidate for a support check', take out personal data, and submit again.",
            ),
        )
    return passed(
        "名前・理由・説明書に、こどもや家庭を決めつける言葉や個人の番号はありません。",
        "Names, reasons and cards hold no word that judges beforehand and no number of a person.",
    )


# One digest in three hundred holds twelve figures that could be somebody's number.
DIGEST = re.compile(r'"[0-9a-f]{64}"')
# What an analyst writes freely, or could; the rest is made again in this room.
FREE_TEXT = (export.DEFINITION, export.LINEAGE, export.ENVIRONMENT)


def decision_role(candidate: Candidate) -> Finding:
    """It says of itself that it aids a human assessment and decides nothing."""
    silent = sorted(
        path for path in export.CARDS.values() if ROLE not in (candidate.bundle / path).read_text()
    )
    if silent:
        return Finding(
            Verdict.FAIL,
            Text(
                ja=f"人による確認が必要だという説明がありません：{', '.join(silent)}。",
                en=f"Nothing says that a person must assess: {', '.join(silent)}.",
            ),
            remedy=SUBMIT_AGAIN,
        )
    return passed(
        "位置付けは「アセスメントの補助」で、候補ごとに人による確認が必要だと明記しています。",
        "Its role is an aid to human assessment, and it says that each candidate is assessed by a person.",
        role="aid_to_human_assessment",
    )


def refitted(candidate: Candidate) -> Finding:
    """Trained again in this room by its own recipe: the same points, or a reviewer looks at why not."""
    if candidate.guarantee is not None:
        return passed(
            "雑音を加えて学習したため、学習し直しても同じ点数にはなりません。学習の記録との一致で確かめています。",
            "It was trained with noise and cannot be trained again to the same points; the record of its training stands in for that.",
        )
    if candidate.repeats:
        return passed(
            "同じ設定でこの部屋で学習し直し、点数がすべて一致しました。",
            "Trained again here with the same settings, all points are the same.",
        )
    return Finding(
        Verdict.REVIEW,
        Text(
            ja="同じ設定で学習し直しても、同じ点数になりませんでした（環境の違いのほか、手で直した可能性があります）。",
            en="Trained again with the same settings, the points differ (another environment, or changed by hand).",
        ),
        remedy=Text(
            ja="作成者に理由を確かめてください。点数そのものは評価のやり直しで確かめています。",
            en="Ask the author why. The points themselves were checked by evaluating again.",
        ),
    )
