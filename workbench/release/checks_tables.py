"""
Checks of differentially private tables: which cells there are, what they cost, that there is noise at all.

The guarantee is the mechanism's. What can go wrong around it is checked here: a cell that exists only
because of one child, a budget that was not charged, counts without noise.
"""

import math
from typing import Any

import numpy as np

from workbench.artifact.tree import files_in
from workbench.data.register import ItemRole
from workbench.privacy.dp.answer import exact_counts
from workbench.privacy.dp.questions import MICRO, Number
from workbench.release import staging
from workbench.release.findings import Finding, Text, Verdict
from workbench.release.staged_tables import Tables, is_open, public_bounds

AGAIN = Text(
    ja="workbench release submit --protection dp_tables で作り直してください。",
    en="Prepare it again with 'workbench release submit --protection dp_tables'.",
)
# Noise that leaves every cell as it was, by a chance smaller than this, is no noise.
UNLIKELY = 1e-6


def complete(tables: Tables) -> Finding:
    """Exactly the files of such a release."""
    present = files_in(tables.bundle).keys() - set(staging.OURS)
    extra, missing = sorted(present - tables.expected), sorted(tables.expected - present)
    if extra or missing or not tables.listed:
        return Finding(
            Verdict.FAIL,
            Text(
                ja=f"集計表に含まれるべきファイルと違います（余分 {len(extra)} 件、不足 {len(missing)} 件）。",
                en=f"The files are not those of the tables ({len(extra)} too many, {len(missing)} missing).",
            ),
            numbers={"extra": extra, "missing": missing},
            remedy=AGAIN,
        )
    return Finding(
        Verdict.PASS,
        Text(
            ja=f"集計表 {len(tables.listed)} 件がそろっています。",
            en=f"All {len(tables.listed)} tables are there.",
        ),
        numbers={"tables": len(tables.listed)},
    )


def registered(tables: Tables) -> Finding:
    """Every item asked about is registered, justified for this project, identifies nobody, and has its bounds."""
    offered = [*tables.source.items, *tables.source.numbers, *tables.source.open]
    wrong = sorted({name for name in offered if not may_be_asked(tables, name)})
    if wrong:
        return Finding(
            Verdict.FAIL,
            Text(
                ja=f"台帳と合わないか、この目的で使えない項目があります：{'、'.join(wrong)}。",
                en=f"Not as in the register, or not for this purpose: {', '.join(wrong)}.",
            ),
            numbers={"items": wrong},
            remedy=Text(
                ja="その項目を外すか、台帳の範囲のまま公開してください。",
                en="Leave these items out, or publish the register's own ranges.",
            ),
        )
    many = len(set(offered))
    return Finding(
        Verdict.PASS,
        Text(
            ja=f"質問できる {many} 項目はすべて台帳にあり、範囲も台帳のもので、この目的で使う理由があります。",
            en=f"All {many} items that can be asked about are registered, in the register's ranges, and justified.",
        ),
        numbers={"items": many},
    )


def may_be_asked(tables: Tables, name: str) -> bool:
    """A narrower range than the register's, or a listed identifier, would have been read off the data."""
    table = tables.room.register[tables.room.project.source]
    if name not in table.by_name:
        return False
    item, source = table[name], tables.source
    return (
        item.role is not ItemRole.DIRECT_IDENTIFIER
        and tables.room.justifies(item)
        and (name not in source.numbers or bounds_of(source.numbers[name]) == public_bounds(item))
        and (name not in source.open or is_open(item))
    )


def bounds_of(number: Number) -> dict[str, Any]:
    return {"minimum": number.minimum, "maximum": number.maximum, "whole": number.whole}


def public_cells(tables: Tables) -> Finding:
    """Every public category stands in each table once, held or not, and no other does."""
    differing = 0
    for table in tables.listed:
        header, found, _ = tables.read(table)
        differing += found != tables.cells(table) or header != [*table["items"], "count"]
    if differing:
        return Finding(
            Verdict.FAIL,
            Text(
                ja=f"{differing} 件の表で、区分が公開の区分と一致しません。区分の有無から個人の存在が分かるおそれがあります。",
                en=f"In {differing} tables the cells are not the public ones; a cell's presence may give a child away.",
            ),
            numbers={"tables": differing},
            limits={"tables": 0},
            remedy=AGAIN,
        )
    cells = sum(int(table["cells"]) for table in tables.listed)
    return Finding(
        Verdict.PASS,
        Text(
            ja=f"{cells} の区分はすべて公開の区分で、該当者がいない区分も含みます。",
            en=f"All {cells} cells are public categories, those without children included.",
        ),
        numbers={"cells": cells},
    )


def epsilon(tables: Tables) -> Finding:
    """What the release costs, against the policy's levels."""
    spent = tables.micro / MICRO
    warn, refuse = tables.room.policy["epsilon_warn"], tables.room.policy["epsilon_refuse"]
    numbers, limits = {"epsilon": spent}, {"epsilon_warn": warn, "epsilon_refuse": refuse}
    sentence = Text(
        ja=f"費用は合計 ε={spent:g}、保護の単位は世帯（1世帯につき {tables.source.rows_per_household} 人まで数えます）。",
        en=f"It costs ε={spent:g} in all; the unit is the household (at most {tables.source.rows_per_household} children each).",
    )
    if spent <= warn:
        return Finding(Verdict.PASS, sentence, numbers, limits)
    return Finding(
        Verdict.FAIL if spent > refuse else Verdict.REVIEW,
        sentence,
        numbers,
        limits,
        Text(ja="表を減らすか --epsilon を下げてください。", en="Ask for fewer tables, or lower --epsilon."),
    )


def charged(tables: Tables) -> Finding:
    """The ledger was charged at least what the tables say they cost."""
    numbers = {"charged": tables.charged / MICRO, "epsilon": tables.micro / MICRO}
    if 0 < tables.micro <= tables.charged:
        return Finding(
            Verdict.PASS,
            Text(
                ja=f"プライバシー予算台帳に ε={tables.charged / MICRO:g} が記帳されています。",
                en=f"The ledger was charged ε={tables.charged / MICRO:g} for it.",
            ),
            numbers=numbers,
        )
    return Finding(
        Verdict.FAIL,
        Text(
            ja="プライバシー予算台帳の記帳が、表の費用より少ないです。",
            en="The ledger was charged less than the tables cost.",
        ),
        numbers=numbers,
        remedy=AGAIN,
    )


def noise(tables: Tables) -> Finding:
    """The counts are not the true ones: recounted here, with the noise the price promises."""
    equal, likelihood, cells = 0, 0.0, 0
    source = tables.room.raw.get(tables.room.project.source)
    for table in tables.listed:
        question = tables.question(table)
        # Where a household is over its bound, another choice of its rows is as true.
        true = np.array(exact_counts(question, source=tables.source, table=source, key=b"recount"))
        equal += int((true == np.array(tables.read(table)[2])).sum())
        cells += len(true)
        spread = question.parts(tables.source)[0].mechanism.scale
        likelihood += len(true) * math.log(math.tanh(1 / (2 * spread)))
    if equal == cells and likelihood < math.log(UNLIKELY):
        return Finding(
            Verdict.FAIL,
            Text(ja="集計表にノイズが加えられていません。", en="There is no noise in the tables."),
            numbers={"cells": cells},
            remedy=AGAIN,
        )
    return Finding(
        Verdict.PASS,
        Text(
            ja="集計の値は、元の表を数え直した値とは異なり、ノイズが加えられています。",
            en="The counts differ from a recount of the source: noise was added.",
        ),
        numbers={"cells": cells},
    )
