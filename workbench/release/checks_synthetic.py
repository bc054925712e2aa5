"""
Checks of synthetic releases: label, bounds, rare categories, attacks against a control, fidelity.

Without differential privacy no check here bounds the worst case; the report says so in its notice. The
report leaves with the data, so it says of each criterion whether it is met and no more; the numbers are for
reviewers, in the room (`metrics`).
"""

from collections.abc import Mapping, Sequence

from workbench.artifact.tree import files_in
from workbench.data.individual_number import is_forbidden_name
from workbench.data.register import ItemRole
from workbench.privacy.synthesis.columns import bounded
from workbench.privacy.synthesis.disclosure import Risk
from workbench.privacy.synthesis.membership import Membership
from workbench.release import staging
from workbench.release.checks_promise import is_private
from workbench.release.findings import Finding, Text, Verdict
from workbench.release.split import PARTS, Part
from workbench.release.staged import DATA, DICTIONARY, RECIPE
from workbench.release.staged_synthetic import LABEL, Synthetic, rare_items

EXPECTED = frozenset({*DATA.values(), DICTIONARY, RECIPE})
AGAIN = Text(
    ja="workbench release submit --protection synthetic で作り直してください。",
    en="Prepare it again with 'workbench release submit --protection synthetic'.",
)
UNSURE = Text(
    ja="審査者が評価の数値を読んで判断するか（workbench release metrics）、行を増やして作り直してください。",
    en="Decide as a reviewer who reads the metrics ('workbench release metrics'), or prepare it with more rows.",
)


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
    """Exact copies of training rows beyond what a hold-out shares by chance, and of any child's beyond what strangers share."""
    found = staged.disclosure.of("exact_copy")
    return attacked(staged, found, limit="synthetic_identical_excess", what=COPIED)


def attacks(staged: Synthetic) -> Finding:
    """Singling out, linking and guessing succeed no more often on training children than on the control."""
    found = [risk for kind in KINDS for risk in staged.disclosure.of(kind)]
    return attacked(staged, found, limit="synthetic_attack_risk", what=ATTACKED)


KINDS = ("singling_out", "linkability", "inference")
COPIED = Text("一致する行の超過", "identical rows beyond chance")
ATTACKED = Text("個人の特定・連結・推定の攻撃", "singling out, linking and inferring")
MEMBERS = Text("所属推定の攻撃", "membership inference")


def attacked(staged: Synthetic, risks: Sequence[Risk], *, limit: str, what: Text) -> Finding:
    """
    A pass where every upper limit holds, a failure where a lower one does not, else for reviewers to judge.

    No number stands in the finding: it leaves with the data, and numbers about synthetic rows leak. What could
    not be evaluated is not known to be safe.
    """
    most: float = staged.room.policy[limit]
    return criterion(
        what,
        broken=any(risk.lower > most for risk in risks),
        unknown=not risks or not all(risk.evaluable for risk in risks),
        unsure=any(risk.upper > most for risk in risks),
        limits={limit: most},
    )


def membership(staged: Synthetic) -> Finding:
    """Nobody can tell who was in the training part: on average, and of the most isolated children."""
    auc: float = staged.room.policy["synthetic_membership_auc"]
    share: float = staged.room.policy["synthetic_membership_found"]
    found = staged.disclosure.membership
    return criterion(
        MEMBERS,
        broken=any(one.evaluable and told(one, auc=auc, share=share) for one in found),
        unknown=not all(one.evaluable for one in found),
        unsure=any(one.auc.high > auc or one.found.high > share for one in found),
        limits={"synthetic_membership_auc": auc, "synthetic_membership_found": share},
    )


def told(one: Membership, *, auc: float, share: float) -> bool:
    """
    Whether members are told from strangers, beyond doubt.

    Of several intervals over few children one misses by chance, so a share found counts with an order above
    guessing only. An order as far below guessing tells strangers from members: they stand in the table.
    """
    return one.auc.low > auc or one.auc.high < 1 - auc or (one.found.low > share and one.auc.low > GUESSING)


GUESSING = 0.5


def criterion(
    what: Text, *, broken: bool, unknown: bool, unsure: bool, limits: Mapping[str, float]
) -> Finding:
    """Whether a criterion is met, in words: a failure first, then what cannot be known, then what is not sure."""
    if broken:
        sentence = Text(
            ja=f"{what.ja}は、検証用のこどもに対するより明らかに多く成功し、基準を超えます。",
            en=f"Attacks ({what.en}) succeed more often than on the control, beyond the limit.",
        )
        return Finding(Verdict.FAIL, sentence, limits=limits, remedy=AGAIN)
    if unknown:
        sentence = Text(
            ja=f"{what.ja}には、こどもが少なく評価できないものがあります。評価できないことは適合ではありません。",
            en=f"Some attacks ({what.en}) cannot be evaluated on so few children; that is not a pass.",
        )
        return Finding(Verdict.REVIEW, sentence, limits=limits, remedy=UNSURE)
    if unsure:
        sentence = Text(
            ja=f"{what.ja}が基準を超えるとはいえませんが、信頼区間の上限が基準を超えます。",
            en=f"Attacks ({what.en}) are not shown to be beyond the limit, but their upper bounds are.",
        )
        return Finding(Verdict.REVIEW, sentence, limits=limits, remedy=UNSURE)
    sentence = Text(
        ja=f"{what.ja}は、信頼区間の上限まで基準以内です。",
        en=f"Attacks ({what.en}) hold the limit, upper bounds too.",
    )
    return Finding(Verdict.PASS, sentence, limits=limits)


def faithful(staged: Synthetic) -> Finding:
    """Whether rare categories, and outcomes in small groups, are still there; a reader's eye where they are not."""
    if staged.fidelity.lost:
        return Finding(
            Verdict.REVIEW,
            Text(
                ja="まれな区分、または小さな集団での割合が半分未満に減った項目があります。",
                en="Some rare categories, or rates in small groups, fell below half.",
            ),
            remedy=Text(
                ja="審査者は評価の数値を確かめてください（workbench release metrics）。これらの分析には匿名化データを使ってください。",
                en="Reviewers should read the metrics ('workbench release metrics'); use anonymised data to study these.",
            ),
        )
    return Finding(
        Verdict.PASS,
        Text(
            ja="まれな区分と小さな集団での割合は保たれています。",
            en="Rare categories and rates in small groups are kept.",
        ),
    )


def plausible(staged: Synthetic) -> Finding:
    """No made row is one that the register says can never be."""
    broken = [one for one in staged.fidelity.implausible if one["synthetic"]]
    if broken:
        return Finding(
            Verdict.REVIEW,
            Text(
                ja=f"台帳の制約 {len(broken)} 件に反する行が作られています（ありえない組合せ）。",
                en=f"Made rows break {len(broken)} constraints of the register: they cannot be.",
            ),
            numbers={"constraints": len(broken)},
            limits={"constraints": 0},
            remedy=AGAIN,
        )
    return Finding(
        Verdict.PASS,
        Text(ja="台帳の制約に反する行はありません。", en="No made row breaks a constraint of the register."),
    )


def rows_of(staged: Synthetic) -> dict[str, int]:
    return {str(part): len(staged.made[part]) for part in PARTS}
