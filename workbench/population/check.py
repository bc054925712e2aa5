"""
Whether a folder is a city as `write` left it, and one a coordinating body could take in.

The digests come first; then every table is read as an intake would read it, by the register, so that a
column nobody registered or a number that must never exist is refused here as it would be there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.artifact.canonical import parse_canonical, sha256
from workbench.data.intake import read_extract
from workbench.data.item import Kind
from workbench.errors import NotFound, Untrusted, Unusable
from workbench.population.calendar import END, iso
from workbench.population.delivery import MANIFEST, SCHEMA, TRUTH
from workbench.population.documents import register

# An expected day of birth may lie ahead; everything else has happened.
AHEAD = {("maternal", "due_date")}


@dataclass(frozen=True)
class Held:
    """What the folder holds: the tables as an intake reads them, and whose each key is."""

    tables: dict[str, pd.DataFrame]
    truth: pd.DataFrame


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, how often, and how often it did not hold."""

    rule: str
    looked_at: int
    wrong: int


def check(folder: Path) -> list[Finding]:
    """
    Look at the folder's tables. Raises NotFound without a manifest, Untrusted when a file is not as written,
    and what the intake raises.
    """
    manifest = verify(folder)
    tables = {
        entry["table"]: read_extract(folder / name, register()[entry["table"]].items)[0]
        for name, entry in manifest["files"].items()
        if not name.startswith(TRUTH)
    }
    held = Held(tables, pd.read_parquet(folder / TRUTH / "truth_link.parquet"))
    return [rule(held) for rule in RULES]


def verify(folder: Path) -> dict[str, Any]:
    """The manifest, once every file it names is there with its digest."""
    if not (folder / MANIFEST).is_file():
        raise NotFound(
            ja=f"{folder} に {MANIFEST} がありません。workbench population generate で作成してください。",
            en=f"There is no {MANIFEST} in {folder}; make the city with 'workbench population generate'.",
        )
    manifest: dict[str, Any] = parse_canonical((folder / MANIFEST).read_bytes(), name=MANIFEST)
    if manifest.get("schema") != SCHEMA:
        raise Unusable(
            ja=f"{MANIFEST} の形式が {SCHEMA} ではありません。作り直してください。",
            en=f"{MANIFEST} is not of the form {SCHEMA}; make the city again.",
        )
    wrong = [name for name, entry in manifest["files"].items() if not is_as_written(folder / name, entry)]
    if wrong:
        raise Untrusted(
            ja=f"書き出した時と違うファイルがあります: {', '.join(wrong)}。作り直してください。",
            en=f"Files are not as they were written: {', '.join(wrong)}. Make the city again.",
        )
    return manifest


def is_as_written(path: Path, entry: dict[str, Any]) -> bool:
    return path.is_file() and sha256(path.read_bytes()) == entry["sha256"]


def every_key_has_an_owner(held: Held) -> Finding:
    known = set(zip(held.truth["source"], held.truth["source_key"], strict=True))
    pairs = [(name, key) for name, frame in held.tables.items() for key in frame[key_of(name)].unique()]
    return Finding(
        "every key has an owner in truth_link", len(pairs), sum(pair not in known for pair in pairs)
    )


def key_of(table: str) -> str:
    """A holder's key is the first column of its table."""
    return register()[table].names[0]


def every_moved_person_is_registered(held: Held) -> Finding:
    moves = held.tables["resident_addr_hist"]["person_no"]
    return Finding(
        "every address belongs to a resident",
        len(moves),
        int((~moves.isin(held.tables["resident"]["person_no"])).sum()),
    )


def no_log_without_its_roll(held: Held) -> Finding:
    rolls = {
        "attendance": "pupil",
        "school_survey": "pupil",
        "childcare_month": "childcare",
        "consult_contact": "consult",
    }
    looked_at = wrong = 0
    for log, roll in rolls.items():
        keys = held.tables[log][key_of(log)]
        looked_at += len(keys)
        wrong += int((~keys.isin(held.tables[roll][key_of(roll)])).sum())
    return Finding("no log without its roll", looked_at, wrong)


def no_record_after_the_end(held: Held) -> Finding:
    end = iso([END])[0]
    looked_at = wrong = 0
    for name, frame in held.tables.items():
        for item in register()[name]:
            if item.kind is Kind.DATE and (name, item.name) not in AHEAD:
                dates = frame[item.name].dropna()
                looked_at += len(dates)
                wrong += int((dates >= end).sum())
    return Finding("no record after the end of the records", looked_at, wrong)


RULES: tuple[Callable[[Held], Finding], ...] = (
    every_key_has_an_owner,
    every_moved_person_is_registered,
    no_log_without_its_roll,
    no_record_after_the_end,
)
