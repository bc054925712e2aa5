"""Who a flag considers in a part: rows whose target is known, who are eligible and not excluded."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from workbench.errors import Refused
from workbench.riskflag.define import Definition
from workbench.riskflag.part import Part
from workbench.scoring import engine
from workbench.scoring.model import Model, Threshold
from workbench.scoring.recode import MISSING, spelled


@dataclass(frozen=True)
class Considered:
    """The rows considered, as a part, with their outcome."""

    part: Part
    labels: npt.NDArray[np.bool_]


def considered(definition: Definition, part: Part) -> Considered:
    """The rows of `part` the flag is about. A target that is missing was not eligible."""
    if definition.target not in part.columns:
        raise Refused(
            ja=f"予測の対象「{definition.target}」がこのデータセットにありません。columns で項目名を確かめてください。",
            en=f"The target '{definition.target}' is not in this dataset; see its columns.",
        )
    outcome = part.frame[definition.target].map(spelled, na_action="ignore")
    known = (outcome.notna() & (outcome != MISSING)).to_numpy(dtype=bool)
    mask = known & fulfils(definition, part)
    rows = part.frame.loc[mask].reset_index(drop=True)
    labels = (outcome[mask] == definition.positive).to_numpy(dtype=bool)
    return Considered(part=replace(part, frame=rows), labels=labels)


def fulfils(definition: Definition, part: Part) -> npt.NDArray[np.bool_]:
    """The rows that fulfil the conditions, decided by the scoring engine itself."""
    for item in definition.conditions:
        if item not in part.columns:
            raise Refused(
                ja=f"対象者の条件の項目「{item}」がこのデータセットにありません。columns で項目名を確かめてください。",
                en=f"The item '{item}' that decides who is considered is not in this dataset; see its columns.",
            )
    conditions = Model(
        name=definition.name,
        target=definition.target,
        unit=definition.unit,
        base=0,
        features=(),
        threshold=Threshold(score=0, capacity=definition.places, tie_rule=definition.tie_rule),
        eligible={item: tuple(levels) for item, levels in definition.eligible.items()},
        excluded={item: tuple(levels) for item, levels in definition.excluded.items()},
    )
    if not definition.conditions:
        return np.ones(len(part), dtype=bool)
    return engine.eligible(conditions, part.table(definition.conditions))
