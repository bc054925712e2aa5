"""
Checks on what a model candidate gives away of the children it was trained on, and of whom it misses.

Attacks are made here on the candidate itself, with the rows of its release; a proof stands in for a number
only where there are too few children for one.
"""

from typing import Any

import numpy as np

from workbench.errors import WorkbenchError
from workbench.release.findings import Finding, Text, Verdict
from workbench.release.staged_model import Candidate
from workbench.release.twin import gaps
from workbench.riskflag import inference, membership
from workbench.riskflag.metrics import Interval, auc
from workbench.scoring import engine

MEMORISES = Text(
    ja="項目や区分を減らすか、正則化を強めて（小さな C、浅い木）学習し直してください。",
    en="Train again with fewer items or levels, or regularise more (a smaller C, shallower trees).",
)


def pure_cells(candidate: Candidate) -> Finding:
    """No group of equal points where all children have the outcome, or none has and chance does not explain it."""
    if candidate.guarantee is not None:
        return passed(
            "差分プライバシーで学習したため、点数は個々のこどもの結果によりません。",
            "It was trained under differential privacy; its points do not rest on any one child's outcome.",
        )
    cells, least = candidate.cells, candidate.room.policy["model_pure_chance"]
    base = float(cells["positives"].sum() / cells["rows"].sum())
    full = cells[cells["positives"] == cells["rows"]]
    empty = cells[(cells["positives"] == 0) & ((1 - base) ** cells["rows"] < least)]
    numbers = {"full": sorted(set(full["feature"])), "empty": sorted(set(empty["feature"]))}
    limits = {"model_pure_chance": least}
    if len(full):
        return Finding(
            Verdict.FAIL,
            Text(
                ja=f"全員が該当する区分があります（{', '.join(numbers['full'])}）。その区分のこどもの結果が分かります。",
                en=f"In some level every child has the outcome ({', '.join(numbers['full'])}): it tells theirs.",
            ),
            numbers,
            limits,
            Text(
                ja="区分をまとめて学習し直してください（flag.fit(…, min_cell=…)）。",
                en="Merge the levels and train again (flag.fit(..., min_cell=...)).",
            ),
        )
    if len(empty):
        return Finding(
            Verdict.REVIEW,
            Text(
                ja=f"偶然とは言えないほど誰も該当しない区分があります（{', '.join(numbers['empty'])}）。",
                en=f"In some level no child has the outcome, more than chance explains ({', '.join(numbers['empty'])}).",
            ),
            numbers,
            limits,
            Text(
                ja="制度上ありえない区分か（例：就学前の欠席）を確かめてください。",
                en="See whether it cannot occur there by its nature, such as absence before school age.",
            ),
        )
    return passed(
        "全員が同じ結果の区分（偶然で説明できないもの）はありません。",
        "No level has one outcome only beyond what chance explains.",
        limits=limits,
    )


def member(candidate: Candidate) -> Finding:
    """
    Whether training rows are told from others: the cheap attack first, then the likelihood ratio attack.

    What is clearly above a limit fails, whatever else is true of the candidate. What too few children leave
    open passes only as post-processing of an admitted release, which says no less by itself.
    """
    policy = candidate.room.policy
    limits = {
        name: policy[name]
        for name in ("model_membership_screen", "model_membership_auc", "model_membership_found")
    }
    if candidate.guarantee is not None:
        return bounded(candidate)
    if membership.too_few(candidate.pool):
        return undecided(candidate, {"screen": None}, limits)
    told = membership.screened(candidate.model, candidate.pool)
    if told.screen.low > policy["model_membership_screen"]:
        return remembered(told, limits)
    try:
        told = membership.attacked(candidate.model, candidate.pool, fit=candidate.refit)
    except (WorkbenchError, TypeError, ValueError, KeyError):
        return not_repeated(told, limits)
    return decided(candidate, told, limits)


def decided(candidate: Candidate, told: membership.Membership, limits: dict[str, Any]) -> Finding:
    """What the likelihood ratio attack found, against the limits."""
    policy = candidate.room.policy
    measured = [
        (told.auc, policy["model_membership_auc"]),
        (told.found, policy["model_membership_found"]),
    ]
    if any(one is not None and one.low > limit for one, limit in measured):
        return remembered(told, limits)
    if any(one is None or one.high > limit for one, limit in measured):
        return undecided(candidate, told.to_json(), limits)
    if not candidate.repeats:
        return another_recipe(told, limits)
    return passed(
        f"学習に使った行は、攻撃（{told.shadows} 個の影モデル）でも見分けられません（AUC {value_of(told.auc):.3f}、誤報 0.1 % で {value_of(told.found):.2%}）。",
        f"Attacked with {told.shadows} shadow models, training rows are not told apart (AUC {value_of(told.auc):.3f}, {value_of(told.found):.2%} at 0.1 % false alarms).",
        numbers=told.to_json(),
        limits=limits,
    )


def bounded(candidate: Candidate) -> Finding:
    """The guarantee bounds every attack: who names one stranger in a thousand names few of its own."""
    said: Any = candidate.guarantee
    most = min(1.0, float(np.exp(said["epsilon_of_all"])) * membership.FALSE_ALARMS + said["delta"])
    return passed(
        f"差分プライバシーの保証により、誤報 0.1 % でどの攻撃も学習に使った世帯の {most:.2%} を超えて言い当てられません。",
        f"Its guarantee bounds every attack: at 0.1 % false alarms no more than {most:.2%} of its households are found.",
        numbers={"most_found": round(most, 4)},
    )


def remembered(told: membership.Membership, limits: dict[str, Any]) -> Finding:
    shown = [
        f"{name} {one.value:.3f}"
        for name, one in (("screen", told.screen), ("AUC", told.auc), ("TPR", told.found))
        if one is not None
    ]
    return Finding(
        Verdict.FAIL,
        Text(
            ja=f"学習に使った行を覚えています。攻撃者は、あるこどもが学習データにいたかを言い当てられます（{'、'.join(shown)}）。",
            en=f"It memorises its training rows: an attacker tells whether a child was among them ({', '.join(shown)}).",
        ),
        told.to_json(),
        limits,
        MEMORISES,
    )


def not_repeated(told: membership.Membership, limits: dict[str, Any]) -> Finding:
    return Finding(
        Verdict.FAIL,
        Text(
            ja="同じ設定では半分の行で学習できないため、所属推定の攻撃を試せません。少ない行で成り立たないモデルは、行を覚えている疑いがあります。",
            en="Its settings do not train on half of its rows, so it cannot be attacked; a model that needs every row may remember them.",
        ),
        told.to_json(),
        limits,
        MEMORISES,
    )


def another_recipe(told: membership.Membership, limits: dict[str, Any]) -> Finding:
    """The attack knew another recipe than the one that made the model: what it did not find proves nothing."""
    return Finding(
        Verdict.REVIEW,
        Text(
            ja="申告された設定ではこの点数にならないため、その設定による所属推定の攻撃では安全を示せません。",
            en="Its points are not those its settings give, so an attack by those settings cannot show it safe.",
        ),
        told.to_json(),
        limits,
        Text(
            ja="点数がどう作られたかを作成者に確かめ、学習し直したものを提出してもらってください。",
            en="Ask the author how the points came to be, and have it submitted as trained.",
        ),
    )


def undecided(candidate: Candidate, numbers: dict[str, Any], limits: dict[str, Any]) -> Finding:
    """Too few children for a number: a proof, or people's judgement."""
    if candidate.is_post_processing:
        return passed(
            "こどもが少なく攻撃では決められませんが、受入済みの匿名加工データだけから学習し直して同じ点数になるため、そのデータ以上のことは明かしません。",
            "Too few children for the attack to settle it; trained again on the admitted anonymised release alone it is the same, so it tells no more than that release.",
            numbers={**numbers, "release": candidate.source.digest},
            limits=limits,
        )
    return Finding(
        Verdict.REVIEW,
        Text(
            ja="こどもが少なく、学習に使った行を見分けられるかどうかを攻撃では決められませんでした。",
            en="There are too few children to tell whether training rows can be told apart.",
        ),
        numbers,
        limits,
        Text(
            ja="年度や地域をまとめたデータで学習し直すか、分からないまま使うことの可否を判断してください。",
            en="Train on data pooled over years or areas, or decide whether to use it not knowing.",
        ),
    )


def attribute(candidate: Candidate) -> Finding:
    """Whether the model adds more to guessing a sensitive item of a training row than of any other."""
    limit = candidate.room.policy["model_attribute_excess"]
    if candidate.guarantee is not None or membership.too_few(candidate.pool):
        return passed(
            "差分プライバシーの保証か、こどもの少なさのため、属性推定の攻撃は試していません。",
            "Not attacked: a guarantee bounds it, or there are too few children.",
            limits={"model_attribute_excess": limit},
        )
    known = candidate.train.dictionary
    asked = [name for name in candidate.model.items if name in known and known[name].role == "sensitive"]
    told = inference.excess(candidate.model, candidate.pool, items=asked)
    numbers = {item: one.to_json() for item, one in told.items()}
    above = sorted(item for item, one in told.items() if one.low > limit)
    if above:
        return Finding(
            Verdict.FAIL,
            Text(
                ja=f"学習に使ったこどもの {', '.join(above)} を、ほかのこどもよりよく言い当てられます。",
                en=f"The model tells {', '.join(above)} of children it was trained on better than of others.",
            ),
            numbers,
            {"model_attribute_excess": limit},
            MEMORISES,
        )
    return passed(
        f"機微な {len(asked)} 項目について、学習に使ったこどもだけが言い当てられやすいことはありません。",
        f"For {len(asked)} sensitive items, training rows are told no better than others.",
        numbers=numbers,
        limits={"model_attribute_excess": limit},
    )


def group_gap(candidate: Candidate) -> Finding:
    """
    Whether protection widened the gap between groups in missed children.

    Measured on unprotected rows, once for each candidate that an analyst hands in: the report that they read
    tells of each item whether the limit is kept, and no number.
    """
    limit = candidate.room.policy["model_group_gap"]
    limits = {"model_group_gap": limit}
    try:
        found = gaps(candidate)
    except (WorkbenchError, TypeError, ValueError, KeyError):
        found = None
    if not found:
        return Finding(
            Verdict.REVIEW,
            Text(
                ja="集団ごとの見逃しを、保護しない学習と比べられませんでした（元の表がないか、少数のため）。",
                en="Missed children by group could not be compared with an unprotected model (no source, or too few).",
            ),
            {"items": [], "wider": []},
            limits,
            Text(
                ja="集団ごとの見逃しが分からないまま使うことの可否を判断してください。",
                en="Decide whether to use it not knowing whom it misses by group.",
            ),
        )
    wider = sorted(one.item for one in found if one.growth.value > limit)
    numbers = {"items": sorted(one.item for one in found), "wider": wider}
    if not wider:
        return passed(
            f"{len(found)} 項目で、見逃しの集団差は保護しない学習より {limit:.0%} を超えて広がっていません。",
            f"For {len(found)} items the gap in missed children is not more than {limit:.0%} wider than without protection.",
            numbers=numbers,
            limits=limits,
        )
    sure = any(one.growth.value > limit and one.growth.low > 0 for one in found)
    return Finding(
        Verdict.FAIL if sure else Verdict.REVIEW,
        Text(
            ja=f"保護により、見逃しの集団差が {limit:.0%} を超えて広がりました（{', '.join(wider)}）{'' if sure else '。ただし少数で、偶然かもしれません'}。",
            en=f"Protection widened the gap in missed children by more than {limit:.0%} ({', '.join(wider)}){'' if sure else '; the numbers are small and it may be chance'}.",
        ),
        numbers,
        limits,
        Text(
            ja="小さな集団が消えない保護（より細かい一般化、より大きな ε）で学習し直してください。",
            en="Train again under protection that keeps small groups (finer generalisation, a larger ε).",
        ),
    )


def proxies(candidate: Candidate) -> Finding:
    """Whether the score is another word for a group that the charter protects."""
    limit = candidate.room.policy["model_proxy_auc"]
    among, least = candidate.pool, candidate.room.smallest_cell
    scores = engine.score(candidate.model, among.rows.part.table(candidate.model.items)).scores
    rest = ~among.rows.labels
    told: dict[str, Interval] = {}
    for group in candidate.room.project.subgroups:
        if group.item in among.rows.part.frame:
            inside = among.rows.part.frame[group.item].map(str).isin(group.values).to_numpy()[rest]
            if min(int(inside.sum()), int((~inside).sum())) >= least:
                told[group.id] = auc(scores[rest], inside)
    numbers = {name: one.to_json() for name, one in told.items()}
    close = sorted(name for name, one in told.items() if max(one.value, 1 - one.value) > limit)
    if close:
        return Finding(
            Verdict.REVIEW,
            Text(
                ja=f"点数から、こどもが次の集団にいるかがほぼ分かります：{', '.join(close)}。点数が集団の言い換えになっていないか確かめてください。",
                en=f"The score all but tells who belongs to {', '.join(close)}; see whether it is that group under another name.",
            ),
            numbers,
            {"model_proxy_auc": limit},
            Text(
                ja="その集団を示す項目を除いて学習し直すか、使う理由を説明できるか判断してください。",
                en="Train again without the items that stand for the group, or decide whether its use can be explained.",
            ),
        )
    return passed(
        f"{len(told)} の集団について、該当しないこどもの点数は集団の言い換えになっていません。",
        f"For {len(told)} groups the score is not another word for belonging to them.",
        numbers=numbers,
        limits={"model_proxy_auc": limit},
    )


def passed(
    ja: str, en: str, *, numbers: dict[str, Any] | None = None, limits: dict[str, Any] | None = None
) -> Finding:
    return Finding(Verdict.PASS, Text(ja, en), numbers or {}, limits or {})


def value_of(one: Interval | None) -> float:
    return 0.0 if one is None else one.value
