"""
Checks of synthetic releases: label, bounds, rare categories, attacks against a control, fidelity.

Without differential privacy no check here bounds the worst case; the report says so in its notice.
"""

from workbench.artifact.tree import files_in
from workbench.data.individual_number import is_forbidden_name
from workbench.data.register import ItemRole
from workbench.privacy.synthesis.columns import bounded
from workbench.release import staging
from workbench.release.checks_promise import is_private
from workbench.release.findings import Finding, Text, Verdict
from workbench.release.plots import percent
from workbench.release.split import PARTS, Part
from workbench.release.staged import DATA, DICTIONARY, RECIPE
from workbench.release.staged_synthetic import LABEL, Synthetic, rare_items

EXPECTED = frozenset({*DATA.values(), DICTIONARY, RECIPE})
AGAIN = Text(
    ja="workbench release submit --protection synthetic で作り直してください。",
    en="Prepare it again with 'workbench release submit --protection synthetic'.",
)
UNSURE = Text(
    ja="行数が少なく上限を確かめられません。審査者が判断するか、行を増やして作り直してください。",
    en="Too few rows to be sure of the limit; decide as a reviewer, or prepare it with more rows.",
)
# Below this share of the real one, a rare category has been lost; the report says which items.
KEPT = 0.5


def complete(staged: Synthetic) -> Finding:
    """Exactly the files of such a release, both parts with the same columns."""
    present = files_in(staged.bundle).keys() - set(staging.OURS)
    extra, missing = sorted(present - EXPECTED), sorted(EXPECTED - present)
    same = not missing and len({tuple(frame.columns) for frame in staged.made.values()}) == 1
    if extra or missing or not same:
        return Finding(
            Verdict.FAIL,
            Text(
                ja=f"合成データに含まれるべきファイルと違います（余分 {len(extra)} 件、不足 {len(missing)} 件）。",
                en=f"The files are not those of a synthetic release ({len(extra)} too many, {len(missing)} missing).",
            ),
            numbers={"extra": extra, "missing": missing},
            remedy=AGAIN,
        )
    rows = sum(map(len, staged.made.values()))
    return Finding(
        Verdict.PASS,
        Text(ja=f"合成した {rows:,} 行を読めました。", en=f"{rows:,} synthetic rows were read."),
        numbers={"rows": rows},
    )


def labelled(staged: Synthetic) -> Finding:
    """Every file says that it is synthetic, and carries nothing else beside its values."""
    unlabelled = sum(dict(table.schema.metadata or {}) != LABEL for table in staged.arrow.values())
    if unlabelled:
        return Finding(
            Verdict.FAIL,
            Text(
                ja=f"「合成データ」の表示がないファイルが {unlabelled} 件あります。",
                en=f"{unlabelled} files do not say that they are synthetic.",
            ),
            numbers={"files": unlabelled},
            limits={"files": 0},
            remedy=AGAIN,
        )
    return Finding(
        Verdict.PASS,
        Text(ja="各ファイルに「合成データ」の表示があります。", en="Every file says that it is synthetic."),
    )


def registered(staged: Synthetic) -> Finding:
    """Every column is registered, justified for this project, and identifies nobody."""
    wrong = sorted(
        name
        for name in staged.names
        if is_forbidden_name(name)
        or name not in staged.table.by_name
        or staged.table[name].role is ItemRole.DIRECT_IDENTIFIER
        or not staged.room.justifies(staged.table[name])
        or name not in staged.columns
    )
    if wrong:
        return Finding(
            Verdict.FAIL,
            Text(
                ja=f"台帳にないか、この目的で使えない列が {len(wrong)} 列あります。",
                en=f"{len(wrong)} columns are not in the register, or not for this purpose.",
            ),
            numbers={"columns": [name for name in wrong if name in staged.table.by_name]},
            remedy=Text(
                ja="その列を外して作り直してください。", en="Leave these columns out and prepare again."
            ),
        )
    return Finding(
        Verdict.PASS,
        Text(
            ja=f"{len(staged.names)} 列すべてが台帳にあり、この目的で使う理由があります。",
            en=f"All {len(staged.names)} columns are registered and justified for this purpose.",
        ),
        numbers={"columns": len(staged.names)},
    )


def within(staged: Synthetic) -> Finding:
    """Every value is one the register allows."""
    beyond = sorted(
        {
            name
            for frame in staged.made.values()
            for name in staged.columns
            if int(
                (
                    bounded(frame[[name]], columns={name: staged.columns[name]})[name].isna()
                    & frame[name].notna()
                ).sum()
            )
            or outside(frame, name, staged)
        }
    )
    if beyond:
        return Finding(
            Verdict.FAIL,
            Text(
                ja=f"台帳の範囲や区分にない値を含む列があります：{'、'.join(beyond)}。実データの極端な値が現れたおそれがあります。",
                en=f"Values beyond the register in: {', '.join(beyond)}; an extreme of the real data may show through.",
            ),
            numbers={"columns": beyond},
            limits={"columns": 0},
            remedy=AGAIN,
        )
    return Finding(
        Verdict.PASS,
        Text(ja="すべての値が台帳の範囲と区分に収まっています。", en="Every value lies within the register."),
    )


def outside(frame: object, name: str, staged: Synthetic) -> bool:
    column = staged.columns[name]
    if column.is_category:
        return False
    values = frame[name].dropna()  # type: ignore[index]
    return bool(((values < column.minimum) | (values > column.maximum)).any())


def rare(staged: Synthetic) -> Finding:
    """No category was made that fewer households than the policy asks stand behind."""
    if is_private(staged):
        within = Text(
            ja="どの区分が現れるかも、差分プライバシーの保証に含まれます。",
            en="Which categories appear is within the differential-privacy guarantee.",
        )
        return Finding(Verdict.PASS, within)
    least: int = staged.room.policy["synthetic_min_category_households"]
    real, holders = staged.real[Part.TRAIN], staged.holders(Part.TRAIN)
    shown = []
    for name in rare_items(real, holders=holders, columns=staged.columns, least=least):
        households = holders.groupby(real[name], observed=True).nunique()
        few = set(households[households < least].index)
        if any(few & set(frame[name].dropna()) for frame in staged.made.values()):
            shown.append(name)
    numbers, limits = {"items": shown}, {"synthetic_min_category_households": least}
    if shown:
        return Finding(
            Verdict.FAIL,
            Text(
                ja=f"{least} 世帯未満しか持たない区分が現れている項目があります：{'、'.join(shown)}。",
                en=f"Categories held by fewer than {least} households appear in: {', '.join(shown)}.",
            ),
            numbers,
            limits,
            AGAIN,
        )
    return Finding(
        Verdict.PASS,
        Text(
            ja=f"現れる区分はすべて {least} 世帯以上が持つものです。",
            en=f"Every category that appears is held by at least {least} households.",
        ),
        numbers,
        limits,
    )


def copies(staged: Synthetic) -> Finding:
    """Exact copies of training rows, beyond what a hold-out shares by chance."""
    limit: float = staged.room.policy["synthetic_identical_excess"]
    found = next(risk for risk in staged.risks if risk.name == "exact_copy")
    excess = max(0.0, found.attack - found.control)
    sentence = Text(
        ja=f"学習に使ったこどもと完全に一致する行は {percent(found.attack)}、使っていないこどもとは {percent(found.control)} です。",
        en=f"{percent(found.attack)} of training children have an exact copy; {percent(found.control)} of the others do by chance.",
    )
    numbers, limits = {"excess": round(excess, 4)}, {"synthetic_identical_excess": limit}
    if found.lower > limit:
        return Finding(Verdict.FAIL, sentence, numbers, limits, AGAIN)
    if excess > limit:
        return Finding(Verdict.REVIEW, sentence, numbers, limits, UNSURE)
    return Finding(Verdict.PASS, sentence, numbers, limits)


def attacks(staged: Synthetic) -> Finding:
    """Linking and guessing succeed no more often on training children than on the control."""
    limit: float = staged.room.policy["synthetic_attack_risk"]
    found = max(staged.risks, key=lambda risk: risk.lower)
    unsure = max(risk.upper for risk in staged.risks)
    sentence = Text(
        ja=f"攻撃 {len(staged.risks)} 種の成功率の超過は最大 {percent(found.risk)}（信頼下限 {percent(found.lower)}、全攻撃の信頼上限 {percent(unsure)}）です。",
        en=f"Of {len(staged.risks)} attacks the worst exceeds its control by {percent(found.risk)} (lower bound {percent(found.lower)}; upper bound of all {percent(unsure)}).",
    )
    numbers = {"risk": round(found.risk, 4), "attacks": {risk.name: risk.to_json() for risk in staged.risks}}
    limits = {"synthetic_attack_risk": limit}
    # A risk is above the limit when even its lower bound is: rare items make single figures jump.
    if found.lower > limit:
        return Finding(Verdict.FAIL, sentence, numbers, limits, AGAIN)
    if unsure > limit:
        return Finding(Verdict.REVIEW, sentence, numbers, limits, UNSURE)
    return Finding(Verdict.PASS, sentence, numbers, limits)


def faithful(staged: Synthetic) -> Finding:
    """How close shapes and pairs are; a rare category that was lost needs a reader's eye."""
    found = staged.fidelity
    lost = sorted({r["item"] for r in found.rare if r["synthetic"] < KEPT * r["real"]})
    sentence = Text(
        ja=f"項目の分布の一致度は {found.shapes:.2f}、二項目の関係の一致度は {found.pairs:.2f} です。",
        en=f"Single items agree by {found.shapes:.2f}, pairs of items by {found.pairs:.2f}.",
    )
    numbers = {"shapes": found.shapes, "pairs": found.pairs, "rare_lost": lost}
    if lost:
        return Finding(
            Verdict.REVIEW,
            sentence,
            numbers,
            remedy=Text(
                ja=f"まれな区分が半分未満に減った項目があります（{'、'.join(lost)}）。これらの分析には匿名化データを使ってください。",
                en=f"Rare categories fell below half in: {', '.join(lost)}; use anonymised data to study these.",
            ),
        )
    return Finding(Verdict.PASS, sentence, numbers)


def rows_of(staged: Synthetic) -> dict[str, int]:
    return {str(part): len(staged.made[part]) for part in PARTS}
