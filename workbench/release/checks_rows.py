"""
Checks on what rows disclose together: class sizes, diversity, suppression and whom it hit, rare categories.

They bear on Rule 62 nos. 4 and 5 and on the three questions of WP29. Numbers meet the policy here.
"""

from collections.abc import Callable
from typing import Any

from workbench.privacy.anonymity import metrics
from workbench.privacy.anonymity import second_opinion as independent
from workbench.privacy.anonymity.spread import Spread
from workbench.release import measures
from workbench.release.findings import Finding, Text, Verdict
from workbench.release.plots import percent
from workbench.release.room import Room
from workbench.release.staged import PART, Rows
from workbench.release.together import Floor

COARSER = Text(
    ja="項目をさらに粗くするか（階層の段を上げる）、項目を減らして作り直してください。",
    en="Generalise further (a higher level of the hierarchy) or leave items out, and prepare again.",
)


def judged(
    holds: bool,
    *,
    sentence: Text,
    numbers: dict[str, Any],
    limits: dict[str, Any],
    remedy: Text = COARSER,
) -> Finding:
    """A pass when the number holds its limit, else a failure with its remedy."""
    return Finding(Verdict.PASS if holds else Verdict.FAIL, sentence, numbers, limits, remedy)


def floor(room: Room) -> Floor:
    """What the policy asks of a class, in one release and in several together."""
    policy = room.policy
    return Floor(
        k_children=policy["k_children"],
        k_households=policy["k_households"],
        distinct_l=policy["distinct_l"],
        max_confidence=policy["max_confidence"],
    )


def k_children(rows: Rows) -> Finding:
    """The smallest class in distinct children, in the worse of both readings of missing values."""
    least = floor(rows.room).k_children
    other = None if rows.wildcard is None else metrics.smallest(rows.wildcard.children)
    k = worse(metrics.k_children(rows.classes), other)
    said = both_readings(other, ja="人", en="children")
    return judged(
        k >= least,
        sentence=Text(
            ja=f"準識別子 {len(rows.quasi_identifiers)} 項目の組合せで、最も小さい群は {k} 人です（基準 {least} 人以上）。{said.ja}",
            en=f"Over {len(rows.quasi_identifiers)} quasi-identifiers the smallest class holds {k} children ({least} or more required).{said.en}",
        ),
        numbers={"k_children": k, "quasi_identifiers": list(rows.quasi_identifiers), **read_as_any(other)},
        limits={"k_children": least},
    )


def worse(own: int, other: int | None) -> int:
    return own if other is None else min(own, other)


def read_as_any(other: int | None) -> dict[str, int]:
    """The number if a missing value could be any; nothing where none is missing."""
    return {} if other is None else {"if_missing_could_be_any": other}


def both_readings(other: int | None, *, ja: str, en: str) -> Text:
    """What the other reading of missing values gives, in a sentence; nothing where none is missing."""
    if other is None:
        return Text(ja="", en="")
    return Text(
        ja=f"欠損は一つの区分と数えました。どの値でもありうると読めば {other} {ja}です（悪い方で判定）。",
        en=f" A missing value is a category of its own; if it could be any value it would be {other} {en} (the worse is judged).",
    )


def k_households(rows: Rows) -> Finding:
    """The smallest class in distinct households: siblings are no crowd to hide in."""
    least = floor(rows.room).k_households
    if rows.classes.households is None:
        return Finding(
            Verdict.PASS,
            Text(
                ja="この表には世帯の項目がないため、人数での確認だけを行いました。",
                en="The table names no household; k was counted in children only.",
            ),
            numbers={"k_households": None},
            limits={"k_households": least},
        )
    wild = None if rows.wildcard is None else rows.wildcard.households
    other = None if wild is None else metrics.smallest(wild)
    k = worse(metrics.k_households(rows.classes), other)
    said = both_readings(other, ja="世帯", en="households")
    return judged(
        k >= least,
        sentence=Text(
            ja=f"最も小さい群は {k} 世帯です（基準 {least} 世帯以上）。{said.ja}",
            en=f"The smallest class holds {k} households ({least} or more required).{said.en}",
        ),
        numbers={"k_households": k, **read_as_any(other)},
        limits={"k_households": least},
    )


def suppression_overall(rows: Rows) -> Finding:
    """The share of rows in scope that were left out."""
    left, most = measures.suppression(rows), rows.room.policy["suppression_overall"]
    return judged(
        left.rate <= most,
        sentence=Text(
            ja=f"全体の {percent(left.rate)} の行が削除されました（上限 {percent(most)}）。",
            en=f"{percent(left.rate)} of all rows were suppressed (limit {percent(most)}).",
        ),
        numbers={"suppression_overall": round(left.rate, 4)},
        limits={"suppression_overall": most},
    )


def suppression_subgroup(rows: Rows) -> Finding:
    """
    The same in each policy subgroup and among the positives of each target.

    An average hides who is left out: at 3 % overall a third of the single-parent children can be missing.
    """
    most = rows.room.policy["suppression_subgroup"]
    groups = measures.suppression_by_group(rows)
    over = [group for group in groups if group.rate > most]
    worst = max(groups, key=lambda group: group.rate, default=None)
    numbers = {
        "suppression_subgroup": round(worst.rate, 4) if worst else 0.0,
        "groups": len(groups),
        "over": [group.id for group in over],
    }
    if not over:
        return Finding(
            Verdict.PASS,
            Text(
                ja=f"{len(groups)} の部分集団と困難の該当者のどれも、削除は {percent(most)} 以下です。",
                en=f"In none of {len(groups)} subgroups and targets' positives more than {percent(most)} are suppressed.",
            ),
            numbers=numbers,
            limits={"suppression_subgroup": most},
        )
    ja = "、".join(f"「{group.label.ja}」{percent(group.rate)}" for group in over)
    en = ", ".join(f"'{group.label.en}' {percent(group.rate)}" for group in over)
    return Finding(
        Verdict.FAIL,
        Text(
            ja=f"次の集団で削除が上限 {percent(most)} を超えています：{ja}。平均の陰で、見つけたいこどもが消えます。",
            en=f"Suppression is over the limit of {percent(most)} in: {en}. Behind the average, the children to be found are missing.",
        ),
        numbers=numbers,
        limits={"suppression_subgroup": most},
        remedy=Text(
            ja="行を削除する代わりに項目をさらに粗くして作り直してください。",
            en="Generalise items further instead of suppressing rows, and prepare again.",
        ),
    )


def over_sensitive(rows: Rows, measure: Callable[[Spread], Any]) -> dict[str, Any]:
    """A metric of each sensitive item over the classes."""
    return {
        item: measure(Spread.of(rows.classes, rows.released[item], harmful=rows.harmful(item)))
        for item in rows.sensitive
    }


def distinct_l(rows: Rows) -> Finding:
    """The fewest distinct values of a sensitive item in a class where a harmful one occurs."""
    least = floor(rows.room).distinct_l
    found = {
        name: value for name, value in over_sensitive(rows, metrics.distinct_l).items() if value is not None
    }
    under = [name for name, value in found.items() if value < least]
    smallest = min(found.values(), default=None)
    return judged(
        not under,
        sentence=Text(
            ja=f"機微な {len(rows.sensitive)} 項目のうち {len(under)} 項目に、全員の値が分かる群があります（基準 l={least} 以上）。"
            if under
            else f"機微な {len(rows.sensitive)} 項目のどれにも、全員の値が分かる群はありません（l={_shown(smallest)}、基準 {least} 以上）。",
            en=f"{len(under)} of {len(rows.sensitive)} sensitive items have a class in which everybody's value is told (l of {least} required)."
            if under
            else f"None of {len(rows.sensitive)} sensitive items has a class in which everybody's value is told (l = {_shown(smallest)}, {least} required).",
        ),
        numbers={"distinct_l": smallest, "items": found, "under": under},
        limits={"distinct_l": least},
    )


def _shown(value: int | None) -> str:
    return "–" if value is None else str(value)


def max_confidence(rows: Rows) -> Finding:
    """The surest guess of a harmful value in any class."""
    most = floor(rows.room).max_confidence
    found = {name: round(value, 4) for name, value in over_sensitive(rows, metrics.max_confidence).items()}
    over = [name for name, value in found.items() if value > most]
    highest = max(found.values(), default=0.0)
    return judged(
        not over,
        sentence=Text(
            ja=f"群から機微な値を言い当てられる確率は最大 {percent(highest)} です（上限 {percent(most)}）。"
            + (f"超えた項目：{', '.join(over)}。" if over else ""),
            en=f"A harmful value can be guessed from the class with at most {percent(highest)} certainty (limit {percent(most)})."
            + (f" Over it: {', '.join(over)}." if over else ""),
        ),
        numbers={"max_confidence": highest, "items": found, "over": over},
        limits={"max_confidence": most},
    )


def t_closeness(rows: Rows) -> Finding:
    """Reported for the reviewers, not enforced."""
    guide = rows.room.policy["t_report"]
    found = {name: round(value, 4) for name, value in over_sensitive(rows, metrics.t_closeness).items()}
    largest = max(found.values(), default=0.0)
    return Finding(
        Verdict.PASS,
        Text(
            ja=f"参考値：機微な項目の分布と全体の分布の差（t）は最大 {largest:.2f} です（目安 {guide}、合否には用いません）。",
            en=f"For reference: classes differ from the table by at most t = {largest:.2f} (guide {guide}; not enforced).",
        ),
        numbers={"t": largest, "items": found},
        limits={"t_report": guide},
    )


def rare_categories(rows: Rows) -> Finding:
    """No category of any column is held by fewer households than the policy asks."""
    least = rows.room.policy["min_category_households"]
    holders = rows.released.index if rows.households is None and rows.persons is None else _holders(rows)
    found = {
        name: metrics.smallest_category(rows.released[name], households=holders) for name in rows.columns
    }
    rare = [name for name, count in found.items() if count < least]
    return judged(
        not rare,
        sentence=Text(
            ja=f"{least} 世帯未満の区分がある列：{', '.join(rare)}。"
            if rare
            else f"どの列のどの区分も {least} 世帯以上にあります（最少 {min(found.values(), default=0)}）。",
            en=f"Columns with a category of fewer than {least} households: {', '.join(rare)}."
            if rare
            else f"Every category of every column is held by {least} households or more (fewest {min(found.values(), default=0)}).",
        ),
        numbers={"smallest_category": min(found.values(), default=0), "rare": rare},
        limits={"min_category_households": least},
        remedy=Text(
            ja="その列の区分をまとめる（階層の段を上げる）か、列を外して作り直してください。",
            en="Merge the categories of these columns (a higher level) or leave the columns out, and prepare again.",
        ),
    )


def _holders(rows: Rows) -> Any:
    return rows.households if rows.households is not None else rows.persons


def second_opinion(rows: Rows) -> Finding:
    """
    k and distinct l counted again by pycanon on the same table; a disagreement is no release.

    Two programs that differ mean that one of them is wrong, and we cannot know which from here.
    """
    ours = our_opinion(rows)
    theirs = their_opinion(rows)
    differing = sorted(name for name in ours if ours[name] != theirs.get(name))
    shown = f"k={ours['k_children']}"
    return judged(
        not differing,
        sentence=Text(
            ja=f"独立した計算（pycanon）と {len(differing)} 個の値が食い違いました：{', '.join(differing)}。"
            if differing
            else f"独立した計算（pycanon）でも、{shown} をはじめ {len(ours)} 個の値がすべて一致しました。",
            en=f"The independent count (pycanon) differs in {len(differing)} numbers: {', '.join(differing)}."
            if differing
            else f"An independent count (pycanon) agrees in all {len(ours)} numbers, {shown} among them.",
        ),
        numbers={"ours": ours, "theirs": theirs, "differing": differing},
        limits={"differing": 0},
        remedy=Text(
            ja="公開せず、開発者と監査責任者に知らせて、どちらの計算が誤っているかを確かめてください。",
            en="Do not release; tell the developers and the auditor, and find out which count is wrong.",
        ),
    )


def our_opinion(rows: Rows) -> dict[str, int | None]:
    """k in children and in households, and distinct l of each sensitive item, as we count."""
    homes = rows.classes.households
    counted = {
        "k_children": metrics.k_children(rows.classes),
        "k_households": None if homes is None else metrics.k_households(rows.classes),
    }
    return counted | {f"l {item}": count for item, count in over_sensitive(rows, metrics.distinct_l).items()}


def their_opinion(rows: Rows) -> dict[str, int | None]:
    """The same as pycanon counts."""
    asked = independent.second_opinion(
        rows.released,
        quasi_identifiers=[PART, *rows.quasi_identifiers],
        sensitive={item: rows.harmful(item) for item in rows.sensitive},
        persons=rows.persons,
        households=rows.households,
    )
    counted = {"k_children": asked.k_children, "k_households": asked.k_households}
    return counted | {f"l {item}": count for item, count in asked.distinct_l.items()}
