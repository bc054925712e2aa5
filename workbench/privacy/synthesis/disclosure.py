"""
What a synthetic table discloses, every attack against children of the same population who were held out.

Singling out, linking, inferring, copies, membership. These are attacks on children as they are; only
differential privacy bounds the worst case, and a table without it says so whatever is found here. The
numbers themselves leak (Ganev and De Cristofaro, arXiv 2312.05114, rebuilt most of the outliers by asking
for metrics again and again), so whoever calls this counts how often.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from workbench.errors import Unusable
from workbench.privacy.synthesis import attacks
from workbench.privacy.synthesis.chances import Risk
from workbench.privacy.synthesis.columns import Columns
from workbench.privacy.synthesis.membership import Membership, distances, membership

__all__ = ["Disclosure", "Homes", "Risk", "disclosure"]

Split = tuple[Sequence[str], Sequence[str]]
COPIES, ANYONES = "exact_copy", "exact_copy:anyone"


@dataclass(frozen=True)
class Homes:
    """The household of each row of the source and of the control. Raises Unusable where they share one."""

    source: "pd.Series[Any]"
    control: "pd.Series[Any]"

    def __post_init__(self) -> None:
        if set(self.source.dropna()) & set(self.control.dropna()):
            raise Unusable(
                ja="検証用の表に、合成に使った世帯のこどもがいます。世帯が重ならないように分けてください。",
                en="The control holds children of households in the source; divide them so that no household is in both.",
            )


@dataclass(frozen=True)
class Disclosure:
    """
    The attacks with their control, membership on average and for the isolated, distances for information.

    `risks` are named "exact_copy", "exact_copy:anyone", "singling_out:one", "singling_out:several", "linkability:<split>" and
    "inference:<item>".
    """

    risks: tuple[Risk, ...]
    membership: tuple[Membership, ...]
    distances: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def by_name(self) -> dict[str, Risk]:
        return {risk.name: risk for risk in self.risks}

    def of(self, kind: str) -> list[Risk]:
        """The attacks of one kind: singling_out, linkability, inference, exact_copy."""
        return [risk for risk in self.risks if risk.name.split(":")[0] == kind]

    def to_json(self) -> dict[str, Any]:
        return {
            "attacks": [risk.to_json() for risk in self.risks],
            "membership": [one.to_json() for one in self.membership],
            "distances": {name: round(value, 4) for name, value in self.distances.items()},
        }


def disclosure(
    source: pd.DataFrame,
    control: pd.DataFrame,
    synthetic: pd.DataFrame,
    *,
    columns: Columns,
    known: Sequence[str],
    sensitive: Sequence[str],
    splits: Mapping[str, Split] | None = None,
    homes: Homes | None = None,
    everyone: tuple[pd.DataFrame, "pd.Series[Any]"] | None = None,
    seed: int,
) -> Disclosure:
    """
    Attack `synthetic`, made from `source`; `control` are children it was not made from, of other households.

    One row a child in `source` and `control`. `known` are the items by which a neighbour would know a child,
    `sensitive` those that are to be inferred, by who knows all the others. `splits` names pairs of sets of
    items that two offices hold; without them, `known` against the rest. `everyone` are all real rows there
    are, with the household of each: copies of theirs are looked for, too. Raises Unusable where `homes` are
    shared.
    """
    order = np.random.default_rng(seed)
    everything = {"columns": columns, "order": order}
    frames = tuple(frame[list(columns)].reset_index(drop=True) for frame in (source, control, synthetic))
    splits = splits or {"known": (known, [item for item in columns if item not in set(known)])}
    risks = [
        attacks.copies(*frames, name=COPIES, **everything),
        *attacks.singling_out(*frames, **everything),
        *(
            attacks.linkability(*frames, split=split, name=f"linkability:{name}", **everything)
            for name, split in splits.items()
        ),
        *(
            attacks.inference(*frames, item=item, known=list(columns), name=f"inference:{item}", **everything)
            for item in sensitive
        ),
    ]
    if everyone is not None:
        risks.append(attacks.anyones(*everyone, frames[2], name=ANYONES, **everything))
    return Disclosure(
        tuple(risks),
        tuple(
            membership(*frames, columns=columns, homes=None if homes is None else homes.control, seed=seed)
        ),
        distances(*frames, columns=columns, seed=seed),
    )
