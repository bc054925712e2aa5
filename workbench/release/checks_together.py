"""
Checks on what a release tells together with those that left before it (`together`).

No release is judged alone: two of five in each class can leave one household when they are joined. The
limits are those of a single release. Rows are joined with rows; tables add up their budgets; synthetic rows
stand for nobody, and it is counted how often the same children were trained on.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from workbench.privacy.dp.questions import MICRO
from workbench.release import together
from workbench.release.checks_rows import floor
from workbench.release.findings import Finding, Text, Verdict
from workbench.release.plots import percent
from workbench.release.requests import Request
from workbench.release.room import Room
from workbench.release.staged import Rows
from workbench.release.staged_synthetic import Synthetic
from workbench.release.staged_tables import Tables
from workbench.release.together import RECORD_LEVEL, Composed, Floor

# How an earlier release counts for the new one.
JOINED, UNTRACED, NOISE, SYNTHETIC = "joined", "untraced", "noise", "synthetic"
HOW = {"dp_tables": NOISE, "synthetic": SYNTHETIC}
ROWS = "rows"


def rows(new: Rows) -> Finding:
    """Among how many each child still hides when every release that holds rows of the same people is known."""
    limits = floor(new.room)
    known = [(one, past(one, new=new)) for one in together.left(new.room, asked=new.asked, past=new.past)]
    joint = [earlier for _, earlier in known if earlier is not None and earlier.key == new.key]
    pairs = [together.composed(new, [earlier], floor=limits) for earlier in joint]
    whole = pairs[0] if len(pairs) == 1 else together.composed(new, joint, floor=limits) if pairs else None
    numbers = {
        "k_together": whole.k_children if whole else None,
        "k_households_together": whole.k_households if whole else None,
        "isolated": whole.isolated if whole else 0,
        "over_years": whole.over_years if whole else None,
        "too_telling": whole.too_telling(limits) if whole else [],
        "earlier": [listed(one, earlier, new=new, pairs=pairs) for one, earlier in known],
    }
    return judged(new, whole, pairs=pairs, joint=joint, limits=limits, numbers=numbers)


def past(request: Request, *, new: Rows) -> Rows | None:
    """An earlier release of rows; None for tables and synthetic data, which hold none."""
    return together.released(request, room=new.room) if request.protection in RECORD_LEVEL else None


def how(request: Request, earlier: Rows | None, *, new: Rows) -> str:
    """How an earlier release counts."""
    if earlier is None:
        return HOW[request.protection]
    # Two columns of two tables may name the same children by other codes: only one column tells.
    return JOINED if earlier.key == new.key else UNTRACED


def listed(request: Request, earlier: Rows | None, *, new: Rows, pairs: Sequence[Composed]) -> dict[str, Any]:
    """One earlier release as the report lists it."""
    name = f"{request.name}@{request.version}"
    pair = next((one for one in pairs if one.earlier == (name,)), None)
    return {
        "release": name,
        "request": request.id,
        "manifest": request.manifest,
        "protection": request.protection,
        "how": how(request, earlier, new=new),
        "people": shown(pair, least=new.room.smallest_cell) if pair else None,
        "k_children": pair.k_children if pair else None,
        "k_households": pair.k_households if pair else None,
    }


def shown(pair: Composed, *, least: int) -> int | None:
    """How many children both releases hold, unless that, or the rest, would point at a few."""
    parts = (pair.people, pair.of - pair.people)
    return None if any(0 < part < least for part in parts) else pair.people


def judged(
    new: Rows,
    whole: Composed | None,
    *,
    pairs: Sequence[Composed],
    joint: Sequence[Rows],
    limits: Floor,
    numbers: dict[str, Any],
) -> Finding:
    """The finding: refused with the names of those that do not go together, or what remains."""
    held = {"k_children": limits.k_children, "k_households": limits.k_households}
    untraced = [one["release"] for one in numbers["earlier"] if one["how"] == UNTRACED]
    guilty = [pair for pair in pairs if not pair.holds(limits)]
    if whole is not None and (guilty or not whole.holds(limits)):
        return refused(new, guilty[0] if guilty else whole, joint=joint, limits=limits, numbers=numbers)
    if untraced:
        return Finding(Verdict.REVIEW, cannot_tell(untraced), numbers, held, UNTRACED_REMEDY)
    if whole is None:
        return Finding(Verdict.PASS, NOTHING_YET, numbers, held)
    if whole.over_years:
        return Finding(Verdict.REVIEW, over_years(new, whole, limits), numbers, held, OVER_YEARS_REMEDY)
    return Finding(Verdict.PASS, remains(whole, limits), numbers, held)


NOTHING_YET = Text(
    ja="同じ人々の行を含む公開は、ほかにありません。",
    en="No other release holds rows of the same people.",
)
UNTRACED_REMEDY = Text(
    ja="審査者は、両方に同じ人が含まれるかどうかを確かめて判断してください。人を示す列を事業計画（person）に書けば、次からは数えられます。",
    en="Reviewers must find out whether both hold the same people. With a column that names the person in the charter it can be counted.",
)
OVER_YEARS_REMEDY = Text(
    ja="公開した列に同じこどもの年度をつなぐ符号はありません。審査者は、複数年を知る人がいることを踏まえて判断してください。地域や世帯の区分を粗くすると減ります。",
    en="No released column joins a child's years. Reviewers must judge it, knowing that somebody may know several years; coarser areas or household types make it fewer.",
)


def cannot_tell(names: Sequence[str]) -> Text:
    said = ", ".join(names)
    return Text(
        ja=f"{said} と同じ人が含まれるかどうかを、この室の記録では確かめられません（両方に共通の、人を示す列がありません）。",
        en=f"Whether {said} holds the same people cannot be told from this room's records: no column names the person in both.",
    )


def remains(whole: Composed, limits: Floor) -> Text:
    ja, en = left_over(whole)
    names = ", ".join(whole.earlier)
    return Text(
        ja=f"先に公開した {names} と合わせても、最も小さい群は {ja}です（基準 {limits.k_children} 人・{limits.k_households} 世帯以上）。",
        en=f"Joined with {names}, released before, the smallest class still holds {en} ({limits.k_children} children and {limits.k_households} households required).",
    )


def left_over(one: Composed) -> tuple[str, str]:
    """k of a join in words."""
    if one.k_households is None:
        return f"{one.k_children} 人", f"{one.k_children} children"
    return (
        f"{one.k_children} 人・{one.k_households} 世帯",
        f"{one.k_children} children of {one.k_households} households",
    )


def over_years(new: Rows, whole: Composed, limits: Floor) -> Text:
    names = ", ".join(whole.earlier)
    return Text(
        ja=f"同じ年度の行どうしでは基準を満たします。同じこどもの複数年の値をすべて知る人には、{new.release} と {names} を合わせることで、{whole.over_years:,} 人が {limits.k_children} 人・{limits.k_households} 世帯未満に絞り込まれます。",
        en=f"Rows of the same year hold the limits. To somebody who knows a child in several years, {new.release} and {names} together leave {whole.over_years:,} children in a crowd of fewer than {limits.k_children} children or {limits.k_households} households.",
    )


def refused(
    new: Rows, bad: Composed, *, joint: Sequence[Rows], limits: Floor, numbers: dict[str, Any]
) -> Finding:
    """The failure that names both releases, what is left when they are joined, and the least change."""
    return Finding(
        Verdict.FAIL,
        isolating(new, bad, limits) if bad.isolated else telling(new, bad, limits),
        {**numbers, "with": list(bad.earlier)},
        {
            "k_children": limits.k_children,
            "k_households": limits.k_households,
            "distinct_l": limits.distinct_l,
            "max_confidence": limits.max_confidence,
        },
        instead(new, [earlier for earlier in joint if earlier.release in bad.earlier]),
    )


def isolating(new: Rows, bad: Composed, limits: Floor) -> Text:
    ja, en = left_over(bad)
    names = ", ".join(bad.earlier)
    how_ja = "一方だけに含まれることの差し引きを含みます" if bad.difference else "両方の群の重なりによります"
    how_en = (
        "partly by being in one and not in the other" if bad.difference else "by the overlap of their classes"
    )
    return Text(
        ja=f"{new.release} を、先に公開した {names} と合わせると、{bad.isolated:,} 人のこどもが最も小さくて {ja}の群に絞り込まれます（{how_ja}。基準 {limits.k_children} 人・{limits.k_households} 世帯以上）。",
        en=f"Joined with {names}, released before, {new.release} isolates {bad.isolated:,} children, down to {en}, {how_en} ({limits.k_children} children and {limits.k_households} households required).",
    )


def telling(new: Rows, bad: Composed, limits: Floor) -> Text:
    items, names = bad.too_telling(limits), ", ".join(bad.earlier)
    return Text(
        ja=f"{new.release} を、先に公開した {names} と合わせると、機微な項目 {', '.join(items)} の値が分かりすぎる群ができます（基準 l={limits.distinct_l} 以上、確率 {percent(limits.max_confidence)} 以下）。",
        en=f"Joined with {names}, released before, {new.release} tells too much of {', '.join(items)} in some classes (l of {limits.distinct_l}, certainty of at most {percent(limits.max_confidence)} required).",
    )


def instead(new: Rows, earlier: Sequence[Rows]) -> Text:
    """The least change: what the earlier release did already."""
    levels = "; ".join(f"{one.release}: {level_list(one)}" for one in earlier)
    command = how_to_be_like(new, earlier[0])
    return Text(
        ja=f"先の公開と同じ項目を同じ段で作り直すか{command}、この申請を取り下げてください。先の公開の段：{levels}。失効させても、既に知られたことは消えません。",
        en=f"Prepare it with the same items at the same levels{command}, or withdraw it. The levels were {levels}. Revoking the earlier one does not make it unknown.",
    )


def how_to_be_like(new: Rows, earlier: Rows) -> str:
    """The command, where there is one: only a release of the same project can be asked for again."""
    same = earlier.room.project.purpose == new.room.project.purpose
    return f" (workbench release submit --like {earlier.release})" if same else ""


def level_list(rows: Rows) -> str:
    quasi = set(rows.quasi_identifiers)
    return ", ".join(f"{item} {level}" for item, (level, _) in rows.secret["levels"].items() if item in quasi)


# ------------------------------------------------------------------ tables and synthetic rows


def tables(staged: Tables) -> Finding:
    """
    What all questions and tables about the same people cost together, over all their ledgers.

    Within a ledger the losses are composed; the ledgers' epsilons add up, for they are about the same people
    (Dwork and Roth, "The algorithmic foundations of differential privacy" (2014), theorem 3.14). Subtracting
    one table from another is covered by it.
    """
    until = staged.asked.report if staged.asked and staged.past is not None else None
    spent, most = together.spent(staged.room, until=until), staged.room.policy["epsilon_total"]
    total = sum(spent.values()) / MICRO
    numbers = {
        "epsilon": total,
        "ledgers": {name: micro / MICRO for name, micro in spent.items()},
        "earlier": others(staged.room, asked=staged.asked, past=staged.past),
    }
    return Finding(
        Verdict.PASS if total <= most else Verdict.FAIL,
        Text(
            ja=f"同じ人々についての質問と表の費用は、合わせて ε={total:g} です（上限 {most:g}、台帳 {len(spent)} 件）。表どうしの差し引きも、この費用に含まれます。",
            en=f"All questions and tables about the same people cost ε={total:g} together (limit {most:g}, {len(spent)} ledgers). Subtracting one table from another is covered by it.",
        ),
        numbers,
        {"epsilon_total": most},
        Text(
            ja="この申請を取り下げ、次の年度の予算で作り直してください。使った予算は戻りません。",
            en="Withdraw it and prepare it again under the next year's budget; what was spent is not given back.",
        ),
    )


def synthetic(staged: Synthetic) -> Finding:
    """How many releases of synthetic rows were trained on the same children, and how often on one child."""
    known = together.left(staged.room, asked=staged.asked, past=staged.past)
    trained = [together.trained(one, room=staged.room) for one in known if one.protection == "synthetic"]
    mine = staged.trained
    times = Counter(person for key, persons in [mine, *trained] if key == mine[0] for person in persons)
    most = max((times[person] for person in mine[1]), default=0)
    numbers = {"trainings": most, "earlier": others(staged.room, asked=staged.asked, past=staged.past)}
    return Finding(
        Verdict.PASS,
        Text(
            ja=f"合成データの行は実在の人の行ではないため、ほかの公開の行とは突合しません。学習に使うのは、同じこどもについて最大 {most} 回目です。最悪の場合の漏れは、学習のたびに足し合わさります。",
            en=f"Synthetic rows stand for nobody and are not joined with the rows of other releases. The same child is trained on for at most the {most}. time; what leaks at worst adds up with each.",
        ),
        numbers,
    )


def others(room: Room, *, asked: Request | None, past: Sequence[str] | None) -> list[dict[str, Any]]:
    """The earlier releases as a release without rows lists them."""
    return [
        {
            "release": f"{one.name}@{one.version}",
            "request": one.id,
            "manifest": one.manifest,
            "protection": one.protection,
            "how": HOW.get(one.protection, ROWS),
            "people": None,
            "k_children": None,
            "k_households": None,
        }
        for one in together.left(room, asked=asked, past=past)
    ]
