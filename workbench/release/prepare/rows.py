"""
Record-level releases: generalised and suppressed; and, to show why it is refused, merely pseudonymised.

Quasi-identifiers are generalised by the search; every other item is brought to the finest level at which
no category is rare. Coarser columns are preferred to deleted rows, because the rows that would go are
those of the children the programme exists to find.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from workbench.data.register import Item, ItemRole
from workbench.errors import Refused
from workbench.privacy.anonymity import hierarchies as ladders
from workbench.privacy.anonymity import metrics, recipe
from workbench.privacy.anonymity.criteria import Sensitive
from workbench.privacy.anonymity.hierarchies import Hierarchy
from workbench.privacy.anonymity.lattice import Limits
from workbench.privacy.anonymity.search import Anonymised, NoneSatisfies, anonymise
from workbench.privacy.anonymity.transform import relabelled
from workbench.release import measures
from workbench.release.prepare.draft import Draft
from workbench.release.room import public_values
from workbench.release.staged import PART, Rows
from workbench.scoring import recode

KEEP: dict[str, Any] = {"kind": "keep"}
# How often a category that suppression made rare may send us back to coarsen it.
ROUNDS = 6
PARTS_ALONE = ladders.from_rows(PART, [["train", "*"], ["test", "*"]])

Levels = dict[str, int]


@dataclass(frozen=True)
class Generalised:
    """The rows in scope, the search's optimum on them, and which items it took as what."""

    rows: pd.DataFrame
    result: Anonymised
    quasi: list[str]
    fixed: Levels


def anonymised(draft: Draft) -> None:
    """The least generalisation that keeps every limit of the policy, written with its evidence."""
    found = generalised(draft)
    write(draft, found.rows, found.result, quasi=found.quasi, fixed=found.fixed)


def generalised(draft: Draft) -> Generalised:
    """The least generalisation that keeps every limit of the policy; nothing is written."""
    rows = in_scope(draft)
    quasi, others = by_role(draft)
    fixed = {item.name: level for item in others if (level := first_level(draft, item, rows)) is not None}
    for _ in range(ROUNDS):
        result = searched(draft, rows, quasi=quasi, fixed=fixed)
        rare = [name for name in fixed if not common(draft, name, rows[result.kept], level=fixed[name])]
        if not rare:
            return Generalised(rows, result, quasi, fixed)
        fixed = coarser(draft, fixed, rare)
    raise Refused(
        ja="まれな区分を残さずに加工できませんでした。項目を減らすか、階層に粗い段を加えてください。",
        en="No way was found that leaves no rare category; leave items out or add coarser levels.",
    )


def pseudonymised(draft: Draft) -> None:
    """Names replaced by a random code and nothing else: what the checks must recognise and refuse."""
    rows = in_scope(draft)
    people = draft.source[draft.room.person] if draft.room.person else pd.Series(draft.source.index)
    codes = pd.factorize(people)[0]
    order = draft.room.home.generator(f"pseudonyms {draft.release}").permutation(int(codes.max()) + 1)
    frame = rows[[item.name for item in draft.wanted]].copy()
    frame.insert(0, "pseudonym", [f"P{order[code]:07d}" for code in codes[draft.scope]])
    draft.write_parts(frame, origin=draft.scope)
    draft.write_recipe(spec({item.name: KEEP for item in draft.wanted}), levels={})
    draft.write_dictionary(draft.wanted)


def in_scope(draft: Draft) -> pd.DataFrame:
    """The rows of train and test, numbered from 0."""
    return draft.source.iloc[draft.scope].reset_index(drop=True)


def by_role(draft: Draft) -> tuple[list[str], list[Item]]:
    """
    The quasi-identifiers that can be generalised, and the other items.

    A quasi-identifier without a ladder stays out: kept as it is, it would decide every class.
    """
    quasi = [item for item in draft.wanted if item.role is ItemRole.QUASI_IDENTIFIER]
    others = [item for item in draft.wanted if item.role is not ItemRole.QUASI_IDENTIFIER]
    usable = [item.name for item in quasi if ladder(draft, item) is not None]
    if not usable:
        raise Refused(
            ja="一般化できる準識別子がありません。階層ファイルを指定してください（--hierarchies）。",
            en="No quasi-identifier can be generalised; name the folder of hierarchies (--hierarchies).",
        )
    return usable, others


def ladder(draft: Draft, item: Item) -> Hierarchy | None:
    """The item's hierarchy: its file's, else made from its public domain, else none."""
    found = draft.hierarchies.get(item.hierarchy or item.name) or draft.hierarchies.get(item.name)
    if found is not None:
        return found
    values = public_values(item)
    return ladders.from_rows(item.name, [[value, "*"] for value in values]) if values else None


def public_ladder(draft: Draft, item: Item) -> Hierarchy | None:
    """
    The item's hierarchy, where a promise rests on its being public.

    Raises Refused for one that was read off the data: that a code occurs, or where a tenth of the children lies,
    is outside every epsilon.
    """
    found = ladder(draft, item)
    if found is not None and found.origin is not None and not found.origin.public:
        raise Refused(
            ja=f"{item.name} の階層は値から読み取った案のため、差分プライバシーの区分に使えません。区切りを公開の根拠で決め直し、階層のファイルの origin を消すか書き直してください。",
            en=f"The hierarchy of {item.name} was read off the values and cannot be the categories of differential privacy; choose its cuts on public grounds, then remove or rewrite origin in its file.",
        )
    return found


def first_level(draft: Draft, item: Item, rows: pd.DataFrame) -> int | None:
    """The level of the earlier release this one is to be like; else the finest that may be."""
    like = draft.level_like(item.name)
    return finest(draft, item, rows) if like is None else like


def finest(draft: Draft, item: Item, rows: pd.DataFrame) -> int | None:
    """
    The finest level of an item that is no quasi-identifier at which no category is rare; None: leave it out.

    A measured number never leaves as it was measured: it starts at its first band.
    """
    hierarchy = ladder(draft, item)
    if hierarchy is None:
        return None
    lowest = 0 if hierarchy.kind == "table" else 1
    levels = range(lowest, max(hierarchy.height, lowest + 1))
    return next((level for level in levels if common(draft, item.name, rows, level=level)), None)


def common(draft: Draft, name: str, rows: pd.DataFrame, *, level: int) -> bool:
    """Whether every category of the item at this level is held by enough households."""
    labels = relabelled(rows[name], ladder_of(draft, name).recode(level))
    least: int = draft.room.policy["min_category_households"]
    return metrics.smallest_category(labels, households=holders(draft, rows)) >= least


def holders(draft: Draft, rows: pd.DataFrame) -> Any:
    column = draft.room.household or draft.room.person
    return rows.index if column is None else rows[column]


def ladder_of(draft: Draft, name: str) -> Hierarchy:
    found = ladder(draft, draft.table[name])
    if found is None:
        raise RuntimeError("an item without a ladder is left out before this")
    return found


def coarser(draft: Draft, fixed: Levels, rare: Iterable[str]) -> Levels:
    """One level more for each item that became rare; an item at its last useful level is left out."""
    raised = {name: level + (name in set(rare)) for name, level in fixed.items()}
    return {name: level for name, level in raised.items() if level < max(ladder_of(draft, name).height, 1)}


def searched(draft: Draft, rows: pd.DataFrame, *, quasi: list[str], fixed: Levels) -> Anonymised:
    """The optimum of the search, or its refusal."""
    policy = draft.room.policy
    result = anonymise(
        with_part(draft, rows, [*quasi, *fixed]),
        hierarchies=all_ladders(draft, [*quasi, *fixed]),
        quasi_identifiers=[PART, *quasi],
        levels={PART: (0, 0)}
        | {name: (level, level) for name in quasi if (level := draft.level_like(name)) is not None},
        fixed=fixed,
        k=max(draft.k or 0, policy["k_children"]),
        k_households=max(draft.k or 0, policy["k_households"]),
        persons=None if draft.room.person is None else rows[draft.room.person],
        households=None if draft.room.household is None else rows[draft.room.household],
        sensitive=wanted_of(draft, fixed),
        limits=limits(draft, rows),
        progress=draft.progress,
    )
    if isinstance(result, NoneSatisfies):
        raise result.refusal()
    return result


def with_part(draft: Draft, rows: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Columns of the rows in scope, and the part that each is in."""
    return rows[names].assign(**{PART: draft.split.iloc[draft.scope].to_numpy()})


def all_ladders(draft: Draft, names: list[str]) -> dict[str, Hierarchy]:
    return {PART: PARTS_ALONE} | {name: ladder_of(draft, name) for name in names}


def wanted_of(draft: Draft, fixed: Levels) -> dict[str, Sensitive]:
    """What a class must give for each sensitive item, its harmful values as they read after recoding."""
    policy = draft.room.policy
    return {
        name: Sensitive(
            harmful=harmful(draft.table[name], ladder_of(draft, name).recode(level)),
            distinct_l=policy["distinct_l"],
            max_confidence=policy["max_confidence"],
        )
        for name, level in fixed.items()
        if draft.table[name].role is ItemRole.SENSITIVE
    }


def harmful(item: Item, level: Mapping[str, Any]) -> list[str] | None:
    raw = list(item.harmful_values)
    return [str(label) for label in recode.apply(level, raw).to_pylist()] if raw else None


def limits(draft: Draft, rows: pd.DataFrame) -> Limits:
    """Suppression overall, in each policy subgroup and among the positives of each target."""
    targets = [draft.table[target] for target in draft.room.targets]
    groups = measures.masks(rows, subgroups=draft.room.project.subgroups, targets=targets)
    return Limits(
        overall=draft.room.policy["suppression_overall"],
        subgroup=draft.room.policy["suppression_subgroup"],
        subgroups={id_: mask for id_, _, _, mask in groups if mask.any()},
    )


def write(draft: Draft, rows: pd.DataFrame, result: Anonymised, *, quasi: list[str], fixed: Levels) -> None:
    """The bundle and its evidence."""
    released = [name for name in (item.name for item in draft.wanted) if name in {*quasi, *fixed}]
    origin = draft.scope[result.kept]
    draft.write_parts(result.frame[released], origin=origin)
    items = {name: result.spec["items"][name] for name in released}
    levels = {name: {**result.levels, **fixed}[name] for name in released}
    draft.write_recipe(
        spec(items),
        levels={name: (level, ladder_of(draft, name).height) for name, level in levels.items()},
        ladders={name: ladder_of(draft, name) for name in levels},
        search=proof(draft, result),
        steps=recipe.of_search(
            result,
            with_part(draft, rows, released),
            hierarchies=all_ladders(draft, released),
            output=result.frame[[*released, PART]],
            nonce=draft.room.home.entropy(f"recipe {draft.release}").hex(),
        ),
    )
    draft.write_dictionary([item for item in draft.wanted if item.name in set(released)])


def proof(draft: Draft, result: Anonymised) -> dict[str, Any]:
    """What the search says of its optimum: the score, below what none can be, and how much was looked at."""
    return {
        "measure": result.measure.name,
        "score": result.loss,
        "bound": result.bound,
        "gap": result.gap,
        "looked_at": result.looked_at,
        "lattice": result.lattice,
        "k": draft.k,
        "like": draft.like,
    }


def searched_again(rows: Rows) -> Anonymised:
    """The search that made a release, from its evidence: the same source, ladders, split and limits."""
    said = rows.secret["search"]
    draft = Draft(
        rows.room,
        rows.evidence,
        rows.release,
        hierarchies=rows.ladders,
        items=rows.columns,
        k=said["k"],
        like=said["like"],
        again=rows.secret,
    )
    quasi = rows.quasi_identifiers
    fixed = {name: int(level) for name, (level, _) in rows.secret["levels"].items() if name not in quasi}
    return searched(draft, in_scope(draft), quasi=quasi, fixed=fixed)


def spec(items: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {"schema": recode.SCHEMA, "items": {name: dict(item) for name, item in items.items()}}
