"""
Differentially private tables: noisy counts over public categories, charged to the ledger.

What is in a cell comes from the data; which cells there are does not. The categories are those of the
register and its ladders at a level that depends on nothing else, and they are published with the tables,
as the questions that may be asked of the same source.
"""

import csv
import io
import json
from typing import Any

from workbench.data.register import Item, ItemRole
from workbench.errors import Refused
from workbench.privacy.anonymity.hierarchies import Hierarchy
from workbench.privacy.dp.answer import Answer, answer
from workbench.privacy.dp.ledger import Ledger
from workbench.privacy.dp.loss import MICRO, Loss
from workbench.privacy.dp.questions import Histogram, Source
from workbench.privacy.dp.terms import Use
from workbench.release.prepare.draft import Draft, write_json
from workbench.release.prepare.rows import public_ladder
from workbench.release.staged_tables import (
    CHARGED,
    QUESTIONS,
    TABLES,
    is_open,
    ledger_name,
    public_bounds,
    source_from,
)
from workbench.scoring import recode

# A question about an item with more categories than this spends its noise on empty cells.
MOST_LABELS = 12


def dp_tables(draft: Draft) -> None:
    """Answer every table asked for, sharing the release's epsilon equally among them."""
    project = draft.room.project
    if project.household is None and project.person is None:
        raise Refused(
            ja="保護の単位（世帯または人）の列が事業計画にないため、差分プライバシーの表は作れません。",
            en="The charter names no household or person, so there is no unit for differential privacy.",
        )
    write_json(draft.bundle / QUESTIONS, questions(draft))
    # Read back: the order of the labels is the published one, and so is that of the cells.
    source = source_from(json.loads((draft.bundle / QUESTIONS).read_bytes()), project=project)
    asked = draft.tables or default_tables(draft, source)
    # Rounded down: all of them together cost no more than was asked for.
    share = Loss.pure(draft.epsilon).micro // len(asked) / MICRO
    answers = [asked_one(draft, source, item, by, share=share) for item, by in asked]
    for number, given in enumerate(answers, start=1):
        write_csv(draft, f"tables/{number:02d}.csv", given)
    unit = "household" if project.household else "person"
    listed = [described(number, given) for number, given in enumerate(answers, start=1)]
    write_json(draft.bundle / TABLES, {"tables": listed, "epsilon": draft.epsilon, "unit": unit})
    write_json(draft.evidence / CHARGED, {"dataset": source.name, "release": draft.release})
    draft.write_dictionary([item for item in draft.wanted if item.name in source.items])


def questions(draft: Draft) -> dict[str, Any]:
    """The questions that may be asked, as published: ledger, year, bound, and each item's categories."""
    project = draft.room.project
    offered = [
        item
        for item in draft.wanted
        if item.name != project.time and item.role is not ItemRole.DIRECT_IDENTIFIER
    ]
    items = {item.name: spec for item in offered if (spec := public_labels(draft, item))}
    return {
        "schema": "workbench-questions/1",
        "source": ledger_name(project),
        "year": project.public_period,
        "rows_per_household": 3,
        "items": items,
        "numbers": {item.name: bounds for item in offered if (bounds := public_bounds(item))},
        "open": [item.name for item in offered if is_open(item)],
    }


def public_labels(draft: Draft, item: Item) -> dict[str, Any] | None:
    """The item at the finest level with few enough categories: a function of its ladder alone."""
    hierarchy: Hierarchy | None = public_ladder(draft, item)
    if hierarchy is None:
        return None
    for level in range(hierarchy.height):
        spec = dict(hierarchy.recode(level))
        if 1 < len(recode.labels(spec)) <= MOST_LABELS and spec["kind"] != "keep":
            return spec
    return None


def default_tables(draft: Draft, source: Source) -> list[tuple[str, str | None]]:
    """Each target by the coarsest place or by nothing: what a reader asks first."""
    targets = [target for target in draft.room.targets if target in source.items]
    if not targets:
        raise Refused(
            ja="集計できる困難の項目がありません。--table 項目:区分 で指定してください。",
            en="No target can be tabulated; name tables with --table ITEM:BY.",
        )
    return [(target, None) for target in targets]


def asked_one(draft: Draft, source: Source, item: str, by: str | None, *, share: float) -> Answer:
    home = draft.room.home
    purpose = f"table {draft.release} {item} {by}"
    return answer(
        Histogram(item, epsilon=share, by=by),
        source=source,
        table=lambda: draft.source,
        ledger=Ledger(draft.room.state),
        analyst=f"release:{draft.release}",
        purpose=draft.room.project.purpose,
        use=Use.TABLES,
        key=home.entropy(f"bound {purpose}"),
        demonstration=home.entropy(f"noise {purpose}") if home.is_demonstration else None,
    )


def described(number: int, given: Answer) -> dict[str, Any]:
    return {
        "file": f"tables/{number:02d}.csv",
        "items": list(given.items),
        "epsilon_micro": given.price.micro,
        "margin_95": round(given.price.margin or 0.0, 2),
        "cells": given.price.cells,
    }


def write_csv(draft: Draft, name: str, given: Answer) -> None:
    """UTF-8 with a mark and CRLF: opens in Excel as it stands."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([*given.items, "count"])
    writer.writerows([*cell, count] for cell, count in given.counts)
    path = draft.bundle / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.getvalue().encode("utf-8-sig"))
