"""
Anonymising a table: the least generalisation that leaves every class safe, and few rows suppressed anywhere.

The answer is either the table at the optimum, or the nearest node with the limits it breaks, so that the
caller can say what to do instead. Nothing is released here and no policy is read: every number is handed in.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.errors import Refused, Unusable, Usage
from workbench.privacy.anonymity.best_first import BestFirst
from workbench.privacy.anonymity.classes import Classes, Who, categories, require_columns
from workbench.privacy.anonymity.compact import Compact, hierarchy_of
from workbench.privacy.anonymity.criteria import Criteria, Sensitive
from workbench.privacy.anonymity.hierarchies import Hierarchy
from workbench.privacy.anonymity.lattice import (
    LARGEST_LATTICE,
    OVERALL,
    Excess,
    Limits,
    Progress,
    Search,
    Stop,
    Verdict,
    within,
)
from workbench.privacy.anonymity.measures import Measure, Score
from workbench.privacy.anonymity.models import Model
from workbench.privacy.anonymity.transform import recoded, spec_of

# A measure that does not see suppression may not suppress more than this share of the table.
BLIND = 0.5
# A lattice too large to be written out is searched this long, unless the caller says when to stop.
PATIENCE = 60.0


@dataclass(frozen=True)
class Suppressed:
    """How many rows of a group were suppressed, of how many."""

    rows: int
    of: int

    @property
    def share(self) -> float:
        return self.rows / self.of if self.of else 0.0


@dataclass(frozen=True)
class Anonymised:
    """
    The table at the optimum.

    `frame` has the retained rows in their order, numbered anew, without the columns of persons and
    households. `kept` marks them among the rows that came in. `classes` is measured on `frame` itself.

    `score` is what the measure gives: a number, or the items' losses in falling order for the aggregate
    "rank", of which `loss` is the first. `losses` is by item, empty for a measure of the table. No node
    that keeps the limits scores below `bound`; it is the score where the search was not stopped early.
    """

    frame: pd.DataFrame
    kept: NDArray[np.bool_]
    levels: Mapping[str, int]
    heights: Mapping[str, int]
    spec: Mapping[str, Any]
    loss: float
    losses: Mapping[str, float]
    classes: Classes
    suppressed: Mapping[str, Suppressed]
    criteria: Criteria
    limits: Limits
    looked_at: int
    lattice: int
    score: Score
    measure: Measure
    models: tuple[Model, ...]
    bound: float
    seconds: float

    @property
    def gap(self) -> float:
        """How far the score may be from the optimum; 0 where it is proved to be the optimum."""
        return max(self.loss - self.bound, 0.0)


@dataclass(frozen=True)
class NoneSatisfies:
    """
    No node keeps every limit. The nearest one looked at, and the limits it breaks, worst first.

    Not `proved` where the search was stopped before it had seen enough.
    """

    levels: Mapping[str, int]
    broken: tuple[Excess, ...]
    suppressed: Mapping[str, Suppressed]
    looked_at: int
    lattice: int
    proved: bool = True

    def refusal(self) -> Refused:
        """The sentence for a person: which limit, by how much, and what to do."""
        worst = self.broken[0]
        group = "全体" if worst.group == OVERALL else worst.group
        return Refused(
            ja=f"どの一般化でも抑制の上限を守れません。最も近いもので「{group}」の抑制が {worst.share:.1%}"
            f"（上限 {worst.limit:.1%}）です。準識別子を減らすか、階層に粗い段を加えてください。",
            en=f"No generalisation keeps the limits on suppression: the nearest suppresses {worst.share:.1%} of "
            f"'{worst.group}', where {worst.limit:.1%} is allowed. Leave out a quasi-identifier, or add a coarser "
            "level to a hierarchy.",
        )


def anonymise(
    frame: pd.DataFrame,
    *,
    hierarchies: Mapping[str, Hierarchy],
    quasi_identifiers: Sequence[str],
    limits: Limits,
    k: int | None = None,
    k_households: int | None = None,
    models: Sequence[Model] = (),
    measure: Measure | str = "loss",
    persons: Who | None = None,
    households: Who | None = None,
    sensitive: Mapping[str, Sensitive] | None = None,
    levels: Mapping[str, tuple[int, int]] | None = None,
    fixed: Mapping[str, int] | None = None,
    population: pd.DataFrame | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
    start: Mapping[str, int] | None = None,
) -> Anonymised | NoneSatisfies:
    """
    The node of least information loss whose retained classes each have `k` children, `k_households` (k unless
    given) distinct households, and what `sensitive` and `models` ask, with suppression within `limits`.

    `levels` narrows a quasi-identifier to (lowest, highest). `fixed` generalises another item to one level
    before anything is measured; harmful values are named as they read then. `population` is the table of
    k-map, a row a person. `progress` is told after each node, `stop` asked before it; `start` is the node
    an earlier, stopped search had come to. A lattice that cannot be written out is searched for a minute.

    Raises Refused where k is larger than the table, where nothing would be left, and where a measure that
    does not see suppression would suppress most of the table.
    """
    began = time.monotonic()
    table, people, homes = apart(frame, persons=persons, households=households)
    prepared = at_fixed_levels(table, hierarchies=hierarchies, fixed=fixed or {})
    criteria = Criteria(
        k=k or 1, households=(k or 1) if k_households is None else k_households, sensitive=sensitive or {}
    )
    asked = (*criteria.models(), *models)
    chosen = Measure(measure) if isinstance(measure, str) else measure
    require_sense(prepared, asked, chosen, quasi_identifiers, persons=people)
    compact = Compact.of(
        prepared,
        hierarchies=hierarchies,
        quasi_identifiers=quasi_identifiers,
        steps=levels or {},
        persons=people,
        households=homes,
        sensitive=[model.item for model in asked if model.item is not None],
        groups=limits.subgroups,
        population=population,
    )
    search = searched(
        compact, asked, limits=limits, measure=chosen, progress=progress, stop=stop, start=start or {}
    )
    if search.best is None:
        return none_satisfies(search)
    require_worth(search.best, search)
    spec = spec_of(
        list(table.columns),
        hierarchies=hierarchies,
        levels={**(fixed or {}), **levels_of(compact, search.best)},
    )
    return at_optimum(
        search,
        search.best,
        table=table,
        spec=spec,
        hierarchies=hierarchies,
        people=people,
        homes=homes,
        criteria=criteria,
        began=began,
    )


def searched(
    compact: Compact,
    models: Sequence[Model],
    *,
    limits: Limits,
    measure: Measure,
    progress: Progress | None,
    stop: Stop | None,
    start: Mapping[str, int],
) -> Search | BestFirst:
    """The search that the size of the lattice allows, run."""
    large = math.prod(compact.shape) > LARGEST_LATTICE
    search = (BestFirst if large else Search)(
        compact,
        models=models,
        limits=limits,
        measure=measure,
        progress=progress,
        stop=within(PATIENCE) if large and stop is None else stop,
    )
    search.run(start=steps_of(compact, start) if start else None)
    return search


def steps_of(compact: Compact, levels: Mapping[str, int]) -> tuple[int, ...]:
    """The node that stands for levels by item. Usage if an item has none, or one that is not searched."""
    try:
        return tuple(axis.levels.index(levels[axis.item]) for axis in compact.axes)
    except (KeyError, ValueError):
        raise Usage(
            ja="探索の出発点には、各準識別子の段を探索の範囲の中で指定してください。",
            en="A search starts from one level of each quasi-identifier, within those searched.",
        ) from None


def require_sense(
    table: pd.DataFrame,
    models: Sequence[Model],
    measure: Measure,
    quasi_identifiers: Sequence[str],
    *,
    persons: Who | None,
) -> None:
    """Usage for an item that is both told apart by and kept secret, or for weights of nothing; Refused for a k beyond the table."""
    items = [str(model.item) for model in models if model.item is not None]
    if items:
        require_columns(table, items)
    both = sorted(set(items) & set(quasi_identifiers))
    if both:
        raise Usage(
            ja=f"項目「{both[0]}」は準識別子と機微属性の両方に指定されています。どちらかにしてください。",
            en=f"'{both[0]}' is given as a quasi-identifier and as sensitive; make it one of them.",
        )
    weights = [measure.weights.get(item, 1.0) for item in quasi_identifiers]
    strays = set(measure.weights) - set(quasi_identifiers)
    if strays or (weights and not any(weights)):
        raise Usage(
            ja="項目の重みは準識別子に対して指定し、少なくとも一つを 0 より大きくしてください。",
            en="Weights are given to quasi-identifiers, and at least one is above 0.",
        )
    there = len(table) if persons is None else categories(persons).size
    k = max((model.limit for model in models if model.name == "k"), default=1)
    if k > there:
        raise Refused(
            ja=f"k = {k:g} は表の人数 {there} を超えるため、どう加工しても満たせません。k を下げてください。",
            en=f"k = {k:g} is more than the {there} people of the table, so nothing can satisfy it; lower k.",
        )


def require_worth(best: Verdict, search: Search | BestFirst) -> None:
    """Refused where the optimum leaves nothing, or most is suppressed because the measure does not see it."""
    share = best.suppressed / search.compact.total
    if best.suppressed == search.compact.total:
        raise Refused(
            ja="最適な加工では全ての行が抑制され、何も残りません。抑制の上限か、モデルの値を下げてください。",
            en="At the optimum every row is suppressed and nothing is left; lower the limit on suppression or what "
            "the models ask.",
        )
    if search.measure.blind and share > BLIND:
        raise Refused(
            ja=f"尺度 {search.measure.name} は抑制を損失に数えないため、最適な加工で {share:.1%} の行が抑制されます。"
            "抑制の上限を下げるか、別の尺度を選んでください。",
            en=f"The measure {search.measure.name} does not count suppression as a loss, so that its optimum "
            f"suppresses {share:.1%} of the rows; lower the limit on suppression or choose another measure.",
        )


def apart(
    frame: pd.DataFrame, *, persons: Who | None, households: Who | None
) -> tuple[pd.DataFrame, Who | None, Who | None]:
    """The table without the columns that name persons and households, and these. Unusable for a table without rows."""
    if not len(frame):
        raise Unusable(ja="表に行がありません。", en="The table has no rows.")
    named = [given for given in (persons, households) if isinstance(given, str)]
    require_columns(frame, [*named, *frame.columns])
    people, homes = (frame[given] if isinstance(given, str) else given for given in (persons, households))
    return frame.drop(columns=named), people, homes


def at_fixed_levels(
    table: pd.DataFrame, *, hierarchies: Mapping[str, Hierarchy], fixed: Mapping[str, int]
) -> pd.DataFrame:
    """The table with the items of `fixed` at their levels."""
    for item in fixed:
        hierarchy_of(item, hierarchies).require_cover(categories(table[require_columns(table, [item])[0]]))
    return recoded(table, spec_of(list(fixed), hierarchies=hierarchies, levels=fixed))


def at_optimum(
    search: Search | BestFirst,
    best: Verdict,
    *,
    table: pd.DataFrame,
    spec: Mapping[str, Any],
    hierarchies: Mapping[str, Hierarchy],
    people: Who | None,
    homes: Who | None,
    criteria: Criteria,
    began: float,
) -> Anonymised:
    """The table as it leaves the search, measured on what it has become."""
    levels = levels_of(search.compact, best)
    kept = ~best.failing[search.compact.row]
    released = recoded(table[kept], spec).reset_index(drop=True)
    return Anonymised(
        frame=released,
        kept=kept,
        levels=levels,
        heights={item: hierarchies[item].height for item in levels},
        spec=spec,
        loss=best.loss,
        losses=dict(zip(levels, best.losses, strict=False)),
        classes=Classes.of(
            released, list(levels), persons=those(people, kept), households=those(homes, kept)
        ),
        suppressed=suppressed_of(search, best),
        criteria=criteria,
        limits=search.limits,
        looked_at=search.looked_at,
        lattice=search.size,
        score=best.score,
        measure=search.measure,
        models=search.models,
        bound=min(search.bound, best.loss),
        seconds=time.monotonic() - began,
    )


def none_satisfies(search: Search | BestFirst) -> NoneSatisfies:
    if search.nearest is None:
        raise RuntimeError("a search ends with an optimum or a nearest node")
    return NoneSatisfies(
        levels=levels_of(search.compact, search.nearest),
        broken=tuple(sorted(search.nearest.excesses, key=lambda e: e.limit - e.share)),
        suppressed=suppressed_of(search, search.nearest),
        looked_at=search.looked_at,
        lattice=search.size,
        proved=not search.ended_early,
    )


def levels_of(compact: Compact, verdict: Verdict) -> dict[str, int]:
    return levels_of_node(compact, verdict.node)


def levels_of_node(compact: Compact, node: Sequence[int]) -> dict[str, int]:
    """The level of each item at a node."""
    return {axis.item: axis.levels[step] for axis, step in zip(compact.axes, node, strict=True)}


def suppressed_of(search: Search | BestFirst, verdict: Verdict) -> dict[str, Suppressed]:
    """The rows suppressed overall and in each subgroup."""
    groups = {OVERALL: search.compact.rows, **search.compact.groups}
    return {
        name: Suppressed(rows=int(rows[verdict.failing].sum()), of=int(rows.sum()))
        for name, rows in groups.items()
    }


def those(given: Who | None, kept: NDArray[np.bool_]) -> Who | None:
    """The persons or households of the retained rows."""
    return None if given is None else pd.Series(given)[kept]
