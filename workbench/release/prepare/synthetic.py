"""
Synthetic releases: rows drawn from a model of the training part, within the register's bounds.

A category that too few households hold never reaches the model: what it has not seen it cannot repeat. The
test part is never shown to it, so that it can serve as the control of the attacks.
"""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from workbench.errors import Refused
from workbench.privacy.synthesis.synthesisers import synthesise
from workbench.release.prepare.draft import Draft, write_json
from workbench.release.prepare.rows import holders, in_scope
from workbench.release.split import PARTS, Part
from workbench.release.staged import DATA, NOWHERE, RECIPE, SECRET
from workbench.release.staged_synthetic import LABEL, METHOD, column_of, with_rare_missing
from workbench.scoring import recode


def synthetic(draft: Draft) -> None:
    """Fit on the training part; write as many rows as each part has."""
    items = [item for item in draft.wanted if column_of(item) is not None]
    if not items:
        raise Refused(
            ja="合成できる項目がありません。台帳に範囲（minimum と maximum）か区分を登録してください。",
            en="No item can be synthesised; give items a range (minimum, maximum) or values in the register.",
        )
    rows = in_scope(draft)
    parts = draft.split.iloc[draft.scope].to_numpy()
    learnt = rows[parts == str(Part.TRAIN)]
    columns = {item.name: column for item in items if (column := column_of(item)) is not None}
    least: int = draft.room.policy["synthetic_min_category_households"]
    fitted = with_rare_missing(
        learnt[list(columns)], holders=holders(draft, learnt), columns=columns, least=least
    )
    for part in PARTS:
        seed = int.from_bytes(draft.room.home.entropy(f"synthesis {draft.release} {part}"), "big")
        made = synthesise(fitted, columns=columns, rows=int((parts == str(part)).sum()), seed=seed)
        write_labelled(draft, part, made)
    draft.write_alignment(np.full(len(draft.source), NOWHERE))
    write_json(
        draft.evidence / SECRET,
        {
            "table": draft.room.project.source,
            "person": draft.room.person,
            "seed": draft.seed.hex(),
            "split_of": draft.split_of,
            "method": METHOD,
        },
    )
    # Nothing was generalised: a model fitted on it would read raw values as they are.
    write_json(draft.bundle / RECIPE, {"schema": recode.SCHEMA, "release": draft.release, "items": {}})
    draft.write_dictionary(items)


def write_labelled(draft: Draft, part: Part, made: pd.DataFrame) -> None:
    """A Parquet file that says of itself that it is synthetic."""
    path = draft.bundle / DATA[part]
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pandas(made, preserve_index=False).replace_schema_metadata(LABEL)
    pq.write_table(table, path, compression="zstd")
