"""
What a synthetic release promises a household: the check that it was paid for, and the words in the report.

A promise of differential privacy is worth what the ledger says of it. Without one nothing bounds what the
rows may tell of a single child, and the report says so where nobody can overlook it.
"""

from typing import Any

from workbench.privacy.dp.accounting import Budget as Bound
from workbench.privacy.dp.accounting import holds
from workbench.privacy.dp.ledger import Ledger
from workbench.privacy.dp.loss import Loss
from workbench.privacy.synthesis.synthesisers import SYNTHESISERS
from workbench.release.findings import Finding, Text, Verdict
from workbench.release.staged_synthetic import Synthetic

NONE = Text(
    ja="形式的な保証はありません。差分プライバシーによらない合成データで、特定のこどもの行が現れる最悪の場合を何も制限しません。",
    en="No formal guarantee: made without differential privacy, so nothing bounds what it tells of a single child in the worst case.",
)

PRIVATE_INSTEAD = Text(
    ja="保証が要るなら --method dp-tree で作り直してください。要らないかどうかは審査者が判断します。",
    en="Where a guarantee is needed, prepare it again with --method dp-tree; whether it is, reviewers decide.",
)


def promised(staged: Synthetic) -> Finding:
    """What is promised was charged to the ledger, whole; and a private method makes a promise."""
    promise, private = staged.secret.get("promise"), is_private(staged)
    if not private:
        return Finding(Verdict.REVIEW, NONE, remedy=PRIVATE_INSTEAD)
    if promise is None or not paid(staged, promise):
        return Finding(
            Verdict.FAIL,
            Text(
                ja="約束した差分プライバシーの費用が、プライバシー予算台帳に記帳されていません。",
                en="The ledger was not charged what the promised differential privacy costs.",
            ),
            remedy=Text(
                ja="workbench release submit --protection synthetic で作り直してください。",
                en="Prepare it again with 'workbench release submit --protection synthetic'.",
            ),
        )
    return Finding(Verdict.PASS, said(staged, promise), numbers={"epsilon": float(promise["epsilon"])})


def is_private(staged: Synthetic) -> bool:
    method = SYNTHESISERS.get(staged.secret.get("method", ""))
    return method is not None and method.is_private


def paid(staged: Synthetic, promise: dict[str, Any]) -> bool:
    """Whether the ledger has the loss, and the loss is within the ε and δ that are promised."""
    loss = Loss.from_json(promise["loss"])
    wanted = Loss.approximate(float(promise["epsilon"]), float(promise["delta"]))
    charged = Ledger(staged.room.state).losses(promise["dataset"], analyst=f"release:{release_of(staged)}")
    return charged[loss] > 0 and holds(Bound(wanted.micro, 3 * wanted.femto), {loss: 1})


def release_of(staged: Synthetic) -> str:
    return str(staged.secret["release"])


UNITS = {"household": Text(ja="世帯", en="a household"), "person": Text(ja="こども一人", en="a child")}


def said(staged: Synthetic, promise: dict[str, Any]) -> Text:
    epsilon, delta, most = promise["epsilon"], promise["delta"], promise["rows_per_household"]
    unit = UNITS["household" if staged.room.household else "person"]
    return Text(
        ja=f"差分プライバシー ε={epsilon}、δ={delta}（保護の単位は{unit.ja}、一つの単位につき {most} 行まで学習）。費用は台帳に記帳されています。",
        en=f"Differentially private: ε={epsilon}, δ={delta}, for {unit.en}, of which at most {most} rows are learnt from. The ledger was charged.",
    )


def guarantee(staged: Synthetic) -> dict[str, Any]:
    """What the report shows of the promise: `none` is shown in red."""
    promise, name = staged.secret.get("promise"), str(staged.secret.get("method"))
    method = SYNTHESISERS.get(name)
    about = Text(ja=method.ja, en=method.en) if method else Text(ja=name, en=name)
    return {
        "method": name,
        "about": about.to_json(),
        "kind": "differential_privacy" if promise and is_private(staged) else "none",
        "sentence": sentence(staged).to_json(),
    }


def sentence(staged: Synthetic) -> Text:
    """The promise, or that there is none."""
    promise = staged.secret.get("promise")
    return said(staged, promise) if promise and is_private(staged) else NONE
