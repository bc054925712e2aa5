"""
The three ways in which `workbench data anonymise` makes a table: by levels, row by row, or emptying cells.

Each gives the table, what is told of it, and its recipe for who asks for one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from workbench.errors import Refused, Usage

if TYPE_CHECKING:
    import pandas as pd

    from workbench.privacy.anonymity.classes import Classes
    from workbench.privacy.anonymity.local import LocallyRecoded
    from workbench.privacy.anonymity.models import Model
    from workbench.privacy.anonymity.recipe import Recipe
    from workbench.privacy.anonymity.search import Anonymised

Harms = Mapping[str, Any]


@dataclass(frozen=True)
class Made:
    """
    A table, what is told of it, and what makes its recipe.

    `recipe` takes the steps `before`, the whole table `after` them and the `source` as it was read.
    """

    frame: "pd.DataFrame"
    told: dict[str, Any]
    recipe: Callable[..., "Recipe"]


def by_levels(frame: "pd.DataFrame", looked_for: Mapping[str, Any], harms: Harms) -> Made:
    """Every row at the levels of the optimum; whole classes left out."""
    found = searched(frame, looked_for)
    return Made(
        found.frame,
        {**of_search(found), "measured": measured(found.frame, found.classes, harms, source=frame)},
        partial(recipe_of_search, found, looked_for),
    )


def searched(frame: "pd.DataFrame", looked_for: Mapping[str, Any]) -> "Anonymised":
    from workbench.privacy.anonymity import search

    found = search.anonymise(frame, **looked_for)
    if isinstance(found, search.NoneSatisfies):
        raise found.refusal()
    return found


def recipe_of_search(
    found: "Anonymised",
    looked_for: Mapping[str, Any],
    *,
    before: Any,
    after: "pd.DataFrame",
    source: "pd.DataFrame",
    **emptied: Any,
) -> "Recipe":
    from workbench.privacy.anonymity import recipe

    return recipe.of_search(
        found,
        after,
        hierarchies=looked_for["hierarchies"],
        leave_out=gone(source, found.frame),
        before=before,
        source=source,
        **emptied,
    )


def gone(source: "pd.DataFrame", frame: "pd.DataFrame") -> list[str]:
    """The columns that do not leave."""
    return [name for name in source if name not in frame]


def by_cells(frame: "pd.DataFrame", looked_for: Mapping[str, Any], harms: Harms) -> Made:
    """At the levels of the optimum, cells emptied where it would leave rows out."""
    from workbench.privacy.anonymity.cells import CellSuppression
    from workbench.privacy.anonymity.classes import Classes
    from workbench.privacy.anonymity.measure import missing_values
    from workbench.privacy.anonymity.transform import recoded

    names = {model.name for model in looked_for["models"]}
    if names != {"k"} or looked_for["persons"] or looked_for["households"]:
        raise Usage(
            ja="--empty-cells は k（行数）だけを守ります。ほかのモデル、--unit、--person を外すか、--empty-cells を外してください。",
            en="--empty-cells keeps k in rows alone; leave out other models, --unit and --person, or --empty-cells.",
        )
    found = searched(frame, looked_for)
    k = int(max(model.limit for model in looked_for["models"]))
    step = CellSuppression(tuple(found.levels), k=k)
    after = step.apply(recoded(frame, found.spec))
    classes = Classes.of(after, list(found.levels))
    told = {
        **of_search(found),
        "classes": len(classes),
        "suppressed_rows": 0,
        "suppressed": {},
        "emptied_cells": {item: int(after[item].isna().sum()) for item in found.levels},
        "measured": {
            **measured(after, classes, harms, source=frame),
            "missing": missing_values(after, classes, persons=None, households=None, sensitive=harms),
        },
    }
    return Made(after, told, partial(recipe_of_search, found, looked_for, cells=step, output=after))


def by_rows(frame: "pd.DataFrame", looked_for: Mapping[str, Any], harms: Harms) -> Made:
    """Each row at the finest levels at which it is safe. Refused above the limit on suppression."""
    from workbench.privacy.anonymity.lattice import Standing
    from workbench.privacy.anonymity.local import recode_locally

    models = looked_for["models"]
    stop = looked_for["stop"]
    # There is always something to show: what is left goes to the top.
    going = Standing(settled=0, nodes=1, looked_at=0, best=0.0, bound=0.0)
    k = int(max((model.limit for model in models if model.name == "k"), default=1))
    found = recode_locally(
        frame,
        hierarchies=looked_for["hierarchies"],
        quasi_identifiers=looked_for["quasi_identifiers"],
        k=k,
        models=[model for model in models if model.name != "k"],
        persons=looked_for["persons"],
        households=looked_for["households"],
        stop=None if stop is None else lambda: bool(stop(going)),
    )
    gone_rows, most = int((~found.kept).sum()), looked_for["limits"].overall
    share = gone_rows / len(found.kept)
    if share > most:
        raise Refused(
            ja=f"局所的な再符号化でも {share:.1%} の行が残せず、上限 {most:.1%} を超えます。モデルの値を下げるか、上限を上げてください。",
            en=f"Local recoding leaves {share:.1%} of the rows out, more than the limit of {most:.1%}; lower what "
            "the models ask, or raise the limit.",
        )
    told = {
        "rounds": len(found.releases),
        "classes": len(found.classes),
        "granularity": found.granularity,
        "suppressed_rows": gone_rows,
        "suppressed": {"overall": {"rows": gone_rows, "of": len(found.kept), "share": share}},
        "models": [text(model) for model in models],
        "seconds": found.seconds,
        "measured": measured(found.frame, found.classes, harms, source=frame),
    }
    return Made(found.frame, told, partial(recipe_of_local, found, looked_for))


def recipe_of_local(
    found: "LocallyRecoded",
    looked_for: Mapping[str, Any],
    *,
    before: Any,
    after: "pd.DataFrame",
    source: "pd.DataFrame",
) -> "Recipe":
    from workbench.privacy.anonymity import recipe

    return recipe.of_local(
        found,
        after,
        hierarchies=looked_for["hierarchies"],
        asked={"models": [recipe.told(model) for model in looked_for["models"]]},
        leave_out=gone(source, found.frame),
        before=before,
        source=source,
    )


def of_search(found: "Anonymised") -> dict[str, Any]:
    """What the search found and how far it is proved."""
    return {
        "levels": dict(found.levels),
        "score": found.score,
        "suppressed_rows": found.suppressed["overall"].rows,
        "classes": len(found.classes),
        "lattice": found.lattice,
        "checked": found.looked_at,
        "bound": found.bound,
        "gap": found.gap,
        "seconds": found.seconds,
        "measure": found.measure.name,
        "models": [text(model) for model in found.models],
        "losses": dict(found.losses),
        "suppressed": {
            name: {"rows": s.rows, "of": s.of, "share": s.share} for name, s in found.suppressed.items()
        },
    }


def measured(
    frame: "pd.DataFrame", classes: "Classes", harms: Harms, *, source: "pd.DataFrame"
) -> dict[str, Any]:
    """What the table measures now; t, delta and beta compare with the `source`, as the models do."""
    from workbench.privacy.anonymity import measure
    from workbench.privacy.anonymity.spread import Spread

    return {
        **measure.of_classes(classes),
        "sensitive": {
            item: measure.of_spread(Spread.of(classes, frame[item], harmful=harmful, reference=source[item]))
            for item, harmful in harms.items()
        },
    }


def text(model: "Model") -> str:
    """A model as it is asked for."""
    limit = f"{model.c:g},{model.limit:g}" if model.c is not None else f"{model.limit:g}"
    return f"{model.name}={limit}" + (f":{model.item}" if model.item else "")
