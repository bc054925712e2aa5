"""
The tables as files, each as its holder would send it.

Some holders write CP932 and Japanese eras, some full-width digits, some Parquet. Reading them back by the
register gives the tables of the City again. No file holds a time or a name of a machine: the same City
gives the same bytes.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from workbench.artifact.canonical import canonical, sha256
from workbench.home import write_atomically
from workbench.population.city import City
from workbench.population.documents import labels
from workbench.population.era import Style, written

SCHEMA = "workbench-population/1"
MANIFEST = "MANIFEST.json"
TRUTH = "truth"
FICTIONAL = {
    "ja": "すべて架空です。実在の人・世帯・住所は含まれません。割合は公表統計による（params.yaml）。",
    "en": "Entirely fictional: no real person, household or address. Rates follow public statistics (params.yaml).",
}
WIDE_DIGITS = str.maketrans("0123456789", "０１２３４５６７８９")


@dataclass(frozen=True)
class Sent:
    """How a holder sends a table: file format, encoding, how dates are written, items with full-width digits."""

    kind: str = "csv"
    encoding: str = "utf-8"
    dates: Style = Style.ISO
    wide: tuple[str, ...] = ()
    japanese_header: bool = False


PARQUET = Sent(kind="parquet")
OFFICE = Sent(encoding="utf-8-sig", japanese_header=True)
OLD_SYSTEM = Sent(encoding="cp932", dates=Style.ERA, japanese_header=True)

SENT = {
    "resident": OFFICE,
    "resident_addr_hist": Sent(encoding="cp932", dates=Style.ERA, japanese_header=True),
    "tax": PARQUET,
    "child_allowance": PARQUET,
    "sp_allowance": Sent(encoding="cp932", dates=Style.LETTER, japanese_header=True),
    "welfare": Sent(encoding="cp932", dates=Style.ERA, japanese_header=True),
    "maternal": Sent(dates=Style.SLASHES),
    "infant_check": Sent(
        encoding="cp932", dates=Style.LETTER, wide=("birth_weight", "caries_n"), japanese_header=True
    ),
    "vaccine": PARQUET,
    "childcare": OFFICE,
    "childcare_month": PARQUET,
    "pupil": Sent(encoding="cp932", dates=Style.DIGITS, wide=("grade", "class_no"), japanese_header=True),
    "school_aid": OFFICE,
    "attendance": PARQUET,
    "school_health": PARQUET,
    "nurse_visit": PARQUET,
    "school_survey": PARQUET,
    "bullying": Sent(),
    "consult": OLD_SYSTEM,
    "consult_contact": Sent(dates=Style.SLASHES),
    "disability": OFFICE,
    "med_subsidy": PARQUET,
    "arrears": Sent(encoding="cp932", wide=("fy", "months"), japanese_header=True),
    "carer_survey": Sent(),
}


def write(city: City, folder: Path) -> dict[str, Any]:
    """Write every table, the truth tables and MANIFEST.json into `folder`; gives what the manifest says."""
    (folder / TRUTH).mkdir(parents=True, exist_ok=True)
    files = {}
    for table, frame in city.tables.items():
        name, content = as_file(table, frame)
        files[name] = entry(content, table=table, rows=len(frame))
        write_atomically(folder / name, content, mode=0o644)
    for truth in ("truth_link", "truth_latent", "truth_child_year"):
        frame = getattr(city, truth)
        content = as_parquet(frame)
        files[f"{TRUTH}/{truth}.parquet"] = entry(content, table=truth, rows=len(frame))
        write_atomically(folder / TRUTH / f"{truth}.parquet", content, mode=0o644)
    manifest = {
        "schema": SCHEMA,
        "profile": city.profile,
        "seed": city.seed,
        "parameters": city.parameters,
        "fictional": FICTIONAL,
        "files": files,
    }
    # The manifest comes last: a folder without it was not finished.
    write_atomically(folder / MANIFEST, canonical(manifest), mode=0o644)
    return manifest


def entry(content: bytes, *, table: str, rows: int) -> dict[str, Any]:
    sent = SENT.get(table, PARQUET)
    how = {"format": sent.kind} | (
        {"encoding": sent.encoding, "dates": sent.dates.value} if sent.kind == "csv" else {}
    )
    return {"table": table, "rows": rows, "bytes": len(content), "sha256": sha256(content), **how}


def as_file(table: str, frame: pd.DataFrame) -> tuple[str, bytes]:
    """The file's name and content."""
    sent = SENT[table]
    if sent.kind == "parquet":
        return f"{table}.parquet", as_parquet(frame)
    return f"{table}.csv", as_csv(frame, sent=sent, names=labels(table) if sent.japanese_header else {})


def as_parquet(frame: pd.DataFrame) -> bytes:
    # Built column by column: pandas would add a note on itself to the file.
    table = pa.table({name: pa.array(frame[name], from_pandas=True) for name in frame.columns})
    sink = io.BytesIO()
    pyarrow.parquet.write_table(table, sink, compression="zstd", compression_level=9)
    return sink.getvalue()


def as_csv(frame: pd.DataFrame, *, sent: Sent, names: Mapping[str, str]) -> bytes:
    """CSV with CRLF, as office software writes it; missing is an empty cell."""
    columns = {names.get(name, name): as_text(frame[name], sent=sent) for name in frame.columns}
    sink = io.BytesIO()
    options = pyarrow.csv.WriteOptions(quoting_style="needed", quoting_header="needed")
    pyarrow.csv.write_csv(pa.table(columns), sink, options)
    return sink.getvalue().decode().replace("\n", "\r\n").encode(sent.encoding)


def as_text(column: pd.Series, *, sent: Sent) -> pa.Array:
    """The column's cells as text. Each distinct value is written once, however many cells hold it."""
    codes, distinct = pd.factorize(column, use_na_sentinel=True)
    texts = pd.Series(distinct).astype(str)
    if looks_like_dates(texts):
        texts = texts.map(lambda text: written(text, style=sent.dates))
    if column.name in sent.wide:
        texts = texts.str.translate(WIDE_DIGITS)
    return pa.array(texts.to_numpy(dtype=object), type=pa.string()).take(
        pa.array(codes, mask=np.equal(codes, -1))
    )


def looks_like_dates(texts: pd.Series) -> bool:
    return bool(len(texts)) and bool(texts.str.fullmatch(r"\d{4}-\d{2}-\d{2}").all())
