"""
Synthetic releases: rows drawn from a model of the training part, within the register's bounds.

With differential privacy the loss is charged before the table is read, and what the release shows, the
number of its rows too, is within it. Without, a category that too few households hold never reaches the
model: what it has not seen it cannot repeat. The test part is never shown to a model, so that it can serve
as the control of the attacks.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from workbench.data.constraints import constraints_of
from workbench.data.register import Item
from workbench.errors import NotFound, Refused
from workbench.privacy.dp.ledger import Ledger
from workbench.privacy.dp.loss import Loss
from workbench.privacy.dp.terms import Use
from workbench.privacy.synthesis.columns import Column
from workbench.privacy.synthesis.interface import Synthesiser, Task
from workbench.privacy.synthesis.synthesisers import (
    DELTA,
    SYNTHESISERS,
    Fitted,
    fit,
    loss_within,
    unknown_method,
)
from workbench.release.prepare.draft import Draft, write_json
from workbench.release.prepare.rows import holders, in_scope, ladder, public_ladder
from workbench.release.split import PARTS, Part
from workbench.release.staged import DATA, NOWHERE, RECIPE, SECRET
from workbench.release.staged_synthetic import LABEL, column_of, with_rare_missing
from workbench.release.staged_tables import ledger_name
from workbench.scoring import recode

# As many of a household's rows as its answers and tables count.
ROWS_PER_HOUSEHOLD = 3


def synthetic(draft: Draft) -> None:
    """Fit on the training part; write as many rows as each part has, or about as many where that is private."""
    method = chosen(draft)
    columns = public_columns(draft)
    promise = promised(draft, method)
    with charged(draft, promise):
        loss = None if promise is None else Loss.from_json(promise["loss"])
        fitted = learnt(draft, columns, method=method, loss=loss)
        for part, rows in sizes(draft, fitted, method=method).items():
            order = draft.room.home.generator(f"synthesis {draft.release} {part}")
            write_labelled(draft, part, fitted.sample(rows, order=order))
    draft.write_alignment(np.full(len(draft.source), NOWHERE))
    write_json(
        draft.evidence / SECRET,
        {
            "table": draft.room.project.source,
            "person": draft.room.person,
            "split_key": draft.key.hex(),
            "release": draft.release,
            "method": draft.method,
            "promise": promise,
        },
    )
    # Nothing was generalised: a model fitted on it would read raw values as they are.
    write_json(draft.bundle / RECIPE, {"schema": recode.SCHEMA, "release": draft.release, "items": {}})
    draft.write_dictionary([item for item in draft.wanted if item.name in columns])


def chosen(draft: Draft) -> Synthesiser:
    """The synthesiser asked for. Raises NotFound without one, Refused where nobody is the unit of privacy."""
    method = SYNTHESISERS.get(draft.method)
    if method is None:
        raise unknown_method(draft.method)
    if method.is_private and draft.room.household is None and draft.room.person is None:
        raise Refused(
            ja="保護の単位（世帯または人）の列が事業計画にないため、差分プライバシーの合成はできません。",
            en="The charter names no household or person, so there is no unit for differential privacy.",
        )
    if method.is_private:
        expect_public_period(draft)
    return method


def expect_public_period(draft: Draft) -> None:
    """Raise Refused where one household could decide which years are learnt from."""
    _ = draft.room.project.public_period


def public_columns(draft: Draft) -> dict[str, Column]:
    """What is public about each item that can be synthesised, cut where its ladder is."""
    columns = {item.name: cut(draft, item) for item in draft.wanted if column_of(item) is not None}
    if not columns:
        raise Refused(
            ja="合成できる項目がありません。台帳に範囲（minimum と maximum）か区分を登録してください。",
            en="No item can be synthesised; give items a range (minimum, maximum) or values in the register.",
        )
    return columns


def cut(draft: Draft, item: Item) -> Column:
    column = column_of(item)
    if column is None:
        raise NotFound(ja=f"{item.name} は合成できません。", en=f"{item.name} cannot be synthesised.")
    found = public_ladder if SYNTHESISERS[draft.method].is_private else ladder
    hierarchy = None if column.is_category else found(draft, item)
    finest = {} if hierarchy is None else hierarchy.recode(1)
    return Column(
        labels=column.labels,
        minimum=column.minimum,
        maximum=column.maximum,
        whole=column.whole,
        cuts=tuple(map(float, finest.get("edges", ()))),
    )


def promised(draft: Draft, method: Synthesiser) -> dict[str, Any] | None:
    """What the release promises a household, and what that costs; None without differential privacy."""
    if not method.is_private:
        return None
    return {
        "epsilon": str(draft.epsilon),
        "delta": str(DELTA),
        "loss": loss_within(draft.epsilon).to_json(),
        "rows_per_household": ROWS_PER_HOUSEHOLD,
        "dataset": ledger_name(draft.room.project),
    }


@contextmanager
def charged(draft: Draft, promise: Mapping[str, Any] | None) -> Iterator[None]:
    """Reserved before anything is learnt, settled when the rows are written, kept when anything fails."""
    if promise is None:
        yield
        return
    with Ledger(draft.room.state).charge(
        promise["dataset"],
        loss=Loss.from_json(promise["loss"]),
        analyst=f"release:{draft.release}",
        purpose=draft.room.project.purpose,
        question={"kind": "synthetic", "method": draft.method, "epsilon": promise["epsilon"]},
        use=Use.SYNTHETIC,
    ):
        yield


def learnt(draft: Draft, columns: Mapping[str, Column], *, method: Synthesiser, loss: Loss | None) -> Fitted:
    """The synthesiser fitted on the training part."""
    rows = in_scope(draft)
    train = (draft.split.iloc[draft.scope] == str(Part.TRAIN)).to_numpy()
    frame, households = rows.loc[train, list(columns)], holders(draft, rows[train])
    home, purpose = draft.room.home, f"synthesis {draft.release}"
    if not method.is_private:
        least: int = draft.room.policy["synthetic_min_category_households"]
        frame = with_rare_missing(frame, holders=households, columns=dict(columns), least=least)
    task = Task(
        frame=frame,
        columns=columns,
        targets=[target for target in draft.targets or draft.room.targets if target in columns],
        households=households.reset_index(drop=True),
        most=ROWS_PER_HOUSEHOLD,
        loss=loss,
        constraints=constraints_of(draft.table.constraints),
        entropy=int.from_bytes(home.entropy(f"bound {purpose}"), "big"),
        demonstration=home.entropy(f"noise {purpose}") if home.is_demonstration else None,
        epochs=draft.epochs,
        tell=draft.tell,
    )
    return fit(draft.method, task)


def sizes(draft: Draft, fitted: Fitted, *, method: Synthesiser) -> dict[Part, int]:
    """Rows of each part: those of the source, or by the noisy count and the charter's share of test rows."""
    if not method.is_private:
        parts = draft.split.iloc[draft.scope]
        return {part: int((parts == str(part)).sum()) for part in PARTS}
    share = draft.room.project.test_share
    return {Part.TRAIN: fitted.rows, Part.TEST: max(1, round(fitted.rows * share / (1 - share)))}


def write_labelled(draft: Draft, part: Part, made: pd.DataFrame) -> None:
    """A Parquet file that says of itself that it is synthetic."""
    path = draft.bundle / DATA[part]
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pandas(made, preserve_index=False).replace_schema_metadata(LABEL)
    pq.write_table(table, path, compression="zstd")
