"""
Fidelity: how much of the table a synthetic one keeps.

Shapes of single items and of pairs come from SDMetrics; beside them stands what an average hides, the
share of each rare category, because those are the children the programme exists to find.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from workbench.privacy.synthesis.columns import Columns
from workbench.privacy.synthesis.synthesisers import TABLE, quiet

# SDMetrics compares every pair of items; a sample of this size changes its scores in the third digit.
SAMPLE = 5_000
RARE = 0.1


@dataclass(frozen=True)
class Fidelity:
    """`shapes` and `pairs` from 0 to 1; `items` the shape of each item; `rare` shares, real and synthetic."""

    shapes: float
    pairs: float
    items: dict[str, float]
    rare: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        return {"shapes": self.shapes, "pairs": self.pairs, "items": self.items, "rare": self.rare}


def fidelity(real: pd.DataFrame, synthetic: pd.DataFrame, *, columns: Columns, seed: int = 0) -> Fidelity:
    """Compare a synthetic table with the real one it was made from."""
    from sdmetrics.reports import QualityReport

    plain = [sample(frame, columns=columns, seed=seed) for frame in (real, synthetic)]
    described = {
        name: {"sdtype": "categorical" if column.is_category else "numerical"}
        for name, column in columns.items()
    }
    report = QualityReport()
    with quiet():
        report.generate(
            *({TABLE: frame} for frame in plain),
            {"tables": {TABLE: {"columns": described}}, "relationships": []},
            verbose=False,
        )
        shapes = report.get_details("Column Shapes").set_index("Column")["Score"]
        properties = report.get_properties().set_index("Property")["Score"]
    return Fidelity(
        shapes=rounded(properties["Column Shapes"]),
        pairs=rounded(properties["Column Pair Trends"]),
        items={str(name): rounded(score) for name, score in shapes.items()},
        rare=rare_shares(real, synthetic, columns=columns),
    )


def sample(frame: pd.DataFrame, *, columns: Columns, seed: int) -> pd.DataFrame:
    chosen = frame[list(columns)].sample(min(SAMPLE, len(frame)), random_state=seed).reset_index(drop=True)
    for name, column in columns.items():
        if column.is_category:
            chosen[name] = chosen[name].astype("object").where(chosen[name].notna(), "(missing)").astype(str)
        else:
            chosen[name] = pd.to_numeric(chosen[name], errors="coerce").astype("Float64").astype(float)
    return chosen


def rare_shares(real: pd.DataFrame, synthetic: pd.DataFrame, *, columns: Columns) -> list[dict[str, Any]]:
    """For every category held by few: its share in the real table and in the synthetic one."""
    found = []
    for name, column in columns.items():
        for label in column.labels:
            share = float((real[name] == label).mean())
            if 0 < share <= RARE:
                made = float((synthetic[name] == label).mean())
                found.append(
                    {"item": name, "label": label, "real": rounded(share), "synthetic": rounded(made)}
                )
    return found


def rounded(score: float) -> float:
    return float(np.round(float(score), 4))
