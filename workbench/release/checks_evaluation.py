"""
Checks on what a model was made from and how steady it is: its items by their dates, its flags over refits.

The definition was checked where it was written, in a notebook that this room does not trust.
"""

from typing import Any

from workbench.errors import Refused
from workbench.release.findings import Finding, Text, Verdict
from workbench.release.staged_model import Candidate
from workbench.riskflag import notes
from workbench.riskflag.stability import REFITS


def dated_before(candidate: Candidate) -> Finding:
    """Every item the model reads may be a feature: dated before the index date, no identifier, not the target."""
    features = [feature.name for feature in candidate.model.features]
    try:
        candidate.definition.check_features(features, dictionary=candidate.train.dictionary)
    except Refused as refusal:
        return Finding(
            Verdict.FAIL,
            Text(ja=refusal.ja, en=refusal.en),
            remedy=Text(
                ja="その項目を外して学習し直してください。", en="Leave that item out and train again."
            ),
        )
    return Finding(
        Verdict.PASS,
        Text(
            ja=f"使う {len(features)} 項目は、台帳によればすべて基準日より前の情報で、予測の対象や個人を示す項目はありません。",
            en=f"By the register all {len(features)} items are dated before the index date; none is the target or an identifier.",
        ),
        {"features": len(features)},
    )


def only_refits_differ(candidate: Candidate) -> bool:
    """
    Whether all that differs from the evaluation made here is what refits say, and the sentences made of that.

    Refits are fitted in floating point, where another processor may round otherwise; scores are whole numbers.
    """
    again, claimed = candidate.evaluated, candidate.claimed
    found = claimed.get("stability")
    if not is_like(found, again["stability"]):
        return False
    told = {**again, "stability": found}
    said = notes.of(told, dictionary=candidate.test.dictionary)
    return bool({**told, "notes": said} == claimed)


def is_like(found: Any, here: Any) -> bool:
    """Whether `found` is made like `here`, with other numbers: another's words have no place in it."""
    if isinstance(here, dict):
        return (
            isinstance(found, dict)
            and found.keys() == here.keys()
            and all(is_like(found[name], value) for name, value in here.items())
        )
    if isinstance(here, list):
        return isinstance(found, list) and len(found) <= REFITS and all(map(is_number, found))
    return found in FEW or is_number(found)


FEW = (None, "inside", "outside")


def is_number(value: Any) -> bool:
    return type(value) in (int, float)


def steady(candidate: Candidate) -> Finding:
    """Whether the same children would be flagged by a model of other rows."""
    found: dict[str, Any] | None = candidate.evaluated.get("stability")
    if candidate.guarantee is not None:
        return Finding(
            Verdict.PASS,
            Text(
                ja="差分プライバシーで学習したため学び直しはしていません（学び直すごとに予算を使うため）。",
                en="Trained under differential privacy: not fitted again, for each refit would spend the budget anew.",
            ),
        )
    if found is None or found["refits"] < REFITS or found["often"] is None:
        return unknown(found["refits"] if found else 0)
    share, few = found["often"]["share"], found["often"]["few"]
    told = {"outside": ("ほぼすべて", "nearly all"), "inside": ("ほとんどない", "hardly any")}
    ja, en = told.get(few, (f"{(share or 0):.0%}", f"{(share or 0):.0%}"))
    return Finding(
        Verdict.PASS,
        Text(
            ja=f"行を引き直して {found['refits']} 回学び直しても 5 回に 4 回以上候補になるこどもは、候補の {ja}です。",
            en=f"Fitted again {found['refits']} times on rows drawn anew, {en} of the candidates stay candidates in four of five.",
        ),
        {"refits": found["refits"], "often": share},
    )


def unknown(refits: int) -> Finding:
    return Finding(
        Verdict.REVIEW,
        Text(
            ja=f"候補が偶然で入れ替わらないかは、十分に確かめられていません（学び直し {refits} 回、{REFITS} 回必要）。",
            en=f"Whether candidates change by chance is not known well enough ({refits} refits of {REFITS}).",
        ),
        {"refits": refits},
        remedy=Text(
            ja=f"flag.evaluate(…, refits={REFITS}) で評価し直すか、分からないまま試すことの可否を判断してください。",
            en=f"Evaluate again with flag.evaluate(..., refits={REFITS}), or decide whether to try it not knowing.",
        ),
    )
