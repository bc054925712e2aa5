"""
Checks on what the columns are and say: identifiers, unregistered items, writing that names a person.

They bear on Rule 62 nos. 1 to 3. Every check reads the staged files; none asks the preparer.
"""

import re

import numpy as np
import pyarrow as pa

from workbench.artifact.tree import files_in
from workbench.data import patterns
from workbench.data.individual_number import is_forbidden_name, mentions
from workbench.data.register import ItemRole, Kind
from workbench.privacy.anonymity import metrics
from workbench.privacy.anonymity.classes import word
from workbench.privacy.anonymity.recipe import replay
from workbench.release import measures, staging
from workbench.release.findings import Finding, Text, Verdict
from workbench.release.room import public_values
from workbench.release.split import PARTS
from workbench.release.staged import DATA, DICTIONARY, PART, RECIPE, Rows
from workbench.scoring import recode

EXPECTED = frozenset({*DATA.values(), DICTIONARY, RECIPE})
PREPARE_AGAIN = Text(
    ja="workbench release submit で元の表から作り直してください。",
    en="Prepare it again from the source with 'workbench release submit'.",
)
# Beyond this many standard deviations an order is no accident: once in 15,000 shuffles.
TRACE = 4.0
INDEX_NAME = re.compile(r"(?i)index|unnamed.*|__index_level_\d+__|row_?(?:id|number)?|level_\d+")


def named(columns: list[str]) -> str:
    return ", ".join(sorted(columns))


def complete(rows: Rows) -> Finding:
    """Exactly the files of a record-level release, each readable, both parts with the same columns."""
    present = files_in(rows.bundle).keys() - set(staging.OURS)
    extra, missing = sorted(present - EXPECTED), sorted(EXPECTED - present)
    if extra or missing:
        return Finding(
            Verdict.FAIL,
            Text(
                ja=f"公開に含まれるべきファイルと違います（余分 {len(extra)} 件、不足 {len(missing)} 件）。",
                en=f"The files are not those of a release ({len(extra)} too many, {len(missing)} missing).",
            ),
            numbers={"extra": extra, "missing": missing},
            remedy=PREPARE_AGAIN,
        )
    schemas = [rows.arrow[part].schema.remove_metadata() for part in PARTS]
    names = schemas[0].names
    if schemas[0] != schemas[1] or len(set(names)) < len(names) or PART in names or rows.recipe is None:
        return Finding(
            Verdict.FAIL,
            Text(ja="二つの部分の列が揃っていません。", en="The two parts do not have the same columns."),
            remedy=PREPARE_AGAIN,
        )
    return Finding(
        Verdict.PASS,
        Text(
            ja=f"{len(EXPECTED)} 個のファイルがそろい、{len(names)} 列を読めました。",
            en=f"All {len(EXPECTED)} files are there; {len(names)} columns were read.",
        ),
        numbers={"files": len(EXPECTED), "columns": len(names)},
    )


def traceable(rows: Rows) -> Finding:
    """Each released row is one source row, in the part the split gives it; no source row stands twice."""
    if rows.source_digest != rows.secret["source"]:
        return Finding(
            Verdict.FAIL,
            Text(
                ja="この公開を準備した後に、元の表が変わっています。",
                en="The source table has changed since this release was prepared.",
            ),
            remedy=PREPARE_AGAIN,
        )
    origin = rows.origin
    parts = rows.released[PART].to_numpy()
    right = (
        len(origin) == len(parts)
        and len(np.unique(origin)) == len(origin)
        and bool(np.all((origin >= 0) & (origin < len(rows.source))))
        and bool((rows.split.to_numpy()[origin] == parts).all())
        and rows.names_its_people
    )
    if not right:
        return Finding(
            Verdict.FAIL,
            Text(
                ja="公開する行と元の行が一対一に対応していないか、訓練用と評価用の分け方が違います。",
                en="The released rows are not one to one with source rows, or lie in the wrong part of the split.",
            ),
            numbers={"released": len(parts), "aligned": len(origin)},
            remedy=PREPARE_AGAIN,
        )
    scope = int(rows.in_scope.sum())
    return Finding(
        Verdict.PASS,
        Text(
            ja=f"対象 {scope:,} 行 = 公開 {len(origin):,} 行 + 削除 {scope - len(origin):,} 行。世帯と年度は訓練用と評価用で重なりません。",
            en=f"{scope:,} rows in scope = {len(origin):,} released + {scope - len(origin):,} suppressed. Train and test share no household and no year.",
        ),
        numbers={"rows_in": scope, "rows_out": len(origin), "suppressed": scope - len(origin)},
    )


def pseudonymised(rows: Rows) -> Finding:
    """Whether rows still stand for persons: a key per person, or children alone in their class."""
    keys = measures.person_keys(rows)
    alone = metrics.sample_uniques(rows.classes)
    numbers = {"person_keys": sorted(keys), "uniques": alone}
    if not keys and not alone:
        return Finding(
            Verdict.PASS,
            Text(
                ja="個人ごとの符号も、組合せが 1 人だけの行もありません。",
                en="There is no code per person, and nobody is alone with a combination of values.",
            ),
            numbers=numbers,
        )
    return Finding(
        Verdict.FAIL,
        Text(
            ja=f"仮名加工にとどまります：個人ごとの符号が {len(keys)} 列、組合せが 1 人だけの人が {alone:,} 人います。氏名がなくても本人に行き着きます。",
            en=f"This is pseudonymised only: {len(keys)} columns hold a code per person, and {alone:,} people are alone with their combination of values; they are found without a name.",
        ),
        numbers=numbers,
        limits={"person_keys": 0, "uniques": 0},
        remedy=Text(
            ja="個人の符号を外し、一般化と抑制による公開（--protection anonymised）、合成データ（synthetic）または差分プライバシー付き集計表（dp_tables）として作り直してください。",
            en="Leave out the codes and prepare it generalised and suppressed (--protection anonymised), as synthetic data (synthetic) or as differentially private tables (dp_tables).",
        ),
    )


def registered(rows: Rows) -> Finding:
    """Every column stands in the register and is justified for this project."""
    unknown = [name for name in rows.columns if name not in rows.table.by_name]
    unjustified = [item.name for item in rows.known if not rows.room.justifies(item)]
    if unknown or unjustified:
        return Finding(
            Verdict.FAIL,
            Text(
                ja=f"台帳にない列：{named(unknown) or 'なし'}。この目的で使う理由が台帳にない列：{named(unjustified) or 'なし'}。",
                en=f"Not in the register: {named(unknown) or 'none'}. No reason in the register for this purpose: {named(unjustified) or 'none'}.",
            ),
            numbers={"unregistered": sorted(unknown), "unjustified": sorted(unjustified)},
            remedy=Text(
                ja="その列を外すか、台帳に役割と理由を登録してから作り直してください。",
                en="Leave the column out, or register its role and reason first, then prepare again.",
            ),
        )
    return Finding(
        Verdict.PASS,
        Text(
            ja=f"{len(rows.columns)} 列すべてが台帳にあり、この目的で使う理由があります。",
            en=f"All {len(rows.columns)} columns are registered and justified for this purpose.",
        ),
        numbers={"columns": len(rows.columns)},
    )


def direct_identifiers(rows: Rows) -> Finding:
    """No column that the register calls an identifier or a code, in the tables or in the recipe."""
    identifying = set(rows.table.of_role(ItemRole.DIRECT_IDENTIFIER))
    codes = {item.name for item in rows.table if item.kind in (Kind.CODE, Kind.TEXT, Kind.DATE)}
    kept = {
        name for name in rows.columns if rows.recipe["items"].get(name, {"kind": "keep"})["kind"] == "keep"
    }
    found = sorted(
        (identifying & set(rows.columns)) | (codes & kept) | (identifying & set(rows.recipe["items"]))
    )
    forbidden = [name for name in rows.columns if is_forbidden_name(name) or mentions(name)]
    if found or forbidden:
        return Finding(
            Verdict.FAIL,
            Text(
                ja=f"直接識別子、連結する符号または自由記載の列があります：{named([*found, *forbidden])}。",
                en=f"There are direct identifiers, linking codes or free text: {named([*found, *forbidden])}.",
            ),
            numbers={"columns": sorted([*found, *forbidden])},
            limits={"columns": 0},
            remedy=Text(ja="その列を公開から外してください。", en="Leave these columns out of the release."),
        )
    return Finding(
        Verdict.PASS,
        Text(
            ja="直接識別子、連結する符号（宛名番号・学籍番号・世帯番号など）、自由記載の列はありません。",
            en="No direct identifier, no linking code (addressee, pupil or household number), no free text.",
        ),
    )


def writing(rows: Rows) -> Finding:
    """No cell reads as an identifying number, address or mail; every word is a known label."""
    shapes = patterns.measure(rows.released[rows.columns])
    strange = [
        name
        for name in rows.columns
        if not {word(value) for value in rows.released[name].dropna().unique()} <= known_labels(rows, name)
    ]
    marked = sorted({column for columns in shapes.values() for column in columns})
    if shapes or strange:
        return Finding(
            Verdict.FAIL,
            Text(
                ja=f"番号・住所・連絡先の形をした値のある列：{named(marked) or 'なし'}。台帳と変換表にない値のある列：{named(strange) or 'なし'}。",
                en=f"Values that read as numbers of identity papers, addresses or contacts in: {named(marked) or 'none'}. Values in neither register nor recipe in: {named(strange) or 'none'}.",
            ),
            numbers={"shapes": shapes, "unknown_labels": sorted(strange)},
            limits={"shapes": 0},
            remedy=Text(
                ja="その列を一般化の階層に登録するか、公開から外してください。",
                en="Give the column a hierarchy, or leave it out of the release.",
            ),
        )
    return Finding(
        Verdict.PASS,
        Text(
            ja=f"個人番号・電話番号など {len(patterns.ALL)} 種の形を全ての値で探し、該当は 0 件でした。値はすべて台帳か変換表の区分です。",
            en=f"{len(patterns.ALL)} shapes, Individual Numbers and telephone numbers among them, were sought in all values and none found. Every value is a category of the register or the recipe.",
        ),
        numbers={"shapes": {}},
        limits={"shapes": 0},
    )


def known_labels(rows: Rows, name: str) -> set[str]:
    """Every word the column may hold: its recipe's labels, else the register's values."""
    spec = rows.recipe["items"].get(name, {"kind": "keep"})
    if spec["kind"] != "keep":
        return set(recode.labels(spec))
    return set(public_values(rows.table[name])) if name in rows.table.by_name else set()


def order(rows: Rows) -> Finding:
    """Nothing of the source's order is left: shuffled rows, no index column, no schema metadata."""
    traces = [
        trace
        for part in PARTS
        for trace in measures.order_traces(rows.origin[(rows.released[PART] == str(part)).to_numpy()])
    ]
    strongest = max((abs(trace) for trace in traces), default=0.0)
    indexes = [name for name in rows.columns if INDEX_NAME.fullmatch(name)]
    told = any(_tells(rows.arrow[part].schema) for part in PARTS)
    numbers = {"trace": round(strongest, 2), "index_columns": indexes, "schema_metadata": told}
    if strongest > TRACE or indexes or told:
        return Finding(
            Verdict.FAIL,
            Text(
                ja="行の並びか索引から、元の表での位置が分かります。",
                en="The order of the rows, or an index, tells where a row stood in the source.",
            ),
            numbers=numbers,
            limits={"trace": TRACE},
            remedy=Text(
                ja="行を無作為に並べ替え、索引と表の付加情報を除いて作り直してください。",
                en="Shuffle the rows, leave out indexes and schema metadata, and prepare again.",
            ),
        )
    return Finding(
        Verdict.PASS,
        Text(
            ja="行は無作為に並べ替えられ、索引や元の位置を示す情報はありません。",
            en="The rows are shuffled; no index and no trace of their place in the source is left.",
        ),
        numbers=numbers,
        limits={"trace": TRACE},
    )


def _tells(schema: pa.Schema) -> bool:
    """Whether a file's schema carries anything beyond names and types: pandas writes its index there."""
    return bool(schema.metadata) or any(field.metadata for field in schema)


def as_recoded(rows: Rows) -> Finding:
    """
    Each released cell is what the published recoding makes of its source cell, and the steps, run again over
    the source rows in scope, leave exactly the rows that would be released.
    """
    differing = measures.unequal_columns(rows)
    if differing:
        return Finding(
            Verdict.FAIL,
            Text(
                ja=f"公開された変換表を元の表に当てた結果と違う列があります：{named(list(differing))}。",
                en=f"Some columns are not what the published recipe makes of the source: {named(list(differing))}.",
            ),
            numbers={"cells": differing},
            limits={"cells": 0},
            remedy=PREPARE_AGAIN,
        )
    if rows.secret.get("search") and not made_again(rows):
        return Finding(
            Verdict.FAIL,
            Text(
                ja="加工の手順を元の表にもう一度実行すると、公開する行と違う表になります。",
                en="Running the recipe's steps over the source again gives other rows than would be released.",
            ),
            limits={"cells": 0},
            remedy=PREPARE_AGAIN,
        )
    return Finding(
        Verdict.PASS,
        Text(
            ja="公開する値はすべて、公開された変換表を元の値に当てた結果と一致しました。",
            en="Every released value equals what the published recipe makes of its source value.",
        ),
        numbers={"cells": 0},
    )


def made_again(rows: Rows) -> bool:
    """Whether the steps of the evidence make the released rows once more. Untrusted for a recipe that lies."""
    if rows.steps is None or rows.steps.output != rows.output_digest:
        return False
    replay(rows.steps, rows.before)
    return True
