"""
The rules of review: each gives its reason or None; the workflow raises it, a page shows it.

The rule of admission itself stands with the votes it counts (`votes.why_not_admit`).
"""

from workbench.errors import Refused
from workbench.policy import Policy
from workbench.release.findings import Finding, Verdict
from workbench.release.moves import LABELS, State
from workbench.release.requests import Request


def why_not_vote(request: Request, *, person: str) -> Refused | None:
    """Why this person's vote on this request is not taken now."""
    if request.author == person:
        return Refused(
            ja=f"申請者本人は申請 {request.id} に投票できません。ほかの審査者に依頼してください。",
            en=f"The author does not vote on request {request.id}; ask other reviewers.",
        )
    if request.state is not State.IN_REVIEW:
        ja, en = LABELS[request.state]
        return Refused(
            ja=f"申請 {request.id} は「{ja}」のため投票できません。投票は審査中の申請に限ります。",
            en=f"Request {request.id} is {en}; votes are taken while a request is in review.",
        )
    return None


def why_not_count(request: Request, *, report: str, cast_at: str, standing: str | None) -> Refused | None:
    """Why a signed vote does not count: it is about another report, or older than the vote that stands."""
    if report != request.report:
        return Refused(
            ja=f"申請 {request.id} の報告書は、投票された時点のものから変わっています。新しい報告書を読んで投票し直してください。",
            en=f"The report of request {request.id} has changed since this vote; read the new report and vote again.",
        )
    # Without this, whoever kept an earlier envelope could put a withdrawn vote back.
    if standing is not None and cast_at <= standing:
        return Refused(
            ja=f"申請 {request.id} には、同じ人のより新しい投票があります。",
            en=f"Request {request.id} has a later vote of the same person.",
        )
    return None


def why_not_under(policy: str, *, request: Request) -> Refused | None:
    """Why a report made under another policy does not admit."""
    if request.policy == policy:
        return None
    return Refused(
        ja=f"申請 {request.id} の確認の後に方針が変わりました。workbench release report {request.id} で確認をやり直してください。",
        en=f"The policy has changed since request {request.id} was checked; run 'workbench release report {request.id}' again.",
    )


def refused_by(finding: Finding) -> Refused:
    """A failed finding as a refusal: what is wrong, and what to do."""
    remedy = finding.remedy or finding.sentence
    return Refused(ja=f"{finding.sentence.ja}{remedy.ja}", en=f"{finding.sentence.en} {remedy.en}")


def why_not_unseen(finding: Finding, *, said: Verdict, request: Request) -> Refused | None:
    """Why a finding that needs a judgement does not admit on a report that did not show it."""
    if said is finding.verdict:
        return None
    return Refused(
        ja=f"申請 {request.id} の確認の後に、ほかの公開が受け入れられました。審査者の判断が要ります：{finding.sentence.ja}workbench release report {request.id} で確認をやり直し、投票し直してください。",
        en=f"Another release was admitted since request {request.id} was checked, and reviewers must judge: {finding.sentence.en} Run 'workbench release report {request.id}' again and vote again.",
    )


def why_not_change(method: str, *, policy: Policy) -> Refused | None:
    """Why the policy does not let a table be changed by a method; `method` is the flag that allows it."""
    if policy[method] is True:
        return None
    label = policy.thresholds[method].label
    return Refused(
        ja=f"基準 {method}（{label['ja']}）は、いまの方針で認められていません。別の加工を選ぶか、根拠を添えて方針を変えてください（workbench policy adopt）。",
        en=f"The policy does not have {method} ({label['en']}); choose another method, or adopt a policy with its "
        "grounds (workbench policy adopt).",
    )
