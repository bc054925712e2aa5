"""
Anonymising a table: the least generalisation that leaves every class safe, and few rows suppressed anywhere.

The answer is either the table at the optimum, or the nearest node with the limits it breaks, so that the
caller can say what to do instead. Nothing is released here and no policy is read: every number is handed in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.errors import Refused, Unusable
from workbench.privacy.anonymity.classes import Classes, Who, categories, require_columns
from workbench.privacy.anonymity.compact import Compact, hierarchy_of
from workbench.privacy.anonymity.criteria import Criteria, Sensitive
from workbench.privacy.anonymity.hierarchies import Hierarchy
from workbench.privacy.anonymity.lattice import OVERALL, Excess, Limits, Progress, Search, Verdict
from workbench.privacy.anonymity.transform import recoded, spec_of


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


@dataclass(frozen=True)
class NoneSatisfies:
    """No node keeps every limit. The nearest one looked at, and the limits it breaks, worst first."""

    levels: Mapping[str, int]
    broken: tuple[Excess, ...]
    suppressed: Mapping[str, Suppressed]
    looked_at: int
    lattice: int

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
    k: int,
    limits: Limits,
    k_households: int | None = None,
    persons: Who | None = None,
    households: Who | None = None,
    sensitive: Mapping[str, Sensitive] | None = None,
    levels: Mapping[str, tuple[int, int]] | None = None,
    fixed: Mapping[str, int] | None = None,
    mean: str = "geometric",
    progress: Progress | None = None,
) -> Anonymised | NoneSatisfies:
    """
    The node of least information loss whose retained classes each have `k` children, `k_households` (k unless
    given) distinct households, and what `sensitive` asks, with suppression within `limits`.

    `levels` narrows a quasi-identifier to (lowest, highest). `fixed` generalises another item to one level
    before anything is measured; harmful values are named as they read then.
    """
    table, people, homes = apart(frame, persons=persons, households=households)
    prepared = at_fixed_levels(table, hierarchies=hierarchies, fixed=fixed or {})
    criteria = Criteria(
        k=k, households=k if k_households is None else k_households, sensitive=sensitive or {}
    )
    compact = Compact.of(
        prepared,
        hierarchies=hierarchies,
        quasi_identifiers=quasi_identifiers,
        steps=levels or {},
        persons=people,
        households=homes,
        harmful={item: wanted.harmful for item, wanted in criteria.sensitive.items()},
        groups=limits.subgroups,
    )
    search = Search(compact, criteria=criteria, limits=limits, mean=mean, progress=progress)
    search.run()
    if search.best is None:
        return none_satisfies(search)
    spec = spec_of(
        list(table.columns),
        hierarchies=hierarchies,
        levels={**(fixed or {}), **levels_of(compact, search.best)},
    )
    return at_optimum(
        search, search.best, table=table, spec=spec, hierarchies=hierarchies, people=people, homes=homes
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
    search: Search,
    best: Verdict,
    *,
    table: pd.DataFrame,
    spec: Mapping[str, Any],
    hierarchies: Mapping[str, Hierarchy],
    people: Who | None,
    homes: Who | None,
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
        losses=dict(zip(levels, best.losses, strict=True)),
        classes=Classes.of(
            released, list(levels), persons=those(people, kept), households=those(homes, kept)
        ),
        suppressed=suppressed_of(search, best),
        criteria=search.criteria,
        limits=search.limits,
        looked_at=search.looked_at,
        lattice=search.size,
    )


def none_satisfies(search: Search) -> NoneSatisfies:
    if search.nearest is None:
        raise RuntimeError("a search ends with an optimum or a nearest node")
    return NoneSatisfies(
        levels=levels_of(search.compact, search.nearest),
        broken=tuple(sorted(search.nearest.excesses, key=lambda e: e.limit - e.share)),
        suppressed=suppressed_of(search, search.nearest),
        looked_at=search.looked_at,
        lattice=search.size,
    )


def levels_of(compact: Compact, verdict: Verdict) -> dict[str, int]:
    return {axis.item: axis.levels[step] for axis, step in zip(compact.axes, verdict.node, strict=True)}


def suppressed_of(search: Search, verdict: Verdict) -> dict[str, Suppressed]:
    """The rows suppressed overall and in each subgroup."""
    groups = {OVERALL: search.compact.rows, **search.compact.groups}
    return {
        name: Suppressed(rows=int(rows[verdict.failing].sum()), of=int(rows.sum()))
        for name, rows in groups.items()
    }


def those(given: Who | None, kept: NDArray[np.bool_]) -> Who | None:
    """The persons or households of the retained rows."""
    return None if given is None else pd.Series(given)[kept]
