"""The truth behind the tables, for tests: whose each key is, and what drives each child."""

import numpy as np
import pandas as pd

from workbench.population.tables import Table
from workbench.population.world import World


def links(world: World, tables: dict[str, Table]) -> pd.DataFrame:
    """source, source_key, true_person_id: one row per key of every table."""
    frames = []
    for name, table in tables.items():
        keys = table.frame[table.key]
        first = ~keys.duplicated().to_numpy()
        owners = world.people.true_id(table.owner[first])
        frames.append(pd.DataFrame({"source": name, "source_key": keys[first], "true_person_id": owners}))
    return pd.concat(frames, ignore_index=True)


def latent(world: World) -> pd.DataFrame:
    """child_id, family, household hardship H, own vulnerability V, birth weight, violence at home."""
    kids = world.kids
    return pd.DataFrame(
        {
            "child_id": world.people.true_id(world.people.of_child),
            "family": kids.family,
            "H": np.round(world.structure.hardship[kids.family], 6),
            "V": np.round(world.health.vulnerability, 6),
            "birth_weight": world.health.birth_weight,
            "violence": world.care.violence[kids.family],
        }
    )
