"""The truth behind the tables, for tests: whose each key is, and what drives each child."""

import numpy as np
import pandas as pd

from workbench.population.calendar import iso
from workbench.population.tables import Table
from workbench.population.world import World

# Tables that use another's numbers: a number that only the first shows belongs to the second's numbering.
NUMBERS_OF = {
    "vaccine": "infant_check",
    "childcare_month": "childcare",
    "school_aid": "pupil",
    "attendance": "pupil",
    "school_health": "pupil",
    "nurse_visit": "pupil",
    "school_survey": "pupil",
    "bullying": "pupil",
    "consult_contact": "consult",
}


def links(world: World, tables: dict[str, Table]) -> pd.DataFrame:
    """source, source_key, true_person_id: one row per key of every table, and per number of every numbering."""
    frames = []
    for name, table in tables.items():
        keys = table.frame[table.key]
        first = ~keys.duplicated().to_numpy()
        found = pd.DataFrame(
            {"source_key": keys[first], "true_person_id": world.people.true_id(table.owner[first])}
        )
        frames.append(found.assign(source=name))
        frames.append(found.assign(source=NUMBERS_OF.get(name, name)))
    every = pd.concat(frames, ignore_index=True)[["source", "source_key", "true_person_id"]]
    return every.drop_duplicates(["source", "source_key"], ignore_index=True)


def latent(world: World) -> pd.DataFrame:
    """child_id, family, birth date, household hardship H, own vulnerability V, birth weight, violence at home."""
    kids = world.kids
    return pd.DataFrame(
        {
            "child_id": world.people.true_id(world.people.of_child),
            "family": kids.family,
            "birth_date": iso(kids.birth),
            "H": np.round(world.structure.hardship[kids.family], 6),
            "V": np.round(world.health.vulnerability, 6),
            "birth_weight": world.health.birth_weight,
            "violence": world.care.violence[kids.family],
        }
    )
