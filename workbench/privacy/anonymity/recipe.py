"""
The recipe of a release: every step with its parameters, and the digests of what went in and came out.

It is kept in two parts. The public part says how values were changed: whoever uses the release, or scores
with a model trained on it, needs it. The secret part says whom it hit and what was drawn: with it a reader
could tell who is rare or undo a swap, so it stays in the coordinating body's room (Rules of the Personal
Information Protection Commission, article 35, on information about the method of processing). The digest of
the source is secret too: whoever knows every row but one could try values until it fits. The public part
holds a digest of the secret one, which carries random bytes, so that it binds and tells nothing.
"""

import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from workbench.artifact.canonical import canonical, sha256
from workbench.errors import Untrusted, Unusable
from workbench.privacy.anonymity.cells import CellSuppression
from workbench.privacy.anonymity.coding import TopBottomCoding
from workbench.privacy.anonymity.content import digest, in_no_order
from workbench.privacy.anonymity.hierarchies import Hierarchy, written
from workbench.privacy.anonymity.lattice import OVERALL
from workbench.privacy.anonymity.local import LocallyRecoded
from workbench.privacy.anonymity.microaggregation import Microaggregation
from workbench.privacy.anonymity.models import Model
from workbench.privacy.anonymity.pram import Pram
from workbench.privacy.anonymity.search import Anonymised
from workbench.privacy.anonymity.step import Step
from workbench.privacy.anonymity.suppression import ItemSuppression, RecordSuppression, read
from workbench.privacy.anonymity.swapping import RankSwapping, RecordSwapping
from workbench.privacy.anonymity.transform import Generalisation, LocalRecoding, recoded, spec_of

PUBLIC = "workbench-recipe-public/2"
KEPT_IN_ROOM = "workbench-recipe-secret/2"

STEPS: dict[str, type[Step]] = {
    step.name: step
    for step in (
        Generalisation,
        LocalRecoding,
        ItemSuppression,
        RecordSuppression,
        CellSuppression,
        TopBottomCoding,
        Microaggregation,
        Pram,
        RankSwapping,
        RecordSwapping,
    )
}


@dataclass(frozen=True)
class Recipe:
    """
    Steps in their order, and the digests of the table before and after them (`content.digest`).

    `hierarchies` are the digests of the ladders that the levels were chosen from, by item. `asked` is what
    the steps were to achieve and `hit` whom they cost, both plain JSON; neither is needed to run again.
    """

    steps: tuple[Step, ...]
    source: str = field(repr=False)
    output: str
    hierarchies: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, Any] = field(default_factory=dict)
    hit: Mapping[str, Any] = field(default_factory=dict, repr=False)
    nonce: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)

    def public(self) -> dict[str, Any]:
        """What may be read by everyone who reads the release."""
        return {
            "schema": PUBLIC,
            "steps": [{"do": step.name, **step.public()} for step in self.steps],
            "asked": dict(self.asked),
            "hierarchies": dict(self.hierarchies),
            "output": self.output,
            "secret": sha256(canonical(self.secret())),
        }

    def secret(self) -> dict[str, Any]:
        """What stays in the room."""
        return {
            "schema": KEPT_IN_ROOM,
            "steps": [step.secret() for step in self.steps],
            "hit": dict(self.hit),
            "source": self.source,
            "nonce": self.nonce,
        }

    @property
    def digest(self) -> str:
        """One digest over both parts: the public one holds the secret one's."""
        return sha256(canonical(self.public()))

    @classmethod
    def of(cls, public: Mapping[str, Any], secret: Mapping[str, Any]) -> "Recipe":
        """
        The recipe of its two parts. Untrusted where they do not belong together, Unusable where one is not
        well formed.
        """
        try:
            if (public["schema"], secret["schema"]) != (PUBLIC, KEPT_IN_ROOM):
                raise ValueError
            belongs = hmac.compare_digest(str(public["secret"]), sha256(canonical(secret)))
            steps = tuple(
                STEPS[known["do"]].of({**{k: v for k, v in known.items() if k != "do"}, **hidden})
                for known, hidden in zip(public["steps"], secret["steps"], strict=True)
            )
            read = cls(
                steps=steps,
                source=str(secret["source"]),
                output=str(public["output"]),
                hierarchies=dict(public["hierarchies"]),
                asked=dict(public["asked"]),
                hit=dict(secret["hit"]),
                nonce=str(secret["nonce"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            raise Unusable(
                ja="加工の手順（レシピ）が正しい形ではありません。作成時の二つの部分をそのまま使ってください。",
                en="The recipe is malformed; use its two parts as they were written.",
            ) from None
        if not belongs:
            raise Untrusted(
                ja="手順（レシピ）の公開部分と秘密部分が対応していません。同じ加工の二つの部分を使ってください。",
                en="The public and the secret part of the recipe do not belong together; use the two of one release.",
            )
        return read


def cook(frame: pd.DataFrame, steps: Sequence[Step], **known: Any) -> tuple[pd.DataFrame, Recipe]:
    """
    The table after `steps`, in no order of the source's, and the recipe to make it again.

    `known` are further fields of the recipe. Columns that name persons or households and that a step still
    needs go with a last `ItemSuppression`.
    """
    after = run(frame, steps)
    return after, Recipe(tuple(steps), source=digest(frame), output=digest(after), **known)


def run(frame: pd.DataFrame, steps: Sequence[Step]) -> pd.DataFrame:
    after = in_no_order(frame)
    for step in steps:
        after = step.apply(after)
    return after


def replay(recipe: Recipe, frame: pd.DataFrame) -> pd.DataFrame:
    """
    The table that `recipe` makes of `frame`, once more.

    Untrusted where `frame` is not the table that it was written for, or something else comes out.
    """
    if digest(frame) != recipe.source:
        raise Untrusted(
            ja="この表は、手順（レシピ）が作られた表と違います。取り込んだ当時の表を使ってください。",
            en="This table is not the one that the recipe was written for; use the table as it was imported then.",
        )
    after = run(frame, recipe.steps)
    if digest(after) != recipe.output:
        raise Untrusted(
            ja="手順（レシピ）を再実行した結果が、記録された結果と違います。公開せず、監査責任者に知らせてください。",
            en="Running the recipe again gives another table than it records; do not release, and tell the auditor.",
        )
    return after


def of_search(
    result: Anonymised,
    frame: pd.DataFrame,
    *,
    hierarchies: Mapping[str, Hierarchy],
    cells: CellSuppression | None = None,
    output: pd.DataFrame | None = None,
    leave_out: Sequence[str] = (),
    before: Sequence[Step] = (),
    source: pd.DataFrame | None = None,
    nonce: str | None = None,
) -> Recipe:
    """
    The recipe of what a search made of `frame`: levels for all rows, then whole classes left out.

    With `cells`, cells were emptied instead, which gave `output`. `leave_out` names the columns of persons
    and households. `before` are the steps that made `frame` of `source`. `nonce` is for a demonstration,
    whose bytes repeat.
    """
    items = list(result.levels)
    recoding = Generalisation(result.spec["items"])
    after = recoded(frame, result.spec)
    hiding = cells or RecordSuppression.where(after, items, leaving=~np.asarray(result.kept))
    hit = {name: {"rows": group.rows, "of": group.of} for name, group in result.suppressed.items()}
    known = {} if nonce is None else {"nonce": nonce}
    return Recipe(
        (*before, recoding, hiding, *left_out(leave_out)),
        source=digest(frame if source is None else source),
        output=digest(result.frame if output is None else output),
        hierarchies=digests(hierarchies, items),
        asked=asked_of(result),
        hit={} if cells else hit,
        **known,
    )


def of_local(
    result: LocallyRecoded,
    frame: pd.DataFrame,
    *,
    hierarchies: Mapping[str, Hierarchy],
    asked: Mapping[str, Any],
    leave_out: Sequence[str] = (),
    before: Sequence[Step] = (),
    source: pd.DataFrame | None = None,
) -> Recipe:
    """The recipe of a local recoding of `frame`: its rounds, and which combinations left with each."""
    items = list(result.releases[0].levels)
    rounds, released = [], []
    for release in result.releases:
        recoding = spec_of(items, hierarchies=hierarchies, levels=release.levels)
        rounds.append(recoding["items"])
        released.append(tuple(sorted(set(read(recoded(frame.iloc[release.rows], recoding), items)))))
    steps = [LocalRecoding(tuple(items), tuple(rounds), tuple(released)), *left_out(leave_out)]
    return Recipe(
        (*before, *steps),
        source=digest(frame if source is None else source),
        output=digest(result.frame),
        hierarchies=digests(hierarchies, items),
        asked=asked,
        hit={OVERALL: {"rows": int((~result.kept).sum()), "of": len(result.kept)}},
    )


def left_out(columns: Sequence[str]) -> list[Step]:
    return [ItemSuppression(tuple(columns))] if columns else []


def digests(hierarchies: Mapping[str, Hierarchy], items: Sequence[str]) -> dict[str, str]:
    """The digest of each item's ladder, over the text of its file."""
    return {item: sha256(written(hierarchies[item]).encode()) for item in items if item in hierarchies}


def asked_of(result: Anonymised) -> dict[str, Any]:
    """What the search was asked to achieve, and the levels it came to."""
    return {
        "levels": {
            item: {"level": level, "of": result.heights[item]} for item, level in result.levels.items()
        },
        "models": [
            told(model)
            for model in result.models
            if model.name != HOUSEHOLDS or result.classes.households is not None
        ],
        "measure": {**vars(result.measure), "weights": dict(result.measure.weights)},
        "limits": {"overall": result.limits.overall, "subgroup": result.limits.subgroup},
    }


HOUSEHOLDS = "k-households"


def told(model: Model) -> dict[str, Any]:
    """A model by its numbers. Which values harm, and their order, stand in the register."""
    said = {"name": model.name, "limit": model.limit, "item": model.item, "c": model.c}
    return {name: value for name, value in said.items() if value is not None}
